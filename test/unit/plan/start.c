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

static void many_bases(struct world *w, int n) {
	for (int i = 0; i < n; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		fleet_base_add(w->f, w->g, &(struct row_base){ .name = name, .state = BASE_READY })->connected = true;
	}
}

/* Rule 10: one step does not fill a batch of hundreds, but asks to be called again at once. */
START_TEST(a_large_batch_is_filled_in_slices) {
	struct world w;
	world_init(&w, 0, 100);
	many_bases(&w, 300);
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

static int64_t behind_one_by_one(const struct world *w, const struct revision *to) {
	const struct instance *i;
	int64_t n = 0;
	TAILQ_FOREACH(i, &w->d->instances, deployment_link)
		n += i->row.wanted && instance_behind(i, to);
	return n;
}

/* What a plan has to do is known from the counts per revision, also where revisions differ by their number only, or are not kept. */
START_TEST(what_is_behind_is_counted_without_a_look_at_each) {
	struct world w;
	world_init(&w, 12, 3);
	static const char *const versions[] = { "1.0.0", "1.0.0", "2.0.0", "1.0.0", "2.0.0" };
	for (size_t k = 0; k < sizeof versions / sizeof *versions; k++) {
		struct revision *to = world_revision(&w, versions[k], 4 + 2 * (int64_t)k, NULL);
		for (struct revision *r = TAILQ_FIRST(&w.d->revisions); r != NULL; r = TAILQ_NEXT(r, link)) {
			struct plan_work work;
			plan_work_count(w.d, r, false, &work);
			int64_t target = r->row.replicas, behind = behind_one_by_one(&w, r);
			ck_assert_int_eq(work.behind, behind < target ? behind : target);
		}
		struct plan *p = world_plan(&w, k == 0 ? PLAN_KIND_RELEASE : PLAN_KIND_UPGRADE, (int64_t)k, (int64_t)k + 1);
		for (int n = 0; n < 3 && k + 1 < sizeof versions / sizeof *versions; n++) { /* some are left where they are */
			plan_step(&w.e, p);
			world_send(&w, p);
			world_answer(&w, p, NULL);
			world_pass(&w, 6 * US_PER_S);
		}
		if (!word_terminal(WORD_PLAN, p->row.state))
			plan_stop(&w.e, p, "enough");
		ck_assert_int_eq(renamed_count(w.d, to), w.d->n_wanted - to->n_wanted - behind_one_by_one(&w, to));
		if (k == 2)
			fleet_revision_remove(w.f, TAILQ_FIRST(&w.d->revisions));
	}
	world_deinit(&w);
}
END_TEST

/* Rule 10: a plan that ends in the middle of very many bases is not freed in one piece. */
START_TEST(the_working_state_is_freed_in_pieces) {
	struct world w;
	world_init(&w, 12, 3);
	struct strategy s = strategy_unset;
	s.batches[0] = (struct amount){ .kind = AMOUNT_PERCENT, .n = 100 };
	s.n_batches = 1;
	world_revision(&w, "1.0.0", 12, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 0, 1);
	plan_step(&w.e, p);
	ck_assert_uint_eq(HASH_COUNT(p->live->chains), 12);
	for (int n = 0; n < 2; n++) {
		size_t objects = 5;
		ck_assert(!plan_live_free(p->live, &objects) && objects == 0);
	}
	size_t objects = 5;
	ck_assert(plan_live_free(p->live, &objects) && objects == 3);
	p->live = NULL;
	world_deinit(&w);
}
END_TEST

/* Rule 10: while the window is closed a step does not ask all that still wait, only the first few hundred; all get their turn. */
START_TEST(a_closed_window_does_not_have_everybody_asked) {
	struct world w;
	struct strategy s = strategy_unset;
	world_init(&w, 0, 100);
	many_bases(&w, 600);
	s.batches[0] = (struct amount){ .kind = AMOUNT_PERCENT, .n = 100 };
	s.n_batches = 1;
	s.max_in_flight = 1000;
	s.upgrade_policy = UPGRADE_POLICY_IN_PLACE;
	s.max_unavailable = (struct amount){ .kind = AMOUNT_COUNT, .n = 10 };
	world_revision(&w, "1.0.0", 600, &s);
	world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
	world_revision(&w, "2.0.0", 600, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	plan_step(&w.e, p);
	ck_assert_uint_eq(HASH_COUNT(p->live->chains), 10);
	struct instance *i, *near = NULL, *far = NULL;
	TAILQ_FOREACH(i, &w.d->instances, deployment_link)
		if (i->row.state == INSTANCE_READY && chain_find(p, w.d, i->base) == NULL) {
			near = near == NULL ? i : near;
			far = i;
		}
	instance_set_state(w.f, far, INSTANCE_FAILED, "it broke", w.e.wall);
	plan_step(&w.e, p);
	ck_assert_uint_eq(HASH_COUNT(p->live->chains), 10); /* the window does not hold that one, but it is far behind */
	instance_set_state(w.f, near, INSTANCE_FAILED, "it broke", w.e.wall);
	plan_step(&w.e, p);
	ck_assert_uint_eq(HASH_COUNT(p->live->chains), 11);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 600);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/start", a_closed_window_does_not_have_everybody_asked, what_is_behind_is_counted_without_a_look_at_each,
    the_working_state_is_freed_in_pieces, a_large_batch_is_filled_in_slices, nothing_starts_in_a_frozen_group_and_what_runs_goes_on,
    one_plan_per_deployment)
