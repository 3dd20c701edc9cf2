#include <stdio.h>
#include <string.h>

#include "../../suite.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "http/chunk.h"
#include "http/uri.h"

/* Feeds pieces of `step` bytes; the data goes to out. Returns the last result; *ret_used counts what the body took. */
static enum chunk_result decode(const char *p, size_t n, size_t step, size_t take, struct buf *out, size_t *ret_used) {
	struct chunk c;
	size_t at = 0;
	chunk_init(&c);
	while (at < n) {
		size_t used, data, piece = n - at < step ? n - at : step;
		const char *why = NULL;
		enum chunk_result r = chunk_step(&c, p + at, piece, &used, &data, &why);
		at += used;
		*ret_used = at;
		if (r == CHUNK_BAD)
			ck_assert_ptr_nonnull(why);
		if (r == CHUNK_BAD || r == CHUNK_END)
			return r;
		if (r == CHUNK_DATA) {
			size_t k = data < take ? data : take;
			buf_add(out, p + at, k);
			chunk_take(&c, k);
			at += k;
		}
	}
	return CHUNK_MORE;
}

#define T(s) s, sizeof(s) - 1

static const struct {
	const char *text;
	size_t n;
	enum chunk_result result;
	const char *data;
} bodies[] = {
	{ T("0\r\n\r\n"), CHUNK_END, "" },
	{ T("000\r\n\r\n"), CHUNK_END, "" },
	{ T("5\r\nhello\r\n0\r\n\r\n"), CHUNK_END, "hello" },
	{ T("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), CHUNK_END, "hello world" },
	{ T("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), CHUNK_END, "01234567890123456789" },
	{ T("000000000005\r\nhello\r\n0\r\n\r\n"), CHUNK_END, "hello" },
	{ T("4\r\n\r\n\r\n\r\n0\r\n\r\n"), CHUNK_END, "\r\n\r\n" },
	{ T("1;a\r\nx\r\n0\r\n\r\n"), CHUNK_END, "x" },
	{ T("1;a=b;c=\"d e\\\"f;\"\r\nx\r\n0;last\r\n\r\n"), CHUNK_END, "x" },
	{ T("0\r\nX-Sum: 12\r\nY:\r\n\r\n"), CHUNK_END, "" },
	{ T("5\r\nhel"), CHUNK_MORE, "hel" },
	{ T("5\r\nhello\r\n0\r\n"), CHUNK_MORE, "hello" },
	{ T("\r\n"), CHUNK_BAD, "" },
	{ T("x\r\n"), CHUNK_BAD, "" },
	{ T(" 5\r\n"), CHUNK_BAD, "" },
	{ T("5 \r\n"), CHUNK_BAD, "" },
	{ T("-1\r\n"), CHUNK_BAD, "" },
	{ T("+1\r\n"), CHUNK_BAD, "" },
	{ T("0x5\r\n"), CHUNK_BAD, "" },
	{ T("5\nhello"), CHUNK_BAD, "" },
	{ T("5\rhello"), CHUNK_BAD, "" },
	{ T("5\r\r\nhello"), CHUNK_BAD, "" },
	{ T("0000000000005\r\n"), CHUNK_BAD, "" },
	{ T("fffffffffffff\r\n"), CHUNK_BAD, "" },
	{ T("5\r\nhelloX\r\n"), CHUNK_BAD, "hello" },
	{ T("5\r\nhello\n"), CHUNK_BAD, "hello" },
	{ T("5\r\nhello\rX"), CHUNK_BAD, "hello" },
	{ T("5\r\nhello0\r\n\r\n"), CHUNK_BAD, "hello" },
	{ T("1;\r\nx"), CHUNK_BAD, "" },
	{ T("1;=b\r\nx"), CHUNK_BAD, "" },
	{ T("1;a=\r\nx"), CHUNK_BAD, "" },
	{ T("1; a\r\nx"), CHUNK_BAD, "" },
	{ T("1;a =b\r\nx"), CHUNK_BAD, "" },
	{ T("1;a\nx"), CHUNK_BAD, "" },
	{ T("1;a=\"b\r\nx"), CHUNK_BAD, "" },
	{ T("1;a=\"b\"c\r\nx"), CHUNK_BAD, "" },
	{ T("1;a=\"\\\r\"\r\nx"), CHUNK_BAD, "" },
	{ T("1;a\0\r\nx"), CHUNK_BAD, "" },
	{ T("0\r\nbad trailer\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\n folded\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\nA : b\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\n: b\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\nA: b\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\nA: b\x01\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\nA: b\rc\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\nContent-Length: 5\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\nTRANSFER-encoding: chunked\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\nHost: b\r\n\r\n"), CHUNK_BAD, "" },
	{ T("0\r\n\n"), CHUNK_BAD, "" },
	{ T("0\r\n\rX"), CHUNK_BAD, "" },
};

START_TEST(it_decodes_in_pieces_of_any_size) {
	static const size_t steps[] = { 1, 2, 3, 7, 1000 };
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		for (size_t k = 0; k < 10; k++) {
			BUF_AUTO out = BUF_INIT;
			size_t used = 0;
			enum chunk_result r = decode(bodies[i].text, bodies[i].n, steps[k / 2], k % 2 == 0 ? 1 : 1000, &out, &used);
			ck_assert_msg(r == bodies[i].result, "%s in steps of %zu: %d", bodies[i].text, steps[k / 2], (int)r);
			ck_assert_str_eq(buf_str(&out), bodies[i].data);
			if (r == CHUNK_END)
				ck_assert_uint_eq(used, bodies[i].n);
		}
	}
}
END_TEST

START_TEST(it_leaves_what_follows) {
	static const char text[] = "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
	BUF_AUTO out = BUF_INIT;
	size_t used;
	ck_assert_int_eq(decode(text, sizeof text - 1, 1000, 1000, &out, &used), CHUNK_END);
	ck_assert_str_eq(text + used, "GET / HTTP/1.1\r\n");
}
END_TEST

static enum chunk_result with_repeats(const char *head, const char *part, int times, const char *tail) {
	BUF_AUTO text = BUF_INIT;
	BUF_AUTO out = BUF_INIT;
	size_t used;
	buf_add_str(&text, head);
	for (int i = 0; i < times; i++)
		buf_add_str(&text, part);
	buf_add_str(&text, tail);
	return decode(text.data, text.len, 1000, 1000, &out, &used);
}

START_TEST(its_bounds_hold) {
	ck_assert_int_eq(with_repeats("1;", "a", 254, "\r\nx\r\n0\r\n\r\n"), CHUNK_END);
	ck_assert_int_eq(with_repeats("1;", "a", 300, "\r\nx\r\n0\r\n\r\n"), CHUNK_BAD);
	ck_assert_int_eq(with_repeats("0\r\n", "A: b\r\n", 50, "\r\n"), CHUNK_END);
	ck_assert_int_eq(with_repeats("0\r\n", "A: b\r\n", 51, "\r\n"), CHUNK_BAD);
	ck_assert_int_eq(with_repeats("0\r\nA: ", "b", 8000, "\r\n\r\n"), CHUNK_END);
	ck_assert_int_eq(with_repeats("0\r\nA: ", "b", 9000, "\r\n\r\n"), CHUNK_BAD);
	ck_assert_int_eq(with_repeats("", "1;abc\r\nx\r\n", 1000, "0\r\n\r\n"), CHUNK_END);
}
END_TEST

static const struct {
	const char *url, *again;
} urls[] = {
	{ "http://127.0.0.1:7777", "http://127.0.0.1:7777/" },
	{ "http://host", "http://host:80/" },
	{ "HTTPS://host/v1?x=1", "https://host:443/v1?x=1" },
	{ "http://host?x=1", "http://host:80/?x=1" },
	{ "http://[::1]:80/a", "http://[::1]:80/a" },
	{ "https://[fe80::1%25eth0]", "https://[fe80::1%25eth0]:443/" },
	{ "ftp://host", NULL },
	{ "host:80", NULL },
	{ "http://", NULL },
	{ "http:///x", NULL },
	{ "http://user:pw@host/", NULL },
	{ "http://host:0/", NULL },
	{ "http://host:65536/", NULL },
	{ "http://host:x/", NULL },
	{ "http://host:/", NULL },
	{ "http://[::1/", NULL },
	{ "http://[::1]x/", NULL },
	{ "http://ho st/", NULL },
	{ "http://host/#a", NULL },
	{ "http://host/a\r\nb", NULL },
};

START_TEST(urls_are_split_and_joined) {
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		ARENA_AUTO a = arena_new();
		struct uri u;
		int r = uri_split(a, urls[i].url, &u, NULL);
		ck_assert_msg((r == 0) == (urls[i].again != NULL), "%s", urls[i].url);
		if (r == 0)
			ck_assert_str_eq(uri_join(a, &u), urls[i].again);
	}
	BUF_AUTO b = BUF_INIT;
	buf_add_str(&b, "/v1/");
	uri_escape(&b, "a b/\xc3\xbc~.");
	uri_add_query(&b, "q", "x&y=z");
	uri_add_query(&b, "none", NULL);
	uri_add_query(&b, "r", "");
	ck_assert_str_eq(buf_str(&b), "/v1/a%20b%2F%C3%BC~.?q=x%26y%3Dz&r=");
}
END_TEST

TEST_SUITE("http/chunk", it_decodes_in_pieces_of_any_size, it_leaves_what_follows, its_bounds_hold, urls_are_split_and_joined)
