/* Deadlines of one length: a queue that costs O(1) per arming and one timer in all. For "no sign of life for so long", "answer
 * within so long" over very many objects; re-arming on each message is a list move and touches no timer. */
#ifndef BERTH_LOOP_EXPIRY_H
#define BERTH_LOOP_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "loop/loop.h"

struct expiry { /* embed; zeroed = not armed */
	TAILQ_ENTRY(expiry) link;
	mono_t due;
	bool armed;
};

struct expiry_queue {
	TAILQ_HEAD(, expiry) items;
	struct timer timer;
	bool ticking;
	int64_t us;
	void (*fn)(struct expiry *e, void *arg);
	void *arg;
};

/* fn runs once per expired item, which is not armed any more; it may arm, cancel or free any item. us > 0, the same for all. */
void expiry_queue_init(struct expiry_queue *q, struct loop *l, int64_t us, void (*fn)(struct expiry *e, void *arg), void *arg);
void expiry_queue_deinit(struct expiry_queue *q);             /* what is armed is forgotten */
void expiry_set(struct expiry_queue *q, struct expiry *e);    /* us from now, also when armed already */
void expiry_cancel(struct expiry_queue *q, struct expiry *e); /* idempotent */

#endif
