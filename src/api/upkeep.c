/* What an active server tidies up now and then (--upkeep): artifacts nothing refers to, old events and plans, bytes without a row. In
 * slices, one after the other, never in the way of requests. */
#include <stdlib.h>

#include "api/call.h"
#include "base/log.h"

#define FIRST_US (300 * US_PER_S) /* after a start there is more urgent work */
#define MAX_ORPHANS 500

struct upkeep {
	struct core_op core; /* first */
	struct api *api;
	struct timer timer;
	wall_t now;
	bool busy, freed, more;
};

static int64_t every(const struct upkeep *u) {
	return u->api->config.upkeep_us;
}

static int64_t first(const struct upkeep *u) {
	return every(u) < FIRST_US ? every(u) : FIRST_US;
}

static void again(struct upkeep *u, int64_t us) {
	u->busy = false;
	if (u->freed)
		free(u);
	else
		timer_set(&u->timer, us);
}

static void collected(void *arg, const struct err *err) {
	struct upkeep *u = arg;
	if (err != NULL)
		log_warn("collecting artifact bytes failed; tried again at the next upkeep", log_e(err));
	again(u, u->more ? US_PER_S : every(u));
}

static void pruned(void *arg, const struct err *err) {
	struct upkeep *u = arg;
	struct ledger *l = core_ledger(u->api->core);
	if (err != NULL)
		log_warn("pruning old history failed; tried again at the next upkeep", log_e(err));
	if (u->freed)
		again(u, 0);
	else
		l->ops->bytes_collect(l, collected, u);
}

static int orphans_apply(struct core *c, struct core_op *op, struct err *err) {
	(void)err;
	struct upkeep *u = (struct upkeep *)op;
	struct fleet *f = core_fleet(c);
	int removed = 0;
	u->now = core_now(c);
	for (struct tenant *t = fleet_tenants(f); t != NULL; t = t->hh_name.next) {
		for (struct artifact *x = t->artifacts, *next; x != NULL && removed < MAX_ORPHANS; x = next) {
			next = x->hh_name.next;
			if (x->refs > 0 || x->row.created_at.us > u->now.us - u->api->config.keep_orphans_us)
				continue;
			fleet_artifact_remove(f, x);
			removed++;
		}
	}
	u->more = removed == MAX_ORPHANS;
	return 0;
}

static void orphans_done(struct core_op *op, const struct err *err) {
	struct upkeep *u = (struct upkeep *)op;
	struct ledger *l = core_ledger(u->api->core);
	const struct api_config *cfg = &u->api->config;
	if (err != NULL || u->freed) {
		again(u, every(u)); /* standing by, or no database: another time */
		return;
	}
	struct ledger_retention before = { .events = { u->now.us - cfg->keep_events_us },
		.plans = { u->now.us - cfg->keep_plans_us },
		.idempotency = { u->now.us - core_cfg(u->api->core)->idempotency_us },
		.base_history = { u->now.us - cfg->keep_base_history_us } };
	l->ops->prune(l, &before, pruned, u);
}

static void due(void *arg) {
	struct upkeep *u = arg;
	struct core_state s;
	core_state(u->api->core, &s);
	if (!s.ready) {
		timer_set(&u->timer, first(u));
		return;
	}
	u->busy = true;
	core_submit(u->api->core, &u->core);
}

int upkeep_new(struct api *a, struct upkeep **ret, struct err *err) {
	(void)err;
	struct upkeep *u = calloc(1, sizeof *u);
	if (u == NULL)
		abort();
	u->api = a;
	u->core.apply = orphans_apply;
	u->core.done = orphans_done;
	u->core.who.actor = "berth";
	timer_init(&u->timer, a->loop, due, u);
	timer_set(&u->timer, first(u));
	*ret = u;
	return 0;
}

void upkeep_free(struct upkeep *u) {
	if (u == NULL)
		return;
	timer_deinit(&u->timer);
	u->freed = true;
	if (!u->busy)
		free(u);
}
