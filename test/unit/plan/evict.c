/* Evicting a finding, by the engine alone: its grace, the one task, and what is left when it is called off. */
#include "../../suite.h"

#include <string.h>

#include "base/arena.h"
#include "world.h"

static struct finding *stranger(struct world *w) {
	struct row_finding row = { .kind = FINDING_UNMANAGED,
		.module = w->m->row.name,
		.version = (char[]){ "9" },
		.reported = (char[]){ "activated" },
		.detail = (char[]){ "strange" } };
	world_version(w, "9");
	w->bases[0]->connected = true;
	return fleet_finding_add(w->f, w->t, w->bases[0], &row);
}

static struct plan *eviction(struct world *w, struct finding *x, int64_t grace_us) {
	ARENA_AUTO a = arena_new();
	struct plan_memo memo = { .evicts = x->row.id, .grace_us = grace_us };
	struct row_plan row = { .kind = PLAN_KIND_EVICT, .state = PLAN_QUEUED, .options = memo_print(&memo, a) };
	struct plan *p = fleet_plan_add(w->f, w->t, &row);
	plan_evict_restore(&w->e, p);
	plan_step(&w->e, p);
	return p;
}

START_TEST(it_waits_for_its_grace_and_then_for_one_removal) {
	struct world w;
	world_init(&w, 2, 5);
	struct finding *x = stranger(&w);
	struct plan *p = eviction(&w, x, 5 * US_PER_S);
	ck_assert(x->plan == p && p->row.state == PLAN_QUEUED && p->n_tasks == 0 && p->live->wait.grace);
	world_pass(&w, 4 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_QUEUED);
	world_pass(&w, 2 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert(p->row.state == PLAN_RUNNING && p->n_open == 1 && w.bases[0]->n_instances == 1);
	world_send(&w, p);
	ck_assert_int_eq(world_answer(&w, p, NULL), 1);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert(w.bases[0]->n_instances == 0 && w.bases[0]->row.units_used == 0);
	world_deinit(&w);
}
END_TEST

START_TEST(what_passed_of_the_grace_counts_after_a_load) {
	struct world w;
	world_init(&w, 2, 5);
	struct plan *p = eviction(&w, stranger(&w), 20 * US_PER_S);
	for (int i = 0; i < 2; i++) {
		world_pass(&w, 7 * US_PER_S);
		plan_step(&w.e, p);
		world_reload(&w, p);
	}
	world_pass(&w, 5 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert(p->row.state == PLAN_QUEUED && p->live->wait.grace && mono_diff(p->live->wait.until, w.e.mono) == US_PER_S);
	world_pass(&w, US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	world_deinit(&w);
}
END_TEST

START_TEST(called_off_before_it_was_sent_nothing_is_left) {
	struct world w;
	world_init(&w, 2, 5);
	struct finding *x = stranger(&w);
	struct plan *p = eviction(&w, x, 0);
	ck_assert_int_eq(p->n_open, 1);
	ck_assert(plan_stop(&w.e, p, "stays"));
	ck_assert(p->row.state == PLAN_STOPPED && p->n_open == 0 && w.bases[0]->n_instances == 0);
	ck_assert_ptr_eq(fleet_finding(w.f, x->row.id), x);
	world_deinit(&w);
}
END_TEST

START_TEST(what_settles_in_the_grace_is_a_success_and_a_lost_base_is_waited_for) {
	struct world w;
	world_init(&w, 2, 5);
	struct finding *x = stranger(&w);
	struct plan *p = eviction(&w, x, 0);
	ck_assert(plan_busy_on(p, w.bases[0]));
	plan_base_lost(&w.e, p, w.bases[0]);
	base_set_state(w.f, w.bases[0], BASE_SILENT, NULL, w.e.wall);
	base_set_state(w.f, w.bases[0], BASE_LOST, NULL, w.e.wall);
	plan_step(&w.e, p);
	ck_assert(p->row.state == PLAN_RUNNING && p->n_open == 0 && p->live->wait.away && w.bases[0]->n_instances == 0);
	fleet_finding_remove(w.f, x);
	ck_assert_ptr_null(p->evicts);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

START_TEST(what_a_lost_base_was_told_stays_open) {
	struct world w;
	world_init(&w, 2, 5);
	struct plan *p = eviction(&w, stranger(&w), 0);
	world_send(&w, p);
	plan_base_lost(&w.e, p, w.bases[0]);
	plan_step(&w.e, p);
	ck_assert(p->row.state == PLAN_RUNNING && p->n_open == 1 && w.bases[0]->n_instances == 1);
	world_deinit(&w);
}
END_TEST

START_TEST(a_refused_removal_fails_the_plan_and_the_finding_stays) {
	struct world w;
	world_init(&w, 2, 5);
	struct finding *x = stranger(&w);
	struct plan *p = eviction(&w, x, 0);
	world_send(&w, p);
	struct task_outcome refused = { .fault = FAULT_BASE, .cause = "busy" };
	plan_task_outcome(&w.e, TAILQ_FIRST(&p->tasks), &refused);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_FAILED);
	ck_assert(w.bases[0]->n_instances == 0 && fleet_finding(w.f, x->row.id) == x);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/evict", it_waits_for_its_grace_and_then_for_one_removal, what_passed_of_the_grace_counts_after_a_load,
    called_off_before_it_was_sent_nothing_is_left, what_settles_in_the_grace_is_a_success_and_a_lost_base_is_waited_for,
    what_a_lost_base_was_told_stays_open, a_refused_removal_fails_the_plan_and_the_finding_stays)
