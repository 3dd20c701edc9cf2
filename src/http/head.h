/* The strict parser of a request head: bytes in, a parsed head or a status with its reason out. No sockets, no clock.
 *
 * What is refused here is what two programs on one path could read differently: see head.c for the list. Called by conn.c, by the
 * differential test against llhttp and by the fuzz target. */
#ifndef BERTH_HTTP_HEAD_H
#define BERTH_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct http_pair {
	const char *name, *value;
};

struct http_head_limits {
	size_t max_line, max_head;
	unsigned max_fields;
};

struct http_head {
	const char *method;
	const char *path;        /* decoded once; starts with '/', no dot segments, UTF-8 */
	struct http_pair *query; /* decoded; value "" when given without '=' */
	size_t n_query;
	struct http_pair *fields; /* names as sent, values trimmed */
	size_t n_fields;
	int minor;              /* HTTP/1.minor */
	int64_t content_length; /* -1 = chunked, 0 = none */
	bool keep_alive, expect_continue, is_head;
};

/* Looks for the end of a head in the n bytes received so far. *cursor (0 at first) remembers what was looked at.
 * 0 and *ret_len > 0: the head is complete and that long; 0 and *ret_len = 0: more is needed; otherwise the status to refuse with. */
int http_head_scan(
    const char *p, size_t n, size_t *cursor, const struct http_head_limits *limits, size_t *ret_len, const char **ret_reason);

/* Parses a complete head of n bytes, the empty line included. Strings are made in a. 0, or the status to refuse with and its reason. */
int http_head_parse(
    struct arena *a, const char *p, size_t n, const struct http_head_limits *limits, struct http_head *ret, const char **ret_reason);

/* The first field of that name (any case), or NULL. */
const char *http_head_field(const struct http_head *h, const char *name);

bool http_is_token_char(unsigned char c);
bool http_is_value_char(unsigned char c); /* visible, blank, tab, 8-bit */
/* Decodes the path of a target in place; NULL when fine, else why not. n gets the new length. */
const char *http_path_decode(char *s, size_t *n);
/* Splits and decodes a query string (without '?') in place into pairs made in a. NULL when fine, else why not. */
const char *http_query_decode(struct arena *a, char *s, size_t n, struct http_pair **ret, size_t *ret_n);

#endif
