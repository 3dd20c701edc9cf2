/* Health of modules. A thread of its own pool, so that a hanging health() takes no worker from requests or operations. */
#include "check.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "base/err.h"
#include "base/log.h"
#include "loop/loop.h"
#include "pool.h"

enum { CHECK_THREADS = 2 };

struct check {
	struct base *base;
	struct pool *pool;
	struct timer tick;
};

struct checking {
	struct job job;
	struct biz *biz;
	int health;
	char text[256];
};

static void checking_run(struct job *job) {
	struct checking *c = (struct checking *)((char *)job - offsetof(struct checking, job));
	c->health = biz_health(c->biz, c->text, sizeof c->text);
}

static void health_set(struct biz *b, int health, const char *text) {
	if ((health != 0) != (b->health != 0))
		log_info("module health", log_s("module", b->info.name), log_s("version", b->info.version), log_b("healthy", health == 0),
		    log_s("text", text));
	b->health = health;
	snprintf(b->health_text, sizeof b->health_text, "%s", text);
}

static void checking_done(struct job *job) {
	struct checking *c = (struct checking *)((char *)job - offsetof(struct checking, job));
	struct biz *b = c->biz;
	b->health_running = false;
	health_set(b, c->health, c->health ? c->text : "");
	free(c);
	if (b->health_idle) {
		void (*idle)(void *) = b->health_idle;
		b->health_idle = NULL;
		idle(b->health_idle_arg);
	}
}

static void biz_check(struct check *ck, struct biz *b) {
	mono_t now = clock_mono(&clock_real);
	char text[96];
	if (b->health_running) {
		int64_t waited = mono_diff(now, b->health_since);
		snprintf(text, sizeof text, "its health call has not come back for %lld s", (long long)(waited / US_PER_S));
		if (waited >= ck->base->opt.health_interval)
			health_set(b, 1, text);
		return;
	}
	if (!b->code.started || !b->code.module->health || b->stopping)
		return;
	struct checking *c = calloc(1, sizeof *c);
	if (!c)
		return;
	c->biz = b;
	c->job.run = checking_run;
	c->job.done = checking_done;
	if (pool_submit(ck->pool, &c->job) == 0) {
		b->health_running = true;
		b->health_since = now;
	} else {
		free(c);
	}
}

static void check_tick(void *arg) {
	struct check *ck = arg;
	struct biz *b;
	TAILQ_FOREACH(b, &ck->base->registry.bizs, link)
		if (b->state == BIZ_ACTIVATED || b->state == BIZ_DEACTIVATED)
			biz_check(ck, b);
	timer_set(&ck->tick, ck->base->opt.health_interval);
}

int check_new(struct base *base, struct check **ret, struct err *err) {
	struct check *ck = calloc(1, sizeof *ck);
	if (!ck)
		return err_set(err, E_NOMEM, "no memory for health checks");
	ck->base = base;
	timer_init(&ck->tick, base->loop, check_tick, ck);
	int rc = pool_new(base->loop, "health", CHECK_THREADS, 1024, &ck->pool, err);
	if (rc) {
		check_free(ck);
		return rc;
	}
	timer_set(&ck->tick, base->opt.health_interval);
	*ret = ck;
	return 0;
}

void check_free(struct check *ck) {
	if (!ck)
		return;
	timer_deinit(&ck->tick);
	pool_free(ck->pool);
	free(ck);
}

void check_when_idle(struct biz *b, void (*fn)(void *arg), void *arg) {
	b->health_idle = fn;
	b->health_idle_arg = arg;
}
