/* Building and splitting URLs for the programs that are clients. */
#ifndef BERTH_HTTP_URI_H
#define BERTH_HTTP_URI_H

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;

struct uri {
	bool tls;
	const char *host;   /* without brackets */
	uint16_t port;      /* 80 or 443 when not given */
	const char *target; /* path and query, "/" at least */
};

/* "http://127.0.0.1:7777/v1?x=1", "https://[::1]/". E_INVALID for other schemes, user:password@, fragments, blanks and bad ports. */
int uri_split(struct arena *a, const char *url, struct uri *ret, struct err *err);
/* "http://[::1]:7777" + target, ports always written. */
char *uri_join(struct arena *a, const struct uri *u);

/* One path segment or query part: everything but A–Z a–z 0–9 - . _ ~ becomes %XY. */
void uri_escape(struct buf *b, const char *s);
/* "?name=value" or "&name=value", both escaped, as b already holds a '?' or not. Nothing when value is NULL. */
void uri_add_query(struct buf *b, const char *name, const char *value);

#endif
