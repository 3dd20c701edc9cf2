/* Clients only: what arrives at the server is taken apart in head.c and target.c, with other duties. */
#include "http/uri.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

static int refuse(const char *url, struct err *err) {
	return err_set(err, E_INVALID, "'%.200s' is no usable address; write http://HOST:PORT or https://HOST:PORT", url);
}

static bool port_parse(const char *s, size_t n, uint16_t *ret) {
	unsigned v = 0;
	if (n == 0 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	*ret = (uint16_t)v;
	return v > 0 && v <= 65535;
}

static bool host_ok(const char *s, size_t n, bool bracketed) {
	for (size_t i = 0; i < n; i++) {
		bool name = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
		            strchr("-._", s[i]) != NULL;
		if (!name && !(bracketed && (s[i] == ':' || s[i] == '%')))
			return false;
	}
	return n > 0 && n < 256;
}

/* "host", "host:port", "[v6]:port" */
static bool authority_split(struct arena *a, const char *s, size_t n, struct uri *u) {
	bool bracketed = *s == '[';
	const char *end = s + n, *host = s + bracketed, *host_end;
	if (bracketed) {
		host_end = memchr(s, ']', n);
		if (host_end == NULL)
			return false;
	} else {
		host_end = memchr(s, ':', n);
		if (host_end == NULL)
			host_end = end;
	}
	const char *rest = host_end + bracketed;
	if (!host_ok(host, (size_t)(host_end - host), bracketed))
		return false;
	if (rest != end && (*rest != ':' || !port_parse(rest + 1, (size_t)(end - rest - 1), &u->port)))
		return false;
	u->host = arena_strndup(a, host, (size_t)(host_end - host));
	return true;
}

int uri_split(struct arena *a, const char *url, struct uri *ret, struct err *err) {
	struct uri u = { 0 };
	const char *s = url;
	if (strncasecmp(s, "http://", 7) == 0) {
		u.port = 80;
		s += 7;
	} else if (strncasecmp(s, "https://", 8) == 0) {
		u.tls = true;
		u.port = 443;
		s += 8;
	} else {
		return refuse(url, err);
	}
	for (const char *c = s; *c != '\0'; c++)
		if ((unsigned char)*c <= 0x20 || *c == 0x7f || *c == '#' || *c == '\\')
			return refuse(url, err);
	size_t n = strcspn(s, "/?");
	if (!authority_split(a, s, n, &u))
		return refuse(url, err);
	s += n;
	u.target = *s == '/' ? arena_strdup(a, s) : arena_printf(a, "/%s", s);
	*ret = u;
	return 0;
}

char *uri_join(struct arena *a, const struct uri *u) {
	bool v6 = strchr(u->host, ':') != NULL;
	return arena_printf(a, "http%s://%s%s%s:%u%s", u->tls ? "s" : "", v6 ? "[" : "", u->host, v6 ? "]" : "", u->port, u->target);
}

void uri_escape(struct buf *b, const char *s) {
	static const char hex[] = "0123456789ABCDEF";
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) != NULL) {
			buf_add_char(b, (char)c);
		} else {
			char three[3] = { '%', hex[c >> 4], hex[c & 15] };
			buf_add(b, three, 3);
		}
	}
}

void uri_add_query(struct buf *b, const char *name, const char *value) {
	if (value == NULL)
		return;
	buf_add_char(b, strchr(buf_str(b), '?') == NULL ? '?' : '&');
	uri_escape(b, name);
	buf_add_char(b, '=');
	uri_escape(b, value);
}
