/* Gates: what must be so before the next batch begins. Asked one after the other once a batch is done and has soaked; each holds, lets
 * through or refuses. Which batch is at its gates, what was let through and what was said last are in the memo, so that a takeover goes on
 * from there; a question under way is asked once more. */
#include "plan/gate.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define ASK_LOST_US (60 * US_PER_S) /* a question without an answer for so long is asked again: its server was frozen meanwhile */
#define LEAST_US (100 * US_PER_MS)  /* between two tries, whatever gateEvery says */
#define MAX_PROBES_AT_ONCE 16
#define STORE_US (30 * US_PER_S) /* of waiting that a takeover may forget */

enum gate { GATE_STATE, GATE_FAILED, GATE_PROBE, GATE_URL, GATES };
enum verdict { VERDICT_PASS, VERDICT_HOLD, VERDICT_REFUSE };
struct looking {
	struct plan_env *e;
	struct plan *p;
	struct batch *b;
	char said[MEMO_SAID];
};

/* What the batch brought, as far as nobody lets it be and it did not count as failed. */
static bool brought(struct plan *p, const struct change *ch, const struct instance *i) {
	const struct revision *to = change_goal(ch);
	return to != NULL && i->row.wanted && i->row.revision == to->row.number && !slot_ignored(p, ch->deployment, i->base) &&
	       !chain_failed_before(p, ch->deployment, i->base);
}

/* ---- module state and health of arklet ------------------------------------------------------------------------------------------------
 */
static bool healthy(const struct instance *i) {
	bool active = i->row.reported == NULL || *i->row.reported == '\0' || strcmp(i->row.reported, "activated") == 0;
	return i->row.state == INSTANCE_READY && active && i->base->row.state == BASE_READY && i->base->connected;
}

static enum verdict look_state(struct looking *x) {
	const struct change *ch;
	const struct instance *i, *first = NULL;
	int n = 0, bad = 0;
	TAILQ_FOREACH(ch, &x->p->changes, link)
		TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link) {
			if (!brought(x->p, ch, i))
				continue;
			n++;
			bad += !healthy(i);
			first = first == NULL && !healthy(i) ? i : first;
		}
	if (first == NULL)
		return VERDICT_PASS;
	snprintf(x->said, sizeof x->said, "%d of %d not well: %s:%s on %s is %s, the base %s", bad, n, first->version->module->row.name,
	    first->version->row.name, first->base->row.name, word_text(WORD_INSTANCE, first->row.state),
	    word_text(WORD_BASE, first->base->row.state));
	return VERDICT_HOLD;
}

/* ---- share of failed tasks ------------------------------------------------------------------------------------------------------------
 */
static enum verdict look_failed(struct looking *x) {
	const struct plan_live *l = x->p->live;
	int64_t all = x->p->row.tasks_done + x->p->row.tasks_failed, most = amount_of(l->s.gate_failed, all, ROUND_DOWN);
	if (x->p->row.tasks_failed <= most)
		return VERDICT_PASS;
	snprintf(x->said, sizeof x->said, "%lld of %lld tasks failed, %lld may", (long long)x->p->row.tasks_failed, (long long)all,
	    (long long)most);
	return VERDICT_REFUSE;
}

/* ---- questions over HTTP ---------------------------------------------------------------------------------------------------------------
 */
static bool lost(const struct plan_env *e, const struct question *q) {
	return q->ask != 0 && mono_diff(e->mono, q->at) >= ASK_LOST_US;
}

static void pose(struct plan_env *e, struct plan *p, struct question *q, const struct plan_ask *a) {
	q->ask = e->ask(e->arg, p, a);
	q->at = e->mono;
}

/* A probe through the base: the module's own path, where the base's HTTP routes answer. */
static void probes_list(struct plan *p) {
	struct gates *g = &p->live->gates;
	const struct change *ch;
	const struct instance *i;
	g->n = 0;
	TAILQ_FOREACH(ch, &p->changes, link)
		TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link) {
			if (!brought(p, ch, i))
				continue;
			if (g->n == g->cap) {
				g->cap = g->cap == 0 ? 16 : g->cap * 2;
				g->probes = realloc(g->probes, g->cap * sizeof *g->probes);
				if (g->probes == NULL)
					abort();
			}
			g->probes[g->n++] = (struct question){ .instance_id = i->row.id };
		}
	g->listed = true;
}

static void probe(struct looking *x, struct question *q, const struct instance *i) {
	char url[512];
	const char *address = i->base->row.address;
	if (address == NULL || *address == '\0') {
		q->done = true; /* it serves nothing over HTTP */
		return;
	}
	snprintf(url, sizeof url, "http://%s%s", address, x->p->live->s.gate_probe);
	struct plan_ask a = { .url = url };
	pose(x->e, x->p, q, &a);
}

static bool refused_by(struct looking *x, const struct question *q) {
	const struct plan_live *l = x->p->live;
	const struct instance *i = fleet_instance(x->e->fleet, q->instance_id);
	if (q->done || q->tries == 0)
		return false;
	char status[32];
	snprintf(status, sizeof status, "%d", q->status);
	snprintf(x->said, sizeof x->said, "GET %.100s of %s: %s instead of %lld, %lld of %lld times", l->s.gate_probe,
	    i == NULL ? "a base" : i->base->row.name, q->status == 0 ? "no answer" : status, (long long)l->s.gate_probe_status,
	    (long long)q->tries, (long long)l->s.gate_retries + 1);
	return q->tries > l->s.gate_retries;
}

static enum verdict look_probe(struct looking *x) {
	struct gates *g = &x->p->live->gates;
	size_t open = 0, asked = 0;
	if (!g->listed)
		probes_list(x->p);
	for (size_t k = 0; k < g->n; k++) {
		struct question *q = &g->probes[k];
		const struct instance *i = q->done ? NULL : fleet_instance(x->e->fleet, q->instance_id);
		if (refused_by(x, q))
			return VERDICT_REFUSE;
		q->done |= i == NULL; /* it went meanwhile: nothing to ask */
		if (lost(x->e, q))
			q->ask = 0;
		if (!q->done && q->ask == 0 && asked < MAX_PROBES_AT_ONCE && mono_diff(q->next, x->e->mono) <= 0)
			probe(x, q, i);
		asked += q->ask != 0;
		open += !q->done;
	}
	if (open > 0 && x->said[0] == '\0')
		snprintf(x->said, sizeof x->said, "%zu of %zu have not answered GET %.100s", open, g->n, x->p->live->s.gate_probe);
	return open == 0 ? VERDICT_PASS : VERDICT_HOLD;
}

/* What a gate is told: enough to look up the rest. */
static char *context(const struct looking *x, struct arena *a) {
	const struct change *ch = TAILQ_FIRST(&x->p->changes), *each;
	const struct instance *i;
	json_t *j = json_object(), *bases = json_array();
	json_object_set_new(j, "plan", json_integer(x->p->row.id));
	json_object_set_new(j, "kind", json_string(word_text(WORD_PLAN_KIND, x->p->row.kind)));
	json_object_set_new(j, "batch", json_integer(x->b->row.number));
	json_object_set_new(j, "batches", json_integer(TAILQ_LAST(&x->p->batches, batch_list)->row.number));
	json_object_set_new(j, "label", json_string(x->b->row.label == NULL ? "" : x->b->row.label));
	json_object_set_new(j, "done", json_integer(x->b->row.done));
	json_object_set_new(j, "failed", json_integer(x->b->row.failed));
	json_object_set_new(j, "tenant", json_string(x->p->tenant->row.name));
	json_object_set_new(j, "deployment", json_string(ch->row.deployment));
	json_object_set_new(j, "module", json_string(ch->row.module));
	json_object_set_new(j, "group", json_string(ch->deployment->group->row.name));
	json_object_set_new(j, "fromVersion", json_string(ch->row.from_version == NULL ? "" : ch->row.from_version));
	json_object_set_new(j, "toVersion", json_string(ch->row.to_version == NULL ? "" : ch->row.to_version));
	json_object_set_new(j, "waitedSeconds", json_integer(gate_waited(x->e, x->p) / US_PER_S));
	TAILQ_FOREACH(each, &x->p->changes, link)
		TAILQ_FOREACH(i, &each->deployment->instances, deployment_link)
			if (brought(x->p, each, i) && json_array_size(bases) < 1000)
				json_array_append_new(bases, json_string(i->base->row.name));
	json_object_set_new(j, "bases", bases);
	char *text = json_dumps(j, JSON_COMPACT), *kept = arena_strdup(a, text == NULL ? "{}" : text);
	free(text);
	json_decref(j);
	return kept;
}

static enum verdict url_said(struct looking *x, struct question *q) {
	const char *text = q->text;
	bool go = q->status == 200, no = q->status == 409;
	char status[32];
	snprintf(status, sizeof status, q->status == 0 ? "no answer" : "%d", q->status);
	snprintf(x->said, sizeof x->said, "%s%s%s", status, *text == '\0' ? "" : ": ", text);
	return go ? VERDICT_PASS : no ? VERDICT_REFUSE : VERDICT_HOLD;
}

static enum verdict look_url(struct looking *x) {
	struct question *q = &x->p->live->gates.url;
	enum verdict v = VERDICT_HOLD;
	if (lost(x->e, q))
		q->ask = 0;
	if (q->tries > 0)
		v = url_said(x, q);
	if (v != VERDICT_HOLD || q->ask != 0 || mono_diff(q->next, x->e->mono) > 0)
		return v;
	ARENA_AUTO a = arena_new();
	const struct group *g = TAILQ_FIRST(&x->p->changes)->deployment->group;
	struct plan_ask ask = { .url = x->p->live->s.gate_url, .body = context(x, a), .secret = g->row.hook_secret };
	pose(x->e, x->p, q, &ask);
	return VERDICT_HOLD;
}

/* ---- all of them -----------------------------------------------------------------------------------------------------------------------
 */
static bool has_state(const struct strategy *s) {
	return s->gate_state == CHOICE_YES;
}

static bool has_failed(const struct strategy *s) {
	return s->gate_failed.kind != AMOUNT_UNSET;
}

static bool has_probe(const struct strategy *s) {
	return s->gate_probe[0] != '\0';
}

static bool has_url(const struct strategy *s) {
	return s->gate_url[0] != '\0';
}

static const struct {
	const char *name;
	bool (*given)(const struct strategy *s);
	enum verdict (*look)(struct looking *x);
} gates[GATES] = {
	[GATE_STATE] = { "state", has_state, look_state },
	[GATE_FAILED] = { "failed", has_failed, look_failed },
	[GATE_PROBE] = { "probe", has_probe, look_probe },
	[GATE_URL] = { "url", has_url, look_url },
};

static int gate_next(const struct plan *p) {
	int k = 0;
	while (k < GATES && (!gates[k].given(&p->live->s) || (p->live->memo.gate_passed & 1 << k) != 0))
		k++;
	return k;
}

int64_t gate_waited(const struct plan_env *e, const struct plan *p) {
	return p->live->memo.gate_us + mono_diff(e->mono, p->live->gates.from);
}

static void note(struct plan_env *e, struct plan *p, const char *said) {
	struct plan_memo *m = &p->live->memo;
	if (strcmp(m->gate_said, said) == 0)
		return;
	snprintf(m->gate_said, sizeof m->gate_said, "%s", said);
	m->gate_us = gate_waited(e, p);
	p->live->gates.from = e->mono;
	plan_memo_store(e, p);
}

static void gates_begin(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_memo *m = &p->live->memo;
	char text[96];
	gates_reset(p);
	m->gate_batch = b->row.number;
	m->gate_since = e->wall.us;
	p->live->gates.from = e->mono;
	batch_set_state(e->fleet, b, BATCH_SOAKING, e->wall);
	plan_memo_store(e, p);
	snprintf(text, sizeof text, "batch %lld is done; its gates are asked", (long long)b->row.number);
	plan_announce(e, "plan.gates", p, text);
}

void gates_reset(struct plan *p) {
	struct plan_memo *m = &p->live->memo;
	struct question *keep = p->live->gates.probes;
	size_t cap = p->live->gates.cap;
	m->gate_batch = m->gate_passed = m->gate_us = m->gate_since = 0;
	m->gate_said[0] = '\0';
	p->live->gates = (struct gates){ .probes = keep, .cap = cap };
}

static void passed(struct plan_env *e, struct plan *p, int k) {
	char text[96];
	p->live->memo.gate_passed |= 1 << k;
	p->live->memo.gate_said[0] = '\0';
	plan_memo_store(e, p);
	snprintf(text, sizeof text, "gate %s lets batch %lld through", gates[k].name, (long long)p->live->memo.gate_batch);
	plan_announce(e, "gate.passed", p, text);
}

static void refused(struct plan_env *e, struct plan *p, int k, const char *said) {
	char text[MEMO_SAID + 200];
	struct plan_live *l = p->live;
	snprintf(text, sizeof text,
	    "gate %s refuses batch %lld: %s; look at it, then resume (asks again), confirm %lld (goes on), undo or stop", gates[k].name,
	    (long long)l->memo.gate_batch, said, (long long)l->memo.gate_batch);
	plan_announce(e, "gate.refused", p, text);
	if (l->s.on_failure == ON_FAILURE_STOP)
		plan_end(e, p, PLAN_FAILED, text);
	else if (l->s.on_failure != ON_FAILURE_UNDO || !e->undo(e->arg, p, text))
		plan_halt(e, p, HALT_GATE, text);
}

static int64_t every(const struct plan_live *l) {
	return l->s.gate_every_us < LEAST_US ? LEAST_US : l->s.gate_every_us;
}

static void held(struct plan_env *e, struct plan *p, int k) {
	struct plan_live *l = p->live;
	int64_t left = l->s.gate_timeout_us - gate_waited(e, p);
	if (mono_diff(e->mono, l->gates.from) >= STORE_US) {
		l->memo.gate_us = gate_waited(e, p);
		l->gates.from = e->mono;
		plan_memo_store(e, p);
	}
	l->wait.gate = gates[k].name;
	l->wait.until = mono_add(e->mono, left);
	e->wake(e->arg, p, mono_add(e->mono, left < every(l) ? left : every(l)));
}

bool gates_passed(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	if (gate_next(p) == GATES && l->memo.gate_batch == 0)
		return true;
	if (l->memo.gate_batch != b->row.number)
		gates_begin(e, p, b);
	for (int k; (k = gate_next(p)) < GATES;) {
		struct looking x = { .e = e, .p = p, .b = b };
		enum verdict v = gates[k].look(&x);
		if (v == VERDICT_HOLD && gate_waited(e, p) >= l->s.gate_timeout_us) {
			size_t at = strlen(x.said);
			snprintf(x.said + at, sizeof x.said - at, "%sgateTimeout is over", at == 0 ? "" : "; ");
			v = VERDICT_REFUSE;
		}
		if (v == VERDICT_PASS) {
			passed(e, p, k);
			continue;
		}
		note(e, p, x.said);
		if (v == VERDICT_HOLD)
			held(e, p, k);
		else
			refused(e, p, k, x.said);
		return false;
	}
	return true;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------------------
 */
static struct question *question_of(struct gates *g, int64_t ask) {
	if (g->url.ask == ask)
		return &g->url;
	for (size_t k = 0; k < g->n; k++)
		if (g->probes[k].ask == ask)
			return &g->probes[k];
	return NULL;
}

bool plan_answered(struct plan_env *e, struct plan *p, int64_t ask, const struct plan_answer *a) {
	struct plan_live *l = p->live;
	struct question *q = l == NULL || ask == 0 ? NULL : question_of(&l->gates, ask);
	if (q == NULL)
		return false;
	int64_t wait = a->status == 202 && a->retry_after_us > 0 ? a->retry_after_us : every(l);
	q->ask = 0;
	q->tries++;
	q->status = a->status;
	q->next = mono_add(e->mono, wait);
	q->done = q->instance_id != 0 && a->status == l->s.gate_probe_status;
	snprintf(q->text, sizeof q->text, "%s", a->text == NULL ? "" : a->text);
	e->wake(e->arg, p, q->next);
	return true;
}

bool plan_gated(const struct plan *p) {
	bool at_work = p->row.state == PLAN_RUNNING && p->live != NULL && p->live->wait.gate != NULL;
	return at_work || (p->row.state == PLAN_PAUSED && p->live != NULL && p->live->memo.halt == HALT_GATE);
}
