/* Verbs on plans: what fits which state, and saying why not. */
#include "core/conductor.h"
#include "core/launch.h"

#include <stdio.h>

static const char *const names[VERB_COUNT] = { "pause", "resume", "confirm", "retry", "ignore", "undo", "stop" };

const char *plan_verb_name(enum plan_verb v) {
	return names[v];
}

#define BIT(verb) (1u << VERB_##verb)
static const unsigned by_state[] = {
	[PLAN_QUEUED] = BIT(STOP),
	[PLAN_RUNNING] = BIT(PAUSE) | BIT(IGNORE) | BIT(STOP),
	[PLAN_SOAKING] = BIT(PAUSE) | BIT(IGNORE) | BIT(STOP),
	[PLAN_PAUSED] = BIT(RESUME) | BIT(IGNORE) | BIT(STOP),
	[PLAN_CONFIRMING] = BIT(CONFIRM) | BIT(PAUSE) | BIT(IGNORE) | BIT(STOP),
	[PLAN_SUPERSEDED] = 0,
};

unsigned plan_verbs_allowed(struct core *c, const struct plan *p) {
	unsigned set = by_state[p->row.state];
	struct undo u;
	ARENA_AUTO a = arena_new();
	if (set != 0 && plan_failures(p) > 0)
		set |= BIT(RETRY);
	if (plan_gated(p))
		set |= BIT(CONFIRM);
	undo_of(p, a, &u);
	if (p->row.state != PLAN_UNDONE && p->row.state != PLAN_SUPERSEDED && undo_check(c, &u, NULL) == 0)
		set |= BIT(UNDO);
	return set;
}

static int not_now(struct core *c, const struct plan *p, enum plan_verb v, struct err *err) {
	char list[96] = "";
	unsigned allowed = plan_verbs_allowed(c, p);
	for (int k = 0; k < VERB_COUNT; k++) {
		size_t at = strlen(list);
		if (allowed & 1u << k)
			snprintf(list + at, sizeof list - at, "%s%s", at == 0 ? "" : ", ", names[k]);
	}
	return err_field(err, E_STATE, "/plan", "plan %lld is %s and cannot %s%s%s", (long long)p->row.id,
	    word_text(WORD_PLAN, p->row.state), names[v], *list ? "; it can: " : "; it has ended", list);
}

static int confirm(struct core *c, struct plan *p, int64_t batch, struct err *err) {
	const struct batch *b;
	if (plan_confirm(&c->plans, p, batch))
		return 0;
	TAILQ_FOREACH(b, &p->batches, link)
		if (b->row.state == BATCH_CONFIRMING || (b->row.state == BATCH_SOAKING && plan_gated(p)))
			return err_field(err, E_STATE, "/batch", "batch %lld waits to be confirmed: berth plan confirm %lld %lld",
			    (long long)b->row.number, (long long)p->row.id, (long long)b->row.number);
	return not_now(c, p, VERB_CONFIRM, err);
}

static bool has_task(const struct plan *p, int64_t id) {
	const struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.id == id)
			return true;
	return false;
}

static bool in_groups(const struct plan *p, const struct base *b) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->deployment != NULL && ch->deployment->group == b->group)
			return true;
	return false;
}

static int scope_check(const struct plan *p, const struct verb_spec *s, struct err *err) {
	if (s->task != 0 && !has_task(p, s->task))
		return err_field(err, E_NOT_FOUND, "/task", "plan %lld has no task %lld; see: berth plan show %lld", (long long)p->row.id,
		    (long long)s->task, (long long)p->row.id);
	if (s->base != NULL && !in_groups(p, s->base))
		return err_field(err, E_INVALID, "/base", "base %s is in group %s, which plan %lld does not touch", s->base->row.name,
		    s->base->group->row.name, (long long)p->row.id);
	return 0;
}

/* What the plan does not try itself. */
static void left_to_repair(struct core *c, const struct plan *p) {
	const struct change *ch;
	const struct instance *i;
	TAILQ_FOREACH(ch, &p->changes, link)
		for (i = ch->deployment == NULL ? NULL : TAILQ_FIRST(&ch->deployment->instances); i != NULL;
		     i = TAILQ_NEXT(i, deployment_link))
			if (i->task == NULL && (!i->row.wanted || i->row.state == INSTANCE_MISSING))
				agenda_add(&c->agenda, c->mono, AGENDA_REPAIR, i->row.id);
}

static int retry(struct core *c, struct plan *p, const struct verb_spec *s, struct err *err) {
	struct plan_scope scope = { s->base, s->task, s->batch };
	bool whole = s->base == NULL && s->task == 0 && s->batch == 0;
	if (by_state[p->row.state] == 0 || p->row.state == PLAN_QUEUED)
		return not_now(c, p, VERB_RETRY, err);
	int r = scope_check(p, s, err);
	if (r != 0)
		return r;
	if (!whole && plan_failed_count(p, &scope) == 0)
		return 0; /* nothing failed there, or somebody was faster */
	if (!plan_retry(&c->plans, p, &scope))
		return not_now(c, p, VERB_RETRY, err);
	left_to_repair(c, p);
	return 0;
}

static int ignore(struct core *c, const struct core_who *who, struct plan *p, const struct verb_spec *s, struct err *err) {
	struct plan_scope scope = { s->base, s->task, 0 };
	if ((by_state[p->row.state] & BIT(IGNORE)) == 0)
		return not_now(c, p, VERB_IGNORE, err);
	if (s->base == NULL && s->task == 0)
		return err_field(err, E_INVALID, "/base",
		    "say which base or which task is to be let be: berth plan ignore %lld --base BASE --reason WHY", (long long)p->row.id);
	if (who->reason == NULL || *who->reason == '\0')
		return err_field(err, E_INVALID, "/meta/reason", "say why; the reason stays with the plan");
	int r = scope_check(p, s, err);
	if (r != 0)
		return r;
	const struct task *t = s->task == 0 ? NULL : fleet_task(c->fleet, s->task);
	struct base *b = fleet_base_by_id(c->fleet, t != NULL ? t->row.base_id : s->base->row.id);
	if (!plan_ignore(&c->plans, p, &scope, who->reason, who->actor))
		return not_now(c, p, VERB_IGNORE, err);
	if (b != NULL)
		leftovers_due(c, b);
	return 0;
}

static int undo(struct core *c, const struct core_who *who, struct plan *p, bool now, struct plan **ret_plan, struct err *err) {
	ARENA_AUTO a = arena_new();
	struct undo u;
	undo_of(p, a, &u);
	if (p->row.state == PLAN_SUPERSEDED)
		return not_now(c, p, VERB_UNDO, err);
	return change_undo(c, who, &u, now, ret_plan, err);
}

int change_plan_verb(struct core *c, const struct core_who *who, struct plan *p, enum plan_verb v, const struct verb_spec *s,
    struct plan **ret_plan, struct err *err) {
	const char *why = who->reason != NULL && *who->reason ? who->reason : "a person asked for it";
	bool ok = false;
	*ret_plan = p;
	plan_due(c, p->row.id); /* what it waits for is another thing now */
	switch (v) {
	case VERB_PAUSE:
		ok = plan_pause(&c->plans, p, why);
		break;
	case VERB_RESUME:
		ok = plan_resume(&c->plans, p);
		break;
	case VERB_CONFIRM:
		return confirm(c, p, s->batch, err);
	case VERB_RETRY:
		return retry(c, p, s, err);
	case VERB_IGNORE:
		return ignore(c, who, p, s, err);
	case VERB_UNDO:
		return undo(c, who, p, s->now, ret_plan, err);
	case VERB_STOP:
		ok = plan_stop(&c->plans, p, why);
		break;
	case VERB_COUNT:
		break;
	}
	return ok ? 0 : not_now(c, p, v, err);
}
