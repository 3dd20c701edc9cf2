/* Gates between batches: what holds, what refuses, what a person may do about it, and what a takeover remembers. */
#include "../../suite.h"

#include <string.h>

#include "world.h"

/* Four bases at 1.0.0, and an upgrade in batches of 2 and 2 whose first one is done. */
static struct plan *at_the_gate(struct world *w, const struct strategy *gates) {
	struct strategy s = *gates;
	world_init(w, 4, 3);
	for (int k = 0; k < 4; k++)
		text_set(&w->bases[k]->row.address, "127.0.0.1:8080");
	s.min_ready_us = 0;
	s.prefetch_us = 0;
	s.retries = 0;
	world_revision(w, "1.0.0", 4, NULL);
	world_run(w, world_plan(w, PLAN_KIND_RELEASE, 0, 1), NULL);
	s.batch_count = 2;
	world_revision(w, "2.0.0", 4, &s);
	struct plan *p = world_plan(w, PLAN_KIND_UPGRADE, 1, 2);
	for (int k = 0; k < 12; k++) {
		plan_step(&w->e, p);
		world_send(w, p);
		world_answer(w, p, NULL);
	}
	return p;
}

static struct strategy by_url(void) {
	struct strategy s = strategy_unset;
	strcpy(s.gate_url, "http://gate.example/check");
	return s;
}

static bool answer(struct world *w, struct plan *p, int64_t ask, int status, int64_t retry_after_us, const char *text) {
	struct plan_answer a = { .status = status, .retry_after_us = retry_after_us, .text = text };
	bool waited = plan_answered(&w->e, p, ask, &a);
	plan_step(&w->e, p);
	return waited;
}

START_TEST(a_url_is_told_the_context_and_lets_through) {
	struct world w;
	struct strategy s = by_url();
	struct plan *p = at_the_gate(&w, &s);
	struct plan_wait wait;
	ck_assert_int_eq(world_at(&w, "2.0.0"), 2);
	ck_assert_str_eq(w.url, "http://gate.example/check");
	ck_assert_ptr_nonnull(strstr(w.body, "\"batch\":1,\"batches\":2"));
	ck_assert_ptr_nonnull(strstr(w.body, "\"bases\":[\"n1\",\"n2\"]"));
	plan_waiting(p, &wait);
	ck_assert_str_eq(wait.gate, "url");
	ck_assert_int_eq(w.n_asked, 1); /* not again while it thinks */
	ck_assert(!answer(&w, p, 99, 200, 0, ""));
	ck_assert(answer(&w, p, 1, 200, 0, ""));
	ck_assert_int_eq(p->row.current_batch, 2);
	ck_assert(!answer(&w, p, 1, 409, 0, "")); /* twice says nothing */
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(w.n_asked, 1); /* nothing comes after the last batch */
	world_deinit(&w);
}
END_TEST

START_TEST(it_is_asked_again_when_it_wants_to_be) {
	struct world w;
	struct strategy s = by_url();
	struct plan *p = at_the_gate(&w, &s);
	ck_assert(answer(&w, p, 1, 202, 30 * US_PER_S, "still counting"));
	ck_assert_str_eq(plan_memo(p)->gate_said, "202: still counting");
	world_pass(&w, 29 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(w.n_asked, 1);
	world_pass(&w, US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(w.n_asked, 2);
	ck_assert(answer(&w, p, 2, 503, 0, "")); /* a gate that is broken is no answer: the usual interval */
	world_pass(&w, 10 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(w.n_asked, 3);
	world_pass(&w, 61 * US_PER_S); /* its answer never comes */
	plan_step(&w.e, p);
	ck_assert_int_eq(w.n_asked, 4);
	world_deinit(&w);
}
END_TEST

START_TEST(what_it_refuses_a_person_decides) {
	struct world w;
	struct strategy s = by_url();
	struct plan *p = at_the_gate(&w, &s);
	ck_assert(answer(&w, p, 1, 409, 0, "errors at 4 %"));
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert_ptr_nonnull(strstr(p->row.state_reason, "409: errors at 4 %"));
	world_reload(&w, p);
	ck_assert(plan_gated(p));
	ck_assert(plan_resume(&w.e, p)); /* asks again */
	ck_assert_int_eq(w.n_asked, 2);
	ck_assert(answer(&w, p, 2, 409, 0, "still"));
	ck_assert(!plan_confirm(&w.e, p, 2));
	ck_assert(plan_confirm(&w.e, p, 1)); /* goes past it */
	ck_assert_int_eq(p->row.current_batch, 2);
	ck_assert(plan_confirm(&w.e, p, 1));
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

START_TEST(one_that_holds_for_ever_refuses_also_over_a_takeover) {
	struct world w;
	struct strategy s = by_url();
	s.gate_timeout_us = 120 * US_PER_S;
	struct plan *p = at_the_gate(&w, &s);
	ck_assert(answer(&w, p, 1, 202, 0, "wait"));
	for (int k = 0; k < 10; k++) {
		world_pass(&w, 10 * US_PER_S);
		plan_step(&w.e, p);
	}
	world_reload(&w, p);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	world_pass(&w, 31 * US_PER_S); /* of the time before, at most half a minute is forgotten */
	plan_step(&w.e, p);
	world_pass(&w, 20 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert_ptr_nonnull(strstr(p->row.state_reason, "gateTimeout"));
	world_deinit(&w);
}
END_TEST

START_TEST(on_failure_says_what_a_refusal_does) {
	static const struct {
		enum on_failure f;
		enum plan_state then;
	} rows[] = { { ON_FAILURE_PAUSE, PLAN_PAUSED }, { ON_FAILURE_STOP, PLAN_FAILED }, { ON_FAILURE_UNDO, PLAN_UNDONE },
		{ ON_FAILURE_CONTINUE, PLAN_PAUSED } };
	for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
		struct world w;
		struct strategy s = by_url();
		s.on_failure = rows[k].f;
		struct plan *p = at_the_gate(&w, &s);
		ck_assert(answer(&w, p, 1, 409, 0, "no"));
		ck_assert_int_eq(p->row.state, rows[k].then);
		world_deinit(&w);
	}
}
END_TEST

START_TEST(a_probe_goes_through_every_base_and_is_tried_again) {
	struct world w;
	struct strategy s = strategy_unset;
	strcpy(s.gate_probe, "/orders/health");
	s.gate_retries = 1;
	struct plan *p = at_the_gate(&w, &s);
	ck_assert_str_eq(w.url, "http://127.0.0.1:8080/orders/health");
	ck_assert_str_eq(w.body, "");
	ck_assert_int_eq(w.n_asked, 2);
	ck_assert(answer(&w, p, 1, 200, 0, "") && answer(&w, p, 2, 503, 0, ""));
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	ck_assert_ptr_nonnull(strstr(plan_memo(p)->gate_said, "503 instead of 200, 1 of 2 times"));
	world_pass(&w, 10 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(w.n_asked, 3); /* only the one that said no */
	ck_assert(answer(&w, p, 3, 0, 0, "refused"));
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert(plan_resume(&w.e, p));
	ck_assert_int_eq(w.n_asked, 5);
	ck_assert(answer(&w, p, 4, 200, 0, "") && answer(&w, p, 5, 200, 0, ""));
	ck_assert_int_eq(p->row.current_batch, 2);
	world_deinit(&w);
}
END_TEST

START_TEST(state_and_share_of_failed_tasks) {
	struct world w;
	struct strategy s = strategy_unset;
	s.gate_state = CHOICE_YES;
	s.gate_failed = (struct amount){ AMOUNT_PERCENT, 10 };
	s.min_ready_us = 0;
	struct plan *p = at_the_gate(&w, &s);
	ck_assert_int_eq(p->row.current_batch, 2); /* all is well */
	world_deinit(&w);
}
END_TEST

START_TEST(what_is_not_well_holds_and_then_goes_on) {
	struct world w;
	struct strategy s = strategy_unset;
	s.gate_state = CHOICE_YES;
	s.soak_us = 5 * US_PER_S;
	struct plan *p = at_the_gate(&w, &s);
	ck_assert_int_eq(p->row.state, PLAN_SOAKING);
	text_set(&base_instance_of_module(w.bases[0], w.m)->row.reported, "deactivated");
	world_pass(&w, 6 * US_PER_S);
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.current_batch, 1);
	ck_assert_ptr_nonnull(strstr(plan_memo(p)->gate_said, "1 of 2 not well: orders:2.0.0 on n1"));
	text_set(&base_instance_of_module(w.bases[0], w.m)->row.reported, "activated");
	plan_step(&w.e, p);
	ck_assert_int_eq(p->row.current_batch, 2);
	world_deinit(&w);
}
END_TEST

START_TEST(going_back_asks_no_gate) {
	struct world w;
	struct strategy s = by_url();
	s.gate_state = CHOICE_YES;
	struct plan *p = at_the_gate(&w, &s);
	ck_assert(plan_stop(&w.e, p, "enough"));
	int64_t asked = w.n_asked;
	world_revision(&w, "1.0.0", 4, &s);
	p = world_plan(&w, PLAN_KIND_ROLLBACK, 2, 3);
	world_run(&w, p, NULL);
	ck_assert(p->row.state == PLAN_SUCCEEDED && w.n_asked == asked);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/gate", a_url_is_told_the_context_and_lets_through, it_is_asked_again_when_it_wants_to_be, what_it_refuses_a_person_decides,
    one_that_holds_for_ever_refuses_also_over_a_takeover, on_failure_says_what_a_refusal_does,
    a_probe_goes_through_every_base_and_is_tried_again, state_and_share_of_failed_tasks, what_is_not_well_holds_and_then_goes_on,
    going_back_asks_no_gate)
