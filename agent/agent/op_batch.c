/* A baseline in one call: what a base should hold and does not goes in by batchInstallBiz, where its /help lists that. arklet then keeps
 * the order of priorities by itself and works on one of its network threads instead of several. A failed item says nothing of its cause,
 * and a missing file makes the whole call fail; so what did not go in by the batch is asked about and installed alone. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "brain_int.h"

#define BATCH_MAX 16 /* installs at once inside a base */
#define HELP_TIMEOUT_US (15 * US_PER_S)
#define BATCH_TIMEOUT_US (300 * US_PER_S)

/* Something before it has to be in first: arklet's batch knows priorities only. */
static bool has_to_wait(const struct brain *b, const struct op *op) {
	const struct op *p;
	TAILQ_FOREACH(p, &b->ops, link) {
		if (p == op)
			return false;
		if (strcmp(p->module->module, op->module->module) == 0 ||
		    (p->kind == OP_INSTALL && wanted_requires(op->module, p->module->module) && p->fetch_at.us == INT64_MAX))
			return true;
	}
	return false;
}

static bool fits(const struct brain *b, const struct op *op) {
	return op->restore && op->kind == OP_INSTALL && op->step == OP_QUEUED && op->fetch == FETCH_THERE && !op->single &&
	       !has_to_wait(b, op);
}

static bool under_way(const struct brain *b) {
	const struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		if (op->step == OP_BATCHED)
			return true;
	return false;
}

static int by_priority(const void *x, const void *y) {
	const struct op *a = *(struct op *const *)x, *b = *(struct op *const *)y;
	return (a->module->priority > b->module->priority) - (a->module->priority < b->module->priority);
}

static size_t collect(struct brain *b, struct op **ret, size_t max) {
	struct op *op;
	size_t n = 0;
	TAILQ_FOREACH(op, &b->ops, link) {
		if (!fits(b, op))
			continue;
		if (n < max)
			ret[n] = op;
		n++;
	}
	return n;
}

static void begin(struct brain *b, struct op **ops, size_t n) {
	const Berth__V1__WantedModule *modules[BATCH_MAX];
	for (size_t i = 0; i < n; i++)
		modules[i] = ops[i]->module;
	int64_t id = effect_batch(b, modules, n, BATCH_TIMEOUT_US);
	for (size_t i = 0; i < n; i++) {
		ops[i]->step = OP_BATCHED;
		ops[i]->call = id;
		ops[i]->began = true;
		ops[i]->since = b->now;
		ops[i]->deadline = mono_add(b->now, BATCH_TIMEOUT_US);
	}
	say(b, LOG_LEVEL_INFO, "installing %zu modules of the baseline in one call", n);
}

/* None, one after the other, or not known yet. */
static bool possible(const struct brain *b) {
	return b->cfg.batch && b->phase == PHASE_UP && (b->commands == 0 || (b->commands & 1u << ARKLET_BATCH_INSTALL) != 0);
}

/* Several are coming, and some artifacts are not there yet: those that are wait for them, to go in the same call. */
static bool gathering(const struct brain *b) {
	const struct op *op;
	size_t n = 0, missing = 0;
	TAILQ_FOREACH(op, &b->ops, link) {
		bool coming = op->fetch == FETCH_WAITING && op->fetch_at.us == INT64_MAX;
		if (!op->restore || op->kind != OP_INSTALL || op->step != OP_QUEUED || op->single || (op->fetch != FETCH_THERE && !coming))
			continue;
		n++;
		missing += coming;
	}
	return n > 1 && missing > 0;
}

bool batch_holds(const struct brain *b) {
	return b->help_call != 0 || (possible(b) && gathering(b));
}

void batch_run(struct brain *b) {
	struct op *ops[4 * BATCH_MAX];
	if (!possible(b) || batch_holds(b) || under_way(b))
		return;
	size_t n = collect(b, ops, 4 * BATCH_MAX);
	if (n < 2)
		return;
	if (b->commands == 0) {
		b->help_call = effect_call(b, ARKLET_HELP, NULL, HELP_TIMEOUT_US);
		return;
	}
	n = n < 4 * BATCH_MAX ? n : 4 * BATCH_MAX;
	qsort(ops, n, sizeof(struct op *), by_priority); /* the rest follows in a second call */
	begin(b, ops, n < BATCH_MAX ? n : BATCH_MAX);
}

/* A base that does not answer /help is installed to one by one. */
void batch_helped(struct brain *b, const struct brain_answer *a) {
	b->help_call = 0;
	b->commands = (a->error == 0 ? a->commands : 0) | 1u << ARKLET_HELP; /* known from now on */
	ops_run(b);
}

static void alone(struct op *op, bool doubtful) {
	op->step = OP_QUEUED;
	op->single = true;
	op->doubtful = doubtful;
	op->attempts = 0;
	op->began = false;
}

static void answered_one(struct brain *b, struct op *op, const struct brain_answer *a, size_t k) {
	const struct arklet_reply *item = a->error == 0 && k < a->n_items ? &a->items[k] : NULL;
	op->call = 0;
	alone(op, a->error == 0 || a->sent);
	if (item != NULL && item->verdict == ARKLET_OK) {
		op->step = OP_INSTALLING;
		op_installed(b, op, item);
	}
}

void batch_answered(struct brain *b, int64_t call, const struct brain_answer *a) {
	struct op *ops[BATCH_MAX], *op;
	size_t n = 0;
	TAILQ_FOREACH(op, &b->ops, link)
		if (op->call == call && op->step == OP_BATCHED && n < BATCH_MAX)
			ops[n++] = op;
	qsort(ops, n, sizeof(struct op *), by_priority); /* as they were asked */
	b->ops_running = true;                           /* the list stays as it is until all are told */
	for (size_t i = 0; i < n; i++)
		answered_one(b, ops[i], a, i);
	b->ops_running = false;
	ops_run(b);
}
