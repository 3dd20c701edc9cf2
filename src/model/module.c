/* Modules, their versions, and the artifacts versions are made of. */
#include "model/fleet_internal.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

/* ---- artifacts ---- */

static struct artifact *artifact_new(struct fleet *f, struct tenant *t, const struct row_artifact *row) {
	struct artifact *a = object_new(TABLE_artifact, sizeof *a, row);
	a->tenant = t;
	ADD_ID(f->artifacts, a);
	ADD_TEXT(t->artifacts, a, sha256);
	return a;
}

struct artifact *fleet_artifact_add(struct fleet *f, struct tenant *t, const struct row_artifact *row) {
	struct row_artifact r = *row;
	r.id = fleet_next_id(f, "artifact");
	r.tenant_id = t->row.id;
	struct artifact *a = artifact_new(f, t, &r);
	object_created(f, &a->o);
	return a;
}

int artifact_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_artifact *r = row;
	struct tenant *t = fleet_tenant_by_id(f, r->tenant_id);
	if (t == NULL)
		return absent(err, "artifact", r->id, "tenant", r->tenant_id);
	artifact_new(f, t, r)->o.stored = true;
	return 0;
}

struct artifact *fleet_artifact(const struct tenant *t, const char *sha256) {
	struct artifact *a;
	FIND_TEXT(t->artifacts, sha256, a);
	return a;
}

void fleet_artifact_remove(struct fleet *f, struct artifact *a) {
	assert(a->refs == 0);
	HASH_DELETE(hh_id, f->artifacts, a);
	HASH_DELETE(hh_name, a->tenant->artifacts, a);
	object_delete(f, &a->o);
}

/* ---- modules ---- */

static struct module *module_new(struct fleet *f, struct tenant *t, const struct row_module *row) {
	struct module *m = object_new(TABLE_module, sizeof *m, row);
	m->tenant = t;
	TAILQ_INIT(&m->versions);
	ADD_ID(f->modules, m);
	ADD_TEXT(t->modules, m, name);
	return m;
}

struct module *fleet_module_add(struct fleet *f, struct tenant *t, const struct row_module *row) {
	struct row_module r = *row;
	r.id = fleet_next_id(f, "module");
	r.tenant_id = t->row.id;
	struct module *m = module_new(f, t, &r);
	object_created(f, &m->o);
	return m;
}

int module_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_module *r = row;
	struct tenant *t = fleet_tenant_by_id(f, r->tenant_id);
	if (t == NULL)
		return absent(err, "module", r->id, "tenant", r->tenant_id);
	struct module *m = module_new(f, t, r);
	m->o.stored = true;
	module_costs_read(m);
	return 0;
}

struct module *fleet_module(const struct tenant *t, const char *name) {
	struct module *m;
	FIND_TEXT(t->modules, name, m);
	return m;
}

void fleet_module_remove(struct fleet *f, struct module *m) {
	assert(m->n_versions == 0 && m->n_deployments == 0);
	HASH_DELETE(hh_id, f->modules, m);
	HASH_DELETE(hh_name, m->tenant->modules, m);
	object_delete(f, &m->o);
}

/* ---- versions ---- */

static bool requires_something(const struct version *v) {
	return v->row.requires != NULL && *v->row.requires != '\0' && strcmp(v->row.requires, "[]") != 0;
}

static struct version *version_new(struct fleet *f, struct module *m, struct artifact *a, const struct row_version *row) {
	struct version *v = object_new(TABLE_version, sizeof *v, row);
	v->module = m;
	v->artifact = a;
	a->refs++;
	m->n_versions++;
	m->tenant->n_requiring += requires_something(v);
	TAILQ_INSERT_TAIL(&m->versions, v, link);
	ADD_ID(f->versions, v);
	return v;
}

struct version *fleet_version_add(struct fleet *f, struct module *m, struct artifact *a, const struct row_version *row) {
	struct row_version r = *row;
	r.id = fleet_next_id(f, "version");
	r.module_id = m->row.id;
	r.artifact_id = a->row.id;
	struct version *v = version_new(f, m, a, &r);
	object_created(f, &v->o);
	return v;
}

int version_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_version *r = row;
	struct module *m;
	struct artifact *a;
	FIND_ID(f->modules, r->module_id, m);
	FIND_ID(f->artifacts, r->artifact_id, a);
	if (m == NULL)
		return absent(err, "version", r->id, "module", r->module_id);
	if (a == NULL)
		return absent(err, "version", r->id, "artifact", r->artifact_id);
	version_new(f, m, a, r)->o.stored = true;
	return 0;
}

struct version *fleet_version(const struct module *m, const char *name) {
	struct version *v;
	TAILQ_FOREACH_REVERSE(v, &m->versions, version_list, link)
	if (strcmp(v->row.name, name) == 0)
		return v;
	return NULL;
}

struct version *fleet_version_by_id(const struct fleet *f, int64_t id) {
	struct version *v;
	FIND_ID(f->versions, id, v);
	return v;
}

void fleet_version_set_artifact(struct fleet *f, struct version *v, struct artifact *a) {
	v->artifact->refs--;
	a->refs++;
	v->artifact = a;
	v->row.artifact_id = a->row.id;
	fleet_touch(f, &v->o);
}

void fleet_version_remove(struct fleet *f, struct version *v) {
	assert(v->n_instances == 0 && v->n_revisions == 0);
	v->artifact->refs--;
	v->module->n_versions--;
	v->module->tenant->n_requiring -= requires_something(v);
	TAILQ_REMOVE(&v->module->versions, v, link);
	HASH_DELETE(hh_id, f->versions, v);
	object_delete(f, &v->o);
}
