/* Moves: drain, replace, restart and the surge policy; what fails, what is lost, what a takeover finds. */
#include "../../suite.h"

#include <string.h>

#include "base/arena.h"
#include "world.h"

static struct plan *asked(struct world *w, enum plan_kind kind, const struct base *only, bool old_ones) {
	ARENA_AUTO a = arena_new();
	struct plan *p = world_plan(w, kind, w->d->row.revision, w->d->row.revision);
	struct plan_memo m = { .base_id = only == NULL ? 0 : only->row.id };
	const struct instance *i;
	if (old_ones)
		TAILQ_FOREACH(i, &w->d->instances, deployment_link)
			m.before = i->row.id > m.before ? i->row.id : m.before;
	text_set(&p->row.options, memo_print(&m, a));
	return p;
}

static void release(struct world *w, int bases, int64_t replicas, const struct strategy *s) {
	world_init(w, bases, 2);
	world_revision(w, "1.0.0", replicas, s);
	struct plan *p = world_plan(w, PLAN_KIND_RELEASE, 0, 1);
	world_run(w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
}

static bool holds(const struct world *w, int base) {
	return base_instance_of_module(w->bases[base], w->m) != NULL;
}

START_TEST(a_drain_has_the_new_one_ready_before_the_old_one_goes) {
	struct world w;
	release(&w, 3, 2, NULL);
	struct base *from = TAILQ_FIRST(&w.d->instances)->base;
	base_set_cordoned(w.f, from, true, "drained", w.e.wall);
	struct plan *p = asked(&w, PLAN_KIND_DRAIN, from, false);
	plan_step(&w.e, p);
	world_send(&w, p);
	ck_assert_int_eq(w.d->n_wanted, 2);
	ck_assert_int_eq(w.d->n_serving, 2);
	ck_assert_int_eq(plan_batch_chains(p), 1);
	ck_assert(plan_busy_on(p, from)); /* repair keeps away from the one that waits to go */
	world_reload(&w, p);
	ck_assert_int_eq(plan_batch_chains(p), 1);
	ck_assert(plan_busy_on(p, from));
	world_answer(&w, p, NULL);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(from->n_instances, 0);
	ck_assert_int_eq(w.d->n_ready, 2);
	world_deinit(&w);
}
END_TEST

START_TEST(a_drain_without_room_waits_and_says_for_whom) {
	struct world w;
	struct plan_wait wait;
	release(&w, 2, 2, NULL);
	base_set_cordoned(w.f, w.bases[0], true, "drained", w.e.wall);
	struct plan *p = asked(&w, PLAN_KIND_DRAIN, w.bases[0], false);
	world_run(&w, p, NULL);
	plan_waiting(p, &wait);
	ck_assert(p->row.state == PLAN_RUNNING && wait.no_room && wait.room_id == w.d->row.id);
	ck_assert_int_eq(w.d->n_ready, 2);
	world_deinit(&w);
}
END_TEST

START_TEST(what_is_on_all_bases_is_taken_off_a_drained_one) {
	struct world w;
	release(&w, 4, -1, NULL);
	base_set_cordoned(w.f, w.bases[1], true, "drained", w.e.wall);
	struct plan *p = asked(&w, PLAN_KIND_DRAIN, w.bases[1], false);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert(!holds(&w, 1));
	ck_assert_int_eq(w.d->n_ready, 3);
	world_deinit(&w);
}
END_TEST

START_TEST(a_failed_move_leaves_the_old_one_in_place) {
	struct world w;
	release(&w, 2, 1, NULL);
	struct base *from = TAILQ_FIRST(&w.d->instances)->base;
	struct plan *p = asked(&w, PLAN_KIND_REPLACE, NULL, true);
	world_run(&w, p, from == w.bases[0] ? "n2" : "n1");
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert_int_eq(plan_failures(p), 1);
	ck_assert_int_eq(from->n_instances, 1);
	ck_assert(TAILQ_FIRST(&from->instances)->row.wanted && w.d->n_ready == 1);
	world_reload(&w, p);
	struct plan_scope here = { .base = from };
	ck_assert_int_eq(plan_failed_count(p, &here), 1);
	struct plan_scope all = { 0 };
	ck_assert(plan_retry(&w.e, p, &all));
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(from->n_instances, 0);
	world_deinit(&w);
}
END_TEST

START_TEST(a_lost_target_is_replaced_by_another_and_a_lost_source_is_done) {
	struct world w;
	release(&w, 3, 1, NULL);
	struct base *from = TAILQ_FIRST(&w.d->instances)->base;
	struct plan *p = asked(&w, PLAN_KIND_REPLACE, NULL, true);
	plan_step(&w.e, p);
	world_send(&w, p);
	struct base *to = TAILQ_FIRST(&p->tasks)->base;
	base_set_state(w.f, to, BASE_SILENT, NULL, w.e.wall);
	base_set_state(w.f, to, BASE_LOST, NULL, w.e.wall);
	plan_base_lost(&w.e, p, to);
	ck_assert(TAILQ_FIRST(&from->instances)->row.wanted);
	ck_assert_int_eq(plan_batch_chains(p), 0);
	plan_step(&w.e, p);
	world_send(&w, p);
	ck_assert_int_eq(plan_batch_chains(p), 1);
	base_set_state(w.f, from, BASE_SILENT, NULL, w.e.wall);
	base_set_state(w.f, from, BASE_LOST, NULL, w.e.wall);
	plan_base_lost(&w.e, p, from);
	world_answer(&w, p, NULL);
	ck_assert_int_eq(TAILQ_FIRST(&p->batches)->row.done, 1);
	ck_assert_int_eq(w.d->n_ready, 1);
	world_deinit(&w);
}
END_TEST

START_TEST(a_restart_is_in_place_and_once_each) {
	struct world w;
	release(&w, 4, 4, NULL);
	int64_t last = TAILQ_LAST(&w.d->instances, instance_queue)->row.id;
	struct plan *p = asked(&w, PLAN_KIND_RESTART, NULL, true);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	const struct instance *i;
	TAILQ_FOREACH(i, &w.d->instances, deployment_link)
		ck_assert(i->row.id > last && i->row.revision == 1 && i->row.state == INSTANCE_READY);
	ck_assert_int_eq(w.d->n_ready, 4);
	ck_assert_int_eq(p->row.tasks_done, 8);
	world_deinit(&w);
}
END_TEST

START_TEST(surge_upgrades_onto_another_base) {
	struct world w;
	struct strategy s = strategy_unset;
	s.upgrade_policy = UPGRADE_POLICY_SURGE;
	release(&w, 3, 2, &s);
	world_revision(&w, "2.0.0", 2, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	plan_step(&w.e, p);
	ck_assert_int_eq(move_count(p, w.d), 1); /* one more than wanted, not two */
	ck_assert_int_eq(w.d->n_serving, 2);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 2);
	ck_assert_int_eq(w.d->n_instances, 2);
	world_deinit(&w);
}
END_TEST

START_TEST(letting_a_moving_base_be_counts_once) {
	struct world w;
	release(&w, 3, 1, NULL);
	struct base *from = TAILQ_FIRST(&w.d->instances)->base;
	struct plan *p = asked(&w, PLAN_KIND_REPLACE, NULL, true);
	plan_step(&w.e, p);
	world_send(&w, p);
	struct plan_scope s = { .base = TAILQ_FIRST(&p->tasks)->base };
	ck_assert(plan_ignore(&w.e, p, &s, "slow", "ann"));
	ck_assert_int_eq(plan_failures(p), 1);
	ck_assert_int_eq(plan_batch_chains(p), 0);
	world_answer(&w, p, NULL);
	world_send(&w, p);
	world_answer(&w, p, NULL);
	ck_assert_int_eq(plan_failures(p), 0);
	ck_assert_int_eq(from->n_instances, 0);
	world_deinit(&w);
}
END_TEST

START_TEST(a_takeover_does_not_count_a_moving_base_twice) {
	struct world w;
	release(&w, 3, 2, NULL);
	struct base *from = TAILQ_FIRST(&w.d->instances)->base;
	base_set_cordoned(w.f, from, true, "drained", w.e.wall);
	struct plan *p = asked(&w, PLAN_KIND_DRAIN, from, false);
	struct plan_scope s = { .base = from };
	plan_step(&w.e, p);
	ck_assert(plan_ignore(&w.e, p, &s, "it hangs", "ann"));
	ck_assert_int_eq(plan_failures(p), 1);
	world_reload(&w, p);
	ck_assert(plan_ignore(&w.e, p, &s, "it hangs", "bob"));
	ck_assert_int_eq(plan_failures(p), 1);
	world_deinit(&w);
}
END_TEST

/* Another plan moved it off when the drain began, and that came to nothing. */
START_TEST(a_drain_takes_what_comes_back_too) {
	struct world w;
	struct plan_wait wait;
	release(&w, 3, 2, NULL);
	struct instance *i = TAILQ_FIRST(&w.d->instances);
	struct base *from = i->base;
	base_set_cordoned(w.f, from, true, "drained", w.e.wall);
	instance_set_wanted(w.f, i, false);
	i->row.generation = 1;
	struct plan *p = asked(&w, PLAN_KIND_DRAIN, from, false);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	plan_waiting(p, &wait);
	ck_assert(wait.repair);
	instance_set_wanted(w.f, i, true);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(from->n_instances, 0);
	ck_assert_int_eq(w.d->n_ready, 2);
	world_deinit(&w);
}
END_TEST

/* A drain makes no other one where one is missing: it takes what is there, whatever it is worth. */
START_TEST(a_retried_drain_moves_what_is_broken_too) {
	struct world w;
	release(&w, 2, 1, NULL);
	struct instance *old = TAILQ_FIRST(&w.d->instances);
	struct base *from = old->base;
	instance_set_state(w.f, old, INSTANCE_FAILED, "it broke", w.e.wall);
	base_set_cordoned(w.f, from, true, "drained", w.e.wall);
	struct plan *p = asked(&w, PLAN_KIND_DRAIN, from, true);
	world_run(&w, p, from == w.bases[0] ? "n2" : "n1");
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert(plan_retry(&w.e, p, &(struct plan_scope){ 0 }));
	ck_assert_int_eq(w.d->n_wanted, 1);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(from->n_instances, 0);
	ck_assert_int_eq(w.d->n_ready, 1);
	world_deinit(&w);
}
END_TEST

/* What was moved broke where it went: it is put back there, not forgotten. */
START_TEST(a_moved_one_that_broke_is_put_back_where_it_is) {
	struct world w;
	struct strategy s = strategy_unset;
	s.min_ready_us = 5 * US_PER_S;
	release(&w, 2, 1, &s);
	struct base *from = TAILQ_FIRST(&w.d->instances)->base;
	base_set_cordoned(w.f, from, true, "drained", w.e.wall);
	struct plan *p = asked(&w, PLAN_KIND_DRAIN, from, true);
	for (int k = 0; k < 2; k++) {
		plan_step(&w.e, p);
		world_send(&w, p);
		world_answer(&w, p, NULL);
	}
	struct instance *i = TAILQ_FIRST(&w.d->instances);
	ck_assert(i->base != from && i->row.state == INSTANCE_READY && w.d->n_instances == 1);
	instance_set_state(w.f, i, INSTANCE_FAILED, "it broke", w.e.wall);
	plan_instance_failed(&w.e, i, FAULT_MODULE, "it broke");
	ck_assert_int_eq(plan_failures(p), 1);
	ck_assert(plan_retry(&w.e, p, &(struct plan_scope){ 0 }));
	ck_assert(w.d->n_wanted == 1 && i->row.state == INSTANCE_MISSING);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/move", a_takeover_does_not_count_a_moving_base_twice, a_drain_takes_what_comes_back_too,
    a_drain_has_the_new_one_ready_before_the_old_one_goes, a_drain_without_room_waits_and_says_for_whom,
    what_is_on_all_bases_is_taken_off_a_drained_one, a_failed_move_leaves_the_old_one_in_place,
    a_lost_target_is_replaced_by_another_and_a_lost_source_is_done, a_restart_is_in_place_and_once_each, surge_upgrades_onto_another_base,
    letting_a_moving_base_be_counts_once, a_retried_drain_moves_what_is_broken_too, a_moved_one_that_broke_is_put_back_where_it_is)
