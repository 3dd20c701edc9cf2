/* People and pipelines: random changes, retried when their outcome is unknown, and a record of what was acknowledged. */
#include "sim.h"
#include "core/dry.h"
#include "base/secret.h"
#include "model/spec.h"
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_MODULES 3
#define N_VERSIONS 3
#define QUIET_US (45 * US_PER_S) /* before a zone goes: what is at work ends */
#define PLAIN_DICE 84            /* neither confirmation nor soak nor gates, whatever is added up to 3 */

static const char *const modules[N_MODULES] = { "alpha", "beta", "gamma" };
static const char *const versions[N_VERSIONS] = { "1.0.0", "2.0.0", "3.0.0" };

static const char *const required[N_MODULES][N_VERSIONS] = {
	{ NULL, NULL, NULL },
	{ NULL, "alpha", "alpha:>=2" },
	{ NULL, NULL, "beta" },
};

const char *clients_requirement(const char *module, const char *version) {
	for (int m = 0; m < N_MODULES; m++)
		for (int v = 0; v < N_VERSIONS; v++)
			if (strcmp(modules[m], module) == 0 && strcmp(versions[v], version) == 0)
				return required[m][v];
	return NULL;
}

void clients_any_version(struct sim *s, char ret_module[32], char ret_version[32]) {
	int m, v;
	do {
		m = (int)rng_below(&s->rng, N_MODULES);
		v = (int)rng_below(&s->rng, N_VERSIONS);
	} while (required[m][v] != NULL);
	snprintf(ret_module, 32, "%s", modules[m]);
	snprintf(ret_version, 32, "%s", versions[v]);
}

enum wish {
	WISH_DEPLOY,
	WISH_SCALE,
	WISH_OFFLINE,
	WISH_CORDON,
	WISH_LIMIT,
	WISH_VERB,
	WISH_ROLLBACK,
	WISH_DELETE,
	WISH_FREEZE,
	WISH_DRAIN,
	WISH_ANEW,
	WISH_STOCK,
	WISH_TOGETHER,
	WISH_EVICT,
	WISH_RELEASE, /* a brake */
	WISH_EXPECT,  /* that a base will be away */
	WISHES
};

struct request {
	struct core_op op;
	struct sim *sim;
	enum wish wish;
	int module, version, base;
	int dice; /* the strategy */
	int64_t n;
	enum plan_verb verb;
	int64_t revision; /* of the deployment, after it */
	int tries;
	bool poison;     /* the ledger refuses it */
	char key[24];    /* Idempotency-Key */
	struct dry *dry; /* it looks first, a slice per apply */
	bool looks, looked;
};

/* What was acknowledged, per module: its deployment has the module's name. */
struct clients {
	struct sim *sim;
	int64_t revision[N_MODULES]; /* the highest */
	bool delete_asked[N_MODULES];
	uint64_t keys; /* given out */
	char refused[24];
	int times; /* it was refused in a row */
};

static const char *base_name(const struct sim *s, int k) {
	return k < s->n_agents ? agent_name(s->agents[k]) : machine_name(s->lone[k - s->n_agents]);
}

static void submit(void *arg);

/* ---- what it asks for --------------------------------------------------------------------------------------------------------------- */
static void how_to_cut(const struct request *q, struct strategy *ret) {
	int way = (q->base + q->version) % 4;
	if (way == 1)
		snprintf(ret->batches_by, sizeof ret->batches_by, "zone");
	if (way == 1 && q->n % 2 == 0)
		snprintf(ret->batch_order, sizeof ret->batch_order, "c,a");
	if (way == 2)
		ret->batch_count = 1 + q->n;
	if (way == 3) {
		ret->batches[0] = (struct amount){ AMOUNT_COUNT, 1 };
		ret->batches[1] = (struct amount){ AMOUNT_PERCENT, 45 };
		ret->batches[2] = (struct amount){ AMOUNT_ALL, 0 };
		ret->n_batches = 3;
	}
	ret->max_in_flight = q->n % 3; /* 0: the default */
	ret->retries = q->dice % 3;
	if (q->base == 1 && q->sim->agents[0] != NULL)
		snprintf(ret->beta, sizeof ret->beta, "%s", q->n % 2 == 0 ? "*" : agent_name(q->sim->agents[0]));
}

static void how_to_look(const struct request *q, struct strategy *ret) {
	ret->gate_every_us = US_PER_S;
	ret->gate_timeout_us = 60 * US_PER_S;
	if (q->dice / 24 % 4 == 0)
		snprintf(ret->gate_url, sizeof ret->gate_url, "http://gate/");
	if (q->dice / 24 % 4 == 1)
		snprintf(ret->gate_probe, sizeof ret->gate_probe, "/health");
	if (q->dice / 24 % 4 == 2)
		ret->gate_state = CHOICE_YES;
}

static void request_free(struct request *q) {
	struct node *n = sim_active(q->sim);
	dry_free(q->dry, n == NULL ? NULL : node_core(n));
	free(q);
}

static void dry_sound(const struct request *q) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	const struct dry_run *x = dry_result(q->dry, a);
	int64_t sum = 0;
	for (int k = 0; k < x->n_batches; k++)
		sum += x->batch_size[k];
	if (x->lowest > x->ready || (int64_t)x->n_placed > 4 * sum + 4)
		sim_fail(q->sim, "a dry run says %lld of %lld ready, %zu changes in batches of %lld in all", (long long)x->lowest,
		    (long long)x->ready, x->n_placed, (long long)sum);
	for (size_t k = 0; k < x->n_peaks; k++)
		if (x->peaks[k].units > x->peaks[k].limit && x->peaks[k].limit > 3)
			sim_fail(q->sim, "a dry run puts %lld units onto %s, which takes %lld", (long long)x->peaks[k].units,
			    x->peaks[k].base, (long long)x->peaks[k].limit);
	if (dry_check(q->dry, &err) != 0)
		sim_fail(q->sim, "the copy of a dry run: %s", err.text);
}

/* A dry run changes nothing, comes to an end whatever happens between its slices, and says what it would wait for. */
static int look_first(struct core *c, struct request *q, const struct deploy_spec *specs, size_t n, struct err *err) {
	static const struct dry_times times = { 0, 700 * US_PER_MS, 300 * US_PER_MS, 9 };
	size_t dirty = fleet_dirty_count(core_fleet(c));
	int64_t event = fleet_last_event(core_fleet(c));
	bool over = false;
	int r = q->dry != NULL ? 0 : dry_begin(c, &q->op.who, specs, n, &times, 1, &q->dry, err);
	if (r == 0)
		r = dry_step(q->dry, c, &q->op.who, specs, n, 0, &over, err);
	if (fleet_dirty_count(core_fleet(c)) != dirty || fleet_last_event(core_fleet(c)) != event)
		sim_fail(q->sim, "a dry run changed the fleet");
	if (over)
		dry_sound(q);
	q->looks = r == 0 && !over;
	q->looked = !q->looks;
	if (q->looked)
		dry_free(q->dry, c);
	if (q->looked)
		q->dry = NULL;
	return r;
}

static int ask_deploy(struct core *c, struct request *q, struct err *err) {
	struct deploy_spec spec = { .module = modules[q->module], .group = "g", .online = true };
	struct strategy st = strategy_unset;
	struct deployment *d;
	struct plan *p = NULL;
	if (q->wish == WISH_DEPLOY)
		spec.version = versions[q->version];
	else
		spec.only_existing = true;
	spec.has_replicas = true;
	spec.replicas = q->n == 5 && q->version == 2 ? -1 : q->n; /* on all bases, now and then */
	st.min_ready_us = 500 * US_PER_MS;
	st.on_failure = (enum on_failure)(ON_FAILURE_PAUSE + q->dice % (ON_FAILURE_CONTINUE - ON_FAILURE_PAUSE + 1));
	st.upgrade_policy = q->n == 2 ? UPGRADE_POLICY_SURGE : UPGRADE_POLICY_AUTO;
	st.confirm = (enum confirm)(CONFIRM_NONE + q->dice / 4 % (CONFIRM_EACH - CONFIRM_NONE + 1));
	st.soak_us = q->dice / 12 % 2 != 0 ? 0 : (q->base % 2 == 0 ? 3 : 12) * US_PER_S;
	how_to_cut(q, &st);
	st.retry_elsewhere = q->version % 2 == 0 ? CHOICE_YES : CHOICE_UNSET;
	st.batch_failure_threshold = q->n == 4 ? (struct amount){ AMOUNT_PERCENT, 50 } : (struct amount){ 0 };
	how_to_look(q, &st);
	spec.strategy = &st;
	if (q->dice % 5 == 0 && !q->looked) {
		int e = look_first(c, q, &spec, 1, err);
		if (e != 0 || q->looks)
			return e;
	}
	int r = change_deploy(c, &q->op.who, &spec, &d, &p, err);
	if (r == 0)
		q->revision = d->row.revision;
	return r;
}

/* Two or three modules as one plan. What they require of each other is often refused, which is an answer, too. */
static int ask_together(struct core *c, struct request *q, struct err *err) {
	struct deploy_spec specs[N_MODULES];
	struct strategy st = strategy_unset;
	struct deployment *d[N_MODULES];
	struct plan *p = NULL;
	size_t n = q->n % 2 == 0 ? 2 : N_MODULES;
	st.min_ready_us = 500 * US_PER_MS;
	st.on_failure = (enum on_failure)(ON_FAILURE_PAUSE + (q->n + q->version) % (ON_FAILURE_CONTINUE - ON_FAILURE_PAUSE + 1));
	st.upgrade_policy = q->n < 3 ? UPGRADE_POLICY_IN_PLACE : UPGRADE_POLICY_AUTO;
	for (size_t k = 0; k < n; k++) {
		int m = (q->module + (int)k) % N_MODULES;
		specs[k] =
		    (struct deploy_spec){ .module = modules[m], .group = "g", .online = true, .has_replicas = true, .strategy = &st };
		specs[k].version = versions[m == q->module ? q->version : (q->version + (int)(q->n / 2)) % N_VERSIONS];
		specs[k].replicas = 1 + q->n % 3 + (int64_t)k % 2;
	}
	if (q->dice % 3 == 0 && !q->looked) {
		int e = look_first(c, q, specs, n, err);
		if (e != 0 || q->looks)
			return e;
	}
	int r = change_deploy_all(c, &q->op.who, specs, n, d, &p, err);
	if (r == 0)
		q->revision = d[0]->row.revision;
	return r;
}

/* Half of them name a base, half a batch or everything. */
static int ask_verb(struct core *c, struct request *q, struct base *b, struct err *err) {
	struct verb_spec s = { .base = q->verb == VERB_IGNORE || q->n % 2 == 0 ? b : NULL };
	struct plan *now;
	for (struct plan *p = fleet_plans(core_fleet(c)); p != NULL; p = p->hh_id.next) {
		unsigned allowed = plan_verbs_allowed(c, p);
		s.batch = q->verb == VERB_CONFIRM || q->n == 3 ? p->row.current_batch : 0;
		if (allowed & 1u << q->verb)
			return change_plan_verb(c, &q->op.who, p, q->verb, &s, &now, err);
	}
	return err_set(err, E_NOT_FOUND, "no plan takes that");
}

/* A base without an agent, which nobody ever reaches: it is added, says goodbye, or is forgotten. Or somebody says goodbye for another
 * one, which stays. */
static int ask_stock(struct core *c, struct request *q, struct tenant *t, struct base *other, struct err *err) {
	struct base *b = fleet_base(t, "stock");
	struct direct_spec s = { .name = "stock", .url = "http://stock", .group = fleet_group(t, "stock"), .limit = 1 };
	if (b == NULL)
		return change_base_add(c, &q->op.who, &s, &b, err);
	if (q->n % 2 == 0)
		change_base_farewell(c, q->n == 4 && other != NULL ? other : b, "it goes");
	else if (b->row.state == BASE_STOPPED || b->row.state == BASE_LOST)
		return change_forget(c, &q->op.who, b, err);
	return 0;
}

/* Something that lies on a base and that nobody told Berth about. */
static int ask_evict(struct core *c, struct request *q, struct err *err) {
	struct plan *p;
	int64_t k = q->n;
	for (struct finding *x = fleet_findings_first(core_fleet(c)); x != NULL; x = TAILQ_NEXT(x, link))
		if ((x->row.kind == FINDING_UNMANAGED || x->row.kind == FINDING_VERSION_DRIFT) && x->row.module != NULL && k-- % 2 == 0)
			return change_evict(c, &q->op.who, x, q->n * 3 * US_PER_S, &p, err);
	return err_set(err, E_NOT_FOUND, "nothing was found");
}

static int ask(struct core *c, struct request *q, struct err *err) {
	struct tenant *t = fleet_tenant(core_fleet(c), "default");
	struct deployment *d = fleet_deployment(t, modules[q->module]);
	struct base *b = fleet_base(t, base_name(q->sim, q->base));
	struct plan *p;
	q->op.who.tenant_id = t->row.id;
	q->revision = 0;
	switch (q->wish) {
	case WISH_DEPLOY:
	case WISH_SCALE:
		return ask_deploy(c, q, err);
	case WISH_OFFLINE:
		return d == NULL ? E_NOT_FOUND : change_offline(c, &q->op.who, d, &p, err);
	case WISH_DELETE:
		return d == NULL ? E_NOT_FOUND : change_delete(c, &q->op.who, d, &p, err);
	case WISH_ROLLBACK:
		return d == NULL ? E_NOT_FOUND : change_rollback(c, &q->op.who, d, 0, q->n == 0, &p, err);
	case WISH_CORDON:
		return b == NULL ? E_NOT_FOUND : change_cordon(c, &q->op.who, b, q->n % 3 == 0, err);
	case WISH_LIMIT:
		return b == NULL ? E_NOT_FOUND : change_base(c, &q->op.who, b, true, 2 + q->n, NULL, NULL, err);
	case WISH_DRAIN:
		return b == NULL  ? E_NOT_FOUND
		       : q->n < 3 ? change_drain(c, &q->op.who, &b, 1, &p, err)
		                  : change_undrain(c, &q->op.who, b, err);
	case WISH_ANEW:
		return d == NULL ? E_NOT_FOUND : change_anew(c, &q->op.who, d, q->n % 3 == 0 ? b : NULL, q->n % 2 == 0, &p, err);
	case WISH_STOCK:
		return ask_stock(c, q, t, b, err);
	case WISH_TOGETHER:
		return ask_together(c, q, err);
	case WISH_EVICT:
		return ask_evict(c, q, err);
	case WISH_RELEASE:
		return change_release_brake(c, &q->op.who, fleet_group(t, "g"), NULL, err);
	case WISH_EXPECT:
		return b == NULL ? E_NOT_FOUND : change_expect_restart(c, &q->op.who, b, (5 + 10 * q->n) * US_PER_S, err);
	case WISH_FREEZE:
		return change_freeze(c, &q->op.who, fleet_group(t, "g"), q->n < 2, err);
	case WISH_VERB:
		return ask_verb(c, q, b, err);
	case WISHES:
		break;
	}
	return E_INVALID;
}

static void idem_row(const struct request *q, struct row_idempotency *row) {
	uint8_t h[SHA256_BYTES];
	sha256_of(q->key, strlen(q->key), h);
	memcpy(row->hash, h, sizeof row->hash);
	memcpy(row->body_hash, h, sizeof row->body_hash);
}

/* As the API does it: what was done under this key is answered again, not done again. */
static int apply(struct core *c, struct core_op *op, struct err *err) {
	struct request *q = (struct request *)(void *)op;
	struct fleet *f = core_fleet(c);
	struct row_idempotency row = { .status = 200, .tenant_id = fleet_tenant(f, "default")->row.id, .created_at = core_now(c) };
	char result[24];
	q->looks = false;
	idem_row(q, &row);
	struct idem *x = fleet_idem(f, row.hash);
	if (x != NULL) {
		q->revision = strtoll(x->row.result, NULL, 10);
		return 0;
	}
	int r = ask(c, q, err);
	snprintf(result, sizeof result, "%lld", (long long)q->revision);
	row.result = result;
	if (r == 0 && !q->looks)
		fleet_idem_add(f, &row);
	return r;
}

static bool deployment_there(const struct sim *s, const char *name) {
	for (size_t i = 0; i < store_rows(s->store, TABLE_deployment); i++)
		if (strcmp(((const struct row_deployment *)store_row(s->store, TABLE_deployment, i))->name, name) == 0)
			return true;
	return false;
}

static void acknowledged(struct request *q) {
	struct sim *s = q->sim;
	struct row_idempotency key = { 0 };
	idem_row(q, &key);
	if (store_find(s->store, TABLE_idempotency, &key) == NULL)
		sim_fail(s, "request %s is answered before it is committed", q->key);
	if (q->revision <= s->clients->revision[q->module] || !deployment_there(s, modules[q->module]))
		return; /* it was deleted in the same commit */
	s->clients->revision[q->module] = q->revision;
	sim_trace(s, "acknowledged: %s at revision %lld", modules[q->module], (long long)q->revision);
}

static void done(struct core_op *op, const struct err *err) {
	struct request *q = (struct request *)(void *)op;
	struct sim *s = q->sim;
	if (err == NULL && !s->over && !q->looks)
		acknowledged(q);
	if (err != NULL && err->code == E_INTERNAL && !q->poison)
		sim_fail(s, "a good request fails beside a bad one: %s", err->text);
	bool again = err != NULL && err->code != E_INTERNAL && err_retry(err->code) != ERR_RETRY_NEVER && q->tries < 20 && !s->calm;
	if (err == NULL && q->looks && !s->calm)
		sim_after(s, sim_delay(s, 0, 50 * US_PER_MS), submit, q);
	else if (again)
		sim_after(s, sim_delay(s, 50 * US_PER_MS, 2 * US_PER_S), submit, q);
	else
		request_free(q);
}

static void submit(void *arg) {
	struct request *q = arg;
	struct node *n = sim_active(q->sim);
	q->tries++;
	q->sim->clients->delete_asked[q->module] |= q->wish == WISH_DELETE;
	if (n != NULL)
		core_submit(node_core(n), &q->op);
	else if (q->tries < 20 && !q->sim->calm)
		sim_after(q->sim, sim_delay(q->sim, 100 * US_PER_MS, 2 * US_PER_S), submit, q);
	else
		request_free(q);
}

static const enum wish mix[] = { WISH_DEPLOY, WISH_DEPLOY, WISH_DEPLOY, WISH_SCALE, WISH_SCALE, WISH_OFFLINE, WISH_CORDON, WISH_LIMIT,
	WISH_VERB, WISH_VERB, WISH_VERB, WISH_VERB, WISH_ROLLBACK, WISH_DELETE, WISH_FREEZE, WISH_DRAIN, WISH_DRAIN, WISH_ANEW, WISH_STOCK,
	WISH_TOGETHER, WISH_TOGETHER, WISH_EVICT, WISH_EVICT, WISH_RELEASE, WISH_EXPECT };

/* Plans that end by themselves, so that there is something on most bases that no plan is about. */
static void plain(struct request *q) {
	q->dice = PLAIN_DICE + q->dice % 4;
	if (q->wish == WISH_VERB || q->wish == WISH_OFFLINE || q->wish == WISH_DELETE) {
		q->wish = WISH_DEPLOY;
		q->n = 3;
	}
}

static void next_wish(void *arg) {
	struct sim *s = arg;
	if (s->calm || (s->f.zone_away && s->now_us > QUIET_US))
		return;
	struct request *q = calloc(1, sizeof *q);
	q->sim = s;
	bool busy = s->f.install_fail >= 400; /* where much fails people press buttons more than they deploy */
	q->wish = busy && rng_below(&s->rng, 2) == 0 ? WISH_VERB : mix[rng_below(&s->rng, sizeof mix / sizeof *mix)];
	q->module = (int)rng_below(&s->rng, N_MODULES);
	q->version = (int)rng_below(&s->rng, N_VERSIONS);
	q->base = (int)rng_below(&s->rng, (uint64_t)(s->n_agents + s->n_lone));
	q->n = (int64_t)rng_below(&s->rng, 6);
	q->dice = (int)rng_below(&s->rng, 4 * 3 * 2 * 4);
	if (s->f.zone_away)
		plain(q);
	static const enum plan_verb rare[] = { VERB_UNDO, VERB_RETRY, VERB_CONFIRM }; /* few plans live long enough for them */
	int verb = (int)rng_below(&s->rng, VERB_COUNT + 6);
	q->verb = verb < VERB_COUNT ? (enum plan_verb)verb : rare[verb % 3];
	q->op.apply = apply;
	q->op.done = done;
	q->op.who.actor = "pipeline";
	snprintf(q->key, sizeof q->key, "k%llu", (unsigned long long)++s->clients->keys);
	q->op.who.link = q->key;
	q->poison = sim_chance(s, s->f.refuse);
	q->op.who.reason = q->poison ? "poison" : "the storm";
	sim_trace(s, "wish %d %s:%s n=%lld base=%d", q->wish, modules[q->module], versions[q->version], (long long)q->n, q->base);
	submit(q);
	sim_after(s, sim_delay(s, 200 * US_PER_MS, (busy ? 5 : 15) * US_PER_S), next_wish, s);
}

/* ---- the stage ---------------------------------------------------------------------------------------------------------------------- */
struct setup {
	struct core_op op;
	struct sim *sim;
};

static int lone_bases(struct core *c, const struct setup *x, struct group *g, struct err *err) {
	struct core_who who = { .tenant_id = g->tenant->row.id, .actor = "setup" };
	for (int i = 0; i < x->sim->n_lone; i++) {
		char url[40];
		struct base *b;
		snprintf(url, sizeof url, "http://%s", machine_name(x->sim->lone[i]));
		struct direct_spec spec = { .name = machine_name(x->sim->lone[i]), .url = url, .group = g };
		int r = change_base_add(c, &who, &spec, &b, err);
		if (r != 0)
			return r;
	}
	return 0;
}

int64_t clients_drain_wait(const struct sim *s) {
	static const int64_t waits[] = { 0, 0, 3 * US_PER_S, 6 * US_PER_S, 8 * US_PER_S, 14 * US_PER_S };
	if (s->seed % 8 == 2)
		return waits[2 + s->seed / 8 % 3];
	return s->seed % 4 == 3 ? waits[s->seed / 4 % 6] : 0;
}

/* Some groups take what answers out of traffic first. */
static void hooks_set(const struct sim *s, struct row_base_group *g) {
	if (s->seed % 4 == 3) {
		bool url = s->seed % 8 == 3; /* else a command of the agents */
		g->before_swap = (char *)(uintptr_t)(url ? "http://hooks/out" : "out");
		g->after_swap = (char *)(uintptr_t)(url ? "http://hooks/in" : "in");
		g->hook_timeout_us = 10 * US_PER_S;
	}
	g->drain_wait_us = clients_drain_wait(s);
}

/* In some fleets a module needs more or less from one version to the next. */
static int64_t units_of(const struct sim *s, int module, int version) {
	return s->seed % 7 == 2 ? 1 + (module + 2 * version) % 3 : 1 + (module == 2);
}

static int setup_apply(struct core *c, struct core_op *op, struct err *err) {
	struct fleet *f = core_fleet(c);
	struct tenant *t = fleet_tenant(f, "default");
	const struct setup *x = (const struct setup *)(const void *)op;
	if (fleet_group(t, "g") != NULL)
		return 0;
	struct row_base_group g = { .name = (char *)(uintptr_t) "g",
		.runtime = RUNTIME_NATIVE,
		.install_limit = 3,
		.placement = PLACEMENT_SPREAD,
		.upgrade_policy = UPGRADE_POLICY_AUTO,
		.unmanaged_policy = UNMANAGED_REPORT + (int)(x->sim->seed % 4),
		.etag = 1,
		.created_at = core_now(c),
		.updated_at = core_now(c) };
	hooks_set(x->sim, &g);
	struct group *group = fleet_group_add(f, t, &g);
	g.name = (char *)(uintptr_t) "stock";
	fleet_group_add(f, t, &g);
	struct row_token k = { .name = (char *)(uintptr_t) "join", .role = ROLE_JOIN, .created_at = core_now(c) };
	sha256_of("join-token", strlen("join-token"), k.hash);
	fleet_token_add(f, t, &k);
	for (int m = 0; m < N_MODULES; m++) {
		struct row_module row = { .name = (char *)(uintptr_t)modules[m], .created_at = core_now(c) };
		struct module *mod = fleet_module_add(f, t, &row);
		for (int v = 0; v < N_VERSIONS; v++) {
			char sha[65], requires[32] = "";
			if (required[m][v] != NULL)
				snprintf(requires, sizeof requires, "[\"%s\"]", required[m][v]);
			snprintf(sha, sizeof sha, "%064d", m * 10 + v);
			struct row_artifact art = { .sha256 = sha, .size_bytes = 1, .stored = true, .created_at = core_now(c) };
			struct row_version ver = { .name = (char *)(uintptr_t)versions[v],
				.revision = 1,
				.runtime = RUNTIME_NATIVE,
				.units = units_of(x->sim, m, v),
				.requires = *requires == '\0' ? NULL : requires,
				.priority = 100,
				.created_at = core_now(c) };
			fleet_version_add(f, mod, fleet_artifact_add(f, t, &art), &ver);
		}
	}
	return lone_bases(c, x, group, err);
}

static void try_setup(void *arg);

static void setup_done(struct core_op *op, const struct err *err) {
	struct setup *x = (struct setup *)(void *)op;
	if (err != NULL)
		sim_after(x->sim, US_PER_S, try_setup, x);
	else
		sim_after(x->sim, US_PER_S, next_wish, x->sim);
	if (err == NULL)
		free(x);
}

static void try_setup(void *arg) {
	struct setup *x = arg;
	struct node *n = sim_active(x->sim);
	if (x->sim->over)
		free(x);
	else if (n == NULL)
		sim_after(x->sim, 200 * US_PER_MS, try_setup, x);
	else
		core_submit(node_core(n), &x->op);
}

struct clients *clients_new(struct sim *s) {
	struct clients *c = calloc(1, sizeof *c);
	c->sim = s;
	return c;
}

void clients_free(struct clients *c) {
	free(c);
}

void clients_start(struct clients *c) {
	struct setup *x = calloc(1, sizeof *x);
	x->sim = c->sim;
	x->op.apply = setup_apply;
	x->op.done = setup_done;
	try_setup(x);
}

void clients_forget(struct clients *c) {
	memset(c->revision, 0, sizeof c->revision);
}

void clients_refused(struct clients *c, const char *key) {
	bool again = strcmp(c->refused, key) == 0;
	c->times = again ? c->times + 1 : 1;
	snprintf(c->refused, sizeof c->refused, "%s", key);
	if (c->times > 10)
		sim_fail(c->sim, "request %s takes its neighbours down again and again", key);
}

void clients_deleted(struct clients *c, const char *deployment) {
	for (int m = 0; m < N_MODULES; m++) {
		if (strcmp(modules[m], deployment) != 0)
			continue;
		if (!c->delete_asked[m])
			sim_fail(c->sim, "deployment %s is gone, and nobody asked for that", deployment);
		c->revision[m] = 0;
	}
}

void clients_check(struct clients *c) {
	for (int m = 0; m < N_MODULES; m++) {
		int64_t have = 0;
		for (size_t i = 0; i < store_rows(c->sim->store, TABLE_deployment); i++) {
			const struct row_deployment *d = store_row(c->sim->store, TABLE_deployment, i);
			if (strcmp(d->name, modules[m]) == 0)
				have = d->revision;
		}
		if (have < c->revision[m])
			sim_fail(c->sim, "revision %lld of %s was acknowledged; the ledger has %lld", (long long)c->revision[m], modules[m],
			    (long long)have);
	}
}
