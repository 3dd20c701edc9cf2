#include <stdlib.h>
#include <string.h>

#include "../../suite.h"
#include "base/buf.h"

START_TEST(it_grows_and_stays_terminated) {
	BUF_AUTO b = BUF_INIT;
	ck_assert_str_eq(buf_str(&b), "");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	ck_assert_uint_eq(b.len, 3890);
	ck_assert_uint_eq(strlen(buf_str(&b)), b.len);
	size_t n;
	char *s = buf_take(&b, &n);
	ck_assert_uint_eq(n, 3890);
	ck_assert_uint_eq(b.len, 0);
	free(s);
}
END_TEST

START_TEST(it_formats_beyond_its_small_buffer) {
	BUF_AUTO b = BUF_INIT;
	buf_printf(&b, "%0700d", 7);
	ck_assert_uint_eq(b.len, 700);
	ck_assert_int_eq(b.data[699], '7');
}
END_TEST

START_TEST(it_stops_at_its_cap) {
	BUF_AUTO b;
	buf_init(&b, 5);
	buf_add_str(&b, "abc");
	ck_assert(!b.overflow);
	buf_add_str(&b, "defg");
	ck_assert(b.overflow);
	ck_assert_str_eq(buf_str(&b), "abcde");
	buf_clear(&b);
	ck_assert(!b.overflow);
	ck_assert_str_eq(buf_str(&b), "");
}
END_TEST

static const struct {
	const char *in, *out;
} json[] = {
	{ "", "\"\"" },
	{ "plain", "\"plain\"" },
	{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
	{ "line\nend\ttab\r", "\"line\\nend\\ttab\\r\"" },
	{ "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"" },
	{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
	{ "\xf0\x9f\x9a\xa2", "\"\xf0\x9f\x9a\xa2\"" },
	{ "bad \xff byte", "\"bad \xef\xbf\xbd byte\"" },
	{ "overlong \xc0\xaf", "\"overlong \xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "surrogate \xed\xa0\x80!", "\"surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!\"" },
	{ "cut \xe2\x82", "\"cut \xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "beyond \xf4\x90\x80\x80", "\"beyond \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
};

START_TEST(it_escapes_json) {
	for (size_t i = 0; i < sizeof json / sizeof *json; i++) {
		BUF_AUTO b = BUF_INIT;
		buf_add_json(&b, json[i].in);
		ck_assert_str_eq(buf_str(&b), json[i].out);
	}
	BUF_AUTO b = BUF_INIT;
	buf_add_json(&b, NULL);
	buf_add_json_n(&b, "a\0b", 3);
	ck_assert_str_eq(buf_str(&b), "null\"a\\u0000b\"");
}
END_TEST

START_TEST(it_cleans_what_strangers_sent) {
	char cut[] = "a\xc3\xbc\n\x7f\xc3", fine[] = "gr\xc3\xbc\xc3\x9f";
	utf8_clean(cut);
	utf8_clean(fine);
	ck_assert_str_eq(cut, "a\xc3\xbc  ?");
	ck_assert_str_eq(fine, "gr\xc3\xbc\xc3\x9f");
}
END_TEST

START_TEST(it_knows_utf8) {
	ck_assert(utf8_valid("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa2", 15));
	ck_assert(!utf8_valid("\xc3", 1));
	ck_assert(!utf8_valid("\xe0\x80\x80", 3));
	ck_assert(!utf8_valid("\x80", 1));
	ck_assert(utf8_valid("", 0));
}
END_TEST

TEST_SUITE("base/buf", it_grows_and_stays_terminated, it_formats_beyond_its_small_buffer, it_stops_at_its_cap, it_escapes_json,
    it_cleans_what_strangers_sent, it_knows_utf8)
