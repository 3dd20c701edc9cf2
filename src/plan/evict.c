/* Evicting: a plan without a change of what is wanted. It is about one finding, a module that nobody told Berth about. After its grace that
 * module is, for as long as its removal takes, an instance that is nobody's and not wanted; the finding stays until the module is gone. */
#include "plan/live.h"
#include "base/arena.h"
#include "sched/requires.h"

#include <stdio.h>
#include <string.h>

void plan_evict_restore(struct plan_env *e, struct plan *p) {
	struct plan_live *l = live_get(p);
	l->s = strategy_unset;
	strategy_resolve(&l->s, 1, UPGRADE_POLICY_AUTO, PLACEMENT_SPREAD);
	finding_set_plan(fleet_finding(e->fleet, l->memo.evicts), p);
	l->soak_from = e->mono;
}

static bool asks_for(const struct version *v, const struct finding *x) {
	ARENA_AUTO a = arena_new();
	struct requirement *list;
	size_t n = requires_of(v, a, &list);
	for (size_t k = 0; k < n; k++)
		if (strcmp(list[k].module, x->row.module) == 0 && version_in_range(x->row.version, list[k].range))
			return true;
	return false;
}

const struct instance *plan_evict_misser(const struct finding *x) {
	const struct instance *i;
	const struct module *m = fleet_module(x->tenant, x->row.module);
	const struct instance *other = m == NULL ? NULL : base_instance_of_module(x->base, m);
	if (other != NULL && other->row.wanted)
		return NULL;
	TAILQ_FOREACH(i, &x->base->instances, base_link)
		if (i->row.wanted && asks_for(i->version, x))
			return i;
	return NULL;
}

static struct task *open_task(const struct plan *p) {
	struct task *t = TAILQ_LAST(&p->tasks, task_queue);
	return t == NULL || word_terminal(WORD_TASK, t->row.state) ? NULL : t;
}

bool plan_evicts_now(const struct plan *p, const struct base *b) {
	const struct task *t = p->row.kind == PLAN_KIND_EVICT ? open_task(p) : NULL;
	return t != NULL && t->base == b;
}

/* Only the record: what its base holds is told by the finding. */
void evict_let_go(struct plan_env *e, struct task *t) {
	struct instance *i = t->plan->row.kind == PLAN_KIND_EVICT ? t->instance : NULL;
	if (i == NULL)
		return;
	struct group *g = i->base->group;
	fleet_instance_remove(e->fleet, i);
	e->freed(e->arg, g);
}

void evict_base_lost(struct plan_env *e, struct plan *p) {
	struct task *t = open_task(p);
	if (t == NULL || t->row.state == TASK_SENT) /* the base may be doing it, out of our sight */
		return;
	text_set(&t->row.cause, "its base was lost");
	t->row.fault = FAULT_BASE;
	task_cancel(e, p, t);
}

static bool in_grace(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	if (plan_soaked(e, p, l->memo.grace_us) || MUTANT(evict_at_once))
		return false;
	l->wait.grace = true;
	return true;
}

/* One that came to require it after it was asked for. Looked at again with each outcome on its base. */
static bool held_back(struct plan *p) {
	p->live->wait.required = p->live->memo.forced == 0 && plan_evict_misser(p->evicts) != NULL;
	return p->live->wait.required;
}

static void begin(struct plan_env *e, struct plan *p) {
	struct row_batch row = { .number = 1, .state = BATCH_PENDING, .size = 1 };
	struct batch *b = fleet_batch_add(e->fleet, p, &row);
	batch_set_state(e->fleet, b, BATCH_RUNNING, e->wall);
	p->row.current_batch = 1;
	p->row.started_at = e->wall;
	plan_set_state(e->fleet, p, PLAN_RUNNING, NULL, e->wall);
	plan_announce(e, "plan.started", p, "the grace is over");
}

static void end(struct plan_env *e, struct plan *p, enum plan_state s, const char *reason) {
	struct batch *b = batch_now(p);
	b->row.done = s == PLAN_SUCCEEDED;
	b->row.failed = s == PLAN_FAILED;
	batch_close(e, p, b);
	plan_end(e, p, s, reason);
}

static struct instance *nobodys(struct plan_env *e, const struct finding *x, struct version *v) {
	bool told = x->row.reported != NULL && *x->row.reported != '\0';
	struct row_instance row = { .state = INSTANCE_PENDING,
		.state_at = e->wall,
		.reported = told ? x->row.reported : (char[]){ "activated" }, /* it is there, whatever the base's limit */
		.units = v->row.units,
		.created_at = e->wall };
	struct instance *i;
	if (fleet_instance_add(e->fleet, x->base, NULL, v, &row, &i, NULL) != 0)
		return NULL;
	instance_set_state(e->fleet, i, INSTANCE_UNKNOWN, NULL, e->wall);
	return i;
}

static void take_out(struct plan_env *e, struct plan *p, struct instance *i) {
	struct row_task row = {
		.batch = 1,
		.kind = TASK_KIND_UNINSTALL,
		.state = TASK_PENDING,
		.base_id = i->base->row.id,
		.version_id = i->version->row.id,
		.instance_id = i->row.id,
		.attempt = 1,
		.created_at = e->wall,
	};
	e->task_ready(e->arg, fleet_task_add(e->fleet, p, i, &row));
}

static void go(struct plan_env *e, struct plan *p, const struct finding *x) {
	struct module *m = fleet_module(p->tenant, x->row.module);
	struct version *v = m == NULL ? NULL : fleet_version(m, x->row.version);
	struct instance *i = v == NULL ? NULL : base_instance_of(x->base, v);
	if (v == NULL) {
		end(e, p, PLAN_FAILED, "its version was deleted meanwhile; evict it again");
	} else if (i != NULL && i->row.wanted) {
		end(e, p, PLAN_STOPPED, "it is wanted there by now");
	} else if (i != NULL) { /* an earlier plan was stopped when its removal was sent already */
		e->wake(e->arg, p, mono_add(e->mono, US_PER_S));
	} else if (x->base->row.state != BASE_READY || group_observed(x->base->group)) {
		p->live->wait.away = true; /* looked at again when it is ready */
	} else if (!held_back(p) && (i = nobodys(e, x, v)) != NULL) {
		take_out(e, p, i);
	}
}

void evict_step(struct plan_env *e, struct plan *p) {
	struct plan_live *l = live_get(p);
	const struct task *t = TAILQ_LAST(&p->tasks, task_queue);
	l->wait = (struct plan_wait){ .until = MONO_NEVER };
	if (p->row.state == PLAN_QUEUED && p->evicts != NULL && (in_grace(e, p) || plan_frozen(p) != NULL || held_back(p)))
		return;
	if (p->row.state == PLAN_QUEUED)
		begin(e, p);
	if (p->row.state != PLAN_RUNNING || open_task(p) != NULL)
		return;
	if (t != NULL && t->row.state == TASK_FAILED)
		end(e, p, PLAN_FAILED, t->row.cause);
	else if (p->evicts == NULL || (t != NULL && t->row.state == TASK_SUCCEEDED))
		end(e, p, PLAN_SUCCEEDED, NULL);
	else
		go(e, p, p->evicts);
}
