/* Paths and queries: decoded exactly once, here. A path that could mean another one after a second decoding or after
 * normalisation somewhere else is refused, so a check made on it holds for whoever uses it. */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/head.h"

#define MAX_PARAMETERS 100u

static int hex(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of "%XY" at p, or -1. */
static int escape(const char *p, size_t left) {
	if (left < 3 || hex(p[1]) < 0 || hex(p[2]) < 0)
		return -1;
	return hex(p[1]) << 4 | hex(p[2]);
}

static bool dot_segment(const char *p, size_t n) {
	return (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
}

static bool has_dot_segment(const char *s, size_t n) {
	for (size_t from = 1, i = 1; i <= n; i++) {
		if (i < n && s[i] != '/')
			continue;
		if (dot_segment(s + from, i - from))
			return true;
		from = i + 1;
	}
	return false;
}

const char *http_path_decode(char *s, size_t *n) {
	size_t to = 0;
	if (*n == 0 || s[0] != '/')
		return "the request target must be a path that starts with '/'";
	for (size_t i = 0; i < *n; i++) {
		int c = (unsigned char)s[i];
		if (c == '%') {
			c = escape(s + i, *n - i);
			if (c < 0)
				return "the path holds a broken percent escape";
			if (c < 0x20 || c == 0x7f || c == '/' || c == '%' || c == '\\')
				return "the path holds an escape that is not allowed there (control, slash, backslash or percent sign)";
			i += 2;
		}
		s[to++] = (char)c;
	}
	*n = to;
	if (has_dot_segment(s, to))
		return "the path holds a '.' or '..' segment";
	return utf8_valid(s, to) ? NULL : "the path is not UTF-8";
}

static const char *decode_part(char *s, size_t n, const char **ret) {
	size_t to = 0;
	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)s[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			c = escape(s + i, n - i);
			if (c < 0)
				return "the query holds a broken percent escape";
			if (c == 0)
				return "the query holds a NUL";
			i += 2;
		}
		s[to++] = (char)c;
	}
	if (!utf8_valid(s, to))
		return "the query is not UTF-8";
	s[to] = '\0'; /* over the '&', '=' or blank behind it */
	*ret = s;
	return NULL;
}

static const char *decode_pair(char *s, size_t n, struct http_pair *ret) {
	char *equals = memchr(s, '=', n);
	size_t name_n = equals == NULL ? n : (size_t)(equals - s);
	const char *why = decode_part(s, name_n, &ret->name);
	ret->value = "";
	if (why == NULL && equals != NULL)
		why = decode_part(equals + 1, n - name_n - 1, &ret->value);
	return why;
}

const char *http_query_decode(struct arena *a, char *s, size_t n, struct http_pair **ret, size_t *ret_n) {
	size_t count = n > 0;
	for (size_t i = 0; i < n; i++)
		count += s[i] == '&';
	if (count > MAX_PARAMETERS)
		return "the query has more than 100 parameters";
	struct http_pair *pairs = arena_alloc(a, (count + 1) * sizeof *pairs);
	size_t filled = 0;
	for (size_t from = 0; from < n;) {
		char *amp = memchr(s + from, '&', n - from);
		size_t len = amp == NULL ? n - from : (size_t)(amp - s) - from;
		const char *why = len > 0 ? decode_pair(s + from, len, &pairs[filled]) : NULL;
		if (why != NULL)
			return why;
		filled += len > 0;
		from += len + 1;
	}
	*ret = pairs;
	*ret_n = filled;
	return NULL;
}
