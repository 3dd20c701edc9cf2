#include <stdio.h>
#include <string.h>

#include "../../suite.h"
#include "base/arena.h"
#include "http/head.h"

static const struct http_head_limits limits = { 8192, 16384, 100 };

/* Scans byte by byte, as a dripping client would be, then parses. 0 or the status. */
static int judge(struct arena *a, const char *p, size_t n, struct http_head *h, const char **why) {
	size_t cursor = 0, len = 0;
	for (size_t i = 1; i <= n && len == 0; i++) {
		int status = http_head_scan(p, i, &cursor, &limits, &len, why);
		if (status != 0)
			return status;
	}
	if (len == 0)
		return -1; /* wants more */
	return http_head_parse(a, p, len, &limits, h, why);
}

#define H "Host: a\r\n"
#define T(s) s, sizeof(s) - 1

static const struct {
	const char *text;
	size_t n;
	int status;
} refused[] = {
	/* request line */
	{ T("\r\nGET / HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T(" GET / HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("\x16\x03\x01\x02"), 400 },
	{ T("{\"a\":1}"), 400 },
	{ T("0"), 400 },
	{ T("get / HTTP/1.1\r\n" H "\r\n"), 501 },
	{ T("Get / HTTP/1.1\r\n" H "\r\n"), 501 },
	{ T("BREW / HTTP/1.1\r\n" H "\r\n"), 501 },
	{ T("TRACE / HTTP/1.1\r\n" H "\r\n"), 501 },
	{ T("CONNECT /x HTTP/1.1\r\n" H "\r\n"), 501 },
	{ T("GETX / HTTP/1.1\r\n" H "\r\n"), 501 },
	{ T("G@T / HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET\t/ HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET  / HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /  HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET / HTTP/1.1 \r\n" H "\r\n"), 400 },
	{ T("GET / a HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /\r\n" H "\r\n"), 400 },
	{ T("GET\r\n" H "\r\n"), 400 },
	{ T("GET HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET / http/1.1\r\n" H "\r\n"), 400 },
	{ T("GET / HTTP/1\r\n" H "\r\n"), 400 },
	{ T("GET / HTTP/1.10\r\n" H "\r\n"), 400 },
	{ T("GET / HTTP/01.1\r\n" H "\r\n"), 400 },
	{ T("GET / HTTP/a.b\r\n" H "\r\n"), 400 },
	{ T("GET / HTTPS/1.1\r\n" H "\r\n"), 400 },
	{ T("GET / HTTP/0.9\r\n" H "\r\n"), 505 },
	{ T("GET / HTTP/1.2\r\n" H "\r\n"), 505 },
	{ T("GET / HTTP/2.0\r\n" H "\r\n"), 505 },
	{ T("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 501 },
	/* target */
	{ T("GET x HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("OPTIONS * HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET http://a/ HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET ?a=1 HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a\\b HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a#b HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a\x01 HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a\x7f HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a\x80 HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /gr\xc3\xbc HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a\0b HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a\tb HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%00 HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%0a HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%7F HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%2fb HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%2Fb HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%5cb HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%252e HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a% HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%4 HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%zz HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%ff HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a%c0%af HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /. HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /.. HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a/../b HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a/./b HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a/%2e%2e/b HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /a/.%2E HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /?a=%zz HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /?a=% HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /?a=%00 HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /?%ff=1 HTTP/1.1\r\n" H "\r\n"), 400 },
	{ T("GET /?a#b HTTP/1.1\r\n" H "\r\n"), 400 },
	/* line ends */
	{ T("GET / HTTP/1.1\n" H "\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "\n"), 400 },
	{ T("GET / HTTP/1.1\r" H "\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\r\n" H "\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "\r\r\n"), 400 },
	/* fields */
	{ T("GET / HTTP/1.1\r\n" H " folded\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "\tfolded\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A\t: b\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A b: c\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "nocolon\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H ": empty\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A(b): c\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A\xc3\xbc: c\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A\0: c\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A: b\x01\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "A: b\x0b\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "Authorization: a\r\nauthorization: b\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "Range: bytes=0-\r\nRange: bytes=1-\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\nIdempotency-Key: a\r\nIdempotency-Key: a\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Type: a\r\nContent-Type: a\r\n\r\n"), 400 },
	/* Host */
	{ T("GET / HTTP/1.1\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H H "\r\n"), 400 },
	{ T("GET / HTTP/1.0\r\n" H H "\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "HOST: b\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\nHost: a@b@\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\nHost: gr\xc3\xbc\r\n\r\n"), 400 },
	/* framing */
	{ T("POST / HTTP/1.1\r\n" H "\r\n"), 411 },
	{ T("PUT / HTTP/1.1\r\n" H "\r\n"), 411 },
	{ T("PATCH / HTTP/1.0\r\n" H "\r\n"), 411 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: \r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1 1\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1e3\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000\r\n\r\n"), 413 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n"), 413 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n"), 501 },
	{ T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501 },
	{ T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n"), 501 },
	{ T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"), 501 },
	{ T("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"), 501 },
	{ T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"), 501 },
	{ T("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\tchunked\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "transfer-encoding: chunked\t\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1\t\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n"), 400 },
	{ T("HEAD / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), 400 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nExpect: 200-ok\r\n\r\n"), 417 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nExpect:\r\n\r\n"), 417 },
	{ T("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n\r\n"), 400 },
	{ T("GET / HTTP/1.1\r\n" H "Connection: a(b)\r\n\r\n"), 400 },
	/* unfinished */
	{ T("GET / HTTP/1.1\r\n" H), -1 },
	{ T("GET / HTTP/1.1\r\n" H "\r"), -1 },
	{ T("G"), -1 },
};

START_TEST(it_refuses) {
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		ARENA_AUTO a = arena_new();
		struct http_head h;
		const char *why = NULL;
		int status = judge(a, refused[i].text, refused[i].n, &h, &why);
		ck_assert_msg(status == refused[i].status, "%s: %d instead of %d (%s)", refused[i].text, status, refused[i].status,
		    why != NULL ? why : "");
		ck_assert_msg(status <= 0 || why != NULL, "%s", refused[i].text);
	}
}
END_TEST

static const struct {
	const char *text, *method, *path;
	int minor;
	int64_t length;
	bool keep, expect;
} accepted[] = {
	{ "GET / HTTP/1.1\r\n" H "\r\n", "GET", "/", 1, 0, true, false },
	{ "GET / HTTP/1.0\r\n\r\n", "GET", "/", 0, 0, false, false },
	{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/", 0, 0, true, false },
	{ "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "GET", "/", 1, 0, false, false },
	{ "GET / HTTP/1.1\r\n" H "Connection: TE, Close\r\n\r\n", "GET", "/", 1, 0, false, false },
	{ "GET / HTTP/1.1\r\n" H "Connection: keep-alive\r\nConnection: close\r\n\r\n", "GET", "/", 1, 0, false, false },
	{ "GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", "GET", "/", 1, 0, true, false },
	{ "GET / HTTP/1.1\r\n" H "Connection: ,, upgrade ,\r\nUpgrade: h2c\r\n\r\n", "GET", "/", 1, 0, true, false },
	{ "HEAD /x HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "HEAD", "/x", 1, 0, true, false },
	{ "DELETE /v1/a HTTP/1.1\r\n" H "\r\n", "DELETE", "/v1/a", 1, 0, true, false },
	{ "DELETE /v1/a HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\n", "DELETE", "/v1/a", 1, 3, true, false },
	{ "OPTIONS /v1 HTTP/1.1\r\n" H "\r\n", "OPTIONS", "/v1", 1, 0, true, false },
	{ "POST /v1/plans/1:pause HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "POST", "/v1/plans/1:pause", 1, 0, true, false },
	{ "POST / HTTP/1.1\r\n" H "content-length:   12  \r\n\r\n", "POST", "/", 1, 12, true, false },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 000000000000012\r\n\r\n", "POST", "/", 1, 12, true, false },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 999999999999999\r\n\r\n", "POST", "/", 1, INT64_C(999999999999999), true, false },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", "POST", "/", 1, -1, true, false },
	{ "PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n", "PUT", "/", 1, 5, true, true },
	{ "PUT / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", "PUT", "/", 0, 5, false, false },
	{ "PUT / HTTP/1.1\r\n" H "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n", "PUT", "/", 1, 0, true, false },
	{ "PATCH / HTTP/1.1\r\nHost: [::1]:7777\r\nContent-Length: 5\r\n\r\n", "PATCH", "/", 1, 5, true, false },
	{ "GET /gr%C3%BC%C3%9F%20e HTTP/1.1\r\n" H "\r\n", "GET", "/gr\xc3\xbc\xc3\x9f e", 1, 0, true, false },
	{ "GET /%41%2d%7E HTTP/1.1\r\n" H "\r\n", "GET", "/A-~", 1, 0, true, false },
	{ "GET /a+b HTTP/1.1\r\n" H "\r\n", "GET", "/a+b", 1, 0, true, false },
	{ "GET /.../..a/a.. HTTP/1.1\r\n" H "\r\n", "GET", "/.../..a/a..", 1, 0, true, false },
	{ "GET //a/ HTTP/1.1\r\n" H "\r\n", "GET", "//a/", 1, 0, true, false },
	{ "GET / HTTP/1.1\r\nA: b\r\nhOST:a\r\nX: \xc3\xbc\t\"(]\r\nEmpty:\r\n\r\n", "GET", "/", 1, 0, true, false },
};

START_TEST(it_accepts) {
	for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
		ARENA_AUTO a = arena_new();
		struct http_head h;
		const char *why = "", *text = accepted[i].text;
		int status = judge(a, text, strlen(text), &h, &why);
		ck_assert_msg(status == 0, "%s: %d %s", text, status, why);
		ck_assert_str_eq(h.method, accepted[i].method);
		ck_assert_str_eq(h.path, accepted[i].path);
		ck_assert_int_eq(h.minor, accepted[i].minor);
		ck_assert_int_eq(h.content_length, accepted[i].length);
		ck_assert_msg(h.keep_alive == accepted[i].keep, "%s", text);
		ck_assert_msg(h.expect_continue == accepted[i].expect, "%s", text);
	}
}
END_TEST

START_TEST(it_keeps_fields_and_decodes_queries) {
	ARENA_AUTO a = arena_new();
	struct http_head h;
	const char *why = "";
	const char text[] =
	    "GET /p?a=1&b=x%20y+z&flag&e=&=v&a=%26%2F%25&&gr=%C3%BC HTTP/1.1\r\n" H "X-One:  two words \t\r\nx-one: second\r\n\r\nrest";
	ck_assert_int_eq(judge(a, text, sizeof text - 1, &h, &why), 0);
	static const struct http_pair want[] = { { "a", "1" }, { "b", "x y z" }, { "flag", "" }, { "e", "" }, { "", "v" }, { "a", "&/%" },
		{ "gr", "\xc3\xbc" } };
	ck_assert_uint_eq(h.n_query, sizeof want / sizeof *want);
	for (size_t i = 0; i < h.n_query; i++) {
		ck_assert_str_eq(h.query[i].name, want[i].name);
		ck_assert_str_eq(h.query[i].value, want[i].value);
	}
	ck_assert_uint_eq(h.n_fields, 3);
	ck_assert_str_eq(http_head_field(&h, "X-ONE"), "two words");
	ck_assert_ptr_null(http_head_field(&h, "X-On"));
}
END_TEST

static int judge_built(size_t line, size_t fields, size_t value) {
	static char text[64 * 1024];
	size_t n = (size_t)snprintf(text, sizeof text, "GET /");
	while (n + 11 < line) /* " HTTP/1.1\r\n" */
		text[n++] = 'a';
	n += (size_t)snprintf(text + n, sizeof text - n, " HTTP/1.1\r\n");
	for (size_t i = 0; i < fields; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, i == 0 ? "Host: a\r\n" : "F%zu: v\r\n", i);
	n += (size_t)snprintf(text + n, sizeof text - n, "V: %0*d\r\n\r\n", (int)value, 0);
	ARENA_AUTO a = arena_new();
	struct http_head h;
	const char *why = "";
	return judge(a, text, n, &h, &why);
}

START_TEST(its_limits_are_exact) {
	ck_assert_int_eq(judge_built(8192, 1, 1), 0);
	ck_assert_int_eq(judge_built(8193, 1, 1), 414);
	ck_assert_int_eq(judge_built(60000, 1, 1), 414);
	ck_assert_int_eq(judge_built(20, 99, 1), 0);
	ck_assert_int_eq(judge_built(20, 100, 1), 431);
	ck_assert_int_eq(judge_built(20, 1, 16384 - 20 - 9 - 7), 0);
	ck_assert_int_eq(judge_built(20, 1, 16384 - 20 - 9 - 6), 431);
	ck_assert_int_eq(judge_built(20, 1, 30000), 431);
	ARENA_AUTO a = arena_new();
	char query[400] = "a";
	struct http_pair *pairs;
	size_t n;
	for (int i = 0; i < 99; i++)
		strncat(query, "&b", 3);
	ck_assert_ptr_null(http_query_decode(a, query, strlen(query), &pairs, &n));
	ck_assert_uint_eq(n, 100);
	char over[400] = "a";
	for (int i = 0; i < 100; i++)
		strncat(over, "&b", 3);
	ck_assert_ptr_nonnull(http_query_decode(a, over, strlen(over), &pairs, &n));
}
END_TEST

TEST_SUITE("http/head", it_refuses, it_accepts, it_keeps_fields_and_decodes_queries, its_limits_are_exact)
