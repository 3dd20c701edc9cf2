#include "cli/problem.h"

#include <string.h>

#include "../../suite.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/field.h"

START_TEST(every_code_has_the_documented_exit) {
	static const struct {
		int code, exit;
	} cases[] = {
		{ 0, CLI_OK },
		{ E_INVALID, CLI_USAGE },
		{ E_MALFORMED, CLI_USAGE },
		{ E_NOT_FOUND, CLI_NOT_FOUND },
		{ E_UNAUTHENTICATED, CLI_DENIED },
		{ E_FORBIDDEN, CLI_DENIED },
		{ E_EXISTS, CLI_CONFLICT },
		{ E_IMMUTABLE, CLI_CONFLICT },
		{ E_BUSY, CLI_CONFLICT },
		{ E_STATE, CLI_CONFLICT },
		{ E_PRECONDITION, CLI_CONFLICT },
		{ E_IDEMPOTENCY, CLI_CONFLICT },
		{ E_TIMEOUT, CLI_TIMEOUT },
		{ E_UNAVAILABLE, CLI_AWAY },
		{ E_READ_ONLY, CLI_AWAY },
		{ E_DB_LOST, CLI_AWAY },
		{ E_INTERNAL, CLI_FAILED },
		{ E_DIGEST, CLI_FAILED },
		{ E_CANCELLED, CLI_INTERRUPTED },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_msg(
		    problem_exit(cases[i].code) == cases[i].exit, "%s gives %d", err_name(cases[i].code), problem_exit(cases[i].code));
}
END_TEST

static struct err read_problem(const char *json, int status, const char *text) {
	JSON_AUTO doc = json != NULL ? json_loads(json, 0, NULL) : NULL;
	struct err e = ERR_INIT;
	problem_to_err(doc, status, text, &e);
	return e;
}

START_TEST(the_servers_code_and_words_win) {
	struct err e = read_problem(
	    "{\"code\":\"version_immutable\",\"detail\":\"hello:1.0.0 has other bytes\",\"errors\":[{\"pointer\":\"/artifact\"}]}", 409,
	    "");
	ck_assert_int_eq(e.code, E_IMMUTABLE);
	ck_assert_str_eq(e.text, "hello:1.0.0 has other bytes");
	ck_assert_str_eq(e.pointer, "/artifact");
}
END_TEST

START_TEST(without_a_problem_the_status_tells) {
	ck_assert_int_eq(read_problem(NULL, 403, "").code, E_FORBIDDEN);
	ck_assert_int_eq(read_problem("{\"code\":\"from_the_future\",\"detail\":\"x\"}", 409, "").code, E_CONFLICT);
	ck_assert_int_eq(read_problem(NULL, 418, "").code, E_INVALID);
	struct err e = read_problem(NULL, 502, "Bad Gateway\n<html>");
	ck_assert_int_eq(e.code, E_UNAVAILABLE);
	ck_assert_str_eq(e.text, "the server answered 502: Bad Gateway");
}
END_TEST

START_TEST(what_why_and_next_are_lines) {
	JSON_AUTO doc = json_loads("{\"code\":\"busy\",\"detail\":\"plan 7 is changing orders; wait for it, or give --if-busy=supersede\","
	                           "\"errors\":[{\"pointer\":\"/deployment\",\"detail\":\"is being changed\"}],"
	                           "\"waiting\":{\"text\":\"batch 2 waits\\u001b[2J\",\"command\":\"berth plan confirm 7 2\"}}",
	    0, NULL);
	struct err e = ERR_INIT;
	BUF_AUTO out = BUF_INIT;
	problem_to_err(doc, 409, "", &e);
	problem_print(&e, doc, false, &out);
	ck_assert_str_eq(buf_str(&out), "error: plan 7 is changing orders\n"
	                                "  at /deployment: is being changed\n"
	                                "  why:  batch 2 waits?[2J\n"
	                                "  next: berth plan confirm 7 2\n"
	                                "  next: wait for it, or give --if-busy=supersede\n");
}
END_TEST

TEST_SUITE("cli/problem", every_code_has_the_documented_exit, the_servers_code_and_words_win, without_a_problem_the_status_tells,
    what_why_and_next_are_lines)
