/* Failed slots: retry of one, of all; letting one be; what a takeover remembers of it; the way to undo. */
#include "../../suite.h"

#include <string.h>

#include "world.h"

static struct strategy plain(enum on_failure f) {
	struct strategy s = strategy_unset;
	s.batches[0] = (struct amount){ AMOUNT_PERCENT, 100 };
	s.n_batches = 1;
	s.retries = 0;
	s.min_ready_us = 0;
	s.on_failure = f;
	return s;
}

/* Four bases at 1.0.0; an upgrade to 2.0.0 that n2 refuses. */
static struct plan *failing(struct world *w, enum on_failure f) {
	struct strategy s = plain(f);
	world_init(w, 4, 3);
	world_revision(w, "1.0.0", 4, &s);
	struct plan *p = world_plan(w, PLAN_KIND_RELEASE, 0, 1);
	world_run(w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_revision(w, "2.0.0", 4, &s);
	p = world_plan(w, PLAN_KIND_UPGRADE, 1, 2);
	world_run(w, p, "n2");
	return p;
}

START_TEST(a_failure_pauses_and_the_rest_went_on) {
	struct world w;
	struct plan *p = failing(&w, ON_FAILURE_PAUSE);
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert_int_eq(plan_memo(p)->halt, HALT_FAILURES);
	ck_assert_int_eq(plan_failures(p), 1);
	ck_assert_int_eq(world_at(&w, "1.0.0") + world_at(&w, "2.0.0"), 4);
	world_deinit(&w);
}
END_TEST

START_TEST(a_base_that_is_let_be_frees_the_plan_and_stays_behind) {
	struct world w;
	struct plan *p = failing(&w, ON_FAILURE_PAUSE);
	struct plan_scope s = { .base = w.bases[1] };
	ck_assert(plan_ignore(&w.e, p, &s, "disk is failing", "ann"));
	world_run(&w, p, "n2");
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED_WITH_FAILURES);
	ck_assert_str_eq(p->row.state_reason, "1 base is behind");
	ck_assert_int_eq(world_at(&w, "2.0.0"), 3);
	ck_assert_str_eq(plan_memo(p)->marks[0].reason, "disk is failing");
	world_deinit(&w);
}
END_TEST

START_TEST(letting_be_outlives_a_takeover_and_is_harmless_twice) {
	struct world w;
	struct plan *p = failing(&w, ON_FAILURE_PAUSE);
	struct plan_scope s = { .base = w.bases[1] };
	ck_assert(plan_pause(&w.e, p, "a look first")); /* a person's pause is not lifted by it */
	ck_assert(plan_ignore(&w.e, p, &s, "known", "ann") && plan_ignore(&w.e, p, &s, "known", "bob"));
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert_int_eq(plan_memo(p)->tolerated, 1);
	world_reload(&w, p);
	ck_assert_int_eq(plan_memo(p)->halt, HALT_PERSON);
	ck_assert(slot_ignored(p, w.d, w.bases[1]));
	ck_assert(plan_resume(&w.e, p));
	world_run(&w, p, "n2");
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED_WITH_FAILURES);
	world_deinit(&w);
}
END_TEST

START_TEST(a_base_let_be_before_its_turn_is_passed_by) {
	struct world w;
	struct strategy s = plain(ON_FAILURE_PAUSE);
	world_init(&w, 4, 3);
	world_revision(&w, "1.0.0", 4, &s);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
	s.batches[0] = (struct amount){ AMOUNT_COUNT, 1 };
	s.confirm = CONFIRM_EACH;
	world_revision(&w, "2.0.0", 4, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_CONFIRMING);
	struct plan_scope scope = { .base = w.bases[3] };
	ck_assert(plan_ignore(&w.e, p, &scope, "somebody debugs there", "ann"));
	ck_assert_int_eq(p->row.state, PLAN_CONFIRMING);
	ck_assert(plan_confirm(&w.e, p, 1));
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED_WITH_FAILURES);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 3);
	ck_assert_int_eq(base_instance_of_module(w.bases[3], w.m)->row.revision, 1);
	world_deinit(&w);
}
END_TEST

/* The base was told and says nothing: the plan goes on without it, and what it says later is still counted right. */
START_TEST(a_base_at_work_is_not_waited_for_and_may_succeed_after_all) {
	struct world w;
	struct strategy s = plain(ON_FAILURE_PAUSE);
	world_init(&w, 2, 3);
	world_revision(&w, "1.0.0", 2, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	plan_step(&w.e, p);
	world_send(&w, p);
	struct plan_scope scope = { .base = w.bases[1] };
	ck_assert(plan_ignore(&w.e, p, &scope, "slow", "ann"));
	ck_assert_int_eq(plan_batch_chains(p), 1);
	ck_assert_int_eq(plan_failures(p), 1);
	world_reload(&w, p);
	ck_assert_int_eq(plan_batch_chains(p), 1);
	world_answer(&w, p, NULL);
	ck_assert_int_eq(plan_failures(p), 0);
	ck_assert_int_eq(plan_memo(p)->tolerated, 0);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

/* A base knows modules by name and version: what goes there under that name goes first, and the plan says that it waits. */
START_TEST(the_same_version_on_its_way_out_is_waited_for) {
	struct world w;
	struct strategy s = plain(ON_FAILURE_PAUSE);
	struct plan_wait wait;
	world_init(&w, 1, 3);
	world_revision(&w, "1.0.0", 1, &s);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
	world_revision(&w, "2.0.0", 1, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2), *back;
	plan_step(&w.e, p);
	world_send(&w, p);
	ck_assert_int_eq(world_answer(&w, p, NULL), 1); /* 2.0.0 is in */
	world_send(&w, p);                              /* 1.0.0 is told to go */
	world_revision(&w, "1.0.0", 1, &s);
	ck_assert(plan_supersede(&w.e, p, p->row.id + 1));
	back = world_plan(&w, PLAN_KIND_ROLLBACK, 2, 3);
	plan_step(&w.e, back);
	plan_wait_now(back, &wait);
	ck_assert(wait.others && TAILQ_EMPTY(&back->tasks));
	ck_assert_int_eq(world_answer(&w, p, NULL), 1);
	world_run(&w, back, NULL);
	ck_assert_int_eq(back->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "1.0.0"), 1);
	world_deinit(&w);
}
END_TEST

START_TEST(one_failed_base_is_tried_again) {
	struct world w;
	struct plan *p = failing(&w, ON_FAILURE_PAUSE);
	struct plan_scope other = { .base = w.bases[0] }, here = { .base = w.bases[1] };
	ck_assert_int_eq(plan_failed_count(p, &other), 0);
	ck_assert_int_eq(plan_failed_count(p, &here), 1);
	ck_assert(plan_retry(&w.e, p, &here));
	ck_assert_int_eq(plan_failures(p), 0);
	world_reload(&w, p); /* what was taken up again does not count as failed after a takeover */
	ck_assert_int_eq(plan_failed_count(p, &here), 0);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 4);
	world_deinit(&w);
}
END_TEST

START_TEST(a_task_names_its_slot) {
	struct world w;
	struct plan *p = failing(&w, ON_FAILURE_PAUSE);
	struct plan_scope s = { 0 };
	const struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.state == TASK_FAILED)
			s.task = t->row.id;
	ck_assert_int_eq(plan_failed_count(p, &s), 1);
	ck_assert(plan_pause(&w.e, p, "a look first") && plan_ignore(&w.e, p, &s, "known", "ann"));
	struct plan_scope all = { 0 };
	ck_assert(plan_retry(&w.e, p, &all)); /* all that failed leaves alone what is let be */
	ck_assert_int_eq(plan_failures(p), 1);
	world_deinit(&w);
}
END_TEST

START_TEST(on_failure_undo_ends_undone_or_pauses) {
	struct world w;
	struct plan *p = failing(&w, ON_FAILURE_UNDO);
	ck_assert_int_eq(p->row.state, PLAN_UNDONE);
	ck_assert_int_eq(w.n_undone, 1);
	world_deinit(&w);
	struct strategy s = plain(ON_FAILURE_UNDO);
	world_init(&w, 1, 3);
	w.undo_possible = false;
	world_revision(&w, "1.0.0", 1, &s);
	p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	world_run(&w, p, "n1");
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	world_deinit(&w);
}
END_TEST

START_TEST(going_back_asks_nobody) {
	struct world w;
	struct strategy s = plain(ON_FAILURE_UNDO), got;
	world_init(&w, 4, 3);
	s.confirm = CONFIRM_EACH;
	s.soak_us = 60 * US_PER_S;
	world_revision(&w, "1.0.0", 4, &s);
	world_revision(&w, "2.0.0", 4, &s);
	plan_strategy(world_plan(&w, PLAN_KIND_UNDO, 1, 2), &got);
	ck_assert(got.confirm == CONFIRM_NONE && got.soak_us == 0 && got.on_failure == ON_FAILURE_PAUSE);
	plan_strategy(world_plan(&w, PLAN_KIND_UPGRADE, 1, 2), &got);
	ck_assert(got.confirm == CONFIRM_EACH && got.soak_us > 0 && got.on_failure == ON_FAILURE_UNDO);
	ck_assert(change_shrinks(TAILQ_FIRST(&world_plan(&w, PLAN_KIND_UNDO, 2, 2)->changes)));
	ck_assert(!change_shrinks(TAILQ_FIRST(&world_plan(&w, PLAN_KIND_UNDO, 1, 2)->changes)));
	world_deinit(&w);
}
END_TEST

/* The old version broke while it was being swapped, and its base still holds it: until it is removed its units are used. */
START_TEST(what_the_base_still_holds_is_not_forgotten_by_a_retry) {
	struct world w;
	struct plan *p = failing(&w, ON_FAILURE_PAUSE);
	struct instance *old = base_instance_of_module(w.bases[1], w.m);
	ck_assert_str_eq(old->version->row.name, "1.0.0");
	text_set(&old->row.reported, "broken");
	instance_set_state(w.f, old, INSTANCE_FAILED, "it broke while it was being swapped", w.e.wall);
	ck_assert_int_eq(w.bases[1]->row.units_used, 1);
	ck_assert(plan_retry(&w.e, p, &(struct plan_scope){ .base = w.bases[1] }));
	ck_assert_ptr_eq(TAILQ_FIRST(&w.bases[1]->instances), old);
	world_send(&w, p);
	ck_assert_int_eq(old->row.state, INSTANCE_UNINSTALLING); /* and goes as it would have gone */
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 4);
	ck_assert_int_eq(w.bases[1]->row.units_used, 1);
	world_deinit(&w);
}
END_TEST

/* It came, and broke before it was believed: another one is placed, and this one counts until it is gone. */
START_TEST(a_new_one_that_broke_counts_until_it_is_gone) {
	struct world w;
	struct strategy s = plain(ON_FAILURE_PAUSE);
	world_init(&w, 2, 3);
	s.min_ready_us = 5 * US_PER_S;
	world_revision(&w, "1.0.0", 1, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	plan_step(&w.e, p);
	world_send(&w, p);
	world_answer(&w, p, NULL);
	struct instance *i = TAILQ_FIRST(&w.d->instances);
	struct base *there = i->base;
	text_set(&i->row.reported, "broken");
	instance_set_state(w.f, i, INSTANCE_FAILED, "it broke", w.e.wall);
	plan_instance_failed(&w.e, i, FAULT_MODULE, "it broke");
	ck_assert(plan_retry(&w.e, p, &(struct plan_scope){ 0 }));
	ck_assert_ptr_eq(TAILQ_FIRST(&there->instances), i);
	ck_assert(!i->row.wanted && there->row.units_used == 1);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert(world_at(&w, "1.0.0") == 1 && w.d->n_wanted == 1);
	world_deinit(&w);
}
END_TEST

/* A retry goes back to the first batch while the second is at work already; which one is current can be seen behind that, too. */
START_TEST(behind_a_retried_batch_the_next_is_the_current_one) {
	struct world w;
	struct strategy s = plain(ON_FAILURE_CONTINUE);
	world_init(&w, 3, 3);
	world_revision(&w, "1.0.0", 3, &s);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
	s.batch_count = 3;
	s.confirm = CONFIRM_EACH;
	world_revision(&w, "2.0.0", 3, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	world_run(&w, p, "n1");
	ck_assert(p->row.state == PLAN_CONFIRMING && plan_failures(p) == 1);
	ck_assert(plan_confirm(&w.e, p, 1));
	world_send(&w, p);
	ck_assert_int_eq(p->row.current_batch, 2);
	ck_assert(plan_retry(&w.e, p, &(struct plan_scope){ 0 }));
	ck_assert_int_eq(p->row.current_batch, 1);
	world_run(&w, p, NULL);
	ck_assert(plan_confirm(&w.e, p, 1));
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_CONFIRMING);
	ck_assert_int_eq(p->row.current_batch, 2);
	ck_assert(plan_confirm(&w.e, p, 2));
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/slot", a_failure_pauses_and_the_rest_went_on, a_base_that_is_let_be_frees_the_plan_and_stays_behind,
    letting_be_outlives_a_takeover_and_is_harmless_twice, a_base_let_be_before_its_turn_is_passed_by,
    a_base_at_work_is_not_waited_for_and_may_succeed_after_all, the_same_version_on_its_way_out_is_waited_for,
    one_failed_base_is_tried_again, a_task_names_its_slot, on_failure_undo_ends_undone_or_pauses, going_back_asks_nobody,
    what_the_base_still_holds_is_not_forgotten_by_a_retry, a_new_one_that_broke_counts_until_it_is_gone,
    behind_a_retried_batch_the_next_is_the_current_one)
