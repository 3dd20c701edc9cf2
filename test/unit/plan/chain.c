/* Chains in place: what the old and the new version use of their base together, at every step. */
#include "../../suite.h"

#include "world.h"

static struct strategy in_place(void) {
	struct strategy s = strategy_unset;
	s.upgrade_policy = UPGRADE_POLICY_IN_PLACE;
	s.retries = 0;
	s.min_ready_us = 0;
	return s;
}

/* One base of three units with 1.0.0 on it; 2.0.0 is next. */
static struct plan *swapping(struct world *w, int64_t old_units, int64_t units) {
	struct strategy s = in_place();
	world_init(w, 1, 3);
	world_version(w, "1.0.0")->row.units = old_units;
	world_version(w, "2.0.0")->row.units = units;
	world_revision(w, "1.0.0", 1, &s);
	world_run(w, world_plan(w, PLAN_KIND_RELEASE, 0, 1), NULL);
	world_revision(w, "2.0.0", 1, &s);
	return world_plan(w, PLAN_KIND_UPGRADE, 1, 2);
}

static int64_t used(const struct world *w) {
	return w->bases[0]->row.units_used;
}

static void outcome(struct world *w, struct plan *p, enum task_kind kind, bool ok) {
	struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.kind == (int)kind && t->row.state == TASK_SENT)
			break;
	ck_assert_ptr_nonnull(t);
	plan_task_outcome(
	    &w->e, t, &(struct task_outcome){ .ok = ok, .fault = ok ? FAULT_NONE : FAULT_MODULE, .cause = ok ? NULL : "it refuses" });
}

START_TEST(a_smaller_one_frees_the_rest_when_the_old_one_is_gone) {
	struct world w;
	struct plan *p = swapping(&w, 3, 1);
	plan_step(&w.e, p);
	ck_assert_int_eq(used(&w), 3);
	world_send(&w, p);
	ck_assert_int_eq(used(&w), 3);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(used(&w), 1);
	world_deinit(&w);
}
END_TEST

/* Nobody took what it needs meanwhile. */
START_TEST(after_a_smaller_one_failed_there_is_room_to_go_back) {
	struct world w;
	struct plan *p = swapping(&w, 3, 1);
	struct instance *old = TAILQ_FIRST(&w.d->instances);
	plan_step(&w.e, p);
	world_send(&w, p);
	outcome(&w, p, TASK_KIND_UNINSTALL, true);
	ck_assert_int_eq(used(&w), 3); /* it may have to come back */
	outcome(&w, p, TASK_KIND_INSTALL, false);
	ck_assert(old->row.wanted && old->row.state == INSTANCE_MISSING && w.d->n_instances == 1);
	ck_assert(old->row.units == 3 && used(&w) == 3);
	world_deinit(&w);
}
END_TEST

START_TEST(a_larger_one_takes_what_it_needs_at_once) {
	struct world w;
	struct plan *p = swapping(&w, 1, 3);
	plan_step(&w.e, p);
	ck_assert_int_eq(used(&w), 3);
	world_send(&w, p);
	outcome(&w, p, TASK_KIND_UNINSTALL, true);
	outcome(&w, p, TASK_KIND_INSTALL, false);
	ck_assert_int_eq(used(&w), 1);
	world_deinit(&w);
}
END_TEST

/* It says so: nothing else would. */
START_TEST(one_that_needs_more_than_there_is_waits_for_room) {
	struct world w;
	struct plan_wait wait;
	struct plan *p = swapping(&w, 1, 4);
	world_run(&w, p, NULL);
	plan_wait_now(p, &wait);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	ck_assert_int_eq(wait.crowded, TAILQ_FIRST(&w.d->instances)->row.id);
	base_set_limit(w.f, w.bases[0], 4);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

/* The old one's removal is under way, and the small one was never sent: a third version stands on what both hold together. */
START_TEST(behind_one_that_was_never_there_stands_the_one_that_was) {
	struct world w;
	struct plan *p = swapping(&w, 3, 1);
	struct strategy s = in_place();
	struct instance *old = TAILQ_FIRST(&w.d->instances), *never, *third;
	plan_step(&w.e, p);
	never = TAILQ_NEXT(old, deployment_link);
	ck_assert(old->row.units == 2 && never->row.units == 1 && never->row.generation == 0);
	world_version(&w, "3.0.0")->row.units = 2;
	struct revision *to = world_revision(&w, "3.0.0", 1, &s);
	ck_assert(slot_can_succeed(never, to));
	third = slot_succeed(&w.e, never, to);
	ck_assert_int_eq(third->row.units, 2);
	ck_assert_int_eq(used(&w), 3);
	world_deinit(&w);
}
END_TEST

/* It stands beside the old one, would not take over and would not stop: its base has it, so its units are used until repair removed it. */
START_TEST(what_could_not_be_taken_out_again_counts) {
	for (int stopped = 0; stopped < 2; stopped++) {
		struct world w;
		struct plan *p = swapping(&w, 1, 1);
		struct instance *old = TAILQ_FIRST(&w.d->instances), *fresh;
		w.d->current->strategy.upgrade_policy = UPGRADE_POLICY_INSTALL_FIRST;
		plan_step(&w.e, p);
		world_send(&w, p);
		fresh = TAILQ_NEXT(old, deployment_link);
		text_set(&fresh->row.reported, "deactivated");
		if (stopped) {
			task_set_state(w.f, fresh->task, TASK_BACKOFF, w.e.wall);
			ck_assert(plan_stop(&w.e, p, "a person asked for it"));
		} else {
			outcome(&w, p, TASK_KIND_INSTALL, false);
		}
		ck_assert(old->row.wanted && old->row.state == INSTANCE_READY && w.d->n_wanted == 1);
		ck_assert(!fresh->row.wanted && fresh->row.units == 1);
		ck_assert_int_eq(used(&w), 2);
		world_deinit(&w);
	}
}
END_TEST

/* In place, on a base that keeps what failed to start: both count, the old one as far as there is room, and the rest when this one is gone.
 */
START_TEST(what_failed_in_place_counts_while_its_base_holds_it) {
	static const int64_t limits[] = { 3, 4, 5 };
	for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
		struct world w;
		struct plan *p = swapping(&w, 3, 2);
		struct instance *old = TAILQ_FIRST(&w.d->instances), *fresh;
		base_set_limit(w.f, w.bases[0], limits[k]);
		plan_step(&w.e, p);
		world_send(&w, p);
		fresh = TAILQ_NEXT(old, deployment_link);
		outcome(&w, p, TASK_KIND_UNINSTALL, true);
		text_set(&fresh->row.reported, "broken");
		outcome(&w, p, TASK_KIND_INSTALL, false);
		ck_assert(old->row.wanted && old->row.state == INSTANCE_MISSING && w.d->n_wanted == 1 && w.d->n_instances == 2);
		ck_assert(!fresh->row.wanted && fresh->row.units == 2);
		ck_assert_int_eq(old->row.units, k == 2 ? 3 : 1); /* all that it lacks, or what it had */
		fleet_instance_remove(w.f, fresh);
		ck_assert(old->row.units == 3 && used(&w) == 3);
		world_deinit(&w);
	}
}
END_TEST

TEST_SUITE("plan/chain", what_failed_in_place_counts_while_its_base_holds_it, a_smaller_one_frees_the_rest_when_the_old_one_is_gone,
    after_a_smaller_one_failed_there_is_room_to_go_back, a_larger_one_takes_what_it_needs_at_once,
    one_that_needs_more_than_there_is_waits_for_room, behind_one_that_was_never_there_stands_the_one_that_was,
    what_could_not_be_taken_out_again_counts)
