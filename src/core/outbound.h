/* What the core needs of whoever speaks HTTP for it: gates of plans, hooks around a swap. Implemented by src/server (libcurl on the loop)
 * and by the simulation. The implementer caps time and size and follows no redirect; see docs/plans.md for what it refuses. */
#ifndef BERTH_CORE_OUTBOUND_H
#define BERTH_CORE_OUTBOUND_H

#include <stdint.h>

struct outbound;

struct outbound_request {
	const char *method, *url;
	const char *body;   /* JSON, or NULL */
	const char *key;    /* Idempotency-Key, or NULL */
	const char *secret; /* the body is signed with it, as webhooks are (base/secret.h); NULL: it is not */
	int64_t timeout_us; /* 0: the implementer's */
};
struct outbound_answer {
	int status;             /* 0: none came; text says why */
	int64_t retry_after_us; /* of Retry-After in seconds; 0 = not given */
	const char *text;       /* first line of the body, at most 120 bytes; never of a probe through a base */
};
typedef void (*outbound_done)(void *arg, const struct outbound_answer *a);

struct outbound_ops {
	/* The request is copied. done runs exactly once, never before start returned, on the loop's thread; also after a cancel. */
	void (*start)(struct outbound *o, const struct outbound_request *r, outbound_done done, void *arg);
	/* Every request of that arg's owner ends now: done with status 0, from within. Before the core is freed. */
	void (*cancel_all)(struct outbound *o);
};
struct outbound {
	const struct outbound_ops *ops;
};

#endif
