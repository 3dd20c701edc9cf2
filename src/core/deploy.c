/* Changes of deployments: what is asked is held against what is wanted already; a difference becomes a revision and a plan. */
#include "core/conductor.h"
#include "core/launch.h"
#include "model/spec.h"

#include <stdio.h>

#include "sched/place.h"

/* Everything a change needs, found and checked, before anything is touched. */
struct resolved {
	struct tenant *tenant;
	struct deployment *deployment; /* NULL: new */
	struct module *module;
	struct version *version;
	struct group *group;
	const char *name;
	int64_t replicas;
	const char *args, *env, *labels;
	struct strategy strategy;
	bool content_same, same; /* nothing on a base changes; nothing at all changes */
};

static int only_group(struct tenant *t, struct group **ret, struct err *err) {
	char list[256] = "";
	int n = 0;
	for (struct group *g = t->groups; g != NULL; g = g->hh_name.next, n++) {
		size_t at = strlen(list);
		snprintf(list + at, sizeof list - at, "%s%s", n == 0 ? "" : ", ", g->row.name);
		*ret = g;
	}
	if (n == 1)
		return 0;
	if (n == 0)
		return err_field(
		    err, E_INVALID, "/group", "there is no base group yet; start a base with a join token, or: berth group create NAME");
	return err_field(err, E_INVALID, "/group", "say which group: %s", list);
}

static int resolve_module(struct resolved *r, const struct deploy_spec *s, struct err *err) {
	r->module = s->module != NULL ? fleet_module(r->tenant, s->module) : r->deployment != NULL ? r->deployment->module : NULL;
	if (r->module == NULL)
		return s->module == NULL ? err_field(err, E_INVALID, "/module", "say which module")
		                         : err_field(err, E_NOT_FOUND, "/module",
		                               "module %s does not exist; push it with: berth module push FILE", s->module);
	if (r->deployment != NULL && r->deployment->module != r->module)
		return err_field(err, E_CONFLICT, "/module", "deployment %s is of module %s; choose another name for one of %s",
		    r->deployment->row.name, r->deployment->module->row.name, r->module->row.name);
	if (s->version != NULL)
		r->version = fleet_version(r->module, s->version);
	else if (r->deployment != NULL && r->deployment->current != NULL)
		r->version = r->deployment->current->version;
	else
		r->version = TAILQ_LAST(&r->module->versions, version_list);
	if (r->version == NULL)
		return err_field(err, E_NOT_FOUND, "/version", "module %s has no version %s; push it with: berth module push FILE",
		    r->module->row.name, s->version == NULL ? "yet" : s->version);
	return 0;
}

static int resolve_group(struct resolved *r, const struct deploy_spec *s, struct err *err) {
	if (s->group == NULL) {
		r->group = r->deployment == NULL ? NULL : r->deployment->group;
		return r->group != NULL ? 0 : only_group(r->tenant, &r->group, err);
	}
	r->group = fleet_group(r->tenant, s->group);
	if (r->group == NULL)
		return err_field(err, E_NOT_FOUND, "/group", "group %s does not exist; there is: berth group list", s->group);
	if (r->deployment != NULL && r->deployment->group != r->group)
		return err_field(err, E_CONFLICT, "/group",
		    "deployment %s is in group %s; a deployment does not move: make another one in %s and take this one offline",
		    r->deployment->row.name, r->deployment->group->row.name, r->group->row.name);
	return 0;
}

static int resolve_runtime(const struct resolved *r, struct err *err) {
	if (r->version->row.runtime == r->group->row.runtime || r->group->row.runtime == RUNTIME_NONE ||
	    r->version->row.runtime == RUNTIME_NONE)
		return 0;
	return err_field(err, E_INVALID, "/group", "%s:%s is a %s module and the bases of group %s are %s", r->module->row.name,
	    r->version->row.name, word_text(WORD_RUNTIME, r->version->row.runtime), r->group->row.name,
	    word_text(WORD_RUNTIME, r->group->row.runtime));
}

static bool json_same(const char *a, const char *b, const char *empty) {
	return text_same(a == NULL || *a == '\0' ? empty : a, b == NULL || *b == '\0' ? empty : b);
}

static bool strategy_same(const struct strategy *a, const struct strategy *b) {
	struct arena *x = arena_new();
	bool same = strcmp(strategy_print(a, x), strategy_print(b, x)) == 0;
	arena_free(x);
	return same;
}

static void resolve_rest(struct resolved *r, const struct deploy_spec *s) {
	const struct revision *now = r->deployment == NULL ? NULL : r->deployment->current;
	r->replicas = s->has_replicas ? s->replicas : now != NULL ? now->row.replicas : 1;
	r->args = s->has_args ? s->args : now != NULL ? now->row.args : NULL;
	r->env = s->has_env ? s->env : now != NULL ? now->row.env : NULL;
	r->labels = s->has_labels ? s->labels : r->deployment != NULL ? r->deployment->row.labels : NULL;
	r->strategy = now != NULL ? now->strategy : strategy_unset;
	if (s->strategy != NULL)
		strategy_merge(&r->strategy, s->strategy);
	r->content_same =
	    now != NULL && now->version == r->version && json_same(now->row.args, r->args, "[]") && json_same(now->row.env, r->env, "{}");
	bool back = r->deployment != NULL && r->deployment->row.offline && s->online;
	r->same = r->content_same && !back && now->row.replicas == r->replicas && strategy_same(&now->strategy, &r->strategy);
}

/* A base named first has to be one of the group. */
static int resolve_beta(const struct resolved *r, struct err *err) {
	const char *name = r->strategy.beta;
	const struct base *b = *name == '\0' || strcmp(name, "*") == 0 ? NULL : fleet_base(r->tenant, name);
	if (*name == '\0' || strcmp(name, "*") == 0 || (b != NULL && b->group == r->group))
		return 0;
	return err_field(err, E_INVALID, "/strategy/beta", "group %s has no base %s; see: berth base list --group %s", r->group->row.name,
	    name, r->group->row.name);
}

static int resolve(struct core *c, int64_t tenant_id, const struct deploy_spec *s, struct resolved *r, struct err *err) {
	*r = (struct resolved){ 0 };
	r->tenant = fleet_tenant_by_id(c->fleet, tenant_id);
	if (r->tenant == NULL)
		return err_set(err, E_NOT_FOUND, "the tenant does not exist");
	r->name = s->name != NULL ? s->name : s->module;
	if (r->name == NULL)
		return err_field(err, E_INVALID, "/module", "say which module");
	r->deployment = fleet_deployment(r->tenant, r->name);
	if (r->deployment == NULL && s->only_existing)
		return err_field(err, E_NOT_FOUND, "/deployment", "deployment %s does not exist; see: berth deployment list", r->name);
	if (r->deployment != NULL && s->only_new)
		return err_field(err, E_EXISTS, "/name", "deployment %s exists already", r->name);
	if (r->deployment != NULL && s->if_match != 0 && r->deployment->row.etag != s->if_match)
		return err_set(err, E_PRECONDITION, "deployment %s was changed meanwhile (etag %lld); read it again", r->name,
		    (long long)r->deployment->row.etag);
	if (s->has_replicas && s->replicas < -1)
		return err_field(err, E_INVALID, "/replicas", "replicas is a number from 0 on, or \"all\"");
	int e = resolve_module(r, s, err);
	if (e == 0)
		e = resolve_group(r, s, err);
	if (e == 0)
		e = resolve_runtime(r, err);
	if (e == 0)
		resolve_rest(r, s);
	return e != 0 ? e : resolve_beta(r, err);
}

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

static enum plan_kind kind_of(const struct resolved *r, const struct revision *from) {
	if (from == NULL || r->deployment->row.offline)
		return PLAN_KIND_RELEASE;
	if (!r->content_same)
		return from->version != r->version ? PLAN_KIND_UPGRADE : PLAN_KIND_CHANGE;
	return from->row.replicas != r->replicas ? PLAN_KIND_SCALE : PLAN_KIND_CHANGE;
}

static int refuse_busy(const struct deployment *d, const struct group *g, const struct deploy_spec *s, struct err *err) {
	const struct plan *p = d == NULL ? NULL : d->plan;
	const char *frozen = g->row.freeze_reason;
	if (s->if_busy == IF_BUSY_REFUSE && frozen != NULL && *frozen != '\0')
		return err_set(err, E_BUSY, "group %s is frozen: %s; wait for it (--if-busy=wait), or: berth unfreeze %s", g->row.name,
		    frozen, g->row.name);
	if (s->if_busy != IF_BUSY_REFUSE || p == NULL || p->row.state == PLAN_PAUSED)
		return 0;
	return err_set(err, E_BUSY,
	    "plan %lld is changing deployment %s; wait for it (--if-busy=wait) or take its place (--if-busy=supersede)",
	    (long long)p->row.id, d->row.name);
}

static bool brings_about(const struct plan *p, const struct deployment *d) {
	return !plan_keeps_revision(p) && plan_touches(p, d) && TAILQ_FIRST(&p->changes)->row.to_revision == d->row.revision;
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
	struct instance *i, *next;
	for (i = TAILQ_FIRST(&d->instances); i != NULL; i = next) {
		next = TAILQ_NEXT(i, deployment_link);
		if (i->row.state == INSTANCE_FAILED && i->row.wanted && i->task == NULL)
			fleet_instance_remove(c->fleet, i);
	}
}

static struct plan *finish_what_is_wanted(struct core *c, const struct core_who *who, struct deployment *d) {
	struct plan *p = plan_joined(c, d);
	if (p != NULL || !unfinished(d))
		return p;
	drop_failed(c, d);
	struct launch x = { .kind = PLAN_KIND_RETRY };
	return plan_launch(c, who, d, d->current, d->current, &x);
}

int change_deploy(struct core *c, const struct core_who *who, const struct deploy_spec *spec, struct deployment **ret,
    struct plan **ret_plan, struct err *err) {
	struct resolved r;
	int e = resolve(c, who->tenant_id, spec, &r, err);
	if (e != 0 || (e = refuse_busy(r.deployment, r.group, spec, err)) != 0)
		return e;
	if (r.same) {
		*ret = r.deployment;
		*ret_plan = finish_what_is_wanted(c, who, r.deployment);
		return 0;
	}
	struct deployment *d = r.deployment != NULL ? r.deployment : deployment_new(c, &r);
	const struct revision *from = d->current;
	bool fresh = r.deployment == NULL;
	r.deployment = d;
	enum plan_kind kind = fresh ? PLAN_KIND_RELEASE : kind_of(&r, from);
	if (spec->online || fresh)
		d->row.offline = false;
	if (r.labels != NULL)
		text_set(&d->row.labels, r.labels);
	struct revision *to = revision_new(c, who, d, &r);
	struct launch x = { .kind = kind, .supersede = spec->if_busy == IF_BUSY_SUPERSEDE };
	*ret_plan = plan_launch(c, who, d, from, to, &x);
	*ret = d;
	return 0;
}

static int shrink(
    struct core *c, const struct core_who *who, struct deployment *d, enum plan_kind kind, struct plan **ret_plan, struct err *err) {
	if (d->current == NULL)
		return err_set(err, E_INTERNAL, "deployment %s has no revision", d->row.name);
	struct launch x = { .kind = kind, .supersede = true };
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
	struct launch how = { .kind = PLAN_KIND_ROLLBACK, .supersede = true, .now = now };
	*ret_plan = launch_revision(c, who, d, x, &how);
	return 0;
}

/* ---- what it would do
 * ------------------------------------------------------------------------------------------------------------------------ */
static void dry_note(struct dry_run *x, struct arena *a, const char *text) {
	const char **v = arena_alloc(a, (x->n_notes + 1) * sizeof *v);
	if (x->n_notes > 0)
		memcpy(v, x->notes, x->n_notes * sizeof *v);
	v[x->n_notes++] = text;
	x->notes = v;
}

static int batch_at(const struct dry_run *x, int64_t k) {
	for (int b = 0; b < x->n_batches; b++) {
		if (k < x->batch_size[b])
			return b + 1;
		k -= x->batch_size[b];
	}
	return x->n_batches;
}

static void dry_put(struct dry_run *x, const char *base, const char *deployment, const char *action) {
	x->placed[x->n_placed] = (struct dry_placed){ base, deployment, action, batch_at(x, (int64_t)x->n_placed) };
	x->n_placed++;
}

static void dry_count(const struct resolved *r, struct plan_work *w) {
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

static void dry_fill(struct core *c, const struct resolved *r, const struct plan_work *w, struct arena *a, struct dry_run *x) {
	struct place_req req = { .group = r->group,
		.deployment = r->deployment,
		.module = r->module,
		.version = r->version,
		.units = r->version->row.units,
		.policy = r->strategy.placement };
	struct place_report rep;
	const struct instance *i;
	place_explain(c->fleet, &req, NULL, a, &rep);
	x->placed = arena_alloc(a, ((size_t)w->total + 1) * sizeof *x->placed);
	int64_t left = w->behind;
	if (r->deployment != NULL)
		TAILQ_FOREACH(i, &r->deployment->instances, deployment_link)
			if (i->row.wanted && left-- > 0)
				dry_put(x, i->base->row.name, r->name, "upgrade");
	for (size_t k = 0; k < rep.n_fit && (int64_t)k < w->out; k++)
		dry_put(x, rep.fit[k]->row.name, r->name, "install");
	if ((int64_t)rep.n_fit < w->out && r->replicas >= 0) {
		x->waiting = arena_alloc(a, sizeof *x->waiting);
		x->waiting[x->n_waiting++] = (struct waiting){ .rule = "no_room",
			.text = arena_printf(a, "%lld of %lld would wait for room: %s", (long long)(w->out - (int64_t)rep.n_fit),
			    (long long)w->out, rep.summary),
			.command = rep.n > 0 ? rep.refusals[0].command : "",
			.since = c->wall,
			.count = (int)(w->out - (int64_t)rep.n_fit) };
	}
}

int change_deploy_dry(struct core *c, const struct deploy_spec *spec, struct arena *a, struct dry_run **ret, struct err *err) {
	struct resolved r;
	int e = resolve(c, c->who.tenant_id, spec, &r, err);
	if (e != 0 || (e = refuse_busy(r.deployment, r.group, spec, err)) != 0)
		return e;
	struct dry_run *x = arena_alloc(a, sizeof *x);
	const struct revision *from = r.deployment == NULL ? NULL : r.deployment->current;
	struct plan_work w;
	struct strategy s = r.strategy;
	dry_count(&r, &w);
	strategy_resolve(&s, w.total, (enum upgrade_policy)r.group->row.upgrade_policy, (enum placement)r.group->row.placement);
	x->kind = r.deployment == NULL ? PLAN_KIND_RELEASE : kind_of(&r, from);
	x->n_batches = plan_batches_cut(&s, w.total, x->batch_size);
	x->deployment = r.name;
	x->module = r.module->row.name;
	x->to_version = r.version->row.name;
	x->to_replicas = r.replicas;
	x->to_revision = from == NULL ? 1 : from->row.number + !r.same;
	if (from != NULL) {
		x->from_version = from->version->row.name;
		x->from_replicas = from->row.replicas;
		x->from_revision = from->row.number;
	}
	r.strategy = s;
	dry_fill(c, &r, &w, a, x);
	if (w.behind > 0 && s.upgrade_policy == UPGRADE_POLICY_IN_PLACE)
		dry_note(x, a, arena_printf(a, "%s is uninstalled before it is installed on each base", r.module->row.name));
	if (r.same)
		dry_note(x, a, "everything already is so: nothing would be done");
	*ret = x;
	return 0;
}
