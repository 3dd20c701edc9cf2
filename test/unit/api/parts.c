/* Small decisions of the api that need no fleet: roles, cursors, strategies, event filters, problems. */
#include "../../suite.h"

#include <string.h>

#include "api/call.h"
#include "base/err.h"

START_TEST(roles_allow_what_is_below_them) {
	static const struct {
		enum role have, least;
		bool allowed;
	} rows[] = {
		{ ROLE_ADMIN, ROLE_ADMIN, true },
		{ ROLE_ADMIN, ROLE_READ, true },
		{ ROLE_DEPLOY, ROLE_READ, true },
		{ ROLE_DEPLOY, ROLE_ADMIN, false },
		{ ROLE_READ, ROLE_DEPLOY, false },
		{ ROLE_JOIN, ROLE_READ, false },
		{ ROLE_JOIN, ROLE_BASE, false },
		{ ROLE_BASE, ROLE_READ, false },
		{ ROLE_BASE, ROLE_BASE, true },
		{ ROLE_READ, ROLE_BASE, true },
		{ ROLE_NONE, ROLE_READ, false },
		{ ROLE_NONE, ROLE_NONE, false },
		{ ROLE_ADMIN, ROLE_JOIN, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(role_allows(rows[i].have, rows[i].least) == rows[i].allowed, "row %zu", i);
}
END_TEST

START_TEST(cursors_come_back) {
	static const int64_t ids[] = { 0, 1, 42, INT64_MAX };
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	int64_t back;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		ck_assert_int_eq(cursor_read(cursor_make(ids[i], a), &back, &err), 0);
		ck_assert_int_eq(back, ids[i]);
	}
	static const char *const bad[] = { "", "1", "zz", "62313a", "62313a2d31", "62313a3178", "41414141",
		"62313a39393939393939393939393939393939393939393939393939393939393939" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(cursor_read(bad[i], &back, &err) == E_INVALID, "%s", bad[i]);
}
END_TEST

static int strategy(const char *json, struct strategy *ret, struct err *err) {
	ARENA_AUTO a = arena_new();
	ProtobufCMessage *m = NULL;
	ck_assert_int_eq(json_parse(&berth__v1__strategy__descriptor, json, strlen(json), a, &m, err), 0);
	return strategy_read((const Berth__V1__Strategy *)m, "/strategy", ret, err);
}

START_TEST(strategies_are_checked) {
	static const struct {
		const char *json, *pointer;
	} rows[] = {
		{ "{\"batches\":[0]}", "/strategy/batches/0" },
		{ "{\"batches\":[1,0]}", "/strategy/batches/1" },
		{ "{\"minReady\":\"31d\"}", "/strategy/minReady" },
		{ "{\"maxInFlight\":0}", "/strategy/maxInFlight" },
		{ "{\"retries\":-1}", "/strategy/retries" },
		{ "{\"failureThreshold\":0}", "/strategy/failureThreshold" },
		{ "{\"batchFailureThreshold\":0}", "/strategy/batchFailureThreshold" },
		{ "{\"batches\":[1],\"batchCount\":2}", "/strategy/batches" },
		{ "{\"batchesBy\":\"zone\",\"batchCount\":2}", "/strategy/batches" },
		{ "{\"batchCount\":0}", "/strategy/batchCount" },
		{ "{\"batchesBy\":\"no label\"}", "/strategy/batchesBy" },
		{ "{\"batchOrder\":[\"a\"]}", "/strategy/batchOrder" },
		{ "{\"batchesBy\":\"zone\",\"batchOrder\":[\"a\",\"b,c\"]}", "/strategy/batchOrder/1" },
		{ "{\"beta\":\"-\"}", "/strategy/beta" },
		{ "{\"installTimeout\":\"31d\"}", "/strategy/installTimeout" },
	};
	struct strategy s;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err = ERR_INIT;
		ck_assert_msg(strategy(rows[i].json, &s, &err) == E_INVALID, "%s", rows[i].json);
		ck_assert_str_eq(err.pointer, rows[i].pointer);
	}
}
END_TEST

START_TEST(strategies_go_there_and_back) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	struct strategy s, again;
	ck_assert_int_eq(strategy("{\"batches\":[1,\"25%\",\"all\"],\"upgradePolicy\":\"in_place\",\"maxUnavailable\":\"10%\",\"maxSurge\":"
	                          "0,\"minReady\":\"0s\","
	                          "\"retries\":0,\"onFailure\":\"undo\",\"confirm\":\"beta\",\"soak\":\"1h\",\"beta\":\"n3\","
	                          "\"retryElsewhere\":true,\"switchTimeout\":\"5s\",\"batchFailureThreshold\":2}",
	                     &s, &err),
	    0);
	ck_assert_int_eq(s.n_batches, 3);
	ck_assert_int_eq(s.min_ready_us, 0);
	ck_assert_int_eq(s.progress_us, -1);
	ck_assert_int_eq(strategy_read(view_strategy(&s, a), "", &again, &err), 0);
	ck_assert_str_eq(strategy_print(&s, a), strategy_print(&again, a));
	ck_assert_ptr_null(view_strategy(&strategy_unset, a));
}
END_TEST

START_TEST(event_filters_match) {
	char kind[] = "plan.started", base[] = "n1";
	struct row_event e = { .number = 7, .tenant_id = 1, .kind = kind, .base = base, .plan_id = 3, .at = { 100 } };
	static const struct {
		struct event_filter f;
		bool matches;
	} rows[] = {
		{ { .tenant_id = 1 }, true },
		{ { .tenant_id = 2 }, false },
		{ { .base = "n1" }, true },
		{ { .base = "n2" }, false },
		{ { .actor = "x" }, false },
		{ { .plan = 3 }, true },
		{ { .plan = 4 }, false },
		{ { .kind = "plan.started" }, true },
		{ { .since = { 100 } }, true },
		{ { .since = { 101 } }, false },
		{ { .until = { 100 } }, false },
		{ { .until = { 101 } }, true },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(event_matches(&rows[i].f, &e) == rows[i].matches, "row %zu", i);
}
END_TEST

START_TEST(problems_name_the_field) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	err_field(&err, E_INVALID, "/replicas", "no");
	const Berth__V1__Problem *m = (const Berth__V1__Problem *)api_problem(&err, "r1", a);
	ck_assert_int_eq(m->status, 400);
	ck_assert_str_eq(m->code, "invalid_argument");
	ck_assert_str_eq(m->title, "Invalid argument");
	ck_assert_uint_eq(m->n_errors, 1);
	ck_assert_str_eq(m->errors[0]->pointer, "/replicas");
	err_field(&err, E_DB_REFUSED, "base_units_check", "no");
	ck_assert_uint_eq(((const Berth__V1__Problem *)api_problem(&err, "r1", a))->n_errors, 0);
}
END_TEST

TEST_SUITE("api/parts", roles_allow_what_is_below_them, cursors_come_back, strategies_are_checked, strategies_go_there_and_back,
    event_filters_match, problems_name_the_field)
