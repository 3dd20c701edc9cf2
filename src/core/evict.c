/* Evicting what nobody told Berth about: who may ask for it, what calls it off, when it is looked at again. How it goes is in plan/evict.c.
 */
#include "core/conductor.h"
#include "core/launch.h"

const struct plan *eviction_of(const struct finding *x) {
	return x->plan == NULL || word_terminal(WORD_PLAN, x->plan->row.state) ? NULL : x->plan;
}

void evictions_due(struct core *c, const struct base *b) {
	const struct finding *x;
	TAILQ_FOREACH(x, &b->findings, base_link)
		if (eviction_of(x) != NULL)
			plan_due(c, x->plan->row.id);
}

void evicted(struct core *c, const struct task *t) {
	finding_clear(c, FINDING_UNMANAGED, t->base, t->row.module, t->row.version);
	finding_clear(c, FINDING_VERSION_DRIFT, t->base, t->row.module, t->row.version);
}

int eviction_call_off(struct core *c, const struct finding *x, const char *why, struct err *err) {
	if (eviction_of(x) == NULL)
		return 0;
	if (x->plan->n_sent > 0)
		return err_set(err, E_STATE, "plan %lld takes %s:%s out of base %s just now; see: berth plan show %lld",
		    (long long)x->plan->row.id, x->row.module, x->row.version, x->base->row.name, (long long)x->plan->row.id);
	plan_stop(&c->plans, x->plan, why);
	return 0;
}

static int evict_check(const struct core_who *who, const struct finding *x, bool *ret_forced, struct err *err) {
	long long id = (long long)x->row.id;
	if ((x->row.kind != FINDING_UNMANAGED && x->row.kind != FINDING_VERSION_DRIFT) || x->base == NULL || x->row.module == NULL)
		return err_set(err, E_STATE, "finding %lld is \"%s\"; only unmanaged modules and version drift can be evicted", id,
		    word_text(WORD_FINDING, x->row.kind));
	if (x->row.ignored_at.us != 0)
		return err_set(
		    err, E_STATE, "finding %lld is let be (%s); first: berth finding unignore %lld", id, x->row.ignore_reason, id);
	if (group_observed(x->base->group))
		return err_set(err, E_STATE,
		    "group %s is only observed, nothing is taken out of its bases; first: berth group set %s --mode manage",
		    x->base->group->row.name, x->base->group->row.name);
	const struct instance *i = plan_evict_misser(x);
	*ret_forced = i != NULL;
	if (i == NULL)
		return 0;
	if (!who->force)
		return err_set(err, E_CONFLICT,
		    "%s:%s on %s requires %s; adopt it instead: berth finding adopt %lld; or, with what that breaks in mind: --force "
		    "--reason "
		    "WHY",
		    i->version->module->row.name, i->version->row.name, x->base->row.name, x->row.module, id);
	return reason_missing(who, err) ? err->code : 0;
}

/* What holds it, one that came to require it in its grace, does so no longer. */
static int eviction_force(struct core *c, const struct core_who *who, struct plan *p, struct err *err) {
	if (reason_missing(who, err))
		return err->code;
	plan_force(&c->plans, p, who->reason);
	plan_due(c, p->row.id);
	return 0;
}

int change_evict(struct core *c, const struct core_who *who, struct finding *x, int64_t grace_us, struct plan **ret_plan, struct err *err) {
	bool forced = false;
	char d[48];
	*ret_plan = eviction_of(x) == NULL ? NULL : x->plan;
	if (*ret_plan != NULL)
		return who->force && plan_evict_misser(x) != NULL ? eviction_force(c, who, x->plan, err) : 0;
	if (grace_us < 0 || grace_us > EVICT_GRACE_MAX_US)
		return err_field(err, E_INVALID, "/grace", "the grace is from 0s to 24h");
	if (evict_check(who, x, &forced, err) != 0)
		return err->code;
	struct launch l = { .kind = PLAN_KIND_EVICT, .evicts = x->row.id, .grace_us = grace_us, .forced = forced };
	struct event_facts f = { .kind = "plan.created", .base = x->base, .version = version_of_finding(c, who->actor, x) };
	f.plan = *ret_plan = launch_eviction(c, who, x->tenant, &l);
	core_event(c, &f, "evict %s:%s from %s after %s", x->row.module, x->row.version, x->base->row.name, duration_format(grace_us, d));
	return 0;
}
