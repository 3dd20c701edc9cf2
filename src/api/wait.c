/* Prefer: wait. An answered plan is held back until it ended, stands still for a person, or the time is over; then the plan of that moment
 * is the answer. Woken by committed events of that plan, never by polling. */
#include <stdlib.h>

#include "api/call.h"

struct wait {
	struct api_op *op;
	struct timer timer;
	struct look { /* one question to the core at a time */
		struct core_op core;
		struct wait *wait; /* NULL: nobody waits any more */
		struct api *api;
		int64_t plan;
		bool still; /* goes on without a person */
		ProtobufCMessage *plan_now;
		struct arena *arena;
	} * look;
	bool again, last;
	TAILQ_ENTRY(wait) link;
};

static int look_apply(struct core *c, struct core_op *core_op, struct err *err) {
	(void)err;
	struct look *k = (struct look *)core_op;
	const struct plan *p = fleet_plan(core_fleet(c), k->plan);
	k->still = false;
	k->plan_now = NULL;
	if (p == NULL || k->wait == NULL)
		return 0; /* ended and already out of memory: the events told; read it from the ledger */
	struct api_op *op = k->wait->op;
	op->fleet = core_fleet(c);
	k->plan_now = (ProtobufCMessage *)view_plan(op, p, true, k->arena);
	op->fleet = NULL;
	k->still = !word_terminal(WORD_PLAN, p->row.state) && p->row.state != PLAN_PAUSED && p->row.state != PLAN_CONFIRMING;
	return 0;
}

static void wait_free(struct wait *w) {
	TAILQ_REMOVE(&w->op->api->waits, w, link);
	timer_deinit(&w->timer);
	if (w->look != NULL)
		w->look->wait = NULL; /* freed when the core is done with it */
	w->op->wait = NULL;
	free(w);
}

static void wait_look(struct wait *w);

static void look_done(struct core_op *core_op, const struct err *err) {
	struct look *k = (struct look *)core_op;
	struct wait *w = k->wait;
	if (w == NULL) {
		arena_free(k->arena);
		free(k);
		return;
	}
	w->look = NULL;
	struct api_op *op = w->op;
	bool answer = w->last || (err == NULL && !k->still);
	if (answer && !op->cancelled) {
		bool known = k->plan_now != NULL;
		if (known) {
			op->reply = pb_copy(k->plan_now, op->kept);
			op->status = word_terminal(WORD_PLAN, (int)((const Berth__V1__Plan *)op->reply)->state) ? 200 : op->status;
		}
		arena_free(k->arena);
		free(k);
		wait_free(w);
		if (known || err != NULL)
			op_answer(op);
		else
			plan_answer_from_history(op, op->wait_plan);
		return;
	}
	arena_free(k->arena);
	free(k);
	if (w->again)
		wait_look(w);
}

static void wait_look(struct wait *w) {
	w->again = w->look != NULL; /* a look under way may have been too early */
	if (w->look != NULL)
		return;
	struct look *k = calloc(1, sizeof *k);
	if (k == NULL)
		abort();
	*k = (struct look){ .core = { .apply = look_apply, .done = look_done, .who = w->op->core.who, .read = true },
		.wait = w,
		.api = w->op->api,
		.plan = w->op->wait_plan,
		.arena = arena_new() };
	w->look = k;
	core_submit(w->op->api->core, &k->core);
}

static void time_over(void *arg) {
	struct wait *w = arg;
	w->last = true;
	wait_look(w);
}

void wait_start(struct api_op *op, int64_t us) {
	struct wait *w = calloc(1, sizeof *w);
	if (w == NULL)
		abort();
	w->op = op;
	op->wait = w;
	timer_init(&w->timer, op->api->loop, time_over, w);
	timer_set(&w->timer, us);
	TAILQ_INSERT_TAIL(&op->api->waits, w, link);
	wait_look(w); /* it may have ended between the answer and now */
}

void wait_cancel(struct api_op *op) {
	if (op->wait != NULL)
		wait_free(op->wait);
}

void waits_notify(struct api *a, const struct row_event *const *events, size_t n) {
	struct wait *w;
	TAILQ_FOREACH(w, &a->waits, link) {
		for (size_t i = 0; i < n; i++) {
			if (events[i]->plan_id == w->op->wait_plan) {
				wait_look(w);
				break;
			}
		}
	}
}

void waits_end(struct api *a) {
	struct wait *w;
	TAILQ_FOREACH(w, &a->waits, link) {
		w->last = true;
		timer_set(&w->timer, 0);
	}
}
