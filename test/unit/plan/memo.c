/* The memo as JSON: nothing, everything, there and back; limits; what cannot be read. */
#include "../../suite.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "plan/memo.h"

START_TEST(nothing_is_an_empty_memo) {
	struct plan_memo m;
	ARENA_AUTO a = arena_new();
	ck_assert_int_eq(memo_parse(NULL, &m, NULL), 0);
	ck_assert_int_eq(memo_parse("", &m, NULL), 0);
	ck_assert_int_eq(memo_parse("{}", &m, NULL), 0);
	ck_assert(m.n_marks == 0 && m.halt == HALT_NONE && m.tolerated == 0);
	ck_assert_str_eq(memo_print(&m, a), "{}");
}
END_TEST

START_TEST(there_and_back) {
	struct plan_memo m = { .halt = HALT_FAILURES,
		.tolerated = 2,
		.accepted = 17,
		.forgiven = 9,
		.undoes = 4,
		.now = 1,
		.evicts = 12,
		.grace_us = 5000000,
		.gate_batch = 2,
		.gate_passed = 5,
		.gate_us = 7,
		.gate_since = 8,
		.gate_said = "202: \"wait\"" },
	                 again;
	ARENA_AUTO a = arena_new();
	struct memo_mark *x = memo_mark(&m, 0, 3, "n3");
	x->ignored = x->counted = true;
	x->reason = strdup("disk \"sda\" is failing");
	x->actor = strdup("ann");
	memo_mark(&m, 5, 6, "n6")->forgiven = 21;
	char *text = memo_print(&m, a);
	ck_assert_int_eq(memo_parse(text, &again, NULL), 0);
	ck_assert_str_eq(memo_print(&again, a), text);
	ck_assert(again.evicts == 12 && again.grace_us == 5000000);
	ck_assert(again.gate_batch == 2 && again.gate_passed == 5 && strcmp(again.gate_said, "202: \"wait\"") == 0);
	ck_assert_str_eq(again.marks[0].reason, "disk \"sda\" is failing");
	ck_assert(memo_ignores(&again, 1, 3) && memo_ignores(&again, 2, 3) && !memo_ignores(&again, 5, 6));
	ck_assert(memo_forgives(&again, 5, 6, 21) && !memo_forgives(&again, 5, 6, 22) && !memo_forgives(&again, 4, 6, 21));
	ck_assert(memo_forgives(&again, 4, 6, 9));
	memo_deinit(&m);
	memo_deinit(&again);
}
END_TEST

START_TEST(marks_are_bounded) {
	struct plan_memo m = { 0 };
	for (int64_t k = 1; k <= MEMO_MAX_MARKS; k++)
		ck_assert_ptr_nonnull(memo_mark(&m, 0, k, NULL));
	ck_assert_ptr_null(memo_mark(&m, 0, MEMO_MAX_MARKS + 1, NULL));
	ck_assert_ptr_nonnull(memo_mark(&m, 0, 1, NULL));
	memo_deinit(&m);
}
END_TEST

START_TEST(rubbish_is_refused) {
	static const char *const texts[] = { "[", "[]", "3", "{\"marks\":[{}]}", "{\"marks\":[{\"baseId\":-1}]}" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct plan_memo m;
		ck_assert_int_eq(memo_parse(texts[i], &m, NULL), E_MALFORMED);
		ck_assert_uint_eq(m.n_marks, 0);
	}
}
END_TEST

TEST_SUITE("plan/memo", nothing_is_an_empty_memo, there_and_back, marks_are_bounded, rubbish_is_refused)
