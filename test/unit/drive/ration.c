#include "../../suite.h"

#include <stdio.h>

#include "drive/ration.h"

static const struct ration_rates rates = {
	.message_us = 20 * US_PER_MS, /* 50 a second */
	.message_burst_us = 20 * US_PER_MS * 10,
	.byte_rate = 1000,
	.byte_burst_us = 2 * US_PER_S,
	.hello_us = 2 * US_PER_S,
	.hello_burst_us = 6 * US_PER_S,
};

static mono_t at(int64_t ms) {
	return (mono_t){ 1000 * US_PER_S + ms * US_PER_MS };
}

static struct ration *of(struct rations *rs, mono_t now, const char *base, const char *key) {
	return ration_get(rs, now, "default", base, key, NULL);
}

START_TEST(a_burst_passes_then_it_pauses) {
	struct rations rs;
	rations_init(&rs, &rates, 10);
	struct ration *r = of(&rs, at(0), "n1", "k");
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(ration_message(&rs, r, at(0), 1), 0);
	ck_assert_int_eq(ration_message(&rs, r, at(0), 1), 20 * US_PER_MS);
	ck_assert_int_eq(ration_message(&rs, r, at(40), 1), 0);
	/* after a quiet time the whole burst is there again, not more */
	int passed = 0;
	while (ration_message(&rs, r, at(60000), 1) == 0)
		passed++;
	ck_assert_int_eq(passed, 10);
	ration_release(&rs, r);
	rations_deinit(&rs);
}
END_TEST

START_TEST(the_average_holds) {
	struct rations rs;
	rations_init(&rs, &rates, 10);
	struct ration *r = of(&rs, at(0), "n1", "k");
	int64_t now = at(0).us;
	int n = 0;
	for (; now < at(100000).us; n++)
		now += ration_message(&rs, r, (mono_t){ now }, 0); /* as fast as it is let */
	ck_assert_int_ge(n, 50 * 100);
	ck_assert_int_le(n, 50 * 100 + 11);
	ration_release(&rs, r);
	rations_deinit(&rs);
}
END_TEST

START_TEST(bytes_count_too) {
	struct rations rs;
	rations_init(&rs, &rates, 10);
	struct ration *r = of(&rs, at(0), "n1", "k");
	ck_assert_int_eq(ration_message(&rs, r, at(0), 2000), 0);
	ck_assert_int_eq(ration_message(&rs, r, at(0), 500), 500 * US_PER_MS);
	ration_release(&rs, r);
	rations_deinit(&rs);
}
END_TEST

START_TEST(reconnecting_refills_nothing) {
	struct rations rs;
	rations_init(&rs, &rates, 10);
	for (int i = 0; i < 11; i++) {
		struct ration *r = of(&rs, at(0), "n1", "k");
		ck_assert(i < 10 ? ration_message(&rs, r, at(0), 1) == 0 : ration_message(&rs, r, at(0), 1) > 0);
		ration_release(&rs, r);
	}
	/* another credential has a share of its own: a stranger cannot use up this one */
	struct ration *other = of(&rs, at(0), "n1", "guess");
	ck_assert_int_eq(ration_message(&rs, other, at(0), 1), 0);
	ration_release(&rs, other);
	rations_deinit(&rs);
}
END_TEST

START_TEST(hellos_are_limited_and_come_back) {
	struct rations rs;
	rations_init(&rs, &rates, 10);
	struct ration *r = of(&rs, at(0), "n1", "k");
	for (int i = 0; i < 3; i++)
		ck_assert(ration_hello(&rs, r, at(0)));
	for (int i = 0; i < 100; i++)
		ck_assert(!ration_hello(&rs, r, at(0)));
	ck_assert(ration_hello(&rs, r, at(2000)));
	ration_release(&rs, r);
	rations_deinit(&rs);
}
END_TEST

START_TEST(idle_ones_are_forgotten) {
	struct rations rs;
	rations_init(&rs, &rates, 5);
	char name[16];
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "n%d", i);
		struct ration *r = of(&rs, at(0), name, "k");
		ration_message(&rs, r, at(0), 1);
		ration_release(&rs, r);
		ck_assert_uint_le(rs.n_idle, 7);
	}
	ration_release(&rs, of(&rs, at(60000), "n", "k"));
	ration_release(&rs, of(&rs, at(60000), "n", "k"));
	ration_release(&rs, of(&rs, at(60000), "n", "k"));
	ck_assert_uint_le(rs.n_idle, 1);
	rations_deinit(&rs);
}
END_TEST

TEST_SUITE("drive/ration", a_burst_passes_then_it_pauses, the_average_holds, bytes_count_too, reconnecting_refills_nothing,
    hellos_are_limited_and_come_back, idle_ones_are_forgotten)
