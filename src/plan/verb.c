/* What people can say to a plan. Each verb is harmless when repeated. */
#include "plan/gate.h"

#include <stdio.h>

static bool ended(const struct plan *p) {
	return word_terminal(WORD_PLAN, p->row.state);
}

bool plan_pause(struct plan_env *e, struct plan *p, const char *reason) {
	if (ended(p) || p->row.state == PLAN_QUEUED)
		return false;
	plan_halt(e, p, HALT_PERSON, reason);
	return true;
}

bool plan_resume(struct plan_env *e, struct plan *p) {
	if (p->row.state == PLAN_RUNNING)
		return true;
	if (p->row.state != PLAN_PAUSED)
		return false;
	struct plan_live *l = live_get(p);
	if (l->memo.halt == HALT_GATE)
		gates_reset(p);
	plan_tolerate(e, p);
	l->progress = e->mono;
	plan_set_state(e->fleet, p, PLAN_RUNNING, NULL, e->wall);
	plan_announce(e, "plan.resumed", p, "goes on");
	plan_step(e, p);
	return true;
}

bool plan_confirm(struct plan_env *e, struct plan *p, int64_t number) {
	struct batch *now = batch_now(p), *b = plan_batch(p, number);
	if (b != NULL && (b->row.state == BATCH_DONE || b->row.state == BATCH_FAILED))
		return true;
	if ((p->row.state != PLAN_CONFIRMING && !plan_gated(p)) || now == NULL || now->row.number != number)
		return false;
	if (p->row.state == PLAN_PAUSED) /* what a person knows better than the gate */
		plan_tolerate(e, p);
	live_get(p)->progress = e->mono;
	plan_set_state(e->fleet, p, PLAN_RUNNING, NULL, e->wall);
	plan_announce(e, "plan.confirmed", p, "confirmed");
	batch_close(e, p, now);
	plan_step(e, p);
	return true;
}

/* What it came for is in: the slot is done, and repair takes it into traffic. */
static void after_cancel(struct plan_env *e, struct plan *p, struct chain *c, struct instance *i) {
	if (--c->open == 0)
		chain_end(e, p, c);
	e->into_traffic(e->arg, i);
}

void task_cancel(struct plan_env *e, struct plan *p, struct task *t) {
	struct chain *c = chain_of_task(p, t);
	t->row.ended_at = e->wall;
	task_set_state(e->fleet, t, TASK_CANCELLED, e->wall);
	if (c != NULL && t->row.kind == TASK_KIND_AFTER_SWAP) {
		after_cancel(e, p, c, t->instance);
		return;
	}
	if (c == NULL) {
		evict_let_go(e, t);
		return;
	}
	c->failed = true; /* what is still at the base ends there; then the slot is given back */
	c->untouched |= t->row.kind == TASK_KIND_BEFORE_SWAP || (t->row.kind == TASK_KIND_UNINSTALL && t->row.sent_at.us == 0);
	c->out |= t->row.sent_at.us != 0 && t->row.kind == TASK_KIND_BEFORE_SWAP;
	if (--c->open == 0)
		chain_cancelled(e, p, c);
}

void tasks_cancel_unsent(struct plan_env *e, struct plan *p) {
	struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.state == TASK_PENDING || t->row.state == TASK_BACKOFF ||
		    (t->row.state == TASK_SENT && t->row.kind == TASK_KIND_BEFORE_SWAP)) /* nothing follows from its answer any more */
			task_cancel(e, p, t);
}

bool plan_stop(struct plan_env *e, struct plan *p, const char *reason) {
	if (p->row.state == PLAN_STOPPED)
		return true;
	if (ended(p))
		return false;
	tasks_cancel_unsent(e, p);
	plan_end(e, p, PLAN_STOPPED, reason);
	return true;
}

void plan_leave_base(struct plan_env *e, struct plan *p, int64_t base_id, const char *reason) {
	struct plan_live *l = live_get(p);
	if (ended(p))
		return;
	memo_base_remove(&l->memo, base_id);
	if (l->memo.n_bases == 0) {
		plan_stop(e, p, reason);
		return;
	}
	live_todo_reset(l);
	plan_memo_store(e, p);
	plan_step(e, p);
}

bool plan_hurry(struct plan_env *e, struct plan *p, const char *reason) {
	struct plan_live *l = live_get(p);
	if (ended(p))
		return false;
	if (l->memo.now)
		return true;
	l->memo.now = 1;
	live_strategy_reset(p);
	plan_memo_store(e, p);
	plan_announce(e, "plan.hurried", p, reason);
	plan_step(e, p);
	return true;
}

bool plan_force(struct plan_env *e, struct plan *p, const char *reason) {
	struct plan_live *l = live_get(p);
	if (ended(p))
		return false;
	if (l->memo.forced)
		return true;
	l->memo.forced = 1;
	plan_memo_store(e, p);
	plan_announce(e, "plan.forced", p, reason);
	return true;
}

bool plan_undone(struct plan_env *e, struct plan *p, int64_t by) {
	if (ended(p))
		return false;
	char text[64];
	snprintf(text, sizeof text, "plan %lld takes back what it did", (long long)by);
	tasks_cancel_unsent(e, p);
	plan_end(e, p, PLAN_UNDONE, text);
	return true;
}

bool plan_supersede(struct plan_env *e, struct plan *p, int64_t by) {
	if (ended(p))
		return false;
	char text[64];
	snprintf(text, sizeof text, "plan %lld took its place", (long long)by);
	tasks_cancel_unsent(e, p);
	plan_end(e, p, PLAN_SUPERSEDED, text);
	return true;
}
