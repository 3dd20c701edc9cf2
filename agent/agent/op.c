/* Operations in the queue: which may start, their artifacts, their deadlines. One at a time per module, those of one command in its
 * order, a bounded number on the base (arklet's network threads block while they install). */
#include <stdlib.h>
#include <string.h>

#include "brain_int.h"

#define DEFAULT_TIMEOUT_US (120 * US_PER_S)
#define FETCH_BACKOFF_US US_PER_S
#define FETCH_BACKOFF_MAX_US (30 * US_PER_S)

void failure_clear(struct failure *f) {
	free(f->code);
	free(f->cause);
	*f = (struct failure){ 0 };
}

void failure_set(struct failure *f, const char *code, Berth__V1__Fault fault, bool retryable, const char *cause) {
	failure_clear(f);
	keep_text(&f->code, code);
	keep_text(&f->cause, cause != NULL ? cause : "");
	f->fault = fault;
	f->retryable = retryable;
}

struct op *op_new(struct brain *b, enum op_kind kind, const Berth__V1__WantedModule *m) {
	struct op *op = calloc(1, sizeof *op);
	if (op == NULL)
		abort();
	op->kind = kind;
	op->module = keep(m);
	op->metaspace_growth = -1;
	op->timeout_us = DEFAULT_TIMEOUT_US;
	op->fetch_at = op->deadline = op->at = MONO_NEVER;
	TAILQ_INSERT_TAIL(&b->ops, op, link);
	return op;
}

void op_free(struct brain *b, struct op *op) {
	TAILQ_REMOVE(&b->ops, op, link);
	drop(op->module);
	free(op->hook);
	free(op->hook_context);
	free(op->hook_key);
	free(op->remove_module);
	free(op->remove_version);
	free(op->output);
	failure_clear(&op->fetch_failure);
	failure_clear(&op->failure);
	free(op);
}

struct op *op_by_generation(const struct brain *b, int64_t generation) {
	struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		if (!op->restore && op->generation == generation)
			return op;
	return NULL;
}

struct op *op_restoring(const struct brain *b, const char *module, const char *version) {
	struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		if (op->restore && module_is(op->module->module, op->module->version, module, version))
			return op;
	return NULL;
}

size_t ops_restoring(const struct brain *b) {
	size_t n = 0;
	struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		n += op->restore;
	return n;
}

bool op_called(const struct op *op) {
	return op->step != OP_QUEUED;
}

bool ops_sha_used(const struct brain *b, const char *sha256) {
	const struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		if (op->kind == OP_INSTALL && op->module->sha256 != NULL && strcmp(op->module->sha256, sha256) == 0)
			return true;
	return false;
}

/* ---- artifacts ---- */

static struct pull *pull_new(struct brain *b, const Berth__V1__WantedModule *m) {
	struct pull *p = calloc(1, sizeof *p);
	if (p == NULL)
		abort();
	keep_text(&p->sha256, m->sha256);
	p->id = effect_fetch(b, m);
	TAILQ_INSERT_TAIL(&b->pulls, p, link);
	return p;
}

void op_fetch(struct brain *b, struct op *op) {
	const char *sha = op->module->sha256;
	struct pull *p;
	op->fetch_at = MONO_NEVER;
	if (sha == NULL || *sha == '\0') {
		op->fetch = FETCH_FAILED;
		failure_set(&op->fetch_failure, "no_artifact", BERTH__V1__FAULT__FAULT_ARTIFACT, false,
		    "this version has no artifact, so it cannot be installed; register one for it");
		return;
	}
	op->fetch = FETCH_WAITING;
	TAILQ_FOREACH(p, &b->pulls, link)
		if (strcmp(p->sha256, sha) == 0)
			return;
	pull_new(b, op->module);
}

#define MAX_AHEAD 64

void fetch_ahead(struct brain *b, const Berth__V1__WantedModule *m, int64_t plan, int64_t slot) {
	static const struct brain_fetched busy = { .cause = "too many artifacts are on their way already" };
	struct pull *p;
	int n = 0;
	TAILQ_FOREACH(p, &b->pulls, link)
		n += p->ahead;
	if (n >= MAX_AHEAD) {
		report_prefetched(b, plan, slot, &busy);
		return;
	}
	p = pull_new(b, m);
	p->ahead = true;
	p->plan = plan;
	p->slot = slot;
}

/* What should be there already cannot be given up: the next attempt follows after a while, for as long as it is wanted. */
static void fetch_failed(struct brain *b, struct op *op, const struct brain_fetched *f) {
	failure_set(&op->fetch_failure, f->code != NULL ? f->code : "download", BERTH__V1__FAULT__FAULT_ARTIFACT, f->retryable, f->cause);
	op->fetch = FETCH_FAILED;
	if (!op->restore || !f->retryable)
		return;
	op->fetch = FETCH_WAITING;
	op->fetch_backoff_us = op->fetch_backoff_us == 0 ? FETCH_BACKOFF_US : op->fetch_backoff_us * 2;
	if (op->fetch_backoff_us > FETCH_BACKOFF_MAX_US)
		op->fetch_backoff_us = FETCH_BACKOFF_MAX_US;
	op->fetch_at = mono_add(b->now, rng_jitter(&b->rng, op->fetch_backoff_us));
	say(b, LOG_LEVEL_WARN, "cannot fetch %s:%s yet, trying again in %.1f s: %s", op->module->module, op->module->version,
	    (double)op->fetch_backoff_us / US_PER_S, op->fetch_failure.cause);
}

void op_fetched(struct brain *b, int64_t id, const struct brain_fetched *f) {
	struct pull *p;
	TAILQ_FOREACH(p, &b->pulls, link)
		if (p->id == id)
			break;
	if (p == NULL)
		return;
	struct op *op;
	TAILQ_FOREACH(op, &b->ops, link) {
		if (op->fetch != FETCH_WAITING || op->fetch_at.us != INT64_MAX || strcmp(op->module->sha256, p->sha256) != 0)
			continue;
		op->fetch_us = f->elapsed_us;
		if (f->ok)
			op->fetch = FETCH_THERE;
		else
			fetch_failed(b, op, f);
	}
	if (p->ahead)
		report_prefetched(b, p->plan, p->slot, f);
	TAILQ_REMOVE(&b->pulls, p, link);
	free(p->sha256);
	free(p);
	ops_run(b);
}

/* There is a server again: what waited for the next attempt need not wait on. */
void ops_fetch_now(struct brain *b) {
	struct op *op;
	TAILQ_FOREACH(op, &b->ops, link) {
		if (op->fetch_at.us == INT64_MAX)
			continue;
		op->fetch_backoff_us = 0;
		op_fetch(b, op);
	}
}

/* ---- what may start ---- */

/* The install of the same module that follows in the same command: an upgrade in place. */
static struct op *successor(const struct op *op) {
	for (struct op *next = TAILQ_NEXT(op, link); next != NULL && !next->restore && next->command == op->command;
	     next = TAILQ_NEXT(next, link))
		if (next->kind == OP_INSTALL && strcmp(next->module->module, op->module->module) == 0)
			return next;
	return NULL;
}

/* What it requires comes back first where the base was lost under its command, which is the older one. */
static bool awaits_restore(const struct brain *b, const struct op *op) {
	const struct op *p;
	TAILQ_FOREACH(p, &b->ops, link)
		if (op->kind == OP_INSTALL && p->kind == OP_INSTALL && p->restore && p->fetch_at.us == INT64_MAX &&
		    wanted_requires(op->module, p->module->module))
			return true;
	return false;
}

/* Whether something before op has to end first. */
static bool blocked(const struct brain *b, const struct op *op) {
	const struct op *p;
	if (!op->restore && awaits_restore(b, op))
		return true;
	TAILQ_FOREACH(p, &b->ops, link) {
		if (p == op)
			return false;
		if (strcmp(p->module->module, op->module->module) == 0)
			return true;
		if (!op->restore && !p->restore && p->command == op->command)
			return true;
		if (op->restore && p->kind == OP_INSTALL && wanted_requires(op->module, p->module->module) && p->fetch_at.us == INT64_MAX)
			return true;
		/* Smaller priorities are installed first when a base is filled; a module whose artifact cannot be had holds up nobody. */
		if (op->restore && p->restore && p->module->priority < op->module->priority && p->fetch_at.us == INT64_MAX)
			return true;
	}
	return false;
}

static bool artifact_failed(struct brain *b, struct op *op, const struct op *of) {
	const struct failure *f = &of->fetch_failure;
	if (of->fetch != FETCH_FAILED)
		return false;
	if (of == op)
		op_fail(b, op, f->code, f->fault, f->retryable, f->cause);
	else
		op_fail(b, op, "skipped", f->fault, f->retryable, f->cause); /* the old version stays: nothing could follow it */
	return true;
}

enum may { MAY_START, MAY_NOT, IS_OVER };

static enum may may_start(struct brain *b, struct op *op) {
	if (op->step != OP_QUEUED || blocked(b, op) || (op->restore && batch_holds(b)))
		return MAY_NOT;
	if (!op->began && !op->restore) {
		op->began = true;
		op->since = b->now;
		op->deadline = mono_add(b->now, op->timeout_us);
	}
	const struct op *needs = op->kind == OP_INSTALL ? op : op->kind == OP_UNINSTALL ? successor(op) : NULL;
	if (needs != NULL && artifact_failed(b, op, needs))
		return IS_OVER;
	if (needs != NULL && needs->fetch != FETCH_THERE)
		return MAY_NOT;
	return b->phase == PHASE_UP ? MAY_START : MAY_NOT;
}

static size_t at_work(const struct brain *b) {
	size_t n = 0;
	const struct op *op;
	bool batch = false; /* one call, whatever is in it */
	TAILQ_FOREACH(op, &b->ops, link) {
		n += op->step != OP_QUEUED && !(batch && op->step == OP_BATCHED);
		batch = batch || op->step == OP_BATCHED;
	}
	return n;
}

static void run_once(struct brain *b) {
	batch_run(b);
	struct op *op = TAILQ_FIRST(&b->ops);
	size_t running = at_work(b);
	while (op != NULL) {
		bool no_room =
		    op->restore && running >= b->cfg.parallel; /* commands are looked at all the same: their time begins to run */
		enum may may = no_room ? MAY_NOT : may_start(b, op);
		if (may == MAY_START && running < b->cfg.parallel) {
			op_begin(b, op);
			may = IS_OVER;
		}
		if (may == IS_OVER) { /* the list may have changed, and whatever was held up may go */
			op = TAILQ_FIRST(&b->ops);
			running = at_work(b);
		} else {
			op = TAILQ_NEXT(op, link);
		}
	}
}

/* Operations that end while others are started ask for another round instead of a nested one. */
void ops_run(struct brain *b) {
	b->ops_again = true;
	if (b->ops_running)
		return;
	b->ops_running = true;
	while (b->ops_again) {
		b->ops_again = false;
		run_once(b);
	}
	b->ops_running = false;
	base_check_ready(b);
}

/* ---- time ---- */

static mono_t op_deadline(const struct op *op) {
	mono_t t = op->fetch_at;
	if (op->step == OP_PAUSED)
		t = mono_min(t, op->at);
	if (op->step == OP_QUEUED)
		t = mono_min(t, op->deadline); /* calls have time-outs of their own */
	return t;
}

mono_t ops_deadline(const struct brain *b) {
	mono_t t = MONO_NEVER;
	const struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		t = mono_min(t, op_deadline(op));
	return t;
}

static bool op_tick(struct brain *b, struct op *op) {
	if (due(op->fetch_at, b->now))
		op_fetch(b, op);
	if (op->step == OP_PAUSED && due(op->at, b->now)) {
		op_go(b, op, op->resume);
		return true;
	}
	if (op->step != OP_QUEUED || !due(op->deadline, b->now))
		return false;
	if (op->fetch == FETCH_WAITING)
		op_fail(b, op, "download", BERTH__V1__FAULT__FAULT_ARTIFACT, true,
		    "the artifact did not arrive within the time given to this command");
	else
		op_fail(b, op, "base_down", BERTH__V1__FAULT__FAULT_BASE, true,
		    b->note != NULL && *b->note != '\0' ? b->note : "the base did not answer in time");
	return true;
}

void ops_tick(struct brain *b) {
	for (struct op *op = TAILQ_FIRST(&b->ops); op != NULL;) {
		if (!due(op_deadline(op), b->now))
			op = TAILQ_NEXT(op, link);
		else if (op_tick(b, op))
			op = TAILQ_FIRST(&b->ops);
		else
			op = TAILQ_NEXT(op, link);
	}
}

void ops_base_gone(struct brain *b) {
	b->help_call = 0;
	b->commands = 0;
	struct op *op, *next;
	for (op = TAILQ_FIRST(&b->ops); op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		if (op->restore) { /* made anew from what is wanted once the base is back */
			op_free(b, op);
			continue;
		}
		op->doubtful = op->doubtful || op->step != OP_QUEUED;
		op->step = OP_QUEUED;
		op->call = 0;
		op->attempts = 0;
		op->at = MONO_NEVER;
	}
}
