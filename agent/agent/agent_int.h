/* Inside the agent: agent.c connects the parts, who.c knows who this base is. */
#ifndef BERTH_AGENT_AGENT_INT_H
#define BERTH_AGENT_AGENT_INT_H

#include <limits.h>

#include "agent.h"
#include "arklet.h"
#include "brain.h"
#include "cache.h"
#include "hook.h"
#include "link.h"
#include "logs.h"
#include "loop/cq.h"
#include "loop/loop.h"
#include "output.h"
#include "ready.h"
#include "store.h"
#include "supervise.h"

struct fetcher;

struct agent {
	struct loop *loop;
	struct brain *brain;
	struct store *store;
	struct fetcher *fetcher;
	struct cache *cache;
	struct arklet *arklet;
	struct supervise *supervise; /* NULL: something else starts the base */
	struct output *output;       /* NULL then too */
	struct cq *cq;
	struct link *link;
	struct logs *logs;
	struct hooks *hooks;
	struct ready *ready;
	struct timer timer;
	struct deferred effects;
	char id[64], dir[PATH_MAX - 256], address[128], arklet_url[256];
	Berth__V1__Runtime runtime;
	bool adopted, stopping, leaving;
	int status;
};

struct who_state {
	int64_t pid, pid_start;
};

Berth__V1__Runtime who_runtime(const struct agent_options *o, char **command);
int who_read_state(const uint8_t *p, size_t n, struct who_state *ret, struct err *err); /* what is needed before there is a brain */
int who_id(struct agent *a, const struct agent_options *o, struct err *err);
int who_make_brain(struct agent *a, const struct agent_options *o, bool supervised, const uint8_t *state, size_t n, struct err *err);

#endif
