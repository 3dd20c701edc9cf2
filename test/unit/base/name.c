#include <string.h>

#include "../../suite.h"
#include "base/err.h"
#include "base/name.h"
#include "base/opt.h"
#include "base/percent.h"

#define N63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	enum name_kind kind;
	const char *text;
	bool ok;
} names[] = {
	{ NAME_PLAIN, "orders", true },
	{ NAME_PLAIN, "Orders-2.core_x", true },
	{ NAME_PLAIN, "7", true },
	{ NAME_PLAIN, N63, true },
	{ NAME_PLAIN, N63 "a", false },
	{ NAME_PLAIN, "", false },
	{ NAME_PLAIN, ".hidden", false },
	{ NAME_PLAIN, "-dash", false },
	{ NAME_PLAIN, "a b", false },
	{ NAME_PLAIN, "a/b", false },
	{ NAME_PLAIN, "a:b", false },
	{ NAME_PLAIN, "gr\xc3\xbc\xc3\x9f", false },
	{ NAME_PLAIN, "a+b", false },
	{ NAME_VERSION, "1.0.0+build.7", true },
	{ NAME_VERSION, "3.1.0-SNAPSHOT", true },
	{ NAME_VERSION, "+1", false },
	{ NAME_LABEL_KEY, "example.com/zone", true },
	{ NAME_LABEL_KEY, "", false },
	{ NAME_LABEL_VALUE, "", true },
	{ NAME_LABEL_VALUE, "eu-west-1", true },
	{ NAME_LABEL_VALUE, "a b", false },
};

START_TEST(it_judges_names) {
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_msg(name_valid(names[i].kind, names[i].text) == names[i].ok, "%s", names[i].text);
	ck_assert(!name_valid(NAME_PLAIN, NULL));
}
END_TEST

START_TEST(its_refusal_says_what_is_allowed) {
	struct err e = ERR_INIT;
	ck_assert_int_eq(name_check(NAME_PLAIN, "a b", "/module", "module name", &e), E_INVALID);
	ck_assert_str_eq(e.pointer, "/module");
	ck_assert_ptr_nonnull(strstr(e.text, "'a b' is not a module name"));
	ck_assert_int_eq(name_check(NAME_PLAIN, "", "/module", "module name", &e), E_INVALID);
	ck_assert_ptr_nonnull(strstr(e.text, "is missing"));
	ck_assert_int_eq(name_check(NAME_PLAIN, "ab", "/module", "module name", &e), 0);
}
END_TEST

START_TEST(it_splits_name_and_version) {
	char name[64], version[64];
	ck_assert_int_eq(name_split("orders:3.1.0", name, version, NULL), 0);
	ck_assert_str_eq(name, "orders");
	ck_assert_str_eq(version, "3.1.0");
	ck_assert_int_eq(name_split("orders", name, version, NULL), E_INVALID);
	ck_assert_int_eq(name_split(":1", name, version, NULL), E_INVALID);
	ck_assert_int_eq(name_split("orders:", name, version, NULL), E_INVALID);
	ck_assert_int_eq(name_split(N63 "aa:1", name, version, NULL), E_INVALID);
	ck_assert_str_eq(name, "orders");
}
END_TEST

START_TEST(it_finds_the_nearest_name) {
	static const char *const known[] = { "listen", "data-dir", "log-level", "database-url" };
	ck_assert_str_eq(name_nearest("lisen", known, 4), "listen");
	ck_assert_str_eq(name_nearest("lsiten", known, 4), "listen");
	ck_assert_str_eq(name_nearest("datadir", known, 4), "data-dir");
	ck_assert_str_eq(name_nearest("databse-url", known, 4), "database-url");
	ck_assert_ptr_null(name_nearest("zzzzzz", known, 4));
	ck_assert_ptr_null(name_nearest("", known, 4));
}
END_TEST

static const struct {
	const char *text;
	bool ok;
	int value;
	bool relative;
	int of10_down, of10_up;
} percents[] = {
	{ "25%", true, 25, true, 2, 3 },
	{ "100%", true, 100, true, 10, 10 },
	{ "0%", true, 0, true, 0, 0 },
	{ "1%", true, 1, true, 0, 1 },
	{ "3", true, 3, false, 3, 3 },
	{ "99", true, 99, false, 10, 10 },
	{ "101%", false, 0, false, 0, 0 },
	{ "%", false, 0, false, 0, 0 },
	{ "", false, 0, false, 0, 0 },
	{ "-1", false, 0, false, 0, 0 },
	{ "2.5", false, 0, false, 0, 0 },
	{ "25%%", false, 0, false, 0, 0 },
	{ "99999999999", false, 0, false, 0, 0 },
};

START_TEST(it_reads_percentages) {
	for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
		struct percent p;
		ck_assert_msg(percent_parse(percents[i].text, &p) == percents[i].ok, "%s", percents[i].text);
		if (!percents[i].ok)
			continue;
		char buf[16];
		ck_assert_int_eq(p.value, percents[i].value);
		ck_assert_int_eq(p.relative, percents[i].relative);
		ck_assert_int_eq(percent_of(p, 10, PERCENT_DOWN), percents[i].of10_down);
		ck_assert_int_eq(percent_of(p, 10, PERCENT_UP), percents[i].of10_up);
		ck_assert_str_eq(percent_format(p, buf), percents[i].text);
	}
}
END_TEST

TEST_SUITE("base/name", it_judges_names, its_refusal_says_what_is_allowed, it_splits_name_and_version, it_finds_the_nearest_name,
    it_reads_percentages)
