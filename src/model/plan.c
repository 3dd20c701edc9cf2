/* Plans with their changes and batches, and tasks (of a plan, or of a repair). */
#include "model/fleet_internal.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

/* ---- plans ---- */

bool plan_live_state(enum plan_state s) {
	return s != PLAN_NONE && s != PLAN_QUEUED && !word_terminal(WORD_PLAN, (int)s);
}

static void change_count(struct plan *p, struct deployment *d, int sign) {
	if (d == NULL)
		return;
	if (p->row.state == PLAN_QUEUED)
		d->n_queued += sign;
	if (!plan_live_state((enum plan_state)p->row.state))
		return;
	if (sign > 0 && d->plan == NULL)
		d->plan = p;
	else if (sign < 0 && d->plan == p)
		d->plan = NULL;
}

static void plan_tally(struct plan *p, int sign) {
	if (plan_live_state((enum plan_state)p->row.state))
		p->tenant->n_plans_running += sign;
	struct change *c;
	TAILQ_FOREACH(c, &p->changes, link)
		change_count(p, c->deployment, sign);
}

void plan_count(struct plan *p) {
	plan_tally(p, 1);
}

void plan_uncount(struct plan *p) {
	plan_tally(p, -1);
}

static struct plan *plan_new(struct fleet *f, struct tenant *t, const struct row_plan *row) {
	struct plan *p = object_new(TABLE_plan, sizeof *p, row);
	p->tenant = t;
	TAILQ_INIT(&p->changes);
	TAILQ_INIT(&p->batches);
	TAILQ_INIT(&p->tasks);
	TAILQ_INIT(&p->parked);
	plan_count(p);
	ADD_ID(f->plans, p);
	TAILQ_INSERT_TAIL(&t->plans_in[p->row.state], p, state_link);
	return p;
}

struct plan *fleet_plan_add(struct fleet *f, struct tenant *t, const struct row_plan *row) {
	struct row_plan r = *row;
	r.id = fleet_next_id(f, "plan");
	r.tenant_id = t->row.id;
	if (r.state == PLAN_NONE)
		r.state = PLAN_QUEUED;
	struct plan *p = plan_new(f, t, &r);
	state_made(f, WORD_PLAN, r.state);
	object_created(f, &p->o);
	return p;
}

int plan_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_plan *r = row;
	struct tenant *t = fleet_tenant_by_id(f, r->tenant_id);
	if (t == NULL)
		return absent(err, "plan", r->id, "tenant", r->tenant_id);
	plan_new(f, t, r)->o.stored = true;
	return 0;
}

struct plan *fleet_plan(const struct fleet *f, int64_t id) {
	struct plan *p;
	FIND_ID(f->plans, id, p);
	return p;
}

struct plan *fleet_plans(const struct fleet *f) {
	return f->plans;
}

void plan_set_state(struct fleet *f, struct plan *p, enum plan_state s, const char *reason, wall_t now) {
	if (text_set(&p->row.state_reason, reason))
		fleet_touch(f, &p->o);
	if (p->row.state == (int)s)
		return;
	state_moved(f, WORD_PLAN, p->row.state, (int)s);
	bool stays = plan_live_state((enum plan_state)p->row.state) && plan_live_state(s);
	if (!stays)
		plan_uncount(p);
	TAILQ_REMOVE(&p->tenant->plans_in[p->row.state], p, state_link);
	p->row.state = (int)s;
	TAILQ_INSERT_TAIL(&p->tenant->plans_in[s], p, state_link);
	if (!stays)
		plan_count(p);
	p->row.state_at = now;
	if (plan_live_state(s) && p->row.started_at.us == 0)
		p->row.started_at = now;
	if (word_terminal(WORD_PLAN, (int)s))
		p->row.ended_at = now;
	fleet_touch(f, &p->o);
}

void fleet_plan_forget(struct fleet *f, struct plan *p) {
	assert(p->n_open == 0 && word_terminal(WORD_PLAN, p->row.state));
	struct task *t;
	while ((t = TAILQ_FIRST(&p->tasks)) != NULL)
		fleet_task_forget(f, t);
	struct change *c;
	while ((c = TAILQ_FIRST(&p->changes)) != NULL) {
		TAILQ_REMOVE(&p->changes, c, link);
		object_part(f, &c->o);
	}
	struct batch *b;
	while ((b = TAILQ_FIRST(&p->batches)) != NULL) {
		TAILQ_REMOVE(&p->batches, b, link);
		object_part(f, &b->o);
	}
	finding_set_plan(p->evicts, NULL);
	if (p->live != NULL && f->plan_free != NULL)
		(void)f->plan_free(p->live, &(size_t){ SIZE_MAX });
	HASH_DELETE(hh_id, f->plans, p);
	TAILQ_REMOVE(&p->tenant->plans_in[p->row.state], p, state_link);
	object_part(f, &p->o);
}

/* ---- changes ---- */

static struct change *change_new(struct plan *p, struct deployment *d, const struct row_plan_change *row) {
	struct change *c = object_new(TABLE_plan_change, sizeof *c, row);
	c->plan = p;
	c->deployment = d;
	TAILQ_INSERT_TAIL(&p->changes, c, link);
	change_count(p, d, 1);
	return c;
}

struct change *fleet_change_add(struct fleet *f, struct plan *p, struct deployment *d, const struct row_plan_change *row) {
	struct row_plan_change r = *row;
	const struct change *last = TAILQ_LAST(&p->changes, change_list);
	r.plan_id = p->row.id;
	r.deployment_id = d->row.id;
	if (r.number == 0)
		r.number = last == NULL ? 1 : last->row.number + 1;
	if (r.deployment == NULL)
		r.deployment = d->row.name;
	if (r.module == NULL)
		r.module = d->module->row.name;
	struct change *c = change_new(p, d, &r);
	object_created(f, &c->o);
	return c;
}

int plan_change_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_plan_change *r = row;
	struct plan *p = fleet_plan(f, r->plan_id);
	if (p == NULL)
		return absent(err, "change", r->number, "plan", r->plan_id);
	struct deployment *d = fleet_deployment_by_id(f, r->deployment_id);
	if (d == NULL && !word_terminal(WORD_PLAN, p->row.state))
		return absent(err, "plan", r->plan_id, "deployment", r->deployment_id);
	change_new(p, d, r)->o.stored = true;
	return 0;
}

/* ---- batches ---- */

static struct batch *batch_new(struct plan *p, const struct row_batch *row) {
	struct batch *b = object_new(TABLE_batch, sizeof *b, row);
	b->plan = p;
	TAILQ_INSERT_TAIL(&p->batches, b, link);
	return b;
}

struct batch *fleet_batch_add(struct fleet *f, struct plan *p, const struct row_batch *row) {
	struct row_batch r = *row;
	const struct batch *last = TAILQ_LAST(&p->batches, batch_list);
	r.plan_id = p->row.id;
	if (r.number == 0)
		r.number = last == NULL ? 1 : last->row.number + 1;
	if (r.state == BATCH_NONE)
		r.state = BATCH_PENDING;
	struct batch *b = batch_new(p, &r);
	state_made(f, WORD_BATCH, r.state);
	object_created(f, &b->o);
	return b;
}

int batch_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_batch *r = row;
	struct plan *p = fleet_plan(f, r->plan_id);
	if (p == NULL)
		return absent(err, "batch", r->number, "plan", r->plan_id);
	batch_new(p, r)->o.stored = true;
	return 0;
}

void batch_set_state(struct fleet *f, struct batch *b, enum batch_state s, wall_t now) {
	if (b->row.state == (int)s)
		return;
	state_moved(f, WORD_BATCH, b->row.state, (int)s);
	b->row.state = (int)s;
	if (s != BATCH_PENDING && b->row.started_at.us == 0)
		b->row.started_at = now;
	b->row.ended_at = s == BATCH_DONE || s == BATCH_FAILED ? now : (wall_t){ 0 };
	fleet_touch(f, &b->o);
}
