/* The event loop: one per thread, on libevent (EVENT_BASE_FLAG_PRECISE_TIMER). Everything here runs on the loop's thread,
 * except mailbox_post(), which any thread may call. */
#ifndef BERTH_LOOP_LOOP_H
#define BERTH_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct event_base;
struct loop;
struct err;

int loop_new(struct loop **ret, struct err *err);
void loop_free(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop(); runs everything that is ready before it returns */
void loop_stop(struct loop *l);
struct event_base *loop_base(struct loop *l);

/* How late the loop is: what timers are served after they were due, and letters after they were posted to an empty mailbox. Only while it
 * runs; a loop that nothing wants anything of has no lag. */
#define LOOP_LATE_US (100 * US_PER_MS)
struct loop_lag {
	int64_t max_us;
	uint64_t late; /* events that waited longer than LOOP_LATE_US */
};
void loop_lag(const struct loop *l, struct loop_lag *ret);
void loop_served(struct loop *l, mono_t due); /* for parts of the room: something that was due then is served now */

typedef void (*loop_fn)(void *arg);

/* One-shot timer in the caller's memory; a running one is re-armed by timer_set. timer_init before use, timer_cancel before the memory
 * goes. */
struct timer {
	struct event *ev;
	struct loop *loop;
	mono_t due;
	loop_fn fn;
	void *arg;
};
void timer_init(struct timer *t, struct loop *l, loop_fn fn, void *arg);
void timer_set(struct timer *t, int64_t us); /* from now; 0 = next turn */
void timer_cancel(struct timer *t);          /* idempotent */
void timer_deinit(struct timer *t);

/* A call that runs once, after the current callback returned, before the loop waits again. Scheduling twice is once. */
struct deferred {
	struct event *ev;
	loop_fn fn;
	void *arg;
	bool pending;
};
void deferred_init(struct deferred *d, struct loop *l, loop_fn fn, void *arg);
void deferred_schedule(struct deferred *d);
void deferred_deinit(struct deferred *d);

/* fn runs when fd is readable / writable; level triggered. */
struct watch {
	struct event *ev;
	void (*fn)(int fd, bool readable, bool writable, void *arg);
	void *arg;
};
void watch_init(struct watch *w, struct loop *l, int fd, bool read, bool write, void (*fn)(int, bool, bool, void *), void *arg);
void watch_deinit(struct watch *w);

/* fn runs on the loop when the signal arrives. Kept until loop_free. */
void loop_on_signal(struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg);

#endif
