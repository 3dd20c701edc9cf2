/* After a load: the working state of unfinished plans, from their rows. Elapsed times start anew where nothing better is known, so that a
 * takeover never makes a deadline fire early. */
#include "plan/live.h"

static struct change *change_numbered(struct plan *p, int64_t number) {
	struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->row.number == number)
			return ch;
	return NULL;
}

static void failed_again(struct plan_env *e, struct plan *p, const struct task *t) {
	const struct plan_memo *m = &p->live->memo;
	const struct instance *old = t->row.partner_id == 0 ? NULL : fleet_instance(e->fleet, t->row.partner_id);
	struct slot_key key = { t->row.deployment_id, t->row.base_id };
	if (old != NULL && old->row.base_id != key.base_id) { /* a move: what failed there is the slot of the old one */
		slot_mark_failed(p, key, 0, true);
		key.base_id = old->row.base_id;
	}
	bool elsewhere = p->live->s.retry_elsewhere == CHOICE_YES && t->row.kind == TASK_KIND_INSTALL && old == NULL &&
	                 (t->instance == NULL || !t->instance->row.wanted);
	if (elsewhere) /* its slot was filled on another base, so it counts for nothing */
		slot_mark_failed(p, key, 0, true);
	else if (!memo_forgives(m, key.deployment_id, key.base_id, t->row.id))
		slot_mark_failed(p, key, t->row.batch, t->row.id <= m->accepted || memo_ignores(m, key.deployment_id, key.base_id));
}

/* What somebody lets be counts as failed already, and no batch waits for it. */
static void ignored_again(struct plan *p, struct chain *c) {
	if (c == NULL || !memo_ignores(&p->live->memo, c->key.deployment_id, c->key.base_id))
		return;
	c->ignored = true;
	chain_set_aside(p, c, true);
	slot_mark_failed(p, c->key, c->batch, true);
}

static void chain_again(struct plan_env *e, struct plan *p, struct change *ch, struct task *t) {
	struct chain *c = chain_adopt(e, p, ch, t);
	ignored_again(p, c);
	ignored_again(p, move_leave(p, c));
}

static void task_awaited(struct plan_env *e, struct task *t) {
	if (t->row.state == TASK_BACKOFF) {
		t->due = mono_add(e->mono, US_PER_S);
		e->task_due(e->arg, t, t->due);
	} else if (t->row.state == TASK_PENDING && !task_held(t, e->mono)) { /* held: hook.c looks after it */
		e->task_ready(e->arg, t);
	}
}

static void evict_again(struct plan_env *e, struct plan *p) {
	struct task *t;
	plan_evict_restore(e, p);
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		task_awaited(e, t);
}

void plan_restore(struct plan_env *e, struct plan *p) {
	struct plan_live *l = live_get(p);
	struct change *ch;
	struct task *t;
	if (word_terminal(WORD_PLAN, p->row.state))
		return;
	l->progress = l->soak_from = l->gates.from = e->mono;
	if (MUTANT(soak_anew))
		p->row.soaked_us = 0;
	if (p->row.kind == PLAN_KIND_EVICT) {
		evict_again(e, p);
		return;
	}
	if (p->row.state == PLAN_QUEUED)
		return;
	TAILQ_FOREACH(ch, &p->changes, link)
		deployment_set_plan(e->fleet, ch->deployment, p);
	plan_strategy(p, &l->s);
	l->watched_until = mono_add(e->mono, l->s.min_ready_us);
	TAILQ_FOREACH(t, &p->tasks, plan_link) {
		ch = change_numbered(p, t->row.change_no);
		if (ch == NULL)
			continue;
		if (t->row.state == TASK_FAILED)
			failed_again(e, p, t);
		if (word_terminal(WORD_TASK, t->row.state) || t->instance == NULL)
			continue;
		chain_again(e, p, ch, t);
		task_awaited(e, t);
	}
}
