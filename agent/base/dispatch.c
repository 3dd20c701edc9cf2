/* Fair hand-over of calls to the handler threads. */
#include "dispatch.h"

#include <stddef.h>

#include "base/err.h"
#include "crash.h"

void dispatch_init(struct dispatch *d, struct pool *pool, unsigned workers, unsigned max_queued) {
	*d = (struct dispatch){
		.pool = pool,
		.workers = workers,
		.reserve = workers >= 4 ? workers / 4 : workers > 1,
		.max_queued = max_queued,
		.max_queued_per_module = max_queued > 1 ? max_queued / 2 : 1,
	};
	TAILQ_INIT(&d->ready);
}

static void call_run(struct job *job) {
	struct call *c = (struct call *)((char *)job - offsetof(struct call, job));
	crash_enter(c->biz->info.name, c->biz->info.version, c->pub.method, c->pub.path);
	c->route->handler(&c->pub);
	crash_leave();
}

static void dispatch_pump(struct dispatch *d);

static void call_done(struct job *job) {
	struct call *c = (struct call *)((char *)job - offsetof(struct call, job));
	struct dispatch *d = c->owner;
	struct biz *b = c->biz;
	d->running--;
	b->running--;
	b->served++;
	c->finished(c);
	/* After the answer was handed over: a module is empty when nobody waits for a word from it. */
	if (--b->inside == 0 && b->emptied) {
		void (*emptied)(void *) = b->emptied;
		b->emptied = NULL;
		emptied(b->emptied_arg);
	}
	dispatch_pump(d);
}

/* The next module that may have one more worker; it goes to the end of the ring, or out of it. */
static struct call *call_next(struct dispatch *d) {
	struct biz *b;
	TAILQ_FOREACH(b, &d->ready, ready)
		if (b->running == 0 || d->workers - d->running > d->reserve)
			break;
	if (!b)
		return NULL;
	struct call *c = TAILQ_FIRST(&b->queue);
	TAILQ_REMOVE(&b->queue, c, link);
	TAILQ_REMOVE(&d->ready, b, ready);
	if (!TAILQ_EMPTY(&b->queue))
		TAILQ_INSERT_TAIL(&d->ready, b, ready);
	return c;
}

static void dispatch_pump(struct dispatch *d) {
	struct call *c;
	while (d->running < d->workers && (c = call_next(d))) {
		c->job.run = call_run;
		c->job.done = call_done;
		d->queued--;
		d->running++;
		c->biz->running++;
		/* The pool has one place per worker, so it cannot be full. */
		if (pool_submit(d->pool, &c->job) != 0)
			__builtin_trap();
	}
}

int dispatch_submit(struct dispatch *d, struct call *c) {
	struct biz *b = c->biz;
	if (d->queued >= d->max_queued || b->inside - b->running >= d->max_queued_per_module)
		return E_TOO_MANY;
	c->owner = d;
	if (TAILQ_EMPTY(&b->queue))
		TAILQ_INSERT_TAIL(&d->ready, b, ready);
	TAILQ_INSERT_TAIL(&b->queue, c, link);
	b->inside++;
	d->queued++;
	dispatch_pump(d);
	return 0;
}

bool dispatch_when_empty(struct biz *b, void (*fn)(void *arg), void *arg) {
	if (!b->inside)
		return true;
	b->emptied = fn;
	b->emptied_arg = arg;
	return false;
}
