/* Around a swap: who is taken out of traffic when, what waits for drainWait, and what becomes of a hook that fails. */
#include "world.h"
#include "../../suite.h"

#include <string.h>

#define WAIT_US (10 * US_PER_S)

static void hooked(struct world *w, int bases, int64_t wait_us) {
	world_init(w, bases, 5);
	text_set(&w->g->row.before_swap, "http://lb/out");
	text_set(&w->g->row.after_swap, "http://lb/in");
	w->g->row.drain_wait_us = wait_us;
}

static struct task *open_task(const struct plan *p, enum task_kind kind) {
	struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.kind == (int)kind && !word_terminal(WORD_TASK, t->row.state))
			return t;
	return NULL;
}

static struct plan *upgrade(struct world *w, const char *version, enum upgrade_policy policy) {
	struct strategy s = strategy_unset;
	s.upgrade_policy = policy;
	s.retries = 0;
	world_revision(w, "1.0.0", 1, NULL);
	world_run(w, world_plan(w, PLAN_KIND_RELEASE, 0, 1), NULL);
	ck_assert_int_eq(world_at(w, "1.0.0"), 1);
	text_set(&TAILQ_FIRST(&w->d->instances)->row.reported, "activated");
	world_revision(w, version, 1, &s);
	struct plan *p = world_plan(w, PLAN_KIND_UPGRADE, 1, 2);
	plan_step(&w->e, p);
	return p;
}

static void ends(struct world *w, struct task *t, bool ok) {
	struct task_outcome o = { .ok = ok, .fault = ok ? FAULT_NONE : FAULT_HOOK, .cause = ok ? NULL : "the balancer says no" };
	plan_task_outcome(&w->e, t, &o);
}

static struct instance *old_of(const struct world *w) {
	return TAILQ_FIRST(&w->d->instances);
}

/* The order of one swap, whatever its policy: out, wait, commands, in. */
static void swap_in_order(enum upgrade_policy policy) {
	struct world w;
	hooked(&w, 1, WAIT_US);
	struct plan *p = upgrade(&w, "2.0.0", policy);
	bool beside = policy == UPGRADE_POLICY_INSTALL_FIRST;
	enum task_kind first = beside ? TASK_KIND_INSTALL : TASK_KIND_UNINSTALL;
	struct task *out = open_task(p, TASK_KIND_BEFORE_SWAP);
	ck_assert(out != NULL && open_task(p, TASK_KIND_INSTALL) == NULL && open_task(p, TASK_KIND_UNINSTALL) == NULL);
	ck_assert_int_eq(old_of(&w)->row.state, INSTANCE_DRAINING);
	ck_assert_int_eq(w.d->n_serving, 0);
	world_send(&w, p);
	ends(&w, out, true);
	struct task *command = open_task(p, first);
	ck_assert(command != NULL && task_held(command, w.e.mono));
	world_send(&w, p);
	ck_assert_msg(command->row.state == TASK_PENDING, "sent before drainWait was over");
	world_pass(&w, WAIT_US);
	plan_task_due(&w.e, command);
	world_send(&w, p);
	ck_assert_int_eq(command->row.state, TASK_SENT);
	world_answer(&w, p, NULL);
	if (beside) { /* the old one goes before traffic comes back */
		ck_assert(open_task(p, TASK_KIND_UNINSTALL) != NULL);
		world_send(&w, p);
		world_answer(&w, p, NULL);
	}
	struct task *in = open_task(p, TASK_KIND_AFTER_SWAP);
	ck_assert(in != NULL && open_task(p, TASK_KIND_UNINSTALL) == NULL);
	ck_assert_int_eq(plan_batch(p, 1)->row.done, 0);
	world_send(&w, p);
	ends(&w, in, true);
	ck_assert_int_eq(plan_batch(p, 1)->row.done, 1);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 1);
	world_deinit(&w);
}

START_TEST(a_swap_goes_out_waits_swaps_and_comes_in) {
	swap_in_order(UPGRADE_POLICY_IN_PLACE);
	swap_in_order(UPGRADE_POLICY_INSTALL_FIRST);
}
END_TEST

/* Moved: the new one is in traffic before the old one leaves it. */
START_TEST(a_move_comes_in_before_it_goes_out) {
	struct world w;
	hooked(&w, 2, 0);
	struct plan *p = upgrade(&w, "2.0.0", UPGRADE_POLICY_SURGE);
	ck_assert(open_task(p, TASK_KIND_BEFORE_SWAP) == NULL);
	world_send(&w, p);
	world_answer(&w, p, NULL);
	struct task *in = open_task(p, TASK_KIND_AFTER_SWAP);
	ck_assert(in != NULL && in->base == w.bases[1]);
	ck_assert_int_eq(old_of(&w)->row.state, INSTANCE_READY);
	world_send(&w, p);
	ends(&w, in, true);
	struct task *out = open_task(p, TASK_KIND_BEFORE_SWAP);
	ck_assert(out != NULL && out->base == w.bases[0]);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

START_TEST(what_cannot_be_taken_out_stays_and_counts_as_failed) {
	static const enum upgrade_policy policies[] = { UPGRADE_POLICY_IN_PLACE, UPGRADE_POLICY_INSTALL_FIRST };
	for (size_t k = 0; k < 2; k++) {
		struct world w;
		hooked(&w, 1, WAIT_US);
		struct plan *p = upgrade(&w, "2.0.0", policies[k]);
		world_send(&w, p);
		ends(&w, open_task(p, TASK_KIND_BEFORE_SWAP), false);
		ck_assert_int_eq(world_at(&w, "1.0.0"), 1);
		ck_assert_int_eq(w.d->n_instances, 1);
		ck_assert_int_eq(w.n_into_traffic, 1);
		plan_step(&w.e, p);
		ck_assert_int_eq(p->row.state, PLAN_PAUSED);
		ck_assert_int_eq(plan_failures(p), 1);
		ck_assert(plan_retry(&w.e, p, &(struct plan_scope){ 0 }));
		ck_assert(open_task(p, TASK_KIND_BEFORE_SWAP) != NULL);
		for (int i = 0; i < 8; i++) {
			struct task *held = open_task(p, policies[k] == UPGRADE_POLICY_IN_PLACE ? TASK_KIND_UNINSTALL : TASK_KIND_INSTALL);
			if (held != NULL)
				plan_task_due(&w.e, held);
			world_run(&w, p, NULL);
		}
		ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
		ck_assert_int_eq(world_at(&w, "2.0.0"), 1);
		world_deinit(&w);
	}
}
END_TEST

/* What only afterSwap failed for is called again by a retry, and nothing is installed once more. */
START_TEST(a_retry_calls_after_swap_again) {
	struct world w;
	hooked(&w, 1, 0);
	struct plan *p = upgrade(&w, "2.0.0", UPGRADE_POLICY_IN_PLACE);
	world_send(&w, p);
	world_answer(&w, p, NULL);
	world_send(&w, p);
	world_answer(&w, p, NULL);
	world_send(&w, p);
	ends(&w, open_task(p, TASK_KIND_AFTER_SWAP), false);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 1);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert(plan_retry(&w.e, p, &(struct plan_scope){ 0 }));
	ck_assert(open_task(p, TASK_KIND_AFTER_SWAP) != NULL && open_task(p, TASK_KIND_INSTALL) == NULL);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

/* In any state, a takeover goes on where it was: a hook that succeeded is not called again, and of drainWait
 * what is left is waited for. */
START_TEST(a_takeover_goes_on_from_where_it_was) {
	static const enum upgrade_policy policies[] = { UPGRADE_POLICY_IN_PLACE, UPGRADE_POLICY_INSTALL_FIRST };
	for (size_t k = 0; k < 2; k++) {
		struct world w;
		hooked(&w, 1, WAIT_US);
		struct plan *p = upgrade(&w, "2.0.0", policies[k]);
		world_reload(&w, p);
		ck_assert(open_task(p, TASK_KIND_BEFORE_SWAP) != NULL);
		world_send(&w, p);
		world_reload(&w, p);
		ends(&w, open_task(p, TASK_KIND_BEFORE_SWAP), true);
		enum task_kind first = policies[k] == UPGRADE_POLICY_IN_PLACE ? TASK_KIND_UNINSTALL : TASK_KIND_INSTALL;
		for (int64_t left = WAIT_US, passed = WAIT_US / 4; left > 0; left -= passed) {
			struct task *held = open_task(p, first);
			ck_assert(held != NULL && open_task(p, TASK_KIND_BEFORE_SWAP) == NULL);
			ck_assert_int_eq(mono_diff(held->due, w.e.mono), left);
			world_pass(&w, passed);
			ck_assert_int_eq(task_still_held(&w.e, held), left > passed);
			world_reload(&w, p);
			plan_step(&w.e, p);
		}
		for (int i = 0; i < 4; i++) {
			world_send(&w, p);
			world_reload(&w, p);
			world_answer(&w, p, NULL);
			world_reload(&w, p);
		}
		world_run(&w, p, NULL);
		ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
		ck_assert_int_eq(world_at(&w, "2.0.0"), 1);
		int calls = 0;
		struct task *t;
		TAILQ_FOREACH(t, &p->tasks, plan_link)
			calls += task_is_hook(t);
		ck_assert_int_eq(calls, 2);
		world_deinit(&w);
	}
}
END_TEST

/* Stopped in the middle of the wait: nothing was done to it, and it takes traffic again. */
START_TEST(a_stop_puts_back_what_was_taken_out) {
	struct world w;
	hooked(&w, 1, WAIT_US);
	struct plan *p = upgrade(&w, "2.0.0", UPGRADE_POLICY_IN_PLACE);
	world_send(&w, p);
	ends(&w, open_task(p, TASK_KIND_BEFORE_SWAP), true);
	ck_assert(plan_stop(&w.e, p, "enough"));
	ck_assert_int_eq(world_at(&w, "1.0.0"), 1);
	ck_assert_int_eq(w.n_into_traffic, 1);
	ck_assert_int_eq(p->n_open, 0);
	world_deinit(&w);
}
END_TEST

/* Without hooks, drainWait alone: install_first interrupts nothing and does not wait. */
START_TEST(drain_wait_alone) {
	static const struct {
		enum upgrade_policy policy;
		enum task_kind first;
		bool waits;
	} rows[] = { { UPGRADE_POLICY_IN_PLACE, TASK_KIND_UNINSTALL, true }, { UPGRADE_POLICY_INSTALL_FIRST, TASK_KIND_INSTALL, false } };
	for (size_t k = 0; k < 2; k++) {
		struct world w;
		world_init(&w, 1, 5);
		w.g->row.drain_wait_us = WAIT_US;
		struct plan *p = upgrade(&w, "2.0.0", rows[k].policy);
		struct task *t = open_task(p, rows[k].first);
		ck_assert(t != NULL);
		ck_assert_int_eq(task_held(t, w.e.mono), rows[k].waits);
		world_deinit(&w);
	}
}
END_TEST

TEST_SUITE("plan/hook", a_swap_goes_out_waits_swaps_and_comes_in, a_move_comes_in_before_it_goes_out,
    what_cannot_be_taken_out_stays_and_counts_as_failed, a_retry_calls_after_swap_again, a_takeover_goes_on_from_where_it_was,
    a_stop_puts_back_what_was_taken_out, drain_wait_alone)
