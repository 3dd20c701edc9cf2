/* Inside of the driver: what every kind of link has, and the driver's own state.
 *
 * A link is known to the core from core_base_hello() until core_base_gone() or a refusal; with each fresh model (rehello_all) nothing is
 * known until the link's Hello was given again. */
#ifndef BERTH_DRIVE_LINK_H
#define BERTH_DRIVE_LINK_H

#include <sys/queue.h>

#include "base/clock.h"
#include "core/driver.h"
#include "drive/drive.h"
#include "drive/ration.h"
#include "loop/expiry.h"
#include "loop/loop.h"

struct core;
struct fetcher;
struct roster;
struct worker;

struct link_ops {
	void (*welcome)(struct driver_link *k, const Berth__V1__Welcome *w);
	void (*refuse)(struct driver_link *k, const char *code, const char *detail, bool final);
	void (*command)(struct driver_link *k, const Berth__V1__Command *c);
	void (*ack)(struct driver_link *k, int64_t committed_seq);
	void (*prefetch)(struct driver_link *k, const Berth__V1__Prefetch *p);
	void (*tick)(struct driver_link *k, int64_t epoch, int64_t last_event);
	void (*hello)(struct driver_link *k);                  /* give the core what the base said of itself, as it is now */
	void (*leave)(struct driver_link *k, const char *why); /* close; the base should go elsewhere */
	void *(*logs)(struct driver_link *k, int64_t bytes, bool follow, driver_logs_fn fn, void *arg);
};

struct driver_link {
	const struct link_ops *ops;
	struct drive *drive;
	TAILQ_ENTRY(driver_link) link;
	uint64_t model; /* the core's model that knows it; see drive.model */
	int64_t epoch;  /* welcomed in; 0 = not */
};

/* One pass over all links, a slice per turn, so that ten thousand bases do not hold the loop. A link that goes moves the cursor on. */
struct walk {
	struct drive *drive;
	struct deferred turn;
	struct driver_link *at;
	mono_t started;
	int64_t us; /* given up when it is not through by then; 0 = never */
	void (*visit)(struct drive *d, struct driver_link *k);
};

struct drive {
	struct driver driver; /* first: core's handle */
	struct loop *loop;
	struct core *core;
	struct drive_limits limits;
	TAILQ_HEAD(, driver_link) links;
	uint64_t model; /* counts rehello_all: a link with another number is unknown to the core */
	struct walk tick, rehello, leave;
	int64_t tick_epoch, tick_event;
	char why[160]; /* of leave; "" = staying */
	struct expiry_queue greetings, silences;
	struct rations rations;
	struct bucket refusals; /* of log lines */
	int64_t next_log;
	struct drive_stats stats;
	struct roster *roster; /* bases without an agent */
	struct fetcher *fetcher;
	struct worker *reader; /* of their long answers */
	struct offers *offers; /* of artifacts, to bases without an agent */
};

void link_add(struct drive *d, struct driver_link *k, const struct link_ops *ops);
void link_remove(struct driver_link *k);
bool link_in_core(const struct driver_link *k);

/* The expiry queues' callbacks; agent.c. */
void agent_greeting_expired(struct expiry *e, void *arg);
void agent_silence_expired(struct expiry *e, void *arg);
void agent_logs_stop(void *handle);

#endif
