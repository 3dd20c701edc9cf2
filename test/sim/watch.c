/* What must hold across everybody, told by agents, bases, servers and the ledger as things happen: no command of an old epoch obeyed, no
 * effect twice, no base over its ceiling in its own view, nothing done by a server without the lease or before its commit, and no fewer
 * modules serving than the plans may take away. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "plan/memo.h"

#define MACHINES (MAX_BASES + MAX_LONE)
#define MAX_STALE 256
#define MAX_EFFECTS 512
#define MAX_SENT 256
#define STOP_US (7 * US_PER_S) /* from the last good renewal on */

struct effect_done {
	int64_t generation;
	bool install;
	char module[32], version[32];
};

struct witness_of {
	int64_t epoch;            /* the highest it was told since it started */
	int64_t stale[MAX_STALE]; /* generations it heard of in commands of older epochs only */
	int n_stale;
	int64_t fresh[MAX_STALE]; /* the last ones that were commanded or wanted in the epoch of their time */
	uint64_t n_fresh;
	struct effect_done effects[MAX_EFFECTS]; /* in the present life of its base */
	int n_effects;
	int64_t removed[MAX_STALE]; /* generations of removals that it said were done */
	int n_removed;
};

struct watch {
	struct witness_of of[MACHINES];
	int64_t interrupted[16]; /* deployments that the commit of now takes something away from */
	int64_t wanted[16];      /* of each: how many were wanted before it */
	int n_interrupted;
	int64_t sent[MAX_SENT]; /* tasks that the commit of now sends */
	int n_sent;
};

struct watch *watch_new(void) {
	return calloc(1, sizeof(struct watch));
}

void watch_free(struct watch *w) {
	free(w);
}

/* ---- epochs
 * ------------------------------------------------------------------------------------------------------------------------------ */
/* What was rightly commanded once may be heard once more. */
static bool known(const struct witness_of *w, int64_t generation) {
	for (uint64_t i = 0; i < w->n_fresh && i < MAX_STALE; i++)
		if (w->fresh[i] == generation)
			return true;
	return false;
}

static void stale_add(struct witness_of *w, int64_t generation) {
	if (w->n_stale < MAX_STALE && !known(w, generation))
		w->stale[w->n_stale++] = generation;
}

static void stale_drop(struct witness_of *w, int64_t generation) {
	if (!known(w, generation))
		w->fresh[w->n_fresh++ % MAX_STALE] = generation;
	for (int i = 0; i < w->n_stale; i++)
		if (w->stale[i] == generation)
			w->stale[i--] = w->stale[--w->n_stale];
}

/* Its removals: the server wants it (again) under the number that brought it (0), or an install of that number brought it back. */
static void removals_drop(struct witness_of *w, const char *module, const char *version, int64_t generation) {
	for (int i = 0; i < w->n_effects; i++) {
		const struct effect_done *x = &w->effects[i];
		bool meant = !x->install && (generation == 0 || x->generation == generation);
		if (meant && strcmp(x->module, module) == 0 && strcmp(x->version, version) == 0)
			w->effects[i--] = w->effects[--w->n_effects];
	}
}

static void told_command(struct witness_of *w, const Berth__V1__Command *c) {
	for (size_t i = 0; i < c->n_items; i++)
		(c->epoch < w->epoch ? stale_add : stale_drop)(w, c->items[i]->generation);
	if (c->epoch > w->epoch)
		w->epoch = c->epoch;
}

void watch_told(struct sim *s, int agent, const Berth__V1__ServerMessage *m) {
	struct witness_of *w = &s->watch->of[agent];
	if (m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_COMMAND)
		told_command(w, m->command);
	if (m->kind_case != BERTH__V1__SERVER_MESSAGE__KIND_WELCOME)
		return;
	for (size_t i = 0; i < m->welcome->n_wanted; i++) {
		stale_drop(w, m->welcome->wanted[i]->generation);
		removals_drop(w, m->welcome->wanted[i]->module, m->welcome->wanted[i]->version, 0);
	}
	if (m->welcome->epoch > w->epoch)
		w->epoch = m->welcome->epoch;
}

void watch_calls(struct sim *s, int agent, const char *what, int64_t generation) {
	const struct witness_of *w = &s->watch->of[agent];
	for (int i = 0; i < w->n_stale; i++)
		if (w->stale[i] == generation)
			sim_fail(
			    s, "n%d obeys generation %lld (%s), which only an old epoch commanded", agent, (long long)generation, what);
}

void watch_reported(struct sim *s, int agent, const Berth__V1__AgentMessage *m) {
	struct witness_of *w = &s->watch->of[agent];
	for (size_t i = 0; m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_REPORT && i < m->report->n_outcomes; i++) {
		const Berth__V1__Outcome *o = m->report->outcomes[i];
		if (o->ok && o->kind == BERTH__V1__TASK_KIND__TASK_KIND_UNINSTALL && w->n_removed < MAX_STALE)
			w->removed[w->n_removed++] = o->generation;
	}
}

/* P6: what was done and told is not done once more. */
void watch_removes(struct sim *s, int agent, int64_t generation) {
	const struct witness_of *w = &s->watch->of[agent];
	for (int i = 0; i < w->n_removed && !s->lost; i++)
		if (w->removed[i] == generation)
			sim_fail(s, "n%d removes again what it said was removed (generation %lld)", agent, (long long)generation);
}

void watch_disk_lost(struct sim *s, int agent) {
	s->watch->of[agent].n_removed = 0;
}

void watch_agent_reborn(struct sim *s, int agent) {
	s->watch->of[agent].epoch = 0;
	s->watch->of[agent].n_stale = 0;
	s->watch->of[agent].n_effects = 0;
}

/* ---- effects on bases
 * -------------------------------------------------------------------------------------------------------------------- */
void watch_base_reborn(struct sim *s, int machine) {
	s->watch->of[machine].n_effects = 0;
}

static bool effect_again(const struct effect_done *x, bool install, int64_t generation) {
	if (x->install == install)
		return !install && generation == x->generation; /* what is wanted comes back under the number that brought it first */
	return generation < x->generation;
}

/* A base answers a repeated command by itself; what must not happen is one that is done twice, or an older one that undoes what a newer
 * did. An install first takes away what a failed one before it left, and what it brought itself when that cannot take over. */
void watch_effect(struct sim *s, int machine, bool install, const char *module, const char *version, int64_t generation) {
	struct witness_of *w = &s->watch->of[machine];
	for (int i = 0; i < w->n_effects && !s->lost && machine != s->liar; i++) {
		const struct effect_done *x = &w->effects[i];
		if (effect_again(x, install, generation) && strcmp(x->module, module) == 0 && strcmp(x->version, version) == 0)
			sim_fail(s, "%s of %s:%s (generation %lld) has its effect on machine %d after generation %lld",
			    install ? "install" : "uninstall", module, version, (long long)generation, machine, (long long)x->generation);
	}
	if (install)
		removals_drop(w, module, version, generation);
	if (w->n_effects == MAX_EFFECTS)
		return;
	struct effect_done *x = &w->effects[w->n_effects++];
	*x = (struct effect_done){ .generation = generation, .install = install };
	snprintf(x->module, sizeof x->module, "%s", module);
	snprintf(x->version, sizeof x->version, "%s", version);
}

static const struct row_base *base_named(const struct sim *s, const char *name) {
	for (size_t i = 0; i < store_rows(s->store, TABLE_base); i++) {
		const struct row_base *b = store_row(s->store, TABLE_base, i);
		if (strcmp(b->name, name) == 0)
			return b;
	}
	return NULL;
}

bool watch_lies(const struct sim *s, const char *base) {
	return s->liar >= 0 && strcmp(agent_name(s->agents[s->liar]), base) == 0;
}

/* It holds what a command brought whose outcome nobody could wait for any more: listed, and left to a person. */
static bool holds_unmanaged(const struct sim *s, int64_t base) {
	for (size_t i = 0; i < store_rows(s->store, TABLE_finding); i++) {
		const struct row_finding *x = store_row(s->store, TABLE_finding, i);
		if (x->base_id == base && (x->kind == FINDING_UNMANAGED || x->kind == FINDING_VERSION_DRIFT))
			return true;
	}
	return false;
}

void watch_units(struct sim *s, const char *base, int64_t units) {
	const struct row_base *b = base_named(s, base);
	if (b != NULL && units > b->units_ceiling && !s->lost && !watch_lies(s, base) && !holds_unmanaged(s, b->id))
		sim_fail(s, "base %s holds %lld units; its ceiling is %lld", base, (long long)units, (long long)b->units_ceiling);
}

/* ---- effects of servers
 * ------------------------------------------------------------------------------------------------------------------ */
void watch_holder(struct sim *s, const char *node, const char *what) {
	if (strcmp(store_holder(s->store), node) != 0 && !s->over)
		sim_fail(s, "%s %s, and the lease is %s%s", node, what, *store_holder(s->store) == '\0' ? "free" : "held by ",
		    store_holder(s->store));
	int64_t since = s->now_us - store_renewed_at(s->store);
	if (since > STOP_US && !s->over)
		sim_fail(s, "%s %s %.1f s after it renewed its lease", node, what, (double)since / US_PER_S);
}

void watch_command(struct sim *s, const Berth__V1__Command *c) {
	for (size_t i = 0; i < c->n_items; i++) {
		struct row_task key = { .id = c->items[i]->task };
		const struct row_task *t = store_find(s->store, TABLE_task, &key);
		if (t == NULL || t->generation < c->items[i]->generation || t->state == TASK_PENDING)
			sim_fail(s, "task %lld is commanded before it is committed", (long long)key.id);
	}
}

void watch_ack(struct sim *s, const char *base, int64_t seq) {
	const struct row_base *b = base_named(s, base);
	if (b == NULL || b->report_seq < seq)
		sim_fail(s, "report %lld of base %s is acknowledged before it is committed", (long long)seq, base);
}

/* ---- availability (P3)
 * ------------------------------------------------------------------------------------------------------------------- */
static const struct row_instance *instance_before(const struct sim *s, const struct row_instance *r) {
	return store_find(s->store, TABLE_instance, r);
}

static const struct row_instance *row_after(const struct changeset *cs, const struct row_instance *r) {
	const struct change_rows *c = &cs->tables[TABLE_instance];
	for (size_t i = 0; i < c->n_upserts; i++)
		if (((const struct row_instance *)c->upserts[i])->id == r->id)
			return c->upserts[i];
	return r;
}

/* What was to be moved stays: it is wanted again, or is on its way to a third base already. */
static bool stays(const struct changeset *cs, const struct row_instance *x) {
	const struct change_rows *c = &cs->tables[TABLE_instance];
	bool moves = x->wanted;
	for (size_t i = 0; i < c->n_upserts; i++)
		moves |=
		    ((const struct row_instance *)c->upserts[i])->replaces == x->id && ((const struct row_instance *)c->upserts[i])->wanted;
	return moves;
}

/* What stands in for it: beside it on its base, what it is replaced by, or what stays after all instead of being moved there. */
static bool stands_in(const struct changeset *cs, const struct row_instance *x, const struct row_instance *old) {
	return x->id != old->id && x->state == INSTANCE_READY && x->deployment_id == old->deployment_id &&
	       (x->base_id == old->base_id || x->replaces == old->id || (old->replaces == x->id && stays(cs, x)));
}

static bool replaced(const struct sim *s, const struct changeset *cs, const struct row_instance *old) {
	for (size_t i = 0; i < store_rows(s->store, TABLE_instance); i++)
		if (stands_in(cs, row_after(cs, store_row(s->store, TABLE_instance, i)), old))
			return true;
	return false;
}

static void interrupted(struct sim *s, int64_t deployment) {
	struct watch *w = s->watch;
	if (deployment == 0 || w->n_interrupted == (int)(sizeof w->interrupted / sizeof *w->interrupted))
		return;
	w->wanted[w->n_interrupted] = 0;
	for (size_t i = 0; i < store_rows(s->store, TABLE_instance); i++) {
		const struct row_instance *r = store_row(s->store, TABLE_instance, i);
		w->wanted[w->n_interrupted] += r->wanted && r->deployment_id == deployment;
	}
	w->interrupted[w->n_interrupted++] = deployment;
}

/* It stopped being ready because it was taken away, not by itself. */
static bool taken_away(const struct row_base_history *h) {
	return h->ended_at.us != 0 && h->ended_as != NULL &&
	       (strcmp(h->ended_as, word_text(WORD_INSTANCE, INSTANCE_UNINSTALLING)) == 0 ||
	           strcmp(h->ended_as, word_text(WORD_INSTANCE, INSTANCE_DRAINING)) == 0);
}

static bool instance_taken_away(const struct changeset *cs, int64_t id) {
	const struct change_rows *h = &cs->tables[TABLE_base_history];
	for (size_t i = 0; i < h->n_upserts; i++)
		if (((const struct row_base_history *)h->upserts[i])->instance_id == id && taken_away(h->upserts[i]))
			return true;
	return false;
}

static void deployments_leave(struct sim *s, const struct changeset *cs) {
	const struct change_rows *d = &cs->tables[TABLE_deployment];
	for (size_t i = 0; i < d->n_deletes; i++) {
		const struct row_deployment *r = store_find(s->store, TABLE_deployment, d->deletes[i]);
		if (r != NULL)
			clients_deleted(s->clients, r->name);
	}
}

/* What is commanded of it in its turn. An install of what may be there only asks, and nobody loses what is not there. */
static bool has_a_turn(const struct sim *s, const struct row_task *t) {
	const struct row_instance *i = store_find(s->store, TABLE_instance, &(struct row_instance){ .id = t->instance_id });
	if (i == NULL || t->kind == TASK_KIND_INSTALL)
		return i == NULL || i->state != INSTANCE_UNKNOWN;
	bool active = i->reported != NULL && strcmp(i->reported, "activated") == 0;
	return active && (i->state == INSTANCE_READY || i->state == INSTANCE_STANDBY || i->state == INSTANCE_UNINSTALLING);
}

static void note_sent(struct sim *s, const struct changeset *cs) {
	const struct change_rows *c = &cs->tables[TABLE_task];
	struct watch *w = s->watch;
	w->n_sent = 0;
	for (size_t i = 0; i < c->n_upserts; i++) {
		const struct row_task *t = c->upserts[i], *old = store_find(s->store, TABLE_task, t);
		if (t->state == TASK_SENT && (old == NULL || old->state != TASK_SENT) && has_a_turn(s, t) && w->n_sent < MAX_SENT)
			w->sent[w->n_sent++] = t->id;
	}
}

void watch_commit(struct sim *s, const struct changeset *cs) {
	const struct change_rows *c = &cs->tables[TABLE_instance];
	deployments_leave(s, cs);
	note_sent(s, cs);
	watch_plans_before(s, cs);
	watch_bases_before(s, cs);
	s->watch->n_interrupted = 0;
	for (size_t i = 0; i < c->n_upserts; i++) {
		const struct row_instance *r = c->upserts[i], *old = instance_before(s, r);
		if (old != NULL && old->wanted && instance_taken_away(cs, r->id) && !replaced(s, cs, r))
			interrupted(s, r->deployment_id);
	}
}

struct allowed {
	int64_t most, least, serving, wanted;
};

/* The fewest, before this commit or with it. */
static int64_t wanted_lately(const struct sim *s, int64_t deployment, int64_t now) {
	for (int i = 0; i < s->watch->n_interrupted; i++)
		if (s->watch->interrupted[i] == deployment && s->watch->wanted[i] < now)
			return s->watch->wanted[i];
	return now;
}

/* Of the revisions that may be in force: from the completed one to the newest. */
static void allowed_of(const struct sim *s, const struct row_deployment *d, struct allowed *ret) {
	ret->least = INT64_MAX;
	for (size_t k = 0; k < store_rows(s->store, TABLE_revision); k++) {
		const struct row_revision *r = store_row(s->store, TABLE_revision, k);
		struct strategy st;
		if (r->deployment_id != d->id || strategy_parse(r->strategy, &st, NULL) != 0)
			continue;
		int64_t n = r->replicas < 0 ? ret->wanted : r->replicas;
		if (n > ret->most)
			ret->most = n;
		if (r->replicas < 0) /* on all bases: how many that is changes with each that joins */
			n = wanted_lately(s, d->id, n);
		strategy_resolve(&st, n, UPGRADE_POLICY_AUTO, PLACEMENT_SPREAD);
		int64_t away = amount_of(st.max_unavailable, n, ROUND_DOWN);
		int64_t least = n - (away < 1 ? 1 : away);
		if (r->number >= d->completed_revision && least < ret->least)
			ret->least = least;
	}
}

static void count_instances(const struct sim *s, const struct row_deployment *d, struct allowed *ret) {
	int64_t on[64];
	int n_on = 0;
	for (size_t i = 0; i < store_rows(s->store, TABLE_instance); i++) {
		const struct row_instance *r = store_row(s->store, TABLE_instance, i);
		if (r->deployment_id != d->id)
			continue;
		ret->wanted += r->wanted;
		bool counted = r->state != INSTANCE_READY;
		for (int k = 0; k < n_on && !counted; k++)
			counted = on[k] == r->base_id;
		if (!counted && n_on < (int)(sizeof on / sizeof *on))
			on[n_on++] = r->base_id;
	}
	ret->serving = n_on;
}

/* Those that were ready and are not, by no doing of ours. */
static int64_t lost_in(const struct sim *s, const struct changeset *cs, int64_t deployment) {
	const struct change_rows *h = &cs->tables[TABLE_base_history];
	int64_t n = 0;
	for (size_t i = 0; i < h->n_upserts; i++) {
		const struct row_base_history *r = h->upserts[i];
		struct row_instance key = { .id = r->instance_id };
		const struct row_instance *x = store_find(s->store, TABLE_instance, &key);
		n += r->ended_at.us != 0 && !taken_away(r) && (x == NULL || x->deployment_id == deployment);
	}
	return n;
}

/* A plan that ended with this commit may have begun something before. */
static bool ends_with(const struct changeset *cs, int64_t plan) {
	const struct change_rows *p = &cs->tables[TABLE_plan];
	for (size_t i = 0; i < p->n_upserts; i++)
		if (((const struct row_plan *)p->upserts[i])->id == plan)
			return true;
	return false;
}

/* What the plans at work on it mean: all goes, or back at once as somebody asked; or one more than wanted for a moment, while it moves. */
static void plans_at_work(const struct sim *s, const struct changeset *cs, const struct row_deployment *d, bool *ret_none, bool *ret_any) {
	*ret_none = d->offline;
	*ret_any = false;
	for (size_t i = 0; i < store_rows(s->store, TABLE_plan_change); i++) {
		const struct row_plan_change *c = store_row(s->store, TABLE_plan_change, i);
		struct row_plan key = { .id = c->plan_id };
		const struct row_plan *p = c->deployment_id == d->id ? store_find(s->store, TABLE_plan, &key) : NULL;
		if (p == NULL || p->state == PLAN_QUEUED || (word_terminal(WORD_PLAN, p->state) && !ends_with(cs, p->id)))
			continue;
		struct plan_memo m;
		bool now = memo_parse(p->options, &m, NULL) == 0 && m.now != 0;
		*ret_any = true;
		*ret_none |= now || p->kind == PLAN_KIND_OFFLINE || p->kind == PLAN_KIND_DELETE ||
		             (p->kind == PLAN_KIND_UNDO && c->from_revision == c->to_revision);
		memo_deinit(&m);
	}
}

static void availability(struct sim *s, const struct changeset *cs, const struct row_deployment *d) {
	struct allowed a = { 0 };
	bool taken = false, none, any;
	count_instances(s, d, &a);
	allowed_of(s, d, &a);
	plans_at_work(s, cs, d, &none, &any);
	for (int i = 0; i < s->watch->n_interrupted; i++)
		taken |= s->watch->interrupted[i] == d->id;
	if (a.wanted > a.most + any)
		sim_fail(s, "deployment %s: %lld instances wanted, more than any kept revision asks for", d->name, (long long)a.wanted);
	if (taken && !none && a.serving + lost_in(s, cs, d->id) < a.least)
		sim_fail(s, "deployment %s: %lld bases serve it after what was taken away, and it must be %lld", d->name,
		    (long long)a.serving, (long long)a.least);
}

void watch_committed(struct sim *s, const struct changeset *cs) {
	watch_plans_after(s, cs);
	watch_bases_after(s, cs);
	for (int i = 0; i < s->watch->n_sent; i++)
		watch_sent(s, store_find(s->store, TABLE_task, &(struct row_task){ .id = s->watch->sent[i] }));
	for (size_t i = 0; i < store_rows(s->store, TABLE_deployment); i++)
		availability(s, cs, store_row(s->store, TABLE_deployment, i));
}

/* ---- model and ledger
 * -------------------------------------------------------------------------------------------------------------------- */
static const char *differs_in(const struct table_def *def, const void *a, const void *b) {
	for (int i = 0; i < def->n_cols; i++) {
		struct table_def one = *def;
		one.cols = &def->cols[i];
		one.n_cols = 1;
		if (!row_equal(&one, a, b))
			return def->cols[i].name;
	}
	return "nothing";
}

static void same(struct sim *s, enum table t, const void *row) {
	const void *stored = store_find(s->store, t, row);
	if (stored == NULL)
		sim_fail(s, "a row of %s is in the model and not in the ledger", table_defs[t].name);
	else if (!row_equal(&table_defs[t], row, stored))
		sim_fail(
		    s, "a row of %s differs between model and ledger: %s", table_defs[t].name, differs_in(&table_defs[t], row, stored));
}

static void as_many(struct sim *s, enum table t, size_t n) {
	if (n != store_rows(s->store, t))
		sim_fail(s, "the ledger has %zu rows of %s, the model %zu", store_rows(s->store, t), table_defs[t].name, n);
}

/* Both ways for what lives in memory for good; a finished plan may be in the ledger only. */
void watch_model(struct sim *s, struct fleet *f) {
	size_t bases = 0, instances = 0, deployments = 0, findings = 0;
	for (struct base *b = fleet_bases(f); b != NULL; b = b->hh_id.next, bases++)
		same(s, TABLE_base, &b->row);
	for (struct instance *i = fleet_instances(f); i != NULL; i = i->hh_id.next, instances++)
		same(s, TABLE_instance, &i->row);
	for (struct deployment *d = fleet_deployments(f); d != NULL; d = d->hh_id.next, deployments++)
		same(s, TABLE_deployment, &d->row);
	for (struct plan *p = fleet_plans(f); p != NULL; p = p->hh_id.next)
		same(s, TABLE_plan, &p->row);
	for (struct task *t = fleet_tasks(f); t != NULL; t = t->hh_id.next)
		same(s, TABLE_task, &t->row);
	for (struct finding *x = fleet_findings_first(f); x != NULL; x = TAILQ_NEXT(x, link), findings++)
		same(s, TABLE_finding, &x->row);
	as_many(s, TABLE_base, bases);
	as_many(s, TABLE_instance, instances);
	as_many(s, TABLE_deployment, deployments);
	as_many(s, TABLE_finding, findings);
}
