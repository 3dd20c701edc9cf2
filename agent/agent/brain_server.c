/* What the server says. A command is obeyed only from the highest epoch ever seen and while the server's ticks are fresh; a generation
 * that is known is answered with what came of it. Nothing a server sends is used as a file name or number before it was checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/name.h"
#include "brain_int.h"
#include "proto/json.h"
#include "proto/stamp.h"

#define MAX_ITEMS 1024 /* of one command */
#define MAX_WAITING 64 /* commands that came outside of the lease */
#define MAX_OPS 4096
#define MAX_OUTCOMES 8192 /* stored, most of them not acknowledged */
#define MAX_TIMEOUT_US (24 * 3600 * US_PER_S)
#define MIN_HEARTBEAT_US (100 * US_PER_MS)
#define MAX_HEARTBEAT_US (300 * US_PER_S)

/* It becomes a file name: lower-case digits and nothing else. */
static bool sha_ok(const char *sha) {
	return sha == NULL || *sha == '\0' || (strlen(sha) == 64 && strspn(sha, "0123456789abcdef") == 64);
}

static bool module_ok(const Berth__V1__WantedModule *w) {
	return w != NULL && name_valid(NAME_PLAIN, w->module) && name_valid(NAME_VERSION, w->version) && sha_ok(w->sha256) && w->size >= 0;
}

/* ---- commands ---- */

static bool lease_holds(const struct brain *b) {
	return b->welcomed && mono_diff(b->now, b->tick_at) <= b->lease_us;
}

static enum op_kind kind_of(Berth__V1__TaskKind k) {
	static const enum op_kind of[] = { [BERTH__V1__TASK_KIND__TASK_KIND_INSTALL] = OP_INSTALL,
		[BERTH__V1__TASK_KIND__TASK_KIND_UNINSTALL] = OP_UNINSTALL,
		[BERTH__V1__TASK_KIND__TASK_KIND_SWITCH] = OP_SWITCH,
		[BERTH__V1__TASK_KIND__TASK_KIND_BEFORE_SWAP] = OP_BEFORE_SWAP,
		[BERTH__V1__TASK_KIND__TASK_KIND_AFTER_SWAP] = OP_AFTER_SWAP };
	return of[k];
}

static void refuse_item(struct brain *b, const Berth__V1__CommandItem *i, const char *code, const char *cause) {
	Berth__V1__Outcome o = BERTH__V1__OUTCOME__INIT;
	char code_text[32], cause_text[160];
	snprintf(code_text, sizeof code_text, "%s", code);
	snprintf(cause_text, sizeof cause_text, "%s", cause);
	keep_int(&o, generation, i->generation);
	keep_int(&o, task, i->task);
	keep_int(&o, kind, i->kind);
	keep_int(&o, ok, 0);
	keep_int(&o, fault, BERTH__V1__FAULT__FAULT_BERTH);
	keep_int(&o, retryable, 0);
	o.code = code_text;
	o.cause = cause_text;
	if (i->module != NULL) {
		keep_int(&o, instance, i->module->instance);
		o.module = i->module->module;
		o.version = i->module->version;
	}
	report_outcome(b, &o);
}

/* A generation whose outcome is stored. Not acknowledged yet: that report comes again anyway. */
static void repeat_outcome(struct brain *b, const Berth__V1__Outcome *known) {
	Berth__V1__Outcome *copy = keep(known);
	report_outcome(b, copy);
	drop(copy);
}

static void accept_item(struct brain *b, const Berth__V1__CommandItem *i, int64_t command, bool doubtful) {
	const Berth__V1__WantedModule *m = i->module;
	Berth__V1__Outcome accepted = BERTH__V1__OUTCOME__INIT;
	struct op *restoring = op_restoring(b, m->module, m->version);
	enum op_kind kind = kind_of(i->kind);
	bool hook = kind == OP_BEFORE_SWAP || kind == OP_AFTER_SWAP;
	if (restoring != NULL && !op_called(restoring) && !hook)
		op_free(b, restoring);
	struct op *op = op_new(b, kind, m);
	op->command = command;
	op->generation = i->generation;
	op->task = i->task;
	op->activate = op->kind == OP_INSTALL && i->activate;
	op->doubtful = doubtful;
	keep_text(&op->hook, i->hook);
	keep_text(&op->hook_context, i->hook_context);
	keep_text(&op->hook_key, i->hook_key);
	int64_t timeout = pb_duration_us(i->timeout);
	if (timeout > 0)
		op->timeout_us = timeout < MAX_TIMEOUT_US ? timeout : MAX_TIMEOUT_US;
	if (op->kind == OP_INSTALL)
		op_fetch(b, op);
	if (op->kind == OP_UNINSTALL) /* nor is it restored when its removal fails: the server says what is wanted then */
		state_wanted_drop(b->state, m->module, m->version);
	keep_int(&accepted, generation, i->generation);
	keep_int(&accepted, task, i->task);
	state_outcome_put(b->state, &accepted);
	if (i->generation > b->state->high_generation)
		keep_int(b->state, high_generation, i->generation);
	b->dirty = true;
}

static void take_item(struct brain *b, const Berth__V1__CommandItem *i, int64_t high, int64_t command) {
	const Berth__V1__Outcome *known = state_outcome(b->state, i->generation);
	bool known_kind = i->kind >= BERTH__V1__TASK_KIND__TASK_KIND_INSTALL && i->kind <= BERTH__V1__TASK_KIND__TASK_KIND_AFTER_SWAP;
	if (op_by_generation(b, i->generation) != NULL)
		return; /* at work: its outcome answers both */
	if (known != NULL && known->has_ok && !MUTANT(obey_again))
		repeat_outcome(b, known);
	else if (!known_kind || !module_ok(i->module) || i->generation <= 0)
		refuse_item(b, i, "invalid", "the command names no module that this agent could act on");
	else if (known == NULL && i->generation <= high && !MUTANT(obey_again))
		refuse_item(b, i, "stale", "a later command was accepted already");
	else
		accept_item(b, i, command, known != NULL);
}

static size_t op_count(const struct brain *b) {
	size_t n = 0;
	const struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		n++;
	return n;
}

/* Generations are compared with the highest before this command: its items need not come in ascending order. */
static void take_command(struct brain *b, const Berth__V1__Command *c) {
	int64_t high = b->state->high_generation, command = ++b->last_id;
	if (c->n_items > MAX_ITEMS || op_count(b) + c->n_items > MAX_OPS || b->state->n_unacked >= STATE_MAX_UNACKED ||
	    b->state->n_outcomes > MAX_OUTCOMES) {
		say(b, LOG_LEVEL_WARN,
		    "a command with %zu items is left alone, too much is unfinished (%zu operations, %zu reports); the server sends it "
		    "again",
		    c->n_items, op_count(b), b->state->n_unacked);
		return;
	}
	for (size_t i = 0; i < c->n_items; i++)
		take_item(b, c->items[i], high, command);
	if (b->dirty) {
		effect_persist(b); /* before anything that follows from it */
		b->dirty = false;
	}
	ops_run(b);
}

static void on_command(struct brain *b, const Berth__V1__Command *c) {
	if (!b->welcomed || c->epoch < b->state->epoch) {
		say(b, LOG_LEVEL_WARN, "refused a command of epoch %lld; the newest server seen has %lld", (long long)c->epoch,
		    (long long)b->state->epoch);
		return;
	}
	if (c->epoch == b->state->epoch && lease_holds(b) && TAILQ_EMPTY(&b->waiting)) {
		take_command(b, c);
		return;
	}
	/* It may come from a server that was frozen. If it still holds the lease, its next tick says so. */
	if (b->n_waiting >= MAX_WAITING)
		return;
	struct waiting *w = calloc(1, sizeof *w);
	if (w == NULL)
		abort();
	w->command = keep(c);
	TAILQ_INSERT_TAIL(&b->waiting, w, link);
	b->n_waiting++;
}

static struct waiting *waiting_pop(struct brain *b) {
	struct waiting *w = TAILQ_FIRST(&b->waiting);
	if (w != NULL) {
		TAILQ_REMOVE(&b->waiting, w, link);
		b->n_waiting--;
	}
	return w;
}

void server_drop_waiting(struct brain *b) {
	struct waiting *w;
	while ((w = waiting_pop(b)) != NULL) {
		drop(w->command);
		free(w);
	}
}

static void on_tick(struct brain *b, const Berth__V1__Tick *t) {
	struct waiting *w;
	if (!b->welcomed || t->epoch != b->state->epoch)
		return;
	b->tick_at = b->now;
	if (t->last_event > b->state->last_event)
		keep_int(b->state, last_event, t->last_event);
	while ((w = waiting_pop(b)) != NULL) {
		if (w->command->epoch == b->state->epoch)
			take_command(b, w->command);
		drop(w->command);
		free(w);
	}
}

/* ---- welcome ---- */

/* False: this server is not obeyed. */
static bool welcome_checked(struct brain *b, const Berth__V1__Welcome *w) {
	Berth__V1__AgentState *s = b->state;
	bool other_cell = s->cell != NULL && w->cell != NULL && strcmp(s->cell, w->cell) != 0;
	if (other_cell && w->base_key == NULL) {
		say(b, LOG_LEVEL_ERROR,
		    "the server belongs to cell %s, this base to %s; to move it, remove agent.state from its data folder and give a join "
		    "token",
		    w->cell, s->cell);
		return false;
	}
	if (!other_cell && w->epoch < s->epoch) {
		say(b, LOG_LEVEL_ERROR,
		    "the server has epoch %lld, a newer one had %lld: not obeyed; if its database was restored, accept that at the server",
		    (long long)w->epoch, (long long)s->epoch);
		return false;
	}
	if (other_cell) { /* registered anew, with a key of its own: what the old cell commanded means nothing here */
		keep_int(s, high_generation, 0);
		keep_int(s, last_event, 0);
		state_outcomes_clear(s);
		state_report_ack(s, INT64_MAX);
		say(b, LOG_LEVEL_WARN, "moved from cell %s to cell %s", s->cell, w->cell);
	}
	return true;
}

static void keep_servers(Berth__V1__AgentState *s, const Berth__V1__Welcome *w) {
	if (w->n_servers == 0 || w->n_servers > 64)
		return;
	for (size_t i = 0; i < s->n_servers; i++)
		free(s->servers[i]);
	char **list = realloc(s->servers, w->n_servers * sizeof *list);
	if (list == NULL)
		abort();
	s->servers = list;
	s->n_servers = w->n_servers;
	for (size_t i = 0; i < w->n_servers; i++) {
		s->servers[i] = NULL;
		keep_text(&s->servers[i], w->servers[i]);
	}
}

static void outcome_wanted(Berth__V1__AgentState *s, const Berth__V1__AgentState *old, const Berth__V1__Outcome *o) {
	const Berth__V1__WantedModule *was = state_wanted(old, o->module, o->version), *is = state_wanted(s, o->module, o->version);
	if (o->ok && o->kind == BERTH__V1__TASK_KIND__TASK_KIND_INSTALL && was != NULL && was->generation == o->generation && is == NULL)
		state_wanted_put(s, was);
	else if (o->ok && o->kind == BERTH__V1__TASK_KIND__TASK_KIND_UNINSTALL && is != NULL && is->generation < o->generation)
		state_wanted_drop(s, o->module, o->version);
}

/* The list is from before the reports that the server has not recorded: what their outcomes brought or took away is news to it. */
static void wanted_catch_up(Berth__V1__AgentState *s, const Berth__V1__AgentState *old, int64_t committed_seq) {
	for (size_t i = 0; i < s->n_unacked; i++) {
		const Berth__V1__Report *r = s->unacked[i];
		for (size_t k = 0; r->seq > committed_seq && k < r->n_outcomes; k++)
			outcome_wanted(s, old, r->outcomes[k]);
	}
}

/* What is on the base keeps the digest it was installed from: other bytes under the same version come by a command only. */
static void wanted_take(struct brain *b, const Berth__V1__Welcome *w) {
	Berth__V1__AgentState *s = b->state, *old = keep(s);
	state_wanted_clear(s);
	for (size_t i = 0; i < w->n_wanted; i++) {
		const Berth__V1__WantedModule *in = w->wanted[i];
		if (!module_ok(in)) {
			say(b, LOG_LEVEL_WARN, "left out a wanted module with an unusable name, version or digest");
			continue;
		}
		const Berth__V1__WantedModule *was = state_wanted(old, in->module, in->version);
		const struct held *h = held_find(b, in->module, in->version);
		state_wanted_put(s, in);
		if (h != NULL && !h->absent && was != NULL && was->sha256 != NULL)
			keep_text(&state_wanted(s, in->module, in->version)->sha256, was->sha256);
		const Berth__V1__HeldModule *q = state_quarantine(s, in->module, in->version);
		if (q != NULL && in->generation > q->generation)
			state_quarantine_drop(s, in->module, in->version);
	}
	wanted_catch_up(s, old, w->committed_seq);
	drop(old);
}

static int64_t clamp(int64_t v, int64_t low, int64_t high) {
	return v < low ? low : v > high ? high : v;
}

static void welcome_facts(struct brain *b, const Berth__V1__Welcome *w) {
	Berth__V1__AgentState *s = b->state;
	keep_text(&s->cell, w->cell);
	keep_int(s, epoch, w->epoch);
	keep_int(s, incarnation, w->incarnation);
	if (w->base_key != NULL && *w->base_key != '\0')
		keep_text(&s->base_key, w->base_key);
	if (w->base != NULL && *w->base != '\0')
		keep_text(&s->base, w->base);
	if (w->artifacts != NULL)
		keep_text(&s->artifacts, w->artifacts);
	if (w->last_event > s->last_event)
		keep_int(s, last_event, w->last_event);
	if (w->committed_seq > s->report_seq) /* our disk was lost: numbers that were used must not come again */
		keep_int(s, report_seq, w->committed_seq);
	keep_servers(s, w);
	b->lease_us = w->lease != NULL ? clamp(pb_duration_us(w->lease), US_PER_S, 3600 * US_PER_S) : 10 * US_PER_S;
	b->heartbeat_us = w->heartbeat != NULL ? clamp(pb_duration_us(w->heartbeat), MIN_HEARTBEAT_US, MAX_HEARTBEAT_US) : 10 * US_PER_S;
}

static void on_welcome(struct brain *b, const Berth__V1__Welcome *w) {
	if (!welcome_checked(b, w)) {
		effect_drop_link(b, true);
		return;
	}
	bool again = b->welcomed;
	welcome_facts(b, w);
	wanted_take(b, w);
	server_drop_waiting(b);
	state_report_ack(b->state, w->committed_seq);
	b->welcomed = b->joined_once = true;
	b->key_refused = false;
	b->tick_at = b->now;
	b->heartbeat_at = mono_add(b->now, rng_jitter(&b->rng, b->heartbeat_us));
	effect_persist(b);
	effect_simple(b, BRAIN_JOINED);
	effect_simple(b, BRAIN_PINS);
	report_resend(b);
	b->full_due = b->ready; /* while it is being filled, the list would look like a loss */
	report_facts(b);
	say(b, LOG_LEVEL_INFO, "%s cell %s as %s (epoch %lld, incarnation %lld): %zu modules wanted", again ? "still in" : "joined",
	    b->state->cell != NULL ? b->state->cell : "?", b->state->base != NULL ? b->state->base : "?", (long long)w->epoch,
	    (long long)w->incarnation, b->state->n_wanted);
	ops_fetch_now(b);
	base_restore(b);
}

static void on_refused(struct brain *b, const Berth__V1__Refused *r) {
	const char *detail = r->detail != NULL ? r->detail : "no reason given";
	bool final = r->final;
	say(b, final ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "the server refused this base (%s): %s", r->code != NULL ? r->code : "?", detail);
	/* Perhaps the base was forgotten, or the database is from before it joined: the join token again. */
	b->key_refused = r->code != NULL && strcmp(r->code, "unauthenticated") == 0;
	effect_drop_link(b, final);
	if (final && b->state->base_key == NULL) {
		say(b, LOG_LEVEL_ERROR, "never joined, so there is nothing to keep running: leaving with exit code 3");
		base_stop(b, 3);
	}
}

static void on_prefetch(struct brain *b, const Berth__V1__Prefetch *p) {
	for (size_t i = 0; i < p->n_modules && i < MAX_ITEMS; i++)
		if (module_ok(p->modules[i]) && p->modules[i]->sha256 != NULL && *p->modules[i]->sha256 != '\0')
			fetch_ahead(b, p->modules[i], p->plan, p->slot);
}

void server_message(struct brain *b, const Berth__V1__ServerMessage *m) {
	if (!b->linked)
		return; /* of a stream that is gone */
	switch (m->kind_case) {
	case BERTH__V1__SERVER_MESSAGE__KIND_WELCOME:
		on_welcome(b, m->welcome);
		break;
	case BERTH__V1__SERVER_MESSAGE__KIND_REFUSED:
		on_refused(b, m->refused);
		break;
	case BERTH__V1__SERVER_MESSAGE__KIND_TICK:
		on_tick(b, m->tick);
		break;
	case BERTH__V1__SERVER_MESSAGE__KIND_COMMAND:
		on_command(b, m->command);
		break;
	case BERTH__V1__SERVER_MESSAGE__KIND_ACK:
		state_report_ack(b->state, m->ack->committed_seq); /* durable with the next write: repeating one too many is harmless */
		break;
	case BERTH__V1__SERVER_MESSAGE__KIND_PREFETCH:
		on_prefetch(b, m->prefetch);
		break;
	default:
		break; /* of a newer server */
	}
}

void server_tick(struct brain *b) {
	if (!b->linked || !due(b->heartbeat_at, b->now))
		return;
	b->heartbeat_at = mono_add(b->now, rng_jitter(&b->rng, b->heartbeat_us));
	report_heartbeat(b);
}
