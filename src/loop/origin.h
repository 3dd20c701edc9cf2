/* Where a URL leads: scheme, host and port as libcurl reads them, so that what is checked is what is asked. And rules that name such
 * places, for what must not go to others. */
#ifndef BERTH_LOOP_ORIGIN_H
#define BERTH_LOOP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

#define ORIGIN_HOST 256 /* bytes with the NUL; DNS knows no longer name */

struct origin {
	char scheme[6];         /* "http" or "https" */
	char host[ORIGIN_HOST]; /* lower case; an IPv6 address in brackets */
	unsigned port;          /* the scheme's own when the URL names none */
};

/* E_INVALID: no absolute http or https URL, or its host is not plain ASCII. */
int origin_of(const char *url, struct origin *ret, struct err *err);
bool origin_same(const struct origin *a, const struct origin *b);

/* "repo.example.com", "*.example.com" (whatever is below it, not itself), "[::1]"; ":8443" behind it for another port than the scheme's
 * own; "http://" in front for plain HTTP, otherwise https is meant. */
struct origin_rule {
	struct origin at; /* below: host is ".example.com" */
	bool below;
};
int origin_rule_parse(const char *text, size_t n, struct origin_rule *ret, struct err *err);
bool origin_rule_allows(const struct origin_rule *r, const struct origin *o);
void origin_rule_print(const struct origin_rule *r, struct buf *out); /* with its scheme; the port when it is not the scheme's own */

#endif
