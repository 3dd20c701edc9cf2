/* Requirements between deployments of one group: a path is walked from each change through what it requires. */
#include "core/demand.h"

#include "core/launch.h"

#include <stdio.h>

#include "sched/requires.h"

#define MAX_DEPTH 32

struct walk {
	const struct demand *v;
	size_t n;
	const struct module *path[MAX_DEPTH];
	int depth;
	struct arena *a;
};

/* What is wanted of it after the change; NULL: nothing is. */
static const struct version *version_after(const struct walk *w, const struct deployment *d) {
	for (size_t k = 0; k < w->n; k++)
		if (w->v[k].deployment == d)
			return w->v[k].version;
	return d->row.offline || d->current == NULL ? NULL : d->current->version;
}

/* The best there would be of that module in the group: one that meets it, else any. */
static const struct version *provider(const struct walk *w, const struct group *g, const struct requirement *r) {
	const struct version *any = NULL;
	for (size_t k = 0; k < w->n; k++) {
		const struct demand *x = &w->v[k];
		if (x->group != g || x->version == NULL || strcmp(x->module->row.name, r->module) != 0)
			continue;
		if (requirement_meets(r, x->version))
			return x->version;
		any = x->version;
	}
	for (struct deployment *d = g->tenant->deployments; d != NULL; d = d->hh_name.next) {
		const struct version *v = d->group != g || strcmp(d->module->row.name, r->module) != 0 ? NULL : version_after(w, d);
		if (v != NULL && requirement_meets(r, v))
			return v;
		any = any != NULL ? any : v;
	}
	return any;
}

static const struct version *newest_that_meets(const struct tenant *t, const struct requirement *r) {
	const struct module *m = fleet_module(t, r->module);
	const struct version *v, *found = NULL;
	if (m != NULL)
		TAILQ_FOREACH(v, &m->versions, link)
			if (requirement_meets(r, v))
				found = v;
	return found;
}

/* ---- missing, cycles ------------------------------------------------------------------------------------------------------------------
 */
static int refuse_cycle(const struct demand *x, const char *path, struct err *err) {
	return err_field(
	    err, E_CONFLICT, x->pointer, "these modules require each other in a circle: %s; none of them could be installed first", path);
}

static int refuse_missing(const struct walk *w, const struct demand *x, const struct requirement *r, const struct version *is,
    const char *path, struct err *err) {
	const struct version *fits = newest_that_meets(x->group->tenant, r);
	const char *there = is == NULL ? arena_printf(w->a, "nobody deploys %s in group %s", r->module, x->group->row.name)
	                               : arena_printf(w->a, "%s is at %s in group %s", r->module, is->row.name, x->group->row.name);
	if (fits == NULL)
		return err_field(err, E_CONFLICT, x->pointer,
		    "%s: %s, and no version of it that is known would do; push one with: berth module push FILE", path, there);
	return err_field(err, E_CONFLICT, x->pointer, "%s: %s; deploy both: berth deploy %s:%s %s:%s", path, there, x->module->row.name,
	    x->version->row.name, r->module, fits->row.name);
}

/* path: "a 1.0 → b ^2" */
static int walk_on(struct walk *w, const struct demand *x, const struct version *v, const char *path, struct err *err);

static int walk_one(struct walk *w, const struct demand *x, const struct requirement *r, const char *from, struct err *err) {
	for (int k = 0; k < w->depth; k++)
		if (strcmp(w->path[k]->row.name, r->module) == 0)
			return refuse_cycle(x, arena_printf(w->a, "%s → %s", from, r->module), err);
	const char *path = arena_printf(w->a, "%s → %s%s%s", from, r->module, *r->range == '\0' ? "" : " ", r->range);
	const struct version *is = provider(w, x->group, r);
	if (is == NULL || !requirement_meets(r, is))
		return refuse_missing(w, x, r, is, path, err);
	return walk_on(w, x, is, path, err);
}

static int walk_on(struct walk *w, const struct demand *x, const struct version *v, const char *path, struct err *err) {
	struct requirement *list;
	size_t n = requires_of(v, w->a, &list);
	int e = 0;
	if (w->depth == MAX_DEPTH)
		return refuse_cycle(x, path, err);
	w->path[w->depth++] = v->module;
	for (size_t k = 0; k < n && e == 0; k++)
		e = walk_one(w, x, &list[k], path, err);
	w->depth--;
	return e;
}

static int walk_from(struct walk *w, const struct demand *x, struct err *err) {
	w->depth = 0;
	return walk_on(w, x, x->version, arena_printf(w->a, "%s %s", x->module->row.name, x->version->row.name), err);
}

/* ---- those that require it ------------------------------------------------------------------------------------------------------------
 */
/* Would v do for them? */
static bool accepts(const struct version *v, const struct version *required, struct arena *a) {
	struct requirement r;
	return !requires_module(v, required->module, a, &r) || requirement_meets(&r, required);
}

/* Of a deployment: a kept revision's version that pred takes, newest first, else the newest that is known. */
static const struct version *version_that(const struct deployment *d,
    bool (*pred)(const struct version *v, const struct version *with, struct arena *a), const struct version *with, struct arena *a) {
	const struct revision *r;
	const struct version *v;
	TAILQ_FOREACH_REVERSE(r, &d->revisions, revision_list, link)
	if (pred(r->version, with, a))
		return r->version;
	TAILQ_FOREACH_REVERSE(v, &d->module->versions, version_list, link)
	if (pred(v, with, a))
		return v;
	return NULL;
}

static bool accepted_by(const struct version *v, const struct version *with, struct arena *a) {
	return accepts(with, v, a);
}

/* "it would have to be orders:3.0 with billing:2.0, or both: berth deploy orders:2.1 billing:1.4" */
static const char *what_fits(const struct walk *w, const struct demand *x, const struct deployment *other, const struct version *needs) {
	const struct version *with = version_that(other, accepts, x->version, w->a);
	const struct version *keep = version_that(x->deployment, accepted_by, needs, w->a);
	const char *m = x->module->row.name, *o = other->module->row.name;
	const char *both =
	    with == NULL ? NULL : arena_printf(w->a, "change both: berth deploy %s:%s %s:%s", m, x->version->row.name, o, with->row.name);
	const char *one = keep == NULL ? NULL : arena_printf(w->a, "%s:%s fits %s:%s", m, keep->row.name, o, needs->row.name);
	if (both == NULL && one == NULL)
		return "no known versions of the two fit";
	return arena_printf(w->a, "%s%s%s", one == NULL ? "" : one, one == NULL || both == NULL ? "" : "; or ", both == NULL ? "" : both);
}

static int check_requirers(struct walk *w, const struct demand *x, struct err *err) {
	const struct version *now = x->deployment == NULL || x->deployment->current == NULL ? NULL : x->deployment->current->version;
	if (now == NULL || x->version == NULL || now == x->version)
		return 0;
	for (struct deployment *d = x->group->tenant->deployments; d != NULL; d = d->hh_name.next) {
		const struct version *v = d->group != x->group || d == x->deployment ? NULL : version_after(w, d);
		struct requirement r;
		if (v == NULL || !requires_module(v, x->module, w->a, &r) || requirement_meets(&r, x->version))
			continue;
		const struct version *is = provider(w, x->group, &r);
		if (requirement_meets(&r, now) && (is == NULL || !requirement_meets(&r, is))) /* what is broken already is not made worse */
			return err_field(err, E_CONFLICT, x->pointer, "%s %s → %s %s, and %s would not do; %s", d->row.name, v->row.name,
			    r.module, r.range, x->version->row.name, what_fits(w, x, d, v));
	}
	return 0;
}

int demand_check(struct core *c, const struct demand *v, size_t n, struct err *err) {
	int e = 0;
	if (n == 0 || v[0].group->tenant->n_requiring == 0)
		return 0;
	struct walk w = { .v = v, .n = n, .a = arena_new() };
	for (size_t k = 0; k < n && e == 0; k++) {
		if (!v[k].fresh || v[k].version == NULL)
			continue;
		e = walk_from(&w, &v[k], err);
		if (e == 0)
			e = check_requirers(&w, &v[k], err);
	}
	arena_free(w.a);
	return e;
}

/* ---- going away ------------------------------------------------------------------------------------------------------------------------
 */
static const struct deployment *requirer_on(const struct instance *i) {
	const struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link) {
		ARENA_AUTO a = arena_new();
		struct requirement r;
		bool other = x->row.wanted && x->deployment != NULL && x->deployment != i->deployment && !x->deployment->row.offline;
		if (other && requires_module(x->version, i->version->module, a, &r) && requirement_meets(&r, i->version))
			return x->deployment;
	}
	return NULL;
}

int64_t demand_required(const struct deployment *d, const struct base *only, const struct deployment **ret) {
	const struct instance *i;
	int64_t n = 0;
	if (d->tenant->n_requiring == 0)
		return 0;
	TAILQ_FOREACH(i, &d->instances, deployment_link) {
		const struct deployment *by = i->row.wanted && (only == NULL || i->base == only) ? requirer_on(i) : NULL;
		n += by != NULL;
		if (by != NULL && ret != NULL)
			*ret = by;
	}
	return n;
}

/* One that is still to get its instances counts, too. */
static const struct deployment *requirer_wanted(const struct deployment *d) {
	ARENA_AUTO a = arena_new();
	struct requirement r;
	for (const struct deployment *x = d->tenant->n_requiring == 0 ? NULL : d->tenant->deployments; x != NULL; x = x->hh_name.next)
		if (x != d && x->group == d->group && !x->row.offline && x->current != NULL && x->current->row.replicas != 0 &&
		    d->current != NULL && requires_module(x->current->version, d->module, a, &r) &&
		    requirement_meets(&r, d->current->version))
			return x;
	return NULL;
}

int demand_keep(const struct core_who *who, const struct leaving *x, bool *ret_forced, struct err *err) {
	const struct deployment *d = x->deployment, *by = NULL;
	char where[48] = "";
	int64_t required = demand_required(d, x->only, &by);
	*ret_forced = false;
	if (by == NULL && x->only == NULL && x->n >= d->n_wanted)
		by = requirer_wanted(d);
	if (by == NULL || (required > 0 && x->n <= d->n_wanted - required))
		return 0;
	if (required > 0)
		snprintf(where, sizeof where, " on %lld %s", (long long)required, required == 1 ? "base" : "bases");
	if (!who->force)
		return err_field(err, E_CONFLICT, x->pointer,
		    "%s requires %s%s, so %s cannot %s; first: berth offline %s; or, with what that breaks in mind: --force --reason WHY",
		    by->row.name, d->module->row.name, where, d->row.name, x->verb, by->row.name);
	*ret_forced = true;
	return reason_missing(who, err) ? err->code : 0;
}
