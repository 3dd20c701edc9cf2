/* What must hold on one base: what is required is there first and goes last, in what was commanded and in what the base did; nothing is
 * placed where it is closed, set aside or drained; nothing is replaced behind a brake; nothing is evicted before its grace is over; what is
 * there keeps its units. */
#include "sim.h"

#include <string.h>

#include "plan/memo.h"
#include "sched/requires.h"

static const struct row_base *base_row(const struct sim *s, int64_t id) {
	struct row_base key = { .id = id };
	return store_find(s->store, TABLE_base, &key);
}

/* As it is with this commit, or stays. */
static const void *after(const struct sim *s, const struct changeset *cs, enum table t, const void *key) {
	const struct change_rows *c = &cs->tables[t];
	for (size_t i = 0; i < c->n_upserts; i++)
		if (*(const int64_t *)c->upserts[i] == *(const int64_t *)key)
			return c->upserts[i];
	return store_find(s->store, t, key);
}

/* ---- requirements -----------------------------------------------------------------------------------------------------------------------
 */
static bool named(const char *requirement, const char *module) {
	size_t n = strcspn(requirement, ":");
	return strlen(module) == n && strncmp(requirement, module, n) == 0;
}

/* "alpha:>=2" and the version that is there. */
static bool does(const char *requirement, const char *module, const char *version) {
	const char *range = strchr(requirement, ':');
	return named(requirement, module) && (range == NULL || version_in_range(version, range + 1));
}

static bool requires_it(const char *module, const char *version, const char *of_module, const char *of_version) {
	const char *r = clients_requirement(module, version);
	return r != NULL && does(r, of_module, of_version);
}

/* Nor is what its agent set aside since it took the base down. */
static bool excused(const struct sim *s, const struct machine *m, const char *module) {
	for (int i = 0; i < s->n_agents; i++)
		if (agent_machine(s->agents[i]) == m && (i == s->liar || agent_sets_aside(s->agents[i], module)))
			return true;
	return s->lost || machine_spoilt(m, module);
}

/* What a base does: somebody's hand, a module that would not start or stop and one that took it down are no order. */
void watch_order(struct sim *s, const struct machine *m, bool install, const char *module, const char *version) {
	const char *r = install ? clients_requirement(module, version) : NULL, *x, *v;
	bool active = false, met = r == NULL;
	for (int k = 0; (x = machine_active_at(m, k, &v)) != NULL; k++) {
		met |= r != NULL && named(r, x); /* an agent knows names only */
		if (!install && machine_holds(m, module, version, &active) && active && requires_it(x, v, module, version) &&
		    !machine_by_hand(m, module, version) && !excused(s, m, x))
			sim_fail(
			    s, "%s loses %s:%s while %s:%s, which requires it, is active there", machine_name(m), module, version, x, v);
	}
	if (!met && !excused(s, m, r))
		sim_fail(s, "%s gets %s:%s while %s, which that requires, is not active there", machine_name(m), module, version, r);
}

static const char *module_of(const struct sim *s, const struct row_instance *i, const char **ret_version) {
	const struct row_version *v = store_find(s->store, TABLE_version, &(struct row_version){ .id = i->version_id });
	const struct row_module *m = v == NULL ? NULL : store_find(s->store, TABLE_module, &(struct row_module){ .id = v->module_id });
	*ret_version = v == NULL ? "" : v->name;
	return m == NULL ? "" : m->name;
}

static bool one_there(const struct sim *s, int64_t base, const char *requirement, enum instance_state state) {
	const char *version;
	for (size_t k = 0; k < store_rows(s->store, TABLE_instance); k++) {
		const struct row_instance *i = store_row(s->store, TABLE_instance, k);
		const char *module = module_of(s, i, &version);
		if (i->base_id == base && i->state == (int)state && does(requirement, module, version))
			return true;
	}
	return false;
}

static bool ready_there(const struct sim *s, int64_t base, const char *requirement) {
	return one_there(s, base, requirement, INSTANCE_READY);
}

/* Somebody's hand put another version in its place: with that gone it gets the requests again. */
static bool stands_by(const struct sim *s, const struct row_task *t, const char *requirement) {
	return t->deployment_id == 0 && one_there(s, t->base_id, requirement, INSTANCE_STANDBY);
}

/* What is commanded: by what is known at that moment. */
static void commanded_in_order(struct sim *s, const struct row_task *t) {
	const char *version;
	const char *r = t->kind == TASK_KIND_INSTALL ? clients_requirement(t->module, t->version) : NULL;
	if (r != NULL && !ready_there(s, t->base_id, r))
		sim_fail(s, "%s:%s is commanded on %s, where %s is not ready", t->module, t->version, t->base, r);
	for (size_t k = 0; t->kind == TASK_KIND_UNINSTALL && k < store_rows(s->store, TABLE_instance); k++) {
		const struct row_instance *i = store_row(s->store, TABLE_instance, k);
		const char *module = module_of(s, i, &version);
		if (i->base_id == t->base_id && i->state == INSTANCE_READY && requires_it(module, version, t->module, t->version) &&
		    !ready_there(s, t->base_id, clients_requirement(module, version)) &&
		    !stands_by(s, t, clients_requirement(module, version)))
			sim_fail(s, "%s:%s is removed from %s, where %s:%s requires it", t->module, t->version, t->base, module, version);
	}
}

/* ---- closed bases -----------------------------------------------------------------------------------------------------------------------
 */
static bool held_before(const struct sim *s, const struct row_instance *i) {
	for (size_t k = 0; k < store_rows(s->store, TABLE_instance); k++) {
		const struct row_instance *x = store_row(s->store, TABLE_instance, k);
		if (x->base_id == i->base_id && x->deployment_id == i->deployment_id)
			return true;
	}
	return false;
}

/* Cordoned by somebody, drained, or set aside because its installs fail: what was there may be exchanged, nothing is added. */
static void placed_on_closed(struct sim *s, const struct changeset *cs, const struct row_instance *i) {
	const struct row_base *was = base_row(s, i->base_id), *is = after(s, cs, TABLE_base, &i->base_id);
	bool adopted = i->reported != NULL && *i->reported != '\0'; /* it lay there */
	if (store_find(s->store, TABLE_instance, i) == NULL && !adopted && i->deployment_id != 0 && was != NULL && was->cordoned &&
	    is->cordoned && !held_before(s, i))
		sim_fail(s, "an instance of deployment %lld is placed on %s, which is closed: %s", (long long)i->deployment_id, was->name,
		    is->cordon_reason);
}

/* ---- drained bases ----------------------------------------------------------------------------------------------------------------------
 */
static bool drained(const struct plan_memo *m, int64_t base) {
	return m->base_id == base || (m->base_id == 0 && memo_names(m, base));
}

static bool deleted(const struct changeset *cs, enum table t, int64_t id) {
	const struct change_rows *c = &cs->tables[t];
	for (size_t i = 0; i < c->n_deletes; i++)
		if (*(const int64_t *)c->deletes[i] == id)
			return true;
	return false;
}

/* Nobody is wanted there of those that were when it was asked, unless somebody opened the base again meanwhile. One that was never sent may
 * be called off with this commit; what was there is moved or removed, not forgotten. */
static void drain_done(struct sim *s, const struct changeset *cs, const struct row_plan *old, const struct row_plan *p) {
	struct plan_memo m;
	bool over = p->kind == PLAN_KIND_DRAIN && p->state == PLAN_SUCCEEDED && old != NULL && old->state != PLAN_SUCCEEDED;
	if (!over || memo_parse(p->options, &m, NULL) != 0)
		return;
	for (size_t k = 0; k < store_rows(s->store, TABLE_instance); k++) {
		const struct row_instance *i = after(s, cs, TABLE_instance, store_row(s->store, TABLE_instance, k));
		if (i->generation == 0 && deleted(cs, TABLE_instance, i->id))
			continue;
		const struct row_base *b = after(s, cs, TABLE_base, &i->base_id);
		if (i->wanted && drained(&m, i->base_id) && b->cordoned && i->deployment_id != 0 &&
		    !memo_ignores(&m, i->deployment_id, i->base_id))
			sim_fail(s, "plan %lld drained %s, and instance %lld is wanted there", (long long)p->id,
			    base_row(s, i->base_id)->name, (long long)i->id);
	}
	memo_deinit(&m);
}

/* ---- the brake --------------------------------------------------------------------------------------------------------------------------
 */
static bool text_same(const char *a, const char *b) {
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* Before this commit, and not lifted by it. */
static bool braked(const struct sim *s, const struct changeset *cs, const struct row_base *b) {
	const struct row_base_group *g = store_find(s->store, TABLE_base_group, &(struct row_base_group){ .id = b->group_id });
	for (size_t i = 0; g != NULL && i < store_rows(s->store, TABLE_finding); i++) {
		const struct row_finding *x = store_row(s->store, TABLE_finding, i);
		if (x->kind == FINDING_ZONE_ALARM && text_same(x->module, g->name) && text_same(x->version, b->zone) &&
		    !deleted(cs, TABLE_finding, x->id))
			return true;
	}
	return false;
}

static void replaced_behind_brake(struct sim *s, const struct changeset *cs, const struct row_event *e) {
	const struct row_instance *fresh =
	    strcmp(e->kind, "instance.replaced") != 0 ? NULL : after(s, cs, TABLE_instance, &(struct row_instance){ .id = e->instance_id });
	const struct row_instance *old =
	    fresh == NULL ? NULL : store_find(s->store, TABLE_instance, &(struct row_instance){ .id = fresh->replaces });
	const struct row_base *b = old == NULL ? NULL : base_row(s, old->base_id);
	if (b != NULL && braked(s, cs, b))
		sim_fail(s, "what was on %s is placed elsewhere, and its zone is braked", b->name);
}

/* ---- evictions --------------------------------------------------------------------------------------------------------------------------
 */
static void grace_kept(struct sim *s, const struct row_plan *old, const struct row_plan *p) {
	struct plan_memo m;
	if (p->kind != PLAN_KIND_EVICT || (old != NULL && old->state != PLAN_QUEUED) || p->state != PLAN_RUNNING)
		return;
	if (memo_parse(p->options, &m, NULL) == 0 && p->started_at.us - p->created_at.us < m.grace_us)
		sim_fail(s, "plan %lld evicts before its grace is over", (long long)p->id);
	memo_deinit(&m);
}

/* Wanted there by the same name: it would go with it. */
static void evicts_wanted(struct sim *s, const struct row_task *t) {
	const struct row_plan *p = store_find(s->store, TABLE_plan, &(struct row_plan){ .id = t->plan_id });
	for (size_t k = 0; p != NULL && p->kind == PLAN_KIND_EVICT && k < store_rows(s->store, TABLE_instance); k++) {
		const struct row_instance *i = store_row(s->store, TABLE_instance, k);
		if (i->base_id == t->base_id && i->version_id == t->version_id && i->wanted)
			sim_fail(s, "plan %lld evicts %s:%s from %s, where it is wanted", (long long)p->id, t->module, t->version, t->base);
	}
}

/* ---- units
 * --------------------------------------------------------------------------------------------------------------------------------
 */
static bool there(const struct row_instance *i) {
	return i->state == INSTANCE_READY || i->state == INSTANCE_STANDBY || i->state == INSTANCE_DRAINING ||
	       i->state == INSTANCE_UNINSTALLING;
}

/* What is on a base uses what its version needs of it: by itself, or with the successor that stands on its units and is not there yet. */
static void units_covered(struct sim *s, const struct row_instance *x) {
	const struct row_version *v = store_find(s->store, TABLE_version, &(struct row_version){ .id = x->version_id });
	int64_t units = x->units;
	for (size_t k = 0; units < v->units && k < store_rows(s->store, TABLE_instance); k++) {
		const struct row_instance *y = store_row(s->store, TABLE_instance, k);
		if (y->base_id == x->base_id && y->deployment_id == x->deployment_id && y->id != x->id && !there(y))
			units += y->units;
	}
	const struct row_base *b = base_row(s, x->base_id);
	if (units < v->units && !s->lost && !watch_lies(s, b->name))
		sim_fail(s, "instance %lld is on its base, and %lld of the %lld units it needs there are free", (long long)x->id,
		    (long long)(v->units - units), (long long)v->units);
}

/* ---- a commit ---------------------------------------------------------------------------------------------------------------------------
 */
void watch_bases_before(struct sim *s, const struct changeset *cs) {
	const struct change_rows *i = &cs->tables[TABLE_instance], *p = &cs->tables[TABLE_plan], *e = &cs->tables[TABLE_event];
	for (size_t k = 0; k < i->n_upserts; k++)
		placed_on_closed(s, cs, i->upserts[k]);
	for (size_t k = 0; k < p->n_upserts; k++) {
		const struct row_plan *old = store_find(s->store, TABLE_plan, p->upserts[k]);
		drain_done(s, cs, old, p->upserts[k]);
		grace_kept(s, old, p->upserts[k]);
	}
	for (size_t k = 0; k < e->n_upserts; k++)
		replaced_behind_brake(s, cs, e->upserts[k]);
}

void watch_bases_after(struct sim *s, const struct changeset *cs) {
	const struct change_rows *c = &cs->tables[TABLE_instance];
	for (size_t k = 0; k < c->n_upserts; k++) {
		const struct row_instance *i = store_find(s->store, TABLE_instance, c->upserts[k]);
		if (i != NULL && i->deployment_id != 0 && there(i))
			units_covered(s, i);
	}
}

void watch_sent(struct sim *s, const struct row_task *t) {
	commanded_in_order(s, t);
	evicts_wanted(s, t);
}
