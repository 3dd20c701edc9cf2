/* One test file, one suite:
 *
 *   START_TEST(it_parses) { ck_assert(…); } END_TEST
 *   TEST_SUITE("base/clock", it_parses, it_refuses)
 */
#ifndef BERTH_TEST_SUITE_H
#define BERTH_TEST_SUITE_H

#include <check.h>
#include <stddef.h>

void suite_register(Suite *s);

static inline void suite_build(const char *name, const TTest *const *tests, size_t n) {
	Suite *s = suite_create(name);
	for (size_t i = 0; i < n; i++) {
		TCase *tc = tcase_create(tests[i]->name);
		tcase_set_timeout(tc, 240); /* only against hanging: machines are slow at times */
		tcase_add_test(tc, tests[i]);
		suite_add_tcase(s, tc);
	}
	suite_register(s);
}

#define TEST_SUITE(name, ...)                                               \
	__attribute__((constructor)) static void suite_of_this_file(void) { \
		const TTest *const tests[] = { __VA_ARGS__ };               \
		suite_build((name), tests, sizeof tests / sizeof *tests);   \
	}

#endif
