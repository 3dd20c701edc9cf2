/* Findings: read, adopted, evicted, let be. */
#include <string.h>

#include "api/call.h"

struct filter {
	const struct base *base;
	const struct group *group;
	const char *module;
	int kind;
	bool ignored;
};

static bool given(const char *s) {
	return s != NULL && *s != '\0';
}

static int filter_read(struct api_op *op, const Berth__V1__ListFindingsRequest *r, struct filter *ret, struct err *err) {
	*ret =
	    (struct filter){ .kind = r->has_kind ? (int)r->kind : 0, .ignored = r->ignored, .module = given(r->module) ? r->module : NULL };
	if (given(r->base) && (ret->base = find_base(op, r->base, "/base", err)) == NULL)
		return err->code;
	if (given(r->group) && (ret->group = find_group(op, r->group, "/group", err)) == NULL)
		return err->code;
	return 0;
}

static bool matches(const struct filter *f, const struct finding *x) {
	return (f->base == NULL || x->base == f->base) && (f->group == NULL || (x->base != NULL && x->base->group == f->group)) &&
	       (f->module == NULL || (x->row.module != NULL && strcmp(x->row.module, f->module) == 0)) &&
	       (f->kind == 0 || x->row.kind == f->kind) && (f->ignored || x->row.ignored_at.us == 0);
}

int op_finding_list(struct api_op *op, struct err *err) {
	struct filter f;
	const Berth__V1__ListFindingsRequest *r = (const Berth__V1__ListFindingsRequest *)op->call->request;
	if (filter_read(op, r, &f, err) != 0)
		return err->code;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	for (struct finding *x = fleet_findings_first(op->fleet); x != NULL; x = TAILQ_NEXT(x, link)) {
		bool wanted = x->tenant == op->tenant && matches(&f, x);
		if (x->row.id <= page_after(op))
			continue;
		if (!page_add(op, x->row.id, wanted ? (ProtobufCMessage *)view_finding(op->fleet, x, op->arena) : NULL))
			break;
	}
	page_close(op, op->call->op->reply);
	return 0;
}

static struct finding *find(struct api_op *op, int64_t id, struct err *err) {
	struct finding *x = fleet_finding(op->fleet, id);
	if (x != NULL && x->tenant == op->tenant)
		return x;
	err_set(err, E_NOT_FOUND, "there is no finding %lld; it may be settled by now: berth finding list", (long long)id);
	return NULL;
}

int op_finding_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetFindingRequest *r = (const Berth__V1__GetFindingRequest *)op->call->request;
	const struct finding *x = find(op, r->finding, err);
	if (x == NULL)
		return err->code;
	op->reply = (ProtobufCMessage *)view_finding(op->fleet, x, op->arena);
	return 0;
}

/* ---- adopting ------------------------------------------------------------------------------------------------------------------------ */

static void texts_put(const char **from, size_t n, struct arena *a, char ***ret, size_t *ret_n) {
	*ret = arena_alloc(a, (n + 1) * sizeof **ret);
	*ret_n = n;
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = arena_strdup(a, from[i]);
}

static Berth__V1__Adoption *view_adoption(const struct adoption *x, struct arena *a) {
	Berth__V1__Adoption *m = PB_NEW(Berth__V1__Adoption, berth__v1__adoption, a);
	m->deployment = arena_strdup(a, x->deployment);
	m->module = arena_strdup(a, x->module);
	m->version = arena_strdup(a, x->version);
	m->group = arena_strdup(a, x->group);
	PUT(m, created, x->created);
	m->instances = arena_alloc(a, (x->n + 1) * sizeof *m->instances);
	m->n_instances = x->n;
	for (size_t i = 0; i < x->n; i++) {
		Berth__V1__AdoptedInstance *k = m->instances[i] = PB_NEW(Berth__V1__AdoptedInstance, berth__v1__adopted_instance, a);
		k->base = arena_strdup(a, x->instances[i].base);
		k->version = arena_strdup(a, x->instances[i].version);
		PUT(k, behind, x->instances[i].behind);
	}
	texts_put(x->not_restorable, x->n_not_restorable, a, &m->not_restorable, &m->n_not_restorable);
	texts_put(x->notes, x->n_notes, a, &m->notes, &m->n_notes);
	return m;
}

static int adopt(struct api_op *op, struct adopt_spec *spec, struct err *err) {
	Berth__V1__AdoptFindingsReply *m = PB_NEW(Berth__V1__AdoptFindingsReply, berth__v1__adopt_findings_reply, op->arena);
	struct adoption *v;
	size_t n;
	spec->dry = op->meta->has_dry_run && op->meta->dry_run;
	int rc = change_adopt(op->api->core, &op->core.who, spec, op->arena, &v, &n, err);
	if (rc != 0)
		return rc;
	PUT(m, dry_run, spec->dry);
	m->adoptions = arena_alloc(op->arena, (n + 1) * sizeof *m->adoptions);
	m->n_adoptions = n;
	for (size_t i = 0; i < n; i++)
		m->adoptions[i] = view_adoption(&v[i], op->arena);
	op->reply = (ProtobufCMessage *)m;
	return 0;
}

int op_finding_adopt(struct api_op *op, struct err *err) {
	const Berth__V1__AdoptFindingRequest *r = (const Berth__V1__AdoptFindingRequest *)op->call->request;
	struct adopt_spec spec = { .finding = find(op, r->finding, err) };
	return spec.finding == NULL ? err->code : adopt(op, &spec, err);
}

int op_findings_adopt(struct api_op *op, struct err *err) {
	const Berth__V1__AdoptFindingsRequest *r = (const Berth__V1__AdoptFindingsRequest *)op->call->request;
	struct adopt_spec spec = { .module = given(r->module) ? r->module : NULL };
	if (!given(r->group))
		return err_field(err, E_INVALID, "/group", "say in which group");
	spec.group = find_group(op, r->group, "/group", err);
	return spec.group == NULL ? err->code : adopt(op, &spec, err);
}

int op_finding_evict(struct api_op *op, struct err *err) {
	const Berth__V1__EvictFindingRequest *r = (const Berth__V1__EvictFindingRequest *)op->call->request;
	struct finding *x = find(op, r->finding, err);
	struct plan *p = NULL;
	int rc = x == NULL ? err->code : refuse_dry_run(op, err);
	if (rc == 0)
		rc = change_evict(op->api->core, &op->core.who, x, r->grace == NULL ? EVICT_GRACE_US : pb_duration_us(r->grace), &p, err);
	return rc != 0 ? rc : plan_reply(op, p, NULL, NULL);
}

/* ---- letting be ---------------------------------------------------------------------------------------------------------------------- */

static int ignore(struct api_op *op, bool on, struct err *err) {
	const Berth__V1__IgnoreFindingRequest *r = (const Berth__V1__IgnoreFindingRequest *)op->call->request;
	struct finding *x = find(op, r->finding, err);
	int rc = x == NULL ? err->code : refuse_dry_run(op, err);
	if (rc == 0)
		rc = change_ignore(op->api->core, &op->core.who, x, on, err);
	if (rc == 0)
		op->reply = (ProtobufCMessage *)view_finding(op->fleet, x, op->arena);
	return rc;
}

int op_finding_ignore(struct api_op *op, struct err *err) {
	return ignore(op, true, err);
}

int op_finding_unignore(struct api_op *op, struct err *err) {
	return ignore(op, false, err);
}
