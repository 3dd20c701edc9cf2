/* What an outcome does to its chain: the next task, another try, or the end of the slot. */
#include "plan/live.h"

#include "base/rng.h"

#include <stdio.h>

#define BACKOFF_FIRST_US US_PER_S
#define BACKOFF_MAX_US (30 * US_PER_S)

static void close_task(struct plan_env *e, struct task *t, enum task_state s) {
	t->row.ended_at = e->wall;
	task_set_state(e->fleet, t, s, e->wall);
}

static void report_task(struct plan_env *e, struct task *t, const char *kind, const char *text) {
	e->event(e->arg, kind, t->plan, t->instance == NULL ? NULL : t->instance->deployment, t->base,
	    t->instance == NULL ? NULL : t->instance->version, t, text);
}

static void installed(struct plan_env *e, struct plan *p, struct chain *c, struct instance *i) {
	i->ready_since = e->mono;
	i->row.failures = 0;
	instance_set_state(e->fleet, i, INSTANCE_READY, NULL, e->wall);
	if (c == NULL) { /* nobody watches it: the plan is over, and after a reload does not even know how long it would have */
		e->into_traffic(e->arg, i);
		return;
	}
	mono_t until = mono_add(e->mono, p->live->s.min_ready_us);
	if (mono_before(p->live->watched_until, until))
		p->live->watched_until = until;
}

static void removed(struct plan_env *e, struct task *t) {
	struct instance *i = t->instance;
	struct group *g = i->base->group;
	fleet_instance_remove(e->fleet, i);
	e->freed(e->arg, g);
}

/* In place. What it was there is no news any more, also before its base says so. */
static void gone(struct plan_env *e, struct instance *i) {
	(void)text_set(&i->row.reported, NULL);
	fleet_touch(e->fleet, &i->o);
	instance_set_state(e->fleet, i, INSTANCE_MISSING, "gone; its successor is being installed", e->wall);
}

static void task_succeeded(struct plan_env *e, struct plan *p, struct chain *c, struct task *t, const struct task_outcome *o) {
	struct instance *i = t->instance;
	char text[160];
	t->row.duration_us = o->duration_us;
	bool hook = task_is_hook(t), install = t->row.kind != TASK_KIND_UNINSTALL;
	const char *did = hook ? word_text(WORD_TASK_KIND, t->row.kind) : install ? "installed" : "removed";
	snprintf(text, sizeof text, "%s %s:%s on %s in %lld ms", did, t->row.module, t->row.version, t->row.base,
	    (long long)(o->duration_us / US_PER_MS));
	close_task(e, t, TASK_SUCCEEDED);
	p->row.tasks_done++;
	fleet_touch(e->fleet, &p->o);
	report_task(e, t, "task.succeeded", text);
	if (hook)
		return;
	if (install)
		installed(e, p, c, i);
	else if (c == NULL || c->form != CHAIN_IN_PLACE || (c->open == 1 && !c->failed))
		removed(e, t);
	else
		gone(e, i);
}

static struct task *open_task(const struct plan_env *e, int64_t instance_id) {
	const struct instance *i = instance_id == 0 ? NULL : fleet_instance(e->fleet, instance_id);
	return i == NULL ? NULL : i->task;
}

/* In place: what was to make room for it stays where its base did not hear of that yet. */
static void spare_old(struct plan_env *e, struct plan *p, const struct chain *c, const struct task *t) {
	bool comes = c->form == CHAIN_IN_PLACE && t->row.kind == TASK_KIND_INSTALL;
	struct task *removal = comes ? open_task(e, c->old_id) : NULL;
	if (removal != NULL && removal->row.state == TASK_PENDING && removal->row.sent_at.us == 0)
		task_cancel(e, p, removal);
}

static void task_failed(struct plan_env *e, struct plan *p, struct chain *c, struct task *t, const struct task_outcome *o) {
	struct instance *i = t->instance;
	close_task(e, t, TASK_FAILED);
	p->row.tasks_failed++;
	fleet_touch(e->fleet, &p->o);
	report_task(e, t, "task.failed", o->cause);
	if (!task_is_hook(t)) {
		i->row.failures++;
		instance_set_state(e->fleet, i, INSTANCE_FAILED, o->cause, e->wall);
	}
	if (c != NULL) {
		c->failed = true;
		c->fault = o->fault;
		c->untouched |= t->row.kind == TASK_KIND_BEFORE_SWAP;
		spare_old(e, p, c, t);
	}
}

static void try_again(struct plan_env *e, struct task *t, const struct task_outcome *o) {
	int64_t wait = BACKOFF_FIRST_US;
	for (int64_t k = 1; k < t->row.attempt && wait < BACKOFF_MAX_US; k++)
		wait *= 2;
	wait = rng_jitter(e->rng, wait > BACKOFF_MAX_US ? BACKOFF_MAX_US : wait);
	t->due = mono_add(e->mono, wait);
	task_set_state(e->fleet, t, TASK_BACKOFF, e->wall);
	report_task(e, t, "task.retry", o->cause);
	e->task_due(e->arg, t, t->due);
}

/* In place, the removal is finished by the chain's end: until then the record holds what to go back to. */
static void drop_old_in_place(struct plan_env *e, struct chain *c) {
	struct instance *old = c->form == CHAIN_IN_PLACE && !c->failed && c->old_id != 0 ? fleet_instance(e->fleet, c->old_id) : NULL;
	if (old == NULL || old->task != NULL)
		return;
	struct group *g = old->base->group;
	fleet_instance_remove(e->fleet, old);
	c->old_id = 0;
	e->freed(e->arg, g);
}

void plan_task_outcome(struct plan_env *e, struct task *t, const struct task_outcome *o) {
	struct plan *p = t->plan;
	struct plan_live *l = live_get(p);
	struct chain *c = chain_of_task(p, t);
	l->progress = e->mono;
	t->row.fault = o->ok ? FAULT_NONE : o->fault;
	t->row.retryable = !o->ok && o->retryable;
	text_set(&t->row.cause, o->ok ? NULL : o->cause);
	text_set(&t->row.output, o->ok ? NULL : o->output);
	fleet_touch(e->fleet, &t->o);
	bool wanted = !word_terminal(WORD_PLAN, p->row.state) && (c == NULL || !c->ignored);
	if (!o->ok && o->retryable && t->row.attempt <= l->s.retries + MUTANT(try_on) && wanted) {
		try_again(e, t, o);
		return;
	}
	if (o->ok)
		task_succeeded(e, p, c, t, o);
	else
		task_failed(e, p, c, t, o);
	if (t->row.kind == TASK_KIND_AFTER_SWAP)
		instance_seen_again(e, t->instance);
	if (c == NULL) {
		evict_let_go(e, t);
		return;
	}
	c->failed |= t->row.kind == TASK_KIND_AFTER_SWAP && t->instance->row.state == INSTANCE_FAILED;
	c->out |= t->row.kind == TASK_KIND_BEFORE_SWAP;
	if (--c->open > 0)
		return;
	if (o->ok && t->row.kind == TASK_KIND_BEFORE_SWAP && !c->failed) {
		chain_drained(e, c);
		return;
	}
	if (c->failed && c->untouched)
		chain_take_back(e, c);
	else if (c->failed)
		chain_give_back(e, c);
	else
		drop_old_in_place(e, c);
	chain_end(e, p, c);
}

static void task_again(struct plan_env *e, struct task *t) {
	if (t == NULL || (t->row.state != TASK_BACKOFF && t->row.state != TASK_PENDING))
		return;
	if (t->row.state == TASK_BACKOFF) {
		t->row.attempt++;
		t->due = (mono_t){ 0 };
		task_set_state(e->fleet, t, TASK_PENDING, e->wall);
	}
	e->task_ready(e->arg, t);
}

/* In place the old one goes first, also at the next try: the other way round its removal would take the new one of the same version. */
static void pair_again(struct plan_env *e, const struct chain *c, struct task *t) {
	struct task *removal = open_task(e, c->old_id);
	if (t != removal && removal != NULL && removal->row.state == TASK_SENT) {
		t->due = mono_add(e->mono, BACKOFF_FIRST_US);
		e->task_due(e->arg, t, t->due);
		return;
	}
	task_again(e, removal);
	task_again(e, open_task(e, c->new_id));
}

void plan_task_due(struct plan_env *e, struct task *t) {
	const struct chain *c = chain_of_task(t->plan, t);
	if (c != NULL && c->form == CHAIN_IN_PLACE)
		pair_again(e, c, t);
	else
		task_again(e, t);
}

/* What the base was not told yet. What it was told stays open, and keeps its units: the base may be doing it, out of our sight. */
static void untold_give_up(struct plan_env *e, struct plan *p, const struct base *b) {
	struct task *t, *next;
	for (t = TAILQ_FIRST(&p->tasks); t != NULL; t = next) {
		next = TAILQ_NEXT(t, plan_link);
		if (t->base != b || word_terminal(WORD_TASK, t->row.state) || (t->row.state == TASK_SENT && !task_is_hook(t)))
			continue;
		text_set(&t->row.cause, "its base was lost");
		t->row.fault = FAULT_BASE;
		close_task(e, t, TASK_CANCELLED);
		report_task(e, t, "task.cancelled", "its base was lost");
	}
}

/* The slot goes elsewhere; what may be there is settled when the base is back. */
static void slot_give_up(struct plan_env *e, const struct chain *c) {
	struct instance *fresh = c->new_id == 0 ? NULL : fleet_instance(e->fleet, c->new_id);
	struct instance *old = c->form == CHAIN_MOVE ? fleet_instance(e->fleet, c->old_id) : NULL;
	if (old != NULL)
		instance_set_wanted(e->fleet, old, true);
	if (fresh != NULL && (c->form == CHAIN_INSTALL || c->form == CHAIN_MOVE))
		instance_set_wanted(e->fleet, fresh, false);
}

void plan_base_lost(struct plan_env *e, struct plan *p, struct base *b) {
	struct change *ch;
	if (plan_evicts_now(p, b)) {
		evict_base_lost(e, p);
		return;
	}
	TAILQ_FOREACH(ch, &p->changes, link) {
		struct chain *c = chain_find(p, ch->deployment, b);
		if (c == NULL)
			continue;
		untold_give_up(e, p, b);
		slot_give_up(e, c);
		chain_free(p, c);
	}
	live_todo_reset(live_get(p));
}

void plan_instance_failed(struct plan_env *e, struct instance *i, enum fault fault, const char *cause) {
	struct plan *p = i->deployment == NULL ? NULL : i->deployment->plan;
	struct batch *b = p == NULL ? NULL : batch_now(p);
	if (b == NULL || b->row.done == 0 || i->row.revision != i->deployment->row.revision ||
	    mono_diff(e->mono, i->ready_since) > live_get(p)->s.min_ready_us + US_PER_S)
		return;
	(void)fault;
	b->row.done--;
	slot_fail(e, p, (struct slot_key){ i->deployment->row.id, i->base->row.id }, b->row.number);
	e->event(e->arg, "instance.failed", p, i->deployment, i->base, i->version, NULL, cause);
}
