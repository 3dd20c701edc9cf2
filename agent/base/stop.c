/* The orderly end, as steps:
 *
 *   last heartbeat, both listeners drain → modules one by one, newest first → (the heartbeat is through) → loop stops
 *   deadline at any point: the loop stops, what is not stopped is named in the log */
#include "stop.h"

#include <stdlib.h>

#include "arklet.h"
#include "base.h"
#include "base/err.h"
#include "base/log.h"
#include "front.h"
#include "heartbeat.h"
#include "loop/loop.h"
#include "uninstall.h"

struct stop {
	struct base *base;
	struct timer deadline;
	struct deferred next; /* when an operation ended, perhaps the one we wait for */
	mono_t began;
	unsigned draining; /* listeners */
	struct claim claim;
	bool begun, beating, working, stuck, ended, clean;
};

static void stop_end(struct stop *s, bool clean) {
	timer_cancel(&s->deadline);
	s->ended = true;
	s->clean = clean;
	loop_stop(s->base->loop);
}

static int64_t time_left(const struct stop *s) {
	int64_t left = s->base->opt.stop_wait - mono_diff(clock_mono(&clock_real), s->began);
	return left > 0 ? left : 0;
}

static struct biz *newest(struct registry *r) {
	struct biz *b, *best = NULL;
	TAILQ_FOREACH(b, &r->bizs, link)
		if (!best || b->serial > best->serial)
			best = b;
	return best;
}

static void module_stopped(void *arg, const struct outcome *o) {
	struct stop *s = arg;
	if (o->kind == OUTCOME_INTERNAL)
		log_warn("module did not stop well", log_s("why", o->message));
	s->working = false;
	s->stuck = o->kind == OUTCOME_FAILED; /* trying again would change nothing before the deadline */
	registry_unclaim(&s->base->registry, &s->claim);
}

/* One module at a time. Where another operation is at it (a start, an uninstall) ours comes when that ended: see claim_released(). */
static void stop_next(void *arg) {
	struct stop *s = arg;
	struct registry *r = &s->base->registry;
	const struct claim *holder;
	if (s->draining || s->working || s->stuck || s->ended)
		return;
	struct biz *b = newest(r);
	if (!b && TAILQ_EMPTY(&r->claims)) {
		if (!s->beating)
			stop_end(s, true);
	} else if (b && registry_claim(r, &s->claim, b->info.name, b->info.version, "stop", &holder) == 0) {
		s->working = true;
		uninstall_start(s->base, b, time_left(s), module_stopped, s);
	}
}

static void claim_released(void *arg) {
	struct stop *s = arg;
	deferred_schedule(&s->next);
}

static void listener_drained(void *arg) {
	struct stop *s = arg;
	s->draining--;
	stop_next(s);
}

static void heartbeat_through(void *arg) {
	struct stop *s = arg;
	s->beating = false;
	stop_next(s);
}

static void deadline_passed(void *arg) {
	struct stop *s = arg;
	struct biz *b;
	TAILQ_FOREACH(b, &s->base->registry.bizs, link)
		log_warn("module not stopped in time", log_s("module", b->info.name), log_s("version", b->info.version),
		    log_s("state", biz_state_name(b->state)), log_i("inside", b->inside));
	stop_end(s, false);
}

struct stop *stop_new(struct base *base) {
	struct stop *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->base = base;
	timer_init(&s->deadline, base->loop, deadline_passed, s);
	deferred_init(&s->next, base->loop, stop_next, s);
	return s;
}

void stop_begin(struct stop *s) {
	struct base *base = s->base;
	if (s->begun) {
		deadline_passed(s);
		return;
	}
	log_info("stopping", log_i("modules", base->registry.count));
	s->begun = true;
	base->stopping = true;
	base->registry.released = claim_released;
	base->registry.released_arg = s;
	s->began = clock_mono(&clock_real);
	timer_set(&s->deadline, base->opt.stop_wait);
	s->draining = 2;
	s->beating = base->heartbeat != NULL;
	if (base->heartbeat)
		heartbeat_stop(base->heartbeat, heartbeat_through, s);
	/* Requests that do not end must leave the modules time to stop. */
	front_drain(base->front, base->opt.stop_wait * 2 / 3, listener_drained, s);
	arklet_drain(base->arklet, base->opt.stop_wait * 2 / 3, listener_drained, s);
}

bool stop_clean(const struct stop *s) {
	return s->clean;
}

void stop_free(struct stop *s) {
	if (!s)
		return;
	timer_deinit(&s->deadline);
	s->base->registry.released = NULL;
	deferred_deinit(&s->next);
	free(s);
}
