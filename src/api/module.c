/* Modules and their versions. A version is immutable: the same name with other bytes is refused with both digests, unless the request names
 * a group with mutableVersions; then it becomes a new revision of that version. */
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "base/name.h"
#include "sched/requires.h"

#define MAX_UNITS 100000
#define MAX_REQUIRES 64
#define MAX_RANGE 255
#define MAX_DESCRIPTION 1024

static void announce(struct api_op *op, const char *kind, const struct module *m, const struct version *v, const char *what) {
	struct event_facts facts = { .kind = kind, .module = m, .version = v };
	core_event(op->api->core, &facts, "%s", what);
}

static char *module_path(struct api_op *op, const struct module *m) {
	return arena_printf(op->arena, "/v1/modules/%s", m->row.name);
}

static struct module *module_add(struct api_op *op, const char *name, const char *description) {
	struct row_module row = { .tenant_id = op->tenant->row.id,
		.name = arena_strdup(op->arena, name),
		.description = arena_strdup(op->arena, description),
		.created_at = core_now(op->api->core) };
	struct module *m = fleet_module_add(op->fleet, op->tenant, &row);
	announce(op, "module.created", m, NULL, arena_printf(op->arena, "module %s was registered", name));
	return m;
}

int op_module_create(struct api_op *op, struct err *err) {
	const Berth__V1__CreateModuleRequest *r = (const Berth__V1__CreateModuleRequest *)op->call->request;
	const Berth__V1__Module *want = r->module;
	if (want == NULL)
		return err_field(err, E_INVALID, "/name", "a module needs a name");
	int rc = name_check(NAME_PLAIN, want->name, "/name", "module name", err);
	if (rc == 0 && want->description != NULL && strlen(want->description) > MAX_DESCRIPTION)
		rc = err_field(err, E_INVALID, "/description", "a description has at most %d bytes", MAX_DESCRIPTION);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	struct module *m = fleet_module(op->tenant, want->name);
	if (m == NULL) {
		m = module_add(op, want->name, want->description);
	} else {
		op->status = 200; /* already so; a description that is given takes the old one's place */
		if (want->description != NULL && text_set(&m->row.description, want->description))
			fleet_touch(op->fleet, &m->o);
	}
	op->location = module_path(op, m);
	op->reply = (ProtobufCMessage *)view_module(m, op->arena);
	return 0;
}

int op_module_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetModuleRequest *r = (const Berth__V1__GetModuleRequest *)op->call->request;
	const struct module *m = find_module(op, r->module, "", err);
	if (m == NULL)
		return err->code;
	op->reply = (ProtobufCMessage *)view_module(m, op->arena);
	return 0;
}

int op_module_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListModulesRequest *r = (const Berth__V1__ListModulesRequest *)op->call->request;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	for (struct module *m = op->tenant->modules; m != NULL; m = m->hh_name.next)
		if (m->row.id > page_after(op) && !page_add(op, m->row.id, (ProtobufCMessage *)view_module(m, op->arena)))
			break;
	page_close(op, op->call->op->reply);
	return 0;
}

static const struct deployment *deployment_using(const struct api_op *op, const struct module *m) {
	for (const struct deployment *d = op->tenant->deployments; d != NULL; d = d->hh_name.next)
		if (d->module == m)
			return d;
	return NULL;
}

/* Who holds a version, as a sentence; NULL when nobody does. */
static const char *version_holder(const struct api_op *op, const struct version *v) {
	for (const struct deployment *d = op->tenant->deployments; d != NULL && v->n_revisions > 0; d = d->hh_name.next) {
		const struct revision *r;
		if (d->module != v->module)
			continue;
		TAILQ_FOREACH(r, &d->revisions, link)
			if (r->version == v)
				return arena_printf(op->arena, "revision %lld of deployment %s", (long long)r->row.number, d->row.name);
	}
	if (v->n_instances > 0)
		return arena_printf(op->arena, "%d instances (berth instance list --module %s)", v->n_instances, v->module->row.name);
	return v->n_revisions > 0 ? "a kept revision" : NULL;
}

int op_module_delete(struct api_op *op, struct err *err) {
	const Berth__V1__DeleteModuleRequest *r = (const Berth__V1__DeleteModuleRequest *)op->call->request;
	struct module *m = find_module(op, r->module, "", err);
	if (m == NULL)
		return err->code;
	int rc = refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	if (m->n_deployments > 0) {
		const struct deployment *d = deployment_using(op, m);
		return err_set(err, E_STATE,
		    "module %s is used by %d deployment(s), %s among them; delete them first: berth deployment delete %s", r->module,
		    m->n_deployments, d != NULL ? d->row.name : "?", d != NULL ? d->row.name : "NAME");
	}
	struct version *v;
	TAILQ_FOREACH(v, &m->versions, link) {
		const char *holder = version_holder(op, v);
		if (holder != NULL)
			return err_set(err, E_STATE, "version %s of module %s is used by %s", v->row.name, r->module, holder);
	}
	struct event_facts facts = { .kind = "module.deleted", .module = m };
	core_event(op->api->core, &facts, "module %s was deleted with %d version(s)", r->module, m->n_versions);
	while ((v = TAILQ_FIRST(&m->versions)) != NULL)
		fleet_version_remove(op->fleet, v);
	fleet_module_remove(op->fleet, m);
	op->reply = pb_new(&berth__v1__empty__descriptor, op->arena);
	return 0;
}

/* ---- versions -------------------------------------------------------------------------------------------------------------------- */
static int requires_read(struct api_op *op, const Berth__V1__Version *want, char **ret, struct err *err) {
	if (want->n_requires > MAX_REQUIRES)
		return err_field(err, E_INVALID, "/requires", "at most %d requirements", MAX_REQUIRES);
	char **list = arena_alloc(op->arena, (want->n_requires + 1) * sizeof *list);
	for (size_t i = 0; i < want->n_requires; i++) {
		const Berth__V1__Requirement *q = want->requires[i];
		char at[64];
		snprintf(at, sizeof at, "/requires/%zu/module", i);
		int rc = name_check(NAME_PLAIN, q->module, at, "module name", err);
		snprintf(at, sizeof at, "/requires/%zu/range", i);
		if (rc == 0 && q->range != NULL && (strlen(q->range) > MAX_RANGE || !version_range_valid(q->range)))
			rc = err_field(err, E_INVALID, at, "a range is one or more of = > >= < <= ~ ^ with a version, like \">=1.2 <2\"");
		if (rc != 0)
			return rc;
		list[i] = q->range != NULL && *q->range != '\0' ? arena_printf(op->arena, "%s:%s", q->module, q->range) : q->module;
	}
	*ret = strings_print(list, want->n_requires, op->arena);
	return 0;
}

static int context_check(const char *path, struct err *err) {
	if (path == NULL || *path == '\0')
		return 0;
	bool fine = path[0] == '/' && strlen(path) < 128 && strstr(path, "//") == NULL && strstr(path, "..") == NULL;
	for (const char *p = path; *p != '\0' && fine; p++)
		fine = (unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f && strchr("?#\\\"", *p) == NULL;
	return fine ? 0
	            : err_field(
	                  err, E_INVALID, "/contextPath", "a context path is \"/\" and path segments of visible ASCII, at most 127 bytes");
}

static int version_row(struct api_op *op, const Berth__V1__Version *want, struct row_version *ret, struct err *err) {
	int rc = context_check(want->context_path, err);
	if (rc == 0)
		rc = requires_read(op, want, &ret->requires, err);
	if (rc != 0)
		return rc;
	if (want->has_units && (want->units < 1 || want->units > MAX_UNITS))
		return err_field(err, E_INVALID, "/units", "units must be between 1 and %d", MAX_UNITS);
	ret->name = want->version;
	ret->runtime = want->has_runtime && want->runtime != 0 ? (int)want->runtime : RUNTIME_NATIVE;
	ret->units = want->has_units ? want->units : 1;
	ret->context_path = want->context_path;
	ret->priority = want->has_priority ? want->priority : 0;
	ret->create_actor = arena_strdup(op->arena, op->who.actor);
	ret->created_at = core_now(op->api->core);
	return 0;
}

static bool text_same(const char *a, const char *b) {
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* What beside the bytes makes a version what it is; a repeated registration may leave fields out. */
static const char *version_differs(const struct version *v, const Berth__V1__Version *want, const struct row_version *row) {
	if (want->has_units && v->row.units != row->units)
		return "units";
	if (want->has_runtime && v->row.runtime != row->runtime)
		return "runtime";
	if (want->context_path != NULL && !text_same(v->row.context_path, row->context_path))
		return "contextPath";
	if (want->has_priority && v->row.priority != row->priority)
		return "priority";
	return want->n_requires > 0 && !text_same(v->row.requires, row->requires) ? "requires" : NULL;
}

static int version_known(struct api_op *op, const struct version *v, const struct artifact *art, const Berth__V1__Version *want,
    const struct row_version *row, bool mutable, bool *ret_same, struct err *err) {
	const char *field = version_differs(v, want, row);
	*ret_same = v->artifact == art && field == NULL;
	if (!version_restorable(v))
		return 0;
	if (*ret_same || mutable)
		return 0;
	(void)op;
	if (v->artifact != art)
		return err_set(err, E_IMMUTABLE,
		    "%s:%s is registered with sha256 %s; yours has %s. A version never changes: choose a new version name, or name a group "
		    "with mutableVersions",
		    v->module->row.name, v->row.name, v->artifact->row.sha256, art->row.sha256);
	char at[64];
	snprintf(at, sizeof at, "/%s", field);
	return err_field(err, E_IMMUTABLE, at, "%s:%s is registered with another %s; a version never changes: choose a new version name",
	    v->module->row.name, v->row.name, field);
}

static int version_put(struct api_op *op, struct module *m, const Berth__V1__Version *want, struct row_version *row, bool mutable,
    struct version **ret, struct err *err) {
	struct artifact *art = fleet_artifact(op->tenant, want->artifact);
	if (art == NULL || !art->row.stored)
		return err_field(err, E_NOT_FOUND, "/artifact",
		    "there is no artifact with sha256 %s; upload it first: PUT /v1/artifacts/%s", want->artifact, want->artifact);
	struct version *v = fleet_version(m, want->version);
	row->revision = 1;
	if (v != NULL) {
		bool same;
		int rc = version_known(op, v, art, want, row, mutable, &same, err);
		if (rc != 0)
			return rc;
		if (same || !version_restorable(v)) {
			op->status = 200;
			*ret = v;
			if (!same)
				change_version_whole(op->api->core, v, art, row);
			return 0;
		}
		row->revision = v->row.revision + 1;
	}
	row->module_id = m->row.id;
	row->artifact_id = art->row.id;
	*ret = fleet_version_add(op->fleet, m, art, row);
	announce(op, "version.created", m, *ret, arena_printf(op->arena, "version %s:%s was registered", m->row.name, row->name));
	return 0;
}

static int mutable_by_group(struct api_op *op, const char *name, bool *ret, struct err *err) {
	if (name == NULL || *name == '\0')
		return 0;
	const struct group *g = find_group(op, name, "/group", err);
	if (g == NULL)
		return err->code;
	*ret = g->row.mutable_versions;
	return 0;
}

int op_version_create(struct api_op *op, struct err *err) {
	const Berth__V1__CreateVersionRequest *r = (const Berth__V1__CreateVersionRequest *)op->call->request;
	static const Berth__V1__Version nothing = BERTH__V1__VERSION__INIT;
	const Berth__V1__Version *want = r->version != NULL ? r->version : &nothing;
	struct row_version row = { 0 };
	bool mutable = false;
	int rc = name_check(NAME_PLAIN, r->module, "", "module name", err);
	if (rc == 0)
		rc = name_check(NAME_VERSION, want->version, "/version", "version name", err);
	if (rc == 0 && want->module != NULL && strcmp(want->module, r->module) != 0)
		rc = err_field(err, E_INVALID, "/module", "the path says %s", r->module);
	if (rc == 0)
		rc = check_sha256(want->artifact, "/artifact", err);
	if (rc == 0)
		rc = version_row(op, want, &row, err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc == 0 && manifest_missing(op, want)) {
		op->then = manifest_bring;
		return 0;
	}
	if (rc == 0)
		rc = manifest_apply(op, r->module, want, &row, err);
	if (rc == 0)
		rc = mutable_by_group(op, r->group, &mutable, err);
	if (rc != 0)
		return rc;
	struct module *m = fleet_module(op->tenant, r->module);
	struct artifact *art = fleet_artifact(op->tenant, want->artifact);
	if (m == NULL && art != NULL && art->row.stored)
		m = module_add(op, r->module, NULL); /* the first version brings its module */
	if (m == NULL && find_module(op, r->module, "", err) == NULL)
		return err_field(err, E_NOT_FOUND, "/artifact",
		    "there is no artifact with sha256 %s; upload it first: PUT /v1/artifacts/%s", want->artifact, want->artifact);
	struct version *v = NULL;
	rc = version_put(op, m, want, &row, mutable, &v, err);
	if (rc != 0)
		return rc;
	op->location = arena_printf(op->arena, "/v1/modules/%s/versions/%s", m->row.name, v->row.name);
	op->reply = (ProtobufCMessage *)view_version(v, op->arena);
	return 0;
}

int op_version_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetVersionRequest *r = (const Berth__V1__GetVersionRequest *)op->call->request;
	struct module *m = find_module(op, r->module, "", err);
	const struct version *v = m != NULL ? find_version(op, m, r->version, "", err) : NULL;
	if (v == NULL)
		return err->code;
	op->reply = (ProtobufCMessage *)view_version(v, op->arena);
	return 0;
}

int op_version_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListVersionsRequest *r = (const Berth__V1__ListVersionsRequest *)op->call->request;
	struct module *m = find_module(op, r->module, "", err);
	int rc = m == NULL ? err->code : page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	const struct version *v;
	TAILQ_FOREACH(v, &m->versions, link)
		if (v->row.id > page_after(op) && !page_add(op, v->row.id, (ProtobufCMessage *)view_version(v, op->arena)))
			break;
	page_close(op, op->call->op->reply);
	return 0;
}

int op_version_delete(struct api_op *op, struct err *err) {
	const Berth__V1__DeleteVersionRequest *r = (const Berth__V1__DeleteVersionRequest *)op->call->request;
	struct module *m = find_module(op, r->module, "", err);
	struct version *v = m != NULL ? find_version(op, m, r->version, "", err) : NULL;
	int rc = v == NULL ? err->code : refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	const struct version *x;
	TAILQ_FOREACH(x, &m->versions, link) { /* all revisions of that name */
		const char *holder = strcmp(x->row.name, r->version) == 0 ? version_holder(op, x) : NULL;
		if (holder != NULL)
			return err_set(err, E_STATE, "%s:%s is used by %s", r->module, r->version, holder);
	}
	announce(op, "version.deleted", m, v, arena_printf(op->arena, "version %s:%s was deleted", r->module, r->version));
	while ((v = fleet_version(m, r->version)) != NULL)
		fleet_version_remove(op->fleet, v);
	op->reply = pb_new(&berth__v1__empty__descriptor, op->arena);
	return 0;
}
