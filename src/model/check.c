/* fleet_check: everything that must hold at any time, recomputed from the objects and compared with what links and sums say.
 *
 * Tests, the simulation and every load call it. It changes nothing and stops at the first violation. */
#include "model/fleet_internal.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define BROKEN(...) return err_set(err, E_INTERNAL, __VA_ARGS__)
#define SAME(got, should, fmt, ...)                                                             \
	do {                                                                                    \
		long long got_ = (long long)(got), should_ = (long long)(should);               \
		if (got_ != should_)                                                            \
			BROKEN(fmt ": it is %lld, should be %lld", __VA_ARGS__, got_, should_); \
	} while (0)
#define LL(x) ((long long)(x))

/* ---- dirty queues ---- */

struct dirty_tally {
	size_t flagged;
	int64_t last_id;
};

static int queues_check(const struct fleet *f, size_t *ret, struct err *err) {
	size_t n = 0;
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct object *o;
		TAILQ_FOREACH(o, &f->dirty[t], dirty_link) {
			if (!o->dirty || (int)o->table != t)
				BROKEN("dirty queue of %s holds an object of %s (flag %d)", table_defs[t].name, table_defs[o->table].name,
				    o->dirty);
			n++;
		}
	}
	SAME(f->n_dirty, n, "n_dirty of the %s", "fleet");
	*ret = n;
	return 0;
}

static int object_check(const struct fleet *f, const struct object *o, enum table t, int64_t id, struct dirty_tally *d, struct err *err) {
	if (o->table != t)
		BROKEN("an object among the %ss says it is a %s", table_defs[t].name, table_defs[o->table].name);
	if (!o->dirty && !o->stored)
		BROKEN("%s %lld is neither dirty nor stored: it would never reach the ledger", table_defs[t].name, LL(id));
	if (o->dirty)
		d->flagged++;
	return 0;
}

#define CHECK(call)                \
	do {                       \
		int r_ = (call);   \
		if (r_ != 0)       \
			return r_; \
	} while (0)

/* ---- tenants, tokens, artifacts, modules, versions ---- */

static int tenants_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	SAME(HASH_CNT(hh_name, f->tenants_by_name), HASH_CNT(hh_id, f->tenants), "number of tenants by %s", "name");
	const struct tenant *t;
	for (t = f->tenants; t != NULL; t = t->hh_id.next) {
		CHECK(object_check(f, &t->o, TABLE_tenant, t->row.id, dt, err));
		int running = 0;
		for (const struct plan *p = f->plans; p != NULL; p = p->hh_id.next)
			running += p->tenant == t && plan_live_state((enum plan_state)p->row.state);
		SAME(t->n_plans_running, running, "n_plans_running of tenant %s", t->row.name);
	}
	SAME(HASH_CNT(hh_hash, f->tokens_by_hash), HASH_CNT(hh_id, f->tokens), "number of tokens by %s", "hash");
	for (const struct token *x = f->tokens; x != NULL; x = x->hh_id.next) {
		CHECK(object_check(f, &x->o, TABLE_token, x->row.id, dt, err));
		if (fleet_token(x->tenant, x->row.name) != x)
			BROKEN("token %s is not found by its name", x->row.name);
	}
	return 0;
}

static int webhooks_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	for (const struct webhook *w = f->webhooks; w != NULL; w = w->hh_id.next) {
		CHECK(object_check(f, &w->o, TABLE_webhook, w->row.id, dt, err));
		if (fleet_webhook(w->tenant, w->row.name) != w)
			BROKEN("webhook %s is not found by its name", w->row.name);
	}
	return 0;
}

static int artifacts_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	for (const struct artifact *a = f->artifacts; a != NULL; a = a->hh_id.next) {
		CHECK(object_check(f, &a->o, TABLE_artifact, a->row.id, dt, err));
		if (fleet_artifact(a->tenant, a->row.sha256) != a)
			BROKEN("artifact %s is not found by its digest", a->row.sha256);
	}
	int refs = 0, sum = 0;
	for (const struct version *v = f->versions; v != NULL; v = v->hh_id.next)
		refs += v->artifact != NULL;
	for (const struct artifact *a = f->artifacts; a != NULL; a = a->hh_id.next)
		sum += a->refs;
	SAME(sum, refs, "references to %s", "artifacts");
	return 0;
}

static int versions_check(const struct fleet *f, const struct module *m, struct dirty_tally *dt, struct err *err) {
	int n = 0;
	int64_t last = 0;
	const struct version *v;
	TAILQ_FOREACH(v, &m->versions, link) {
		CHECK(object_check(f, &v->o, TABLE_version, v->row.id, dt, err));
		if (v->module != m || v->row.module_id != m->row.id || v->row.artifact_id != v->artifact->row.id)
			BROKEN("version %s:%s is linked to another module or artifact than its row says", m->row.name, v->row.name);
		if (v->row.id <= last)
			BROKEN("versions of module %s are not in order of their ids", m->row.name);
		if (fleet_version_by_id(f, v->row.id) != v)
			BROKEN("version %s:%s is not found by its id", m->row.name, v->row.name);
		last = v->row.id;
		n++;
	}
	SAME(m->n_versions, n, "n_versions of module %s", m->row.name);
	return 0;
}

static int modules_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	int versions = 0;
	for (const struct module *m = f->modules; m != NULL; m = m->hh_id.next) {
		CHECK(object_check(f, &m->o, TABLE_module, m->row.id, dt, err));
		if (fleet_module(m->tenant, m->row.name) != m)
			BROKEN("module %s is not found by its name", m->row.name);
		CHECK(versions_check(f, m, dt, err));
		versions += m->n_versions;
	}
	SAME(HASH_CNT(hh_id, f->versions), versions, "number of %s by id", "versions");
	return 0;
}

/* ---- groups and bases ---- */

struct group_tally {
	int n_bases, n_state[BASE_STOPPED + 1], n_cordoned, n_instances, n_ready, slot[GROUP_ZONES];
	int64_t used, limit;
};

static int base_instances_check(const struct base *b, struct group_tally *t, struct err *err) {
	int n = 0, quarantined = 0;
	int64_t used = 0;
	const struct instance *i, *j;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		n++;
		used += i->row.units;
		t->n_ready += i->row.state == INSTANCE_READY;
		quarantined += i->row.state == INSTANCE_QUARANTINED;
		if (i->base != b || i->row.base_id != b->row.id)
			BROKEN("instance %lld stands in the list of base %s, its row says base %lld", LL(i->row.id), b->row.name,
			    LL(i->row.base_id));
		for (j = TAILQ_NEXT(i, base_link); j != NULL && i->row.wanted; j = TAILQ_NEXT(j, base_link))
			if (j->row.wanted && j->version == i->version)
				BROKEN("base %s has two wanted instances of %s:%s (%lld and %lld)", b->row.name,
				    i->version->module->row.name, i->version->row.name, LL(i->row.id), LL(j->row.id));
	}
	t->n_instances += n;
	SAME(b->n_instances, n, "n_instances of base %s", b->row.name);
	SAME(b->n_quarantined, quarantined, "n_quarantined of base %s", b->row.name);
	SAME(b->row.units_used, used, "units_used of base %s (sum of its instances)", b->row.name);
	return 0;
}

static int base_units_check(const struct base *b, struct err *err) {
	int64_t limit = base_limit(b), used = b->row.units_used;
	SAME(b->row.units_ceiling, limit > used ? limit : used, "units_ceiling of base %s (limit %lld, used %lld)", b->row.name, LL(limit),
	    LL(used));
	if (used < 0)
		BROKEN("base %s uses %lld units", b->row.name, LL(used));
	SAME(b->level == NULL ? -1 : b->level->free, base_open(b) ? base_free(b) : -1, "level of base %s", b->row.name);
	return 0;
}

static int base_check(const struct fleet *f, const struct group *g, const struct base *b, struct group_tally *t, struct err *err) {
	if (b->group != g || b->row.group_id != g->row.id || b->tenant != g->tenant)
		BROKEN("base %s stands in group %s, its row says group %lld", b->row.name, g->row.name, LL(b->row.group_id));
	if (fleet_base(b->tenant, b->row.name) != b || fleet_base_by_id(f, b->row.id) != b)
		BROKEN("base %s is not found by its name and id", b->row.name);
	if (b->row.arklet_url != NULL && fleet_base_by_arklet(b->tenant, b->row.arklet_url) != b)
		BROKEN("base %s is not found by its arklet's address", b->row.name);
	if (b->zone == NULL || group_zone(g, b->zone->name) != b->zone || g->slots[b->zone->slot] == NULL)
		BROKEN("base %s is in a zone that its group does not have", b->row.name);
	const char *zone = b->row.zone == NULL ? "" : b->row.zone;
	if (strcmp(b->zone->name, zone) != 0)
		BROKEN("base %s counts in zone \"%s\", its row says \"%s\": fleet_touch was forgotten", b->row.name, b->zone->name, zone);
	CHECK(base_instances_check(b, t, err));
	CHECK(base_units_check(b, err));
	t->n_bases++;
	t->n_state[b->row.state]++;
	t->n_cordoned += b->row.cordoned;
	t->used += b->row.units_used;
	t->limit += base_limit(b);
	t->slot[b->zone->slot]++;
	return 0;
}

static int level_check(const struct group *g, int slot, const struct level *l, struct err *err) {
	const struct base *b;
	uint64_t last = 0;
	TAILQ_FOREACH(b, &l->bases, free_link) {
		if (b->level != l || b->group != g || b->zone->slot != slot)
			BROKEN("base %s stands in level %lld of group %s, zone slot %d, but believes otherwise", b->row.name, LL(l->free),
			    g->row.name, slot);
		if (b->place <= last)
			BROKEN("level %lld of group %s, zone slot %d, is not in order at base %s", LL(l->free), g->row.name, slot,
			    b->row.name);
		last = b->place;
	}
	return 0;
}

static int slot_check(const struct group *g, int slot, struct err *err) {
	const struct zone_slot *s = g->slots[slot];
	for (size_t k = 0; k < s->n_levels; k++) {
		const struct level *l = s->levels[k];
		if (TAILQ_EMPTY(&l->bases) || (k > 0 && l->free <= s->levels[k - 1]->free))
			BROKEN("group %s, zone slot %d: level %lld is empty or out of order", g->row.name, slot, LL(l->free));
		CHECK(level_check(g, slot, l, err));
	}
	return 0;
}

struct zone_tally {
	const struct zone *zone;
	int n_bases, n_here, n_gone;
	UT_hash_handle hh;
};

static void zones_tally(const struct group *g, struct zone_tally **ret) {
	const struct base *b;
	TAILQ_FOREACH(b, &g->bases, group_link) {
		struct zone_tally *t;
		HASH_FIND_PTR(*ret, &b->zone, t);
		if (t == NULL) {
			t = calloc(1, sizeof *t);
			if (t == NULL)
				abort();
			t->zone = b->zone;
			HASH_ADD_PTR(*ret, zone, t);
		}
		t->n_bases++;
		t->n_here += b->row.state == BASE_RESTORING || b->row.state == BASE_READY;
		t->n_gone += b->gone;
	}
}

static int zone_sums_check(const struct group *g, const struct zone_tally *tallies, struct err *err) {
	SAME(HASH_COUNT(g->zones), HASH_COUNT(tallies), "zones of group %s", g->row.name);
	for (const struct zone_tally *t = tallies; t != NULL; t = t->hh.next) {
		SAME(t->zone->n_bases, t->n_bases, "bases in zone \"%s\" of group %s", t->zone->name, g->row.name);
		SAME(t->zone->n_here, t->n_here, "bases here in zone \"%s\" of group %s", t->zone->name, g->row.name);
		SAME(t->zone->n_gone, t->n_gone, "bases gone in zone \"%s\" of group %s", t->zone->name, g->row.name);
	}
	return 0;
}

static int zones_check(const struct group *g, struct err *err) {
	struct zone_tally *tallies = NULL, *t, *next;
	zones_tally(g, &tallies);
	int r = zone_sums_check(g, tallies, err);
	HASH_ITER(hh, tallies, t, next) {
		HASH_DEL(tallies, t);
		free(t);
	}
	return r;
}

static int group_sums_check(const struct group *g, const struct group_tally *t, struct err *err) {
	const char *name = g->row.name;
	SAME(g->n_bases, t->n_bases, "n_bases of group %s", name);
	SAME(g->n_cordoned, t->n_cordoned, "n_cordoned of group %s", name);
	SAME(g->units_used, t->used, "units_used of group %s", name);
	SAME(g->units_limit, t->limit, "units_limit of group %s", name);
	SAME(g->n_instances, t->n_instances, "n_instances of group %s", name);
	SAME(g->n_ready_instances, t->n_ready, "n_ready_instances of group %s", name);
	for (int s = 0; s <= BASE_STOPPED; s++)
		SAME(g->n_state[s], t->n_state[s], "%s bases of group %s", word_text(WORD_BASE, s), name);
	for (int z = 0; z < GROUP_ZONES; z++) {
		SAME(g->slots[z] == NULL ? 0 : g->slots[z]->n_bases, t->slot[z], "bases in zone slot %d of group %s", z, name);
		if (g->slots[z] != NULL)
			CHECK(slot_check(g, z, err));
	}
	return zones_check(g, err);
}

static int groups_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	unsigned bases = 0;
	for (const struct group *g = f->groups; g != NULL; g = g->hh_id.next) {
		CHECK(object_check(f, &g->o, TABLE_base_group, g->row.id, dt, err));
		if (fleet_group(g->tenant, g->row.name) != g)
			BROKEN("group %s is not found by its name", g->row.name);
		struct group_tally t = { 0 };
		int64_t last = 0;
		const struct base *b;
		TAILQ_FOREACH(b, &g->bases, group_link) {
			CHECK(object_check(f, &b->o, TABLE_base, b->row.id, dt, err));
			if (b->row.id <= last)
				BROKEN("bases of group %s are not in order of their ids", g->row.name);
			last = b->row.id;
			CHECK(base_check(f, g, b, &t, err));
		}
		CHECK(group_sums_check(g, &t, err));
		bases += (unsigned)t.n_bases;
	}
	SAME(HASH_CNT(hh_id, f->bases), bases, "number of %s by id", "bases");
	return 0;
}

/* ---- deployments and instances ---- */

static int revisions_check(const struct fleet *f, const struct deployment *d, struct dirty_tally *dt, struct err *err) {
	int64_t last = 0;
	const struct revision *r;
	TAILQ_FOREACH(r, &d->revisions, link) {
		CHECK(object_check(f, &r->o, TABLE_revision, r->row.number, dt, err));
		if (r->deployment != d || r->row.deployment_id != d->row.id || r->row.version_id != r->version->row.id)
			BROKEN("revision %lld of deployment %s is linked elsewhere than its row says", LL(r->row.number), d->row.name);
		if (r->row.number <= last)
			BROKEN("revisions of deployment %s are not oldest first", d->row.name);
		last = r->row.number;
	}
	if (d->current != fleet_revision(d, d->row.revision) || (d->row.revision != 0 && d->current == NULL))
		BROKEN("deployment %s: its current revision %lld is not the one linked", d->row.name, LL(d->row.revision));
	if (d->completed != fleet_revision(d, d->row.completed_revision))
		BROKEN("deployment %s: its completed revision %lld is not the one linked", d->row.name, LL(d->row.completed_revision));
	return 0;
}

static int revision_sums_check(const struct deployment *d, struct err *err) {
	const struct revision *r;
	const struct instance *i;
	TAILQ_FOREACH(r, &d->revisions, link) {
		int wanted = 0, other = 0;
		TAILQ_FOREACH(i, &d->instances, deployment_link)
			if (i->row.wanted && i->row.revision == r->row.number) {
				wanted++;
				other += i->version != r->version;
			}
		SAME(r->n_wanted, wanted, "n_wanted of revision %lld of deployment %s", LL(r->row.number), d->row.name);
		SAME(r->n_other, other, "n_other of revision %lld of deployment %s", LL(r->row.number), d->row.name);
	}
	return 0;
}

static bool first_of_deployment(const struct instance *i) {
	const struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (x->deployment == i->deployment)
			return x == i;
	return false;
}

static int deployment_sums_check(const struct deployment *d, struct err *err) {
	int n = 0, wanted = 0, away = 0, ready = 0, updated = 0, serving = 0, zone[GROUP_ZONES] = { 0 }, holders[GROUP_ZONES] = { 0 };
	const struct instance *i;
	TAILQ_FOREACH(i, &d->instances, deployment_link) {
		if (i->deployment != d || i->row.deployment_id != d->row.id)
			BROKEN("instance %lld stands in deployment %s, its row says %lld", LL(i->row.id), d->row.name,
			    LL(i->row.deployment_id));
		n++;
		serving += i->row.state == INSTANCE_READY;
		wanted += i->row.wanted;
		away += i->row.wanted && base_gone(i->base);
		ready += i->row.wanted && i->row.state == INSTANCE_READY;
		updated += i->row.wanted && i->row.revision == d->row.revision;
		zone[i->base->zone->slot] += i->row.wanted && i->base->group == d->group;
		holders[i->base->zone->slot] += i->base->group == d->group && first_of_deployment(i);
	}
	const char *name = d->row.name;
	SAME(d->n_instances, n, "n_instances of deployment %s", name);
	SAME(d->n_wanted, wanted, "n_wanted of deployment %s", name);
	SAME(d->n_away, away, "n_away of deployment %s", name);
	SAME(d->n_ready, ready, "n_ready of deployment %s", name);
	SAME(d->n_updated, updated, "n_updated of deployment %s", name);
	SAME(d->n_serving, serving, "n_serving of deployment %s", name);
	for (int z = 0; z < GROUP_ZONES; z++) {
		SAME(d->zone_wanted[z], zone[z], "wanted instances of deployment %s in zone slot %d", name, z);
		SAME(d->zone_holders[z], holders[z], "bases that hold deployment %s in zone slot %d", name, z);
	}
	return 0;
}

static bool plan_touches(const struct plan *p, const struct deployment *d) {
	const struct change *c;
	TAILQ_FOREACH(c, &p->changes, link)
		if (c->deployment == d)
			return true;
	return false;
}

static int deployment_states_check(const struct fleet *f, struct err *err) {
	unsigned n = 0;
	for (const struct tenant *t = f->tenants; t != NULL; t = t->hh_id.next)
		for (int state = 0; state <= DEPLOYMENT_OFFLINE; state++) {
			const struct deployment *d;
			TAILQ_FOREACH(d, &t->deployments_in[state], state_link) {
				if (d->tenant != t || d->row.state != state)
					BROKEN("deployment %s is out of place by its state", d->row.name);
				n++;
			}
		}
	SAME(n, HASH_CNT(hh_id, f->deployments), "number of %s by state", "deployments");
	return 0;
}

static int deployments_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	for (const struct deployment *d = f->deployments; d != NULL; d = d->hh_id.next) {
		CHECK(object_check(f, &d->o, TABLE_deployment, d->row.id, dt, err));
		if (fleet_deployment(d->tenant, d->row.name) != d)
			BROKEN("deployment %s is not found by its name", d->row.name);
		if (d->row.module_id != d->module->row.id || d->row.group_id != d->group->row.id)
			BROKEN("deployment %s is linked to another module or group than its row says", d->row.name);
		CHECK(revisions_check(f, d, dt, err));
		CHECK(deployment_sums_check(d, err));
		CHECK(revision_sums_check(d, err));
		if (d->plan != NULL && (!plan_live_state((enum plan_state)d->plan->row.state) || !plan_touches(d->plan, d)))
			BROKEN("deployment %s names plan %lld (%s), which does not run for it", d->row.name, LL(d->plan->row.id),
			    word_text(WORD_PLAN, d->plan->row.state));
	}
	return deployment_states_check(f, err);
}

static int instance_check(const struct fleet *f, const struct instance *i, struct err *err) {
	if (i->row.version_id != i->version->row.id || fleet_version_by_id(f, i->row.version_id) != i->version)
		BROKEN("instance %lld is linked to another version than its row says", LL(i->row.id));
	if (i->deployment != NULL && i->deployment->module != i->version->module)
		BROKEN("instance %lld is of module %s, its deployment %s of another", LL(i->row.id), i->version->module->row.name,
		    i->deployment->row.name);
	const struct task *t, *open = NULL;
	TAILQ_FOREACH(t, &i->tasks, instance_link) {
		if (t->instance != i || t->row.instance_id != i->row.id)
			BROKEN(
			    "task %lld stands in instance %lld, its row says %lld", LL(t->row.id), LL(i->row.id), LL(t->row.instance_id));
		if (word_terminal(WORD_TASK, t->row.state))
			continue;
		if (open != NULL)
			BROKEN("instance %lld has two open tasks, %lld and %lld", LL(i->row.id), LL(open->row.id), LL(t->row.id));
		open = t;
	}
	if (i->task != open)
		BROKEN("instance %lld: its task is %lld, the open one is %lld", LL(i->row.id), i->task == NULL ? 0 : LL(i->task->row.id),
		    open == NULL ? 0 : LL(open->row.id));
	return 0;
}

static int instances_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	unsigned on_bases = 0, on_versions = 0, of_revisions = 0;
	for (const struct instance *i = f->instances; i != NULL; i = i->hh_id.next) {
		CHECK(object_check(f, &i->o, TABLE_instance, i->row.id, dt, err));
		CHECK(instance_check(f, i, err));
	}
	for (const struct base *b = f->bases; b != NULL; b = b->hh_id.next)
		on_bases += (unsigned)b->n_instances;
	SAME(on_bases, HASH_CNT(hh_id, f->instances), "number of %s on bases", "instances");
	unsigned held = 0;
	for (const struct version *v = f->versions; v != NULL; v = v->hh_id.next) {
		on_versions += (unsigned)v->n_instances;
		held += (unsigned)v->n_revisions;
	}
	SAME(on_versions, HASH_CNT(hh_id, f->instances), "n_instances over all %s", "versions");
	for (const struct deployment *d = f->deployments; d != NULL; d = d->hh_id.next) {
		const struct revision *r;
		TAILQ_FOREACH(r, &d->revisions, link)
			of_revisions++;
	}
	SAME(held, of_revisions, "n_revisions over all %s", "versions");
	return 0;
}

/* ---- plans and tasks ---- */

static int plan_parts_check(const struct fleet *f, const struct plan *p, struct dirty_tally *dt, struct err *err) {
	const struct change *c;
	bool running = plan_live_state((enum plan_state)p->row.state);
	TAILQ_FOREACH(c, &p->changes, link) {
		CHECK(object_check(f, &c->o, TABLE_plan_change, c->row.number, dt, err));
		if (c->plan != p || c->row.plan_id != p->row.id)
			BROKEN("change %lld stands in plan %lld, its row says %lld", LL(c->row.number), LL(p->row.id), LL(c->row.plan_id));
		if (running && (c->deployment == NULL || c->deployment->plan == NULL))
			BROKEN("plan %lld runs for deployment %s, which knows of no plan", LL(p->row.id), c->row.deployment);
	}
	int64_t number = 0;
	const struct batch *b;
	TAILQ_FOREACH(b, &p->batches, link) {
		CHECK(object_check(f, &b->o, TABLE_batch, b->row.number, dt, err));
		if (b->plan != p || b->row.plan_id != p->row.id || b->row.number <= number)
			BROKEN("batch %lld of plan %lld is out of place", LL(b->row.number), LL(p->row.id));
		number = b->row.number;
	}
	return 0;
}

static int pointer_cmp(const void *a, const void *b) {
	uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;
	return (x > y) - (x < y);
}

/* The deployments of all queued plans, sorted: counting them per deployment costs no walk over all plans for each. */
static const struct deployment **queued_list(const struct fleet *f, size_t *ret_n) {
	size_t n = 0, size = 64;
	const struct deployment **list = malloc(size * sizeof *list);
	for (const struct plan *p = f->plans; p != NULL && list != NULL; p = p->hh_id.next) {
		const struct change *c;
		TAILQ_FOREACH(c, &p->changes, link) {
			if (p->row.state != PLAN_QUEUED || c->deployment == NULL)
				continue;
			if (n == size)
				list = realloc(list, (size *= 2) * sizeof *list);
			if (list == NULL)
				abort();
			list[n++] = c->deployment;
		}
	}
	if (list == NULL)
		abort();
	qsort(list, n, sizeof *list, pointer_cmp);
	*ret_n = n;
	return list;
}

static int queued_compare(const struct fleet *f, const struct deployment *const *list, size_t n, struct err *err) {
	int64_t sum = 0;
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i; k < n && list[k] == list[i]; k++)
			;
		SAME(list[i]->n_queued, k - i, "n_queued of deployment %s", list[i]->row.name);
	}
	for (const struct deployment *d = f->deployments; d != NULL; d = d->hh_id.next)
		sum += d->n_queued;
	SAME(sum, n, "n_queued over all %s", "deployments");
	return 0;
}

static int queued_check(const struct fleet *f, struct err *err) {
	size_t n;
	const struct deployment **list = queued_list(f, &n);
	int r = queued_compare(f, list, n, err);
	free(list);
	return r;
}

static int plan_states_check(const struct fleet *f, struct err *err) {
	unsigned n = 0;
	for (const struct tenant *t = f->tenants; t != NULL; t = t->hh_id.next)
		for (int state = 0; state <= PLAN_SUPERSEDED; state++) {
			const struct plan *p;
			TAILQ_FOREACH(p, &t->plans_in[state], state_link) {
				if (p->tenant != t || p->row.state != state)
					BROKEN("plan %lld is out of place by its state", LL(p->row.id));
				n++;
			}
		}
	SAME(n, HASH_CNT(hh_id, f->plans), "number of %s by state", "plans");
	return 0;
}

static int plans_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	for (const struct plan *p = f->plans; p != NULL; p = p->hh_id.next) {
		CHECK(object_check(f, &p->o, TABLE_plan, p->row.id, dt, err));
		CHECK(plan_parts_check(f, p, dt, err));
		int n = 0, open = 0;
		const struct task *t;
		TAILQ_FOREACH(t, &p->tasks, plan_link) {
			if (t->plan != p || t->row.plan_id != p->row.id)
				BROKEN(
				    "task %lld stands in plan %lld, its row says %lld", LL(t->row.id), LL(p->row.id), LL(t->row.plan_id));
			n++;
			open += !word_terminal(WORD_TASK, t->row.state);
		}
		SAME(p->n_tasks, n, "n_tasks of plan %lld", LL(p->row.id));
		SAME(p->n_open, open, "n_open of plan %lld", LL(p->row.id));
	}
	CHECK(plan_states_check(f, err));
	return queued_check(f, err);
}

static int tasks_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	for (const struct task *t = f->tasks; t != NULL; t = t->hh_id.next) {
		CHECK(object_check(f, &t->o, TABLE_task, t->row.id, dt, err));
		if (!word_terminal(WORD_TASK, t->row.state) && (t->instance == NULL || t->base == NULL || t->instance->task != t))
			BROKEN("task %lld is %s, but not the open task of an instance", LL(t->row.id), word_text(WORD_TASK, t->row.state));
		if (t->base != NULL && t->row.base_id != t->base->row.id)
			BROKEN("task %lld is linked to base %s, its row says %lld", LL(t->row.id), t->base->row.name, LL(t->row.base_id));
	}
	int sent = 0, inflight = 0, queued = 0;
	for (const struct tenant *n = f->tenants; n != NULL; n = n->hh_id.next) {
		wall_t last = { 0 };
		const struct task *t;
		TAILQ_FOREACH(t, &n->sent, sent_link) {
			if (t->base == NULL || t->base->tenant != n || t->row.sent_at.us < last.us)
				BROKEN("task %lld is out of place among those sent of %s", LL(t->row.id), n->row.name);
			last = t->row.sent_at;
			queued++;
		}
	}
	for (const struct task *t = f->tasks; t != NULL; t = t->hh_id.next)
		sent += t->row.state == TASK_SENT;
	for (const struct base *b = f->bases; b != NULL; b = b->hh_id.next)
		inflight += b->inflight;
	SAME(inflight, sent, "commands in flight over all %s", "bases");
	SAME(queued, sent, "tasks among those %s", "sent");
	return 0;
}

static int rest_check(const struct fleet *f, struct dirty_tally *dt, struct err *err) {
	unsigned n = 0;
	const struct finding *x;
	TAILQ_FOREACH(x, &f->finding_queue, link) {
		CHECK(object_check(f, &x->o, TABLE_finding, x->row.id, dt, err));
		n++;
	}
	SAME(n, HASH_CNT(hh_id, f->findings), "number of %s in their queue", "findings");
	SAME(HASH_CNT(hh_key, f->findings_by_key), n, "number of %s by key", "findings");
	n = 0;
	const struct idem *k;
	TAILQ_FOREACH(k, &f->idem_queue, link) {
		CHECK(object_check(f, &k->o, TABLE_idempotency, 0, dt, err));
		n++;
	}
	SAME(n, HASH_COUNT(f->idems), "number of %s in their queue", "idempotency keys");
	const struct object *s;
	TAILQ_FOREACH(s, &f->dirty[TABLE_base_history], dirty_link)
		dt->flagged++; /* they exist only while they are dirty */
	for (const struct counter *c = f->counters; c != NULL; c = c->hh.next)
		CHECK(object_check(f, &c->o, TABLE_counter, c->row.value, dt, err));
	return 0;
}

static int events_check(const struct fleet *f, struct err *err) {
	SAME(f->last_event, f->collected_event + (int64_t)f->n_events, "last event of the %s", "fleet");
	for (size_t i = 0; i < f->n_events; i++) {
		SAME(f->events[i]->number, f->collected_event + 1 + (int64_t)i, "number of pending event %zu", i);
		if (i > 0 && f->events[i]->at.us < f->events[i - 1]->at.us)
			BROKEN("event %lld is older than the one before it", LL(f->events[i]->number));
	}
	return 0;
}

int fleet_check(const struct fleet *f, struct err *err) {
	struct dirty_tally dt = { 0 };
	size_t queued = 0;
	CHECK(queues_check(f, &queued, err));
	CHECK(tenants_check(f, &dt, err));
	CHECK(webhooks_check(f, &dt, err));
	CHECK(artifacts_check(f, &dt, err));
	CHECK(modules_check(f, &dt, err));
	CHECK(groups_check(f, &dt, err));
	CHECK(deployments_check(f, &dt, err));
	CHECK(instances_check(f, &dt, err));
	CHECK(plans_check(f, &dt, err));
	CHECK(tasks_check(f, &dt, err));
	CHECK(rest_check(f, &dt, err));
	CHECK(events_check(f, err));
	SAME(dt.flagged, queued, "objects with the dirty flag, against their %s", "queues");
	return 0;
}
