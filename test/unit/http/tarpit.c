#include "http/tarpit.h"

#include <stdlib.h>

#include "../../suite.h"

static const unsigned char one[16] = { 1 }, other[16] = { 2 };

static const struct {
	const char *what;
	int64_t at_s;            /* of the clock */
	int refusals;            /* of one address, then */
	int64_t first_s, last_s; /* how long the first and the last of them wait */
} rows[] = {
	{ "a minute's worth waits for nothing", 0, 60, 0, 0 },
	{ "what comes on top waits longer each time", 0, 4, 1, 4 },
	{ "and no longer than that", 0, 10000, 5, 5 },
	{ "nor does the debt grow: seconds later it is less", 3, 1, 3, 3 },
	{ "time pays it back", 30, 20, 0, 0 },
	{ "all of it", 3600, 60, 0, 0 },
	{ "and no more than a minute's worth is saved up", 7200, 61, 0, 1 },
};

START_TEST(refusals_leave_at_their_rate) {
	struct tarpit *t = calloc(1, sizeof *t);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		mono_t now = { (1000 + rows[i].at_s) * US_PER_S };
		int64_t first = tarpit_take(t, one, 60, now), last = first;
		for (int n = 1; n < rows[i].refusals; n++)
			last = tarpit_take(t, one, 60, now);
		ck_assert_msg(first == rows[i].first_s * US_PER_S && last == rows[i].last_s * US_PER_S, "%s: %lld, %lld", rows[i].what,
		    (long long)first, (long long)last);
	}
	free(t);
}
END_TEST

START_TEST(addresses_have_their_own) {
	struct tarpit *t = calloc(1, sizeof *t);
	mono_t now = { US_PER_S };
	for (int n = 0; n < 100; n++)
		tarpit_take(t, one, 1, now);
	ck_assert_int_eq(tarpit_take(t, one, 1, now), TARPIT_MAX_US);
	ck_assert_int_eq(tarpit_take(t, other, 1, now), 0);
	free(t);
}
END_TEST

TEST_SUITE("http/tarpit", refusals_leave_at_their_rate, addresses_have_their_own)
