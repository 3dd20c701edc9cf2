/* What the server is told. Outcomes are stored before they are sent and repeated until acknowledged; every report takes the next
 * number and is stored with it, so that a number is never used twice, also not after a crash. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "brain_int.h"
#include "proto/json.h"

#define MANY_HELD 256
#define MAX_NOTE 2048
#define WITNESS_US (60 * US_PER_S) /* how stale the stored witness may be */

void report_facts(struct brain *b) {
	b->facts_dirty = true;
}

void report_outcome(struct brain *b, const Berth__V1__Outcome *o) {
	Berth__V1__Outcome **list = realloc(b->outcomes, (b->n_outcomes + 1) * sizeof *list);
	if (list == NULL)
		abort();
	list[b->n_outcomes++] = keep(o);
	b->outcomes = list;
	state_outcome_put(b->state, o);
}

static void outcomes_clear(struct brain *b) {
	for (size_t i = 0; i < b->n_outcomes; i++)
		drop(b->outcomes[i]);
	free(b->outcomes);
	b->outcomes = NULL;
	b->n_outcomes = 0;
}

static void gone_clear(struct brain *b) {
	struct gone *g;
	while ((g = TAILQ_FIRST(&b->gone)) != NULL) {
		TAILQ_REMOVE(&b->gone, g, link);
		free(g->module);
		free(g->version);
		free(g);
	}
}

void report_forget_changes(struct brain *b) {
	struct held *h;
	TAILQ_FOREACH(h, &b->held, link)
		h->dirty = false;
	gone_clear(b);
	b->facts_dirty = false;
	b->full_due = false;
}

/* What a base writes may be any bytes; the server takes whole messages of clean UTF-8 or none, and a report that it cannot take would
 * come again for ever. */
char *clean_text(struct arena *a, const char *s, size_t max) {
	if (s == NULL)
		return NULL;
	size_t n = strlen(s), at = 0;
	char *out = arena_alloc(a, max + 1);
	for (size_t i = 0; i < n;) {
		size_t len = utf8_length(s + i, n - i);
		bool control = len == 1 && (unsigned char)s[i] < ' ' && s[i] != '\n' && s[i] != '\t';
		size_t take = len == 0 ? 1 : len;
		if (at + take > max)
			break;
		if (len == 0 || control)
			out[at] = '?';
		else
			memcpy(out + at, s + i, len);
		at += take;
		i += take;
	}
	return out;
}

/* A Hello is bounded at the server; with very many modules their causes go by single reports only. */
static void causes_cut(Berth__V1__HeldModule **list, size_t n) {
	for (size_t i = 0; i < n && n > MANY_HELD; i++)
		list[i]->cause = NULL;
}

/* What is only remembered (failed, set aside) is listed while it is news or wanted: the server may have given it up since. */
static bool listed(const struct brain *b, const struct held *h, bool dirty_only) {
	if (h->dirty)
		return true;
	return !dirty_only && (!h->absent || state_wanted(b->state, h->module, h->version) != NULL);
}

/* Called to the base by ourselves: it is there in a moment, and no list may say that it is not. */
static bool coming_back(const struct brain *b, const struct op *op) {
	return op->restore && op->kind == OP_INSTALL && op_called(op) && held_find(b, op->module->module, op->module->version) == NULL;
}

static Berth__V1__HeldModule *coming_message(struct brain *b, const struct op *op, struct arena *a) {
	struct held h = { .module = op->module->module, .version = op->module->version, .state = ARKLET_RESOLVED };
	return held_message(b, &h, a);
}

static size_t fill_held(struct brain *b, bool dirty_only, Berth__V1__HeldModule ***ret, struct arena *a) {
	size_t n = 0, k = 0;
	struct held *h;
	struct op *op;
	TAILQ_FOREACH(h, &b->held, link)
		n++;
	TAILQ_FOREACH(op, &b->ops, link)
		n++;
	Berth__V1__HeldModule **list = arena_alloc(a, (n + 1) * sizeof *list);
	TAILQ_FOREACH(h, &b->held, link)
		if (listed(b, h, dirty_only))
			list[k++] = held_message(b, h, a);
	TAILQ_FOREACH(op, &b->ops, link)
		if (!dirty_only && coming_back(b, op))
			list[k++] = coming_message(b, op, a);
	causes_cut(list, k);
	*ret = list;
	return k;
}

static void fill_gone(struct brain *b, Berth__V1__Report *r, struct arena *a) {
	struct gone *g;
	size_t n = 0;
	TAILQ_FOREACH(g, &b->gone, link)
		n++;
	r->gone = arena_alloc(a, (n + 1) * sizeof *r->gone);
	TAILQ_FOREACH(g, &b->gone, link) {
		if (held_find(b, g->module, g->version) != NULL)
			continue; /* came back before it was told */
		Berth__V1__ModuleRef *ref = PB_NEW(Berth__V1__ModuleRef, berth__v1__module_ref, a);
		ref->module = g->module;
		ref->version = g->version;
		r->gone[r->n_gone++] = ref;
	}
}

/* Running means for the server: what it was last told to hold can be counted on. Not while the base comes up and is being filled; but
 * yes for one that was found alive, until it is known what it holds. */
static bool base_running(const struct brain *b) {
	return b->ready || b->adopted;
}

static void fill_facts(struct brain *b, Berth__V1__Report *r, struct arena *a) {
	r->memory = b->memory != NULL ? (Berth__V1__BaseMemory *)pb_copy(&b->memory->pb, a) : NULL;
	keep_int(r, base_ready, b->ready);
	keep_int(r, base_running, base_running(b));
	keep_int(r, base_start, base_identity(b));
	keep_int(r, restarts, b->state->restarts);
	keep_int(r, crash_loop, b->crash_loop);
	if ((b->note == NULL || *b->note == '\0') && !base_running(b))
		r->base_note = arena_strdup(a, "it is starting, or its modules are being installed again");
	else if (b->note != NULL && *b->note != '\0')
		r->base_note = clean_text(a, b->note, MAX_NOTE);
}

static bool changes_due(const struct brain *b) {
	const struct held *h;
	if (!b->welcomed)
		return false; /* the next Hello tells */
	if (b->facts_dirty || b->full_due || !TAILQ_EMPTY(&b->gone))
		return true;
	TAILQ_FOREACH(h, &b->held, link)
		if (h->dirty)
			return true;
	return false;
}

static void send_report(struct brain *b, Berth__V1__Report *r) {
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_REPORT;
	m.report = r;
	effect_send(b, &m, false);
}

void report_seal(struct brain *b) {
	bool changes = changes_due(b);
	if (b->n_outcomes == 0 && !changes) {
		if (b->dirty)
			effect_persist(b);
		b->dirty = false;
		return;
	}
	ARENA_AUTO a = arena_new();
	Berth__V1__Report *r = PB_NEW(Berth__V1__Report, berth__v1__report, a);
	keep_int(b->state, report_seq, b->state->report_seq + 1);
	keep_int(r, seq, b->state->report_seq);
	r->outcomes = b->outcomes;
	r->n_outcomes = b->n_outcomes;
	if (changes) {
		r->n_changed = fill_held(b, !b->full_due, &r->changed, a);
		if (b->full_due)
			keep_int(r, full, 1);
		else if (b->ready) /* while it is filled, what is missing is on its way */
			fill_gone(b, r, a);
		fill_facts(b, r, a);
	}
	state_report_put(b->state, keep(r));
	effect_persist(b);
	b->dirty = false;
	if (b->welcomed)
		send_report(b, r);
	outcomes_clear(b);
	if (changes)
		report_forget_changes(b);
}

void report_resend(struct brain *b) {
	for (size_t i = 0; i < b->state->n_unacked; i++)
		send_report(b, b->state->unacked[i]);
}

/* What is on the base needs no second telling. What is only remembered does: a server may take a Hello's list for no more than that. */
static void hello_told(struct brain *b) {
	struct held *h;
	TAILQ_FOREACH(h, &b->held, link)
		h->dirty = h->dirty && h->absent;
	gone_clear(b);
	b->facts_dirty = b->full_due = false;
}

void report_hello(struct brain *b) {
	ARENA_AUTO a = arena_new();
	const Berth__V1__AgentState *s = b->state;
	Berth__V1__Hello *h = (Berth__V1__Hello *)pb_copy(&b->who->pb, a);
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	h->base_key = s->base_key == NULL ? NULL : arena_strdup(a, s->base_key);
	if (h->base_key != NULL && !b->key_refused)
		h->join_token = NULL; /* said only where nothing better is known */
	h->n_held = fill_held(b, false, &h->held, a);
	keep_int(h, report_seq, s->report_seq);
	keep_int(h, high_generation, s->high_generation);
	h->witness_cell = s->cell == NULL ? NULL : arena_strdup(a, s->cell);
	keep_int(h, witness_epoch, s->epoch);
	keep_int(h, witness_event, s->last_event);
	h->memory = b->memory != NULL ? (Berth__V1__BaseMemory *)pb_copy(&b->memory->pb, a) : NULL;
	keep_int(h, base_running, base_running(b));
	keep_int(h, base_start, base_identity(b));
	keep_int(h, restarts, s->restarts);
	keep_int(h, protocol, 1);
	keep_int(h, prefetches, 1);
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_HELLO;
	m.hello = h;
	effect_send(b, &m, true);
	hello_told(b);
}

void report_prefetched(struct brain *b, int64_t plan, int64_t slot, const struct brain_fetched *f) {
	Berth__V1__Prefetched x = BERTH__V1__PREFETCHED__INIT;
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	keep_int(&x, plan, plan);
	keep_int(&x, slot, slot);
	keep_int(&x, ok, f->ok);
	keep_int(&x, fetch_us, f->elapsed_us);
	x.cause = f->ok || f->cause == NULL ? NULL : (char *)(uintptr_t)f->cause;
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_PREFETCHED;
	m.prefetched = &x;
	effect_send(b, &m, true);
}

void report_heartbeat(struct brain *b) {
	Berth__V1__Heartbeat h = BERTH__V1__HEARTBEAT__INIT;
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	keep_int(&h, memory_bytes, b->memory_bytes);
	h.memory = b->memory;
	keep_int(&h, digest, (int64_t)held_sum(b));
	keep_int(&h, report_seq, b->state->report_seq);
	keep_int(&h, base_ready, b->ready && b->phase != PHASE_STOPPING);
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT;
	m.heartbeat = &h;
	effect_send(b, &m, true);
	if (due(b->witness_at, b->now)) {
		b->witness_at = mono_add(b->now, WITNESS_US);
		b->dirty = true;
	}
}
