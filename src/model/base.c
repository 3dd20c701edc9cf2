/* Groups, bases and zones: who may take how much. level.c keeps it so that a placement never scans the fleet. */
#include "model/fleet_internal.h"

#include "base/err.h"
#include "base/mutant.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SHARED_SLOT (GROUP_ZONES - 1)

/* ---- facts of a base ---- */

int64_t base_limit(const struct base *b) {
	return b->row.install_limit > 0 ? b->row.install_limit : b->group->row.install_limit;
}

int64_t base_free(const struct base *b) {
	int64_t left = base_limit(b) - b->row.units_used;
	return left > 0 ? left : 0;
}

bool base_open(const struct base *b) {
	return b->row.state == BASE_READY && (!b->row.cordoned || MUTANT(open_closed));
}

/* ---- zones ---- */

static const char *zone_name(const struct base *b) {
	return b->row.zone == NULL ? "" : b->row.zone;
}

struct zone *group_zone(const struct group *g, const char *name) {
	struct zone *z;
	HASH_FIND_STR(g->zones, name == NULL ? "" : name, z);
	return z;
}

/* The first slot that nobody uses, else the shared one. */
static int slot_for(struct group *g) {
	int slot = 0;
	while (slot < SHARED_SLOT && g->slots[slot] != NULL)
		slot++;
	if (g->slots[slot] == NULL && (g->slots[slot] = calloc(1, sizeof(struct zone_slot))) == NULL)
		abort();
	return slot;
}

static struct zone *zone_enter(struct group *g, const char *name) {
	struct zone *z = group_zone(g, name);
	if (z == NULL) {
		z = calloc(1, sizeof *z);
		if (z == NULL)
			abort();
		z->name = text_dup(name);
		z->slot = slot_for(g);
		HASH_ADD_KEYPTR(hh, g->zones, z->name, strlen(z->name), z);
	}
	z->n_bases++;
	g->slots[z->slot]->n_bases++;
	return z;
}

void zone_free(struct group *g, struct zone *z) {
	HASH_DEL(g->zones, z);
	free(z->name);
	free(z);
}

static void zone_leave(struct group *g, struct zone *z) {
	struct zone_slot *s = g->slots[z->slot];
	if (--s->n_bases == 0) {
		g->slots[z->slot] = NULL;
		levels_free(s);
		free(s);
	}
	if (--z->n_bases == 0)
		zone_free(g, z);
}

/* The ceiling follows from limit and use: a limit lowered under what is used, or an adoption beyond it, leaves the ceiling at what is used,
 * and every unit given back lowers it until it is the limit again. So nothing can be added while more than the limit is used. */
void base_refresh(struct fleet *f, struct base *b) {
	int64_t limit = base_limit(b);
	int64_t ceiling = limit > b->row.units_used ? limit : b->row.units_used;
	if (ceiling != b->row.units_ceiling) {
		b->row.units_ceiling = ceiling;
		fleet_touch(f, &b->o);
	}
	level_enter(b);
}

void base_add_units(struct fleet *f, struct base *b, int64_t units) {
	if (units != 0) {
		b->row.units_used += units;
		b->group->units_used += units;
		fleet_touch(f, &b->o);
	}
	base_refresh(f, b);
}

/* ---- a base in its group's sums ---- */

static void zone_count(const struct base *b, int sign) {
	struct zone *z = b->zone;
	z->n_here += b->row.state == BASE_RESTORING || b->row.state == BASE_READY ? sign : 0;
	z->n_gone += b->gone ? sign : 0;
}

static void base_count(struct base *b, int sign) {
	struct group *g = b->group;
	g->n_bases += sign;
	g->n_state[b->row.state] += sign;
	g->n_cordoned += b->row.cordoned ? sign : 0;
	g->units_used += sign * b->row.units_used;
	g->units_limit += sign * base_limit(b);
}

static void instances_count(struct base *b, bool in) {
	struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		in ? instance_count(i) : instance_uncount(i);
	holders_count(b, in ? 1 : -1);
}

static void base_enter(struct base *b, struct group *g) {
	b->group = g;
	b->row.group_id = g->row.id;
	b->zone = zone_enter(g, zone_name(b));
	b->level = NULL;
	zone_count(b, 1);
	struct base *before = TAILQ_LAST(&g->bases, base_queue);
	while (before != NULL && before->row.id > b->row.id)
		before = TAILQ_PREV(before, base_queue, group_link);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&g->bases, b, group_link);
	else
		TAILQ_INSERT_AFTER(&g->bases, before, b, group_link);
	base_count(b, 1);
	instances_count(b, true);
}

static void base_leave(struct base *b) {
	instances_count(b, false);
	base_count(b, -1);
	level_leave(b);
	zone_count(b, -1);
	zone_leave(b->group, b->zone);
	TAILQ_REMOVE(&b->group->bases, b, group_link);
}

void base_rezone(struct fleet *f, struct base *b) {
	struct group *g = b->group;
	if (strcmp(b->zone->name, zone_name(b)) == 0)
		return;
	instances_count(b, false);
	level_leave(b);
	zone_count(b, -1);
	zone_leave(g, b->zone);
	b->zone = zone_enter(g, zone_name(b));
	zone_count(b, 1);
	instances_count(b, true);
	base_refresh(f, b);
}

/* ---- where it is reached without an agent ---- */

static void arklet_enter(struct base *b) {
	const char *url = b->row.arklet_url;
	if (url != NULL)
		HASH_ADD_KEYPTR(hh_arklet, b->tenant->arklets, url, strlen(url), b);
}

static void arklet_leave(struct base *b) {
	if (b->row.arklet_url != NULL)
		HASH_DELETE(hh_arklet, b->tenant->arklets, b);
}

struct base *fleet_base_by_arklet(const struct tenant *t, const char *url) {
	struct base *b;
	HASH_FIND(hh_arklet, t->arklets, url, strlen(url), b);
	return b;
}

void base_set_arklet(struct fleet *f, struct base *b, const char *url) {
	arklet_leave(b);
	if (text_set(&b->row.arklet_url, url))
		fleet_touch(f, &b->o);
	arklet_enter(b);
}

void base_link(struct fleet *f, struct base *b, struct group *g) {
	b->tenant = g->tenant;
	TAILQ_INIT(&b->instances);
	TAILQ_INIT(&b->outbox);
	base_enter(b, g);
	level_enter(b);
	ADD_ID(f->bases, b);
	ADD_TEXT(b->tenant->bases, b, name);
	arklet_enter(b);
}

/* ---- bases ---- */

struct base *fleet_base_add(struct fleet *f, struct group *g, const struct row_base *row) {
	struct base *b = object_new(TABLE_base, sizeof *b, row);
	TAILQ_INIT(&b->findings);
	b->row.id = fleet_next_id(f, "base");
	b->row.tenant_id = g->tenant->row.id;
	b->row.units_used = 0;
	if (b->row.state == BASE_NONE)
		b->row.state = BASE_JOINING;
	base_link(f, b, g);
	base_refresh(f, b);
	state_made(f, WORD_BASE, b->row.state);
	object_created(f, &b->o);
	return b;
}

int base_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_base *r = row;
	struct group *g;
	FIND_ID(f->groups, r->group_id, g);
	if (g == NULL)
		return absent(err, "base", r->id, "base group", r->group_id);
	struct base *b = object_new(TABLE_base, sizeof *b, row);
	TAILQ_INIT(&b->findings);
	base_link(f, b, g);
	b->o.stored = true;
	return 0;
}

struct base *fleet_base(const struct tenant *t, const char *name) {
	struct base *b;
	FIND_TEXT(t->bases, name, b);
	return b;
}

struct base *fleet_base_by_id(const struct fleet *f, int64_t id) {
	struct base *b;
	FIND_ID(f->bases, id, b);
	return b;
}

struct base *fleet_bases(const struct fleet *f) {
	return f->bases;
}

/* Finished tasks may outlive it; forgetting a base is rare enough to look for them. */
void fleet_base_remove(struct fleet *f, struct base *b) {
	assert(b->n_instances == 0);
	for (struct task *t = f->tasks; t != NULL; t = t->hh_id.next)
		if (t->base == b)
			t->base = NULL;
	while (!TAILQ_EMPTY(&b->findings))
		fleet_finding_remove(f, TAILQ_FIRST(&b->findings));
	base_leave(b);
	HASH_DELETE(hh_id, f->bases, b);
	HASH_DELETE(hh_name, b->tenant->bases, b);
	arklet_leave(b);
	object_delete(f, &b->o);
}

static void away_count(const struct base *b, int sign) {
	const struct instance *i;
	if (!base_gone(b))
		return;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->row.wanted && i->deployment != NULL)
			i->deployment->n_away += sign;
}

void base_set_state(struct fleet *f, struct base *b, enum base_state s, const char *reason, wall_t now) {
	if (text_set(&b->row.state_reason, reason))
		fleet_touch(f, &b->o);
	if (b->row.state == (int)s)
		return;
	state_moved(f, WORD_BASE, b->row.state, (int)s);
	zone_count(b, -1);
	away_count(b, -1);
	b->group->n_state[b->row.state]--;
	b->row.state = (int)s;
	b->group->n_state[s]++;
	away_count(b, 1);
	zone_count(b, 1);
	b->row.state_at = now;
	fleet_touch(f, &b->o);
	base_refresh(f, b);
}

void base_set_cordoned(struct fleet *f, struct base *b, bool cordoned, const char *reason, wall_t now) {
	if (text_set(&b->row.cordon_reason, cordoned ? reason : NULL))
		fleet_touch(f, &b->o);
	if (b->row.cordoned == cordoned)
		return;
	b->row.cordoned = cordoned;
	b->row.cordoned_at = cordoned ? now : (wall_t){ 0 };
	b->group->n_cordoned += cordoned ? 1 : -1;
	fleet_touch(f, &b->o);
	base_refresh(f, b);
}

void base_set_gone(struct base *b, bool gone) {
	zone_count(b, -1);
	b->gone = gone;
	zone_count(b, 1);
}

void base_set_absence(struct fleet *f, struct base *b, int64_t us) {
	if (b->row.absence_us == us)
		return;
	b->row.absence_us = us;
	fleet_touch(f, &b->o);
}

void base_set_install_failures(struct fleet *f, struct base *b, int64_t n) {
	if (b->row.install_failures == n)
		return;
	b->row.install_failures = n;
	fleet_touch(f, &b->o);
}

void base_set_limit(struct fleet *f, struct base *b, int64_t install_limit) {
	if (b->row.install_limit == install_limit)
		return;
	b->group->units_limit -= base_limit(b);
	b->row.install_limit = install_limit;
	b->group->units_limit += base_limit(b);
	fleet_touch(f, &b->o);
	base_refresh(f, b);
}

void base_set_group(struct fleet *f, struct base *b, struct group *g) {
	if (b->group == g)
		return;
	assert(b->tenant == g->tenant);
	base_leave(b);
	base_enter(b, g);
	fleet_touch(f, &b->o);
	base_refresh(f, b);
}

/* ---- groups ---- */

static struct group *group_new(struct fleet *f, struct tenant *t, const struct row_base_group *row) {
	struct group *g = object_new(TABLE_base_group, sizeof *g, row);
	g->tenant = t;
	TAILQ_INIT(&g->bases);
	ADD_ID(f->groups, g);
	ADD_TEXT(t->groups, g, name);
	return g;
}

struct group *fleet_group_add(struct fleet *f, struct tenant *t, const struct row_base_group *row) {
	struct row_base_group r = *row;
	r.id = fleet_next_id(f, "base_group");
	r.tenant_id = t->row.id;
	struct group *g = group_new(f, t, &r);
	object_created(f, &g->o);
	return g;
}

int base_group_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_base_group *r = row;
	struct tenant *t = fleet_tenant_by_id(f, r->tenant_id);
	if (t == NULL)
		return absent(err, "base group", r->id, "tenant", r->tenant_id);
	group_new(f, t, r)->o.stored = true;
	return 0;
}

struct group *fleet_group(const struct tenant *t, const char *name) {
	struct group *g;
	FIND_TEXT(t->groups, name, g);
	return g;
}

void fleet_group_remove(struct fleet *f, struct group *g) {
	assert(g->n_bases == 0 && g->n_deployments == 0);
	HASH_DELETE(hh_id, f->groups, g);
	HASH_DELETE(hh_name, g->tenant->groups, g);
	object_delete(f, &g->o);
}

void group_set_limit(struct fleet *f, struct group *g, int64_t install_limit) {
	if (g->row.install_limit == install_limit)
		return;
	g->row.install_limit = install_limit;
	fleet_touch(f, &g->o);
	g->units_limit = 0;
	struct base *b;
	TAILQ_FOREACH(b, &g->bases, group_link) {
		g->units_limit += base_limit(b);
		base_refresh(f, b);
	}
}
