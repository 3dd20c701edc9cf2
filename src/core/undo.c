/* Undo: a plan that takes back what another one did, as long as nothing newer was asked of that deployment. */
#include "core/conductor.h"
#include "core/launch.h"
#include "plan/memo.h"

#include <stdio.h>

static bool makes_revision(enum plan_kind k) {
	return k != PLAN_KIND_RETRY && k != PLAN_KIND_REPLACE && k != PLAN_KIND_RESTART && k != PLAN_KIND_DRAIN && k != PLAN_KIND_EVICT;
}

void undo_of(const struct plan *p, struct undo *ret) {
	const struct change *ch = TAILQ_FIRST(&p->changes);
	*ret = (struct undo){ .plan = p->row.id, .kind = (enum plan_kind)p->row.kind };
	if (ch == NULL)
		return;
	ret->deployment_id = ch->row.deployment_id;
	ret->from_revision = ch->row.from_revision;
	ret->to_revision = ch->row.to_revision;
}

/* The unfinished plan that takes it back already. */
static struct plan *undo_under_way(struct core *c, int64_t plan) {
	for (struct plan *p = fleet_plans(c->fleet); p != NULL; p = p->hh_id.next)
		if (p->row.kind == PLAN_KIND_UNDO && !word_terminal(WORD_PLAN, p->row.state) && plan_memo(p)->undoes == plan)
			return p;
	return NULL;
}

/* Offline and delete change no revision: what they took away is back as soon as the deployment is not offline any more. */
static bool takes_away(const struct undo *u) {
	return u->kind == PLAN_KIND_OFFLINE || u->kind == PLAN_KIND_DELETE;
}

static int newer(const struct undo *u, const struct deployment *d, struct err *err) {
	const struct revision *now = d->current;
	bool overtaken = now->row.number != u->to_revision || (takes_away(u) && !d->row.offline);
	if (!overtaken)
		return 0;
	return err_set(err, E_STATE,
	    "deployment %s is at revision %lld by plan %lld now, newer than what plan %lld did; undo that one first, or: berth rollback %s "
	    "--to %lld",
	    d->row.name, (long long)now->row.number, (long long)now->row.plan_id, (long long)u->plan, d->row.name,
	    (long long)(u->from_revision != 0 ? u->from_revision : u->to_revision));
}

int undo_check(struct core *c, const struct undo *u, struct deployment **ret, struct err *err) {
	struct deployment *d = fleet_deployment_by_id(c->fleet, u->deployment_id);
	if (!makes_revision(u->kind))
		return err_set(err, E_STATE,
		    "plan %lld (%s) changed no revision, so there is nothing to go back to; stop ends it and keeps what is",
		    (long long)u->plan, word_text(WORD_PLAN_KIND, (int)u->kind));
	if (d == NULL)
		return err_set(err, E_STATE, "the deployment that plan %lld changed is deleted; deploy it again", (long long)u->plan);
	int r = newer(u, d, err);
	if (r != 0)
		return r;
	if (!takes_away(u) && u->from_revision != 0 && fleet_revision(d, u->from_revision) == NULL)
		return err_set(err, E_STATE,
		    "revision %lld of %s, which plan %lld came from, is not kept any more; see: berth revisions %s",
		    (long long)u->from_revision, d->row.name, (long long)u->plan, d->row.name);
	*ret = d;
	return 0;
}

bool reason_missing(const struct core_who *who, struct err *err) {
	if (who->reason != NULL && *who->reason != '\0')
		return false;
	err_field(err, E_INVALID, "/meta/reason", "say why it must be now, whatever that interrupts; the reason stays with the plan");
	return true;
}

int change_undo(struct core *c, const struct core_who *who, const struct undo *u, bool now, struct plan **ret_plan, struct err *err) {
	struct deployment *d;
	if (now && reason_missing(who, err))
		return err->code;
	*ret_plan = undo_under_way(c, u->plan);
	if (*ret_plan != NULL) {
		if (now)
			plan_hurry(&c->plans, *ret_plan, who->reason);
		return 0;
	}
	int r = undo_check(c, u, &d, err);
	if (r != 0)
		return r;
	struct launch x = { .kind = PLAN_KIND_UNDO, .undoes = u->plan, .supersede = true, .now = now };
	if (u->from_revision == 0 && !takes_away(u))
		*ret_plan = launch_away(c, who, d, &x);
	else
		*ret_plan = launch_revision(c, who, d, takes_away(u) ? d->current : fleet_revision(d, u->from_revision), &x);
	return 0;
}

/* A plan's own way out of its failures; a person reads of it as done by the server. */
bool undo_by_itself(struct core *c, struct plan *p, const char *why) {
	struct undo u;
	struct plan *back;
	struct err err = ERR_INIT;
	char reason[256];
	undo_of(p, &u);
	snprintf(reason, sizeof reason, "plan %lld: %s", (long long)p->row.id, why);
	struct core_who who = { .tenant_id = p->row.tenant_id, .actor = "berth", .reason = reason };
	return change_undo(c, &who, &u, false, &back, &err) == 0;
}
