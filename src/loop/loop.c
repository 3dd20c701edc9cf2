/* The loop on libevent: timers, deferred calls, descriptors, signals. Every program has one per thread that needs one. */
#include "loop/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/err.h"

/* After so many callbacks or so long the loop looks at descriptors and timers again, so that a chain of deferred calls
 * that feeds itself cannot shut them out. */
#define MAX_BATCH_US 10000
#define MAX_BATCH_CALLS 256
#define MAX_TIMER_US (INT64_C(100) * 366 * 86400 * US_PER_S)
#define MAX_LAST_TURNS 100

struct signal_watch {
	struct signal_watch *next;
	struct event *ev;
	void (*fn)(int signo, void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct signal_watch *signals;
	mono_t running; /* since then */
	struct loop_lag lag;
};

static struct event_base *base_new(void) {
	struct event_config *cfg = event_config_new();
	if (cfg == NULL)
		return NULL;
	struct timeval max_batch = { .tv_usec = MAX_BATCH_US };
	struct event_base *base = NULL;
	/* Without the precise timer a 1 ms time-out fires after 4 ms (libevent 2.1.12 uses the coarse clock). */
	if (event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER) == 0 &&
	    event_config_set_max_dispatch_interval(cfg, &max_batch, MAX_BATCH_CALLS, 0) == 0)
		base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

int loop_new(struct loop **ret, struct err *err) {
	signal(SIGPIPE, SIG_IGN); /* a peer that closed is an error code, not the end of the process */
	struct loop *l = calloc(1, sizeof *l);
	if (l == NULL)
		return err_set(err, E_NOMEM, "no memory for an event loop");
	l->base = base_new();
	if (l->base == NULL) {
		free(l);
		return err_set(err, E_INTERNAL, "libevent gave no event base; check the limit of open files (ulimit -n)");
	}
	*ret = l;
	return 0;
}

void loop_free(struct loop *l) {
	if (l == NULL)
		return;
	for (struct signal_watch *s = l->signals, *next; s != NULL; s = next) {
		next = s->next;
		event_free(s->ev);
		free(s);
	}
	event_base_free(l->base);
	free(l);
}

void loop_lag(const struct loop *l, struct loop_lag *ret) {
	*ret = l->lag;
}

void loop_served(struct loop *l, mono_t due) {
	int64_t us = mono_diff(clock_mono(&clock_real), mono_before(due, l->running) ? l->running : due);
	l->lag.late += us > LOOP_LATE_US;
	if (us > l->lag.max_us)
		l->lag.max_us = us;
}

void loop_run(struct loop *l) {
	l->running = clock_mono(&clock_real);
	event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
	/* The exit can fall between two batches: run what was already active. Each turn is ended by an exit of its own, because
	 * a call that feeds itself would keep even a non-blocking turn going for ever. */
	for (int i = 0; i < MAX_LAST_TURNS && event_base_get_num_events(l->base, EVENT_BASE_COUNT_ACTIVE) > 0; i++) {
		event_base_loopexit(l->base, NULL);
		event_base_loop(l->base, EVLOOP_NONBLOCK);
	}
}

void loop_stop(struct loop *l) {
	event_base_loopexit(l->base, NULL);
}

struct event_base *loop_base(struct loop *l) {
	return l->base;
}

static struct event *make_event(struct loop *l, evutil_socket_t fd, short what, event_callback_fn fn, void *arg) {
	struct event *ev = event_new(l->base, fd, what, fn, arg);
	if (ev == NULL)
		abort();
	return ev;
}

static void drop_event(struct event **ev) {
	if (*ev != NULL)
		event_free(*ev);
	*ev = NULL;
}

static void timer_fire(evutil_socket_t fd, short what, void *arg) {
	struct timer *t = arg;
	loop_served(t->loop, t->due);
	t->fn(t->arg);
}

void timer_init(struct timer *t, struct loop *l, loop_fn fn, void *arg) {
	*t = (struct timer){ .loop = l, .fn = fn, .arg = arg };
	t->ev = make_event(l, -1, 0, timer_fire, t);
}

void timer_set(struct timer *t, int64_t us) {
	if (us < 0)
		us = 0;
	if (us > MAX_TIMER_US)
		us = MAX_TIMER_US;
	struct timeval tv = { .tv_sec = us / US_PER_S, .tv_usec = us % US_PER_S };
	t->due = mono_add(clock_mono(&clock_real), us);
	int r = event_add(t->ev, &tv);
	assert(r == 0);
	(void)r;
}

void timer_cancel(struct timer *t) {
	if (t->ev != NULL)
		event_del(t->ev);
}

void timer_deinit(struct timer *t) {
	drop_event(&t->ev);
}

static void deferred_fire(evutil_socket_t fd, short what, void *arg) {
	struct deferred *d = arg;
	d->pending = false;
	d->fn(d->arg);
}

void deferred_init(struct deferred *d, struct loop *l, loop_fn fn, void *arg) {
	*d = (struct deferred){ .fn = fn, .arg = arg };
	d->ev = make_event(l, -1, 0, deferred_fire, d);
}

void deferred_schedule(struct deferred *d) {
	if (d->pending)
		return;
	d->pending = true;
	event_active(d->ev, 0, 0);
}

void deferred_deinit(struct deferred *d) {
	drop_event(&d->ev);
	d->pending = false;
}

static void watch_fire(evutil_socket_t fd, short what, void *arg) {
	struct watch *w = arg;
	w->fn(fd, (what & EV_READ) != 0, (what & EV_WRITE) != 0, w->arg);
}

void watch_init(struct watch *w, struct loop *l, int fd, bool read, bool write, void (*fn)(int, bool, bool, void *), void *arg) {
	*w = (struct watch){ .fn = fn, .arg = arg };
	short what = (short)(EV_PERSIST | (read ? EV_READ : 0) | (write ? EV_WRITE : 0));
	w->ev = make_event(l, fd, what, watch_fire, w);
	int r = event_add(w->ev, NULL);
	assert(r == 0);
	(void)r;
}

void watch_deinit(struct watch *w) {
	drop_event(&w->ev);
}

static void signal_fire(evutil_socket_t signo, short what, void *arg) {
	struct signal_watch *s = arg;
	s->fn(signo, s->arg);
}

void loop_on_signal(struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg) {
	struct signal_watch *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->fn = fn;
	s->arg = arg;
	s->ev = make_event(l, signo, EV_SIGNAL | EV_PERSIST, signal_fire, s);
	s->next = l->signals;
	l->signals = s;
	int r = event_add(s->ev, NULL);
	assert(r == 0);
	(void)r;
}
