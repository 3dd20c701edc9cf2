/* What a change would do, without doing it: the same resolving, counting, cutting and placing, written down instead of begun. */
#include "core/launch.h"
#include "core/resolve.h"
#include "model/spec.h"

#include <stdio.h>

#include "sched/place.h"
#include "sched/requires.h"

struct preview {
	struct core *c;
	struct arena *a;
	struct dry_run *x;
	const struct resolved *r;
	size_t n;
	const struct base **bases; /* of each placed */
	size_t cap;
};

static void note(struct preview *w, const char *text) {
	struct dry_run *x = w->x;
	const char **v = arena_alloc(w->a, (x->n_notes + 1) * sizeof *v);
	if (x->n_notes > 0)
		memcpy(v, x->notes, x->n_notes * sizeof *v);
	v[x->n_notes++] = text;
	x->notes = v;
}

/* ---- counting -------------------------------------------------------------------------------------------------------------------------
 */
static void count(const struct resolved *r, struct plan_work *w) {
	const struct instance *i;
	*w = (struct plan_work){ 0 };
	const struct base *b;
	w->target = r->replicas < 0 ? 0 : r->replicas;
	if (r->replicas < 0)
		TAILQ_FOREACH(b, &r->group->bases, group_link)
			w->target += b->row.state != BASE_LOST && b->row.state != BASE_STOPPED;
	int64_t have = r->deployment == NULL ? 0 : r->deployment->n_wanted;
	if (r->deployment != NULL && !r->content_same)
		TAILQ_FOREACH(i, &r->deployment->instances, deployment_link)
			w->behind += i->row.wanted;
	w->out = have < w->target ? w->target - have : 0;
	w->in = have > w->target ? have - w->target : 0;
	if (w->behind > w->target)
		w->behind = w->target;
	w->total = w->behind + w->out + w->in;
}

static void put(struct preview *w, const struct base *b, const char *deployment, const char *action) {
	w->bases[w->x->n_placed] = b;
	w->x->placed[w->x->n_placed++] = (struct dry_placed){ .base = b->row.name, .deployment = deployment, .action = action };
}

/* ---- where new ones would go, with those that this change places before them
 * ------------------------------------------------------------- */
struct beside {
	const struct preview *w;
	const struct resolved *r;
};

static const struct resolved *placed_of(const struct preview *w, size_t k) {
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->r[i].name, w->x->placed[k].deployment) == 0)
			return &w->r[i];
	return NULL;
}

static bool brings(const struct base *b, const struct requirement *q, void *arg) {
	const struct beside *y = arg;
	for (size_t k = 0; k < y->w->x->n_placed; k++)
		if (y->w->bases[k] == b && requirement_meets(q, placed_of(y->w, k)->version))
			return true;
	return false;
}

static bool crowded(const struct base *b, void *arg) {
	const struct beside *y = arg;
	int64_t units = y->r->version->row.units;
	for (size_t k = 0; k < y->w->x->n_placed; k++)
		if (y->w->bases[k] == b && strcmp(y->w->x->placed[k].action, "install") == 0)
			units += placed_of(y->w, k)->version->row.units;
	return units > base_free(b);
}

static void lacks_room(struct preview *w, int64_t missing, int64_t out, const struct place_report *rep) {
	struct dry_run *x = w->x;
	if (x->waiting == NULL)
		x->waiting = arena_alloc(w->a, w->n * sizeof *x->waiting);
	x->waiting[x->n_waiting++] = (struct waiting){ .rule = "no_room",
		.text = arena_printf(w->a, "%lld of %lld would wait for room: %s", (long long)missing, (long long)out, rep->summary),
		.command = rep->n > 0 ? rep->refusals[0].command : "",
		.since = w->c->wall,
		.count = (int)missing };
}

static void place_new(struct preview *w, const struct resolved *r, int64_t out) {
	struct beside y = { w, r };
	struct place_req req = { .group = r->group,
		.deployment = r->deployment,
		.module = r->module,
		.version = r->version,
		.units = r->version->row.units,
		.policy = r->strategy.placement,
		.brings = brings,
		.excluded = w->x->n_placed > 0 ? crowded : NULL,
		.arg = &y };
	struct place_report rep;
	place_explain(w->c->fleet, &req, NULL, w->a, &rep);
	for (size_t k = 0; k < rep.n_fit && (int64_t)k < out; k++)
		put(w, rep.fit[k], r->name, "install");
	if (rep.fits > rep.n_fit && (int64_t)rep.n_fit < out)
		note(w, arena_printf(w->a, "the first %zu placements of %s are listed; %zu bases fit", rep.n_fit, r->name, rep.fits));
	if ((int64_t)rep.fits < out && r->replicas >= 0)
		lacks_room(w, out - (int64_t)rep.fits, out, &rep);
}

/* ---- interruptions --------------------------------------------------------------------------------------------------------------------
 */
static bool goes_in_place(const struct resolved *r, const struct instance *i) {
	if (r->strategy.upgrade_policy == UPGRADE_POLICY_IN_PLACE || i->version == r->version || requirers_break(i, r->version))
		return true;
	return base_free(i->base) < r->version->row.units && r->strategy.upgrade_policy != UPGRADE_POLICY_SURGE;
}

static bool changes_by_itself(const struct preview *w, const struct deployment *d) {
	for (size_t k = 0; k < w->n; k++)
		if (w->r[k].deployment == d && !w->r[k].content_same)
			return true;
	return false;
}

/* Those that stay as they are, and are gone for a moment because what they require is exchanged under them. */
static void note_company(struct preview *w, const struct resolved *r) {
	const struct deployment *told[8];
	size_t n = 0;
	const struct instance *i, *x;
	TAILQ_FOREACH(i, &r->deployment->instances, deployment_link) {
		for (x = NULL; goes_in_place(r, i) && (x = requirer_of(i, x)) != NULL;) {
			bool known = x->deployment == NULL || n == sizeof told / sizeof *told || changes_by_itself(w, x->deployment);
			for (size_t k = 0; k < n && !known; k++)
				known = told[k] == x->deployment;
			if (known)
				continue;
			told[n++] = x->deployment;
			note(w, arena_printf(w->a, "%s requires %s: it is taken down before and brought back after it on each base",
			            x->deployment->row.name, r->module->row.name));
		}
	}
}

static void note_interruptions(struct preview *w, const struct resolved *r) {
	const struct instance *i;
	int n = 0;
	TAILQ_FOREACH(i, &r->deployment->instances, deployment_link)
		n += i->row.wanted && goes_in_place(r, i);
	if (n == 0)
		return;
	const struct version *old = r->deployment->current == NULL ? NULL : r->deployment->current->version;
	if (old != NULL && !version_restorable(old))
		note(w, arena_printf(w->a, "Berth has no artifact of %s:%s: where the new version fails, it cannot be put back",
		            r->module->row.name, old->row.name));
	if (n == r->deployment->n_wanted)
		note(w, arena_printf(w->a, "%s is uninstalled before it is installed on each base", r->module->row.name));
	else
		note(w, arena_printf(w->a, "%s is uninstalled before it is installed on %d of %d bases", r->module->row.name, n,
		            r->deployment->n_wanted));
	note_company(w, r);
}

/* ---- batches --------------------------------------------------------------------------------------------------------------------------
 */
static int batch_at(const int64_t *sizes, int n, int64_t k) {
	for (int b = 0; b < n; b++) {
		if (k < sizes[b])
			return b + 1;
		k -= sizes[b];
	}
	return n;
}

/* The number of the base among those that stand before; -1: it is the first time. */
static int64_t unit_before(const struct preview *w, const int64_t *unit, size_t k) {
	for (size_t i = 0; i < k; i++)
		if (w->bases[i] == w->bases[k])
			return unit[i];
	return -1;
}

/* Of several changes, base by base. Work that has no place yet, or takes away, comes last. */
static void cut_by_base(struct preview *w, const struct strategy *s, int64_t total) {
	struct dry_run *x = w->x;
	int64_t *unit = arena_alloc(w->a, (x->n_placed + 1) * sizeof *unit), units = 0, sizes[STRATEGY_MAX_BATCHES];
	for (size_t k = 0; k < x->n_placed; k++) {
		int64_t before = unit_before(w, unit, k);
		unit[k] = before >= 0 ? before : units++;
	}
	int64_t rest = total - (int64_t)x->n_placed;
	int n = plan_batches_cut(s, units + rest, sizes);
	for (size_t k = 0; k < x->n_placed; k++) {
		x->placed[k].batch = batch_at(sizes, n, unit[k]);
		x->batch_size[x->placed[k].batch - 1]++;
	}
	for (int64_t k = 0; k < rest; k++)
		x->batch_size[batch_at(sizes, n, units + k) - 1]++;
	x->n_batches = n;
}

static void cut(struct preview *w, const struct strategy *s, int64_t total) {
	struct dry_run *x = w->x;
	if (w->n > 1) {
		cut_by_base(w, s, total);
		return;
	}
	x->n_batches = plan_batches_cut(s, total, x->batch_size);
	for (size_t k = 0; k < x->n_placed; k++)
		x->placed[k].batch = batch_at(x->batch_size, x->n_batches, (int64_t)k);
}

/* ---- one change ------------------------------------------------------------------------------------------------------------------------
 */
static void describe(const struct resolved *r, struct dry_change *ch) {
	const struct revision *from = r->deployment == NULL ? NULL : r->deployment->current;
	ch->deployment = r->name;
	ch->module = r->module->row.name;
	ch->to_version = r->version->row.name;
	ch->to_replicas = r->replicas;
	ch->to_revision = from == NULL ? 1 : from->row.number + !r->same;
	if (from == NULL)
		return;
	ch->from_version = from->version->row.name;
	ch->from_replicas = from->row.replicas;
	ch->from_revision = from->row.number;
}

static void fill_existing(struct preview *w, const struct resolved *r, int64_t behind) {
	const struct instance *i;
	if (r->deployment == NULL || behind == 0)
		return;
	TAILQ_FOREACH(i, &r->deployment->instances, deployment_link)
		if (i->row.wanted && behind-- > 0)
			put(w, i->base, r->name, "upgrade");
	note_interruptions(w, r);
}

static enum plan_kind kind_of_all(const struct resolved *r, size_t n) {
	enum plan_kind kind = PLAN_KIND_NONE;
	for (size_t k = 0; k < n; k++) {
		enum plan_kind one = resolved_kind(&r[k]);
		kind = kind == PLAN_KIND_NONE || kind == one ? one : PLAN_KIND_CHANGE;
	}
	return kind;
}

static void strategy_in_force(const struct resolved *r, int64_t total, struct strategy *s) {
	strategy_resolve(s, total, (enum upgrade_policy)r->group->row.upgrade_policy, (enum placement)r->group->row.placement);
}

/* What is required stands before what requires it, as in the plan. */
static void sort_by_requirement(struct resolved *r, size_t n, struct arena *a) {
	for (size_t round = 0; round < n; round++) {
		for (size_t i = 0; i < n; i++)
			for (size_t k = i + 1; k < n; k++) {
				struct requirement q;
				if (!requires_module(r[i].version, r[k].module, a, &q))
					continue;
				struct resolved x = r[i];
				r[i] = r[k];
				r[k] = x;
			}
	}
}

static void fill(struct preview *w, struct resolved *r, size_t n) {
	struct plan_work *work = arena_alloc(w->a, n * sizeof *work);
	struct strategy whole = strategy_unset;
	int64_t total = 0;
	bool same = true;
	for (size_t k = 0; k < n; k++) {
		count(&r[k], &work[k]);
		total += work[k].total;
		same &= r[k].same;
		struct strategy said = r[k].strategy;
		strategy_merge(&said, &whole);
		whole = said;
	}
	strategy_in_force(&r[0], total, &whole);
	w->cap = (size_t)total + 1;
	w->x->placed = arena_alloc(w->a, w->cap * sizeof *w->x->placed);
	w->bases = arena_alloc(w->a, w->cap * sizeof *w->bases);
	for (size_t k = 0; k < n; k++) {
		describe(&r[k], &w->x->changes[w->x->n_changes++]);
		strategy_in_force(&r[k], work[k].total, &r[k].strategy);
		fill_existing(w, &r[k], work[k].behind);
	}
	for (size_t k = 0; k < n; k++)
		place_new(w, &r[k], work[k].out);
	cut(w, &whole, total);
	if (same)
		note(w, "everything already is so: nothing would be done");
}

int change_deploy_dry(struct core *c, const struct deploy_spec *specs, size_t n, struct arena *a, struct dry_run **ret, struct err *err) {
	struct resolved *r = arena_alloc(a, (n + 1) * sizeof *r);
	int e = resolve_all(c, c->who.tenant_id, specs, n, r, err);
	if (e != 0)
		return e;
	struct dry_run *x = arena_alloc(a, sizeof *x);
	struct preview w = { .c = c, .a = a, .x = x, .r = r, .n = n };
	sort_by_requirement(r, n, a);
	x->kind = kind_of_all(r, n);
	x->changes = arena_alloc(a, n * sizeof *x->changes);
	fill(&w, r, n);
	*ret = x;
	return 0;
}
