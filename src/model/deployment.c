/* Deployments and their revisions. */
#include "model/fleet_internal.h"

#include "base/arena.h"
#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- deployments ---- */

static struct deployment *deployment_new(
    struct fleet *f, struct tenant *t, struct module *m, struct group *g, const struct row_deployment *row) {
	struct deployment *d = object_new(TABLE_deployment, sizeof *d, row);
	d->tenant = t;
	d->module = m;
	d->group = g;
	TAILQ_INIT(&d->revisions);
	TAILQ_INIT(&d->instances);
	m->n_deployments++;
	g->n_deployments++;
	ADD_ID(f->deployments, d);
	ADD_TEXT(t->deployments, d, name);
	TAILQ_INSERT_TAIL(&t->deployments_in[d->row.state], d, state_link);
	return d;
}

struct deployment *fleet_deployment_add(
    struct fleet *f, struct tenant *t, struct module *m, struct group *g, const struct row_deployment *row) {
	struct row_deployment r = *row;
	r.id = fleet_next_id(f, "deployment");
	r.tenant_id = t->row.id;
	r.module_id = m->row.id;
	r.group_id = g->row.id;
	r.revision = r.completed_revision = 0;
	if (r.state == DEPLOYMENT_NONE)
		r.state = DEPLOYMENT_WAITING;
	struct deployment *d = deployment_new(f, t, m, g, &r);
	state_made(f, WORD_DEPLOYMENT, r.state);
	object_created(f, &d->o);
	return d;
}

int deployment_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_deployment *r = row;
	struct tenant *t = fleet_tenant_by_id(f, r->tenant_id);
	struct module *m;
	struct group *g;
	FIND_ID(f->modules, r->module_id, m);
	FIND_ID(f->groups, r->group_id, g);
	if (t == NULL)
		return absent(err, "deployment", r->id, "tenant", r->tenant_id);
	if (m == NULL)
		return absent(err, "deployment", r->id, "module", r->module_id);
	if (g == NULL)
		return absent(err, "deployment", r->id, "base group", r->group_id);
	deployment_new(f, t, m, g, r)->o.stored = true;
	return 0;
}

struct deployment *fleet_deployment(const struct tenant *t, const char *name) {
	struct deployment *d;
	FIND_TEXT(t->deployments, name, d);
	return d;
}

struct deployment *fleet_deployment_by_id(const struct fleet *f, int64_t id) {
	struct deployment *d;
	FIND_ID(f->deployments, id, d);
	return d;
}

struct deployment *fleet_deployments(const struct fleet *f) {
	return f->deployments;
}

static void revision_drop(struct fleet *f, struct revision *r) {
	r->version->n_revisions--;
	TAILQ_REMOVE(&r->deployment->revisions, r, link);
	object_delete(f, &r->o);
}

/* Finished plans may outlive it. */
static void plans_let_go(struct fleet *f, const struct deployment *d) {
	for (struct plan *p = f->plans; p != NULL; p = p->hh_id.next) {
		struct change *c;
		TAILQ_FOREACH(c, &p->changes, link)
			if (c->deployment == d)
				c->deployment = NULL;
	}
}

void fleet_deployment_remove(struct fleet *f, struct deployment *d) {
	assert(d->n_instances == 0 && d->plan == NULL && d->n_queued == 0);
	plans_let_go(f, d);
	struct revision *r;
	while ((r = TAILQ_FIRST(&d->revisions)) != NULL)
		revision_drop(f, r);
	d->module->n_deployments--;
	d->group->n_deployments--;
	HASH_DELETE(hh_id, f->deployments, d);
	HASH_DELETE(hh_name, d->tenant->deployments, d);
	TAILQ_REMOVE(&d->tenant->deployments_in[d->row.state], d, state_link);
	object_delete(f, &d->o);
}

void deployment_set_state(struct fleet *f, struct deployment *d, enum deployment_state s, const char *reason, wall_t now) {
	if (text_set(&d->row.state_reason, reason))
		fleet_touch(f, &d->o);
	if (d->row.state == (int)s)
		return;
	state_moved(f, WORD_DEPLOYMENT, d->row.state, (int)s);
	TAILQ_REMOVE(&d->tenant->deployments_in[d->row.state], d, state_link);
	d->row.state = (int)s;
	TAILQ_INSERT_TAIL(&d->tenant->deployments_in[s], d, state_link);
	d->row.state_at = now;
	fleet_touch(f, &d->o);
}

void deployment_set_completed(struct fleet *f, struct deployment *d, int64_t revision) {
	if (d->row.completed_revision == revision)
		return;
	d->row.completed_revision = revision;
	d->completed = fleet_revision(d, revision);
	fleet_touch(f, &d->o);
}

void deployment_set_plan(struct fleet *f, struct deployment *d, struct plan *p) {
	d->plan = p; /* derived from plans and their changes: nothing to store */
}

/* ---- revisions ---- */

void revision_link(struct deployment *d, struct version *v, struct revision *r) {
	r->deployment = d;
	r->version = v;
	v->n_revisions++;
	TAILQ_INSERT_TAIL(&d->revisions, r, link);
	if (r->row.number == d->row.revision)
		d->current = r;
	if (r->row.number == d->row.completed_revision)
		d->completed = r;
}

/* Of the new current one. Its number was never given out: nothing is at it, unless somebody is at a number that is not known. */
static void revision_recount(struct deployment *d, struct revision *r) {
	const struct revision *x;
	const struct instance *i;
	int known = 0;
	d->n_updated = 0;
	TAILQ_FOREACH(x, &d->revisions, link)
		known += x->n_wanted;
	if (known == d->n_wanted)
		return;
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		if (i->row.wanted && i->row.revision == r->row.number) {
			d->n_updated++;
			r->n_wanted++;
			r->n_other += i->version != r->version;
		}
}

struct revision *fleet_revision_add(
    struct fleet *f, struct deployment *d, struct version *v, const struct row_revision *row, const struct strategy *s) {
	ARENA_AUTO a = arena_new();
	struct row_revision r = *row;
	r.deployment_id = d->row.id;
	r.version_id = v->row.id;
	if (r.number == 0)
		r.number = d->row.revision + 1;
	assert(r.number > d->row.revision && v->module == d->module);
	if (s != NULL)
		r.strategy = strategy_print(s, a);
	struct revision *x = object_new(TABLE_revision, sizeof *x, &r);
	x->strategy = s == NULL ? strategy_unset : *s;
	d->row.revision = r.number;
	revision_link(d, v, x);
	revision_recount(d, x);
	fleet_touch(f, &d->o);
	object_created(f, &x->o);
	return x;
}

int revision_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_revision *r = row;
	struct deployment *d = fleet_deployment_by_id(f, r->deployment_id);
	struct version *v = fleet_version_by_id(f, r->version_id);
	if (d == NULL)
		return absent(err, "revision", r->number, "deployment", r->deployment_id);
	if (v == NULL)
		return absent(err, "revision", r->number, "version", r->version_id);
	struct strategy s;
	if (strategy_parse(r->strategy, &s, err) != 0)
		return err_context(err, "revision %lld of deployment %s", (long long)r->number, d->row.name);
	struct revision *x = object_new(TABLE_revision, sizeof *x, r);
	x->strategy = s;
	revision_link(d, v, x);
	x->o.stored = true;
	return 0;
}

struct revision *fleet_revision(const struct deployment *d, int64_t number) {
	struct revision *r;
	TAILQ_FOREACH_REVERSE(r, &d->revisions, revision_list, link)
	if (r->row.number == number)
		return r;
	return NULL;
}

void fleet_revision_remove(struct fleet *f, struct revision *r) {
	struct deployment *d = r->deployment;
	assert(r != d->current);
	if (d->completed == r)
		d->completed = NULL;
	revision_drop(f, r);
}
