/* Random operations on a fleet, checked after each; now and then everything is collected in pieces, loaded into a second fleet and
 * compared. */
#include "../../suite.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"
#include "ledger_sim.h"
#include "model/fleet_internal.h"
#include "model/lifecycle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 200
#define STEPS 300

struct world {
	struct fleet *f;
	struct ledger_sim *ledger;
	struct rng rng;
	wall_t now;
	int names;
	char name[32];
};

static uint64_t below(struct world *w, uint64_t n) {
	return rng_below(&w->rng, n);
}

static char *fresh(struct world *w, const char *prefix) {
	snprintf(w->name, sizeof w->name, "%s%d", prefix, ++w->names);
	return w->name;
}

/* A random element of a uthash list by id, or NULL. */
#define PICK(w, head)                                                                    \
	({                                                                               \
		__typeof__(head) x_ = (head);                                            \
		size_t n_ = HASH_CNT(hh_id, x_);                                         \
		for (size_t k_ = n_ == 0 ? 0 : below(w, n_); x_ != NULL && k_ > 0; k_--) \
			x_ = x_->hh_id.next;                                             \
		x_;                                                                      \
	})

static struct tenant *tenant_pick(struct world *w) {
	return w->f->tenants;
}

/* ---- operations: each does something legal, or nothing ---- */

static void op_artifact(struct world *w) {
	struct row_artifact a = { .sha256 = fresh(w, "sha"), .size_bytes = 10, .created_at = w->now };
	fleet_artifact_add(w->f, tenant_pick(w), &a);
}

static void op_module(struct world *w) {
	struct row_module m = { .name = fresh(w, "m"), .created_at = w->now };
	if (HASH_CNT(hh_id, w->f->modules) < 6)
		fleet_module_add(w->f, tenant_pick(w), &m);
}

static void op_version(struct world *w) {
	struct module *m = PICK(w, w->f->modules);
	struct artifact *a = PICK(w, w->f->artifacts);
	struct row_version v = { .name = fresh(w, "v"), .revision = 1, .units = 1 + (int64_t)below(w, 3), .runtime = RUNTIME_NATIVE };
	if (m != NULL && a != NULL)
		fleet_version_add(w->f, m, a, &v);
}

static void op_group(struct world *w) {
	struct row_base_group g = { .name = fresh(w, "g"), .install_limit = 1 + (int64_t)below(w, 8), .labels = (char[]){ "{}" } };
	if (HASH_CNT(hh_id, w->f->groups) < 3)
		fleet_group_add(w->f, tenant_pick(w), &g);
}

static void op_base(struct world *w) {
	static const char *const zones[] = { NULL, "a", "b", "c" };
	struct group *g = PICK(w, w->f->groups);
	struct row_base b = { .name = fresh(w, "n"),
		.state = 1 + (int)below(w, BASE_STOPPED),
		.joined_at = w->now,
		.zone = (char *)(uintptr_t)zones[below(w, 4)],
		.install_limit = below(w, 3) == 0 ? 1 + (int64_t)below(w, 90) : 0 };
	if (g != NULL && HASH_CNT(hh_id, w->f->bases) < 30)
		fleet_base_add(w->f, g, &b);
}

static void op_zones(struct world *w) {
	struct base *b = PICK(w, w->f->bases);
	char zone[16];
	snprintf(zone, sizeof zone, "z%d", (int)below(w, 40)); /* more than there are slots */
	if (b == NULL)
		return;
	text_set(&b->row.zone, zone);
	fleet_touch(w->f, &b->o);
}

/* One that may follow, or the same again. */
static int next_state(struct world *w, enum word_set set, int from) {
	int to = 1 + (int)below(w, (uint64_t)word_count(set));
	return transition_row(set, from, to) < transition_count() ? to : from;
}

static void op_base_set(struct world *w) {
	struct base *b = PICK(w, w->f->bases);
	if (b == NULL)
		return;
	base_set_gone(b, below(w, 3) == 0);
	base_set_absence(w->f, b, (int64_t)below(w, 3) - 1);
	base_set_install_failures(w->f, b, (int64_t)below(w, 3));
	switch (below(w, 5)) {
	case 0:
		base_set_state(w->f, b, (enum base_state)next_state(w, WORD_BASE, b->row.state), "why", w->now);
		break;
	case 1:
		if (transition_row(WORD_BASE, b->row.state, BASE_READY) < transition_count())
			base_set_state(w->f, b, BASE_READY, NULL, w->now);
		break;
	case 2:
		base_set_cordoned(w->f, b, below(w, 2), "upkeep", w->now);
		break;
	case 3:
		base_set_limit(w->f, b, (int64_t)below(w, 10));
		break;
	default:
		base_set_group(w->f, b, PICK(w, w->f->groups));
		break;
	}
}

static void op_group_set(struct world *w) {
	struct group *g = PICK(w, w->f->groups);
	if (g == NULL)
		return;
	group_set_limit(w->f, g, 1 + (int64_t)below(w, 8));
}

static void op_deployment(struct world *w) {
	struct module *m = PICK(w, w->f->modules);
	struct group *g = PICK(w, w->f->groups);
	struct row_deployment d = { .name = fresh(w, "d"), .created_at = w->now };
	if (m != NULL && g != NULL && m->n_versions > 0 && HASH_CNT(hh_id, w->f->deployments) < 8) {
		struct deployment *x = fleet_deployment_add(w->f, tenant_pick(w), m, g, &d);
		struct row_revision r = { .replicas = 2, .created_at = w->now };
		fleet_revision_add(w->f, x, TAILQ_FIRST(&m->versions), &r, NULL);
	}
}

static void op_revision(struct world *w) {
	struct deployment *d = PICK(w, w->f->deployments);
	if (d == NULL)
		return;
	struct strategy s = strategy_unset;
	s.retries = (int64_t)below(w, 5);
	struct row_revision r = { .replicas = (int64_t)below(w, 9) - 1, .created_at = w->now, .args = (char[]){ "[\"-v\"]" } };
	fleet_revision_add(w->f, d, TAILQ_LAST(&d->module->versions, version_list), &r, &s);
	if (below(w, 2))
		deployment_set_completed(w->f, d, d->row.revision);
	if (below(w, 2) && TAILQ_FIRST(&d->revisions) != d->current)
		fleet_revision_remove(w->f, TAILQ_FIRST(&d->revisions));
	deployment_set_state(w->f, d, (enum deployment_state)next_state(w, WORD_DEPLOYMENT, d->row.state), "because", w->now);
}

static void op_instance(struct world *w) {
	struct base *b = PICK(w, w->f->bases);
	struct deployment *d = PICK(w, w->f->deployments);
	if (b == NULL || d == NULL)
		return;
	struct version *v = d->current->version;
	struct row_instance r = { .revision = d->row.revision,
		.wanted = below(w, 5) > 0,
		.units = v->row.units,
		.created_at = w->now,
		.reported = below(w, 5) == 0 ? (char[]){ "activated" } : NULL };
	struct base before = *b;
	struct instance *i;
	struct err err = ERR_INIT;
	if (fleet_instance_add(w->f, b, below(w, 10) ? d : NULL, v, &r, &i, &err) == 0)
		return;
	ck_assert_int_eq(err.code, E_CONFLICT);
	ck_assert_int_eq(before.row.units_used, b->row.units_used);
	ck_assert_int_eq(before.n_instances, b->n_instances);
}

static void op_instance_set(struct world *w) {
	struct instance *i = PICK(w, w->f->instances);
	if (i == NULL)
		return;
	switch (below(w, 7)) {
	case 0:
		instance_set_state(w->f, i, (enum instance_state)next_state(w, WORD_INSTANCE, i->row.state), "x", w->now);
		break;
	case 1:
		instance_set_state(w->f, i, INSTANCE_READY, NULL, w->now);
		break;
	case 2:
		instance_set_wanted(w->f, i, false);
		break;
	case 3:
		instance_set_revision(w->f, i, 1 + (int64_t)below(w, 4));
		break;
	case 4:
		(void)instance_set_units(w->f, i, (int64_t)below(w, 4), NULL);
		break;
	case 5:
		if (TAILQ_FIRST(&i->base->instances) != i)
			instance_move_units(w->f, i, TAILQ_FIRST(&i->base->instances), i->row.units - (i->row.units > 1));
		break;
	default:
		instance_set_deployment(w->f, i, NULL);
		break;
	}
}

static void op_instance_remove(struct world *w) {
	struct instance *i = PICK(w, w->f->instances);
	if (i != NULL && i->task == NULL)
		fleet_instance_remove(w->f, i);
}

static void op_plan(struct world *w) {
	struct deployment *d = PICK(w, w->f->deployments);
	if (d == NULL)
		return;
	struct row_plan r = { .kind = PLAN_KIND_UPGRADE, .created_at = w->now, .actor = (char[]){ "ci" } };
	struct plan *p = fleet_plan_add(w->f, tenant_pick(w), &r);
	fleet_change_add(w->f, p, d, &(struct row_plan_change){ .to_revision = d->row.revision });
	struct deployment *other = PICK(w, w->f->deployments);
	if (other != d)
		fleet_change_add(w->f, p, other, &(struct row_plan_change){ .to_revision = other->row.revision });
	for (uint64_t n = below(w, 3); n > 0; n--)
		fleet_batch_add(w->f, p, &(struct row_batch){ .size = 1 });
}

static bool plan_may_run(const struct plan *p) {
	const struct change *c;
	TAILQ_FOREACH(c, &p->changes, link)
		if (c->deployment == NULL || (c->deployment->plan != NULL && c->deployment->plan != p))
			return false;
	return true;
}

static void op_plan_set(struct world *w) {
	struct plan *p = PICK(w, w->f->plans);
	if (p == NULL || word_terminal(WORD_PLAN, p->row.state))
		return;
	enum plan_state s = (enum plan_state)next_state(w, WORD_PLAN, p->row.state);
	if (!word_terminal(WORD_PLAN, (int)s) && !plan_may_run(p))
		return;
	plan_set_state(w->f, p, s, "so", w->now);
	struct batch *b = TAILQ_FIRST(&p->batches);
	if (b != NULL)
		batch_set_state(w->f, b, (enum batch_state)next_state(w, WORD_BATCH, b->row.state), w->now);
}

static void op_plan_forget(struct world *w) {
	struct plan *p = PICK(w, w->f->plans);
	if (p != NULL && word_terminal(WORD_PLAN, p->row.state) && p->n_open == 0)
		fleet_plan_forget(w->f, p);
}

static void op_task(struct world *w) {
	struct instance *i = PICK(w, w->f->instances);
	struct plan *p = PICK(w, w->f->plans);
	if (i == NULL || i->task != NULL)
		return;
	fleet_task_add(w->f, p != NULL && !word_terminal(WORD_PLAN, p->row.state) ? p : NULL, i,
	    &(struct row_task){ .kind = TASK_KIND_INSTALL, .batch = 1, .attempt = 1, .created_at = w->now });
}

static void op_task_set(struct world *w) {
	struct task *t = PICK(w, w->f->tasks);
	if (t == NULL || word_terminal(WORD_TASK, t->row.state))
		return;
	task_set_state(w->f, t, (enum task_state)next_state(w, WORD_TASK, t->row.state), w->now);
}

static void op_task_forget(struct world *w) {
	struct task *t = PICK(w, w->f->tasks);
	if (t != NULL && word_terminal(WORD_TASK, t->row.state))
		fleet_task_forget(w->f, t);
}

static void op_finding(struct world *w) {
	struct base *b = PICK(w, w->f->bases);
	struct tenant *t = b == NULL ? tenant_pick(w) : b->tenant;
	struct row_finding r = { .kind = 1 + (int)below(w, 3), .module = (char[]){ "m" }, .version = (char[]){ "1" }, .since = w->now };
	struct finding *x = fleet_finding_find(w->f, t, r.kind, b, "m", "1");
	if (x != NULL)
		fleet_finding_remove(w->f, x);
	else
		ck_assert_ptr_eq(fleet_finding_add(w->f, t, b, &r), fleet_finding_find(w->f, t, r.kind, b, "m", "1"));
}

static void op_idem(struct world *w) {
	struct row_idempotency r = { .status = 200, .created_at = w->now };
	r.hash[0] = (uint8_t)below(w, 20); /* the same key comes back after its removal */
	if (fleet_idem(w->f, r.hash) == NULL)
		fleet_idem_add(w->f, &r);
	else
		fleet_idem_remove(w->f, below(w, 2) ? fleet_idem_oldest(w->f) : fleet_idem(w->f, r.hash));
}

static void op_token(struct world *w) {
	struct token *t = PICK(w, w->f->tokens);
	if (t != NULL && below(w, 2)) {
		if (below(w, 2))
			t->row.revoked_at = w->now;
		fleet_touch(w->f, &t->o);
		fleet_token_remove(w->f, t);
		return;
	}
	struct row_token r = { .name = fresh(w, "t"), .role = ROLE_DEPLOY, .created_at = w->now };
	uint64_t hash = rng_u64(&w->rng);
	memcpy(r.hash, &hash, sizeof hash);
	t = fleet_token_add(w->f, tenant_pick(w), &r);
	ck_assert_ptr_eq(fleet_token_by_hash(w->f, r.hash), t);
}

static void op_webhook(struct world *w) {
	struct webhook *x = PICK(w, w->f->webhooks);
	if (x != NULL && below(w, 2)) {
		if (below(w, 2))
			fleet_webhook_remove(w->f, x);
		else
			x->row.sent_event++, fleet_touch(w->f, &x->o);
		return;
	}
	struct tenant *t = tenant_pick(w);
	struct row_webhook r = { .name = fresh(w, "w"), .url = (char[]){ "http://x" }, .secret = (char[]){ "s" }, .created_at = w->now };
	x = fleet_webhook_add(w->f, t, &r);
	ck_assert_ptr_eq(fleet_webhook_by_id(w->f, x->row.id), x);
}

static void op_remove(struct world *w) {
	struct base *b = PICK(w, w->f->bases);
	struct deployment *d = PICK(w, w->f->deployments);
	struct version *v = PICK(w, w->f->versions);
	struct artifact *a = PICK(w, w->f->artifacts);
	struct module *m = PICK(w, w->f->modules);
	struct group *g = PICK(w, w->f->groups);
	if (b != NULL && b->n_instances == 0)
		fleet_base_remove(w->f, b);
	if (d != NULL && d->n_instances == 0 && d->plan == NULL && d->n_queued == 0)
		fleet_deployment_remove(w->f, d);
	if (v != NULL && v->n_instances == 0 && v->n_revisions == 0)
		fleet_version_remove(w->f, v);
	if (a != NULL && a->refs == 0)
		fleet_artifact_remove(w->f, a);
	if (m != NULL && m->n_versions == 0 && m->n_deployments == 0)
		fleet_module_remove(w->f, m);
	if (g != NULL && g->n_bases == 0 && g->n_deployments == 0)
		fleet_group_remove(w->f, g);
}

static void op_event(struct world *w) {
	int64_t last = fleet_last_event(w->f);
	wall_t at = { w->now.us - (int64_t)below(w, 5000) };
	struct row_event *e = fleet_event(w->f, at, &(struct row_event){ .kind = (char[]){ "base.lost" }, .tenant_id = 1 });
	ck_assert_int_eq(e->number, last + 1);
}

static void (*const ops[])(struct world *) = {
	op_artifact,
	op_module,
	op_version,
	op_group,
	op_base,
	op_base,
	op_zones,
	op_base_set,
	op_base_set,
	op_base_set,
	op_group_set,
	op_deployment,
	op_revision,
	op_instance,
	op_instance,
	op_instance,
	op_instance_set,
	op_instance_set,
	op_instance_remove,
	op_plan,
	op_plan_set,
	op_plan_set,
	op_plan_forget,
	op_task,
	op_task,
	op_task_set,
	op_task_set,
	op_task_forget,
	op_finding,
	op_idem,
	op_token,
	op_webhook,
	op_remove,
	op_event,
};

/* ---- comparison of two fleets: what is derived as text, what is stored row by row ---- */

static void derived(const struct fleet *f, struct buf *b) {
	for (const struct tenant *t = f->tenants; t != NULL; t = t->hh_id.next)
		buf_printf(b, "tenant %s plans %d\n", t->row.name, t->n_plans_running);
	for (const struct version *v = f->versions; v != NULL; v = v->hh_id.next)
		buf_printf(b, "version %lld %d %d\n", (long long)v->row.id, v->n_instances, v->n_revisions);
	for (const struct group *g = f->groups; g != NULL; g = g->hh_id.next)
		buf_printf(b, "group %s %d/%d bases %d cordoned %d ready, %d/%d instances, %lld/%lld\n", g->row.name, g->n_bases,
		    g->n_deployments, g->n_cordoned, g->n_state[BASE_READY], g->n_instances, g->n_ready_instances, (long long)g->units_used,
		    (long long)g->units_limit);
	for (const struct base *x = f->bases; x != NULL; x = x->hh_id.next)
		buf_printf(b, "base %s %d free %lld inflight %d\n", x->row.name, x->n_instances,
		    x->level == NULL ? -1 : (long long)x->level->free, x->inflight);
	for (const struct deployment *d = f->deployments; d != NULL; d = d->hh_id.next)
		buf_printf(b, "deployment %s %d %d %d %d %d plan %lld queued %d completed %d\n", d->row.name, d->n_instances, d->n_wanted,
		    d->n_ready, d->n_updated, d->n_serving, d->plan == NULL ? 0 : (long long)d->plan->row.id, d->n_queued,
		    d->completed != NULL);
	for (const struct plan *p = f->plans; p != NULL; p = p->hh_id.next)
		buf_printf(b, "plan %lld %d %d\n", (long long)p->row.id, p->n_tasks, p->n_open);
	for (const struct instance *i = f->instances; i != NULL; i = i->hh_id.next)
		buf_printf(b, "instance %lld task %lld\n", (long long)i->row.id, i->task == NULL ? 0 : (long long)i->task->row.id);
	buf_printf(b, "commit %lld event %lld\n", (long long)f->commit_no, (long long)f->last_event);
}

#define TOUCH_ALL(f, head, handle)                                           \
	for (__typeof__(head) x_ = (head); x_ != NULL; x_ = x_->handle.next) \
	fleet_touch((f), &x_->o)

static void touch_all(struct fleet *f) {
	TOUCH_ALL(f, f->counters, hh);
	TOUCH_ALL(f, f->tenants, hh_id);
	TOUCH_ALL(f, f->tokens, hh_id);
	TOUCH_ALL(f, f->webhooks, hh_id);
	TOUCH_ALL(f, f->artifacts, hh_id);
	TOUCH_ALL(f, f->modules, hh_id);
	TOUCH_ALL(f, f->versions, hh_id);
	TOUCH_ALL(f, f->groups, hh_id);
	TOUCH_ALL(f, f->bases, hh_id);
	TOUCH_ALL(f, f->deployments, hh_id);
	TOUCH_ALL(f, f->plans, hh_id);
	TOUCH_ALL(f, f->instances, hh_id);
	TOUCH_ALL(f, f->tasks, hh_id);
	TOUCH_ALL(f, f->findings, hh_id);
	TOUCH_ALL(f, f->idems, hh);
	for (struct deployment *d = f->deployments; d != NULL; d = d->hh_id.next) {
		struct revision *r;
		TAILQ_FOREACH(r, &d->revisions, link)
			fleet_touch(f, &r->o);
	}
	for (struct plan *p = f->plans; p != NULL; p = p->hh_id.next) {
		struct change *c;
		struct batch *b;
		TAILQ_FOREACH(c, &p->changes, link)
			fleet_touch(f, &c->o);
		TAILQ_FOREACH(b, &p->batches, link)
			fleet_touch(f, &b->o);
	}
}

static int sort_table;

static int by_key(const void *a, const void *b) {
	return row_key_cmp(&table_defs[sort_table], *(void *const *)a, *(void *const *)b);
}

/* Every row of every object of both. */
static void stored_compare(struct fleet *f, struct fleet *again, struct ledger_sim *ledger) {
	struct changeset *c1 = changeset_new(), *c2 = changeset_new();
	touch_all(f);
	touch_all(again);
	fleet_collect(f, c1, SIZE_MAX);
	fleet_collect(again, c2, SIZE_MAX);
	for (sort_table = TABLE_counter; sort_table < TABLE_event; sort_table++) {
		struct change_rows *a = &c1->tables[sort_table], *b = &c2->tables[sort_table];
		const struct table_def *t = &table_defs[sort_table];
		ck_assert_msg(a->n_upserts == b->n_upserts, "%s: %zu rows and %zu rows", t->name, a->n_upserts, b->n_upserts);
		if (a->n_upserts == 0)
			continue;
		qsort(a->upserts, a->n_upserts, sizeof(void *), by_key);
		qsort(b->upserts, b->n_upserts, sizeof(void *), by_key);
		for (size_t i = 0; i < a->n_upserts; i++)
			ck_assert_msg(row_equal(t, a->upserts[i], b->upserts[i]), "%s: row %zu differs", t->name, i);
	}
	ledger_sim_commit(ledger, c1);
	changeset_free(c1);
	changeset_free(c2);
}

static void check(const struct fleet *f, uint64_t seed, int step) {
	struct err err = ERR_INIT;
	ck_assert_msg(fleet_check(f, &err) == 0, "seed %llu step %d: %s", (unsigned long long)seed, step, err.text);
}

static void reload_compare(struct world *w, uint64_t seed, int step) {
	ledger_sim_drain(w->ledger, w->f, 1 + (size_t)below(w, 40));
	check(w->f, seed, step);
	struct fleet *again = ledger_sim_load(w->ledger, w->f);
	ck_assert_msg(!fleet_is_dirty(again), "seed %llu step %d: a load corrected something", (unsigned long long)seed, step);
	BUF_AUTO a = BUF_INIT;
	BUF_AUTO b = BUF_INIT;
	derived(w->f, &a);
	derived(again, &b);
	ck_assert_str_eq(buf_str(&a), buf_str(&b));
	stored_compare(w->f, again, w->ledger);
	fleet_free(again);
}

static void run(uint64_t seed) {
	struct world w = { .f = fleet_new(), .ledger = ledger_sim_new(), .now = { 1700000000000000 } };
	rng_init(&w.rng, seed);
	fleet_tenant_add(w.f, "default", w.now);
	for (int step = 0; step < STEPS; step++) {
		ops[below(&w, sizeof ops / sizeof *ops)](&w);
		w.now.us += 1000;
		check(w.f, seed, step);
		if (below(&w, 60) == 0)
			reload_compare(&w, seed, step);
	}
	reload_compare(&w, seed, STEPS);
	fleet_free(w.f);
	ledger_sim_free(w.ledger);
}

START_TEST(every_step_keeps_the_invariants) {
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed);
}
END_TEST

TEST_SUITE("model/random", every_step_keeps_the_invariants)
