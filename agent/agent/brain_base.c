/* The base's life: started, probed until arklet answers, asked what it holds, filled with what is wanted, polled, restarted when it
 * dies. And who is to blame: a module that went in just before, that the base's last words name, or, when it keeps dying, the one that
 * changed last; that module is set aside so that its neighbours live. */
#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"
#include "brain_int.h"
#include "proto/json.h"

#define PROBE_US (20 * US_PER_MS)
#define PROBE_MAX_US (500 * US_PER_MS)
#define PROBE_TIMEOUT_US (5 * US_PER_S)
#define POLL_TIMEOUT_US (15 * US_PER_S)
#define RELIST_MAX_US (10 * US_PER_S)
#define POLL_LIMIT 3 /* unanswered polls in a row: a base that is busy with installs answers late, not never */
#define BACKOFF_US US_PER_S
#define BACKOFF_MAX_US (30 * US_PER_S)
#define STABLE_US (60 * US_PER_S) /* lived so long: the next death starts from the shortest backoff */
#define RUN_TIME_SLACK_S 2.0
#define MAX_WORD 47 /* of a name or version that it tells of itself */

static void set_phase(struct brain *b, enum phase p) {
	b->phase = p;
	b->phase_since = b->now;
	b->at = MONO_NEVER;
	report_facts(b);
}

void base_note(struct brain *b, const char *fmt, ...) {
	char text[1024] = "";
	va_list ap;
	if (fmt != NULL) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof text, fmt, ap);
		va_end(ap);
	}
	if (b->note != NULL && strcmp(b->note, text) == 0)
		return;
	keep_text(&b->note, text);
	report_facts(b);
}

/* Changes with each restart of the base: the kernel's start time where we started it, else the count of restarts that were seen. */
int64_t base_identity(const struct brain *b) {
	return b->cfg.supervised ? b->state->base_pid_start : b->state->restarts + 1;
}

/* ---- reaching it ---- */

static void probe(struct brain *b) {
	b->at = MONO_NEVER;
	b->measuring_blurred = false;
	b->base_call = effect_call(b, ARKLET_HEALTH, NULL, PROBE_TIMEOUT_US);
}

static void begin_probing(struct brain *b) {
	set_phase(b, PHASE_PROBING);
	b->backoff_us = PROBE_US;
	b->baseline_due = true;
	b->ready = b->noted = b->polling = false;
	b->poll_failures = 0;
	b->poll_at = MONO_NEVER;
	probe(b);
}

static void list(struct brain *b) {
	set_phase(b, PHASE_LISTING);
	b->base_call = effect_call(b, ARKLET_QUERY_ALL, NULL, POLL_TIMEOUT_US);
}

static void start(struct brain *b) {
	set_phase(b, PHASE_OFF);
	b->baseline_due = b->start_asked = true;
	effect_simple(b, BRAIN_BASE_START);
}

void base_begin(struct brain *b, bool adopted) {
	b->baseline_due = true;
	b->adopted = adopted;
	if (!b->cfg.supervised || adopted)
		begin_probing(b);
	else
		start(b);
}

void brain_base_started(struct brain *b, int64_t pid, int64_t pid_start, mono_t now) {
	b->now = now;
	b->start_asked = false;
	keep_int(b->state, base_pid, pid);
	keep_int(b->state, base_pid_start, pid_start);
	effect_persist(b);
	if (b->phase == PHASE_STOPPING)
		effect_simple(b, BRAIN_BASE_TERM);
	else
		begin_probing(b);
	report_seal(b);
}

/* ---- restoring ---- */

/* An upgrade is under way, or somebody put another version there: not ours to settle. */
static bool other_version_held(const struct brain *b, const Berth__V1__WantedModule *w) {
	const struct held *h;
	TAILQ_FOREACH(h, &b->held, link)
		if (!h->absent && strcmp(h->module, w->module) == 0 && strcmp(h->version, w->version) != 0 &&
		    state_wanted(b->state, h->module, h->version) == NULL)
			return true;
	return false;
}

static bool at_work_on(const struct brain *b, const Berth__V1__WantedModule *w) {
	const struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		if (op->kind == OP_INSTALL && module_is(op->module->module, op->module->version, w->module, w->version))
			return true;
	return false;
}

/* Its command failed or is unfinished: the server decides when it is tried again. */
static bool left_to_server(const struct brain *b, const Berth__V1__WantedModule *w) {
	const Berth__V1__Outcome *o = state_outcome(b->state, w->generation);
	return o != NULL && w->generation > 0 && !(o->has_ok && o->ok);
}

static bool to_restore(const struct brain *b, const Berth__V1__WantedModule *w) {
	const struct held *h = held_find(b, w->module, w->version);
	if (h != NULL && !h->absent && h->state != ARKLET_BROKEN)
		return false;
	return state_quarantine(b->state, w->module, w->version) == NULL && !at_work_on(b, w) && !left_to_server(b, w) &&
	       !other_version_held(b, w);
}

static int by_priority(const void *x, const void *y) {
	const Berth__V1__WantedModule *a = *(Berth__V1__WantedModule *const *)x, *b = *(Berth__V1__WantedModule *const *)y;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->standby != b->standby) /* the active version first: on most bases the first of a name becomes the active one */
		return a->standby ? 1 : -1;
	int names = strcmp(a->module, b->module);
	return names != 0 ? names : strcmp(a->version, b->version);
}

/* Is something that v[k] requires among those not placed yet? */
static bool required_behind(Berth__V1__WantedModule *const *v, size_t at, size_t n, size_t k) {
	for (size_t i = at; i < n; i++)
		if (i != k && wanted_requires(v[k], v[i]->module))
			return true;
	return false;
}

/* What is required stands before what requires it; else the order stays. A circle, which nobody should have sent, is left as it is. */
static void required_first(Berth__V1__WantedModule **v, size_t n) {
	for (size_t at = 0; at < n; at++) {
		size_t k = at;
		while (k < n && required_behind(v, at, n, k))
			k++;
		if (k == n)
			return;
		Berth__V1__WantedModule *first = v[k];
		memmove(v + at + 1, v + at, (k - at) * sizeof *v);
		v[at] = first;
	}
}

/* Of several versions that all claim to be the active one, the one commanded last is: two switches must not chase each other. */
static bool routed(const struct brain *b, const Berth__V1__WantedModule *w) {
	for (size_t i = 0; !w->standby && i < b->state->n_wanted; i++) {
		const Berth__V1__WantedModule *o = b->state->wanted[i];
		if (o != w && !o->standby && strcmp(o->module, w->module) == 0 && o->generation > w->generation)
			return false;
	}
	return !w->standby;
}

static void restores_trim(struct brain *b) {
	struct op *op, *next;
	struct held *h, *after;
	for (h = TAILQ_FIRST(&b->held); h != NULL; h = after) {
		after = TAILQ_NEXT(h, link);
		if (h->absent && state_wanted(b->state, h->module, h->version) == NULL &&
		    state_quarantine(b->state, h->module, h->version) == NULL)
			held_drop(b, h, false);
	}
	for (op = TAILQ_FIRST(&b->ops); op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		if (op->restore && !op_called(op) && state_wanted(b->state, op->module->module, op->module->version) == NULL)
			op_free(b, op);
	}
}

static void restore_one(struct brain *b, const Berth__V1__WantedModule *w) {
	struct op *op = op_new(b, OP_INSTALL, w);
	op->restore = true;
	op->activate = routed(b, w);
	op->doubtful = true;
	op_fetch(b, op);
}

/* Installed, but another version of it gets the requests. */
static void route_one(struct brain *b, const Berth__V1__WantedModule *w) {
	const struct held *h = held_find(b, w->module, w->version);
	const struct held *active = held_active(b, w->module);
	if (!routed(b, w) || h == NULL || h->absent || h->state != ARKLET_DEACTIVATED || at_work_on(b, w))
		return;
	if (active != NULL && state_wanted(b->state, active->module, active->version) == NULL)
		return;
	struct op *op = op_new(b, OP_SWITCH, w);
	op->restore = true;
}

void base_restore(struct brain *b) {
	restores_trim(b);
	if (b->phase == PHASE_UP) {
		size_t n = b->state->n_wanted;
		Berth__V1__WantedModule **sorted = calloc(n + 1, sizeof *sorted);
		if (sorted == NULL)
			abort();
		for (size_t i = 0; i < n; i++)
			sorted[i] = b->state->wanted[i];
		qsort(sorted, n, sizeof *sorted, by_priority);
		required_first(sorted, n);
		for (size_t i = 0; i < n; i++) {
			if (to_restore(b, sorted[i]))
				restore_one(b, sorted[i]);
			else if (b->baseline_due)
				route_one(b, sorted[i]);
		}
		free(sorted);
	}
	ops_run(b);
}

/* Once ready it stays so until the base restarts: what is added later must not take it out of the load balancer. Before the first
 * Welcome of all, nobody knows what its baseline is. */
void base_check_ready(struct brain *b) {
	if (b->ready || b->phase != PHASE_UP || !b->baseline_due || ops_restoring(b) > 0 || (!b->joined_once && b->state->cell == NULL))
		return;
	b->ready = true;
	b->baseline_due = false;
	b->full_due = true;
	base_note(b, NULL);
	report_facts(b);
	say(b, LOG_LEVEL_INFO, "the base is ready: %zu modules wanted, %zu set aside", b->state->n_wanted, b->state->n_quarantine);
}

/* ---- answers ---- */

static void came_up(struct brain *b, const struct arklet_reply *r) {
	held_take(b, r);
	set_phase(b, PHASE_UP);
	b->adopted = false;
	b->poll_at = mono_add(b->now, b->heartbeat_us);
	b->poll_failures = 0;
	base_note(b, NULL);
	say(b, LOG_LEVEL_INFO, "the base is up and holds %zu modules", r->n_biz);
	base_restore(b);
}

/* It lives, and what it holds cannot be told: nothing can be installed there, and asking at once again would only be louder. */
static void list_failed(struct brain *b, const char *why) {
	int64_t wait_us = b->backoff_us;
	set_phase(b, PHASE_PROBING);
	b->at = mono_add(b->now, rng_jitter(&b->rng, wait_us));
	b->backoff_us = wait_us * 2 > RELIST_MAX_US ? RELIST_MAX_US : wait_us * 2;
	if (b->noted || wait_us < PROBE_MAX_US)
		return; /* it may just have begun to answer */
	b->noted = true;
	base_note(b, "its list of modules cannot be read: %s", why);
	say(b, LOG_LEVEL_WARN, "%s", b->note);
}

static void probe_again(struct brain *b, const char *why) {
	int64_t note_us = b->cfg.probe_note_us;
	b->at = mono_add(b->now, rng_jitter(&b->rng, b->backoff_us));
	b->backoff_us = b->backoff_us * 2 > PROBE_MAX_US ? PROBE_MAX_US : b->backoff_us * 2;
	if (b->noted || mono_diff(b->now, b->phase_since) < note_us)
		return;
	b->noted = true;
	base_note(b, "arklet has not answered for %d s: %s", (int)(note_us / US_PER_S), why);
	say(b, LOG_LEVEL_WARN, "%s", b->note);
}

/* What was measured before a module came or went says nothing of the modules of now. */
void base_changes(struct brain *b) {
	b->measuring_blurred = true;
	if (b->memory != NULL)
		keep_int(b->memory, outdated, true);
}

/* Only what a JVM tells has a metaspace. It is told at once when it is the first that shows what the last change did. */
static void learn_memory(struct brain *b, const struct brain_answer *x) {
	const struct arklet_health *h = x->health;
	ARENA_AUTO a = arena_new();
	Berth__V1__BaseMemory *m = PB_NEW(Berth__V1__BaseMemory, berth__v1__base_memory, a);
	Google__Protobuf__Duration up = GOOGLE__PROTOBUF__DURATION__INIT;
	keep_int(m, metaspace_used, h->metaspace_used);
	keep_int(m, metaspace_committed, h->metaspace_committed);
	keep_int(m, metaspace_max, h->metaspace_max);
	keep_int(m, heap_used, h->heap_used);
	keep_int(m, heap_max, h->heap_max);
	keep_int(m, classes, h->classes);
	keep_int(m, threads, x->threads > 0 ? x->threads : -1);
	up.seconds = (int64_t)h->run_time_s;
	m->uptime = h->run_time_s >= 0 ? &up : NULL;
	m->application = clean_text(a, h->base_name, MAX_WORD);
	m->java_version = clean_text(a, h->java_version, MAX_WORD);
	if (b->measuring_blurred)
		keep_int(m, outdated, true);
	else if (b->memory == NULL || b->memory->outdated)
		b->heartbeat_at = b->now;
	drop(b->memory);
	b->memory = keep(m);
}

static void learn_health(struct brain *b, const struct brain_answer *a) {
	const struct arklet_health *h = a->health;
	if (h != NULL && h->metaspace_used > 0)
		learn_memory(b, a);
	if (h != NULL && h->run_time_s >= 0)
		b->run_time_s = h->run_time_s;
	if (a->memory_bytes > 0)
		b->memory_bytes = a->memory_bytes;
	else if (h != NULL && h->heap_used >= 0)
		b->memory_bytes = h->heap_used + (h->nonheap_used > 0 ? h->nonheap_used : 0);
}

static void base_restarted(struct brain *b, const char *how) {
	say(b, LOG_LEVEL_WARN, "the base was restarted (%s); its modules come back", how);
	keep_int(b->state, restarts, b->state->restarts + 1);
	b->dirty = true;
	b->ready = false;
	b->baseline_due = true;
	held_clear(b, true);
	ops_base_gone(b);
	list(b);
}

/* A base that something else starts went away: its port does not answer. */
static void base_unreachable(struct brain *b, const char *why) {
	say(b, LOG_LEVEL_WARN, "arklet does not answer any more: %s", why);
	base_note(b, "arklet does not answer: %s", why);
	ops_base_gone(b);
	begin_probing(b);
}

static bool was_restarted(struct brain *b, const struct brain_answer *a) {
	double before = b->run_time_s;
	return !b->cfg.supervised && a->health != NULL && a->health->run_time_s >= 0 && before >= 0 &&
	       a->health->run_time_s + RUN_TIME_SLACK_S < before;
}

static void poll_failed(struct brain *b, const struct brain_answer *a) {
	const char *why = a->error != 0 ? a->error_text : a->reply->cause;
	bool refused = a->error == E_IO && !a->sent;
	b->poll_at = mono_add(b->now, rng_jitter(&b->rng, b->heartbeat_us));
	if (refused || ++b->poll_failures >= POLL_LIMIT)
		base_unreachable(b, why != NULL ? why : "");
}

/* Without a server, what somebody removed comes back by itself; with one, the server decides. */
static void poll_repair(struct brain *b) {
	if (b->welcomed || !b->ready || !due(b->repair_at, b->now))
		return;
	size_t before = ops_restoring(b);
	base_restore(b);
	if (ops_restoring(b) == before)
		return;
	b->repair_backoff_us = b->repair_backoff_us == 0 ? BACKOFF_US : b->repair_backoff_us * 2;
	if (b->repair_backoff_us > 10 * BACKOFF_MAX_US)
		b->repair_backoff_us = 10 * BACKOFF_MAX_US;
	b->repair_at = mono_add(b->now, rng_jitter(&b->rng, b->repair_backoff_us));
}

static bool any_there(const struct brain *b) {
	const struct held *h;
	TAILQ_FOREACH(h, &b->held, link)
		if (!h->absent)
			return true;
	return false;
}

static void polled(struct brain *b, const struct arklet_reply *r) {
	b->polling = false;
	b->poll_failures = 0;
	b->poll_at = mono_add(b->now, rng_jitter(&b->rng, b->heartbeat_us));
	if (!TAILQ_EMPTY(&b->ops))
		return; /* what is changing right now is told by its outcome */
	bool emptied = r->n_biz == 0 && any_there(b) && !b->cfg.supervised && b->run_time_s < 0;
	held_take(b, r);
	if (emptied)
		base_restarted(b, "it holds nothing any more");
	else
		poll_repair(b);
}

/* A poll asks for health first where only the run time tells a restart, then for the list. */
static void poll_answered(struct brain *b, const struct brain_answer *a) {
	if (a->error != 0 || a->reply->verdict != ARKLET_OK) {
		b->polling = false;
		poll_failed(b, a);
	} else if (a->health == NULL) {
		polled(b, a->reply);
	} else if (was_restarted(b, a)) {
		b->polling = false;
		learn_health(b, a);
		base_restarted(b, "its run time began anew");
	} else {
		learn_health(b, a);
		b->base_call = effect_call(b, ARKLET_QUERY_ALL, NULL, POLL_TIMEOUT_US);
	}
}

void base_answered(struct brain *b, const struct brain_answer *a) {
	b->base_call = 0;
	const char *why = a->error != 0 ? a->error_text : a->reply->verdict != ARKLET_OK ? a->reply->cause : NULL;
	switch (b->phase) {
	case PHASE_PROBING:
		if (a->error != 0) {
			probe_again(b, why != NULL ? why : "");
		} else {
			if (was_restarted(b, a)) {
				keep_int(b->state, restarts, b->state->restarts + 1);
				b->dirty = b->baseline_due = true;
				held_clear(b, true);
			}
			learn_health(b, a);
			list(b);
		}
		break;
	case PHASE_LISTING:
		if (why != NULL || a->error != 0)
			list_failed(b, why != NULL ? why : "");
		else
			came_up(b, a->reply);
		break;
	case PHASE_UP:
		if (a->memory_bytes > 0)
			b->memory_bytes = a->memory_bytes;
		poll_answered(b, a);
		break;
	default:
		break;
	}
}

/* ---- blame ---- */

static void quarantine(struct brain *b, const char *module, const char *version, const char *cause) {
	const Berth__V1__WantedModule *w = state_wanted(b->state, module, version);
	struct op *op;
	Berth__V1__HeldModule h = BERTH__V1__HELD_MODULE__INIT;
	ARENA_AUTO a = arena_new();
	h.module = arena_strdup(a, module);
	h.version = arena_strdup(a, version);
	h.cause = clean_text(a, cause, 1024);
	h.state = arena_strdup(a, "broken");
	keep_int(&h, quarantined, 1);
	keep_int(&h, failures, 1);
	if (w != NULL) {
		keep_int(&h, instance, w->instance);
		keep_int(&h, generation, w->generation);
	}
	struct held *held = held_set(b, module, version, ARKLET_BROKEN, cause);
	held->absent = held->dirty = true; /* told with the next report, also while the base is down */
	held->failures++;
	TAILQ_FOREACH(op, &b->ops, link) {
		if (!op->restore && module_is(op->module->module, op->module->version, module, version)) {
			keep_int(&h, instance, op->module->instance);
			keep_int(&h, generation, op->generation);
		}
	}
	state_quarantine_put(b->state, &h);
	b->n_deaths = 0;
	say(b, LOG_LEVEL_ERROR, "%s:%s is set aside: %s", module, version, cause);
}

/* The install that was being done when the base died. */
static struct op *op_in_flight(const struct brain *b, bool *ret_alone) {
	struct op *op, *found = NULL;
	size_t n = 0;
	TAILQ_FOREACH(op, &b->ops, link) {
		if (op->kind == OP_INSTALL && op->step == OP_INSTALLING) {
			found = op;
			n++;
		}
	}
	*ret_alone = n == 1;
	return found;
}

static size_t deaths_in_window(struct brain *b) {
	size_t n = 0;
	for (size_t i = 0; i < b->n_deaths; i++)
		if (mono_diff(b->now, b->deaths[i]) <= b->cfg.crash_window_us)
			b->deaths[n++] = b->deaths[i];
	if (n == MAX_DEATHS) {
		memmove(b->deaths, b->deaths + 1, (MAX_DEATHS - 1) * sizeof *b->deaths);
		n--;
	}
	b->deaths[n++] = b->now;
	b->n_deaths = n;
	return n;
}

static const Berth__V1__WantedModule *changed_last(const struct brain *b) {
	const Berth__V1__WantedModule *last = NULL;
	for (size_t i = 0; i < b->state->n_wanted; i++) {
		const Berth__V1__WantedModule *w = b->state->wanted[i];
		if (state_quarantine(b->state, w->module, w->version) == NULL && (last == NULL || w->generation > last->generation))
			last = w;
	}
	return last;
}

/* Somebody outside ended it: an operator, a service manager, the kernel for want of memory. No module is to blame for one such death. */
static bool ended_from_outside(const struct brain_exit *x) {
	if (!x->known)
		return true;
	return x->signo == SIGTERM || x->signo == SIGKILL || x->signo == SIGINT || x->signo == SIGHUP ||
	       (x->signo == 0 && (x->code == 0 || x->code == 128 + SIGTERM || x->code == 128 + SIGINT));
}

struct suspect {
	char module[64], version[64];
	const char *why;
	bool any;
};

static void suspect_set(struct suspect *s, const char *module, const char *version, const char *why) {
	snprintf(s->module, sizeof s->module, "%s", module);
	snprintf(s->version, sizeof s->version, "%s", version);
	s->why = why;
	s->any = true;
}

static struct suspect find_suspect(struct brain *b, const struct brain_exit *x, bool modules_in) {
	struct suspect s = { .any = false };
	bool alone, outside = ended_from_outside(x);
	struct op *op = op_in_flight(b, &alone);
	size_t deaths = deaths_in_window(b);
	const char *colon = x->blamed == NULL ? NULL : strchr(x->blamed, ':');
	bool fresh = b->fresh_module != NULL && mono_diff(b->now, b->fresh_at) <= b->cfg.min_ready_us;
	const Berth__V1__WantedModule *last = modules_in ? changed_last(b) : NULL;
	char name[64] = "";
	if (colon != NULL)
		snprintf(name, sizeof name, "%.*s", (int)(colon - x->blamed), x->blamed);
	bool blamed_fresh = colon != NULL && ((fresh && module_is(b->fresh_module, b->fresh_version, name, colon + 1)) ||
	                                         (op != NULL && module_is(op->module->module, op->module->version, name, colon + 1)));
	bool blamed = colon != NULL && (blamed_fresh || deaths >= b->cfg.crash_limit) && name_valid(NAME_PLAIN, name) &&
	              name_valid(NAME_VERSION, colon + 1);
	if (blamed)
		suspect_set(
		    &s, name, colon + 1, blamed_fresh ? "the base died in it right after its install" : "the base kept dying in it");
	else if (op != NULL && !outside && colon == NULL && (alone || !op->restore))
		suspect_set(&s, op->module->module, op->module->version, "the base died while it was being installed");
	else if (fresh && !outside && colon == NULL)
		suspect_set(&s, b->fresh_module, b->fresh_version, "the base died right after its install");
	else if (deaths >= b->cfg.crash_limit && last != NULL)
		suspect_set(&s, last->module, last->version, "the base kept dying, and this changed last");
	else if (deaths >= b->cfg.crash_limit)
		b->crash_loop = true;
	return s;
}

static void blame(struct brain *b, const struct brain_exit *x, bool modules_in) {
	struct suspect s = find_suspect(b, x, modules_in);
	if (!s.any)
		return;
	ARENA_AUTO a = arena_new();
	const char *cause = arena_printf(a, "%s (%s)", s.why, x->text != NULL ? x->text : "end unknown");
	struct op *op, *next;
	quarantine(b, s.module, s.version, cause);
	for (op = TAILQ_FIRST(&b->ops); op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		if (op->kind != OP_INSTALL || op->restore || !op_called(op) ||
		    !module_is(op->module->module, op->module->version, s.module, s.version))
			continue;
		if (x->output != NULL)
			keep_text(&op->output, x->output);
		op_fail(b, op, "crash", BERTH__V1__FAULT__FAULT_MODULE, false, cause);
		break; /* one operation per module and version; the list may have changed */
	}
}

/* ---- the end of a process ---- */

static void backoff(struct brain *b, bool lived_long) {
	b->restart_backoff_us = lived_long || b->restart_backoff_us == 0 ? BACKOFF_US : b->restart_backoff_us * 2;
	if (b->restart_backoff_us > BACKOFF_MAX_US)
		b->restart_backoff_us = BACKOFF_MAX_US;
	set_phase(b, PHASE_BACKOFF);
	b->at = mono_add(b->now, rng_jitter(&b->rng, b->restart_backoff_us));
	say(b, LOG_LEVEL_WARN, "%s; starting the base again in %.1f s", b->note, (double)b->restart_backoff_us / US_PER_S);
}

static void ended(struct brain *b) {
	set_phase(b, PHASE_ENDED);
	effect_exit(b, b->exit_status);
}

void brain_base_failed(struct brain *b, const char *why, mono_t now) {
	b->now = now;
	b->start_asked = false;
	if (b->phase == PHASE_STOPPING) {
		ended(b);
		return;
	}
	base_note(b, "the base cannot be started: %s", why);
	backoff(b, false);
	report_seal(b);
}

void base_exited(struct brain *b, const struct brain_exit *x) {
	bool lived_long = mono_diff(b->now, b->phase_since) >= STABLE_US && b->phase == PHASE_UP;
	keep_int(b->state, base_pid, 0);
	b->base_call = 0;
	b->polling = false;
	b->poll_at = MONO_NEVER;
	if (b->phase == PHASE_STOPPING) {
		effect_persist(b);
		ended(b);
		return;
	}
	if (b->phase == PHASE_OFF || b->phase == PHASE_BACKOFF || b->phase == PHASE_ENDED)
		return;
	b->adopted = false;
	bool modules_in = b->phase == PHASE_UP; /* a base that dies before it held anything dies of itself */
	b->phase = PHASE_OFF;                   /* nothing that ends now may start anything on it */
	b->ready = false;
	keep_int(b->state, restarts, b->state->restarts + 1);
	if (x->output != NULL && *x->output != '\0')
		base_note(b, "the base %s; its last words: %s", x->text != NULL ? x->text : "ended", x->output);
	else
		base_note(b, "the base %s", x->text != NULL ? x->text : "ended");
	blame(b, x, modules_in);
	drop(b->memory);
	b->memory = NULL;
	held_clear(b, true);
	ops_base_gone(b);
	free(b->fresh_module);
	free(b->fresh_version);
	b->fresh_module = b->fresh_version = NULL;
	b->dirty = true;
	backoff(b, lived_long);
}

void base_stop(struct brain *b, int status) {
	b->exit_status = status;
	if (b->phase == PHASE_STOPPING || b->phase == PHASE_ENDED)
		return;
	bool alive =
	    b->cfg.supervised && b->phase != PHASE_BACKOFF && !(b->phase == PHASE_OFF && b->state->base_pid == 0 && !b->start_asked);
	if (!alive) {
		ended(b);
		return;
	}
	set_phase(b, PHASE_STOPPING);
	ops_base_gone(b);
	b->base_call = 0;
	b->kill_at = mono_add(b->now, b->cfg.stop_us);
	effect_simple(b, BRAIN_BASE_TERM);
}

/* ---- time ---- */

mono_t base_deadline(const struct brain *b) {
	mono_t t = b->at;
	if (b->phase == PHASE_STOPPING)
		t = mono_min(t, b->kill_at);
	if (b->phase == PHASE_UP && !b->polling)
		t = mono_min(t, b->poll_at);
	return t;
}

static void poll_begin(struct brain *b) {
	b->polling = true;
	b->measuring_blurred = ops_changing(b);
	b->base_call = effect_call(b, b->cfg.supervised && !b->cfg.health ? ARKLET_QUERY_ALL : ARKLET_HEALTH, NULL, POLL_TIMEOUT_US);
}

void base_tick(struct brain *b) {
	if (b->phase == PHASE_STOPPING && due(b->kill_at, b->now)) {
		b->kill_at = MONO_NEVER;
		effect_simple(b, BRAIN_BASE_KILL);
	}
	if (b->phase == PHASE_UP && !b->polling && due(b->poll_at, b->now))
		poll_begin(b);
	if (b->crash_loop && b->phase == PHASE_UP && mono_diff(b->now, b->phase_since) >= STABLE_US) {
		b->crash_loop = false;
		report_facts(b);
	}
	if (!due(b->at, b->now))
		return;
	if (b->phase == PHASE_PROBING)
		probe(b);
	else if (b->phase == PHASE_BACKOFF)
		start(b);
}
