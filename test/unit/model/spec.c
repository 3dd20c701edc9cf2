/* Amounts, strategies, lists and maps: canonical texts, round trips, refusals, merging, defaults. */
#include "../../suite.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "model/spec.h"

#include <string.h>

START_TEST(amounts) {
	static const struct {
		struct amount a;
		int64_t total, down, up;
	} t[] = {
		{ { AMOUNT_UNSET, 0 }, 10, 0, 0 },
		{ { AMOUNT_COUNT, 3 }, 10, 3, 3 },
		{ { AMOUNT_COUNT, 30 }, 10, 10, 10 },
		{ { AMOUNT_ALL, 0 }, 10, 10, 10 },
		{ { AMOUNT_PERCENT, 25 }, 10, 2, 3 },
		{ { AMOUNT_PERCENT, 25 }, 4, 1, 1 },
		{ { AMOUNT_PERCENT, 25 }, 0, 0, 0 },
		{ { AMOUNT_PERCENT, 100 }, 7, 7, 7 },
		{ { AMOUNT_PERCENT, 0 }, 7, 0, 0 },
		{ { AMOUNT_PERCENT, 1 }, 1, 0, 1 },
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		ck_assert_int_eq(amount_of(t[i].a, t[i].total, ROUND_DOWN), t[i].down);
		ck_assert_int_eq(amount_of(t[i].a, t[i].total, ROUND_UP), t[i].up);
	}
}
END_TEST

START_TEST(canonical_text) {
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "", "{}" },
		{ "{}", "{}" },
		{ "{\"soak\":\"90s\",\"batches\":[1,\"25%\",\"all\"]}", "{\"batches\":[1,\"25%\",\"all\"],\"soak\":\"1m30s\"}" },
		{ "{\"confirm\":\"none\",\"onFailure\":\"undo\",\"retries\":0}",
		    "{\"retries\":0,\"onFailure\":\"undo\",\"confirm\":\"none\"}" },
		{ "{ \"maxSurge\": \"3\", \"maxUnavailable\" : 0, \"placement\":\"pack\", \"upgradePolicy\":\"in_place\" }",
		    "{\"upgradePolicy\":\"in_place\",\"placement\":\"pack\",\"maxUnavailable\":0,\"maxSurge\":3}" },
		{ "{\"maxInFlight\":8,\"minReady\":\"0s\",\"progressDeadline\":\"10m\",\"failureThreshold\":\"10%\",\"taskTimeout\":"
		  "\"250ms\"}",
		    "{\"maxInFlight\":8,\"minReady\":\"0s\",\"progressDeadline\":\"10m\",\"failureThreshold\":\"10%\",\"taskTimeout\":"
		    "\"250ms\"}" },
		{ "{\"beta\":\"n3\",\"batchOrder\":[\"b\", \"a\"],\"batchesBy\":\"zone\",\"retryElsewhere\":false}",
		    "{\"batchesBy\":\"zone\",\"batchOrder\":[\"b\",\"a\"],\"beta\":\"n3\",\"retryElsewhere\":false}" },
		{ "{\"installTimeout\":\"5m\",\"batchFailureThreshold\":\"10%\",\"batchCount\":5}",
		    "{\"batchCount\":5,\"batchFailureThreshold\":\"10%\",\"installTimeout\":\"5m\"}" },
	};
	ARENA_AUTO a = arena_new();
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct strategy s, again;
		struct err err = ERR_INIT;
		ck_assert_msg(strategy_parse(t[i].in, &s, &err) == 0, "%s", err.text);
		ck_assert_str_eq(strategy_print(&s, a), t[i].out);
		ck_assert_int_eq(strategy_parse(t[i].out, &again, NULL), 0);
		ck_assert_str_eq(strategy_print(&again, a), t[i].out);
	}
	struct strategy s;
	ck_assert_int_eq(strategy_parse(NULL, &s, NULL), 0);
	ck_assert_mem_eq(&s, &strategy_unset, sizeof s);
}
END_TEST

START_TEST(how_to_cut_is_said_once) {
	struct strategy s, over;
	ARENA_AUTO a = arena_new();
	ck_assert_int_eq(strategy_parse("{\"batches\":[1,\"all\"],\"beta\":\"n3\"}", &s, NULL), 0);
	ck_assert_int_eq(strategy_parse("{\"batchesBy\":\"zone\",\"batchOrder\":[\"b\"]}", &over, NULL), 0);
	strategy_merge(&s, &over);
	ck_assert_str_eq(strategy_print(&s, a), "{\"batchesBy\":\"zone\",\"batchOrder\":[\"b\"],\"beta\":\"n3\"}");
	ck_assert_int_eq(strategy_parse("{\"batchCount\":4}", &over, NULL), 0);
	strategy_merge(&s, &over);
	ck_assert_str_eq(strategy_print(&s, a), "{\"batchCount\":4,\"beta\":\"n3\"}");
	strategy_resolve(&s, 10, UPGRADE_POLICY_NONE, PLACEMENT_NONE);
	ck_assert(s.n_batches == 0 && s.confirm == CONFIRM_BETA);
}
END_TEST

START_TEST(time_outs_per_kind_of_task) {
	struct strategy s = strategy_unset;
	ck_assert_int_eq(strategy_timeout(&s, TASK_KIND_INSTALL), 120 * US_PER_S);
	s.task_timeout_us = 60 * US_PER_S;
	s.install_timeout_us = 300 * US_PER_S;
	ck_assert_int_eq(strategy_timeout(&s, TASK_KIND_INSTALL), 300 * US_PER_S);
	ck_assert_int_eq(strategy_timeout(&s, TASK_KIND_UNINSTALL), 60 * US_PER_S);
}
END_TEST

START_TEST(refusals) {
	static const struct {
		const char *in, *says;
	} t[] = {
		{ "[]", "a strategy is a JSON object" },
		{ "{", "a strategy is a JSON object" },
		{ "{\"soak\":\"1s\",\"soak\":\"2s\"}", "a strategy is a JSON object" },
		{ "{\"sock\":1}", "no field \"sock\"" },
		{ "{\"soak\":\"-1s\"}", "soak: a duration" },
		{ "{\"soak\":5}", "soak: a duration" },
		{ "{\"batches\":1}", "batches: a list" },
		{ "{\"batches\":[-1]}", "batches: a number" },
		{ "{\"batches\":[\"101%\"]}", "batches: a number" },
		{ "{\"batches\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "at most 32" },
		{ "{\"confirm\":\"perhaps\"}", "confirm: \"perhaps\"" },
		{ "{\"confirm\":\"\"}", "confirm: \"\"" },
		{ "{\"confirm\":1}", "confirm" },
		{ "{\"retries\":-1}", "retries: a number from 0" },
		{ "{\"retries\":1001}", "to 1000" },
		{ "{\"retries\":\"2\"}", "retries" },
		{ "{\"maxSurge\":1.5}", "maxSurge" },
		{ "{\"maxSurge\":\"some\"}", "maxSurge" },
		{ "{\"batchCount\":33}", "batchCount: a number from 0 to 32" },
		{ "{\"beta\":1}", "beta: a text" },
		{ "{\"beta\":\"a\\\"b\"}", "beta: a text" },
		{ "{\"batchOrder\":\"a\"}", "batchOrder: a list" },
		{ "{\"batchOrder\":[\"a,b\"]}", "batchOrder: names without commas" },
		{ "{\"retryElsewhere\":1}", "retryElsewhere: true or false" },
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct strategy s = { .retries = 77 };
		struct err err = ERR_INIT;
		ck_assert_msg(strategy_parse(t[i].in, &s, &err) != 0, "%s is taken", t[i].in);
		ck_assert_msg(strstr(err.text, t[i].says) != NULL, "%s: \"%s\" does not say \"%s\"", t[i].in, err.text, t[i].says);
		ck_assert_int_eq(s.retries, 77);
	}
}
END_TEST

START_TEST(merging) {
	struct strategy s, over;
	ARENA_AUTO a = arena_new();
	ck_assert_int_eq(strategy_parse("{\"batches\":[1,2,3],\"soak\":\"1m\",\"retries\":5,\"confirm\":\"each\"}", &s, NULL), 0);
	ck_assert_int_eq(strategy_parse("{\"batches\":[\"all\"],\"retries\":0,\"placement\":\"pack\"}", &over, NULL), 0);
	strategy_merge(&s, &over);
	ck_assert_str_eq(
	    strategy_print(&s, a), "{\"batches\":[\"all\"],\"placement\":\"pack\",\"retries\":0,\"confirm\":\"each\",\"soak\":\"1m\"}");
	struct strategy before = s;
	strategy_merge(&s, &strategy_unset);
	ck_assert_mem_eq(&s, &before, sizeof s);
}
END_TEST

START_TEST(defaults) {
	ARENA_AUTO a = arena_new();
	struct strategy s = strategy_unset;
	strategy_resolve(&s, 3, UPGRADE_POLICY_NONE, PLACEMENT_NONE);
	ck_assert_str_eq(strategy_print(&s, a),
	    "{\"batches\":[\"100%\"],\"upgradePolicy\":\"auto\",\"placement\":\"spread\",\"maxUnavailable\":\"25%\","
	    "\"maxSurge\":0,\"maxInFlight\":64,\"minReady\":\"5s\",\"progressDeadline\":\"10m\",\"retries\":2,\"retryElsewhere\":false,"
	    "\"failureThreshold\":1,"
	    "\"onFailure\":\"pause\",\"confirm\":\"none\",\"soak\":\"0s\",\"gateState\":false,\"gateProbeStatus\":200,\"gateRetries\":3,"
	    "\"gateEvery\":\"10s\",\"gateTimeout\":\"1h\",\"taskTimeout\":\"2m\",\"prefetch\":\"1m\"}");
	s = strategy_unset;
	strategy_resolve(&s, 4, UPGRADE_POLICY_IN_PLACE, PLACEMENT_PACK);
	ck_assert_int_eq(s.n_batches, 3);
	ck_assert_int_eq(amount_of(s.batches[0], 40, ROUND_UP), 1);
	ck_assert_int_eq(amount_of(s.batches[1], 40, ROUND_UP), 10);
	ck_assert_int_eq(amount_of(s.batches[2], 40, ROUND_UP), 40);
	ck_assert_int_eq(s.upgrade_policy, UPGRADE_POLICY_IN_PLACE);
	ck_assert_int_eq(s.placement, PLACEMENT_PACK);
	ck_assert_int_eq(strategy_parse("{\"placement\":\"spread\",\"retries\":0,\"minReady\":\"0s\",\"batches\":[2]}", &s, NULL), 0);
	strategy_resolve(&s, 100, UPGRADE_POLICY_SURGE, PLACEMENT_PACK);
	ck_assert_int_eq(s.placement, PLACEMENT_SPREAD);
	ck_assert_int_eq(s.upgrade_policy, UPGRADE_POLICY_SURGE);
	ck_assert_int_eq(s.retries, 0);
	ck_assert_int_eq(s.min_ready_us, 0);
	ck_assert_int_eq(s.n_batches, 1);
}
END_TEST

START_TEST(lists) {
	ARENA_AUTO a = arena_new();
	char odd[] = "quote \" and \\ and \n\xc3\xa9", empty[] = "", *in[] = { odd, empty }, **out;
	size_t n;
	ck_assert_str_eq(strings_print(NULL, 0, a), "[]");
	ck_assert_int_eq(strings_parse(strings_print(in, 2, a), a, &out, &n, NULL), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(out[0], odd);
	ck_assert_str_eq(out[1], "");
	ck_assert_ptr_null(out[2]);
	ck_assert_int_eq(strings_parse(NULL, a, &out, &n, NULL), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(strings_parse("{}", a, &out, &n, NULL), E_INVALID);
	ck_assert_int_eq(strings_parse("[1]", a, &out, &n, NULL), E_INVALID);
	ck_assert_int_eq(strings_parse("[\"a\"", a, &out, &n, NULL), E_MALFORMED);
}
END_TEST

START_TEST(maps) {
	ARENA_AUTO a = arena_new();
	char b[] = "b", x[] = "x=y", aa[] = "a", none[] = "";
	struct pair in[] = { { b, x }, { aa, none } }, *out;
	size_t n;
	char *text = pairs_print(in, 2, a);
	ck_assert_str_eq(text, "{\"a\":\"\",\"b\":\"x=y\"}");
	ck_assert_str_eq(in[0].key, "b"); /* the caller's order stays */
	ck_assert_int_eq(pairs_parse("{\"b\":\"x=y\",\"a\":\"\"}", a, &out, &n, NULL), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(pairs_print(out, n, a), text);
	ck_assert_str_eq(pairs_print(NULL, 0, a), "{}");
	ck_assert_int_eq(pairs_parse("", a, &out, &n, NULL), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(pairs_parse("[]", a, &out, &n, NULL), E_INVALID);
	ck_assert_int_eq(pairs_parse("{\"a\":1}", a, &out, &n, NULL), E_INVALID);
	ck_assert_int_eq(pairs_parse("{\"a\":\"1\",\"a\":\"2\"}", a, &out, &n, NULL), E_MALFORMED);
}
END_TEST

TEST_SUITE(
    "model/spec", amounts, canonical_text, refusals, how_to_cut_is_said_once, time_outs_per_kind_of_task, merging, defaults, lists, maps)
