/* How a plan is cut into batches: every rule of rounding as a table, tiny fleets, 0 and 100 %; by label; a beta. */
#include "../../suite.h"

#include <stdio.h>
#include <string.h>

#include "world.h"

#define N(x) \
	{ AMOUNT_COUNT, x }
#define P(x) \
	{ AMOUNT_PERCENT, x }
#define ALL \
	{ AMOUNT_ALL, 0 }

/* strategy → sizes, as text */
static const struct {
	int64_t total;
	struct amount list[6];
	int n;
	int64_t count;
	const char *beta;
	const char *sizes;
} rows[] = {
	{ 0, { N(1), P(25), P(100) }, 3, 0, "", "" },
	{ 0, { { 0 } }, 0, 5, "*", "" },
	{ 1, { N(1), P(25), P(100) }, 3, 0, "", "1" },
	{ 2, { N(1), P(25), P(100) }, 3, 0, "", "1 1" },
	{ 3, { N(1), P(25), P(100) }, 3, 0, "", "1 2" },
	{ 4, { N(1), P(25), P(100) }, 3, 0, "", "1 3" },
	{ 5, { N(1), P(25), P(100) }, 3, 0, "", "1 1 3" },
	{ 10, { N(1), P(25), P(100) }, 3, 0, "", "1 2 7" },
	{ 40, { N(1), P(10), P(50), P(100) }, 4, 0, "", "1 3 16 20" },
	{ 100000, { N(1), P(1), P(100) }, 3, 0, "", "1 999 99000" },
	{ 10, { P(0), P(100) }, 2, 0, "", "10" },              /* nothing of something is no batch */
	{ 10, { P(100), P(100) }, 2, 0, "", "10" },            /* all is all */
	{ 10, { ALL, N(3) }, 2, 0, "", "10" },                 /* what comes after all is nothing */
	{ 10, { P(1), P(2), P(3), P(100) }, 4, 0, "", "1 9" }, /* up to one, and no empty ones */
	{ 10, { P(33), P(66) }, 2, 0, "", "4 3 3" },           /* the rest is a batch of its own */
	{ 10, { N(3), N(2), N(5) }, 3, 0, "", "3 2 5" },       /* cumulative: 2 after 3 adds nothing */
	{ 3, { N(50) }, 1, 0, "", "3" },
	{ 3, { P(99) }, 1, 0, "", "3" },
	{ 3, { P(1) }, 1, 0, "", "1 2" },
	{ 200, { P(99) }, 1, 0, "", "198 2" },
	{ 10, { { 0 } }, 0, 0, "", "10" },
	{ 10, { { 0 } }, 0, 1, "", "10" },
	{ 10, { { 0 } }, 0, 3, "", "4 3 3" },
	{ 10, { { 0 } }, 0, 5, "", "2 2 2 2 2" },
	{ 11, { { 0 } }, 0, 5, "", "3 2 2 2 2" },
	{ 3, { { 0 } }, 0, 5, "", "1 1 1" },
	{ 1, { { 0 } }, 0, 32, "", "1" },
	{ 1, { N(1), P(25), P(100) }, 3, 0, "*", "1" },
	{ 10, { N(1), P(25), P(100) }, 3, 0, "*", "1 2 7" }, /* the first of the list is the beta itself */
	{ 10, { P(50), P(100) }, 2, 0, "*", "1 4 5" },
	{ 10, { { 0 } }, 0, 3, "*", "1 3 3 3" },
	{ 2, { { 0 } }, 0, 3, "n3", "1 1" },
};

START_TEST(sizes_are_exact_and_none_is_empty) {
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct strategy s = strategy_unset;
		int64_t sizes[STRATEGY_MAX_BATCHES], sum = 0;
		char text[256] = "";
		memcpy(s.batches, rows[i].list, sizeof rows[i].list);
		s.n_batches = rows[i].n;
		s.batch_count = rows[i].count;
		snprintf(s.beta, sizeof s.beta, "%s", rows[i].beta);
		int n = plan_batches_cut(&s, rows[i].total, sizes);
		for (int k = 0; k < n; k++) {
			size_t at = strlen(text);
			snprintf(text + at, sizeof text - at, "%s%lld", k == 0 ? "" : " ", (long long)sizes[k]);
			ck_assert_int_gt(sizes[k], 0);
			sum += sizes[k];
		}
		ck_assert_msg(
		    strcmp(text, rows[i].sizes) == 0 && sum == rows[i].total, "row %zu: '%s' is not '%s'", i, text, rows[i].sizes);
	}
}
END_TEST

START_TEST(any_list_on_any_fleet) {
	struct rng rng;
	rng_init(&rng, 11);
	for (int turn = 0; turn < 20000; turn++) {
		struct strategy s = strategy_unset;
		int64_t sizes[STRATEGY_MAX_BATCHES], total = (int64_t)rng_below(&rng, 60), sum = 0;
		s.n_batches = (int)rng_below(&rng, STRATEGY_MAX_BATCHES + 1);
		for (int k = 0; k < s.n_batches; k++)
			s.batches[k] = (struct amount){ rng_below(&rng, 2) ? AMOUNT_COUNT : AMOUNT_PERCENT, (int64_t)rng_below(&rng, 101) };
		s.batch_count = rng_below(&rng, 3) == 0 ? (int64_t)rng_below(&rng, STRATEGY_MAX_BATCHES + 1) : 0;
		s.beta[0] = rng_below(&rng, 3) == 0 ? '*' : '\0';
		int n = plan_batches_cut(&s, total, sizes);
		for (int k = 0; k < n; k++) {
			ck_assert_int_gt(sizes[k], 0);
			sum += sizes[k];
		}
		ck_assert_int_eq(sum, total);
		ck_assert(n <= STRATEGY_MAX_BATCHES && (total == 0 || s.beta[0] == '\0' || sizes[0] == 1));
	}
}
END_TEST

/* ---- on a fleet ---------------------------------------------------------------------------------------------------------------------- */
static void zone(struct world *w, int k, const char *name) {
	text_set(&w->bases[k]->row.zone, name);
	fleet_touch(w->f, &w->bases[k]->o);
}

/* n1 n2 in a, n3 in b, n4 n5 n6 in c, all at 1.0.0 */
static struct strategy zones(struct world *w, int64_t n) {
	static const char *const names[] = { "a", "a", "b", "c", "c", "c" };
	struct strategy s = strategy_unset;
	world_init(w, 6, 3);
	for (int k = 0; k < 6; k++)
		zone(w, k, names[k]);
	s.min_ready_us = 0;
	world_revision(w, "1.0.0", n, &s);
	if (n > 0)
		world_run(w, world_plan(w, PLAN_KIND_RELEASE, 0, 1), NULL);
	strcpy(s.batches_by, "zone");
	return s;
}

static const char *pieces(const struct plan *p) {
	static char text[512];
	const struct batch *b;
	text[0] = '\0';
	TAILQ_FOREACH(b, &p->batches, link) {
		size_t at = strlen(text);
		snprintf(text + at, sizeof text - at, "%s%lld%s%s", at == 0 ? "" : " ", (long long)b->row.size,
		    b->row.label != NULL && *b->row.label ? ":" : "", b->row.label == NULL ? "" : b->row.label);
	}
	return text;
}

START_TEST(one_batch_per_zone_in_the_order_asked_for) {
	struct world w;
	struct strategy s = zones(&w, 6);
	strcpy(s.batch_order, "c,a");
	world_revision(&w, "2.0.0", 6, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	ck_assert(plan_start(&w.e, p));
	ck_assert_str_eq(pieces(p), "3:zone=c 2:zone=a 1:zone=b");
	for (const char *done = "c"; p->row.state == PLAN_RUNNING;) {
		const struct instance *i;
		plan_step(&w.e, p);
		int64_t batch = p->row.current_batch;
		world_send(&w, p);
		world_answer(&w, p, NULL);
		done = batch <= 1 ? "c" : batch == 2 ? "ca" : "cab";
		TAILQ_FOREACH(i, &w.d->instances, deployment_link)
			if (i->row.revision == 2)
				ck_assert_msg(strstr(done, i->base->row.zone) != NULL, "%s is ahead of its batch", i->base->row.name);
		world_pass(&w, 6 * US_PER_S);
	}
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 6);
	world_deinit(&w);
}
END_TEST

START_TEST(a_first_release_is_cut_by_zone_too_and_a_takeover_keeps_the_cut) {
	struct world w;
	struct strategy s = zones(&w, 0);
	world_revision(&w, "1.0.0", 5, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 1, 2);
	ck_assert(plan_start(&w.e, p));
	ck_assert_str_eq(pieces(p), "2:zone=a 1:zone=b 2:zone=c");
	world_reload(&w, p);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "1.0.0"), 5);
	world_deinit(&w);
}
END_TEST

START_TEST(no_room_in_a_zone_goes_with_the_last_batch) {
	struct world w;
	struct strategy s = zones(&w, 0);
	world_revision(&w, "1.0.0", 4, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_RELEASE, 1, 2);
	ck_assert(plan_start(&w.e, p));
	base_set_cordoned(w.f, w.bases[2], true, "just now", w.e.wall);
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&w, "1.0.0"), 4);
	world_deinit(&w);
}
END_TEST

START_TEST(labels_are_found_as_the_ledger_and_as_the_agents_write_them) {
	struct world w;
	world_init(&w, 1, 3);
	struct base *b = w.bases[0];
	text_set(&b->row.labels, "{\"arch\": \"ring\", \"ring\": \"2\"}");
	ck_assert(label_is(base_label(b, "ring", 4), "2"));
	text_set(&b->row.labels, "{\"arch\":\"arm\",\"ring\":\"\"}");
	ck_assert(label_is(base_label(b, "ring", 4), ""));
	ck_assert(label_is(base_label(b, "rin", 3), ""));
	ck_assert(label_is(base_label(b, "base", 4), "n1"));
	world_deinit(&w);
}
END_TEST

START_TEST(a_named_base_is_first_alone_and_asks) {
	struct world w;
	struct strategy s = zones(&w, 6);
	s.batches_by[0] = '\0';
	strcpy(s.beta, "n3");
	s.batch_count = 2;
	world_revision(&w, "2.0.0", 6, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	world_run(&w, p, NULL);
	ck_assert_str_eq(pieces(p), "1:base=n3 3 2");
	ck_assert_int_eq(p->row.state, PLAN_CONFIRMING);
	ck_assert_int_eq(world_at(&w, "2.0.0"), 1);
	ck_assert_int_eq(base_instance_of_module(w.bases[2], w.m)->row.revision, 2);
	ck_assert(plan_confirm(&w.e, p, 1));
	world_run(&w, p, NULL);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	world_deinit(&w);
}
END_TEST

START_TEST(a_beta_before_zones_and_one_without_work) {
	struct world w;
	struct strategy s = zones(&w, 6);
	struct piece got[STRATEGY_MAX_BATCHES];
	strcpy(s.beta, "n4");
	world_revision(&w, "2.0.0", 6, &s);
	struct plan *p = world_plan(&w, PLAN_KIND_UPGRADE, 1, 2);
	ck_assert_int_eq(plan_cut(w.f, p, &s, 6, got), 4);
	ck_assert(got[0].size == 1 && strcmp(got[0].label, "base=n4") == 0);
	ck_assert(got[3].size == 2 && strcmp(got[3].label, "zone=c") == 0);
	strcpy(s.beta, "n9");
	ck_assert_int_eq(plan_cut(w.f, p, &s, 6, got), 3);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("plan/cut", sizes_are_exact_and_none_is_empty, any_list_on_any_fleet, one_batch_per_zone_in_the_order_asked_for,
    a_first_release_is_cut_by_zone_too_and_a_takeover_keeps_the_cut, no_room_in_a_zone_goes_with_the_last_batch,
    labels_are_found_as_the_ledger_and_as_the_agents_write_them, a_named_base_is_first_alone_and_asks,
    a_beta_before_zones_and_one_without_work)
