/* From "this is wanted now" to a plan: the revision is recorded, the plan made, and plans before it wait, go on or give way. */
#include "core/launch.h"

#include <stdio.h>

#include "base/buf.h"
#include "plan/memo.h"
#include "sched/requires.h"

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
	struct plan_memo memo = { .undoes = x->undoes,
		.base_id = x->base_id,
		.before = x->before,
		.now = x->now,
		.forced = x->forced,
		.evicts = x->evicts,
		.grace_us = x->grace_us };
	for (size_t k = 0; k < x->n_bases; k++)
		memo_base_add(&memo, x->bases[k]);
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
	memo_deinit(&memo);
	return fleet_plan_add(c->fleet, t, &row);
}

struct revision *revision_like(struct core *c, const struct core_who *who, struct deployment *d, const struct revision *like) {
	struct wanted w = { .version = like->version,
		.replicas = like->row.replicas,
		.args = like->row.args,
		.env = like->row.env,
		.strategy = &like->strategy };
	d->row.offline = false;
	return revision_record(c, who, d, &w);
}

static struct change *plan_change_new(
    struct core *c, struct plan *p, struct deployment *d, const struct revision *from, const struct revision *to, bool accompanies) {
	struct row_plan_change row = {
		.deployment = d->row.name,
		.module = d->module->row.name,
		.from_revision = from == NULL ? 0 : from->row.number,
		.to_revision = to->row.number,
		.from_version = from == NULL ? NULL : from->version->row.name,
		.to_version = to->version->row.name,
		.from_replicas = from == NULL ? 0 : from->row.replicas,
		.accompanies = accompanies,
	};
	struct change *ch = fleet_change_add(c->fleet, p, d, &row);
	ch->row.to_replicas = change_shrinks(ch) ? 0 : to->row.replicas;
	return ch;
}

/* Nothing of it is at a base, and it cannot go on: waiting for it could take for ever. */
static bool plan_stuck(const struct plan *p) {
	struct plan_wait w;
	plan_waiting(p, &w);
	return p->n_open == 0 && w.no_room;
}

bool plan_touches(const struct plan *p, const struct deployment *d) {
	const struct change *ch = change_of(p, d);
	return ch != NULL && !ch->row.accompanies;
}

static void give_way(struct core *c, struct plan *p, const struct plan *fresh, const struct launch *x) {
	if (p->row.id == x->undoes)
		plan_undone(&c->plans, p, fresh->row.id);
	else
		plan_supersede(&c->plans, p, fresh->row.id);
}

/* What a queued plan was about beyond that: a plan of its own, by the same hand. */
static void launch_rest(struct core *c, struct plan *q, const struct plan *fresh) {
	ARENA_AUTO a = arena_new();
	struct launched *v = arena_alloc(a, PLAN_MAX_CHANGES * sizeof *v);
	struct launch x = { .kind = (enum plan_kind)q->row.kind, .undoes = plan_memo(q)->undoes, .now = plan_memo(q)->now != 0 };
	struct core_who who = { .tenant_id = q->row.tenant_id,
		.actor = q->row.actor,
		.address = q->row.address,
		.reason = q->row.reason,
		.link = q->row.link };
	const struct change *ch;
	size_t n = 0;
	TAILQ_FOREACH(ch, &q->changes, link)
		if (!ch->row.accompanies && !plan_touches(fresh, ch->deployment) && ch->row.to_revision == ch->deployment->row.revision)
			v[n++] = (struct launched){ ch->deployment, fleet_revision(ch->deployment, ch->row.from_revision),
				ch->deployment->current };
	if (n > 0)
		launch(c, &who, v, n, &x);
}

/* The plans before this one: paused ones and those without room give way; one at work is waited for, or gives way too when asked. */
static void make_way(struct core *c, struct deployment *d, struct plan *fresh, const struct launch *x) {
	struct plan *p = d->plan, *next;
	if (p != NULL && p != fresh && plan_touches(p, d) && (x->supersede || p->row.state == PLAN_PAUSED || plan_stuck(p)))
		give_way(c, p, fresh, x);
	if (d->n_queued <= 1) /* the fresh one itself: no walk over every plan of the cell */
		return;
	for (p = fleet_plans(c->fleet); p != NULL; p = next) {
		next = p->hh_id.next;
		if (p == fresh || p->row.state != PLAN_QUEUED || plan_keeps_revision(p) || !plan_touches(p, d))
			continue;
		give_way(c, p, fresh, x);
		launch_rest(c, p, fresh);
	}
}

/* ---- who holds still ------------------------------------------------------------------------------------------------------------------
 */
static bool requires_it(const struct version *v, const struct module *m) {
	if (!requires_any(v))
		return false;
	ARENA_AUTO a = arena_new();
	struct requirement r;
	return requires_module(v, m, a, &r);
}

/* It, or what is still there of an earlier version of it. */
static bool requires_still(const struct deployment *d, const struct module *m) {
	const struct instance *i;
	if (d->current == NULL || d->n_instances + (d->plan != NULL) == 0)
		return false;
	if (requires_it(d->current->version, m))
		return true;
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		if (i->version != d->current->version && requires_it(i->version, m))
			return true;
	return false;
}

static void accompany(struct core *c, struct plan *p, struct deployment *d) {
	if (change_of(p, d) == NULL && d->current != NULL)
		plan_change_new(c, p, d, d->current, d->current, true);
}

/* Does it replace anything that is there? */
static bool exchanges(const struct change *ch) {
	const struct instance *i;
	const struct revision *to = fleet_revision(ch->deployment, ch->row.to_revision);
	if (ch->row.accompanies || ch->plan->row.kind == PLAN_KIND_RESTART)
		return true;
	if (plan_keeps_revision(ch->plan) || change_shrinks(ch))
		return false;
	TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
		if (i->row.wanted && instance_behind(i, to))
			return true;
	return false;
}

/* Those that require what is exchanged, and those that require them. */
static void add_requirers(struct core *c, struct plan *p) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link) { /* grows as it is walked */
		struct deployment *d = exchanges(ch) ? p->tenant->deployments : NULL;
		for (; d != NULL; d = d->hh_name.next)
			if (d->group == ch->deployment->group && requires_still(d, ch->deployment->module))
				accompany(c, p, d);
	}
}

/* What is required and just being changed: it is waited for. */
static void add_required(struct core *c, struct plan *p) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link) {
		bool comes = !ch->row.accompanies && !change_shrinks(ch);
		const struct revision *to = comes ? fleet_revision(ch->deployment, ch->row.to_revision) : NULL;
		struct deployment *d = to == NULL || !requires_any(to->version) ? NULL : p->tenant->deployments;
		for (; d != NULL; d = d->hh_name.next)
			if (d->group == ch->deployment->group && (d->plan != NULL || d->n_queued > 0) &&
			    requires_it(to->version, d->module))
				accompany(c, p, d);
	}
}

void launch_company(struct core *c, struct plan *p) {
	if (p->tenant->n_requiring == 0)
		return;
	if (!plan_keeps_revision(p))
		add_required(c, p);
	add_requirers(c, p);
}

/* ---- launching ------------------------------------------------------------------------------------------------------------------------
 */
static const char *replicas_text(int64_t n, char buf[24]) {
	if (n < 0)
		return "all";
	snprintf(buf, 24, "%lld", (long long)n);
	return buf;
}

static bool after_all(const struct launched *v, size_t n, const bool *taken, size_t k) {
	for (size_t i = 0; i < n; i++)
		if (i != k && !taken[i] && requires_it(v[k].to->version, v[i].deployment->module))
			return false;
	return true;
}

/* Number by number the first that requires none of those left; a circle (rows that somebody edited) keeps its order. */
static void add_changes(struct core *c, struct plan *p, const struct launched *v, size_t n) {
	ARENA_AUTO a = arena_new();
	bool *taken = arena_alloc(a, n * sizeof *taken);
	for (size_t done = 0; done < n; done++) {
		size_t k = 0, first = n;
		for (; k < n && first == n; k++)
			if (!taken[k] && after_all(v, n, taken, k))
				first = k;
		for (k = 0; first == n; k++)
			if (!taken[k])
				first = k;
		taken[first] = true;
		plan_change_new(c, p, v[first].deployment, v[first].from, v[first].to, false);
		if (v[first].to->row.plan_id == 0) {
			v[first].to->row.plan_id = p->row.id;
			fleet_touch(c->fleet, &v[first].to->o);
		}
	}
}

/* "orders to orders:2.0 on 3" */
static void describe(const struct change *ch, struct buf *out) {
	char n[24];
	const struct revision *to = fleet_revision(ch->deployment, ch->row.to_revision);
	buf_printf(out, "%s to %s:%s on %s", ch->deployment->row.name, ch->deployment->module->row.name, to->version->row.name,
	    change_shrinks(ch) ? "no base" : replicas_text(to->row.replicas, n));
}

static void say_created(struct core *c, const struct plan *p, const struct launched *v, size_t n) {
	BUF_AUTO text = BUF_INIT;
	const struct change *ch;
	buf_init(&text, 400);
	TAILQ_FOREACH(ch, &p->changes, link) {
		if (ch->row.accompanies)
			continue;
		buf_add_str(&text, text.len == 0 ? "" : ", ");
		describe(ch, &text);
	}
	struct event_facts f = { .kind = "plan.created", .plan = p };
	f.deployment = n == 1 ? v[0].deployment : NULL;
	f.version = n == 1 ? v[0].to->version : NULL;
	core_event(c, &f, "%s %s in group %s", word_text(WORD_PLAN_KIND, p->row.kind), buf_str(&text), v[0].deployment->group->row.name);
}

/* "drain everything on n3", "restart orders" */
static void say_renewed(struct core *c, const struct plan *p, const struct launched *v, size_t n, const struct launch *x) {
	BUF_AUTO text = BUF_INIT;
	const struct base *b = x->base_id == 0 ? NULL : fleet_base_by_id(c->fleet, x->base_id);
	struct event_facts f = { .kind = "plan.created", .plan = p, .deployment = n == 1 ? v[0].deployment : NULL, .base = b };
	buf_init(&text, 400);
	buf_printf(&text, "%s %s", word_text(WORD_PLAN_KIND, p->row.kind), n == 1 ? v[0].deployment->row.name : "everything");
	if (b != NULL)
		buf_printf(&text, " on %s", b->row.name);
	for (size_t k = 0; k < x->n_bases; k++) {
		const struct base *one = fleet_base_by_id(c->fleet, x->bases[k]);
		buf_printf(&text, "%s%s", k == 0 ? " on " : ", ", one == NULL ? "?" : one->row.name);
	}
	core_event(c, &f, "%s%s", buf_str(&text), n == 1 ? "" : ", several deployments");
}

struct plan *launch(struct core *c, const struct core_who *who, const struct launched *v, size_t n, const struct launch *x) {
	struct core_who saved = c->who;
	struct plan *p = plan_new(c, who, v[0].deployment->tenant, x);
	add_changes(c, p, v, n);
	c->who = *who;
	if (plan_keeps_revision(p))
		say_renewed(c, p, v, n, x);
	else
		say_created(c, p, v, n);
	for (size_t k = 0; k < n && !plan_keeps_revision(p); k++)
		make_way(c, v[k].deployment, p, x);
	launch_company(c, p);
	c->who = saved;
	plan_due(c, p->row.id);
	return p;
}

struct plan *launch_away(struct core *c, const struct core_who *who, struct deployment *d, const struct launch *x) {
	struct launched one = { d, d->current, d->current };
	d->row.offline = true;
	deployment_touched(c, d);
	return launch(c, who, &one, 1, x);
}

struct plan *launch_eviction(struct core *c, const struct core_who *who, struct tenant *t, const struct launch *x) {
	struct plan *p = plan_new(c, who, t, x);
	plan_evict_restore(&c->plans, p);
	plan_due(c, p->row.id);
	return p;
}
