/* What a group does by itself about modules that nobody told Berth about (its unmanagedPolicy). A finding stands for a while first; then it
 * is adopted, or an eviction begins, which has its own grace and can be called off like anybody's. Only where bases are commanded, nobody
 * froze the group, and nothing suggests that it is the network that is ill. */
#include "core/conductor.h"

#include <stdio.h>

#define SETTLE_US (10 * US_PER_S) /* what is on its way through is not acted on */
#define AGAIN_US (30 * US_PER_S)  /* what stood against it is looked at again */
#define ACTOR "policy"

/* What is done about this one. Repairing is about wanted modules only: another version beside one of them goes, a stranger stays. */
static int policy_of(const struct finding *x) {
	bool drift = x->row.kind == FINDING_VERSION_DRIFT;
	if (x->base == NULL || x->row.module == NULL || (x->row.kind != FINDING_UNMANAGED && !drift))
		return UNMANAGED_REPORT;
	int policy = x->base->group->row.unmanaged_policy;
	return policy == UNMANAGED_REPAIR && !drift ? UNMANAGED_REPORT : policy;
}

/* One entry of the agenda counts per finding, the earliest. */
static void look(struct core *c, struct finding *x, int64_t us) {
	mono_t at = mono_add(c->mono, us);
	if (x->look_at.us != 0 && !mono_before(at, x->look_at))
		return;
	x->look_at = at;
	agenda_add(&c->agenda, at, AGENDA_FINDING, x->row.id);
}

void policy_found(struct core *c, struct finding *x) {
	if (policy_of(x) != UNMANAGED_REPORT)
		look(c, x, SETTLE_US);
}

void policy_changed(struct core *c, const struct group *g) {
	const struct base *b;
	struct finding *x;
	TAILQ_FOREACH(b, &g->bases, group_link)
		TAILQ_FOREACH(x, &b->findings, base_link)
			policy_found(c, x);
}

bool policy_may_act(const struct finding *x) {
	const struct base *b = x->base;
	const struct group *g = b->group;
	bool froze = g->row.freeze_reason != NULL && *g->row.freeze_reason != '\0';
	return x->row.ignored_at.us == 0 && eviction_of(x) == NULL && !group_observed(g) && !froze && !brake_holds(b) &&
	       b->row.state == BASE_READY && b->connected && !b->flooding;
}

/* ---- what is done ----------------------------------------------------------------------------------------------------------------------
 */

/* What another module requires stays, and whatever else refuses a person refuses this, too. */
static void evict(struct core *c, const struct core_who *who, struct finding *x) {
	struct plan *p;
	struct err err = ERR_INIT;
	(void)change_evict(c, who, x, EVICT_GRACE_US, &p, &err);
}

/* All that the group's bases hold of that module, so that they become one deployment. */
static void adopt(struct core *c, const struct core_who *who, struct finding *x) {
	ARENA_AUTO a = arena_new();
	struct adopt_spec spec = { .group = x->base->group, .module = arena_strdup(a, x->row.module), .by_policy = true };
	struct adoption *made;
	size_t n;
	struct err err = ERR_INIT;
	(void)change_adopt(c, who, &spec, a, &made, &n, &err);
}

static void (*const acts[])(struct core *, const struct core_who *, struct finding *) = {
	[UNMANAGED_NONE] = NULL,
	[UNMANAGED_REPORT] = NULL,
	[UNMANAGED_REPAIR] = evict,
	[UNMANAGED_ADOPT] = adopt,
	[UNMANAGED_EVICT] = evict,
};

/* Somebody stopped what the policy began: that is a decision about this finding, and stays one. */
static bool called_off(struct core *c, struct finding *x) {
	const struct plan *p = x->plan;
	if (p == NULL || p->row.state != PLAN_STOPPED || !text_same(p->row.actor, ACTOR) || x->row.ignored_at.us != 0)
		return false;
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	struct core_who who = { .actor = ACTOR,
		.reason = arena_printf(a, "plan %lld was stopped%s%s", (long long)p->row.id, p->row.state_reason == NULL ? "" : ": ",
		    p->row.state_reason == NULL ? "" : p->row.state_reason) };
	c->who = who;
	(void)change_ignore(c, &who, x, true, &err);
	c->who = (struct core_who){ 0 };
	return true;
}

void policy_plan_ended(struct core *c, const struct plan *p) {
	if (p->evicts != NULL && p->row.state == PLAN_STOPPED)
		look(c, p->evicts, 0);
}

void policy_due(struct core *c, struct finding *x) {
	int policy = policy_of(x);
	int64_t id = x->row.id;
	if (x->look_at.us == 0 || mono_before(c->mono, x->look_at))
		return; /* an entry that another overtook */
	x->look_at = (mono_t){ 0 };
	c->culprit = (struct culprit){ CULPRIT_BASE, x->row.base_id };
	if (called_off(c, x) || x->row.ignored_at.us != 0 || acts[policy] == NULL)
		return;
	if (policy_may_act(x)) {
		char reason[128];
		snprintf(reason, sizeof reason, "unmanagedPolicy of group %.64s is %s", x->base->group->row.name,
		    word_text(WORD_UNMANAGED, policy));
		struct core_who who = { .tenant_id = x->tenant->row.id, .actor = ACTOR, .reason = reason };
		c->who = who;
		acts[policy](c, &who, x);
		c->who = (struct core_who){ 0 };
	}
	x = fleet_finding(c->fleet, id);
	if (x != NULL)
		look(c, x, AGAIN_US);
}
