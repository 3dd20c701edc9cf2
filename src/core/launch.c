/* From "this is wanted now" to a plan: the revision is recorded, the plan made, and plans before it wait, go on or give way. */
#include "core/launch.h"

#include <stdio.h>

#include "plan/memo.h"

/* ---- revisions ----------------------------------------------------------------------------------------------------------------------- */
static void revisions_trim(struct core *c, struct deployment *d) {
	int64_t n = 0;
	struct revision *x, *next;
	TAILQ_FOREACH(x, &d->revisions, link)
		n++;
	for (x = TAILQ_FIRST(&d->revisions); x != NULL && n > c->cfg.keep_revisions; x = next, n--) {
		next = TAILQ_NEXT(x, link);
		struct instance *i;
		bool used = x == d->current || x == d->completed;
		TAILQ_FOREACH(i, &d->instances, deployment_link)
			used |= i->row.revision == x->row.number;
		if (!used)
			fleet_revision_remove(c->fleet, x);
	}
}

static void deployment_touched(struct core *c, struct deployment *d) {
	d->row.updated_at = c->wall;
	d->row.etag++;
	fleet_touch(c->fleet, &d->o);
}

struct revision *revision_record(struct core *c, const struct core_who *who, struct deployment *d, const struct wanted *w) {
	ARENA_AUTO a = arena_new();
	struct row_revision row = {
		.replicas = w->replicas,
		.args = UNCONST(w->args),
		.env = UNCONST(w->env),
		.strategy = strategy_print(w->strategy, a),
		.actor = UNCONST(who->actor),
		.reason = UNCONST(who->reason),
		.link = UNCONST(who->link),
		.created_at = c->wall,
	};
	struct revision *x = fleet_revision_add(c->fleet, d, w->version, &row, w->strategy);
	deployment_touched(c, d);
	revisions_trim(c, d);
	return x;
}

/* ---- plans --------------------------------------------------------------------------------------------------------------------------- */
static struct plan *plan_new(struct core *c, const struct core_who *who, struct tenant *t, const struct launch *x) {
	ARENA_AUTO a = arena_new();
	struct plan_memo memo = { .undoes = x->undoes, .base_id = x->base_id, .before = x->before, .now = x->now };
	struct row_plan row = {
		.kind = x->kind,
		.state = PLAN_QUEUED,
		.state_at = c->wall,
		.actor = UNCONST(who->actor),
		.address = UNCONST(who->address),
		.reason = UNCONST(who->reason),
		.link = UNCONST(who->link),
		.options = memo_print(&memo, a),
		.created_at = c->wall,
	};
	return fleet_plan_add(c->fleet, t, &row);
}

static void plan_change_new(struct core *c, struct plan *p, struct deployment *d, const struct revision *from, const struct revision *to) {
	struct row_plan_change row = {
		.deployment = d->row.name,
		.module = d->module->row.name,
		.from_revision = from == NULL ? 0 : from->row.number,
		.to_revision = to->row.number,
		.from_version = from == NULL ? NULL : from->version->row.name,
		.to_version = to->version->row.name,
		.from_replicas = from == NULL ? 0 : from->row.replicas,
	};
	struct change *ch = fleet_change_add(c->fleet, p, d, &row);
	ch->row.to_replicas = plan_goal_shrinks(p) ? 0 : to->row.replicas;
}

/* Nothing of it is at a base, and it cannot go on: waiting for it could take for ever. */
static bool plan_stuck(const struct plan *p) {
	struct plan_wait w;
	plan_waiting(p, &w);
	return p->n_open == 0 && w.no_room;
}

bool plan_touches(const struct plan *p, const struct deployment *d) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->deployment == d)
			return true;
	return false;
}

static void give_way(struct core *c, struct plan *p, const struct plan *fresh, const struct launch *x) {
	if (p->row.id == x->undoes)
		plan_undone(&c->plans, p, fresh->row.id);
	else
		plan_supersede(&c->plans, p, fresh->row.id);
}

/* The plans before this one: paused ones and those without room give way; one at work is waited for, or gives way too when asked. */
static void make_way(struct core *c, struct deployment *d, struct plan *fresh, const struct launch *x) {
	struct plan *p = d->plan, *next;
	if (p != NULL && p != fresh && (x->supersede || p->row.state == PLAN_PAUSED || plan_stuck(p)))
		give_way(c, p, fresh, x);
	if (d->n_queued <= 1) /* the fresh one itself: no walk over every plan of the cell */
		return;
	for (p = fleet_plans(c->fleet); p != NULL; p = next) {
		next = p->hh_id.next;
		if (p != fresh && p->row.state == PLAN_QUEUED && !plan_keeps_revision(p) && plan_touches(p, d))
			give_way(c, p, fresh, x);
	}
}

static const char *replicas_text(int64_t n, char buf[24]) {
	if (n < 0)
		return "all";
	snprintf(buf, 24, "%lld", (long long)n);
	return buf;
}

struct plan *plan_launch(struct core *c, const struct core_who *who, struct deployment *d, const struct revision *from, struct revision *to,
    const struct launch *x) {
	char n[24];
	struct core_who saved = c->who;
	struct plan *p = plan_new(c, who, d->tenant, x);
	plan_change_new(c, p, d, from, to);
	if (to->row.plan_id == 0) {
		to->row.plan_id = p->row.id;
		fleet_touch(c->fleet, &to->o);
	}
	c->who = *who;
	struct event_facts f = { .kind = "plan.created", .plan = p, .deployment = d, .version = to->version };
	core_event(c, &f, "%s %s to %s:%s on %s in group %s", word_text(WORD_PLAN_KIND, x->kind), d->row.name, d->module->row.name,
	    to->version->row.name, plan_goal_shrinks(p) ? "no base" : replicas_text(to->row.replicas, n), d->group->row.name);
	make_way(c, d, p, x);
	c->who = saved;
	plan_due(c, p->row.id);
	return p;
}

struct plan *launch_over(struct core *c, const struct core_who *who, struct deployment *const *d, size_t n, const struct launch *x) {
	struct core_who saved = c->who;
	const struct base *b = x->base_id == 0 ? NULL : fleet_base_by_id(c->fleet, x->base_id);
	struct plan *p = plan_new(c, who, d[0]->tenant, x);
	for (size_t i = 0; i < n; i++)
		plan_change_new(c, p, d[i], d[i]->current, d[i]->current);
	c->who = *who;
	struct event_facts f = { .kind = "plan.created", .plan = p, .deployment = n == 1 ? d[0] : NULL, .base = b };
	core_event(c, &f, "%s %s%s%s%s", word_text(WORD_PLAN_KIND, x->kind), n == 1 ? d[0]->row.name : "everything",
	    b == NULL ? "" : " on ", b == NULL ? "" : b->row.name, n == 1 ? "" : ", several deployments");
	c->who = saved;
	plan_due(c, p->row.id);
	return p;
}

struct plan *launch_revision(
    struct core *c, const struct core_who *who, struct deployment *d, const struct revision *like, const struct launch *x) {
	struct revision *from = d->current;
	struct wanted w = { .version = like->version,
		.replicas = like->row.replicas,
		.args = like->row.args,
		.env = like->row.env,
		.strategy = &like->strategy };
	d->row.offline = false;
	return plan_launch(c, who, d, from, revision_record(c, who, d, &w), x);
}

struct plan *launch_away(struct core *c, const struct core_who *who, struct deployment *d, const struct launch *x) {
	d->row.offline = true;
	deployment_touched(c, d);
	return plan_launch(c, who, d, d->current, d->current, x);
}
