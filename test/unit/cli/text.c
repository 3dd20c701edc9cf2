#include "cli/text.h"

#include <string.h>

#include "../../suite.h"
#include "base/clock.h"
#include "cli/table.h"

START_TEST(width_counts_columns_not_bytes) {
	static const struct {
		const char *text;
		size_t width;
	} cases[] = { { "", 0 }, { "abc", 3 }, { "grün", 4 }, { "日本", 4 }, { "e\xcc\x81", 1 }, { "🚢", 2 }, { "a\xffz", 3 },
		{ "a\033z", 3 }, { "한글x", 5 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_uint_eq(text_width(cases[i].text), cases[i].width);
}
END_TEST

START_TEST(nothing_that_drives_a_terminal_gets_through) {
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "\033[31mred", "?[31mred" },
		{ "a\r\nb", "a? b" },
		{ "x\xc2\x9b"
		  "31m",
		    "x?31m" },
		{ "\xff\xfe", "??" },
		{ "\x7f", "?" },
		{ "ab\xe2\x80\xae"
		  "dc",
		    "ab?dc" },
		{ "grün 日本", "grün 日本" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		BUF_AUTO out = BUF_INIT;
		text_add_clean(&out, cases[i].in, false);
		ck_assert_str_eq(buf_str(&out), cases[i].out);
	}
}
END_TEST

START_TEST(cutting_keeps_whole_characters) {
	static const struct {
		const char *in;
		size_t columns;
		const char *out;
	} cases[] = { { "abcdef", 6, "abcdef" }, { "abcdef", 4, "abc…" }, { "日本語", 4, "日…" }, { "日本語", 5, "日本…" },
		{ "ab", 1, "…" }, { "ab", 0, "" } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		BUF_AUTO out = BUF_INIT;
		text_add_cut(&out, cases[i].in, cases[i].columns, true);
		ck_assert_str_eq(buf_str(&out), cases[i].out);
		ck_assert_uint_le(text_width(buf_str(&out)), cases[i].columns);
	}
}
END_TEST

START_TEST(spans_ages_and_sizes_read_well) {
	char b[32];
	ck_assert_str_eq(text_span(812 * US_PER_MS, b), "812 ms");
	ck_assert_str_eq(text_span(3250 * US_PER_MS, b), "3.2 s");
	ck_assert_str_eq(text_span(125 * US_PER_S, b), "2m5s");
	ck_assert_str_eq(text_span(3 * 3600 * US_PER_S + 600 * US_PER_S, b), "3h10m");
	ck_assert_str_eq(text_span(-5, b), "0 ms");
	ck_assert_str_eq(text_age(41 * US_PER_S, b), "41s");
	ck_assert_str_eq(text_age(5 * 60 * US_PER_S, b), "5m");
	ck_assert_str_eq(text_age(49 * 3600 * US_PER_S, b), "2d");
	ck_assert_str_eq(text_bytes(999, b), "999 B");
	ck_assert_str_eq(text_bytes(24300, b), "24 kB");
	ck_assert_str_eq(text_bytes(3100000, b), "3.1 MB");
	ck_assert_str_eq(text_bytes(999999, b), "1.0 MB");
}
END_TEST

static struct table *sample(void) {
	struct table *t = table_new(4);
	table_head(t, 0, "NAME", false);
	table_head(t, 1, "N", true);
	table_head(t, 2, "EMPTY", false);
	table_head(t, 3, "WHY", false);
	static const char *const cells[] = { "größe", "7", "", "a long reason that may be cut", "日本", "1200", NULL, "" };
	for (size_t i = 0; i < 8; i++)
		table_cell(t, cells[i], i == 0 ? STYLE_GOOD : STYLE_NONE);
	return t;
}

START_TEST(columns_are_straight_and_empty_ones_left_out) {
	TABLE_AUTO t = sample();
	BUF_AUTO out = BUF_INIT;
	table_print(t, true, false, 0, true, &out);
	ck_assert_str_eq(buf_str(&out), "NAME      N  WHY\n"
	                                "größe     7  a long reason that may be cut\n"
	                                "日本   1200\n");
}
END_TEST

START_TEST(the_last_column_fits_the_terminal) {
	TABLE_AUTO t = sample();
	BUF_AUTO out = BUF_INIT;
	table_print(t, false, false, 26, true, &out);
	ck_assert_str_eq(buf_str(&out), "größe     7  a long reaso…\n日本   1200\n");
}
END_TEST

START_TEST(colours_do_not_count) {
	TABLE_AUTO t = sample();
	BUF_AUTO out = BUF_INIT;
	table_print(t, false, true, 0, true, &out);
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "\033[32mgröße\033[0m     7"));
}
END_TEST

TEST_SUITE("cli/text", width_counts_columns_not_bytes, nothing_that_drives_a_terminal_gets_through, cutting_keeps_whole_characters,
    spans_ages_and_sizes_read_well, columns_are_straight_and_empty_ones_left_out, the_last_column_fits_the_terminal, colours_do_not_count)
