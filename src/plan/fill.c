/* Filling the running batch: which slots are next, and whether the windows (maxUnavailable, maxInFlight, room) let them begin. */
#include "plan/live.h"

#include <stdlib.h>
#include <string.h>

#include "sched/place.h"

static int cmp_victims(const void *pa, const void *pb) {
	const struct instance *a = *(struct instance *const *)pa, *b = *(struct instance *const *)pb;
	bool fa = a->row.state != INSTANCE_READY, fb = b->row.state != INSTANCE_READY;
	if (fa != fb)
		return fb - fa;
	if (a->row.revision != b->row.revision)
		return a->row.revision < b->row.revision ? -1 : 1;
	if (a->base->row.units_used != b->base->row.units_used)
		return a->base->row.units_used > b->base->row.units_used ? -1 : 1;
	return (a->row.id < b->row.id) - (a->row.id > b->row.id);
}

static void list_victims(struct plan_live *l, const struct deployment *d, int64_t n) {
	struct instance **v = calloc((size_t)d->n_instances + 1, sizeof(struct instance *)), *i;
	size_t k = 0;
	if (v == NULL)
		abort();
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		if (i->row.wanted)
			v[k++] = i;
	qsort(v, k, sizeof *v, cmp_victims);
	for (size_t j = 0; j < k && (int64_t)j < n; j++)
		todo_add(&l->removals, v[j]->row.id);
	free(v);
}

/* Once per batch: what is behind now, not ready ones first; and who goes when there are too many. */
static void list_work(struct plan *p, struct change *ch, int64_t batch) {
	struct plan_live *l = p->live;
	struct revision *to = change_goal(ch);
	struct plan_work w;
	live_todo_reset(l);
	l->todo_batch = batch;
	plan_work_count(ch->deployment, to, plan_goal_shrinks(p), &w);
	if (w.in > 0)
		list_victims(l, ch->deployment, w.in);
	if (plan_goal_shrinks(p))
		return;
	struct instance *i;
	for (int pass = 0; pass < 2; pass++)
		TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
			if (i->row.wanted && instance_behind(i, to) && (i->row.state == INSTANCE_READY) == (pass == 1))
				todo_add(&l->upgrades, i->row.id);
}

bool base_reachable(const struct base *b) {
	return b->row.state == BASE_READY || b->row.state == BASE_RESTORING || b->row.state == BASE_JOINING;
}

static bool may_interrupt(const struct plan_live *l, const struct deployment *d, const struct instance *i, int64_t target) {
	if (i->row.state != INSTANCE_READY)
		return true;
	int64_t least = amount_of(l->s.max_unavailable, target, ROUND_DOWN);
	if (least < 1)
		least = 1;
	return d->n_serving - 1 >= target - least;
}

static bool side_by_side(const struct plan_live *l, const struct instance *old, const struct revision *to) {
	if (l->s.upgrade_policy == UPGRADE_POLICY_IN_PLACE || old->row.state != INSTANCE_READY)
		return false;
	if (old->version == to->version || strcmp(old->version->row.name, to->version->row.name) == 0)
		return false; /* arklet knows a module by name and version: other arguments need the old one gone first */
	bool ark = to->version->row.runtime == RUNTIME_ARK;
	const char *op = old->version->row.context_path, *np = to->version->row.context_path;
	if (ark && op != NULL && np != NULL && strcmp(op, np) == 0)
		return false; /* one context path, one version: the second cannot start in a JVM */
	return base_free(old->base) >= to->version->row.units;
}

enum pick { PICK_DONE, PICK_NONE, PICK_HELD };

/* Not this one in this plan: it went, is being changed to nothing, or cannot be asked now (repair brings it up to date when it is back). */
static bool upgrade_moot(const struct plan *p, const struct change *ch, const struct instance *i) {
	return i == NULL || !i->row.wanted || i->deployment != ch->deployment || !instance_behind(i, change_goal(ch)) ||
	       !base_reachable(i->base) || chain_failed_before(p, ch->deployment, i->base) || slot_ignored(p, ch->deployment, i->base);
}

/* PICK_HELD: not yet, something under way or a window keeps it. */
static enum pick upgrade_try(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	struct plan_live *l = p->live;
	struct revision *to = change_goal(ch);
	int64_t target = to->row.replicas >= 0 ? to->row.replicas : ch->deployment->n_wanted;
	if (i->task != NULL || plan_busy_on(p, i->base))
		return PICK_HELD;
	bool first = side_by_side(l, i, to);
	if (!first && l->s.upgrade_policy == UPGRADE_POLICY_INSTALL_FIRST && i->row.state == INSTANCE_READY &&
	    base_free(i->base) < to->version->row.units)
		return PICK_HELD;
	if (!first && !may_interrupt(l, ch->deployment, i, target)) {
		l->wait.unavailable = true;
		return PICK_HELD;
	}
	return chain_upgrade(e, ch, i, first, batch) ? PICK_DONE : PICK_HELD;
}

/* Held ones stay in the list, behind the cursor's place: they are asked again at the next step. */
static enum pick pick_upgrade(struct plan_env *e, struct plan *p, struct change *ch, int64_t batch) {
	struct todo *t = &p->live->upgrades;
	bool held = false;
	for (size_t k = t->next; k < t->n; k++) {
		struct instance *i = fleet_instance(e->fleet, t->ids[k]);
		enum pick got = upgrade_moot(p, ch, i) ? PICK_NONE : upgrade_try(e, p, ch, i, batch);
		held |= got == PICK_HELD;
		if (got == PICK_HELD)
			continue;
		t->ids[k] = t->ids[t->next];
		t->next++;
		if (got == PICK_DONE)
			return PICK_DONE;
	}
	return held ? PICK_HELD : PICK_NONE;
}

struct exclusion {
	struct plan *plan;
	struct deployment *deployment;
};

static bool slot_failed(const struct base *b, void *arg) {
	const struct exclusion *x = arg;
	return chain_failed_before(x->plan, x->deployment, b) || slot_ignored(x->plan, x->deployment, b);
}

static enum pick pick_new(struct plan_env *e, struct plan *p, struct change *ch, int64_t batch) {
	struct plan_live *l = p->live;
	struct revision *to = change_goal(ch);
	if (plan_goal_shrinks(p) || (to->row.replicas >= 0 && ch->deployment->n_wanted >= to->row.replicas))
		return PICK_NONE;
	struct exclusion x = { p, ch->deployment };
	struct place_req r = {
		.group = ch->deployment->group,
		.deployment = ch->deployment,
		.module = ch->deployment->module,
		.version = to->version,
		.units = to->version->row.units,
		.policy = l->s.placement,
		.excluded = slot_failed,
		.arg = &x,
	};
	struct place_cursor cursor = { 0 };
	struct base *b = place_choose(e->fleet, &r, &cursor);
	if (b == NULL) {
		l->wait.no_room = to->row.replicas >= 0;
		return to->row.replicas >= 0 ? PICK_HELD : PICK_NONE;
	}
	return chain_install(e, ch, b, batch) ? PICK_DONE : PICK_HELD;
}

/* What no base can be asked to remove is forgotten at once: it was never sent, or its base is gone for good. */
static bool vanish(struct plan_env *e, struct instance *i) {
	if (i->row.generation != 0 || i->task != NULL)
		return false;
	struct group *g = i->base->group;
	fleet_instance_remove(e->fleet, i);
	e->freed(e->arg, g);
	return true;
}

/* A victim whose base cannot be asked is removed when that comes back; its slot is done. */
static void removal_unreachable(struct plan_env *e, struct plan *p, struct instance *i, int64_t batch) {
	struct batch *b = plan_batch(p, batch);
	if (!vanish(e, i))
		instance_set_wanted(e->fleet, i, false);
	b->row.done++;
	fleet_touch(e->fleet, &b->o);
}

static enum pick removal_try(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	if (i->task != NULL || plan_busy_on(p, i->base))
		return PICK_HELD;
	if (i->row.generation == 0 || !base_reachable(i->base))
		removal_unreachable(e, p, i, batch);
	else
		chain_remove(e, ch, i, batch);
	return PICK_DONE;
}

static enum pick pick_removal(struct plan_env *e, struct plan *p, struct change *ch, int64_t batch) {
	struct todo *t = &p->live->removals;
	bool held = false;
	for (size_t k = t->next; k < t->n; k++) {
		struct instance *i = fleet_instance(e->fleet, t->ids[k]);
		bool moot = i == NULL || !i->row.wanted || i->deployment != ch->deployment || slot_ignored(p, ch->deployment, i->base);
		enum pick got = moot ? PICK_NONE : removal_try(e, p, ch, i, batch);
		held |= got == PICK_HELD;
		if (got == PICK_HELD)
			continue;
		t->ids[k] = t->ids[t->next];
		t->next++;
		if (got == PICK_DONE)
			return PICK_DONE;
	}
	return held ? PICK_HELD : PICK_NONE;
}

typedef enum pick (*picker)(struct plan_env *, struct plan *, struct change *, int64_t);
static const picker pickers[] = { pick_removal, pick_upgrade, pick_new };

int64_t batch_fill(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	struct change *ch = TAILQ_FIRST(&p->changes);
	int64_t left = b->row.size - b->row.done - b->row.failed - plan_batch_chains(p);
	bool held = false;
	if (l->todo_batch != b->row.number)
		list_work(p, ch, b->row.number);
	while (left > 0) {
		if (plan_batch_chains(p) >= l->s.max_in_flight) {
			l->wait.in_flight = true;
			return 0;
		}
		enum pick got = PICK_NONE;
		for (size_t k = 0; k < sizeof pickers / sizeof *pickers && got != PICK_DONE; k++) {
			got = pickers[k](e, p, ch, b->row.number);
			held |= got == PICK_HELD;
		}
		if (got != PICK_DONE)
			break;
		left = b->row.size - b->row.done - b->row.failed - plan_batch_chains(p);
	}
	l->wait.unplaced = left;
	return held ? 0 : left;
}
