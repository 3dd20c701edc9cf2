#include "../../suite.h"

#include "base/err.h"
#include "loop/expiry.h"

#define ITEMS 5

struct world {
	struct loop *loop;
	struct expiry_queue q;
	struct expiry items[ITEMS];
	int fired[ITEMS], n;
	struct timer stop;
	bool rearm_first;
};

static void on_expired(struct expiry *e, void *arg) {
	struct world *w = arg;
	ck_assert(!e->armed);
	w->fired[w->n++] = (int)(e - w->items);
	if (w->rearm_first) {
		w->rearm_first = false;
		expiry_set(&w->q, e);
	}
	if (TAILQ_EMPTY(&w->q.items))
		loop_stop(w->loop);
}

static void world_open(struct world *w, int64_t us) {
	struct err err;
	*w = (struct world){ 0 };
	ck_assert_int_eq(loop_new(&w->loop, &err), 0);
	expiry_queue_init(&w->q, w->loop, us, on_expired, w);
}

static void world_close(struct world *w) {
	expiry_queue_deinit(&w->q);
	loop_free(w->loop);
}

START_TEST(they_fire_in_order_not_early) {
	struct world w;
	world_open(&w, 20 * US_PER_MS);
	mono_t start = clock_mono(&clock_real);
	for (int i = 0; i < ITEMS; i++)
		expiry_set(&w.q, &w.items[i]);
	expiry_set(&w.q, &w.items[0]); /* re-armed: last now */
	expiry_cancel(&w.q, &w.items[2]);
	expiry_cancel(&w.q, &w.items[2]);
	loop_run(w.loop);
	ck_assert_int_ge(mono_diff(clock_mono(&clock_real), start), 20 * US_PER_MS);
	ck_assert_int_eq(w.n, 4);
	const int order[] = { 1, 3, 4, 0 };
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(w.fired[i], order[i]);
	world_close(&w);
}
END_TEST

START_TEST(an_item_may_arm_itself_again) {
	struct world w;
	world_open(&w, 5 * US_PER_MS);
	w.rearm_first = true;
	expiry_set(&w.q, &w.items[0]);
	loop_run(w.loop);
	ck_assert_int_eq(w.n, 2);
	world_close(&w);
}
END_TEST

START_TEST(what_is_armed_at_the_end_is_forgotten) {
	struct world w;
	world_open(&w, 5 * US_PER_MS);
	expiry_set(&w.q, &w.items[0]);
	world_close(&w);
	ck_assert(!w.items[0].armed);
	ck_assert_int_eq(w.n, 0);
}
END_TEST

TEST_SUITE("loop/expiry", they_fire_in_order_not_early, an_item_may_arm_itself_again, what_is_armed_at_the_end_is_forgotten)
