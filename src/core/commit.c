/* The open commit and the one in flight. While one is in flight the next one fills: group commit without a timer.
 *
 * Failures (design section 5, rules 4 and 5): no answer → recover() raises the epoch and tells whether it landed; refused → the model is
 * dropped and loaded again, and the inputs run one per commit until the culprit is found; fenced → somebody else is active. */
#include "core/conductor.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/faultpoint.h"

#define PATIENCE_US (15 * US_PER_S) /* of callers with a commit that neither passes nor fails */

struct bundle *bundle_new(void) {
	struct bundle *b = calloc(1, sizeof *b);
	if (b == NULL)
		abort();
	b->arena = arena_new();
	TAILQ_INIT(&b->ops);
	TAILQ_INIT(&b->effects);
	return b;
}

void bundle_free(struct bundle *b) {
	if (b == NULL)
		return;
	assert(TAILQ_EMPTY(&b->ops));
	HASH_CLEAR(hh, b->latest);
	changeset_free(b->cs);
	arena_free(b->arena);
	free(b);
}

void commit_op(struct core *c, struct core_op *op, const struct err *err) {
	struct applied *x = arena_alloc(c->open->arena, sizeof *x);
	x->op = op;
	if (err != NULL)
		x->err = *err;
	TAILQ_INSERT_TAIL(&c->open->ops, x, entry);
	c->open->urgent = true;
}

bool commit_idle(const struct core *c) {
	return c->flying == NULL && TAILQ_EMPTY(&c->open->ops) && TAILQ_EMPTY(&c->open->effects) && c->n_waiting == 0 &&
	       (c->fleet == NULL || !fleet_is_dirty(c->fleet));
}

static void answer_ops(struct bundle *b) {
	struct applied *x;
	while ((x = TAILQ_FIRST(&b->ops)) != NULL) {
		TAILQ_REMOVE(&b->ops, x, entry);
		x->op->done(x->op, x->err.code == 0 ? NULL : &x->err);
	}
}

static void tell_watches(struct core *c, const struct changeset *cs) {
	const struct change_rows *ev = &cs->tables[TABLE_event];
	if (ev->n_upserts == 0)
		return;
	struct core_watch *w = TAILQ_FIRST(&c->watches);
	for (; w != NULL; w = c->watch_next) {
		c->watch_next = TAILQ_NEXT(w, link);
		w->fn(w->arg, (const struct row_event *const *)(void *)ev->upserts, ev->n_upserts);
	}
	c->watch_next = NULL;
}

/* The bundle is true now: tell everybody who waited for it. */
static void bundle_done(struct core *c, struct bundle *b) {
	effects_run(c, b);
	faultpoint_pass(FAULTPOINT_COMMIT_TOLD, NULL);
	if (b->cs != NULL)
		tell_watches(c, b->cs);
	answer_ops(b);
	bundle_free(b);
}

static void commit_done(void *arg, const struct err *err);

static void ledger_commit(struct core *c, struct bundle *b) {
	b->core = c;
	b->in_ledger = true;
	c->env.ledger->ops->commit(c->env.ledger, b->cs, commit_done, b);
}

/* Bases that join do so by thousands, after a take-over for example. One alone is committed at once, like everything else. Those that come
 * soon after share a commit, which then stands in the way of nobody's deploy as often; it begins when anybody else waits for it. */
static bool only_joins(const struct core *c) {
	return c->open->joins && !c->open->urgent && c->mode == CORE_ACTIVE && c->serial == 0;
}

static bool commit_waits(const struct core *c) {
	return only_joins(c) && fleet_dirty_count(c->fleet) < JOINS_ROWS && mono_before(c->mono, c->joins_next);
}

static bool may_commit(const struct core *c) {
	return c->fleet != NULL && c->flying == NULL && TAILQ_EMPTY(&c->strays) && !c->recovering &&
	       (c->mode == CORE_ACTIVE || c->mode == CORE_READ_ONLY || c->mode == CORE_STOPPING);
}

mono_t commit_deadline(const struct core *c) {
	return may_commit(c) && only_joins(c) && core_may_act(c) ? c->joins_next : MONO_NEVER;
}

static void commit_start(struct core *c) {
	struct bundle *b = c->open;
	b->cs = changeset_new();
	b->cs->epoch = c->epoch;
	fleet_collect(c->fleet, b->cs, (size_t)c->cfg.max_rows);
	b->begun = clock_mono(&c->env.clock);
	if (only_joins(c))
		c->joins_next = mono_add(b->begun, JOINS_US);
	if (MUTANT(reply_early))
		answer_ops(b);
	if (MUTANT(command_early))
		effects_run(c, b);
	c->flying = b;
	c->open = bundle_new();
	if (fleet_is_dirty(c->fleet)) { /* too much for one commit: what hangs on it waits for the last part */
		TAILQ_CONCAT(&c->open->ops, &b->ops, entry);
		effects_move(b, c->open);
		c->open->urgent = true;
		struct arena *a = c->open->arena; /* the moved entries live in b's arena */
		c->open->arena = b->arena;
		b->arena = a;
	}
	ledger_commit(c, b);
}

void commit_turn(struct core *c) {
	if (!may_commit(c))
		return;
	if (fleet_is_dirty(c->fleet) && !c->older) {
		if (core_may_act(c) && !commit_waits(c))
			commit_start(c);
		return;
	}
	if (TAILQ_EMPTY(&c->open->ops) && TAILQ_EMPTY(&c->open->effects))
		return;
	struct bundle *b = c->open; /* only reads: true already, or of a ledger that must not change now */
	c->open = bundle_new();
	bundle_done(c, b);
}

/* ---- failures ---------------------------------------------------------------------------------------------------------------------- */
/* Puts the operations of b back in front of those that wait, in their order. */
static void requeue_ops(struct core *c, struct bundle *b) {
	struct applied *x;
	while ((x = TAILQ_LAST(&b->ops, applied_list)) != NULL) {
		TAILQ_REMOVE(&b->ops, x, entry);
		core_enqueue(c, x->op, true);
	}
}

static void fail_ops(struct core *c, struct bundle *b, const struct err *err) {
	struct applied *x;
	while ((x = TAILQ_FIRST(&b->ops)) != NULL) {
		TAILQ_REMOVE(&b->ops, x, entry);
		core_fail_op(c, x->op, err);
	}
}

bool commit_stuck(const struct core *c) {
	return c->flying != NULL && c->serial == 0 && mono_diff(c->mono, c->flying->begun) >= PATIENCE_US;
}

/* What they asked for is in the model and goes to the ledger as soon as that takes it; they find it there by their keys. */
void commit_send_home(struct core *c) {
	struct err err = ERR_INIT;
	err_set(&err, E_DB_LOST,
	    "the database has not taken this change for %lld s (a lock that somebody holds?); it may still be done: ask again with the "
	    "same "
	    "Idempotency-Key",
	    (long long)(PATIENCE_US / US_PER_S));
	fail_ops(c, c->flying, &err);
	fail_ops(c, c->open, &err);
}

void commit_drop(struct core *c, const struct err *err, bool keep_ops) {
	struct bundle *parts[] = { c->open, c->flying };
	for (size_t i = 0; i < 2; i++) {
		if (parts[i] == NULL)
			continue;
		if (keep_ops)
			requeue_ops(c, parts[i]);
		else
			fail_ops(c, parts[i], err);
		if (parts[i]->in_ledger) {
			parts[i]->dropped = true;
			TAILQ_INSERT_TAIL(&c->strays, parts[i], stray);
		} else {
			bundle_free(parts[i]);
		}
	}
	c->flying = NULL;
	c->open = bundle_new();
}

/* Rule 5. The first refusal reloads and goes serial; a refusal while serial has found its culprit. */
static void commit_refused(struct core *c, const struct err *err) {
	struct bundle *b = c->flying;
	c->stats.refused++;
	snprintf(c->constraint, sizeof c->constraint, "%s", err->pointer);
	log_error("commit refused", log_s("constraint", err->pointer), log_i("rows", b->cs->rows), log_i("serial", c->serial), log_e(err));
	if (c->serial > 0) {
		struct applied *x = TAILQ_LAST(&b->ops, applied_list); /* those before it changed nothing, or it would have waited */
		if (c->culprit.kind == CULPRIT_OP && x != NULL) {
			struct err e = ERR_INIT;
			TAILQ_REMOVE(&b->ops, x, entry);
			err_set(&e, E_INTERNAL, "the database refused this change (constraint %s); nothing was changed; please report it",
			    err->pointer);
			core_fail_op(c, x->op, &e);
		} else {
			c->set_aside = c->culprit;
		}
	}
	size_t n = 0;
	struct applied *x;
	TAILQ_FOREACH(x, &b->ops, entry)
		n++;
	commit_drop(c, NULL, true);
	series_begin(c, n);
	c->stats.reloads++;
	core_load(c);
}

static void recovered(void *arg, const struct ledger_loaded *res, const struct err *err) {
	struct core *c = arg;
	c->recovering = false;
	if (c->ended)
		return;
	if (c->load_again) {
		core_load(c);
		return;
	}
	if (c->mode != CORE_AWAY && c->mode != CORE_STOPPING)
		return; /* stepped down meanwhile */
	if (err != NULL) {
		log_warn("recovery failed", log_e(err));
		lease_give_up(c);
		return;
	}
	struct bundle *b = c->flying;
	c->epoch = res->epoch;
	core_set_mode(c, c->stopped != NULL ? CORE_STOPPING : CORE_ACTIVE, "");
	effects_make_up(c); /* agents obey the new epoch only after a welcome in it */
	if (b != NULL && (res->commit_no < b->cs->commit_no || MUTANT(commit_again))) {
		c->stats.retries++;
		b->cs->epoch = c->epoch;
		ledger_commit(c, b);
	} else if (b != NULL) {
		commit_done(b, NULL);
	}
	core_wake(c);
}

static void commit_lost(struct core *c, const struct err *err) {
	log_warn("no answer to a commit", log_i("commit", c->flying->cs->commit_no), log_e(err));
	if (!core_may_act(c)) {
		lease_give_up(c);
		return;
	}
	c->recovering = true;
	core_set_mode(c, CORE_AWAY, err->text);
	c->env.ledger->ops->recover(c->env.ledger, recovered, c);
}

static void commit_done(void *arg, const struct err *err) {
	struct bundle *b = arg;
	struct core *c = b->core;
	b->in_ledger = false;
	if (b->dropped) {
		TAILQ_REMOVE(&c->strays, b, stray);
		bundle_free(b);
		core_wake(c);
		return;
	}
	c->mono = clock_mono(&c->env.clock);
	if (err == NULL) {
		int64_t took = mono_diff(c->mono, b->begun);
		c->flying = NULL;
		c->stats.commits++;
		c->stats.rows += b->cs->rows;
		c->committed_event = b->cs->last_event;
		c->stats.last_commit_us = took;
		c->stats.commit_us += took;
		if (took > c->stats.max_commit_us)
			c->stats.max_commit_us = took;
		series_commit_done(c);
		bundle_done(c, b);
	} else if (err->code == E_DB_REFUSED) {
		commit_refused(c, err);
	} else if (err->code == E_FENCED) {
		log_warn("another server is active", log_e(err));
		lease_give_up(c);
	} else {
		commit_lost(c, err);
	}
	core_wake(c);
}

/* ---- load -------------------------------------------------------------------------------------------------------------------------- */
static int load_row(void *arg, enum table t, void *row, struct err *err) {
	struct core *c = arg;
	return fleet_load_row(c->loading, t, row, err);
}

static bool ledger_is_older(struct core *c, const struct ledger_loaded *res) {
	if (!witness_newer(c, c->witness.cell, c->witness.epoch, c->witness.event))
		return false;
	snprintf(c->reason, sizeof c->reason,
	    "the database is older than what was seen before (event %lld, epoch %lld; it has %lld, %lld): accept it with berthd "
	    "--accept-older",
	    (long long)c->witness.event, (long long)c->witness.epoch, (long long)res->last_event, (long long)res->epoch);
	return true;
}

/* Event time never runs backwards, also over a takeover by a machine whose clock is behind. Numbers that were given out before an older
 * database was accepted are not given out again: they would mean something else to whoever saw them. */
static int last_event_load(struct core *c, struct fleet *f, const struct ledger_loaded *res, struct err *err) {
	bool lost = c->accepted != NULL && c->witness.event > res->last_event && strcmp(c->witness.cell, res->cell) == 0;
	struct row_event e = { .number = lost ? c->witness.event : res->last_event, .at = res->last_event_at };
	return fleet_load_row(f, TABLE_event, &e, err);
}

static void older_accepted(struct core *c) {
	struct event_facts f = { .kind = "database.accepted" };
	if (c->accepted == NULL)
		return;
	core_event(c, &f, "an older database was accepted: its last event is %lld, events up to %lld were seen",
	    (long long)c->committed_event, (long long)fleet_last_event(c->fleet));
	c->committed_event = fleet_last_event(c->fleet) - 1;
	witness_accepted(c);
}

static void load_done(void *arg, const struct ledger_loaded *res, const struct err *err) {
	struct core *c = arg;
	struct fleet *fresh = c->loading;
	struct err e = ERR_INIT;
	c->loading = NULL;
	if (c->ended) {
		fleet_free(fresh);
		return;
	}
	if (err == NULL && last_event_load(c, fresh, res, &e) != 0)
		err = &e;
	if (err == NULL && fleet_load_end(fresh, &e) != 0)
		err = &e;
	if (err != NULL || !core_may_act(c)) {
		log_warn("load failed", log_e(err == NULL ? &e : err));
		core_bury_fleet(c, fresh);
		lease_give_up(c);
		return;
	}
	core_bury_fleet(c, c->fleet);
	c->fleet = fresh;
	c->epoch = res->epoch;
	c->committed_event = res->last_event;
	memcpy(c->cell, res->cell, sizeof c->cell);
	older_accepted(c);
	c->older = ledger_is_older(c, res);
	log_info("active", log_s("cell", c->cell), log_i("epoch", c->epoch), log_i("event", res->last_event));
	core_loaded(c);
	if (c->older)
		core_set_mode(c, CORE_READ_ONLY, c->reason);
	else
		core_set_mode(c, c->stopped != NULL ? CORE_STOPPING : CORE_ACTIVE, "");
	effects_make_up(c);
	core_wake(c);
}

void core_load(struct core *c) {
	core_set_mode(c, CORE_LOADING, "");
	assert(c->loading == NULL);
	c->load_again = c->recovering; /* one that was begun before we stepped down raises the epoch, too: first its answer */
	if (c->load_again)
		return;
	c->loading = fleet_new();
	fleet_count_transitions(c->loading, c->env.transitions);
	fleet_on_plan_free(c->loading, plan_live_free);
	c->env.ledger->ops->load(c->env.ledger, load_row, load_done, c);
}
