/* Modules that require each other on one base, in one plan: what is exchanged in place takes those that require it along, they go first and
 * come back last. In which order the base is told is decided where tasks are sent (sched/requires.h); here only what begins together, and
 * what fails together. */
#include "plan/live.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "sched/requires.h"

#define MAX_DEPTH 16 /* requirements have no cycles; rows that somebody edited might */

/* ---- beginning ------------------------------------------------------------------------------------------------------------------------
 */
struct company {
	struct instance **v;
	size_t n;
};

static void company_add(struct plan_env *e, struct company *x, const struct instance *of, int depth) {
	const struct instance *i = NULL;
	while (depth < MAX_DEPTH && (i = requirer_of(of, i)) != NULL) {
		bool known = false;
		for (size_t k = 0; k < x->n; k++)
			known |= x->v[k] == i;
		if (known)
			continue;
		x->v[x->n++] = fleet_instance(e->fleet, i->row.id);
		company_add(e, x, i, depth + 1);
	}
}

/* Does what it is now do with the version that the required one gives way to? */
static bool does_with(const struct instance *i, const struct version *required) {
	ARENA_AUTO a = arena_new();
	struct requirement r;
	return !requires_module(i->version, required->module, a, &r) || requirement_meets(&r, required);
}

/* It comes back as what it is, or, left behind by an earlier plan and not fit for what comes, as what is wanted of it. */
static struct revision *comes_back_as(struct plan *p, const struct instance *i, const struct version *required) {
	struct change *ch = change_of(p, i->deployment);
	struct revision *own = fleet_revision(i->deployment, i->row.revision);
	return own != NULL && !slot_left(p, ch, i) && does_with(i, required) ? own : change_goal(ch);
}

void order_waits(struct plan *p, const struct instance *x) {
	struct plan_wait *w = &p->live->wait;
	w->order = true;
	w->order_id = x->row.id;
	w->elsewhere |= x->deployment != NULL && x->deployment->plan != NULL && x->deployment->plan != p;
}

/* Can it go now, and is it for this plan to say so? */
static bool may_go(struct plan *p, const struct instance *i, const struct version *required) {
	struct change *ch = i->deployment == NULL ? NULL : change_of(p, i->deployment);
	struct plan_live *l = p->live;
	if (ch == NULL || !i->row.wanted || i->task != NULL || chain_find(p, ch->deployment, i->base) != NULL || change_shrinks(ch) ||
	    slot_ignored(p, ch->deployment, i->base) || !slot_can_succeed(i, comes_back_as(p, i, required))) {
		order_waits(p, i);
		return false;
	}
	l->wait.unavailable |= !may_interrupt(p, ch, i);
	return may_interrupt(p, ch, i);
}

/* One that the plan has nothing else to do with is one more in the batch. */
static void take_along(struct plan_env *e, struct plan *p, struct instance *i, const struct version *required, int64_t batch) {
	struct change *ch = change_of(p, i->deployment);
	struct batch *b = plan_batch(p, batch);
	bool planned = slot_left(p, ch, i);
	if (!chain_upgrade(e, ch, i, comes_back_as(p, i, required), false, batch))
		return; /* what was asked before holds: it cannot be */
	b->row.size += !planned;
	fleet_touch(e->fleet, &b->o);
}

bool together_begin(struct plan_env *e, struct plan *p, struct change *ch, struct instance *old, struct revision *to, int64_t batch) {
	ARENA_AUTO a = arena_new();
	struct company x = { .v = arena_alloc(a, ((size_t)old->base->n_instances + 1) * sizeof *x.v) };
	company_add(e, &x, old, 0);
	for (size_t k = 0; k < x.n; k++)
		if (!may_go(p, x.v[k], to->version))
			return false;
	if (!chain_upgrade(e, ch, old, to, false, batch))
		return false;
	for (size_t k = 0; k < x.n; k++)
		take_along(e, p, x.v[k], to->version, batch);
	return true;
}

/* ---- what it needs ----------------------------------------------------------------------------------------------------------------------
 */
/* It will be what is required: this plan changes it, or somebody is at work on it. */
static bool on_its_way(struct plan *p, const struct instance *i, const struct requirement *r) {
	const struct change *ch = i->deployment == NULL ? NULL : change_of(p, i->deployment);
	bool coming = i->row.state == INSTANCE_PENDING || i->row.state == INSTANCE_INSTALLING || i->row.state == INSTANCE_MISSING ||
	              i->row.state == INSTANCE_UNKNOWN;
	return (ch != NULL && slot_left(p, ch, i)) || (coming && requirement_meets(r, i->version));
}

void order_waits_for_needs(struct plan *p, const struct base *b, const struct version *v) {
	const struct instance *x;
	struct requirement r;
	TAILQ_FOREACH(x, &b->instances, base_link) {
		ARENA_AUTO a = arena_new();
		if (x->row.wanted && requires_module(v, x->version->module, a, &r) &&
		    (x->row.state != INSTANCE_READY || !requirement_meets(&r, x->version)))
			order_waits(p, x);
	}
}

static bool failed_here(struct plan *p, const struct base *b, const struct module *m) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->deployment->module == m && (chain_failed_before(p, ch->deployment, b) || slot_ignored(p, ch->deployment, b)))
			return true;
	return false;
}

static enum need need_of(struct plan *p, const struct base *b, const struct requirement *r) {
	const struct instance *i;
	bool coming = false;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (!i->row.wanted || strcmp(i->version->module->row.name, r->module) != 0)
			continue;
		if (i->row.state == INSTANCE_READY && requirement_meets(r, i->version))
			return NEED_MET;
		coming |= on_its_way(p, i, r);
	}
	if (failed_here(p, b, fleet_module(p->tenant, r->module)))
		return NEED_FAILED;
	return coming ? NEED_COMES : NEED_ELSEWHERE;
}

enum need needs(struct plan *p, const struct base *b, const struct version *v) {
	enum need worst = NEED_MET;
	if (!requires_any(v))
		return worst;
	ARENA_AUTO a = arena_new();
	struct requirement *list;
	size_t n = requires_of(v, a, &list);
	for (size_t k = 0; k < n; k++) {
		enum need x = need_of(p, b, &list[k]);
		worst = x > worst ? x : worst;
	}
	return worst;
}

int64_t companions_units(struct plan *p, const struct change *ch) {
	const struct change *x;
	int64_t units = 0;
	TAILQ_FOREACH(x, &p->changes, link) {
		const struct revision *to = x->row.accompanies || change_shrinks(x) ? NULL : change_goal(x);
		ARENA_AUTO a = arena_new();
		struct requirement r;
		bool more = to != NULL && (to->row.replicas < 0 || x->deployment->n_wanted < to->row.replicas);
		if (more && requires_module(to->version, ch->deployment->module, a, &r))
			units += to->version->row.units;
	}
	return units;
}

/* ---- failing --------------------------------------------------------------------------------------------------------------------------
 */
/* Of a chain that did nothing to its base yet. */
static struct task *first_task(const struct plan_env *e, const struct chain *c, const struct instance *fresh) {
	const struct instance *old = c->old_id == 0 ? NULL : fleet_instance(e->fleet, c->old_id);
	struct task *t = fresh->task != NULL ? fresh->task : old != NULL ? old->task : NULL;
	return t != NULL && (t->row.state == TASK_PENDING || t->row.kind == TASK_KIND_BEFORE_SWAP) ? t : NULL;
}

static struct task *stranded(struct plan_env *e, struct plan *p, const struct chain *c) {
	struct chain *x, *next;
	HASH_ITER(hh, p->live->chains, x, next) {
		const struct instance *fresh = x == c || x->base != c->base || x->new_id == 0 ? NULL : fleet_instance(e->fleet, x->new_id);
		struct task *t = fresh == NULL ? NULL : first_task(e, x, fresh);
		ARENA_AUTO a = arena_new();
		struct requirement r;
		if (t != NULL && t->plan == p && requires_module(fresh->version, c->change->deployment->module, a, &r))
			return t;
	}
	return NULL;
}

void together_failed(struct plan_env *e, struct plan *p, const struct chain *c) {
	char text[200];
	struct task *t;
	snprintf(
	    text, sizeof text, "%s, which it requires on %s, failed there", c->change->deployment->module->row.name, c->base->row.name);
	struct task_outcome o = { .fault = FAULT_MODULE, .cause = text };
	while ((t = stranded(e, p, c)) != NULL)
		plan_task_outcome(e, t, &o);
}
