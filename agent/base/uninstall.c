/* Uninstalling, as steps:
 *
 *   route away → (requests inside end | deadline: failed, stays) → worker: health call out, stop, unload → removed from the list → done */
#include "uninstall.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base.h"
#include "base/err.h"
#include "base/log.h"
#include "check.h"
#include "loop/loop.h"
#include "pool.h"

struct uninstalling {
	struct job job;
	struct base *base;
	struct biz *biz;
	int64_t wait_us;
	struct timer deadline;
	struct deferred begin;
	struct err err;
	outcome_fn done;
	void *arg;
};

static void uninstalling_end(struct uninstalling *u, const struct outcome *o) {
	u->done(u->arg, o);
	timer_deinit(&u->deadline);
	deferred_deinit(&u->begin);
	free(u);
}

static void code_end(struct job *job) {
	struct uninstalling *u = (struct uninstalling *)((char *)job - offsetof(struct uninstalling, job));
	biz_stop(u->biz, &u->err);
	biz_unload(u->biz);
}

/* A stop that failed changes nothing about the end: its code is unmapped, so the module cannot stay. */
static void code_ended(struct job *job) {
	struct uninstalling *u = (struct uninstalling *)((char *)job - offsetof(struct uninstalling, job));
	struct biz *b = u->biz;
	struct outcome o = { .name = b->info.name, .version = b->info.version };
	if (u->err.code) {
		outcome_set(&o, OUTCOME_INTERNAL, "the stop of module %s failed; it is uninstalled all the same: %s", b->key, u->err.text);
		snprintf(o.cause, sizeof o.cause, "%s", u->err.text);
	} else {
		outcome_set(&o, OUTCOME_SUCCESS, "Uninstall biz: %s success.", b->key);
	}
	biz_set_state(b, BIZ_STOPPED, BIZ_STOPPED_REASON, u->err.text);
	registry_remove(&u->base->registry, b);
	uninstalling_end(u, &o);
	biz_free(b);
}

static void code_end_submit(void *arg) {
	struct uninstalling *u = arg;
	if (u->biz->health_running) { /* a health call is inside; it comes back, or the deadline does */
		check_when_idle(u->biz, code_end_submit, u);
		return;
	}
	timer_cancel(&u->deadline);
	u->job.run = code_end;
	u->job.done = code_ended;
	if (pool_submit(u->base->operations, &u->job) == 0)
		return;
	struct outcome o = { .biz = u->biz, .name = u->biz->info.name, .version = u->biz->info.version };
	u->biz->stopping = false;
	outcome_set(&o, OUTCOME_FAILED, "too many operations are waiting on this base; uninstall %s again later", u->biz->key);
	uninstalling_end(u, &o);
}

static void deadline_passed(void *arg) {
	struct uninstalling *u = arg;
	struct biz *b = u->biz;
	struct outcome o = { .biz = b, .name = b->info.name, .version = b->info.version };
	b->emptied = NULL;
	b->stopping = false;
	check_when_idle(b, NULL, NULL);
	if (b->inside)
		outcome_set(&o, OUTCOME_FAILED,
		    "%u request%s still inside module %s after %lld ms; it takes no new ones. Uninstall it again to go on waiting",
		    b->inside, b->inside == 1 ? " is" : "s are", b->key, (long long)(u->wait_us / US_PER_MS));
	else
		outcome_set(&o, OUTCOME_FAILED,
		    "a health call has not come back from module %s after %lld ms; it takes no requests. Uninstall it again to go on "
		    "waiting",
		    b->key, (long long)(u->wait_us / US_PER_MS));
	biz_set_state(b, b->state, BIZ_UNINSTALL_FAILED, o.message);
	uninstalling_end(u, &o);
}

static void uninstalling_begin(void *arg) {
	struct uninstalling *u = arg;
	timer_set(&u->deadline, u->wait_us);
	if (dispatch_when_empty(u->biz, code_end_submit, u))
		code_end_submit(u);
}

void uninstall_start(struct base *base, struct biz *b, int64_t wait_us, outcome_fn done, void *arg) {
	struct uninstalling *u = calloc(1, sizeof *u);
	if (!u)
		abort();
	u->base = base;
	u->biz = b;
	u->wait_us = wait_us;
	u->done = done;
	u->arg = arg;
	timer_init(&u->deadline, base->loop, deadline_passed, u);
	deferred_init(&u->begin, base->loop, uninstalling_begin, u);
	/* Before we return: from here on no request enters. */
	b->stopping = true;
	biz_set_state(b, b->state == BIZ_BROKEN ? BIZ_BROKEN : BIZ_DEACTIVATED, BIZ_KILLING, "");
	deferred_schedule(&u->begin);
}

void switch_to(struct base *base, struct biz *b, struct outcome *o) {
	*o = (struct outcome){ .biz = b, .name = b->info.name, .version = b->info.version };
	if (b->state != BIZ_ACTIVATED && b->state != BIZ_DEACTIVATED) {
		outcome_set(o, OUTCOME_ILLEGAL_STATE, "Biz: %s can not be switched to, it is %s.", b->key, biz_state_name(b->state));
		return;
	}
	registry_activate(&base->registry, b);
	outcome_set(o, OUTCOME_SUCCESS, "Switch biz: %s success.", b->key);
}
