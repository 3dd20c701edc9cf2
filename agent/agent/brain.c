/* The brain's doors: each input sets the time, goes to the part that knows, and ends with one report of all that followed from it. */
#include "brain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "brain_int.h"

static void defaults(struct brain_config *c) {
	c->parallel = c->parallel == 0 ? 4 : c->parallel;
	c->min_ready_us = c->min_ready_us == 0 ? 5 * US_PER_S : c->min_ready_us;
	c->crash_window_us = c->crash_window_us == 0 ? 300 * US_PER_S : c->crash_window_us;
	c->crash_limit = c->crash_limit == 0 ? 3 : c->crash_limit;
	c->stop_us = c->stop_us == 0 ? 30 * US_PER_S : c->stop_us;
	c->probe_note_us = c->probe_note_us == 0 ? 60 * US_PER_S : c->probe_note_us;
}

int brain_new(const struct brain_config *cfg, const uint8_t *state, size_t n, mono_t now, struct brain **ret, struct err *err) {
	Berth__V1__AgentState *s;
	int rc = state_load(state, n, &s, err);
	if (rc != 0)
		return rc;
	struct brain *b = calloc(1, sizeof *b);
	if (b == NULL)
		abort();
	b->cfg = *cfg;
	defaults(&b->cfg);
	b->who = keep(cfg->hello);
	b->state = s;
	b->now = now;
	rng_init(&b->rng, cfg->seed);
	effects_init(b);
	TAILQ_INIT(&b->waiting);
	TAILQ_INIT(&b->held);
	TAILQ_INIT(&b->gone);
	TAILQ_INIT(&b->ops);
	TAILQ_INIT(&b->pulls);
	b->at = b->poll_at = b->kill_at = b->heartbeat_at = MONO_NEVER;
	b->repair_at = now;
	b->witness_at = now;
	b->heartbeat_us = 10 * US_PER_S;
	b->run_time_s = -1;
	if (s->base == NULL)
		keep_text(&s->base, cfg->hello->base);
	state_reports_strip(s);
	for (size_t i = 0; i < s->n_quarantine; i++) {
		struct held *h = held_set(b, s->quarantine[i]->module, s->quarantine[i]->version, ARKLET_BROKEN, s->quarantine[i]->cause);
		h->absent = true;
		h->failures = s->quarantine[i]->failures;
	}
	*ret = b;
	return 0;
}

static void pulls_free(struct brain *b) {
	struct pull *p;
	while ((p = TAILQ_FIRST(&b->pulls)) != NULL) {
		TAILQ_REMOVE(&b->pulls, p, link);
		free(p->sha256);
		free(p);
	}
}

void brain_free(struct brain *b) {
	if (b == NULL)
		return;
	while (!TAILQ_EMPTY(&b->ops))
		op_free(b, TAILQ_FIRST(&b->ops));
	for (size_t i = 0; i < b->n_outcomes; i++)
		drop(b->outcomes[i]);
	free(b->outcomes);
	report_forget_changes(b);
	held_clear(b, false);
	server_drop_waiting(b);
	pulls_free(b);
	effects_deinit(b);
	drop(b->who);
	state_free(b->state);
	free(b->note);
	drop(b->memory);
	free(b->fresh_module);
	free(b->fresh_version);
	free(b);
}

void brain_start(struct brain *b, bool adopted, mono_t now) {
	b->now = now;
	effect_simple(b, BRAIN_PINS);
	base_begin(b, adopted);
	report_seal(b);
}

static void say_goodbye(struct brain *b) {
	Berth__V1__Goodbye g = BERTH__V1__GOODBYE__INIT;
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	g.reason = b->goodbye;
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_GOODBYE;
	m.goodbye = &g;
	effect_send(b, &m, true);
}

void brain_stop(struct brain *b, const char *reason, mono_t now) {
	b->now = now;
	snprintf(b->goodbye, sizeof b->goodbye, "%s", *reason != '\0' ? reason : "stopped");
	if (b->linked)
		say_goodbye(b);
	b->welcomed = false; /* nothing is reported after the goodbye; outcomes that are left are stored and told at the next start */
	server_drop_waiting(b);
	base_stop(b, 0);
	report_seal(b);
}

void brain_link_up(struct brain *b, mono_t now) {
	b->now = now;
	b->linked = true;
	b->welcomed = false;
	state_reports_strip(b->state); /* the Hello is newer than what unacknowledged reports say of modules; outcomes stay */
	b->heartbeat_at = mono_add(now, rng_jitter(&b->rng, b->heartbeat_us)); /* also to a server that cannot welcome yet */
	report_hello(b);
	if (*b->goodbye != '\0') /* its base takes longer to stop than the link lasted; the Hello alone would say that it is back */
		say_goodbye(b);
}

void brain_link_down(struct brain *b, mono_t now) {
	b->now = now;
	b->linked = b->welcomed = false;
	b->heartbeat_at = MONO_NEVER;
	server_drop_waiting(b);
}

void brain_message(struct brain *b, const Berth__V1__ServerMessage *m, mono_t now) {
	b->now = now;
	if (b->phase != PHASE_STOPPING && b->phase != PHASE_ENDED)
		server_message(b, m);
	report_seal(b);
}

void brain_fetched(struct brain *b, int64_t id, const struct brain_fetched *f, mono_t now) {
	b->now = now;
	op_fetched(b, id, f);
	report_seal(b);
}

void brain_answered(struct brain *b, int64_t id, const struct brain_answer *a, mono_t now) {
	struct op *op;
	b->now = now;
	if (id == b->base_call) {
		base_answered(b, a);
	} else if (id == b->help_call) {
		batch_helped(b, a);
	} else {
		TAILQ_FOREACH(op, &b->ops, link)
			if (op->call == id)
				break;
		if (op != NULL && op->step == OP_BATCHED)
			batch_answered(b, id, a);
		else if (op != NULL)
			op_answered(b, op, a);
	}
	report_seal(b);
}

void brain_base_exited(struct brain *b, const struct brain_exit *x, mono_t now) {
	b->now = now;
	base_exited(b, x);
	report_seal(b);
}

mono_t brain_deadline(const struct brain *b) {
	mono_t t = mono_min(base_deadline(b), ops_deadline(b));
	if (b->linked)
		t = mono_min(t, b->heartbeat_at);
	return b->persist_failed ? mono_min(t, b->persist_at) : t;
}

void brain_tick(struct brain *b, mono_t now) {
	b->now = now;
	if (b->persist_failed && due(b->persist_at, now)) {
		b->persist_failed = b->persisting = false;
		b->persist_at = MONO_NEVER;
	}
	base_tick(b);
	ops_tick(b);
	server_tick(b);
	report_seal(b);
}

/* ---- for the caller and for people ---- */

const Berth__V1__AgentState *brain_state(const struct brain *b) {
	return b->state;
}

bool brain_pinned(const struct brain *b, const char *sha256) {
	for (size_t i = 0; i < b->state->n_wanted; i++)
		if (b->state->wanted[i]->sha256 != NULL && strcmp(b->state->wanted[i]->sha256, sha256) == 0)
			return true;
	return ops_sha_used(b, sha256);
}

bool brain_ready(const struct brain *b) {
	return b->ready;
}

static const char *phase_text(const struct brain *b) {
	static const char *const names[] = {
		[PHASE_OFF] = "starting",
		[PHASE_PROBING] = "starting",
		[PHASE_LISTING] = "starting",
		[PHASE_UP] = "up",
		[PHASE_BACKOFF] = "backoff",
		[PHASE_STOPPING] = "stopping",
		[PHASE_ENDED] = "stopped",
	};
	if (b->phase == PHASE_UP && !b->ready)
		return "restoring";
	return b->phase == PHASE_PROBING && !b->cfg.supervised ? "unreachable" : names[b->phase];
}

void brain_view(const struct brain *b, struct brain_view *ret) {
	const struct held *h;
	const struct op *op;
	*ret = (struct brain_view){
		.phase = phase_text(b),
		.note = b->note != NULL ? b->note : "",
		.linked = b->linked,
		.joined = b->welcomed,
		.ready = b->ready,
		.crash_loop = b->crash_loop,
		.wanted = b->state->n_wanted,
		.unacked = b->state->n_unacked,
		.quarantined = b->state->n_quarantine,
		.epoch = b->state->epoch,
		.incarnation = b->state->incarnation,
	};
	TAILQ_FOREACH(h, &b->held, link)
		ret->held += !h->absent;
	TAILQ_FOREACH(op, &b->ops, link)
		ret->operations++;
}

bool brain_held_at(const struct brain *b, size_t i, struct brain_held *ret) {
	const struct held *h;
	TAILQ_FOREACH(h, &b->held, link)
		if (i-- == 0)
			break;
	if (h == NULL)
		return false;
	const Berth__V1__WantedModule *w = state_wanted(b->state, h->module, h->version);
	*ret = (struct brain_held){
		.module = h->module,
		.version = h->version,
		.state = arklet_state_name(h->state),
		.cause = h->cause != NULL ? h->cause : "",
		.wanted = w != NULL,
		.standby = w != NULL && w->standby,
		.quarantined = state_quarantine(b->state, h->module, h->version) != NULL,
	};
	return true;
}
