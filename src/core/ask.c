/* Questions of plans over HTTP, and calls of hooks: they leave after the commit that made them due, and what comes back is an input like
 * any other. One that belongs to a fleet that was loaded anew meanwhile finds nobody who waits for it. */
#include "core/conductor.h"
#include "core/outbound.h"

struct asking {
	struct core *core;
	int64_t plan_id, task_id, number;
};

int64_t ask_add(struct core *c, const struct plan *p, const struct plan_ask *a) {
	if (c->env.outbound == NULL)
		return 0;
	struct effect *x = effect_add(c, EFFECT_ASK, NULL);
	struct outbound_request *r = arena_alloc(c->open->arena, sizeof *r);
	*r = (struct outbound_request){ .method = a->body == NULL ? "GET" : "POST",
		.url = arena_strdup(c->open->arena, a->url),
		.body = a->body == NULL ? NULL : arena_strdup(c->open->arena, a->body),
		.secret = a->secret == NULL ? NULL : arena_strdup(c->open->arena, a->secret) };
	x->message = r;
	x->seq = ++c->last_ask;
	x->plan_id = p->row.id;
	return x->seq;
}

static void on_answer(void *arg, const struct outbound_answer *a) {
	struct asking q = *(struct asking *)arg;
	struct core *c = q.core;
	free(arg);
	c->n_asking--;
	if (q.task_id != 0 && c->fleet != NULL) {
		core_look_at_clock(c);
		hook_answered(c, q.task_id, q.number, a);
		return;
	}
	struct plan *p = c->fleet == NULL ? NULL : fleet_plan(c->fleet, q.plan_id);
	if (p == NULL)
		return;
	core_look_at_clock(c);
	struct plan_answer answer = { .status = a->status, .retry_after_us = a->retry_after_us, .text = a->text };
	if (!plan_answered(&c->plans, p, q.number, &answer))
		return;
	plan_due(c, p->row.id);
	core_wake(c);
}

void ask_send(struct core *c, const struct effect *x) {
	struct asking *q = malloc(sizeof *q);
	if (q == NULL)
		abort();
	*q = (struct asking){ .core = c, .plan_id = x->plan_id, .task_id = x->task_id, .number = x->seq };
	c->n_asking++;
	c->env.outbound->ops->start(c->env.outbound, x->message, on_answer, q);
}

void asks_end(struct core *c) {
	if (c->n_asking > 0)
		c->env.outbound->ops->cancel_all(c->env.outbound);
}
