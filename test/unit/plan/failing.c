/* What failures do: too many in one batch, another base for a new instance, and going back without waiting. */
#include "../../suite.h"

#include "world.h"

static struct strategy plain(void) {
	struct strategy s = strategy_unset;
	s.batches[0] = (struct amount){ AMOUNT_ALL, 0 };
	s.n_batches = 1;
	s.retries = 0;
	s.min_ready_us = 0;
	return s;
}

START_TEST(a_batch_may_have_a_threshold_of_its_own) {
	struct world w;
	struct strategy s = plain();
	world_init(&w, 8, 3);
	s.failure_threshold = (struct amount){ AMOUNT_COUNT, 5 };
	world_revision(&w, "1.0.0", 8, &s);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
	s.batches[0] = (struct amount){ AMOUNT_PERCENT, 50 };
	world_revision(&w, "2.0.0", 8, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	world_run(&w, p, "n2"); /* one of eight is not five */
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED_WITH_FAILURES);
	s.batch_failure_threshold = (struct amount){ AMOUNT_PERCENT, 25 };
	world_revision(&w, "3.0.0", 8, &s);
	p = world_plan(&w, PLAN_KIND_UPGRADE, 2, 3);
	world_run(&w, p, "n2"); /* one of four is a quarter */
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert_int_eq(p->row.current_batch, 1);
	ck_assert(plan_resume(&w.e, p));
	world_run(&w, p, "n2");
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED_WITH_FAILURES);
	world_deinit(&w);
}
END_TEST

START_TEST(a_new_instance_is_tried_on_another_base) {
	struct world w;
	struct strategy s = plain();
	world_init(&w, 3, 3);
	s.retry_elsewhere = CHOICE_YES;
	world_revision(&w, "1.0.0", 2, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	plan_step(&w.e, p);
	world_send(&w, p);
	world_answer(&w, p, "n1");
	world_reload(&w, p); /* a takeover does not forget where it failed, nor count it */
	ck_assert(chain_failed_before(p, w.d, w.bases[0]));
	world_run(&w, p, "n1");
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "1.0.0"), 2);
	ck_assert_int_eq(plan_failures(p), 0);
	world_deinit(&w);
}
END_TEST

START_TEST(without_another_base_it_counts_as_failed) {
	struct world w;
	struct strategy s = plain();
	world_init(&w, 2, 3);
	s.retry_elsewhere = CHOICE_YES;
	world_revision(&w, "1.0.0", 2, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	world_run(&w, p, "n1");
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert_int_eq(plan_failures(p), 1);
	world_deinit(&w);
}
END_TEST

START_TEST(a_move_is_tried_onto_another_base) {
	struct world w;
	struct strategy s = plain();
	world_init(&w, 3, 3);
	world_revision(&w, "1.0.0", 1, &s);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
	s.upgrade_policy = UPGRADE_POLICY_SURGE;
	s.retry_elsewhere = CHOICE_YES;
	world_revision(&w, "2.0.0", 1, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->n_open, 1);
	const struct task *t = TAILQ_FIRST(&p->tasks);
	world_run(&w, p, t->row.base);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 1);
	world_deinit(&w);
}
END_TEST

/* Four at a broken 2.0.0 that is ready nowhere: nothing holds the way back. */
START_TEST(what_is_not_ready_never_holds_up_going_back) {
	struct world w;
	struct strategy s = plain();
	const struct instance *i;
	world_init(&w, 4, 1);
	s.max_unavailable = (struct amount){ AMOUNT_COUNT, 1 };
	world_revision(&w, "1.0.0", 4, &s);
	world_revision(&w, "2.0.0", 4, &s);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 2), NULL);
	TAILQ_FOREACH(i, &w.d->instances, deployment_link)
		instance_set_state(w.f, fleet_instance(w.f, i->row.id), INSTANCE_FAILED, "it answers nothing", w.e.wall);
	world_revision(&w, "1.0.0", 4, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_ROLLBACK, 2, 3);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->n_open, 8); /* all four in place, at once */
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

START_TEST(now_lifts_what_usually_holds_it) {
	struct world w;
	struct strategy s = plain();
	world_init(&w, 4, 1); /* no room for two side by side */
	s.max_unavailable = (struct amount){ AMOUNT_COUNT, 1 };
	world_revision(&w, "1.0.0", 4, &s);
	world_revision(&w, "2.0.0", 4, &s);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 2), NULL);
	world_revision(&w, "1.0.0", 4, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UNDO, 2, 3);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->n_open, 2);
	ck_assert(plan_hurry(&w.e, p, "checkout is down") && plan_hurry(&w.e, p, "checkout is down"));
	ck_assert_int_eq(p->n_open, 8);
	world_reload(&w, p);
	ck_assert_int_eq(plan_memo(p)->now, 1);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert(!plan_hurry(&w.e, p, "too late"));
	world_deinit(&w);
}
END_TEST

/* One after the other: the first one's failure is one too many, and its step begins no second one. */
START_TEST(a_plan_that_fails_begins_nothing_more) {
	static const enum on_failure ways[] = { ON_FAILURE_STOP, ON_FAILURE_PAUSE, ON_FAILURE_UNDO };
	for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
		struct world w;
		struct strategy s = plain();
		world_init(&w, 3, 3);
		s.max_in_flight = 1;
		s.on_failure = ways[k];
		world_revision(&w, "1.0.0", 3, &s);
		struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
		plan_step(&w.e, p);
		world_send(&w, p);
		ck_assert_int_eq(world_answer(&w, p, TAILQ_FIRST(&p->tasks)->row.base), 1);
		plan_step(&w.e, p);
		ck_assert_int_eq(p->n_open, 0);
		ck_assert_ptr_null(TAILQ_NEXT(TAILQ_FIRST(&p->tasks), plan_link));
		world_deinit(&w);
	}
}
END_TEST

START_TEST(a_plan_that_fails_takes_back_what_was_not_sent) {
	struct world w;
	struct strategy s = plain();
	world_init(&w, 3, 3);
	s.on_failure = ON_FAILURE_STOP;
	world_revision(&w, "1.0.0", 3, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	plan_step(&w.e, p);
	w.bases[1]->connected = w.bases[2]->connected = false;
	world_send(&w, p);
	world_answer(&w, p, "n1");
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_FAILED);
	ck_assert_int_eq(p->n_open, 0);
	ck_assert_int_eq(w.d->n_instances, 1); /* the failed one, to look at */
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/failing", a_plan_that_fails_begins_nothing_more, a_plan_that_fails_takes_back_what_was_not_sent,
    a_batch_may_have_a_threshold_of_its_own, a_new_instance_is_tried_on_another_base, without_another_base_it_counts_as_failed,
    a_move_is_tried_onto_another_base, what_is_not_ready_never_holds_up_going_back, now_lifts_what_usually_holds_it)
