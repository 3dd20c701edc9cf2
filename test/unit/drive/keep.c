#include "../../suite.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "drive/keep.h"
#include "proto/json.h"

static char *text(const char *s, struct arena *a) {
	return arena_strdup(a, s);
}

static Berth__V1__HeldModule *held(const char *module, const char *version, const char *state, struct arena *a) {
	Berth__V1__HeldModule *h = PB_NEW(Berth__V1__HeldModule, berth__v1__held_module, a);
	h->module = text(module, a);
	h->version = text(version, a);
	h->state = text(state, a);
	return h;
}

static Berth__V1__Report *report(int64_t seq, struct arena *a) {
	Berth__V1__Report *r = PB_NEW(Berth__V1__Report, berth__v1__report, a);
	r->has_seq = true;
	r->seq = seq;
	r->changed = arena_alloc(a, 8 * sizeof *r->changed);
	r->gone = arena_alloc(a, 8 * sizeof *r->gone);
	r->outcomes = arena_alloc(a, 8 * sizeof *r->outcomes);
	return r;
}

static void outcome(Berth__V1__Report *r, Berth__V1__TaskKind kind, const char *module, const char *version, const char *state,
    int64_t generation, struct arena *a) {
	Berth__V1__Outcome *o = PB_NEW(Berth__V1__Outcome, berth__v1__outcome, a);
	o->has_kind = o->has_ok = o->has_generation = true;
	o->kind = kind;
	o->ok = true;
	o->generation = generation;
	o->module = text(module, a);
	o->version = text(version, a);
	o->state = text(state, a);
	r->outcomes[r->n_outcomes++] = o;
}

static void gone(Berth__V1__Report *r, const char *module, const char *version, struct arena *a) {
	Berth__V1__ModuleRef *m = PB_NEW(Berth__V1__ModuleRef, berth__v1__module_ref, a);
	m->module = text(module, a);
	m->version = text(version, a);
	r->gone[r->n_gone++] = m;
}

static void begin(struct keep *k, struct arena *a) {
	Berth__V1__Hello *h = PB_NEW(Berth__V1__Hello, berth__v1__hello, a);
	h->base = text("n1", a);
	h->join_token = text("join", a);
	h->has_report_seq = true;
	h->report_seq = 7;
	h->held = arena_alloc(a, 2 * sizeof *h->held);
	h->held[h->n_held++] = held("orders", "1", "activated", a);
	h->held[h->n_held++] = held("stock", "1", "activated", a);
	keep_init(k, h);
}

/* "orders:1=activated stock:1=activated" */
static const char *now(struct keep *k, struct arena *a) {
	Berth__V1__Hello *h = keep_hello(k, a);
	const char *s = "";
	for (size_t i = 0; i < h->n_held; i++)
		s = arena_printf(a, "%s%s%s:%s=%s", s, i > 0 ? " " : "", h->held[i]->module, h->held[i]->version, h->held[i]->state);
	return s;
}

#define INSTALL BERTH__V1__TASK_KIND__TASK_KIND_INSTALL
#define UNINSTALL BERTH__V1__TASK_KIND__TASK_KIND_UNINSTALL

START_TEST(without_reports_it_is_the_hello) {
	ARENA_AUTO a = arena_new();
	struct keep k;
	begin(&k, a);
	ck_assert_str_eq(now(&k, a), "orders:1=activated stock:1=activated");
	ck_assert_int_eq(keep_hello(&k, a)->report_seq, 7);
	keep_deinit(&k);
}
END_TEST

START_TEST(outcomes_change_what_is_held) {
	ARENA_AUTO a = arena_new();
	struct keep k;
	begin(&k, a);
	Berth__V1__Report *r = report(8, a);
	outcome(r, INSTALL, "orders", "2", "activated", 40, a);
	keep_report(&k, r);
	ck_assert_str_eq(now(&k, a), "orders:1=deactivated orders:2=activated stock:1=activated");
	r = report(9, a);
	outcome(r, UNINSTALL, "orders", "1", "", 41, a);
	keep_report(&k, r);
	ck_assert_str_eq(now(&k, a), "orders:2=activated stock:1=activated");
	ck_assert_int_eq(keep_hello(&k, a)->report_seq, 9);
	ck_assert_int_eq(keep_hello(&k, a)->high_generation, 41);
	keep_deinit(&k);
}
END_TEST

START_TEST(the_last_fact_holds) {
	ARENA_AUTO a = arena_new();
	struct keep k;
	begin(&k, a);
	Berth__V1__Report *r = report(8, a);
	r->changed[r->n_changed++] = held("stock", "1", "broken", a);
	gone(r, "orders", "1", a);
	keep_report(&k, r);
	ck_assert_str_eq(now(&k, a), "stock:1=broken");
	r = report(9, a);
	r->changed[r->n_changed++] = held("orders", "1", "activated", a);
	keep_report(&k, r);
	ck_assert_str_eq(now(&k, a), "orders:1=activated stock:1=broken");
	keep_deinit(&k);
}
END_TEST

START_TEST(a_full_report_starts_anew) {
	ARENA_AUTO a = arena_new();
	struct keep k;
	begin(&k, a);
	Berth__V1__Report *r = report(8, a);
	outcome(r, INSTALL, "gone", "1", "activated", 5, a);
	r->has_full = r->full = true;
	r->changed[r->n_changed++] = held("new", "1", "activated", a);
	keep_report(&k, r);
	ck_assert_str_eq(now(&k, a), "new:1=activated");
	r = report(9, a);
	r->has_full = r->full = true;
	keep_report(&k, r);
	ck_assert_str_eq(now(&k, a), "");
	keep_deinit(&k);
}
END_TEST

/* Two active versions that the base itself reports are told as they are: only a command moves the route. */
START_TEST(what_the_base_says_is_kept) {
	ARENA_AUTO a = arena_new();
	struct keep k;
	begin(&k, a);
	Berth__V1__Report *r = report(8, a);
	r->changed[r->n_changed++] = held("orders", "2", "activated", a);
	keep_report(&k, r);
	ck_assert_str_eq(now(&k, a), "orders:1=activated orders:2=activated stock:1=activated");
	keep_deinit(&k);
}
END_TEST

START_TEST(the_key_of_a_welcome_is_told_next_time) {
	ARENA_AUTO a = arena_new();
	struct keep k;
	begin(&k, a);
	keep_welcome(&k, NULL, "bk_1");
	keep_welcome(&k, "n1", NULL);
	ck_assert_str_eq(keep_hello(&k, a)->base_key, "bk_1");
	ck_assert_str_eq(keep_hello(&k, a)->base, "n1");
	keep_deinit(&k);
}
END_TEST

START_TEST(many_reports_stay_small) {
	ARENA_AUTO a = arena_new();
	struct keep k;
	begin(&k, a);
	for (int i = 0; i < 20000; i++) {
		arena_reset(a);
		Berth__V1__Report *r = report(8 + i, a);
		outcome(r, i % 2 == 0 ? INSTALL : UNINSTALL, "orders", "2", i % 2 == 0 ? "activated" : "", i, a);
		keep_report(&k, r);
		ck_assert_uint_lt(k.reports.len + k.n, 64 * 1024);
	}
	ck_assert_str_eq(now(&k, a), "orders:1=deactivated stock:1=activated");
	ck_assert_int_eq(keep_hello(&k, a)->report_seq, 8 + 19999);
	keep_deinit(&k);
}
END_TEST

TEST_SUITE("drive/keep", without_reports_it_is_the_hello, outcomes_change_what_is_held, the_last_fact_holds, a_full_report_starts_anew,
    what_the_base_says_is_kept, the_key_of_a_welcome_is_told_next_time, many_reports_stay_small)
