/* The agent's own readiness, for load balancers and start scripts: GET /ready (200 once the baseline is in, else 503), /livez,
 * /status (JSON, for people). Loopback unless told otherwise; nothing can be changed through it. */
#ifndef BERTH_AGENT_READY_H
#define BERTH_AGENT_READY_H

#include "brain.h"

struct err;
struct loop;
struct ready;

struct ready_facts { /* what /status says beside the brain's view; strings live during the call */
	const char *base, *server, *arklet, *address;
	int64_t pid;
};

int ready_new(struct loop *l, const char *address, const struct brain *b, void (*facts)(void *arg, struct ready_facts *ret), void *arg,
    struct ready **ret, int *ret_port, struct err *err);
void ready_free(struct ready *r);

#endif
