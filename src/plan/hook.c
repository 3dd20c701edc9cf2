/* Around a swap: an instance that answers is taken out of traffic before anything is done to it, by its group's beforeSwap and drainWait,
 * and what came is taken into traffic by afterSwap. The hooks are tasks like any other; drainWait is the time that a PENDING task is held.
 */
#include "plan/live.h"

#define TIMEOUT_US (30 * US_PER_S)
#define HELD_STEP_US (2 * US_PER_S) /* of drainWait that a takeover may forget */

const char *hook_of(const struct group *g, enum task_kind kind) {
	const char *hook = kind == TASK_KIND_BEFORE_SWAP ? g->row.before_swap : kind == TASK_KIND_AFTER_SWAP ? g->row.after_swap : NULL;
	return hook == NULL || *hook == '\0' ? NULL : hook;
}

int64_t hook_timeout(const struct group *g) {
	return g->row.hook_timeout_us > 0 ? g->row.hook_timeout_us : TIMEOUT_US;
}

bool task_is_hook(const struct task *t) {
	return t->row.kind == TASK_KIND_BEFORE_SWAP || t->row.kind == TASK_KIND_AFTER_SWAP;
}

bool task_held(const struct task *t, mono_t now) {
	return t->row.state == TASK_PENDING && mono_before(now, t->due);
}

static void look_again(struct plan_env *e, struct task *t) {
	bool last = mono_diff(t->due, e->mono) <= HELD_STEP_US;
	e->task_due(e->arg, t, last ? t->due : mono_add(e->mono, HELD_STEP_US));
}

void task_hold(struct plan_env *e, struct task *t, int64_t wait_us) {
	t->due = mono_add(e->mono, wait_us - (MUTANT(drain_anew) ? 0 : t->row.held_us));
	t->held_from = mono_before(e->mono, t->due) ? e->mono : (mono_t){ 0 };
	look_again(e, t);
}

bool task_still_held(struct plan_env *e, struct task *t) {
	bool held = task_held(t, e->mono);
	int64_t fresh = t->held_from.us == 0 ? 0 : mono_diff(e->mono, t->held_from);
	if (fresh > 0 && (!held || fresh >= HELD_STEP_US)) {
		t->row.held_us += fresh;
		t->held_from = held ? e->mono : (mono_t){ 0 };
		fleet_touch(e->fleet, &t->o);
	}
	if (held && t->held_from.us != 0)
		look_again(e, t);
	return held;
}

/* Beside the old one a successor interrupts nothing, unless a hook takes the old one out of traffic. */
bool hook_interrupts(const struct group *g) {
	return hook_of(g, TASK_KIND_BEFORE_SWAP) != NULL;
}

static bool drains(const struct chain *c, const struct instance *old) {
	const struct group *g = old->base->group;
	return old->row.state == INSTANCE_READY && (hook_interrupts(g) || (g->row.drain_wait_us > 0 && c->form != CHAIN_INSTALL_FIRST));
}

/* The plan makes no progress while it waits, and is not stalled either. */
static void hold_until(struct chain *c, mono_t at) {
	struct plan_live *l = c->change->plan->live;
	c->hold = at;
	if (mono_before(l->progress, c->hold))
		l->progress = c->hold;
}

void chain_begin(struct plan_env *e, struct chain *c) {
	struct instance *old = c->old_id == 0 ? NULL : fleet_instance(e->fleet, c->old_id);
	if (old == NULL || !drains(c, old)) {
		chain_commands(e, c);
		return;
	}
	instance_set_state(e->fleet, old, INSTANCE_DRAINING, NULL, e->wall);
	if (!hook_interrupts(old->base->group) || MUTANT(skip_hook)) {
		chain_drained(e, c);
		return;
	}
	bool beside = c->form == CHAIN_INSTALL_FIRST; /* it hangs on whom the first command is about: that is how a load tells them apart */
	struct instance *first = beside ? fleet_instance(e->fleet, c->new_id) : old;
	chain_task(e, c, first, TASK_KIND_BEFORE_SWAP, beside ? c->old_id : c->new_id);
}

/* It is out of traffic: what was under way there may end. */
void chain_drained(struct plan_env *e, struct chain *c) {
	hold_until(c, mono_add(e->mono, c->base->group->row.drain_wait_us));
	chain_commands(e, c);
}

void chain_hold_again(struct plan_env *e, struct chain *c, struct task *t) {
	const struct instance *old = c->old_id == 0 ? NULL : fleet_instance(e->fleet, c->old_id);
	if (old == NULL || old->row.state != INSTANCE_DRAINING)
		return;
	c->out = hook_interrupts(c->base->group) && (t->row.kind != TASK_KIND_BEFORE_SWAP || t->row.sent_at.us != 0);
	if (task_is_hook(t) || t->row.state != TASK_PENDING)
		return;
	task_hold(e, t, c->base->group->row.drain_wait_us);
	hold_until(c, t->due);
}

bool chain_into_traffic(struct plan_env *e, struct chain *c) {
	struct instance *fresh = c->new_id == 0 ? NULL : fleet_instance(e->fleet, c->new_id);
	if (c->after || fresh == NULL || fresh->row.state != INSTANCE_READY || fresh->task != NULL ||
	    hook_of(c->base->group, TASK_KIND_AFTER_SWAP) == NULL)
		return false;
	c->after = true;
	if (!word_terminal(WORD_PLAN, c->change->plan->row.state)) {
		chain_task(e, c, fresh, TASK_KIND_AFTER_SWAP, 0);
		return true;
	}
	e->into_traffic(e->arg, fresh);
	return false;
}

void hook_retry(struct plan_env *e, struct plan *p, struct slot_key key, int64_t batch) {
	const struct task *t, *last = NULL;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.deployment_id == key.deployment_id && t->row.base_id == key.base_id)
			last = t;
	struct instance *i = last == NULL || last->row.kind != TASK_KIND_AFTER_SWAP ? NULL : last->instance;
	struct change *ch = i == NULL || i->deployment == NULL ? NULL : change_of(p, i->deployment);
	if (ch == NULL || i->row.state != INSTANCE_READY || !i->row.wanted || i->task != NULL ||
	    chain_find(p, i->deployment, i->base) != NULL || hook_of(i->base->group, TASK_KIND_AFTER_SWAP) == NULL)
		return;
	struct chain *c = chain_new(p, ch, i->base, CHAIN_INSTALL, batch);
	c->new_id = i->row.id;
	c->after = true;
	chain_task(e, c, i, TASK_KIND_AFTER_SWAP, 0);
}
