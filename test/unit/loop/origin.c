#include "../../suite.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/origin.h"

START_TEST(urls_lead_where_libcurl_says) {
	static const struct {
		const char *url, *scheme, *host;
		unsigned port;
	} rows[] = {
		{ "https://repo.example.com/a.jar", "https", "repo.example.com", 443 },
		{ "http://REPO.Example.com", "http", "repo.example.com", 80 },
		{ "HTTPS://repo.example.com:8443/?x=@other", "https", "repo.example.com", 8443 },
		{ "https://user:pw@repo.example.com/", "https", "repo.example.com", 443 },
		{ "https://repo.example.com:443@evil.example/", "https", "evil.example", 443 },
		{ "https://evil.example#@repo.example.com/", "https", "evil.example", 443 },
		{ "https://evil.example?@repo.example.com/", "https", "evil.example", 443 },
		{ "http://[::1]:8080/x", "http", "[::1]", 8080 },
		{ "https:///evil.example/", "https", "evil.example", 443 },
		{ "http://127.0.0.1:1/", "http", "127.0.0.1", 1 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct origin o;
		ck_assert_msg(origin_of(rows[i].url, &o, NULL) == 0, "%s", rows[i].url);
		ck_assert_str_eq(o.scheme, rows[i].scheme);
		ck_assert_str_eq(o.host, rows[i].host);
		ck_assert_uint_eq(o.port, rows[i].port);
	}
}
END_TEST

/* Full-width letters become ASCII ones only when libcurl connects: "evil.example／.corp.example" would be another host by then. */
START_TEST(what_is_no_plain_host_leads_nowhere) {
	static const char *const urls[] = { "", "repo.example.com", "/a.jar", "ftp://repo.example.com/", "file:///etc/passwd", "https://",
		"https://evil.example\xef\xbc\x8f.corp.example/", "https://r\xc3\xa9po.example/", "https://a b/",
		"https://a:99999/" };
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		struct origin o;
		ck_assert_msg(origin_of(urls[i], &o, NULL) == E_INVALID, "%s", urls[i]);
	}
}
END_TEST

START_TEST(rules_allow_what_they_name) {
	static const struct {
		const char *rule, *url;
		bool allowed;
	} rows[] = {
		{ "repo.example.com", "https://repo.example.com/a", true },
		{ "Repo.Example.COM", "https://repo.example.com/a", true },
		{ "https://repo.example.com", "https://repo.example.com:443/a", true },
		{ "repo.example.com", "http://repo.example.com/a", false },
		{ "repo.example.com", "https://repo.example.com:8443/a", false },
		{ "repo.example.com", "https://a.repo.example.com/", false },
		{ "repo.example.com", "https://repo.example.com.evil.example/", false },
		{ "repo.example.com", "https://repo.example.com@evil.example/", false },
		{ "repo.example.com", "https://repo.example.com./", false },
		{ "repo.example.com:8443", "https://repo.example.com:8443/", true },
		{ "repo.example.com:8443", "https://repo.example.com/", false },
		{ "http://repo.example.com", "http://repo.example.com/", true },
		{ "http://repo.example.com", "https://repo.example.com/", false },
		{ "http://10.0.0.5:8081", "http://10.0.0.5:8081/nexus/a.jar", true },
		{ "*.example.com", "https://repo.example.com/", true },
		{ "*.example.com", "https://a.b.example.com/", true },
		{ "*.example.com", "https://example.com/", false },
		{ "*.example.com", "https://notexample.com/", false },
		{ "*.example.com", "https://example.com.evil.example/", false },
		{ "*.example.com:8443", "https://repo.example.com:8443/", true },
		{ "*.example.com:8443", "https://repo.example.com/", false },
		{ "[::1]:8443", "https://[::1]:8443/", true },
		{ "[::1]", "https://[::2]/", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct origin_rule r;
		struct origin o;
		ck_assert_msg(origin_rule_parse(rows[i].rule, strlen(rows[i].rule), &r, NULL) == 0, "%s", rows[i].rule);
		ck_assert_int_eq(origin_of(rows[i].url, &o, NULL), 0);
		ck_assert_msg(origin_rule_allows(&r, &o) == rows[i].allowed, "%s %s", rows[i].rule, rows[i].url);
	}
}
END_TEST

START_TEST(rules_that_name_no_host_are_refused) {
	static const char *const rules[] = { "", "*", "*.", ".example.com", "*example.com", "a.*.com", "http://", "https://*", "ftp://a",
		"a:", "a:0", "a:65536", "a:8x", "a:123456", "a/b", "a@b", "a,b", "[::1", "[]", "[::1]x", "r\xc3\xa9po" };
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		struct origin_rule r;
		struct err err = ERR_INIT;
		ck_assert_msg(origin_rule_parse(rules[i], strlen(rules[i]), &r, &err) == E_INVALID, "%s", rules[i]);
		ck_assert_ptr_nonnull(strstr(err.text, "repo.example.com"));
	}
}
END_TEST

START_TEST(rules_are_printed_as_they_are_meant) {
	static const char *const rows[][2] = { { "a.example", "https://a.example" }, { "*.example:443", "https://*.example" },
		{ "http://[::1]:8080", "http://[::1]:8080" }, { "http://a:80", "http://a" } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct origin_rule r;
		BUF_AUTO out = BUF_INIT;
		ck_assert_int_eq(origin_rule_parse(rows[i][0], strlen(rows[i][0]), &r, NULL), 0);
		origin_rule_print(&r, &out);
		ck_assert_str_eq(buf_str(&out), rows[i][1]);
	}
}
END_TEST

TEST_SUITE("loop/origin", urls_lead_where_libcurl_says, what_is_no_plain_host_leads_nowhere, rules_allow_what_they_name,
    rules_that_name_no_host_are_refused, rules_are_printed_as_they_are_meant)
