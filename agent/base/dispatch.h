/* Who works on which request when: a fair hand-over of calls to the handler threads. Loop thread only.
 *
 * Each module has a queue; the modules with waiting calls take turns; the last quarter of the workers is for modules that have
 * none, so handlers that block starve nobody but their own module. Everything queued counts against a limit. */
#ifndef BERTH_NATIVE_DISPATCH_H
#define BERTH_NATIVE_DISPATCH_H

#include "biz.h"
#include "call.h"

struct dispatch {
	struct pool *pool;
	unsigned workers, reserve; /* threads in all, and those kept for modules that have none */
	unsigned max_queued, max_queued_per_module;
	unsigned running, queued;
	TAILQ_HEAD(, biz) ready;
};

void dispatch_init(struct dispatch *d, struct pool *pool, unsigned workers, unsigned max_queued);
/* The call is inside its module from now on; c->finished follows. E_TOO_MANY: queue full, the call is still the caller's. */
int dispatch_submit(struct dispatch *d, struct call *c);
/* fn runs once when no call is inside b: never before this returned unless it returns true (nobody is inside now, fn is not kept). */
bool dispatch_when_empty(struct biz *b, void (*fn)(void *arg), void *arg);

#endif
