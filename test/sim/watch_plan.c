/* What must hold of plans, looked at in each commit: one at a time per deployment, batch by batch, no more than asked for, and nothing
 * behind a person's back. What a plan was told is read from its rows and from the revision it leads to, not from the engine. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "plan/memo.h"

/* What is asked of a plan: only of those that roll as their revision says. */
struct asked {
	const struct row_plan *plan;
	const struct row_plan_change *change;
	struct strategy s;
	int64_t total;
	bool known;
};

static const struct row_plan_change *change_of(const struct sim *s, int64_t plan) {
	struct row_plan_change key = { .plan_id = plan, .number = 1 };
	for (; key.number >= 0; key.number--) {
		const struct row_plan_change *c = store_find(s->store, TABLE_plan_change, &key);
		if (c != NULL)
			return c;
	}
	return NULL;
}

/* Several deployments in one plan roll by the bases they share: what holds for one of them alone is not asked of that. */
static bool alone(const struct sim *s, int64_t plan) {
	size_t n = 0;
	for (size_t i = 0; i < store_rows(s->store, TABLE_plan_change); i++)
		n += ((const struct row_plan_change *)store_row(s->store, TABLE_plan_change, i))->plan_id == plan;
	return n == 1;
}

static bool as_revision_says(const struct row_plan *p) {
	struct plan_memo m;
	bool now = memo_parse(p->options, &m, NULL) == 0 && m.now != 0;
	memo_deinit(&m);
	return !now && (p->kind == PLAN_KIND_RELEASE || p->kind == PLAN_KIND_UPGRADE || p->kind == PLAN_KIND_CHANGE);
}

static int64_t total_of(const struct sim *s, int64_t plan) {
	int64_t n = 0;
	for (size_t i = 0; i < store_rows(s->store, TABLE_batch); i++) {
		const struct row_batch *b = store_row(s->store, TABLE_batch, i);
		n += b->plan_id == plan ? b->size : 0;
	}
	return n;
}

static void asked_of(const struct sim *s, int64_t plan, struct asked *ret) {
	struct row_plan key = { .id = plan };
	*ret = (struct asked){ .plan = store_find(s->store, TABLE_plan, &key), .change = change_of(s, plan) };
	if (ret->plan == NULL || ret->change == NULL || !as_revision_says(ret->plan) || !alone(s, plan))
		return;
	struct row_revision rev = { .deployment_id = ret->change->deployment_id, .number = ret->change->to_revision };
	const struct row_revision *r = store_find(s->store, TABLE_revision, &rev);
	ret->total = total_of(s, plan);
	ret->known = r != NULL && strategy_parse(r->strategy, &ret->s, NULL) == 0;
	if (ret->known)
		strategy_resolve(&ret->s, ret->total, UPGRADE_POLICY_AUTO, PLACEMENT_SPREAD);
}

static bool at_work(const struct row_plan *p) {
	return p != NULL && !word_terminal(WORD_PLAN, p->state) && p->state != PLAN_QUEUED;
}

/* ---- plans ------------------------------------------------------------------------------------------------------------------------------
 */
static void one_at_a_time(struct sim *s, const struct row_plan *p) {
	const struct row_plan_change *mine = change_of(s, p->id);
	for (size_t i = 0; mine != NULL && at_work(p) && i < store_rows(s->store, TABLE_plan_change); i++) {
		const struct row_plan_change *c = store_row(s->store, TABLE_plan_change, i);
		struct row_plan key = { .id = c->plan_id };
		if (c->plan_id != p->id && c->deployment_id == mine->deployment_id && at_work(store_find(s->store, TABLE_plan, &key)))
			sim_fail(s, "plans %lld and %lld are both at work on %s", (long long)p->id, (long long)c->plan_id, c->deployment);
	}
}

static int64_t least_one(struct amount a, int64_t total) {
	int64_t n = amount_of(a, total, ROUND_UP);
	return n < 1 ? 1 : n;
}

/* A plan that goes on has not more failures than it may have. */
static void within_threshold(struct sim *s, const struct row_plan *p) {
	struct asked a;
	struct plan_memo m;
	int64_t failed = 0;
	asked_of(s, p->id, &a);
	if (p->state != PLAN_RUNNING || !a.known || a.s.on_failure == ON_FAILURE_CONTINUE || memo_parse(p->options, &m, NULL) != 0)
		return;
	for (size_t i = 0; i < store_rows(s->store, TABLE_batch); i++) {
		const struct row_batch *b = store_row(s->store, TABLE_batch, i);
		failed += b->plan_id == p->id ? b->failed : 0;
	}
	if (failed - m.tolerated >= least_one(a.s.failure_threshold, a.total) && s->f.refuse == 0)
		sim_fail(s, "plan %lld goes on with %lld failures of %lld bases", (long long)p->id, (long long)(failed - m.tolerated),
		    (long long)a.total);
	memo_deinit(&m);
}

/* What a lost base was told stays open, also when the base is back, and nobody waits for it: its slot went elsewhere. */
static bool given_up(const struct sim *s, const struct row_task *t) {
	struct row_base bk = { .id = t->base_id };
	struct row_instance ik = { .id = t->instance_id };
	const struct row_base *b = store_find(s->store, TABLE_base, &bk);
	const struct row_instance *i = store_find(s->store, TABLE_instance, &ik);
	return b == NULL || b->state == BASE_LOST || b->state == BASE_STOPPED || i == NULL || !i->wanted;
}

/* Nor for what is let be. */
static int64_t installs_now(const struct sim *s, const struct row_plan *p) {
	struct plan_memo m;
	int64_t busy = 0;
	bool read = memo_parse(p->options, &m, NULL) == 0;
	for (size_t i = 0; i < store_rows(s->store, TABLE_task); i++) {
		const struct row_task *t = store_row(s->store, TABLE_task, i);
		bool open = t->state == TASK_PENDING || t->state == TASK_SENT,
		     ignored = read && memo_ignores(&m, t->deployment_id, t->base_id);
		busy += t->plan_id == p->id && t->kind == TASK_KIND_INSTALL && open && !ignored && !given_up(s, t);
	}
	memo_deinit(&m);
	return busy;
}

static void within_window(struct sim *s, const struct row_plan *p) {
	struct asked a;
	asked_of(s, p->id, &a);
	int64_t busy = a.known && at_work(p) ? installs_now(s, p) : 0;
	if (a.known && busy > a.s.max_in_flight)
		sim_fail(s, "plan %lld installs on %lld bases at once; max_in_flight is %lld", (long long)p->id, (long long)busy,
		    (long long)a.s.max_in_flight);
}

static bool frozen(const struct row_base_group *g) {
	return g != NULL && g->freeze_reason != NULL && *g->freeze_reason != '\0';
}

static const struct row_base_group *group_after(const struct sim *s, const struct changeset *cs, int64_t id) {
	const struct change_rows *c = &cs->tables[TABLE_base_group];
	struct row_base_group key = { .id = id };
	for (size_t i = 0; i < c->n_upserts; i++)
		if (((const struct row_base_group *)c->upserts[i])->id == id)
			return c->upserts[i];
	return store_find(s->store, TABLE_base_group, &key);
}

/* Only a group that was frozen before this commit and still is counts. */
static void thawed(struct sim *s, const struct changeset *cs, const struct row_plan *old, const struct row_plan *p) {
	const struct row_plan_change *c = old == NULL ? NULL : change_of(s, p->id);
	if (c == NULL || old->state != PLAN_QUEUED || !at_work(p))
		return;
	struct row_deployment dk = { .id = c->deployment_id };
	const struct row_deployment *d = store_find(s->store, TABLE_deployment, &dk);
	struct row_base_group gk = { .id = d == NULL ? 0 : d->group_id };
	if (frozen(store_find(s->store, TABLE_base_group, &gk)) && frozen(group_after(s, cs, gk.id)))
		sim_fail(s, "plan %lld starts in a frozen group", (long long)p->id);
}

static void soaks_on(struct sim *s, const struct row_plan *old, const struct row_plan *p) {
	bool same = old != NULL && old->state == PLAN_SOAKING && p->state == PLAN_SOAKING && old->current_batch == p->current_batch;
	bool grace = old != NULL && p->kind == PLAN_KIND_EVICT;
	if ((same || grace) && p->soaked_us < old->soaked_us)
		sim_fail(s, "plan %lld soaks anew", (long long)p->id);
}

static int64_t drain_wait(const struct sim *s, const struct row_task *t) {
	struct row_base bk = { .id = t->base_id };
	const struct row_base *b = store_find(s->store, TABLE_base, &bk);
	struct row_base_group gk = { .id = b == NULL ? 0 : b->group_id };
	const struct row_base_group *g = store_find(s->store, TABLE_base_group, &gk);
	return g == NULL ? 0 : g->drain_wait_us;
}

/* What was out of traffic for a while stays so for the rest of drainWait only: one that waited it out does not begin to wait. */
static void drains_on(struct sim *s, const struct row_task *old, const struct row_task *t) {
	int64_t more = old == NULL ? 0 : t->held_us - old->held_us;
	if (more < 0 || (more >= US_PER_S && old->held_us >= drain_wait(s, t)))
		sim_fail(s, "task %lld is held anew: %lld us after %lld", (long long)t->id, (long long)t->held_us, (long long)old->held_us);
}

/* ---- batches ----------------------------------------------------------------------------------------------------------------------------
 */
/* The list of the strategy, added up: each rounded up of the whole. */
static void cut_as_asked(struct sim *s, const struct row_batch *b) {
	struct asked a;
	int64_t before = 0, upto;
	asked_of(s, b->plan_id, &a);
	bool all_go = a.known && a.change->to_replicas == 0; /* taking away needs no canary, unless it was asked for */
	bool listed = a.known && !all_go && a.s.n_batches > 0 && a.s.batch_count == 0 && a.s.batches_by[0] == '\0' && a.s.beta[0] == '\0';
	if (!listed || b->number > a.s.n_batches)
		return;
	for (size_t i = 0; i < store_rows(s->store, TABLE_batch); i++) {
		const struct row_batch *x = store_row(s->store, TABLE_batch, i);
		before += x->plan_id == b->plan_id && x->number < b->number ? x->size : 0;
	}
	upto = amount_of(a.s.batches[b->number - 1], a.total, ROUND_UP);
	bool empty_ones = false; /* they are left out, and the numbers shift */
	for (int i = 1; i < a.s.n_batches; i++)
		empty_ones |= amount_of(a.s.batches[i], a.total, ROUND_UP) <= amount_of(a.s.batches[i - 1], a.total, ROUND_UP);
	if (!empty_ones && before + b->size != upto)
		sim_fail(s, "batch %lld of plan %lld reaches %lld of %lld bases; asked for were %lld", (long long)b->number,
		    (long long)b->plan_id, (long long)(before + b->size), (long long)a.total, (long long)upto);
}

static bool last_batch(const struct sim *s, const struct row_batch *b) {
	struct row_batch next = { .plan_id = b->plan_id, .number = b->number + 1 };
	return store_find(s->store, TABLE_batch, &next) == NULL;
}

/* A ledger that is slow gets the whole story in one commit. */
static bool told(const struct changeset *cs, int64_t plan, const char *kind) {
	const struct change_rows *e = &cs->tables[TABLE_event];
	for (size_t i = 0; i < e->n_upserts; i++) {
		const struct row_event *r = e->upserts[i];
		if (r->plan_id == plan && strcmp(r->kind, kind) == 0)
			return true;
	}
	return false;
}

/* It is over: was it looked at as asked? */
static void gates_kept(struct sim *s, const struct changeset *cs, const struct row_batch *old, const struct row_batch *b) {
	struct asked a;
	bool over = b->state == BATCH_DONE || b->state == BATCH_FAILED;
	asked_of(s, b->plan_id, &a);
	if (!over || old == NULL || old->state == b->state || last_batch(s, b) || b->size == 0 || !a.known)
		return;
	bool confirm = a.s.confirm == CONFIRM_EACH || (a.s.confirm == CONFIRM_BETA && b->number == 1);
	if (confirm && old->state != BATCH_CONFIRMING && !told(cs, b->plan_id, "plan.confirmed"))
		sim_fail(s, "batch %lld of plan %lld is over and nobody confirmed it", (long long)b->number, (long long)b->plan_id);
	if (a.s.soak_us > 0 && old->state == BATCH_RUNNING && !told(cs, b->plan_id, "plan.soaking"))
		sim_fail(s, "batch %lld of plan %lld is over and was not watched", (long long)b->number, (long long)b->plan_id);
}

static void batch_full(struct sim *s, const struct row_batch *b) {
	if (b->done + b->failed > b->size && alone(s, b->plan_id))
		sim_fail(s, "batch %lld of plan %lld is of %lld bases; %lld are done, %lld failed", (long long)b->number,
		    (long long)b->plan_id, (long long)b->size, (long long)b->done, (long long)b->failed);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------------------------------
 */
/* The second half of what began in its time: the new one is in, the old one goes, also when a retry opened an earlier batch meanwhile. */
static bool goes_on(const struct sim *s, const struct row_task *t) {
	for (size_t i = 0; t->kind == TASK_KIND_UNINSTALL && t->partner_id != 0 && i < store_rows(s->store, TABLE_task); i++) {
		const struct row_task *x = store_row(s->store, TABLE_task, i);
		if (x->plan_id == t->plan_id && x->batch == t->batch && x->instance_id == t->partner_id && x->state == TASK_SUCCEEDED)
			return true;
	}
	return false;
}

/* What began in its time goes on: the slot was taken out of traffic. */
static bool began_before(const struct sim *s, const struct row_task *t) {
	for (size_t i = 0; i < store_rows(s->store, TABLE_task); i++) {
		const struct row_task *x = store_row(s->store, TABLE_task, i);
		if (x->plan_id == t->plan_id && x->batch == t->batch && x->base_id == t->base_id && x->deployment_id == t->deployment_id &&
		    x->id < t->id && x->state == TASK_SUCCEEDED && (x->kind == TASK_KIND_BEFORE_SWAP || t->kind == TASK_KIND_AFTER_SWAP))
			return true;
	}
	return false;
}

static void in_its_batch(struct sim *s, const struct row_task *t) {
	for (struct row_batch key = { .plan_id = t->plan_id, .number = 1 }; key.number < t->batch; key.number++) {
		const struct row_batch *b = store_find(s->store, TABLE_batch, &key);
		if (b != NULL && b->state != BATCH_DONE && b->state != BATCH_FAILED && !goes_on(s, t) && !began_before(s, t))
			sim_fail(s, "%s of batch %lld begins on %s before batch %lld is over", t->deployment, (long long)t->batch, t->base,
			    (long long)key.number);
	}
}

static void tries(struct sim *s, const struct row_task *t) {
	struct asked a;
	asked_of(s, t->plan_id, &a);
	if (a.known && t->attempt > a.s.retries + 1)
		sim_fail(
		    s, "task %lld is tried %lld times; retries are %lld", (long long)t->id, (long long)t->attempt, (long long)a.s.retries);
}

/* ---- hooks
 * --------------------------------------------------------------------------------------------------------------------------------
 */
/* Whom a command that is sent takes away: what it removes, or what it installs beside. */
static int64_t taken_by(const struct sim *s, const struct row_task *t) {
	struct row_instance key = { .id = t->kind == TASK_KIND_UNINSTALL ? t->instance_id : t->partner_id };
	const struct row_instance *i = store_find(s->store, TABLE_instance, &key);
	bool answers = i != NULL && i->base_id == t->base_id && (i->state == INSTANCE_READY || i->state == INSTANCE_DRAINING);
	return answers && (t->kind == TASK_KIND_UNINSTALL || t->kind == TASK_KIND_INSTALL) ? i->id : 0;
}

static bool takes_out(const struct row_task *x, int64_t old, const struct row_task *t) {
	return x->kind == TASK_KIND_BEFORE_SWAP && x->state == TASK_SUCCEEDED && x->id < t->id &&
	       (x->instance_id == old || x->partner_id == old);
}

static bool taken_out(const struct sim *s, const struct change_rows *now, int64_t old, const struct row_task *t) {
	for (size_t i = 0; i < now->n_upserts; i++)
		if (takes_out(now->upserts[i], old, t))
			return true;
	for (size_t i = 0; i < store_rows(s->store, TABLE_task); i++)
		if (takes_out(store_row(s->store, TABLE_task, i), old, t))
			return true;
	return false;
}

/* A repair that takes along what requires what it exchanges does so without asking. */
static bool along(const struct sim *s, const struct row_task *t) {
	struct row_version key = { .id = t->version_id };
	const struct row_version *v = store_find(s->store, TABLE_version, &key);
	return t->plan_id == 0 && v != NULL && v->requires != NULL && strlen(v->requires) > 2;
}

/* It answered no more, and not because it was taken out of traffic. */
static bool stopped(const struct changeset *cs, int64_t instance) {
	const struct change_rows *h = &cs->tables[TABLE_base_history], *c = &cs->tables[TABLE_instance];
	for (size_t i = 0; i < c->n_upserts;
	     i++) { /* its base told that it does not hold it any more, and it was to be put back as it is */
		const struct row_instance *r = c->upserts[i];
		if (r->id == instance && (r->reported == NULL || strcmp(r->reported, "activated") != 0))
			return true;
	}
	for (size_t i = 0; i < h->n_upserts; i++) {
		const struct row_base_history *r = h->upserts[i];
		bool by_us = r->ended_as != NULL && (strcmp(r->ended_as, "draining") == 0 || strcmp(r->ended_as, "uninstalling") == 0);
		if (r->instance_id == instance && r->ended_at.us != 0 && !by_us)
			return true;
	}
	return false;
}

/* Nothing that answers is touched before its group's beforeSwap succeeded. */
static void out_of_traffic(struct sim *s, const struct changeset *cs, const struct row_task *t) {
	const struct row_task *before = store_find(s->store, TABLE_task, t);
	struct row_base bk = { .id = t->base_id };
	const struct row_base *b =
	    t->state != TASK_SENT || (before != NULL && before->state == TASK_SENT) ? NULL : store_find(s->store, TABLE_base, &bk);
	struct row_base_group gk = { .id = b == NULL ? 0 : b->group_id };
	const struct row_base_group *g = b == NULL ? NULL : store_find(s->store, TABLE_base_group, &gk);
	int64_t old = g == NULL || g->before_swap == NULL || t->deployment_id == 0 ? 0 : taken_by(s, t);
	if (old != 0 && !taken_out(s, &cs->tables[TABLE_task], old, t) && !along(s, t) && !stopped(cs, old))
		sim_fail(s, "task %lld (%s of %s:%s on %s) is sent before beforeSwap of instance %lld succeeded", (long long)t->id,
		    word_text(WORD_TASK_KIND, t->kind), t->module, t->version, t->base, (long long)old);
}

/* ---- a commit ---------------------------------------------------------------------------------------------------------------------------
 */
#define MAX_NEW 256

struct plan_watch {
	int64_t tasks[MAX_NEW], batches[MAX_NEW]; /* new with the commit of now: indexes of its rows */
	size_t n_tasks, n_batches;
};

struct plan_watch *plan_watch_new(void) {
	return calloc(1, sizeof(struct plan_watch));
}

static size_t fresh_rows(const struct sim *s, const struct changeset *cs, enum table t, int64_t *ret) {
	const struct change_rows *c = &cs->tables[t];
	size_t n = 0;
	for (size_t i = 0; i < c->n_upserts && n < MAX_NEW; i++)
		if (store_find(s->store, t, c->upserts[i]) == NULL)
			ret[n++] = (int64_t)i;
	return n;
}

void watch_plans_before(struct sim *s, const struct changeset *cs) {
	const struct change_rows *p = &cs->tables[TABLE_plan], *b = &cs->tables[TABLE_batch];
	s->plan_watch->n_tasks = fresh_rows(s, cs, TABLE_task, s->plan_watch->tasks);
	s->plan_watch->n_batches = fresh_rows(s, cs, TABLE_batch, s->plan_watch->batches);
	for (size_t i = 0; i < p->n_upserts; i++) {
		soaks_on(s, store_find(s->store, TABLE_plan, p->upserts[i]), p->upserts[i]);
		thawed(s, cs, store_find(s->store, TABLE_plan, p->upserts[i]), p->upserts[i]);
	}
	const struct change_rows *t = &cs->tables[TABLE_task];
	for (size_t i = 0; i < t->n_upserts; i++) {
		out_of_traffic(s, cs, t->upserts[i]);
		drains_on(s, store_find(s->store, TABLE_task, t->upserts[i]), t->upserts[i]);
	}
	for (size_t i = 0; i < b->n_upserts; i++)
		gates_kept(s, cs, store_find(s->store, TABLE_batch, b->upserts[i]), b->upserts[i]);
}

void watch_plans_after(struct sim *s, const struct changeset *cs) {
	const struct change_rows *p = &cs->tables[TABLE_plan], *b = &cs->tables[TABLE_batch], *t = &cs->tables[TABLE_task];
	for (size_t i = 0; i < p->n_upserts; i++) {
		one_at_a_time(s, p->upserts[i]);
		within_threshold(s, p->upserts[i]);
		within_window(s, p->upserts[i]);
	}
	for (size_t i = 0; i < b->n_upserts; i++)
		batch_full(s, b->upserts[i]);
	for (size_t i = 0; i < t->n_upserts; i++)
		tries(s, t->upserts[i]);
	for (size_t i = 0; i < s->plan_watch->n_batches; i++)
		cut_as_asked(s, b->upserts[s->plan_watch->batches[i]]);
	for (size_t i = 0; i < s->plan_watch->n_tasks; i++)
		in_its_batch(s, t->upserts[s->plan_watch->tasks[i]]);
}
