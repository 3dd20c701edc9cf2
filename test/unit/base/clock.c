#include "../../suite.h"
#include "base/clock.h"

static const struct {
	const char *text;
	bool ok;
	int64_t us;
} times[] = {
	{ "1970-01-01T00:00:00Z", true, 0 },
	{ "1970-01-01T00:00:01.5Z", true, 1500000 },
	{ "1970-01-01T01:00:00+01:00", true, 0 },
	{ "1969-12-31T23:59:59.999999Z", true, -1 },
	{ "2026-11-23T10:11:12.345678Z", true, INT64_C(1795428672345678) },
	{ "2024-02-29T00:00:00Z", true, INT64_C(1709164800000000) },
	{ "2023-02-29T00:00:00Z", false, 0 },
	{ "2023-04-31T00:00:00Z", false, 0 },
	{ "2023-13-01T00:00:00Z", false, 0 },
	{ "2023-00-01T00:00:00Z", false, 0 },
	{ "2023-01-01T24:00:00Z", false, 0 },
	{ "2023-01-01T00:00:00", false, 0 },
	{ "2023-01-01", false, 0 },
	{ "2023-01-01T00:00:00.Z", false, 0 },
	{ "2023-01-01T00:00:00Zx", false, 0 },
	{ "0000-01-01T00:00:00Z", true, INT64_C(-62167219200000000) },
	{ "0000-01-01T00:00:00+00:01", false, 0 },
	{ "9999-12-31T23:59:59.999999Z", true, INT64_C(253402300799999999) },
	{ "9999-12-31T23:59:59-00:01", false, 0 },
	{ "", false, 0 },
};

START_TEST(it_parses_times) {
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		wall_t t = { 0 };
		ck_assert_msg(wall_parse(times[i].text, &t) == times[i].ok, "%s", times[i].text);
		ck_assert_msg(!times[i].ok || t.us == times[i].us, "%s: %lld", times[i].text, (long long)t.us);
	}
}
END_TEST

START_TEST(it_formats_times) {
	char buf[32];
	ck_assert_str_eq(wall_format((wall_t){ -1 }, buf), "1969-12-31T23:59:59.999999Z");
	ck_assert_str_eq(wall_format((wall_t){ INT64_C(1795428672345678) }, buf), "2026-11-23T10:11:12.345678Z");
	ck_assert_str_eq(wall_format((wall_t){ INT64_C(-55000000000000000) }, buf), "0227-02-13T22:13:20.000000Z");
}
END_TEST

static const struct {
	const char *text;
	int64_t us; /* -1 = refused */
	const char *again;
} durations[] = {
	{ "30s", 30000000, "30s" },
	{ "1.5s", 1500000, "1.5s" },
	{ "250ms", 250000, "250ms" },
	{ "10m", 600000000, "10m" },
	{ "24h", INT64_C(86400000000), "24h" },
	{ "7d", INT64_C(604800000000), "168h" },
	{ "1h30m", INT64_C(5400000000), "1h30m" },
	{ "90s", 90000000, "1m30s" },
	{ "0s", 0, "0s" },
	{ "5us", 5, "0.000005s" },
	{ "", -1, NULL },
	{ "30", -1, NULL },
	{ "s", -1, NULL },
	{ "-1s", -1, NULL },
	{ "1x", -1, NULL },
	{ "1 s", -1, NULL },
	{ "99999999999999d", -1, NULL },
};

START_TEST(it_parses_and_formats_durations) {
	for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
		int64_t us = -1;
		char buf[48];
		ck_assert_msg(duration_parse(durations[i].text, &us) == (durations[i].us >= 0), "%s", durations[i].text);
		ck_assert_msg(us == durations[i].us, "%s: %lld", durations[i].text, (long long)us);
		if (us >= 0)
			ck_assert_str_eq(duration_format(us, buf), durations[i].again);
	}
}
END_TEST

START_TEST(virtual_time_moves_only_when_told) {
	struct clock_virtual v;
	struct clock c = clock_virtual_init(&v, (wall_t){ 1000 });
	mono_t before = clock_mono(&c);
	ck_assert_int_eq(mono_diff(clock_mono(&c), before), 0);
	clock_virtual_advance(&v, 5);
	ck_assert_int_eq(mono_diff(clock_mono(&c), before), 5);
	ck_assert_int_eq(clock_wall(&c).us, 1005);
	ck_assert(mono_before(before, clock_mono(&c)));
	ck_assert_int_eq(mono_add(MONO_NEVER, 1).us, INT64_MAX);
	ck_assert_int_eq(mono_add(before, -1).us, before.us - 1);
}
END_TEST

TEST_SUITE("base/clock", it_parses_times, it_formats_times, it_parses_and_formats_durations, virtual_time_moves_only_when_told)
