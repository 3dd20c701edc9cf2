/* The copy in slices: where it stopped is remembered by number, never by pointer. */
#include "core/scratch.h"

#include "base/arena.h"
#include "sched/requires.h"

#define FIRST_FREE_ID (INT64_C(1) << 40) /* above every number of the real fleet */
#define MAX_TRIES 8

enum stage { STAGE_ROOT, STAGE_DEPLOYMENTS, STAGE_BASES, STAGE_ORDER, STAGE_OVER };

struct scratch {
	struct fleet *to;
	int64_t tenant_id, versions[PLAN_MAX_CHANGES], groups[PLAN_MAX_CHANGES];
	size_t n_versions, n_groups;
	int64_t epoch; /* of the model it is copied from */
	enum stage stage;
	size_t group;   /* whose bases are copied */
	int64_t last;   /* deployment or base that was copied last, or is put in order; 0: none of this stage */
	int64_t within; /* instance of it that was put in order last */
	size_t copied;  /* in this slice */
	int tries;
};

struct scratch *scratch_new(const struct core *c, const struct resolved *r, size_t n) {
	struct scratch *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->to = fleet_new();
	s->epoch = c->epoch;
	s->tenant_id = r[0].tenant->row.id;
	for (size_t k = 0; k < n; k++) {
		bool known = false;
		s->versions[s->n_versions++] = r[k].version->row.id;
		for (size_t j = 0; j < s->n_groups; j++)
			known |= s->groups[j] == r[k].group->row.id;
		if (!known)
			s->groups[s->n_groups++] = r[k].group->row.id;
	}
	return s;
}

struct fleet *scratch_take(struct scratch *s) {
	struct fleet *f = s->to;
	s->to = NULL;
	return f;
}

void scratch_free(struct scratch *s, struct core *c) {
	if (s == NULL)
		return;
	core_bury_fleet(c, s->to);
	free(s);
}

/* ---- what is referred to --------------------------------------------------------------------------------------------------------------
 */
static int load(struct scratch *s, enum table t, void *row, struct err *err) {
	s->copied++;
	return fleet_load_row(s->to, t, row, err);
}

static struct tenant *mine(const struct scratch *s) {
	return fleet_tenant_by_id(s->to, s->tenant_id);
}

/* Of a number that was given anew while it was copied. */
static int changed(struct err *err, const char *name) {
	return err_set(err, E_BUSY, "%s changes while it is looked at; ask again", name);
}

static int bring_artifact(struct scratch *s, struct artifact *a, struct err *err) {
	const struct artifact *here = fleet_artifact(mine(s), a->row.sha256);
	if (here != NULL)
		return here->row.id == a->row.id ? 0 : changed(err, a->row.sha256);
	return load(s, TABLE_artifact, &a->row, err);
}

/* With all its versions, in their order: the newest of a name counts. */
static int bring_module(struct scratch *s, struct module *m, struct err *err) {
	const struct module *here = fleet_module(mine(s), m->row.name);
	struct version *v;
	int r = 0;
	if (here != NULL && here->row.id != m->row.id)
		return changed(err, m->row.name);
	if (here == NULL)
		r = load(s, TABLE_module, &m->row, err);
	TAILQ_FOREACH(v, &m->versions, link) {
		if (r != 0 || fleet_version_by_id(s->to, v->row.id) != NULL)
			continue;
		r = bring_artifact(s, v->artifact, err);
		if (r == 0)
			r = load(s, TABLE_version, &v->row, err);
	}
	return r;
}

static int bring_version(struct scratch *s, struct version *v, struct err *err) {
	return fleet_version_by_id(s->to, v->row.id) != NULL ? 0 : bring_module(s, v->module, err);
}

static int bring_group(struct scratch *s, struct group *g, struct err *err) {
	const struct group *here = fleet_group(mine(s), g->row.name);
	if (here != NULL)
		return here->row.id == g->row.id ? 0 : changed(err, g->row.name);
	return load(s, TABLE_base_group, &g->row, err);
}

static int bring_deployment(struct scratch *s, struct deployment *d, struct err *err) {
	struct revision *x;
	if (fleet_deployment_by_id(s->to, d->row.id) != NULL)
		return 0;
	if (fleet_deployment(mine(s), d->row.name) != NULL)
		return changed(err, d->row.name);
	int r = bring_module(s, d->module, err);
	if (r == 0)
		r = bring_group(s, d->group, err);
	if (r == 0)
		r = load(s, TABLE_deployment, &d->row, err);
	TAILQ_FOREACH(x, &d->revisions, link) {
		if (r == 0)
			r = bring_version(s, x->version, err);
		if (r == 0)
			r = load(s, TABLE_revision, &x->row, err);
	}
	return r;
}

/* ---- a base at one moment -------------------------------------------------------------------------------------------------------------
 */
static bool on_its_way_out(const struct instance *i) {
	return !i->row.wanted && i->task != NULL;
}

/* One that lacks what it requires is tried in vain (dispatch.c). */
static bool coming(const struct instance *i) {
	ARENA_AUTO a = arena_new();
	bool under_way = i->row.state == INSTANCE_PENDING || i->row.state == INSTANCE_INSTALLING || i->row.state == INSTANCE_MISSING;
	return i->row.wanted && under_way && requirement_missed(i->base, i->version, a) == NULL;
}

/* What other plans and repairs have under way there counts as done: this is what would follow. */
static int copy_instance(struct scratch *s, const struct instance *i, struct err *err) {
	struct row_instance row = i->row;
	int r = bring_version(s, i->version, err);
	if (r == 0 && i->deployment != NULL)
		r = bring_deployment(s, i->deployment, err);
	row.replaces = 0;
	if (coming(i))
		row.state = INSTANCE_READY;
	if (r == 0)
		r = load(s, TABLE_instance, &row, err);
	if (r == 0)
		fleet_instance(s->to, row.id)->in_memory = i->in_memory;
	return r;
}

/* What is not in its row: what it was found to be (quarantine keeps a version off it), and what is known of it in memory only. */
static int copy_facts(struct scratch *s, const struct base *b, struct err *err) {
	struct base *x = fleet_base_by_id(s->to, b->row.id);
	struct finding *f;
	int r = 0;
	x->connected = b->connected || b->row.state == BASE_READY; /* one that does not come back falls silent */
	x->memory = b->memory;
	x->memory_told = b->memory_told;
	x->memory_life = b->memory_life;
	TAILQ_FOREACH(f, &b->findings, base_link)
		if (r == 0)
			r = load(s, TABLE_finding, &f->row, err);
	return r;
}

static int copy_base(struct scratch *s, const struct base *b, struct err *err) {
	const struct instance *i;
	struct row_base row = b->row;
	if (fleet_base(mine(s), b->row.name) != NULL)
		return changed(err, b->row.name);
	row.units_used = 0;
	TAILQ_FOREACH(i, &b->instances, base_link)
		row.units_used += on_its_way_out(i) ? 0 : i->row.units;
	row.units_ceiling = base_limit(b) > row.units_used ? base_limit(b) : row.units_used;
	int r = load(s, TABLE_base, &row, err);
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (r == 0 && !on_its_way_out(i))
			r = copy_instance(s, i, err);
	return r != 0 ? r : copy_facts(s, b, err);
}

/* ---- stage by stage -------------------------------------------------------------------------------------------------------------------
 */
static int copy_root(struct scratch *s, struct fleet *from, struct err *err) {
	static const char *const counters[] = { "deployment", "finding", "instance", "plan", "task" };
	struct row_cell cell = { .id = 1 };
	int r = load(s, TABLE_cell, &cell, err);
	for (size_t k = 0; r == 0 && k < sizeof counters / sizeof *counters; k++) {
		struct row_counter row = { .name = UNCONST(counters[k]), .value = FIRST_FREE_ID };
		r = load(s, TABLE_counter, &row, err);
	}
	if (r == 0)
		r = load(s, TABLE_tenant, &fleet_tenant_by_id(from, s->tenant_id)->row, err);
	for (size_t k = 0; r == 0 && k < s->n_versions; k++) {
		struct version *v = fleet_version_by_id(from, s->versions[k]);
		r = v == NULL ? changed(err, "the version") : bring_version(s, v, err);
	}
	s->stage++;
	return r;
}

static bool concerned(const struct scratch *s, const struct group *g) {
	for (size_t k = 0; k < s->n_groups; k++)
		if (s->groups[k] == g->row.id)
			return true;
	return false;
}

static int copy_deployments(struct scratch *s, struct fleet *from, size_t objects, struct err *err) {
	struct deployment *d = fleet_tenant_by_id(from, s->tenant_id)->deployments;
	int r = 0;
	if (s->last != 0) {
		d = fleet_deployment_by_id(from, s->last);
		if (d == NULL)
			return changed(err, "a deployment");
		d = d->hh_name.next;
	}
	for (; r == 0 && d != NULL && s->copied < objects; d = d->hh_name.next, s->copied++) {
		s->last = d->row.id;
		if (concerned(s, d->group))
			r = bring_deployment(s, d, err);
	}
	if (d == NULL) {
		s->stage++;
		s->last = 0;
	}
	return r;
}

static struct group *group_of(struct fleet *from, const struct scratch *s) {
	struct group *g = fleet_tenant_by_id(from, s->tenant_id)->groups;
	while (g != NULL && g->row.id != s->groups[s->group])
		g = g->hh_name.next;
	return g;
}

static int copy_bases(struct scratch *s, struct fleet *from, size_t objects, struct err *err) {
	struct group *g = group_of(from, s);
	struct base *b;
	if (g == NULL)
		return changed(err, "the group");
	int r = bring_group(s, g, err);
	if (s->last == 0) {
		b = TAILQ_FIRST(&g->bases);
	} else {
		b = fleet_base_by_id(from, s->last);
		if (b == NULL || b->group != g)
			return changed(err, g->row.name);
		b = TAILQ_NEXT(b, group_link);
	}
	for (; r == 0 && b != NULL && s->copied < objects; b = TAILQ_NEXT(b, group_link)) {
		s->last = b->row.id;
		r = copy_base(s, b, err);
	}
	if (b == NULL) {
		s->last = 0;
		s->stage += ++s->group == s->n_groups;
	}
	return r;
}

static int order_of(struct scratch *s, struct fleet *from, const struct deployment *d, size_t objects, struct err *err) {
	const struct instance *i = s->within == 0 ? TAILQ_FIRST(&d->instances) : fleet_instance(from, s->within);
	if (s->within != 0 && (i == NULL || i->deployment != d))
		return changed(err, d->row.name);
	if (s->within != 0)
		i = TAILQ_NEXT(i, deployment_link);
	for (; i != NULL && s->copied < objects; i = TAILQ_NEXT(i, deployment_link), s->copied++) {
		struct instance *x = fleet_instance(s->to, i->row.id);
		s->within = i->row.id;
		if (x != NULL)
			instance_to_tail(x);
	}
	return 0;
}

/* They were copied base by base; the engine takes those of a deployment in the order in which they came to be. */
static int order_instances(struct scratch *s, struct fleet *from, size_t objects, struct err *err) {
	struct deployment *d = s->last == 0 ? fleet_tenant_by_id(from, s->tenant_id)->deployments : fleet_deployment_by_id(from, s->last);
	if (d == NULL && s->last != 0)
		return changed(err, "a deployment");
	while (d != NULL) {
		int r = concerned(s, d->group) ? order_of(s, from, d, objects, err) : 0;
		if (r != 0 || s->copied >= objects)
			return r;
		d = d->hh_name.next;
		s->last = d == NULL ? 0 : d->row.id;
		s->within = 0;
		s->copied++;
	}
	s->stage++;
	return 0;
}

/* Instances refer to the revisions that their deployments had when these were copied. */
static bool still_so(const struct scratch *s, struct fleet *from) {
	for (const struct deployment *d = fleet_deployments(s->to); d != NULL; d = d->hh_id.next) {
		const struct deployment *there = fleet_deployment_by_id(from, d->row.id);
		if (there == NULL || there->row.revision != d->row.revision)
			return false;
	}
	return true;
}

static int copy_some(struct scratch *s, struct fleet *from, size_t objects, struct err *err) {
	int r = 0;
	while (r == 0 && s->stage != STAGE_OVER && s->copied < objects) {
		if (s->stage == STAGE_ROOT)
			r = copy_root(s, from, err);
		else if (s->stage == STAGE_DEPLOYMENTS)
			r = copy_deployments(s, from, objects, err);
		else if (s->stage == STAGE_BASES)
			r = copy_bases(s, from, objects, err);
		else
			r = order_instances(s, from, objects, err);
	}
	if (r == 0 && s->stage == STAGE_OVER && !still_so(s, from))
		return changed(err, "a deployment");
	return r;
}

static void start_over(struct scratch *s, struct core *c) {
	core_bury_fleet(c, s->to);
	s->to = fleet_new();
	s->stage = STAGE_ROOT;
	s->group = 0;
	s->last = s->within = 0;
	s->epoch = c->epoch;
}

int scratch_step(struct scratch *s, struct core *c, size_t objects, bool *ret_over, struct err *err) {
	s->copied = 0;
	if (s->epoch != c->epoch)
		start_over(s, c);
	int r = copy_some(s, c->fleet, objects, err);
	*ret_over = r == 0 && s->stage == STAGE_OVER;
	if (r != E_BUSY || ++s->tries == MAX_TRIES)
		return r;
	start_over(s, c);
	return 0;
}
