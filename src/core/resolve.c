/* Finding what a request names, field by field; every refusal says which field. */
#include "core/resolve.h"

#include "core/demand.h"
#include "model/spec.h"

#include <stdio.h>

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

int version_check(const struct version *v, struct err *err) {
	if (version_restorable(v))
		return 0;
	return err_set(err, E_STATE, "%s:%s was found running and Berth has no artifact of it; give it one first: berth module push FILE",
	    v->module->row.name, v->row.name);
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
	if (e != 0)
		return e;
	resolve_rest(r, s);
	bool installs = !r->content_same || (r->same && r->deployment->n_updated < r->deployment->n_wanted); /* those behind, too */
	if (installs && version_check(r->version, err) != 0)
		return err->code;
	return resolve_beta(r, err);
}

enum plan_kind resolved_kind(const struct resolved *r) {
	const struct revision *from = r->deployment == NULL ? NULL : r->deployment->current;
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

/* ---- all of it ------------------------------------------------------------------------------------------------------------------------
 */
static int refuse_twice(const struct resolved *v, size_t k, struct err *err) {
	for (size_t i = 0; i < k; i++)
		if (strcmp(v[i].name, v[k].name) == 0)
			return err_field(err, E_INVALID, "/name", "deployment %s stands in this request twice", v[k].name);
	return 0;
}

static int resolve_one(struct core *c, int64_t tenant_id, const struct deploy_spec *s, struct resolved *v, size_t k, struct err *err) {
	int e = resolve(c, tenant_id, s, &v[k], err);
	if (e == 0)
		e = refuse_twice(v, k, err);
	if (e == 0)
		e = refuse_busy(v[k].deployment, v[k].group, s, err);
	return e == 0 || s->at == NULL ? e : err_under(err, s->at);
}

static int check_demands(struct core *c, const struct deploy_spec *specs, const struct resolved *v, size_t n, struct err *err) {
	ARENA_AUTO a = arena_new();
	struct demand *d = arena_alloc(a, n * sizeof *d);
	for (size_t k = 0; k < n; k++) {
		const struct deployment *is = v[k].deployment;
		bool off = is != NULL && is->row.offline && !specs[k].online;
		bool fresh = is == NULL || is->current == NULL || is->current->version != v[k].version || (is->row.offline && !off);
		d[k] = (struct demand){ .deployment = is,
			.module = v[k].module,
			.version = off ? NULL : v[k].version,
			.group = v[k].group,
			.fresh = fresh,
			.pointer = arena_printf(a, "%s/version", specs[k].at == NULL ? "" : specs[k].at) };
	}
	return demand_check(c, d, n, err);
}

int resolve_all(struct core *c, int64_t tenant_id, const struct deploy_spec *specs, size_t n, struct resolved *ret, struct err *err) {
	int e =
	    n == 0 || n > PLAN_MAX_CHANGES ? err_field(err, E_INVALID, "/changes", "a plan has from 1 to %d changes", PLAN_MAX_CHANGES) : 0;
	for (size_t k = 0; k < n && e == 0; k++)
		e = resolve_one(c, tenant_id, &specs[k], ret, k, err);
	return e != 0 ? e : check_demands(c, specs, ret, n, err);
}
