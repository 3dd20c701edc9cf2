/* Plans that keep what is wanted and change where or since when it is there: drain, replace, restart. */
#include "core/demand.h"
#include "core/launch.h"
#include "core/resolve.h"
#include "plan/memo.h"

/* The unfinished plan of that kind about just that, or NULL: two people pressing at once get the same one. */
static struct plan *under_way(struct core *c, enum plan_kind kind, const struct deployment *d, int64_t base_id) {
	struct plan *p = d != NULL ? d->plan : fleet_plans(c->fleet);
	if (d != NULL && d->n_queued > 0)
		p = fleet_plans(c->fleet);
	for (; p != NULL; p = p->hh_id.next) {
		bool same = p->row.kind == (int)kind && !word_terminal(WORD_PLAN, p->row.state) && plan_memo(p)->base_id == base_id;
		if (same && (d == NULL || plan_touches(p, d)))
			return p;
	}
	return NULL;
}

static size_t deployments_on(const struct base *b, struct launched *ret, size_t n) {
	const struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		bool wanted = i->row.wanted || (i->deployment != NULL && plan_busy_on(i->deployment->plan, b)); /* it may come back */
		bool known = i->deployment == NULL || i->deployment->current == NULL || !wanted;
		for (size_t k = 0; k < n && !known; k++)
			known = ret[k].deployment == i->deployment;
		if (!known)
			ret[n++] = (struct launched){ i->deployment, i->deployment->current, i->deployment->current };
	}
	return n;
}

/* ---- drain --------------------------------------------------------------------------------------------------------------------------- */
static bool drains(struct plan *p, int64_t base_id) {
	const struct plan_memo *m = plan_memo(p);
	return m->base_id == base_id || (m->base_id == 0 && memo_names(m, base_id));
}

struct plan *drain_of(struct core *c, const struct base *b) {
	for (struct plan *p = fleet_plans(c->fleet); p != NULL; p = p->hh_id.next)
		if (p->row.kind == PLAN_KIND_DRAIN && !word_terminal(WORD_PLAN, p->row.state) && drains(p, b->row.id))
			return p;
	return NULL;
}

/* All are closed before anything looks for room. Those that are drained already are left to their plan. */
static int close_bases(struct core *c, const struct core_who *who, struct base *const *bases, size_t n, int64_t *ids, size_t *ret_n,
    struct plan **ret_plan, struct err *err) {
	for (size_t k = 0; k < n; k++) {
		struct plan *p = drain_of(c, bases[k]);
		int r = change_cordon(c, who, bases[k], true, err);
		if (r != 0)
			return r;
		if (p != NULL)
			*ret_plan = p;
		else
			ids[(*ret_n)++] = bases[k]->row.id;
	}
	return 0;
}

int change_drain(struct core *c, const struct core_who *who, struct base *const *bases, size_t n, struct plan **ret_plan, struct err *err) {
	struct core_who why = *who;
	ARENA_AUTO a = arena_new();
	int64_t *ids = arena_alloc(a, (n + 1) * sizeof *ids);
	struct launch x = { .kind = PLAN_KIND_DRAIN, .bases = ids };
	size_t n_v = 0, all = 0;
	*ret_plan = NULL;
	if (why.reason == NULL || *why.reason == '\0')
		why.reason = "drained";
	int r = close_bases(c, &why, bases, n, ids, &x.n_bases, ret_plan, err);
	if (r != 0)
		return r;
	for (size_t k = 0; k < n; k++)
		all += (size_t)bases[k]->n_instances;
	struct launched *v = arena_alloc(a, (all + 1) * sizeof *v);
	for (size_t k = 0; k < x.n_bases; k++)
		n_v = deployments_on(fleet_base_by_id(c->fleet, ids[k]), v, n_v);
	if (x.n_bases == 1) {
		x.base_id = ids[0];
		x.n_bases = 0;
	}
	if (n_v > 0)
		*ret_plan = launch(c, who, v, n_v, &x);
	return 0;
}

int change_undrain(struct core *c, const struct core_who *who, struct base *b, struct err *err) {
	struct plan *p = drain_of(c, b);
	if (p != NULL)
		plan_leave_base(&c->plans, p, b->row.id, "its base is not drained any more");
	return change_cordon(c, who, b, false, err);
}

/* ---- replace, restart ------------------------------------------------------------------------------------------------------------------
 */
/* The highest number among its instances there; 0 = there is none. */
static int64_t newest_instance(const struct deployment *d, const struct base *only) {
	const struct instance *i;
	int64_t id = 0;
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		if (i->row.wanted && (only == NULL || i->base == only) && i->row.id > id)
			id = i->row.id;
	return id;
}

int change_anew(struct core *c, const struct core_who *who, struct deployment *d, const struct base *only, bool restart,
    struct plan **ret_plan, struct err *err) {
	enum plan_kind kind = restart ? PLAN_KIND_RESTART : PLAN_KIND_REPLACE;
	int64_t base_id = only == NULL ? 0 : only->row.id;
	if (d->row.offline || d->current == NULL)
		return err_field(err, E_STATE, "/deployment", "deployment %s is offline; deploy it to bring it back", d->row.name);
	if (only != NULL && only->group != d->group)
		return err_field(err, E_INVALID, "/base", "base %s is in group %s; deployment %s is in %s", only->row.name,
		    only->group->row.name, d->row.name, d->group->row.name);
	const struct instance *i;
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		if (i->row.wanted && (only == NULL || i->base == only) && version_check(i->version, err) != 0)
			return err->code;
	*ret_plan = under_way(c, kind, d, base_id);
	bool forced = false;
	struct leaving all = { d, only, d->n_wanted, "go elsewhere alone", only == NULL ? "/deployment" : "/base" };
	if (*ret_plan == NULL && !restart && demand_keep(who, &all, &forced, err) != 0)
		return err->code;
	struct launch x = { .kind = kind, .base_id = base_id, .before = newest_instance(d, only), .forced = forced };
	if (*ret_plan == NULL && x.before != 0)
		*ret_plan = launch(c, who, &(struct launched){ d, d->current, d->current }, 1, &x);
	else if (*ret_plan == NULL && only != NULL)
		return err_field(err, E_NOT_FOUND, "/base", "base %s has no instance of %s; berth show %s lists where it is",
		    only->row.name, d->row.name, d->row.name);
	return 0;
}

int change_base_anew(struct core *c, const struct core_who *who, struct base *b, bool restart, struct plan **ret_plan, struct err *err) {
	enum plan_kind kind = restart ? PLAN_KIND_RESTART : PLAN_KIND_REPLACE;
	ARENA_AUTO a = arena_new();
	struct launched *v = arena_alloc(a, ((size_t)b->n_instances + 1) * sizeof *v);
	size_t n = deployments_on(b, v, 0);
	struct launch x = { .kind = kind, .base_id = b->row.id };
	for (size_t k = 0; k < n; k++) {
		int64_t newest = newest_instance(v[k].deployment, b);
		x.before = newest > x.before ? newest : x.before;
	}
	(void)err;
	*ret_plan = n == 0 ? NULL : under_way(c, kind, n == 1 ? v[0].deployment : NULL, b->row.id);
	if (*ret_plan == NULL && n > 0)
		*ret_plan = launch(c, who, v, n, &x);
	return 0;
}
