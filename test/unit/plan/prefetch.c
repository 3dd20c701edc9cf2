/* Fetching ahead: the first of several batches waits for it, for so long and not longer. */
#include "../../suite.h"

#include <string.h>

#include "world.h"

/* Four bases at 1.0.0, and a plan to 2.0.0 in two batches. */
static struct plan *upgrade(struct world *w, int64_t prefetch_us, int batches) {
	struct strategy s = strategy_unset;
	world_init(w, 4, 3);
	s.min_ready_us = 0;
	s.batch_count = batches;
	s.prefetch_us = prefetch_us;
	s.max_in_flight = 3;
	world_revision(w, "1.0.0", 4, &s);
	world_run(w, world_plan(w, PLAN_KIND_RELEASE, 0, 1), NULL);
	w->prefetching = true;
	w->n_prefetches = 0;
	world_revision(w, "2.0.0", 4, &s);
	return world_plan(w, PLAN_KIND_UPGRADE, 1, 2);
}

static int at_work(struct world *w, struct plan *p) {
	plan_step(&w->e, p);
	return p->n_open;
}

START_TEST(the_first_batch_waits_and_few_are_asked_at_once) {
	struct world w;
	struct plan *p = upgrade(&w, 60 * US_PER_S, 2);
	struct plan_wait wait;
	ck_assert_int_eq(at_work(&w, p), 0);
	ck_assert_int_eq(w.n_prefetches, 3);
	plan_waiting(p, &wait);
	ck_assert_int_eq(wait.prefetch, 4);
	ck_assert(plan_prefetched(p, w.bases[0], 0, true, 5));
	ck_assert(!plan_prefetched(p, w.bases[0], 0, true, 5)); /* twice says nothing new */
	ck_assert(!plan_prefetched(p, w.bases[0], 1, true, 5)); /* of another base */
	ck_assert(!plan_prefetched(p, w.bases[0], 99, true, 5));
	ck_assert_int_eq(at_work(&w, p), 0);
	ck_assert_int_eq(w.n_prefetches, 4);
	ck_assert(plan_prefetched(p, w.bases[1], 1, false, 5) && plan_prefetched(p, w.bases[2], 2, true, 5));
	ck_assert_int_eq(at_work(&w, p), 0);
	ck_assert(plan_prefetched(p, w.bases[3], 3, true, 5));
	ck_assert_int_gt(at_work(&w, p), 0);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(w.n_prefetches, 4);
	world_deinit(&w);
}
END_TEST

START_TEST(nobody_is_waited_for_longer_than_said) {
	struct world w;
	struct plan *p = upgrade(&w, 10 * US_PER_S, 2);
	ck_assert_int_eq(at_work(&w, p), 0);
	world_pass(&w, 9 * US_PER_S);
	ck_assert_int_eq(at_work(&w, p), 0);
	world_pass(&w, US_PER_S);
	ck_assert_int_gt(at_work(&w, p), 0);
	ck_assert(!plan_prefetched(p, w.bases[0], 0, true, 5)); /* too late, and harmless */
	world_deinit(&w);
}
END_TEST

START_TEST(a_base_that_went_away_is_not_waited_for) {
	struct world w;
	struct plan *p = upgrade(&w, 600 * US_PER_S, 2);
	ck_assert_int_eq(at_work(&w, p), 0);
	for (int64_t k = 1; k < 4; k++)
		w.bases[k]->connected = false;
	ck_assert(plan_prefetched(p, w.bases[0], 0, true, 5));
	world_pass(&w, 2 * US_PER_S);
	ck_assert_int_gt(at_work(&w, p), 0);
	world_deinit(&w);
}
END_TEST

START_TEST(one_batch_or_none_to_fetch_goes_at_once) {
	struct world w;
	ck_assert_int_gt(at_work(&w, upgrade(&w, 60 * US_PER_S, 1)), 0);
	ck_assert_int_eq(w.n_prefetches, 0);
	world_deinit(&w);
	ck_assert_int_gt(at_work(&w, upgrade(&w, 0, 2)), 0);
	ck_assert_int_eq(w.n_prefetches, 0);
	world_deinit(&w);
}
END_TEST

START_TEST(a_takeover_asks_again_before_the_first_batch_only) {
	struct world w;
	struct plan *p = upgrade(&w, 60 * US_PER_S, 2);
	ck_assert_int_eq(at_work(&w, p), 0);
	world_reload(&w, p);
	ck_assert_int_eq(at_work(&w, p), 0);
	ck_assert_int_eq(w.n_prefetches, 6);
	w.prefetching = false;
	for (int k = 0; k < 3; k++)
		ck_assert(plan_prefetched(p, w.bases[k], k, true, 5));
	ck_assert_int_gt(at_work(&w, p), 0);
	int asked = w.n_prefetches;
	w.prefetching = true;
	world_reload(&w, p);
	ck_assert_int_gt(at_work(&w, p), 0);
	ck_assert_int_eq(w.n_prefetches, asked);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/prefetch", the_first_batch_waits_and_few_are_asked_at_once, nobody_is_waited_for_longer_than_said,
    a_base_that_went_away_is_not_waited_for, one_batch_or_none_to_fetch_goes_at_once, a_takeover_asks_again_before_the_first_batch_only)
