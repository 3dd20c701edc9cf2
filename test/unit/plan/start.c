/* When a plan may start: its deployment is free and no group it touches is frozen. */
#include "../../suite.h"

#include "world.h"

#include <stdio.h>

START_TEST(nothing_starts_in_a_frozen_group_and_what_runs_goes_on) {
	struct world w;
	world_init(&w, 2, 3);
	world_revision(&w, "1.0.0", 2, NULL);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	text_set(&w.g->row.freeze_reason, "sale weekend");
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_QUEUED);
	ck_assert_ptr_eq(plan_frozen(p), w.g);
	text_set(&w.g->row.freeze_reason, NULL);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	text_set(&w.g->row.freeze_reason, "sale weekend");
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "1.0.0"), 2);
	world_deinit(&w);
}
END_TEST

START_TEST(one_plan_per_deployment) {
	struct world w;
	world_init(&w, 2, 3);
	world_revision(&w, "1.0.0", 2, NULL);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1), *q = world_plan(&w, PLAN_KIND_UPGRADE, 1, 1);
	ck_assert(plan_start(&w.e, p) && !plan_start(&w.e, q));
	ck_assert(plan_stop(&w.e, p, "enough") && plan_start(&w.e, q));
	world_deinit(&w);
}
END_TEST

static int at_work(const struct plan *p) {
	const struct task *t;
	int n = 0;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		n++;
	return n;
}

/* Rule 10: one step does not fill a batch of hundreds, but asks to be called again at once. */
START_TEST(a_large_batch_is_filled_in_slices) {
	struct world w;
	world_init(&w, 0, 100);
	for (int i = 0; i < 300; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		fleet_base_add(w.f, w.g, &(struct row_base){ .name = name, .state = BASE_READY })->connected = true;
	}
	struct strategy s = strategy_unset;
	s.batches[0] = (struct amount){ .kind = AMOUNT_PERCENT, .n = 100 };
	s.n_batches = 1;
	s.max_in_flight = 1000;
	world_revision(&w, "1.0.0", 300, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	for (int expected = 128; expected <= 300; expected = expected + 128 < 300 ? expected + 128 : 300) {
		w.woken = (mono_t){ 0 };
		plan_step(&w.e, p);
		ck_assert_int_eq(at_work(p), expected);
		if (expected == 300)
			break;
		ck_assert_int_eq(w.woken.us, w.e.mono.us);
	}
	world_run(&w, p, NULL);
	ck_assert_int_eq(world_at(&w, "1.0.0"), 300);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/start", a_large_batch_is_filled_in_slices, nothing_starts_in_a_frozen_group_and_what_runs_goes_on, one_plan_per_deployment)
