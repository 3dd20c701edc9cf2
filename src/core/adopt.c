/* Modules that run without anybody having told Berth: adopted as instances of a deployment, or let be. Adopting sends nothing to any base;
 * it records what is, so that from then on it is wanted. Bases of one group that hold one module become one deployment; where versions
 * differ the newest is its current one, and the others stay as they are, behind, until a plan moves them. */
#include "core/conductor.h"
#include "core/launch.h"

#include <stdio.h>

#include "sched/place.h"

#define LOOK_US (10 * US_PER_S)
#define MAX_AT_ONCE 5000 /* modules on bases, per call; a deployment is never cut in two */

/* What is held of one module in one group: findings by base, the one to adopt first. */
struct set {
	struct finding **v;
	size_t n;
	struct group *group;
	const char *module;       /* copied: findings go as they are adopted */
	struct deployment *there; /* joined; NULL: a new one */
	const char *name;         /* of that deployment; NULL: none is free */
	struct adoption *out;
};

struct adopting {
	struct core *c;
	const struct core_who *who;
	struct arena *a;
	bool dry, by_policy;
	struct base **bases; /* that have something wanted now */
	size_t n_bases;
};

/* ---- what there is ---------------------------------------------------------------------------------------------------------------------
 */

static bool adoptable(const struct finding *x) {
	return (x->row.kind == FINDING_UNMANAGED || x->row.kind == FINDING_VERSION_DRIFT) && x->base != NULL;
}

static bool asked_for(const struct adopt_spec *s, const struct finding *x) {
	if (s->finding != NULL)
		return x == s->finding;
	return adoptable(x) && x->row.ignored_at.us == 0 && x->base->group == s->group &&
	       (s->module == NULL || strcmp(x->row.module, s->module) == 0) && (!s->by_policy || policy_may_act(x));
}

static int prefer(const struct finding *a, const struct finding *b) {
	bool x = text_same(a->row.reported, "activated"), y = text_same(b->row.reported, "activated");
	return x != y ? (x ? -1 : 1) : version_cmp(b->row.version, a->row.version);
}

static int by_module_and_base(const void *px, const void *py) {
	const struct finding *a = *(struct finding *const *)px, *b = *(struct finding *const *)py;
	int modules = strcmp(a->row.module, b->row.module);
	if (modules != 0)
		return modules;
	return a->base != b->base ? (a->row.base_id > b->row.base_id) - (a->row.base_id < b->row.base_id) : prefer(a, b);
}

static size_t collect(struct adopting *x, const struct adopt_spec *s, struct finding ***ret) {
	size_t n = 0;
	for (const struct finding *f = fleet_findings_first(x->c->fleet); f != NULL; f = TAILQ_NEXT(f, link))
		n += asked_for(s, f);
	struct finding **v = arena_alloc(x->a, (n + 1) * sizeof(struct finding *));
	n = 0;
	for (struct finding *f = fleet_findings_first(x->c->fleet); f != NULL; f = TAILQ_NEXT(f, link))
		if (asked_for(s, f))
			v[n++] = f;
	qsort(v, n, sizeof *v, by_module_and_base);
	*ret = v;
	return n;
}

/* ---- notes -----------------------------------------------------------------------------------------------------------------------------
 */

static void list_add(struct arena *a, const char ***list, size_t *n, const char *text) {
	const char **v = arena_alloc(a, (*n + 1) * sizeof(const char *));
	if (*n > 0)
		memcpy(v, *list, *n * sizeof *v);
	v[(*n)++] = text;
	*list = v;
}

static void note(struct adopting *x, const struct set *s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void note(struct adopting *x, const struct set *s, const char *fmt, ...) {
	va_list ap;
	va_start(ap, fmt);
	list_add(x->a, &s->out->notes, &s->out->n_notes, arena_vprintf(x->a, fmt, ap));
	va_end(ap);
}

/* ---- which deployment ------------------------------------------------------------------------------------------------------------------
 */

static const char *free_name(struct adopting *x, const struct group *g, const char *module) {
	const char *longer = arena_printf(x->a, "%.31s-%.31s", module, g->row.name);
	if (fleet_deployment(g->tenant, module) == NULL)
		return module;
	return fleet_deployment(g->tenant, longer) == NULL ? longer : NULL;
}

static void find_deployment(struct adopting *x, struct set *s) {
	const struct module *m = fleet_module(s->group->tenant, s->module);
	for (struct deployment *d = s->group->tenant->deployments; m != NULL && d != NULL; d = d->hh_name.next)
		if (s->there == NULL && d->module == m && d->group == s->group && !d->row.offline)
			s->there = d;
	s->name = s->there != NULL ? s->there->row.name : free_name(x, s->group, s->module);
}

static struct revision *revision_of(const struct deployment *d, const char *version) {
	struct revision *r;
	TAILQ_FOREACH_REVERSE(r, &d->revisions, revision_list, link)
	if (strcmp(r->version->row.name, version) == 0)
		return r;
	return NULL;
}

/* The wanted one on that base that a held one would take the place of, or NULL. */
static struct instance *stands_there(const struct set *s, const struct base *b) {
	const struct module *m = fleet_module(s->group->tenant, s->module);
	struct instance *i = m == NULL ? NULL : base_instance_of_module(b, m);
	return i != NULL && i->row.wanted ? i : NULL;
}

/* Why this one stays a finding; NULL: it can be adopted. */
static const char *hindrance(struct adopting *x, const struct set *s, const struct finding *f) {
	const struct instance *i = stands_there(s, f->base);
	const char *base = f->base->row.name, *module = f->row.module, *version = f->row.version;
	if (f->plan != NULL && f->plan->n_sent > 0)
		return arena_printf(x->a, "%s:%s on %s is being taken out by plan %lld", module, version, base, (long long)f->plan->row.id);
	if (s->name == NULL)
		return arena_printf(
		    x->a, "deployments %s and %s-%s exist already, for other groups or modules", module, module, s->group->row.name);
	if (!text_same(f->row.reported, "activated") && !text_same(f->row.reported, "deactivated"))
		return arena_printf(
		    x->a, "%s:%s on %s is %s", module, version, base, f->row.reported == NULL ? "in a state nobody told" : f->row.reported);
	if (s->there == NULL)
		return NULL;
	if (s->there->plan != NULL)
		return arena_printf(x->a, "plan %lld is at work on deployment %s", (long long)s->there->plan->row.id, s->there->row.name);
	if (revision_of(s->there, version) == NULL)
		return arena_printf(x->a, "%s:%s on %s: deployment %s keeps no revision of that version", module, version, base, s->name);
	if (i != NULL && (i->task != NULL || i->row.state == INSTANCE_READY || i->row.state == INSTANCE_STANDBY))
		return arena_printf(
		    x->a, "%s:%s on %s stands beside %s, which is wanted there", module, version, base, i->version->row.name);
	return NULL;
}

/* A person may adopt more than a deployment wants, and is told; a policy does not make a surplus that the next plan would remove. */
static bool would_have_more(const struct adopting *x, const struct set *s, size_t n, const struct finding *f) {
	const struct deployment *d = s->there;
	int64_t want = d == NULL ? -1 : d->current->row.replicas;
	return x->by_policy && want >= 0 && d->n_wanted + (int64_t)n >= want && stands_there(s, f->base) == NULL;
}

/* One per base; what is left out is told. */
static void choose(struct adopting *x, struct set *s) {
	struct finding **kept = arena_alloc(x->a, (s->n + 1) * sizeof(struct finding *));
	size_t n = 0;
	for (size_t k = 0; k < s->n; k++) {
		struct finding *f = s->v[k];
		const char *why = hindrance(x, s, f);
		if (why != NULL)
			note(x, s, "%s: it stays a finding", why);
		else if (would_have_more(x, s, n, f))
			note(x, s, "deployment %s would have more instances than it wants: %s:%s on %s stays a finding", s->name,
			    f->row.module, f->row.version, f->base->row.name);
		else if (n > 0 && kept[n - 1]->base == f->base)
			note(x, s, "%s holds %s:%s beside %s: it stays a finding", f->base->row.name, f->row.module, f->row.version,
			    kept[n - 1]->row.version);
		else
			kept[n++] = f;
	}
	s->v = kept;
	s->n = n;
}

/* ---- what it makes ---------------------------------------------------------------------------------------------------------------------
 */

static int by_version(const void *px, const void *py) {
	const struct finding *a = *(struct finding *const *)px, *b = *(struct finding *const *)py;
	int d = version_cmp(a->row.version, b->row.version);
	if (d == 0)
		d = strcmp(a->row.version, b->row.version);
	return d != 0 ? d : (a->row.id > b->row.id) - (a->row.id < b->row.id);
}

static bool first_of_version(const struct set *s, size_t k) {
	return k == 0 || strcmp(s->v[k - 1]->row.version, s->v[k]->row.version) != 0;
}

static const struct version *version_known(const struct set *s, const char *version) {
	const struct module *m = fleet_module(s->group->tenant, s->module);
	return m == NULL ? NULL : fleet_version(m, version);
}

static void describe(struct adopting *x, struct set *s) {
	struct adoption *o = s->out;
	o->deployment = s->name;
	o->created = s->there == NULL;
	o->version = s->there != NULL ? s->there->current->version->row.name : s->v[s->n - 1]->row.version;
	o->version = arena_strdup(x->a, o->version);
	o->instances = arena_alloc(x->a, (s->n + 1) * sizeof *o->instances);
	for (size_t k = 0; k < s->n; k++) {
		const char *version = arena_strdup(x->a, s->v[k]->row.version);
		const struct version *known = version_known(s, version);
		o->instances[o->n++] =
		    (struct adopted){ .base = s->v[k]->base->row.name, .version = version, .behind = strcmp(version, o->version) != 0 };
		if (first_of_version(s, k) && (known == NULL || !version_restorable(known)))
			list_add(x->a, &o->not_restorable, &o->n_not_restorable, version);
	}
	if (s->there != NULL && s->there->current->row.replicas >= 0 &&
	    s->there->n_wanted + (int64_t)s->n > s->there->current->row.replicas)
		note(x, s, "deployment %s wants %lld instances and would have more; berth scale %s says how many", s->name,
		    (long long)s->there->current->row.replicas, s->name);
}

static struct module *module_get(struct core *c, struct tenant *t, const char *name) {
	struct module *m = fleet_module(t, name);
	struct row_module row = { .name = UNCONST(name), .created_at = c->wall };
	return m != NULL ? m : fleet_module_add(c->fleet, t, &row);
}

static struct artifact *no_artifact(struct core *c, struct tenant *t) {
	struct artifact *a = fleet_artifact(t, NO_SHA256);
	struct row_artifact row = { .sha256 = UNCONST(NO_SHA256), .created_at = c->wall };
	return a != NULL ? a : fleet_artifact_add(c->fleet, t, &row);
}

struct version *version_of_finding(struct core *c, const char *actor, const struct finding *f) {
	struct module *m = module_get(c, f->tenant, f->row.module);
	struct version *v = fleet_version(m, f->row.version);
	if (v != NULL)
		return v;
	int runtime = f->base->row.runtime != RUNTIME_NONE ? f->base->row.runtime : f->base->group->row.runtime;
	struct row_version row = { .name = f->row.version,
		.revision = 1,
		.runtime = runtime,
		.units = 1,
		.context_path = f->row.context_path,
		.priority = runtime == RUNTIME_ARK ? 100 : 0, /* what a manifest that says nothing means */
		.create_actor = UNCONST(actor),
		.created_at = c->wall };
	return fleet_version_add(c->fleet, m, no_artifact(c, m->tenant), &row);
}

static void not_restorable(struct core *c, const struct instance *i) {
	const char *module = i->version->module->row.name, *version = i->version->row.name;
	if (version_restorable(i->version))
		return;
	const struct finding *x =
	    finding_raise(c, FINDING_NOT_RESTORABLE, i->base, module, version, i->deployment, "berth module push FILE",
	        "Berth has no artifact of %s:%s: on %s it runs on, but it is not put back after a restart, and cannot be placed, moved, "
	        "restarted or "
	        "gone back to",
	        module, version, i->base->row.name);
	agenda_add(&c->agenda, mono_add(c->mono, LOOK_US), AGENDA_FINDING, x->row.id);
}

void not_restorable_look(struct core *c, const struct finding *x) {
	const struct module *m = x->base == NULL ? NULL : fleet_module(x->tenant, x->row.module);
	const struct version *v = m == NULL ? NULL : fleet_version(m, x->row.version);
	const struct instance *i = v == NULL ? NULL : base_instance_of(x->base, v);
	if (i != NULL && i->row.wanted && !version_restorable(v))
		agenda_add(&c->agenda, mono_add(c->mono, LOOK_US), AGENDA_FINDING, x->row.id);
	else
		finding_clear(c, FINDING_NOT_RESTORABLE, x->base, x->row.module, x->row.version);
}

static enum instance_state state_now(const struct finding *f) {
	if (f->base->row.state != BASE_READY)
		return INSTANCE_UNKNOWN;
	return text_same(f->row.reported, "activated") ? INSTANCE_READY : INSTANCE_STANDBY;
}

static void take(struct adopting *x, const struct set *s, struct deployment *d, const struct revision *r, struct finding *f) {
	struct core *c = x->c;
	struct base *b = f->base;
	eviction_call_off(c, f, "what it was to take out was adopted", NULL);
	struct instance *i = stands_there(s, b);
	if (i != NULL) /* it was to be there and is not: what is there takes its place */
		fleet_instance_remove(c->fleet, i);
	struct row_instance row = { .revision = r->row.number,
		.wanted = true,
		.state = INSTANCE_PENDING,
		.state_at = c->wall,
		.generation = ++b->row.generation,
		.reported = f->row.reported,
		.units = r->version->row.units,
		.created_at = c->wall };
	fleet_touch(c->fleet, &b->o);
	if (fleet_instance_add(c->fleet, b, d, r->version, &row, &i, NULL) != 0)
		return; /* it is there, as one on its way out */
	instance_set_state(c->fleet, i, state_now(f), NULL, c->wall);
	i->ready_since = c->mono;
	i->in_memory = true;
	struct event_facts e = { .kind = "finding.adopted", .base = b, .deployment = d, .version = r->version, .instance = i };
	core_event(c, &e, "%s:%s on %s was adopted by deployment %s", f->row.module, f->row.version, b->row.name, d->row.name);
	not_restorable(c, i);
	fleet_finding_remove(c->fleet, f);
	x->bases[x->n_bases++] = b;
}

static struct deployment *deployment_make(struct adopting *x, const struct set *s, struct module *m) {
	struct core *c = x->c;
	struct row_deployment row = { .name = UNCONST(s->name),
		.state = DEPLOYMENT_WAITING,
		.state_at = c->wall,
		.etag = 1,
		.created_at = c->wall,
		.updated_at = c->wall };
	return fleet_deployment_add(c->fleet, s->group->tenant, m, s->group, &row);
}

/* Revisions from the oldest version to the newest. Nothing is completed beyond the oldest: otherwise those behind would catch up unasked.
 */
static void make(struct adopting *x, struct set *s) {
	struct core *c = x->c;
	struct module *m = module_get(c, s->group->tenant, s->module);
	struct deployment *d = deployment_make(x, s, m);
	struct revision *r = NULL;
	for (size_t k = 0; k < s->n; k++) {
		if (r == NULL || strcmp(r->version->row.name, s->v[k]->row.version) != 0) {
			struct wanted w = { .version = version_of_finding(c, x->who->actor, s->v[k]),
				.replicas = (int64_t)s->n,
				.strategy = &strategy_unset };
			bool oldest = r == NULL;
			r = revision_record(c, x->who, d, &w);
			if (oldest)
				deployment_set_completed(c->fleet, d, r->row.number);
		}
		take(x, s, d, r, s->v[k]);
	}
	struct event_facts e = { .kind = "deployment.adopted", .deployment = d, .version = d->current->version };
	core_event(c, &e, "deployment %s was made from what runs on %zu bases of group %s", d->row.name, s->n, s->group->row.name);
	deployment_rest(c->fleet, d, c->wall);
}

static void join(struct adopting *x, struct set *s) {
	for (size_t k = 0; k < s->n; k++) {
		const struct revision *r = revision_of(s->there, s->v[k]->row.version);
		take(x, s, s->there, r, s->v[k]);
	}
	deployment_refresh(x->c, s->there);
}

static void adopt_set(struct adopting *x, struct set *s) {
	s->module = arena_strdup(x->a, s->v[0]->row.module);
	*s->out = (struct adoption){ .module = s->module, .group = s->group->row.name };
	find_deployment(x, s);
	choose(x, s);
	if (s->n == 0)
		return;
	qsort(s->v, s->n, sizeof *s->v, by_version);
	describe(x, s);
	if (!x->dry && s->there != NULL)
		join(x, s);
	else if (!x->dry)
		make(x, s);
}

/* ---- doors -----------------------------------------------------------------------------------------------------------------------------
 */

static int by_id(const void *px, const void *py) {
	const struct base *a = *(struct base *const *)px, *b = *(struct base *const *)py;
	return (a->row.id > b->row.id) - (a->row.id < b->row.id);
}

/* What is wanted of each of them is told once. */
static void welcome_all(struct adopting *x) {
	qsort(x->bases, x->n_bases, sizeof(struct base *), by_id);
	for (size_t k = 0; k < x->n_bases; k++)
		if (k == 0 || x->bases[k] != x->bases[k - 1])
			base_welcome(x->c, x->bases[k]);
}

static size_t set_length(struct finding *const *v, size_t n) {
	size_t k = 1;
	while (k < n && v[k]->base->group == v[0]->base->group && strcmp(v[k]->row.module, v[0]->row.module) == 0)
		k++;
	return k;
}

int change_adopt(struct core *c, const struct core_who *who, const struct adopt_spec *spec, struct arena *a, struct adoption **ret,
    size_t *ret_n, struct err *err) {
	struct adopting x = { .c = c, .who = who, .a = a, .dry = spec->dry, .by_policy = spec->by_policy };
	struct finding **v;
	if (spec->finding != NULL && !adoptable(spec->finding))
		return err_set(err, E_STATE, "finding %lld is \"%s\"; only unmanaged modules and version drift can be adopted",
		    (long long)spec->finding->row.id, word_text(WORD_FINDING, spec->finding->row.kind));
	size_t n = collect(&x, spec, &v), done = 0, sets = 0;
	struct adoption *out = arena_alloc(a, (n + 1) * sizeof *out);
	x.bases = arena_alloc(a, (n + 1) * sizeof(struct base *));
	while (done < n) {
		struct set s = { .v = v + done, .n = set_length(v + done, n - done), .group = v[done]->base->group, .out = &out[sets] };
		size_t length = s.n;
		if (done > 0 && done + length > MAX_AT_ONCE) {
			list_add(a, &out[sets - 1].notes, &out[sets - 1].n_notes,
			    arena_printf(a, "%zu more modules on bases are left for another call", n - done));
			break;
		}
		adopt_set(&x, &s);
		done += length;
		sets++;
	}
	welcome_all(&x);
	*ret = out;
	*ret_n = sets;
	return 0;
}

void change_version_whole(struct core *c, struct version *v, struct artifact *a, const struct row_version *row) {
	struct event_facts e = { .kind = "version.completed", .version = v, .module = v->module };
	fleet_version_set_artifact(c->fleet, v, a);
	text_set(&v->row.context_path, row->context_path);
	text_set(&v->row.requires, row->requires);
	v->row.priority = row->priority;
	v->row.runtime = row->runtime;
	v->row.units = row->units;
	core_event(c, &e, "%s:%s has its artifact now", v->module->row.name, v->row.name);
	for (const struct instance *i = fleet_instances(c->fleet); i != NULL; i = i->hh_id.next)
		if (i->version == v) {
			finding_clear(c, FINDING_NOT_RESTORABLE, i->base, v->module->row.name, v->row.name);
			base_welcome(c, i->base);
			agenda_add(&c->agenda, c->mono, AGENDA_REPAIR, i->row.id);
		}
}

int change_ignore(struct core *c, const struct core_who *who, struct finding *f, bool ignore, struct err *err) {
	struct event_facts e = { .kind = ignore ? "finding.ignored" : "finding.shown", .base = f->base };
	if (ignore && (who->reason == NULL || *who->reason == '\0'))
		return err_field(err, E_INVALID, "/meta/reason",
		    "say why; it is shown to whoever finds it again: berth finding ignore %lld --reason WHY", (long long)f->row.id);
	if (ignore == (f->row.ignored_at.us != 0) && (!ignore || text_same(f->row.ignore_reason, who->reason)))
		return 0;
	if (ignore && eviction_call_off(c, f, who->reason, err) != 0)
		return err->code;
	f->row.ignored_at = ignore ? c->wall : (wall_t){ 0 };
	text_set(&f->row.ignore_reason, ignore ? who->reason : NULL);
	fleet_touch(c->fleet, &f->o);
	core_event(c, &e, ignore ? "let be: %s" : "no longer let be: %s", f->row.detail);
	if (!ignore)
		policy_found(c, f);
	return 0;
}
