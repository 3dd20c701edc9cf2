/* Does a dry run tell what then happens? In the calm, where nothing else does: one operation looks and asks, and what the plan did is
 * compared with what was foretold, per batch, base and deployment. */
#include "sim.h"
#include "core/dry.h"
#include "model/spec.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_US (1200 * US_PER_S)
#define REST_US (20 * US_PER_S)
#define MAX_STEPS 256

static const char *const modules[] = { "alpha", "beta", "gamma" };
static const char *const versions[] = { "1.0.0", "2.0.0", "3.0.0" };
#define COUNT(list) (sizeof(list) / sizeof *(list))

/* What a batch does to a deployment on a base: an install, or nothing but a removal. */
struct step {
	char base[64], deployment[64];
	int batch;
	bool install;
};
struct steps {
	struct step v[MAX_STEPS];
	size_t n;
};

struct foresight {
	struct core_op op;
	struct sim *sim;
	struct deploy_spec specs[COUNT(modules)];
	struct strategy strategy;
	size_t n;
	struct steps told;
	int n_batches;
	int64_t size[STRATEGY_MAX_BATCHES];
	size_t n_waiting;
	int64_t plan;
	bool answered, refused;
};

static void steps_add(struct steps *s, const char *base, const char *deployment, int batch, bool install) {
	for (size_t k = 0; k < s->n; k++) {
		struct step *x = &s->v[k];
		if (x->batch != batch || strcmp(x->base, base) != 0 || strcmp(x->deployment, deployment) != 0)
			continue;
		x->install |= install;
		return;
	}
	if (s->n == MAX_STEPS)
		return;
	struct step *x = &s->v[s->n++];
	snprintf(x->base, sizeof x->base, "%s", base);
	snprintf(x->deployment, sizeof x->deployment, "%s", deployment);
	x->batch = batch;
	x->install = install;
}

static int cmp_step(const void *pa, const void *pb) {
	const struct step *a = pa, *b = pb;
	int d = a->batch - b->batch;
	if (d == 0)
		d = strcmp(a->base, b->base);
	return d != 0 ? d : strcmp(a->deployment, b->deployment);
}

static bool steps_same(struct steps *a, struct steps *b) {
	qsort(a->v, a->n, sizeof *a->v, cmp_step);
	qsort(b->v, b->n, sizeof *b->v, cmp_step);
	for (size_t k = 0; k < a->n && k < b->n; k++)
		if (cmp_step(&a->v[k], &b->v[k]) != 0 || a->v[k].install != b->v[k].install)
			return false;
	return a->n == b->n;
}

static void steps_trace(struct sim *s, const char *title, const struct steps *x) {
	for (size_t k = 0; k < x->n; k++)
		sim_trace(s, "%s: batch %d %s %s on %s", title, x->v[k].batch, x->v[k].install ? "installs" : "removes", x->v[k].deployment,
		    x->v[k].base);
}

/* ---- looking and asking ---------------------------------------------------------------------------------------------------------------
 */
static int look(struct core *c, struct foresight *x, struct err *err) {
	static const struct dry_times times = { 0, STEADY_INSTALL_US, STEADY_UNINSTALL_US, 9 };
	ARENA_AUTO a = arena_new();
	struct dry *dry = NULL;
	bool over = false;
	int r = dry_begin(c, &x->op.who, x->specs, x->n, &times, 1, &dry, err);
	while (r == 0 && !over)
		r = dry_step(dry, c, &x->op.who, x->specs, x->n, INT64_MAX, &over, err);
	const struct dry_run *d = r == 0 ? dry_result(dry, a) : NULL;
	for (size_t k = 0; d != NULL && k < d->n_placed; k++)
		steps_add(&x->told, d->placed[k].base, d->placed[k].deployment, d->placed[k].batch,
		    strcmp(d->placed[k].action, "uninstall") != 0);
	if (d != NULL) {
		x->n_batches = d->n_batches;
		memcpy(x->size, d->batch_size, sizeof x->size);
		x->n_waiting = d->n_waiting;
	}
	dry_free(dry, c);
	return r;
}

/* What the storm left unfinished is stopped: the next one finds nobody else at work. */
static bool quiet(struct core *c, const struct core_who *who) {
	static const struct verb_spec all = { .base = NULL };
	bool alone = true;
	for (struct plan *p = fleet_plans(core_fleet(c)), *now; p != NULL; p = p->hh_id.next) {
		if (word_terminal(WORD_PLAN, p->row.state))
			continue;
		alone = false;
		if (plan_verbs_allowed(c, p) & 1u << VERB_STOP)
			(void)change_plan_verb(c, who, p, VERB_STOP, &all, &now, NULL);
	}
	for (struct task *t = fleet_tasks(core_fleet(c)); t != NULL; t = t->hh_id.next)
		alone &= word_terminal(WORD_TASK, t->row.state);
	return alone;
}

static int apply(struct core *c, struct core_op *op, struct err *err) {
	struct foresight *x = (struct foresight *)(void *)op;
	struct plan *p = NULL;
	x->op.who.tenant_id = fleet_tenant(core_fleet(c), "default")->row.id;
	x->told.n = 0;
	x->plan = 0;
	if (!quiet(c, &x->op.who))
		return 0;
	int r = look(c, x, err);
	if (r == 0)
		r = change_deploy_all(c, &x->op.who, x->specs, x->n, NULL, &p, err);
	x->plan = p == NULL ? 0 : p->row.id;
	return r;
}

static void done(struct core_op *op, const struct err *err) {
	struct foresight *x = (struct foresight *)(void *)op;
	x->refused = err != NULL;
	x->answered = true;
}

static void wish(struct foresight *x) {
	static const enum upgrade_policy policies[] = { UPGRADE_POLICY_AUTO, UPGRADE_POLICY_IN_PLACE, UPGRADE_POLICY_INSTALL_FIRST,
		UPGRADE_POLICY_SURGE };
	struct rng *r = &x->sim->rng;
	size_t first = rng_below(r, COUNT(modules));
	x->strategy = strategy_unset;
	x->strategy.min_ready_us = 500 * US_PER_MS;
	x->strategy.upgrade_policy = policies[rng_below(r, COUNT(policies))];
	x->strategy.confirm = CONFIRM_NONE;
	if (rng_below(r, 3) == 0)
		snprintf(x->strategy.batches_by, sizeof x->strategy.batches_by, "zone");
	else
		x->strategy.batch_count = 1 + (int)rng_below(r, 4);
	x->n = 1 + rng_below(r, 4) / 2;
	for (size_t k = 0; k < x->n; k++)
		x->specs[k] = (struct deploy_spec){ .module = modules[(first + k) % COUNT(modules)],
			.version = versions[rng_below(r, COUNT(versions))],
			.group = "g",
			.online = true,
			.has_replicas = true,
			.replicas = 1 + (int64_t)rng_below(r, 6),
			.strategy = &x->strategy };
}

/* ---- what happened --------------------------------------------------------------------------------------------------------------------
 */
static const struct row_plan *plan_row(const struct foresight *x) {
	struct row_plan key = { .id = x->plan };
	return store_find(x->sim->store, TABLE_plan, &key);
}

static bool ended(const struct foresight *x) {
	const struct row_plan *p = x->plan == 0 ? NULL : plan_row(x);
	return x->answered &&
	       (x->refused || x->plan == 0 || (p != NULL && (word_terminal(WORD_PLAN, p->state) || p->state == PLAN_PAUSED)));
}

static void collect(const struct foresight *x, struct steps *ret) {
	for (size_t i = 0; i < store_rows(x->sim->store, TABLE_task); i++) {
		const struct row_task *t = store_row(x->sim->store, TABLE_task, i);
		bool command = t->kind == TASK_KIND_INSTALL || t->kind == TASK_KIND_UNINSTALL;
		if (command && t->plan_id == x->plan && t->state == TASK_SUCCEEDED)
			steps_add(ret, t->base, t->deployment, (int)t->batch, t->kind == TASK_KIND_INSTALL);
	}
}

static bool batches_same(const struct foresight *x) {
	int n = 0;
	for (size_t i = 0; i < store_rows(x->sim->store, TABLE_batch); i++) {
		const struct row_batch *b = store_row(x->sim->store, TABLE_batch, i);
		if (b->plan_id != x->plan)
			continue;
		n++;
		if (b->number > x->n_batches || b->size != x->size[b->number - 1])
			return false;
	}
	return n == x->n_batches;
}

/* A base that went or came meanwhile (it hung already when the calm began) is not what was looked at; nor is one where a repair was at
 * work: what is lost with another base goes to where the plan made room. */
static bool disturbed(const struct foresight *x, const struct row_plan *p) {
	for (size_t i = 0; i < store_rows(x->sim->store, TABLE_base); i++) {
		const struct row_base *b = store_row(x->sim->store, TABLE_base, i);
		if (b->state_at.us >= p->created_at.us)
			return true;
	}
	for (size_t i = 0; i < store_rows(x->sim->store, TABLE_task); i++) {
		const struct row_task *t = store_row(x->sim->store, TABLE_task, i);
		if (t->plan_id == 0 && t->created_at.us >= p->created_at.us)
			return true;
	}
	return false;
}

/* How long a hook takes nobody knows before, so which of two bases is next may come otherwise. */
static bool hooked(const struct foresight *x) {
	for (size_t i = 0; i < store_rows(x->sim->store, TABLE_base_group); i++)
		if (((const struct row_base_group *)store_row(x->sim->store, TABLE_base_group, i))->before_swap != NULL)
			return true;
	return false;
}

/* An install that had nothing to do: what it was to bring lay there, and nobody had told Berth. */
static bool there_already(const struct foresight *x) {
	for (size_t i = 0; i < store_rows(x->sim->store, TABLE_task); i++) {
		const struct row_task *t = store_row(x->sim->store, TABLE_task, i);
		if (t->plan_id == x->plan && t->kind == TASK_KIND_INSTALL && t->state == TASK_SUCCEEDED &&
		    t->duration_us < STEADY_INSTALL_US / 2)
			return true;
	}
	return false;
}

static void compare(struct foresight *x) {
	struct steps did = { .n = 0 };
	const struct row_plan *p = plan_row(x);
	if (p == NULL || p->state != PLAN_SUCCEEDED || x->n_waiting > 0 || disturbed(x, p) || there_already(x) || hooked(x))
		return;
	collect(x, &did);
	bool same = steps_same(&x->told, &did);
	steps_trace(x->sim, "foretold", &x->told);
	steps_trace(x->sim, "happened", &did);
	if (!batches_same(x))
		sim_fail(x->sim, "plan %lld has other batches than were foretold", (long long)x->plan);
	if (!same)
		sim_fail(x->sim, "plan %lld did other things (%zu) than were foretold (%zu)", (long long)x->plan, did.n, x->told.n);
}

void foresee(struct sim *s) {
	struct foresight *x = calloc(1, sizeof *x);
	int64_t until = s->now_us + LONGEST_US;
	struct core *c = NULL;
	x->sim = s;
	s->steady = true;
	for (int i = 0; i < s->n_nodes; i++)
		if (node_active(s->nodes[i]))
			c = node_core(s->nodes[i]);
	wish(x);
	x->op.apply = apply;
	x->op.done = done;
	x->op.who.actor = "seer";
	core_submit(c, &x->op);
	while (!ended(x) && s->failure[0] == '\0' && s->now_us < until && sim_step(s))
		continue;
	if (ended(x) && !x->refused && x->plan != 0)
		compare(x);
	for (until = s->now_us + REST_US; s->failure[0] == '\0' && s->now_us < until && sim_step(s);)
		continue;
	if (x->answered)
		free(x);
	else
		sim_fail(s, "a change in the calm was not answered");
}
