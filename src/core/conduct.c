/* The plan engine's environment: its events, its alarms, its tasks; and the queue of plans that are due. */
#include "core/conductor.h"
#include "core/launch.h"

static void on_event(void *arg, const char *kind, struct plan *p, const struct deployment *d, const struct base *b, const struct version *v,
    const struct task *t, const char *text) {
	struct event_facts f = {
		.kind = kind, .plan = p, .deployment = d, .base = b, .version = v, .task = t, .instance = t == NULL ? NULL : t->instance
	};
	core_event(arg, &f, "%s", text == NULL ? "" : text);
}

static void on_wake(void *arg, struct plan *p, mono_t at) {
	struct core *c = arg;
	agenda_add(&c->agenda, at, AGENDA_PLAN, p->row.id);
}

void task_make_ready(struct core *c, struct task *t) {
	if (t->row.state == TASK_BACKOFF)
		task_set_state(c->fleet, t, TASK_PENDING, c->wall);
	if (t->queued || t->row.state != TASK_PENDING)
		return;
	t->queued = true;
	TAILQ_INSERT_TAIL(&c->ready, t, queue_link);
}

static void on_task_ready(void *arg, struct task *t) {
	task_make_ready(arg, t);
}

static void on_task_due(void *arg, struct task *t, mono_t at) {
	struct core *c = arg;
	agenda_add(&c->agenda, at, AGENDA_TASK, t->row.id);
}

void room_freed(struct core *c, struct group *g) {
	g->grown++;
	g->roomier = c->room = true;
}

static void on_freed(void *arg, struct group *g) {
	room_freed(arg, g);
}

/* A deleted deployment goes with its last instance, in the same commit as the end of its plan. */
static void deployment_gone(struct core *c, struct plan *p, struct change *ch) {
	struct deployment *d = ch->deployment;
	bool whole = p->row.state == PLAN_SUCCEEDED || p->row.state == PLAN_SUCCEEDED_WITH_FAILURES;
	if (p->row.kind != PLAN_KIND_DELETE || ch->row.accompanies || !whole || d->n_instances > 0 || !d->row.offline || d->n_queued > 0)
		return; /* something is left of it, or it is wanted again */
	struct event_facts f = { .kind = "deployment.deleted", .deployment = d, .plan = p };
	core_event(c, &f, "%s is deleted", d->row.name);
	ch->deployment = NULL;
	fleet_deployment_remove(c->fleet, d);
}

/* Of a deployment on all bases: those that joined while the plan was at work, behind its last look. */
static void peers_late(struct core *c, const struct deployment *d) {
	struct base *b;
	if (d->current == NULL || d->current->row.replicas >= 0 || d->row.offline || d->n_queued > 0 ||
	    deployment_holders(d) >= d->group->n_bases)
		return;
	TAILQ_FOREACH(b, &d->group->bases, group_link)
		if (b->row.state == BASE_READY && base_instance_of_module(b, d->module) == NULL)
			peer_join(c, b);
}

/* What it leaves to repair. What nobody wants goes at once, as in leftovers_due(): the plan that comes next looks at who serves after that.
 */
static void leave_to_repair(struct core *c, const struct deployment *d) {
	struct instance *i, *next;
	for (i = d->n_ready == d->n_instances ? NULL : TAILQ_FIRST(&d->instances); i != NULL; i = next) {
		next = TAILQ_NEXT(i, deployment_link);
		if (!i->row.wanted && i->task == NULL)
			repair_instance(c, i);
		else if (!i->row.wanted || i->row.state != INSTANCE_READY)
			agenda_add(&c->agenda, c->mono, AGENDA_REPAIR, i->row.id);
	}
}

static void on_ended(void *arg, struct plan *p) {
	struct core *c = arg;
	struct change *ch;
	bool awaited = false;
	policy_plan_ended(c, p);
	TAILQ_FOREACH(ch, &p->changes, link) {
		struct instance *i;
		awaited |= ch->deployment->n_queued > 0;
		leave_to_repair(c, ch->deployment);
		if (p->tenant->n_requiring > 0)
			TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
				tasks_of_base_ready(c, i->base);
		peers_late(c, ch->deployment);
		deployment_gone(c, p, ch);
	}
	for (struct plan *q = awaited ? fleet_plans(c->fleet) : NULL; q != NULL; q = q->hh_id.next)
		if (q->row.state == PLAN_QUEUED)
			plan_due(c, q->row.id);
	agenda_add(&c->agenda, mono_add(c->mono, US_PER_S), AGENDA_PLAN, p->row.id); /* to be put away */
}

static bool on_prefetch(void *arg, struct plan *p, struct base *b, struct version *v, int64_t slot) {
	return prefetch_send(arg, p, b, v, slot);
}

static int64_t on_ask(void *arg, struct plan *p, const struct plan_ask *a) {
	return ask_add(arg, p, a);
}

static void on_into_traffic(void *arg, struct instance *i) {
	repair_into_traffic(arg, i);
}

static bool on_undo(void *arg, struct plan *p, const char *why) {
	return undo_by_itself(arg, p, why);
}

void conduct_init(struct core *c) {
	c->plans = (struct plan_env){
		.rng = c->env.rng,
		.in_flight_base = c->cfg.in_flight_base,
		.arg = c,
		.event = on_event,
		.wake = on_wake,
		.task_ready = on_task_ready,
		.task_due = on_task_due,
		.freed = on_freed,
		.ended = on_ended,
		.prefetch = on_prefetch,
		.ask = on_ask,
		.into_traffic = on_into_traffic,
		.undo = on_undo,
	};
}

void plan_due(struct core *c, int64_t plan_id) {
	struct plan *p = fleet_plan(c->fleet, plan_id);
	struct plan_id_queue *q = &c->due_plans;
	if (p == NULL || p->due)
		return;
	p->due = true;
	if (q->n == q->cap) {
		q->cap = q->cap == 0 ? 64 : q->cap * 2;
		q->ids = realloc(q->ids, q->cap * sizeof *q->ids);
		if (q->ids == NULL)
			abort();
	}
	q->ids[q->n++] = plan_id;
}

/* So many tasks of a finished plan leave the memory in one step. */
#define FORGET_SLICE 500

/* False: one was called off, and the dispatcher has not looked at it yet. */
static bool tasks_put_away(struct core *c, struct plan *p) {
	struct task *t;
	for (int n = 0; n < FORGET_SLICE && (t = TAILQ_FIRST(&p->tasks)) != NULL; n++) {
		if (t->queued)
			return false;
		fleet_task_forget(c->fleet, t);
	}
	return true;
}

/* A finished plan leaves the memory, in slices, when nothing of it is at work and everything of it is in the ledger. */
static void put_away(struct core *c, struct plan *p) {
	if (p->n_open > 0 || p->o.dirty || c->flying != NULL || !tasks_put_away(c, p))
		agenda_add(&c->agenda, mono_add(c->mono, US_PER_S), AGENDA_PLAN, p->row.id);
	else if (!TAILQ_EMPTY(&p->tasks))
		plan_due(c, p->row.id);
	else
		fleet_plan_forget(c->fleet, p);
}

bool conduct_step(struct core *c) {
	struct plan_id_queue *q = &c->due_plans;
	if (q->next == q->n)
		return false;
	struct plan *p = fleet_plan(c->fleet, q->ids[q->next++]);
	if (q->next == q->n)
		q->next = q->n = 0;
	if (p == NULL)
		return true;
	p->due = false;
	c->culprit = (struct culprit){ CULPRIT_PLAN, p->row.id };
	if (p->row.state == PLAN_QUEUED)
		launch_company(c, p);
	if (!word_terminal(WORD_PLAN, p->row.state))
		plan_step(&c->plans, p);
	waits_record(c, p);
	if (word_terminal(WORD_PLAN, p->row.state))
		put_away(c, p);
	return true;
}

void room_look(struct core *c) {
	if (!c->room)
		return;
	c->room = false;
	for (struct plan *p = fleet_plans(c->fleet); p != NULL; p = p->hh_id.next) {
		const struct change *ch;
		TAILQ_FOREACH(ch, &p->changes, link) /* a deployment that was deleted leaves its plan behind, for a moment */
			if (ch->deployment != NULL && ch->deployment->group->roomier && p->row.state == PLAN_RUNNING)
				plan_due(c, p->row.id);
	}
	for (struct base *b = fleet_bases(c->fleet); b != NULL; b = b->hh_id.next)
		if (b->group->roomier && (b->row.state == BASE_LOST || b->row.state == BASE_STOPPED))
			base_look(c, b, c->mono);
	for (struct base *b = fleet_bases(c->fleet); b != NULL; b = b->hh_id.next)
		b->group->roomier = false;
}
