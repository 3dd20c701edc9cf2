/* Findings: differences nobody asked for, found again by what they are about. */
#include "model/fleet_internal.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* tenant, kind, base, module, version in one text: names hold no blank. */
static char *finding_key(int64_t tenant_id, enum finding_kind kind, int64_t base_id, const char *module, const char *version) {
	char *key;
	if (asprintf(&key, "%lld %d %lld %s %s", (long long)tenant_id, (int)kind, (long long)base_id, module == NULL ? "" : module,
	        version == NULL ? "" : version) < 0)
		abort();
	return key;
}

static struct finding *finding_new(struct fleet *f, struct tenant *t, struct base *b, const struct row_finding *row) {
	struct finding *x = object_new(TABLE_finding, sizeof *x, row);
	x->tenant = t;
	x->base = b;
	x->key = finding_key(t->row.id, (enum finding_kind)x->row.kind, x->row.base_id, x->row.module, x->row.version);
	TAILQ_INSERT_TAIL(&f->finding_queue, x, link);
	if (b != NULL) {
		TAILQ_INSERT_TAIL(&b->findings, x, base_link);
		b->n_findings++;
	}
	HASH_ADD_KEYPTR(hh_key, f->findings_by_key, x->key, strlen(x->key), x);
	ADD_ID(f->findings, x);
	return x;
}

struct finding *fleet_finding_add(struct fleet *f, struct tenant *t, struct base *b, const struct row_finding *row) {
	struct row_finding r = *row;
	r.id = fleet_next_id(f, "finding");
	r.tenant_id = t->row.id;
	r.base_id = b == NULL ? 0 : b->row.id;
	struct finding *x = finding_new(f, t, b, &r);
	object_created(f, &x->o);
	return x;
}

int finding_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_finding *r = row;
	struct tenant *t = fleet_tenant_by_id(f, r->tenant_id);
	struct base *b = fleet_base_by_id(f, r->base_id);
	if (t == NULL)
		return absent(err, "finding", r->id, "tenant", r->tenant_id);
	if (b == NULL && r->base_id != 0)
		return absent(err, "finding", r->id, "base", r->base_id);
	finding_new(f, t, b, r)->o.stored = true;
	return 0;
}

struct finding *fleet_finding(const struct fleet *f, int64_t id) {
	struct finding *x;
	FIND_ID(f->findings, id, x);
	return x;
}

struct finding *fleet_finding_find(
    const struct fleet *f, const struct tenant *t, enum finding_kind kind, const struct base *b, const char *module, const char *version) {
	if (f->findings == NULL || (b != NULL && b->n_findings == 0))
		return NULL;
	struct finding *x;
	char *key = finding_key(t->row.id, kind, b == NULL ? 0 : b->row.id, module, version);
	HASH_FIND(hh_key, f->findings_by_key, key, strlen(key), x);
	free(key);
	return x;
}

struct finding *fleet_findings_first(const struct fleet *f) {
	return TAILQ_FIRST(&f->finding_queue);
}

void finding_set_plan(struct finding *x, struct plan *p) {
	if (x == NULL)
		return;
	if (x->plan != NULL)
		x->plan->evicts = NULL;
	x->plan = p;
	if (p != NULL)
		p->evicts = x;
}

void fleet_finding_remove(struct fleet *f, struct finding *x) {
	finding_set_plan(x, NULL);
	TAILQ_REMOVE(&f->finding_queue, x, link);
	if (x->base != NULL) {
		TAILQ_REMOVE(&x->base->findings, x, base_link);
		x->base->n_findings--;
	}
	HASH_DELETE(hh_key, f->findings_by_key, x);
	HASH_DELETE(hh_id, f->findings, x);
	free(x->key);
	object_delete(f, &x->o);
}
