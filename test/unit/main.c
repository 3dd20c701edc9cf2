/* Runs every suite that a test file of this program registered (TEST_SUITE in test/suite.h). */
#include "../suite.h"

#include <stdio.h>
#include <stdlib.h>

static Suite *suites[64];
static int n_suites;

void suite_register(Suite *s) {
	if (n_suites == 64)
		abort();
	suites[n_suites++] = s;
}

int main(void) {
	SRunner *r = srunner_create(NULL);
	for (int i = 0; i < n_suites; i++)
		srunner_add_suite(r, suites[i]);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
