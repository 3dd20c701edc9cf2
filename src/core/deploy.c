/* Changes of deployments: what is asked is held against what is wanted already; a difference becomes a revision and a plan. */
#include "core/demand.h"
#include "core/launch.h"
#include "core/resolve.h"

#include <stdio.h>

/* ---- making it so
 * ------------------------------------------------------------------------------------------------------------------------- */
static struct deployment *deployment_new(struct core *c, const struct resolved *r) {
	struct row_deployment row = {
		.name = UNCONST(r->name),
		.state = DEPLOYMENT_WAITING,
		.state_at = c->wall,
		.labels = UNCONST(r->labels),
		.etag = 1,
		.created_at = c->wall,
		.updated_at = c->wall,
	};
	return fleet_deployment_add(c->fleet, r->tenant, r->module, r->group, &row);
}

static struct revision *revision_new(struct core *c, const struct core_who *who, struct deployment *d, const struct resolved *r) {
	struct wanted w = { .version = r->version, .replicas = r->replicas, .args = r->args, .env = r->env, .strategy = &r->strategy };
	return revision_record(c, who, d, &w);
}

static bool brings_about(const struct plan *p, const struct deployment *d) {
	return !plan_keeps_revision(p) && plan_touches(p, d) && change_of(p, d)->row.to_revision == d->row.revision;
}

/* The unfinished plan that already brings this about, or NULL. */
static struct plan *plan_joined(struct core *c, const struct deployment *d) {
	struct plan *found = d->plan != NULL && brings_about(d->plan, d) ? d->plan : NULL;
	if (d->n_queued == 0)
		return found;
	for (struct plan *p = fleet_plans(c->fleet); p != NULL; p = p->hh_id.next)
		if (p->row.state == PLAN_QUEUED && brings_about(p, d))
			found = p;
	return found;
}

/* What is wanted is known already, but a plan that was stopped, or failed on some bases, left it undone. */
static bool unfinished(const struct deployment *d) {
	int64_t want = d->current->row.replicas < 0 ? d->n_wanted : d->current->row.replicas;
	return d->plan == NULL && !d->row.offline && (d->n_wanted != want || d->n_updated < want || d->n_ready < want);
}

/* Failed instances make room for another try. */
static void drop_failed(struct core *c, struct deployment *d) {
	struct instance *i = d->n_ready == d->n_instances ? NULL : TAILQ_FIRST(&d->instances), *next;
	for (; i != NULL; i = next) {
		next = TAILQ_NEXT(i, deployment_link);
		if (i->row.state == INSTANCE_FAILED && i->row.wanted && i->task == NULL)
			fleet_instance_remove(c->fleet, i);
	}
}

/* Nothing new is asked: the plan that is at it already, or one that takes up what was left undone. */
static struct plan *finish_what_is_wanted(struct core *c, const struct core_who *who, const struct resolved *r, size_t n) {
	ARENA_AUTO a = arena_new();
	struct launched *v = arena_alloc(a, n * sizeof *v);
	struct launch x = { .kind = PLAN_KIND_RETRY };
	struct plan *p = NULL;
	size_t left = 0;
	for (size_t k = 0; k < n; k++) {
		struct deployment *d = r[k].deployment;
		struct plan *joined = plan_joined(c, d);
		p = joined != NULL ? joined : p;
		if (joined != NULL || !unfinished(d))
			continue;
		drop_failed(c, d);
		v[left++] = (struct launched){ d, d->current, d->current };
	}
	return left > 0 ? launch(c, who, v, left, &x) : p;
}

int change_retry(struct core *c, const struct core_who *who, struct deployment *d, struct plan **ret_plan, struct err *err) {
	struct resolved r = { .deployment = d };
	if (d->row.offline || d->current == NULL)
		return err_field(err, E_STATE, "/deployment", "deployment %s is offline; deploy it to bring it back", d->row.name);
	*ret_plan = finish_what_is_wanted(c, who, &r, 1);
	return 0;
}

/* One is what it does; several of a kind are that, else a change. */
static enum plan_kind kind_of_all(const struct resolved *r, size_t n) {
	enum plan_kind kind = PLAN_KIND_NONE;
	for (size_t k = 0; k < n; k++) {
		enum plan_kind one = r[k].same ? kind : resolved_kind(&r[k]);
		kind = kind == PLAN_KIND_NONE || kind == one ? one : PLAN_KIND_CHANGE;
	}
	return kind;
}

static struct launched make_wanted(struct core *c, const struct core_who *who, const struct deploy_spec *spec, struct resolved *r) {
	bool fresh = r->deployment == NULL;
	struct deployment *d = fresh ? deployment_new(c, r) : r->deployment;
	const struct revision *from = d->current;
	r->deployment = d;
	if (spec->online || fresh)
		d->row.offline = false;
	if (r->labels != NULL)
		text_set(&d->row.labels, r->labels);
	return (struct launched){ d, from, revision_new(c, who, d, r) };
}

static bool holds_one(const struct deployment *d, const struct base *b) {
	const struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->deployment == d && i->row.wanted)
			return true;
	return false;
}

static int victims_read(
    const struct deploy_spec *s, const struct resolved *r, int64_t going, struct arena *a, struct launch *x, struct err *err) {
	char at[32];
	if ((int64_t)s->n_victims > going)
		return err_field(err, E_INVALID, "/victims", "%lld %s to go, and %zu bases are named", (long long)going,
		    going == 1 ? "is" : "are", s->n_victims);
	int64_t *ids = arena_alloc(a, (x->n_bases + s->n_victims + 1) * sizeof *ids);
	if (x->n_bases > 0)
		memcpy(ids, x->bases, x->n_bases * sizeof *ids);
	for (size_t k = 0; k < s->n_victims; k++) {
		const struct base *b = fleet_base(r->tenant, s->victims[k]);
		snprintf(at, sizeof at, "/victims/%zu", k);
		if (b == NULL || !holds_one(r->deployment, b))
			return err_field(err, E_NOT_FOUND, at, "base %s has no instance of %s; see: berth instance list --deployment %s",
			    s->victims[k], r->name, r->name);
		ids[x->n_bases++] = b->row.id;
	}
	x->bases = ids;
	return 0;
}

/* Fewer than now: nobody is left without what it requires, and bases named to leave first have one. */
static int shrink_one(
    const struct core_who *who, const struct deploy_spec *s, const struct resolved *r, struct arena *a, struct launch *x, struct err *err) {
	const struct deployment *d = r->deployment;
	int64_t going = d == NULL || r->replicas < 0 ? 0 : d->n_wanted - r->replicas;
	bool forced = false;
	int e = victims_read(s, r, going < 0 ? 0 : going, a, x, err);
	if (e == 0 && going > 0)
		e = demand_keep(who, &(struct leaving){ d, NULL, going, "leave so many bases", "/replicas" }, &forced, err);
	x->forced |= forced;
	return e;
}

static int shrink_check(const struct core_who *who, const struct deploy_spec *specs, const struct resolved *r, size_t n, struct arena *a,
    struct launch *x, struct err *err) {
	int e = 0;
	for (size_t k = 0; k < n && e == 0; k++) {
		e = shrink_one(who, &specs[k], &r[k], a, x, err);
		if (e != 0 && specs[k].at != NULL)
			err_under(err, specs[k].at);
	}
	return e;
}

int change_deploy_all(struct core *c, const struct core_who *who, const struct deploy_spec *specs, size_t n, struct deployment **ret,
    struct plan **ret_plan, struct err *err) {
	ARENA_AUTO a = arena_new();
	struct resolved *r = arena_alloc(a, (n + 1) * sizeof *r);
	int e = resolve_all(c, who->tenant_id, specs, n, r, err);
	if (e != 0)
		return e;
	struct launched *v = arena_alloc(a, n * sizeof *v);
	struct launch x = { .kind = kind_of_all(r, n), .supersede = specs[0].if_busy == IF_BUSY_SUPERSEDE };
	size_t changed = 0;
	e = shrink_check(who, specs, r, n, a, &x, err);
	if (e != 0)
		return e;
	for (size_t k = 0; k < n; k++)
		if (!r[k].same)
			v[changed++] = make_wanted(c, who, &specs[k], &r[k]);
	*ret_plan = changed > 0 ? launch(c, who, v, changed, &x) : finish_what_is_wanted(c, who, r, n);
	for (size_t k = 0; k < n && ret != NULL; k++)
		ret[k] = r[k].deployment;
	return 0;
}

int change_deploy(struct core *c, const struct core_who *who, const struct deploy_spec *spec, struct deployment **ret,
    struct plan **ret_plan, struct err *err) {
	return change_deploy_all(c, who, spec, 1, ret, ret_plan, err);
}

static int shrink(
    struct core *c, const struct core_who *who, struct deployment *d, enum plan_kind kind, struct plan **ret_plan, struct err *err) {
	bool forced;
	if (d->current == NULL)
		return err_set(err, E_INTERNAL, "deployment %s has no revision", d->row.name);
	struct leaving all = { d, NULL, d->n_wanted, kind == PLAN_KIND_DELETE ? "be deleted" : "go offline", "/deployment" };
	if (demand_keep(who, &all, &forced, err) != 0)
		return err->code;
	struct launch x = { .kind = kind, .supersede = true, .forced = forced };
	*ret_plan = launch_away(c, who, d, &x);
	return 0;
}

static struct plan *shrinking(struct core *c, const struct deployment *d, enum plan_kind kind) {
	struct plan *p = plan_joined(c, d);
	return p != NULL && p->row.kind == (int)kind ? p : NULL;
}

int change_offline(struct core *c, const struct core_who *who, struct deployment *d, struct plan **ret_plan, struct err *err) {
	*ret_plan = shrinking(c, d, PLAN_KIND_OFFLINE);
	if (*ret_plan != NULL || (d->row.offline && d->n_instances == 0))
		return 0;
	return shrink(c, who, d, PLAN_KIND_OFFLINE, ret_plan, err);
}

int change_delete(struct core *c, const struct core_who *who, struct deployment *d, struct plan **ret_plan, struct err *err) {
	*ret_plan = shrinking(c, d, PLAN_KIND_DELETE);
	if (*ret_plan != NULL)
		return 0;
	return shrink(c, who, d, PLAN_KIND_DELETE, ret_plan, err);
}

static struct revision *revision_before(const struct deployment *d) {
	struct revision *x = d->completed != NULL && d->completed != d->current ? d->completed : NULL;
	if (x == NULL && d->current != NULL)
		x = TAILQ_PREV(d->current, revision_list, link);
	return x;
}

int change_rollback(
    struct core *c, const struct core_who *who, struct deployment *d, int64_t to, bool now, struct plan **ret_plan, struct err *err) {
	if (now && reason_missing(who, err))
		return err->code;
	struct revision *x = to == 0 ? revision_before(d) : fleet_revision(d, to);
	if (x == NULL)
		return err_field(err, E_NOT_FOUND, "/to",
		    to == 0 ? "deployment %s has no earlier revision"
		            : "deployment %s does not keep that revision; see: berth revisions %s",
		    d->row.name, d->row.name);
	struct demand after = {
		.deployment = d, .module = d->module, .version = x->version, .group = d->group, .fresh = true, .pointer = "/to"
	};
	int e = demand_check(c, &after, 1, err);
	if (e == 0)
		e = version_check(x->version, err);
	if (e != 0)
		return e;
	struct launch how = { .kind = PLAN_KIND_ROLLBACK, .supersede = true, .now = now };
	struct launched one = { d, d->current, NULL };
	one.to = revision_like(c, who, d, x);
	*ret_plan = launch(c, who, &one, 1, &how);
	return 0;
}
