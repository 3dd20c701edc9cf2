/* One thread for what would hold the loop: fsync, digests, removing folders, reading megabytes of JSON. Jobs run one after the other; each
 * ends on the loop. */
#ifndef BERTH_LOOP_WORKER_H
#define BERTH_LOOP_WORKER_H

#include "loop/mailbox.h"

struct loop;
struct err;
struct worker;

struct job { /* in the caller's memory until done ran */
	struct letter letter;
	struct job *next;
	void (*run)(struct job *job);  /* on the worker's thread; touches nothing but the job */
	void (*done)(struct job *job); /* on the loop's thread, exactly once */
};

int worker_new(struct loop *l, struct worker **ret, struct err *err);
void worker_submit(struct worker *w, struct job *job);
void worker_free(struct worker *w); /* waits for all jobs; done of each runs before it returns */

#endif
