/* Tasks: one command to one base, of a plan or of a repair. Finished ones may outlive their instance and their base. */
#include "model/fleet_internal.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

static bool task_open(const struct task *t) {
	return !word_terminal(WORD_TASK, t->row.state);
}

/* By the time at which they were sent: what is sent now comes last, and a load brings them nearly in that order. */
static void sent_enter(struct tenant *n, struct task *t) {
	struct task *before = TAILQ_LAST(&n->sent, task_queue);
	while (before != NULL && before->row.sent_at.us > t->row.sent_at.us)
		before = TAILQ_PREV(before, task_queue, sent_link);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&n->sent, t, sent_link);
	else
		TAILQ_INSERT_AFTER(&n->sent, before, t, sent_link);
}

static void sent_count(struct task *t, int sign) {
	t->base->inflight += sign;
	if (sign > 0)
		sent_enter(t->base->tenant, t);
	else
		TAILQ_REMOVE(&t->base->tenant->sent, t, sent_link);
}

static void task_count(struct fleet *f, struct task *t, int sign) {
	bool sent = t->row.state == TASK_SENT;
	f->inflight += sent ? sign : 0;
	if (sent && t->base != NULL)
		sent_count(t, sign);
	if (sent && t->plan != NULL)
		t->plan->n_sent += sign;
	if (!task_open(t))
		return;
	if (t->plan != NULL)
		t->plan->n_open += sign;
	if (t->instance == NULL)
		return;
	if (sign > 0 && t->instance->task == NULL)
		t->instance->task = t;
	else if (sign < 0 && t->instance->task == t)
		t->instance->task = NULL;
}

static struct task *task_new(struct fleet *f, struct plan *p, struct instance *i, struct base *b, const struct row_task *row) {
	struct task *t = object_new(TABLE_task, sizeof *t, row);
	t->plan = p;
	t->instance = i;
	t->base = b;
	if (p != NULL) {
		TAILQ_INSERT_TAIL(&p->tasks, t, plan_link);
		p->n_tasks++;
	}
	if (i != NULL)
		TAILQ_INSERT_TAIL(&i->tasks, t, instance_link);
	task_count(f, t, 1);
	ADD_ID(f->tasks, t);
	return t;
}

static void row_names(struct row_task *r, const struct instance *i) {
	if (r->base == NULL)
		r->base = i->base->row.name;
	if (r->deployment == NULL && i->deployment != NULL)
		r->deployment = i->deployment->row.name;
	if (r->module == NULL)
		r->module = i->version->module->row.name;
	if (r->version == NULL)
		r->version = i->version->row.name;
}

struct task *fleet_task_add(struct fleet *f, struct plan *p, struct instance *i, const struct row_task *row) {
	assert(i->task == NULL);
	struct row_task r = *row;
	r.id = fleet_next_id(f, "task");
	r.plan_id = p == NULL ? 0 : p->row.id;
	r.instance_id = i->row.id;
	r.base_id = i->row.base_id;
	r.deployment_id = i->row.deployment_id;
	r.version_id = i->row.version_id;
	if (r.state == TASK_NONE)
		r.state = TASK_PENDING;
	row_names(&r, i);
	struct task *t = task_new(f, p, i, i->base, &r);
	state_made(f, WORD_TASK, r.state);
	object_created(f, &t->o);
	return t;
}

int task_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_task *r = row;
	struct plan *p = fleet_plan(f, r->plan_id);
	struct instance *i = fleet_instance(f, r->instance_id);
	struct base *b = fleet_base_by_id(f, r->base_id);
	bool open = !word_terminal(WORD_TASK, r->state);
	if (p == NULL && r->plan_id != 0)
		return absent(err, "task", r->id, "plan", r->plan_id);
	if (open && i == NULL)
		return absent(err, "task", r->id, "instance", r->instance_id);
	if (open && b == NULL)
		return absent(err, "task", r->id, "base", r->base_id);
	task_new(f, p, i, b, r)->o.stored = true;
	return 0;
}

struct task *fleet_task(const struct fleet *f, int64_t id) {
	struct task *t;
	FIND_ID(f->tasks, id, t);
	return t;
}

struct task *fleet_tasks(const struct fleet *f) {
	return f->tasks;
}

void task_set_state(struct fleet *f, struct task *t, enum task_state s, wall_t now) {
	if (t->row.state == (int)s)
		return;
	state_moved(f, WORD_TASK, t->row.state, (int)s);
	task_count(f, t, -1);
	t->row.state = (int)s;
	if (s == TASK_SENT)
		t->row.sent_at = now;
	task_count(f, t, 1);
	if (!task_open(t))
		t->row.ended_at = now;
	fleet_touch(f, &t->o);
}

void fleet_task_forget(struct fleet *f, struct task *t) {
	assert(!task_open(t));
	if (t->parked != NULL)
		TAILQ_REMOVE(t->parked, t, queue_link);
	if (t->plan != NULL) {
		TAILQ_REMOVE(&t->plan->tasks, t, plan_link);
		t->plan->n_tasks--;
	}
	if (t->instance != NULL)
		TAILQ_REMOVE(&t->instance->tasks, t, instance_link);
	HASH_DELETE(hh_id, f->tasks, t);
	object_part(f, &t->o);
}
