/* Undo: a plan that takes back what another one did, as long as nothing newer was asked of that deployment. */
#include "core/conductor.h"
#include "core/demand.h"
#include "core/launch.h"
#include "core/resolve.h"
#include "plan/memo.h"

#include <stdio.h>

static bool makes_revision(enum plan_kind k) {
	return k != PLAN_KIND_RETRY && k != PLAN_KIND_REPLACE && k != PLAN_KIND_RESTART && k != PLAN_KIND_DRAIN && k != PLAN_KIND_EVICT;
}

void undo_of(const struct plan *p, struct arena *a, struct undo *ret) {
	const struct change *ch;
	size_t n = 0;
	TAILQ_FOREACH(ch, &p->changes, link)
		n += !ch->row.accompanies;
	struct undo_change *v = arena_alloc(a, (n + 1) * sizeof *v);
	*ret = (struct undo){ .plan = p->row.id, .kind = (enum plan_kind)p->row.kind, .changes = v };
	TAILQ_FOREACH(ch, &p->changes, link)
		if (!ch->row.accompanies)
			v[ret->n++] = (struct undo_change){ ch->row.deployment_id, ch->row.from_revision, ch->row.to_revision };
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

static int newer(const struct undo *u, const struct undo_change *x, const struct deployment *d, struct err *err) {
	const struct revision *now = d->current;
	bool overtaken = now->row.number != x->to_revision || (takes_away(u) && !d->row.offline);
	if (!overtaken)
		return 0;
	return err_set(err, E_STATE,
	    "deployment %s is at revision %lld by plan %lld now, newer than what plan %lld did; undo that one first, or: berth rollback %s "
	    "--to %lld",
	    d->row.name, (long long)now->row.number, (long long)now->row.plan_id, (long long)u->plan, d->row.name,
	    (long long)(x->from_revision != 0 ? x->from_revision : x->to_revision));
}

static int change_check(struct core *c, const struct undo *u, const struct undo_change *x, struct err *err) {
	struct deployment *d = fleet_deployment_by_id(c->fleet, x->deployment_id);
	if (d == NULL)
		return err_set(err, E_STATE, "the deployment that plan %lld changed is deleted; deploy it again", (long long)u->plan);
	int r = newer(u, x, d, err);
	if (r != 0)
		return r;
	if (!takes_away(u) && x->from_revision != 0 && fleet_revision(d, x->from_revision) == NULL)
		return err_set(err, E_STATE,
		    "revision %lld of %s, which plan %lld came from, is not kept any more; see: berth revisions %s",
		    (long long)x->from_revision, d->row.name, (long long)u->plan, d->row.name);
	return takes_away(u) || x->from_revision == 0 ? 0 : version_check(fleet_revision(d, x->from_revision)->version, err);
}

int undo_check(struct core *c, const struct undo *u, struct err *err) {
	int r = 0;
	if (!makes_revision(u->kind) || u->n == 0)
		return err_field(err, E_STATE, "/plan",
		    "plan %lld (%s) changed no revision, so there is nothing to go back to; stop ends it and keeps what is",
		    (long long)u->plan, word_text(WORD_PLAN_KIND, (int)u->kind));
	for (size_t k = 0; k < u->n && r == 0; k++)
		r = change_check(c, u, &u->changes[k], err);
	if (r != 0)
		err_under(err, "/plan"); /* whatever it was, it is that plan that cannot be taken back */
	return r;
}

/* The revision it goes back to; NULL: it was the first one, nothing is left. */
static struct revision *back_to(const struct undo *u, const struct undo_change *x, const struct deployment *d) {
	if (takes_away(u))
		return d->current;
	return x->from_revision == 0 ? NULL : fleet_revision(d, x->from_revision);
}

/* Everybody that would be left without, or with another version than they require, stands against it. */
static int others_check(struct core *c, const struct undo *u, struct err *err) {
	ARENA_AUTO a = arena_new();
	struct demand *v = arena_alloc(a, u->n * sizeof *v);
	for (size_t k = 0; k < u->n; k++) {
		const struct deployment *d = fleet_deployment_by_id(c->fleet, u->changes[k].deployment_id);
		const struct revision *to = back_to(u, &u->changes[k], d);
		v[k] = (struct demand){ .deployment = d,
			.module = d->module,
			.version = to == NULL ? NULL : to->version,
			.group = d->group,
			.fresh = true,
			.pointer = "/plan" };
	}
	return demand_check(c, v, u->n, err);
}

/* A first release that is taken back leaves nobody behind that requires it, unless they go together. */
static int left_behind_check(struct core *c, const struct core_who *who, const struct undo *u, bool *ret_forced, struct err *err) {
	int r = 0;
	for (size_t k = 0; k < u->n && r == 0 && u->n == 1; k++) {
		const struct deployment *d = fleet_deployment_by_id(c->fleet, u->changes[k].deployment_id);
		if (back_to(u, &u->changes[k], d) == NULL)
			r = demand_keep(who, &(struct leaving){ d, NULL, d->n_wanted, "be taken away", "/plan" }, ret_forced, err);
	}
	return r;
}

static struct launched taken_back(struct core *c, const struct core_who *who, const struct undo *u, const struct undo_change *x) {
	struct deployment *d = fleet_deployment_by_id(c->fleet, x->deployment_id);
	const struct revision *to = back_to(u, x, d);
	struct launched l = { d, d->current, d->current };
	if (to != NULL)
		l.to = revision_like(c, who, d, to);
	else
		d->row.offline = true;
	fleet_touch(c->fleet, &d->o);
	return l;
}

bool reason_missing(const struct core_who *who, struct err *err) {
	if (who->reason != NULL && *who->reason != '\0')
		return false;
	err_field(err, E_INVALID, "/meta/reason", "say why it must be, whatever that interrupts; the reason stays with the plan");
	return true;
}

int change_undo(struct core *c, const struct core_who *who, const struct undo *u, bool now, struct plan **ret_plan, struct err *err) {
	if (now && reason_missing(who, err))
		return err->code;
	ARENA_AUTO a = arena_new();
	*ret_plan = undo_under_way(c, u->plan);
	if (*ret_plan != NULL) {
		if (now)
			plan_hurry(&c->plans, *ret_plan, who->reason);
		return 0;
	}
	int r = undo_check(c, u, err);
	if (r == 0)
		r = others_check(c, u, err);
	bool forced = false;
	if (r == 0)
		r = left_behind_check(c, who, u, &forced, err);
	if (r != 0)
		return r;
	struct launched *v = arena_alloc(a, u->n * sizeof *v);
	for (size_t k = 0; k < u->n; k++)
		v[k] = taken_back(c, who, u, &u->changes[k]);
	struct launch x = { .kind = PLAN_KIND_UNDO, .undoes = u->plan, .supersede = true, .now = now, .forced = forced };
	*ret_plan = launch(c, who, v, u->n, &x);
	return 0;
}

/* A plan's own way out of its failures; a person reads of it as done by the server. */
bool undo_by_itself(struct core *c, struct plan *p, const char *why) {
	ARENA_AUTO a = arena_new();
	struct undo u;
	struct plan *back;
	struct err err = ERR_INIT;
	char reason[256];
	undo_of(p, a, &u);
	snprintf(reason, sizeof reason, "plan %lld: %s", (long long)p->row.id, why);
	struct core_who who = { .tenant_id = p->row.tenant_id, .actor = "berth", .reason = reason };
	return change_undo(c, &who, &u, false, &back, &err) == 0;
}
