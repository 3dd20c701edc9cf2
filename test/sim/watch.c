/* What must hold across everybody, told by the agents, the bases and the ledger as things happen: no command of an old epoch obeyed, no
 * effect twice, no base over its ceiling in its own view, and no fewer modules serving than the plans may take away. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STALE 256
#define MAX_EFFECTS 512
#define MAX_FLOORS 16

struct effect_done { int64_t generation; bool install; char module[32], version[32]; };
struct witness_of {
	int64_t epoch;                          /* the highest it was told since it started */
	int64_t stale[MAX_STALE]; int n_stale;  /* generations it heard of in commands of older epochs only */
	struct effect_done effects[MAX_EFFECTS]; int n_effects; /* in the present life of its base */
};
struct serving_floor { char deployment[32]; int64_t least; };
struct watch {
	struct witness_of of[MAX_BASES];
	struct serving_floor floors[MAX_FLOORS]; int n_floors;
};

struct watch *watch_new(void) { return calloc(1, sizeof(struct watch)); }
void watch_free(struct watch *w) { free(w); }

/* ---- epochs ---------------------------------------------------------------------------------------------------------------------------- */
static void stale_add(struct witness_of *w, int64_t generation) {
	if (w->n_stale < MAX_STALE)
		w->stale[w->n_stale++] = generation;
}

static void stale_drop(struct witness_of *w, int64_t generation) {
	for (int i = 0; i < w->n_stale; i++)
		if (w->stale[i] == generation)
			w->stale[i--] = w->stale[--w->n_stale];
}

void watch_told(struct sim *s, int agent, const Berth__V1__ServerMessage *m) {
	struct witness_of *w = &s->watch->of[agent];
	int64_t epoch = m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_WELCOME ? m->welcome->epoch
	                : m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_COMMAND ? m->command->epoch : 0;
	for (size_t i = 0; m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_COMMAND && i < m->command->n_items; i++) {
		if (epoch < w->epoch)
			stale_add(w, m->command->items[i]->generation);
		else
			stale_drop(w, m->command->items[i]->generation);
	}
	for (size_t i = 0; m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_WELCOME && i < m->welcome->n_wanted; i++)
		stale_drop(w, m->welcome->wanted[i]->generation);
	if (epoch > w->epoch)
		w->epoch = epoch;
}

void watch_calls(struct sim *s, int agent, const char *what, int64_t generation) {
	const struct witness_of *w = &s->watch->of[agent];
	for (int i = 0; i < w->n_stale; i++)
		if (w->stale[i] == generation)
			sim_fail(s, "n%d obeys generation %lld (%s), which only an old epoch commanded", agent, (long long)generation, what);
}

void watch_agent_reborn(struct sim *s, int agent) {
	s->watch->of[agent].epoch = 0;
	s->watch->of[agent].n_stale = 0;
	s->watch->of[agent].n_effects = 0;
}

/* ---- effects --------------------------------------------------------------------------------------------------------------------------- */
void watch_base_reborn(struct sim *s, int agent) {
	s->watch->of[agent].n_effects = 0;
}

/* A base answers a repeated command by itself; what must not happen is an older one that undoes what a newer one did. */
void watch_effect(struct sim *s, int agent, bool install, const char *module, const char *version, int64_t generation) {
	struct witness_of *w = &s->watch->of[agent];
	for (int i = 0; i < w->n_effects && !s->lost; i++) {
		const struct effect_done *x = &w->effects[i];
		bool older = x->install == install ? !install && generation == x->generation : generation < x->generation;
		if (older && strcmp(x->module, module) == 0 && strcmp(x->version, version) == 0)
			sim_fail(s, "%s of %s:%s (generation %lld) has its effect on n%d after generation %lld", install ? "install" : "uninstall", module, version,
			    (long long)generation, agent, (long long)x->generation);
	}
	if (w->n_effects == MAX_EFFECTS)
		return;
	struct effect_done *x = &w->effects[w->n_effects++];
	*x = (struct effect_done){ .generation = generation, .install = install };
	snprintf(x->module, sizeof x->module, "%s", module);
	snprintf(x->version, sizeof x->version, "%s", version);
}

/* ---- availability ------------------------------------------------------------------------------------------------------------------------ */
static struct serving_floor *floor_of(struct watch *w, const char *deployment) {
	for (int i = 0; i < w->n_floors; i++)
		if (strcmp(w->floors[i].deployment, deployment) == 0)
			return &w->floors[i];
	if (w->n_floors == MAX_FLOORS)
		abort();
	struct serving_floor *f = &w->floors[w->n_floors++];
	snprintf(f->deployment, sizeof f->deployment, "%s", deployment);
	return f;
}

/* Default maxUnavailable: a quarter, at least one. */
static int64_t least_of(int64_t replicas) {
	int64_t away = replicas / 4 < 1 ? 1 : replicas / 4;
	return replicas > away ? replicas - away : 0;
}

/* Set by a deployment at rest, lowered by each later wish, until it rests again. */
void watch_ledger(struct sim *s) {
	for (size_t i = 0; i < store_rows(s->store, TABLE_deployment); i++) {
		const struct row_deployment *d = store_row(s->store, TABLE_deployment, i);
		struct serving_floor *f = floor_of(s->watch, d->name);
		int64_t least = d->offline ? 0 : INT64_MAX;
		for (size_t k = 0; k < store_rows(s->store, TABLE_revision); k++) {
			const struct row_revision *r = store_row(s->store, TABLE_revision, k);
			if (r->deployment_id == d->id && r->number >= d->completed_revision && least_of(r->replicas) < least)
				least = least_of(r->replicas);
		}
		if (d->state == DEPLOYMENT_RUNNING && d->completed_revision > 0)
			f->least = least;
		else if (least < f->least)
			f->least = least;
	}
}

void watch_deleted(struct sim *s, const char *deployment) {
	floor_of(s->watch, deployment)->least = 0;
}

void watch_serving(struct sim *s, const char *module) {
	int64_t n = 0;
	bool others = s->f.base_kill || s->f.agent_kill || s->f.install_fail || s->f.link_cut || s->f.older;
	for (int i = 0; i < s->n_agents; i++)
		n += agent_serves(s->agents[i], module);
	if (!others && n < floor_of(s->watch, module)->least)
		sim_fail(s, "%lld bases serve %s, and by what is wanted it must be %lld", (long long)n, module, (long long)floor_of(s->watch, module)->least);
}

void watch_units(struct sim *s, const char *base, int64_t units) {
	for (size_t i = 0; i < store_rows(s->store, TABLE_base); i++) {
		const struct row_base *b = store_row(s->store, TABLE_base, i);
		if (strcmp(b->name, base) == 0 && units > b->units_ceiling && !s->f.older)
			sim_fail(s, "base %s holds %lld units; its ceiling is %lld", base, (long long)units, (long long)b->units_ceiling);
	}
}

/* ---- model and ledger ---------------------------------------------------------------------------------------------------------------------- */
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
		sim_fail(s, "a row of %s differs between model and ledger: %s", table_defs[t].name, differs_in(&table_defs[t], row, stored));
}

/* Both ways for what lives in memory for good; a finished plan may be in the ledger only. */
void watch_model(struct sim *s, struct fleet *f) {
	size_t bases = 0, instances = 0, deployments = 0;
	if (fleet_is_dirty(f))
		return;
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
	if (bases != store_rows(s->store, TABLE_base) || instances != store_rows(s->store, TABLE_instance) || deployments != store_rows(s->store, TABLE_deployment))
		sim_fail(s, "the ledger has %zu bases, %zu instances, %zu deployments; the model %zu, %zu, %zu", store_rows(s->store, TABLE_base),
		    store_rows(s->store, TABLE_instance), store_rows(s->store, TABLE_deployment), bases, instances, deployments);
}
