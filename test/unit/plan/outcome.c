/* What outcomes lead to: tries, and their order. */
#include "world.h"
#include "../../suite.h"

static struct task *task_of_kind(const struct plan *p, enum task_kind kind) {
	struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.kind == (int)kind && !word_terminal(WORD_TASK, t->row.state))
			return t;
	return NULL;
}

static void fails(struct world *w, struct task *t) {
	struct task_outcome o = { .retryable = true, .fault = FAULT_MODULE, .cause = "it refuses" };
	plan_task_outcome(&w->e, t, &o);
}

/* The install of the same version, tried before the removal that failed beside it, would be removed by it. */
START_TEST(in_place_both_are_tried_again_together) {
	static const enum task_kind first[] = { TASK_KIND_INSTALL, TASK_KIND_UNINSTALL };
	for (size_t k = 0; k < sizeof first / sizeof *first; k++) {
		struct world w;
		world_init(&w, 1, 1);
		world_revision(&w, "1.0.0", 1, NULL);
		world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
		world_revision(&w, "2.0.0", 1, NULL);
		struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
		plan_step(&w.e, p);
		world_send(&w, p);
		struct task *removal = task_of_kind(p, TASK_KIND_UNINSTALL), *install = task_of_kind(p, TASK_KIND_INSTALL);
		ck_assert(removal != NULL && install != NULL);
		fails(&w, removal);
		plan_task_due(&w.e, removal);
		ck_assert_int_eq(removal->row.state, TASK_PENDING);
		world_send(&w, p);
		fails(&w, install);
		plan_task_due(&w.e, install);
		ck_assert_msg(install->row.state == TASK_BACKOFF, "its removal is still at the base");
		fails(&w, removal);
		plan_task_due(&w.e, first[k] == TASK_KIND_INSTALL ? install : removal);
		ck_assert_int_eq(removal->row.state, TASK_PENDING);
		ck_assert_int_eq(install->row.state, TASK_PENDING);
		world_deinit(&w);
	}
}
END_TEST

START_TEST(a_try_of_its_own_needs_no_partner) {
	struct world w;
	world_init(&w, 1, 5);
	world_revision(&w, "1.0.0", 1, NULL);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	plan_step(&w.e, p);
	world_send(&w, p);
	struct task *t = task_of_kind(p, TASK_KIND_INSTALL);
	fails(&w, t);
	ck_assert_int_eq(t->row.state, TASK_BACKOFF);
	plan_task_due(&w.e, t);
	plan_task_due(&w.e, t);
	ck_assert_int_eq(t->row.state, TASK_PENDING);
	ck_assert_int_eq(t->row.attempt, 2);
	world_deinit(&w);
}
END_TEST

/* However long it was watched: the next batch has its own time. */
START_TEST(a_soak_is_no_task_that_does_not_end) {
	struct world w;
	struct strategy s = strategy_unset;
	s.soak_us = 15 * 60 * US_PER_S;
	s.n_batches = 2;
	s.batches[0] = (struct amount){ AMOUNT_COUNT, 1 };
	s.batches[1] = (struct amount){ AMOUNT_ALL, 0 };
	world_init(&w, 4, 4);
	world_revision(&w, "1.0.0", 4, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	plan_step(&w.e, p);
	world_send(&w, p);
	world_answer(&w, p, NULL);
	for (int k = 0; k < 200 && (k < 2 || p->row.state == PLAN_SOAKING); k++) {
		plan_step(&w.e, p);
		world_pass(&w, 6 * US_PER_S);
	}
	ck_assert_int_eq(plan_batch_chains(p), 3);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	world_pass(&w, 11 * 60 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	world_deinit(&w);
}
END_TEST

START_TEST(a_pause_does_not_end_the_soak) {
	struct world w;
	world_init(&w, 4, 5);
	struct strategy s = strategy_unset;
	s.soak_us = 60 * US_PER_S;
	s.min_ready_us = 1;
	world_revision(&w, "1.0.0", 4, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	plan_step(&w.e, p);
	world_send(&w, p);
	world_answer(&w, p, NULL);
	world_pass(&w, US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_SOAKING);
	for (int i = 0; i < 2; i++) {
		world_pass(&w, 20 * US_PER_S);
		plan_step(&w.e, p);
	}
	ck_assert(plan_pause(&w.e, p, "lunch"));
	world_pass(&w, 3600 * US_PER_S);
	ck_assert(plan_resume(&w.e, p));
	ck_assert_int_eq(p->row.state, PLAN_SOAKING);
	world_pass(&w, 15 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_SOAKING);
	world_pass(&w, 6 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	ck_assert_int_eq(p->row.current_batch, 2);
	world_deinit(&w);
}
END_TEST

/* n1 at 1.0.0, its removal sent, the install of 2.0.0 not yet; the plan is stopped. */
static struct instance *half_swapped(struct world *w, struct plan **ret) {
	world_init(w, 1, 1);
	world_revision(w, "1.0.0", 1, NULL);
	world_run(w, world_plan(w, PLAN_KIND_RELEASE, 0, 1), NULL);
	struct instance *old = TAILQ_FIRST(&w->d->instances);
	world_revision(w, "2.0.0", 1, NULL);
	*ret = world_plan(w, PLAN_KIND_UPGRADE, 1, 2);
	plan_step(&w->e, *ret);
	struct task *t = task_of_kind(*ret, TASK_KIND_UNINSTALL);
	old->row.generation = ++old->base->row.generation;
	task_set_state(w->f, t, TASK_SENT, w->e.wall);
	ck_assert(plan_stop(&w->e, *ret, "a person asked for it"));
	return old;
}

static void removal_ends(struct world *w, struct plan *p) {
	struct err err = ERR_INIT;
	plan_task_outcome(&w->e, task_of_kind(p, TASK_KIND_UNINSTALL), &(struct task_outcome){ .ok = true });
	ck_assert_msg(fleet_check(w->f, &err) == 0, "%s", err.text);
}

START_TEST(what_is_put_back_is_so_at_once) {
	struct world w;
	struct plan *p;
	struct instance *old = half_swapped(&w, &p);
	old->row.failures = 1; /* before it ran */
	removal_ends(&w, p);
	ck_assert(old->row.wanted && old->row.state == INSTANCE_MISSING && old->row.failures == 0);
	ck_assert_int_eq(old->row.units, 1);
	world_deinit(&w);
}
END_TEST

/* Offline, or fewer: a later plan took the slot away while the removal was under way. */
START_TEST(what_nobody_wants_any_more_is_not_put_back) {
	struct world w;
	struct plan *p;
	struct instance *old = half_swapped(&w, &p), *fresh = TAILQ_NEXT(old, deployment_link);
	struct plan *off = world_plan(&w, PLAN_KIND_OFFLINE, 2, 2);
	w.d->row.offline = true;
	ck_assert(fresh != NULL && fresh->row.wanted && fresh->row.generation == 0);
	plan_step(&w.e, off);
	ck_assert_ptr_null(TAILQ_NEXT(old, deployment_link));
	ck_assert_msg(old->row.units == 1 && old->base->row.units_used == 1, "it is on its base until its removal ended");
	removal_ends(&w, p);
	ck_assert(!old->row.wanted);
	world_deinit(&w);
}
END_TEST

/* What it requires went while the old one was taken out of traffic: it is given up before its base heard of either. */
START_TEST(what_would_make_room_for_nothing_stays) {
	struct world w;
	world_init(&w, 1, 1);
	world_revision(&w, "1.0.0", 1, NULL);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
	struct instance *old = TAILQ_FIRST(&w.d->instances);
	text_set(&old->row.reported, "activated");
	world_revision(&w, "2.0.0", 1, NULL);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	plan_step(&w.e, p);
	struct task *removal = task_of_kind(p, TASK_KIND_UNINSTALL);
	plan_task_outcome(
	    &w.e, task_of_kind(p, TASK_KIND_INSTALL), &(struct task_outcome){ .fault = FAULT_MODULE, .cause = "lib is gone" });
	ck_assert_int_eq(removal->row.state, TASK_CANCELLED);
	ck_assert(old->row.wanted && old->row.state == INSTANCE_READY && w.d->n_instances == 1);
	ck_assert_int_eq(plan_failures(p), 1);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/outcome", what_would_make_room_for_nothing_stays, what_is_put_back_is_so_at_once,
    what_nobody_wants_any_more_is_not_put_back, a_pause_does_not_end_the_soak, a_soak_is_no_task_that_does_not_end,
    in_place_both_are_tried_again_together, a_try_of_its_own_needs_no_partner)
