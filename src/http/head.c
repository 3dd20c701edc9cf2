/* Refused: unknown methods (501) and versions (505), targets that are no plain path, controls, 8-bit bytes, backslash and fragment
 * in the target, any line end but CRLF, folded lines, blanks around names, fields that may stand once and stand twice, a missing
 * or bad Host, lengths that are not plain digits, transfer codings but a single `chunked`, length and coding together or on GET,
 * a body without either (411), expectations but 100-continue (417), more or longer lines than the limits (414, 431). */
#include "http/head.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"

#define MAX_LENGTH_DIGITS 15u

#define REFUSE(status, text) return *ret_reason = (text), (status)

bool http_is_token_char(unsigned char c) {
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool http_is_value_char(unsigned char c) {
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

/* One line end at i: CRLF, or refused. */
static int check_line_end(const char *p, size_t i, const char **ret_reason) {
	if (p[i] == '\n' && (i == 0 || p[i - 1] != '\r'))
		REFUSE(400, "a line ends in LF alone; lines end in CRLF");
	if (p[i] != '\n' && i > 0 && p[i - 1] == '\r')
		REFUSE(400, "a CR stands alone; lines end in CRLF");
	return 0;
}

static bool letter(char c) {
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

int http_head_scan(
    const char *p, size_t n, size_t *cursor, const struct http_head_limits *limits, size_t *ret_len, const char **ret_reason) {
	*ret_len = 0;
	if (n > 0 && !letter(p[0]))
		REFUSE(400, "a request starts with a method");
	const char *first_end = memchr(p, '\n', n < limits->max_line ? n : limits->max_line);
	if (first_end == NULL && n >= limits->max_line)
		REFUSE(414, "the request line is too long");
	for (size_t i = *cursor; i < n; i++) {
		if (i >= limits->max_head)
			REFUSE(431, "the request head is too large");
		int status = check_line_end(p, i, ret_reason);
		if (status != 0)
			return status;
		if (p[i] == '\0')
			REFUSE(400, "the request head holds a NUL");
		if (p[i] == '\n' && i >= 3 && p[i - 2] == '\n') {
			*ret_len = i + 1;
			return 0;
		}
	}
	*cursor = n;
	return 0;
}

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

static int parse_method(const char *s, size_t n, struct http_head *h, const char **ret_reason) {
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		if (strlen(methods[i]) == n && memcmp(methods[i], s, n) == 0) {
			h->method = methods[i];
			h->is_head = n == 4 && methods[i][0] == 'H';
			return 0;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (!http_is_token_char((unsigned char)s[i]))
			REFUSE(400, "the method is malformed");
	REFUSE(501, "this method is not supported");
}

static int parse_version(const char *s, size_t n, struct http_head *h, const char **ret_reason) {
	if (n != 8 || memcmp(s, "HTTP/", 5) != 0 || s[5] < '0' || s[5] > '9' || s[6] != '.' || s[7] < '0' || s[7] > '9')
		REFUSE(400, "the request line must be METHOD, blank, path, blank, HTTP/1.1");
	if (s[5] != '1' || s[7] > '1')
		REFUSE(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	h->minor = s[7] - '0';
	return 0;
}

static int parse_target(struct arena *a, char *s, size_t n, struct http_head *h, const char **ret_reason) {
	if (n == 0 || s[0] != '/')
		REFUSE(400, "the request target must be a path that starts with '/'");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '#')
			REFUSE(400, "the request target holds a character that must be percent-encoded");
	}
	char *mark = memchr(s, '?', n);
	size_t path_n = mark == NULL ? n : (size_t)(mark - s);
	const char *why = NULL;
	if (mark != NULL)
		why = http_query_decode(a, mark + 1, n - path_n - 1, &h->query, &h->n_query);
	if (why == NULL)
		why = http_path_decode(s, &path_n);
	if (why != NULL)
		REFUSE(400, why);
	s[path_n] = '\0';
	h->path = s;
	return 0;
}

/* "GET /path HTTP/1.1", without its CRLF; the byte behind it may be overwritten. */
static int parse_line(struct arena *a, char *s, size_t n, struct http_head *h, const char **ret_reason) {
	char *first = memchr(s, ' ', n), *last = memrchr(s, ' ', n);
	if (first == NULL || first == last || memchr(first + 1, ' ', (size_t)(last - first - 1)) != NULL)
		REFUSE(400, "the request line must be METHOD, blank, path, blank, HTTP/1.1");
	int status = parse_method(s, (size_t)(first - s), h, ret_reason);
	if (status == 0)
		status = parse_version(last + 1, n - (size_t)(last + 1 - s), h, ret_reason);
	if (status == 0)
		status = parse_target(a, first + 1, (size_t)(last - first - 1), h, ret_reason);
	return status;
}

static int parse_field(char *s, size_t n, struct http_pair *ret, const char **ret_reason) {
	if (s[0] == ' ' || s[0] == '\t')
		REFUSE(400, "a header line is folded");
	char *colon = memchr(s, ':', n);
	if (colon == NULL || colon == s)
		REFUSE(400, "a header line has no name and colon");
	for (char *c = s; c < colon; c++)
		if (!http_is_token_char((unsigned char)*c))
			REFUSE(400, "a header name holds a character that is not allowed (a blank before the colon?)");
	char *from = colon + 1, *to = s + n;
	for (char *c = from; c < to; c++)
		if (!http_is_value_char((unsigned char)*c))
			REFUSE(400, "a header value holds a control character");
	bool framing = (colon - s == 14 && strncasecmp(s, "Content-Length", 14) == 0) ||
	               (colon - s == 17 && strncasecmp(s, "Transfer-Encoding", 17) == 0);
	if (framing && memchr(from, '\t', (size_t)(to - from)) != NULL)
		REFUSE(400, "a tab in Content-Length or Transfer-Encoding is not read alike by everybody");
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	*colon = '\0';
	*to = '\0';
	*ret = (struct http_pair){ s, from };
	return 0;
}

static int parse_fields(
    struct arena *a, char *s, size_t n, const struct http_head_limits *limits, struct http_head *h, const char **ret_reason) {
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += s[i] == '\n';
	if (count > limits->max_fields)
		REFUSE(431, "the request has too many header lines");
	h->fields = arena_alloc(a, (count + 1) * sizeof *h->fields);
	for (size_t at = 0; at < n;) {
		char *end = memchr(s + at, '\r', n - at);
		if (end == NULL || end[1] != '\n')
			REFUSE(400, "a CR stands alone; lines end in CRLF");
		size_t len = (size_t)(end - (s + at));
		int status = parse_field(s + at, len, &h->fields[h->n_fields], ret_reason);
		if (status != 0)
			return status;
		h->n_fields++;
		at += len + 2;
	}
	return 0;
}

const char *http_head_field(const struct http_head *h, const char *name) {
	for (size_t i = 0; i < h->n_fields; i++)
		if (strcasecmp(h->fields[i].name, name) == 0)
			return h->fields[i].value;
	return NULL;
}

/* What decides who is asked, how long the message is or who asks may stand once: another program may take the other one. */
static int check_single(const struct http_head *h, const char **ret_reason) {
	static const char *const once[] = {
		"Host",
		"Content-Length",
		"Transfer-Encoding",
		"Content-Type",
		"Authorization",
		"Expect",
		"Idempotency-Key",
		"Range",
	};
	for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
		unsigned seen = 0;
		for (size_t k = 0; k < h->n_fields; k++)
			seen += strcasecmp(h->fields[k].name, once[i]) == 0;
		if (seen > 1)
			REFUSE(400,
			    "a header that may be given once is given twice (Host, Content-Length, Transfer-Encoding, Content-Type, "
			    "Authorization, Expect, Idempotency-Key or Range)");
	}
	return 0;
}

static int check_host(const struct http_head *h, const char **ret_reason) {
	const char *host = http_head_field(h, "Host");
	if (host == NULL && h->minor == 0)
		return 0;
	if (host == NULL)
		REFUSE(400, "the Host header is missing");
	static const char punctuation[] = "-._~!$&'()*+,;=%:[]";
	for (const char *c = host; *c != '\0'; c++)
		if (!letter(*c) && (*c < '0' || *c > '9') && strchr(punctuation, *c) == NULL)
			REFUSE(400, "the Host header is malformed");
	if (*host == '\0' || strlen(host) > 255)
		REFUSE(400, "the Host header is malformed");
	return 0;
}

static int parse_length(const char *s, int64_t *ret, const char **ret_reason) {
	size_t n = strlen(s);
	int64_t v = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			REFUSE(400, "Content-Length is not a plain number");
		if (n <= MAX_LENGTH_DIGITS)
			v = v * 10 + (s[i] - '0');
	}
	if (n == 0)
		REFUSE(400, "Content-Length is not a plain number");
	if (n > MAX_LENGTH_DIGITS)
		REFUSE(413, "Content-Length has more than 15 digits");
	*ret = v;
	return 0;
}

static bool carries_body(const char *method) {
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static int check_framing(struct http_head *h, const char **ret_reason) {
	const char *length = http_head_field(h, "Content-Length"), *coding = http_head_field(h, "Transfer-Encoding");
	if (coding != NULL) {
		if (length != NULL)
			REFUSE(400, "Content-Length and Transfer-Encoding exclude each other");
		if (h->minor == 0)
			REFUSE(400, "HTTP/1.0 has no Transfer-Encoding");
		if (strcasecmp(coding, "chunked") != 0)
			REFUSE(501, "the only transfer coding spoken here is chunked");
		h->content_length = -1;
	} else if (length != NULL) {
		int status = parse_length(length, &h->content_length, ret_reason);
		if (status != 0)
			return status;
	} else if (carries_body(h->method)) {
		REFUSE(411, "send Content-Length, also for an empty body (Content-Length: 0), or Transfer-Encoding: chunked");
	}
	if (h->content_length != 0 && (h->is_head || strcmp(h->method, "GET") == 0))
		REFUSE(400, "GET and HEAD carry no body");
	return 0;
}

static int check_expect(struct http_head *h, const char **ret_reason) {
	const char *expect = http_head_field(h, "Expect");
	if (expect == NULL)
		return 0;
	if (strcasecmp(expect, "100-continue") != 0)
		REFUSE(417, "the only expectation that can be met is 100-continue");
	h->expect_continue = h->minor >= 1 && h->content_length != 0;
	return 0;
}

/* All Connection lines together are one list of tokens. */
static int check_connection(struct http_head *h, const char **ret_reason) {
	bool close = false, keep = false;
	for (size_t i = 0; i < h->n_fields; i++) {
		if (strcasecmp(h->fields[i].name, "Connection") != 0)
			continue;
		const char *s = h->fields[i].value;
		while (*s != '\0') {
			s += strspn(s, ", \t");
			size_t n = strcspn(s, ", \t");
			for (size_t k = 0; k < n; k++)
				if (!http_is_token_char((unsigned char)s[k]))
					REFUSE(400, "the Connection header is not a list of tokens");
			close |= n == 5 && strncasecmp(s, "close", n) == 0;
			keep |= n == 10 && strncasecmp(s, "keep-alive", n) == 0;
			s += n;
		}
	}
	h->keep_alive = !close && (h->minor >= 1 || keep);
	return 0;
}

int http_head_parse(
    struct arena *a, const char *p, size_t n, const struct http_head_limits *limits, struct http_head *ret, const char **ret_reason) {
	char *s = arena_strndup(a, p, n);
	struct http_head h = { 0 };
	char *end = memchr(s, '\n', n);
	if (end == NULL || end == s || n < 4 || memcmp(s + n - 4, "\r\n\r\n", 4) != 0)
		REFUSE(400, "the request head is incomplete");
	int status = parse_line(a, s, (size_t)(end - s) - 1, &h, ret_reason);
	if (status == 0)
		status = parse_fields(a, end + 1, n - (size_t)(end + 1 - s) - 2, limits, &h, ret_reason);
	if (status == 0)
		status = check_single(&h, ret_reason);
	if (status == 0)
		status = check_host(&h, ret_reason);
	if (status == 0)
		status = check_framing(&h, ret_reason);
	if (status == 0)
		status = check_expect(&h, ret_reason);
	if (status == 0)
		status = check_connection(&h, ret_reason);
	if (status == 0)
		*ret = h;
	return status;
}
