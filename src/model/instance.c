/* Instances: one module version on one base. Here the units are counted, and refused where they do not fit. */
#include "model/fleet_internal.h"

#include "base/mutant.h"
#include "base/err.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* ---- in the sums of its deployment and of its base's group ---- */

static void instance_tally(struct instance *i, int sign) {
	bool ready = i->row.state == INSTANCE_READY;
	struct group *g = i->base->group;
	g->n_instances += sign;
	g->n_ready_instances += ready ? sign : 0;
	i->base->n_quarantined += i->row.state == INSTANCE_QUARANTINED ? sign : 0;
	struct deployment *d = i->deployment;
	if (d == NULL)
		return;
	d->n_serving += ready ? sign : 0;
	if (!i->row.wanted)
		return;
	d->n_wanted += sign;
	d->n_away += base_gone(i->base) ? sign : 0;
	d->n_ready += ready ? sign : 0;
	d->n_updated += i->row.revision == d->row.revision ? sign : 0;
	struct revision *r = fleet_revision(d, i->row.revision);
	if (r != NULL) {
		r->n_wanted += sign;
		r->n_other += i->version != r->version ? sign : 0;
	}
	if (g == d->group)
		d->zone_wanted[i->base->zone->slot] += sign;
}

void instance_count(struct instance *i) {
	instance_tally(i, 1);
}

void instance_uncount(struct instance *i) {
	instance_tally(i, -1);
}

/* Is there one of the same deployment on its base, before `end` in the list? */
static bool has_sibling(const struct instance *i, const struct instance *end) {
	const struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link) {
		if (x == end)
			return false;
		if (x != i && x->deployment == i->deployment)
			return true;
	}
	return false;
}

static void holder_tally(struct instance *i, const struct instance *end, int sign) {
	struct deployment *d = i->deployment;
	if (d != NULL && d->group == i->base->group && !has_sibling(i, end))
		d->zone_holders[i->base->zone->slot] += sign;
}

void holders_count(struct base *b, int sign) {
	struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		holder_tally(i, i, sign);
}

static void deployment_enter(struct instance *i, struct deployment *d) {
	i->deployment = d;
	i->row.deployment_id = d == NULL ? 0 : d->row.id;
	if (d == NULL)
		return;
	d->n_instances++;
	TAILQ_INSERT_TAIL(&d->instances, i, deployment_link);
	holder_tally(i, NULL, 1);
}

static void deployment_leave(struct instance *i) {
	struct deployment *d = i->deployment;
	if (d == NULL)
		return;
	d->n_instances--;
	TAILQ_REMOVE(&d->instances, i, deployment_link);
	holder_tally(i, NULL, -1);
	i->deployment = NULL;
}

static struct instance *instance_new(
    struct fleet *f, struct base *b, struct deployment *d, struct version *v, const struct row_instance *row) {
	struct instance *i = object_new(TABLE_instance, sizeof *i, row);
	TAILQ_INIT(&i->tasks);
	TAILQ_INIT(&i->stays);
	i->base = b;
	i->version = v;
	b->n_instances++;
	v->n_instances++;
	TAILQ_INSERT_TAIL(&b->instances, i, base_link);
	deployment_enter(i, d);
	instance_count(i);
	ADD_ID(f->instances, i);
	return i;
}

/* ---- life ---- */

static int units_check(const struct base *b, const struct version *v, const struct row_instance *row, struct err *err) {
	bool there = row->reported != NULL && *row->reported != '\0';
	if (there || row->units <= 0 || b->row.units_used + row->units <= b->row.units_ceiling)
		return 0;
	int64_t used = b->row.units_used;
	return err_set(err, E_CONFLICT,
	    "limit %" PRId64 " of base %s is used up (%" PRId64 " of %" PRId64 " units; %s:%s needs %" PRId64
	    "); raise it with: berth base set %s --limit %" PRId64,
	    base_limit(b), b->row.name, used, base_limit(b), v->module->row.name, v->row.name, row->units, b->row.name, used + row->units);
}

/* One on its way out may have a successor of the same version: other arguments. */
static int twice_check(const struct base *b, const struct version *v, struct err *err) {
	const struct instance *other = base_instance_of(b, v);
	if (other == NULL || !other->row.wanted)
		return 0;
	return err_set(err, E_CONFLICT, "base %s already has an instance of %s:%s (%" PRId64 ", %s)", b->row.name, v->module->row.name,
	    v->row.name, other->row.id, word_text(WORD_INSTANCE, other->row.state));
}

int fleet_instance_add(struct fleet *f, struct base *b, struct deployment *d, struct version *v, const struct row_instance *row,
    struct instance **ret, struct err *err) {
	int r = units_check(b, v, row, err);
	if (r == 0)
		r = twice_check(b, v, err);
	if (r != 0)
		return r;
	struct row_instance x = *row;
	x.id = fleet_next_id(f, "instance");
	x.base_id = b->row.id;
	x.deployment_id = d == NULL ? 0 : d->row.id;
	x.version_id = v->row.id;
	if (x.state == INSTANCE_NONE)
		x.state = INSTANCE_PENDING;
	struct instance *i = instance_new(f, b, d, v, &x);
	base_add_units(f, b, x.units);
	state_made(f, WORD_INSTANCE, x.state);
	object_created(f, &i->o);
	if (x.state == INSTANCE_READY)
		stay_begin(f, i);
	*ret = i;
	return 0;
}

/* Its units are in the base's row already; fleet_load_end compares. */
int instance_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_instance *r = row;
	struct base *b = fleet_base_by_id(f, r->base_id);
	struct version *v = fleet_version_by_id(f, r->version_id);
	struct deployment *d = fleet_deployment_by_id(f, r->deployment_id);
	if (b == NULL)
		return absent(err, "instance", r->id, "base", r->base_id);
	if (v == NULL)
		return absent(err, "instance", r->id, "version", r->version_id);
	if (d == NULL && r->deployment_id != 0)
		return absent(err, "instance", r->id, "deployment", r->deployment_id);
	instance_new(f, b, d, v, r)->o.stored = true;
	return 0;
}

void instance_to_tail(struct instance *i) {
	if (i->deployment == NULL)
		return;
	TAILQ_REMOVE(&i->deployment->instances, i, deployment_link);
	TAILQ_INSERT_TAIL(&i->deployment->instances, i, deployment_link);
}

/* The one that was to give way to it in place, on whose units it stands, takes them back: it is there as long as its row is. */
static void units_return(struct fleet *f, struct instance *i) {
	struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link) {
		int64_t lack = x->version->row.units - x->row.units, n = i->row.units < lack ? i->row.units : lack;
		if (x == i || i->deployment == NULL || x->deployment != i->deployment || x->row.generation == 0 || n <= 0)
			continue;
		x->row.units += n;
		i->row.units -= n;
		fleet_touch(f, &x->o);
	}
}

void fleet_instance_remove(struct fleet *f, struct instance *i) {
	assert(i->task == NULL);
	units_return(f, i);
	struct task *t;
	while ((t = TAILQ_FIRST(&i->tasks)) != NULL) {
		TAILQ_REMOVE(&i->tasks, t, instance_link);
		t->instance = NULL;
	}
	struct base *b = i->base;
	struct stay_list stays = TAILQ_HEAD_INITIALIZER(stays);
	if (i->row.state == INSTANCE_READY)
		stay_end(f, i, "removed", NULL, f->last_event_at);
	stays_move(&i->stays, &stays);
	instance_uncount(i);
	deployment_leave(i);
	TAILQ_REMOVE(&b->instances, i, base_link);
	b->n_instances--;
	i->version->n_instances--;
	base_add_units(f, b, MUTANT(forget_refund) ? 0 : -i->row.units);
	HASH_DELETE(hh_id, f->instances, i);
	struct leftover *l = object_delete(f, &i->o);
	stays_move(&stays, l == NULL ? NULL : &l->stays);
}

/* ---- lookup ---- */

struct instance *fleet_instance(const struct fleet *f, int64_t id) {
	struct instance *i;
	FIND_ID(f->instances, id, i);
	return i;
}

struct instance *fleet_instances(const struct fleet *f) {
	return f->instances;
}

struct instance *base_instance_of(const struct base *b, const struct version *v) {
	struct instance *i, *found = NULL;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (i->version != v)
			continue;
		if (i->row.wanted)
			return i;
		if (found == NULL)
			found = i;
	}
	return found;
}

struct instance *base_instance_of_module(const struct base *b, const struct module *m) {
	struct instance *i, *found = NULL;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (i->version->module != m)
			continue;
		if (i->row.wanted)
			return i;
		if (found == NULL)
			found = i;
	}
	return found;
}

/* ---- setters ---- */

void instance_set_state(struct fleet *f, struct instance *i, enum instance_state s, const char *reason, wall_t now) {
	if (text_set(&i->row.state_reason, reason))
		fleet_touch(f, &i->o);
	if (i->row.state == (int)s)
		return;
	state_moved(f, WORD_INSTANCE, i->row.state, (int)s);
	if (i->row.state == INSTANCE_READY)
		stay_end(f, i, word_text(WORD_INSTANCE, (int)s), reason, now);
	instance_uncount(i);
	i->row.state = (int)s;
	instance_count(i);
	i->row.state_at = now;
	if (s == INSTANCE_READY)
		stay_begin(f, i);
	fleet_touch(f, &i->o);
}

void instance_set_wanted(struct fleet *f, struct instance *i, bool wanted) {
	if (i->row.wanted == wanted)
		return;
	instance_uncount(i);
	i->row.wanted = wanted;
	instance_count(i);
	fleet_touch(f, &i->o);
}

void instance_set_revision(struct fleet *f, struct instance *i, int64_t revision) {
	if (i->row.revision == revision)
		return;
	instance_uncount(i);
	i->row.revision = revision;
	instance_count(i);
	fleet_touch(f, &i->o);
}

void instance_set_deployment(struct fleet *f, struct instance *i, struct deployment *d) {
	if (i->deployment == d)
		return;
	instance_uncount(i);
	deployment_leave(i);
	deployment_enter(i, d);
	instance_count(i);
	fleet_touch(f, &i->o);
}

int instance_set_units(struct fleet *f, struct instance *i, int64_t units, struct err *err) {
	int64_t more = units - i->row.units;
	struct base *b = i->base;
	if (more == 0)
		return 0;
	if (more > 0 && b->row.units_used + more > b->row.units_ceiling)
		return err_set(err, E_CONFLICT, "base %s has no room for %" PRId64 " more units (%" PRId64 " of %" PRId64 ")", b->row.name,
		    more, b->row.units_used, base_limit(b));
	i->row.units = units;
	fleet_touch(f, &i->o);
	base_add_units(f, b, more);
	return 0;
}

void instance_move_units(struct fleet *f, struct instance *from, struct instance *to, int64_t units) {
	assert(from != to && from->base == to->base && units >= 0 && units <= from->row.units);
	to->row.units += units;
	from->row.units -= units;
	fleet_touch(f, &from->o);
	fleet_touch(f, &to->o);
}
