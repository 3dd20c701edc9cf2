/* What a change has to do, counted from the fleet of now, and how that is cut into batches. */
#include "plan/live.h"

#include <stdlib.h>
#include <string.h>

static bool text_same(const char *a, const char *b) {
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool config_same(const char *a, const char *b, const char *empty) {
	return text_same(a == NULL || *a == '\0' ? empty : a, b == NULL || *b == '\0' ? empty : b);
}

/* Two revisions that differ in replicas or strategy only need no task on a base. */
static bool revision_same_content(const struct revision *a, const struct revision *b) {
	return a->version == b->version && config_same(a->row.args, b->row.args, "[]") && config_same(a->row.env, b->row.env, "{}");
}

bool instance_behind(const struct instance *i, const struct revision *to) {
	if (i->row.revision == to->row.number)
		return false;
	if (i->version != to->version)
		return true;
	const struct revision *at = fleet_revision(to->deployment, i->row.revision);
	return at == NULL || !revision_same_content(at, to);
}

struct revision *change_goal(const struct change *ch) {
	return fleet_revision(ch->deployment, ch->row.to_revision);
}

struct change *change_of(const struct plan *p, const struct deployment *d) {
	struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->deployment == d)
			return ch;
	return NULL;
}

bool plan_keeps_revision(const struct plan *p) {
	return p->row.kind == PLAN_KIND_DRAIN || p->row.kind == PLAN_KIND_REPLACE || p->row.kind == PLAN_KIND_RESTART;
}

struct revision *slot_goal(const struct plan *p, const struct change *ch, const struct instance *i) {
	struct revision *own = plan_keeps_revision(p) ? fleet_revision(ch->deployment, i->row.revision) : NULL;
	return own != NULL ? own : change_goal(ch);
}

/* Drain, replace and restart are about instances that were there when they were asked for. */
static bool in_move(struct plan *p, const struct instance *i) {
	const struct plan_memo *m = plan_memo(p);
	bool there = m->base_id == i->row.base_id || (m->base_id == 0 && (m->n_bases == 0 || memo_names(m, i->row.base_id)));
	if (MUTANT(drain_some) && i == TAILQ_FIRST(&i->base->instances))
		return false;
	return there && (m->before == 0 || i->row.id <= m->before);
}

bool plan_leaves_yet(struct plan *p) {
	const struct change *ch;
	const struct instance *i;
	TAILQ_FOREACH(ch, &p->changes, link)
		TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
			if (!i->row.wanted && i->row.generation != 0 && in_move(p, i) && base_reachable(i->base) &&
			    !slot_ignored(p, ch->deployment, i->base))
				return true;
	return false;
}

bool slot_left(struct plan *p, const struct change *ch, const struct instance *i) {
	if (!i->row.wanted || i->deployment != ch->deployment || ch->row.accompanies)
		return false;
	if (plan_keeps_revision(p))
		return in_move(p, i);
	return change_shrinks(ch) || instance_behind(i, change_goal(ch));
}

/* An undo that goes to no other revision takes back a first release: nothing is left. */
bool change_shrinks(const struct change *ch) {
	const struct plan *p = ch->plan;
	bool takes_back_all = p->row.kind == PLAN_KIND_UNDO && ch->row.from_revision == ch->row.to_revision && !ch->row.accompanies;
	return p->row.kind == PLAN_KIND_OFFLINE || p->row.kind == PLAN_KIND_DELETE || takes_back_all;
}

/* Going back asks nobody and waits for nothing, and is not itself taken back. */
static void strategy_for_return(struct strategy *s) {
	s->confirm = CONFIRM_NONE;
	s->soak_us = 0;
	s->beta[0] = s->gate_probe[0] = s->gate_url[0] = '\0';
	s->gate_state = CHOICE_NO;
	s->gate_failed = (struct amount){ AMOUNT_UNSET, 0 };
	if (s->on_failure == ON_FAILURE_UNDO)
		s->on_failure = ON_FAILURE_PAUSE;
}

/* Somebody in need: everything at once, fewer ready than usual for a while. */
static void strategy_now(struct strategy *s) {
	struct strategy at_once = strategy_unset;
	at_once.batches[0] = at_once.max_unavailable = (struct amount){ AMOUNT_ALL, 0 };
	at_once.n_batches = 1;
	strategy_merge(s, &at_once);
	s->confirm = CONFIRM_NONE;
	s->soak_us = 0;
	s->beta[0] = '\0';
}

static int64_t wanted_bases(const struct deployment *d, const struct revision *to) {
	const struct group *g = d->group;
	return to->row.replicas >= 0 ? to->row.replicas : g->n_bases - g->n_state[BASE_LOST] - g->n_state[BASE_STOPPED];
}

/* instance_behind() of all that are wanted, without a look at each. */
static int64_t behind_count(const struct deployment *d, const struct revision *to) {
	int64_t n = d->n_wanted - to->n_wanted;
	const struct revision *r;
	TAILQ_FOREACH(r, &d->revisions, link)
		if (r != to && revision_same_content(r, to))
			n -= r->n_wanted - r->n_other;
	return n;
}

int64_t renamed_count(const struct deployment *d, const struct revision *to) {
	return d->n_wanted - to->n_wanted - behind_count(d, to);
}

void plan_work_count(const struct deployment *d, const struct revision *to, bool offline, struct plan_work *ret) {
	*ret = (struct plan_work){ 0 };
	ret->target = offline ? 0 : wanted_bases(d, to);
	if (to != NULL)
		ret->behind = behind_count(d, to);
	if (d->n_wanted < ret->target)
		ret->out = ret->target - d->n_wanted;
	else
		ret->in = d->n_wanted - ret->target;
	if (ret->behind > ret->target)
		ret->behind = ret->target;
	ret->total = ret->behind + ret->out + ret->in;
}

void plan_work_left(struct plan *p, const struct change *ch, struct plan_work *ret) {
	const struct instance *i;
	if (!plan_keeps_revision(p) && !ch->row.accompanies) {
		plan_work_count(ch->deployment, change_goal(ch), change_shrinks(ch), ret);
		return;
	}
	*ret = (struct plan_work){ .target = ch->deployment->n_wanted };
	TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
		ret->behind += slot_left(p, ch, i);
	ret->total = ret->behind;
}

int64_t plan_slots(struct plan *p, bool *ret_shrinks) {
	const struct change *ch;
	int64_t total = 0;
	bool shrinks = true;
	TAILQ_FOREACH(ch, &p->changes, link) {
		struct plan_work w;
		plan_work_left(p, ch, &w);
		total += w.total;
		shrinks &= w.behind == 0 && w.out == 0;
	}
	if (ret_shrinks != NULL)
		*ret_shrinks = shrinks;
	return total;
}

/* What concerns the whole plan (how it is cut, when it asks, what it does about failures) is said once: the first change that says it
 * counts. */
static void strategy_shared(const struct plan *p, struct strategy *ret) {
	const struct change *ch;
	*ret = strategy_unset;
	TAILQ_FOREACH(ch, &p->changes, link) {
		const struct revision *to = ch->row.accompanies ? NULL : change_goal(ch);
		struct strategy said = to == NULL ? strategy_unset : to->strategy;
		strategy_merge(&said, ret);
		*ret = said;
	}
}

void change_strategy(const struct change *ch, struct strategy *ret) {
	const struct revision *to = change_goal(ch);
	const struct group *g = ch->deployment->group;
	*ret = to == NULL || ch->plan->row.kind == PLAN_KIND_DRAIN ? strategy_unset : to->strategy;
	if (plan_memo(ch->plan)->now)
		strategy_now(ret);
	strategy_resolve(ret, ch->deployment->n_wanted, (enum upgrade_policy)g->row.upgrade_policy, (enum placement)g->row.placement);
}

void live_strategy_reset(struct plan *p) {
	struct plan_live *l = live_get(p);
	free(l->of);
	l->of = NULL;
	plan_strategy(p, &l->s);
}

const struct strategy *strategy_of(struct plan *p, const struct change *ch) {
	struct plan_live *l = live_get(p);
	const struct change *x;
	if (l->of == NULL) {
		l->of = calloc((size_t)TAILQ_LAST(&p->changes, change_list)->row.number + 1, sizeof *l->of);
		if (l->of == NULL)
			abort();
		TAILQ_FOREACH(x, &p->changes, link)
			change_strategy(x, &l->of[x->row.number]);
	}
	return &l->of[ch->row.number];
}

void plan_strategy(struct plan *p, struct strategy *ret) {
	const struct change *ch = TAILQ_FIRST(&p->changes);
	*ret = strategy_unset;
	if (ch == NULL)
		return;
	strategy_shared(p, ret);
	if (p->row.kind == PLAN_KIND_ROLLBACK || p->row.kind == PLAN_KIND_UNDO)
		strategy_for_return(ret);
	if (p->row.kind == PLAN_KIND_DRAIN) /* of whatever is on one base: no deployment's own way of rolling */
		*ret = strategy_unset;
	if (plan_memo(p)->now)
		strategy_now(ret);
	bool shrinks, cut = ret->n_batches > 0 || ret->batch_count > 0 || ret->batches_by[0] != '\0';
	int64_t total = plan_slots(p, &shrinks);
	if ((shrinks || p->row.kind == PLAN_KIND_DRAIN) && !cut) { /* taking away needs no canary */
		ret->batches[0] = (struct amount){ AMOUNT_ALL, 0 };
		ret->n_batches = 1;
	}
	strategy_resolve(ret, total, (enum upgrade_policy)ch->deployment->group->row.upgrade_policy,
	    (enum placement)ch->deployment->group->row.placement);
}
