/* URLs are taken apart by libcurl's own parser: a second one would see another host than libcurl connects to. Rules are read here. */
#include "loop/origin.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

#define HTTPS_PORT 443u
#define HTTP_PORT 80u
#define MAX_PORT 65535

static const char host_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";

static unsigned own_port(const char *scheme) {
	return strcmp(scheme, "https") == 0 ? HTTPS_PORT : HTTP_PORT;
}

/* Lower case. False for what no rule can name: libcurl maps other letters to ASCII ones, full-width slashes among them, only when it
 * connects. */
static bool host_read(const char *text, size_t n, char ret[ORIGIN_HOST]) {
	if (n == 0 || n >= ORIGIN_HOST)
		return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
	ret[n] = '\0';
	if (ret[0] == '[')
		return n > 2 && strspn(ret + 1, "0123456789abcdef:.") == n - 2 && ret[n - 1] == ']';
	return strspn(ret, host_letters) == n;
}

static bool part(CURLU *u, CURLUPart which, unsigned flags, const char *scheme, struct origin *ret) {
	char *text = NULL;
	bool ok = curl_url_get(u, which, &text, flags) == CURLUE_OK;
	if (ok && which == CURLUPART_SCHEME)
		ok = snprintf(ret->scheme, sizeof ret->scheme, "%s", text) < (int)sizeof ret->scheme;
	else if (ok && which == CURLUPART_HOST)
		ok = host_read(text, strlen(text), ret->host);
	else if (ok)
		ret->port = (unsigned)strtoul(text, NULL, 10);
	curl_free(text);
	return ok;
}

int origin_of(const char *url, struct origin *ret, struct err *err) {
	struct origin o = { .port = 0 };
	CURLU *u = curl_url();
	if (u == NULL)
		abort();
	bool ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && part(u, CURLUPART_SCHEME, 0, NULL, &o) &&
	          part(u, CURLUPART_HOST, 0, NULL, &o) && part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, NULL, &o);
	curl_url_cleanup(u);
	if (!ok || (strcmp(o.scheme, "http") != 0 && strcmp(o.scheme, "https") != 0))
		return err_set(err, E_INVALID, "that is no http or https URL with a host of plain letters");
	*ret = o;
	return 0;
}

bool origin_same(const struct origin *a, const struct origin *b) {
	return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 && a->port == b->port;
}

/* ":8443", or nothing. */
static bool port_read(const char *text, size_t n, const char *scheme, unsigned *ret) {
	char digits[6] = "";
	if (n == 0) {
		*ret = own_port(scheme);
		return true;
	}
	if (text[0] != ':' || n < 2 || n > sizeof digits)
		return false;
	memcpy(digits, text + 1, n - 1);
	unsigned long port = strtoul(digits, NULL, 10);
	*ret = (unsigned)port;
	return strspn(digits, "0123456789") == n - 1 && port > 0 && port <= MAX_PORT;
}

static size_t scheme_read(const char *text, size_t n, char ret[6]) {
	static const char *const schemes[] = { "https", "http" };
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(schemes[i]);
		if (n >= len + 3 && strncmp(text, schemes[i], len) == 0 && strncmp(text + len, "://", 3) == 0) {
			memcpy(ret, schemes[i], len + 1);
			return len + 3;
		}
	}
	memcpy(ret, "https", 6);
	return 0;
}

int origin_rule_parse(const char *text, size_t n, struct origin_rule *ret, struct err *err) {
	struct origin_rule r = { .below = false };
	size_t at = scheme_read(text, n, r.at.scheme);
	r.below = n - at > 2 && strncmp(text + at, "*.", 2) == 0;
	at += r.below;
	const char *bracket = n > at && text[at] == '[' ? memchr(text + at, ']', n - at) : NULL;
	const char *colon = bracket != NULL ? bracket + 1 : memchr(text + at, ':', n - at);
	size_t host = colon != NULL ? (size_t)(colon - text) - at : n - at;
	if (!host_read(text + at, host, r.at.host) || (r.at.host[0] == '.') != r.below ||
	    !port_read(text + at + host, n - at - host, r.at.scheme, &r.at.port))
		return err_set(err, E_INVALID,
		    "\"%.*s\" names no host; write repo.example.com, *.example.com, either with :PORT behind it, or http:// in front when "
		    "it is "
		    "plain HTTP",
		    (int)(n > 80 ? 80 : n), text);
	*ret = r;
	return 0;
}

bool origin_rule_allows(const struct origin_rule *r, const struct origin *o) {
	if (!r->below)
		return origin_same(&r->at, o);
	size_t n = strlen(o->host), tail = strlen(r->at.host);
	return strcmp(r->at.scheme, o->scheme) == 0 && r->at.port == o->port && n > tail && strcmp(o->host + n - tail, r->at.host) == 0;
}

void origin_rule_print(const struct origin_rule *r, struct buf *out) {
	buf_printf(out, "%s://%s%s", r->at.scheme, r->below ? "*" : "", r->at.host);
	if (r->at.port != own_port(r->at.scheme))
		buf_printf(out, ":%u", r->at.port);
}
