/* Worker threads with a bounded queue. Jobs are submitted from the loop's thread, run on a worker, and come back to the loop. */
#ifndef BERTH_NATIVE_POOL_H
#define BERTH_NATIVE_POOL_H

#include <stdbool.h>

#include "loop/mailbox.h"

struct loop;
struct err;
struct pool;

/* Embedded in what is worked on. run: on a worker. done: on the loop's thread, after run, exactly once per submit. */
struct job {
	struct letter letter;
	struct job *next;
	void (*run)(struct job *job);
	void (*done)(struct job *job);
};

/* name shows in thread lists ("handler"). max_queued: jobs waiting for a free worker, beyond which submits are refused. */
int pool_new(struct loop *l, const char *name, unsigned threads, unsigned max_queued, struct pool **ret, struct err *err);
int pool_submit(struct pool *p, struct job *job); /* 0, or E_TOO_MANY: the job is untouched */
bool pool_idle(struct pool *p);                   /* nothing queued, running or on its way back */
/* Joins the workers; only when idle. A worker that hangs in a module cannot be joined: then the process exits without it. */
void pool_free(struct pool *p);

#endif
