/* When a plan may start: its deployment is free and no group it touches is frozen. */
#include "../../suite.h"

#include "world.h"

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

TEST_SUITE("plan/start", nothing_starts_in_a_frozen_group_and_what_runs_goes_on, one_plan_per_deployment)
