/* All deadlines have one length, so the order of arming is the order of expiry. The timer is only set when it is idle: one that fires
 * for an item re-armed meanwhile just looks at the new head. */
#include "loop/expiry.h"

static void aim(struct expiry_queue *q) {
	struct expiry *head = TAILQ_FIRST(&q->items);
	if (head == NULL || q->ticking)
		return;
	int64_t us = mono_diff(head->due, clock_mono(&clock_real));
	q->ticking = true;
	timer_set(&q->timer, us > 0 ? us : 0);
}

static void on_timer(void *arg) {
	struct expiry_queue *q = arg;
	q->ticking = false;
	mono_t now = clock_mono(&clock_real);
	for (struct expiry *e = TAILQ_FIRST(&q->items); e != NULL && !mono_before(now, e->due); e = TAILQ_FIRST(&q->items)) {
		expiry_cancel(q, e);
		q->fn(e, q->arg);
	}
	aim(q);
}

void expiry_queue_init(struct expiry_queue *q, struct loop *l, int64_t us, void (*fn)(struct expiry *, void *), void *arg) {
	*q = (struct expiry_queue){ .us = us, .fn = fn, .arg = arg };
	TAILQ_INIT(&q->items);
	timer_init(&q->timer, l, on_timer, q);
}

void expiry_queue_deinit(struct expiry_queue *q) {
	timer_deinit(&q->timer);
	for (struct expiry *e = TAILQ_FIRST(&q->items); e != NULL; e = TAILQ_FIRST(&q->items))
		expiry_cancel(q, e);
}

void expiry_set(struct expiry_queue *q, struct expiry *e) {
	expiry_cancel(q, e);
	e->due = mono_add(clock_mono(&clock_real), q->us);
	e->armed = true;
	TAILQ_INSERT_TAIL(&q->items, e, link);
	aim(q);
}

void expiry_cancel(struct expiry_queue *q, struct expiry *e) {
	if (!e->armed)
		return;
	TAILQ_REMOVE(&q->items, e, link);
	e->armed = false;
}
