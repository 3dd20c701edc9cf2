/* Tenants and their tokens. */
#include "model/fleet_internal.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

/* ---- tenants ---- */

static struct tenant *tenant_new(struct fleet *f, const struct row_tenant *row) {
	struct tenant *t = object_new(TABLE_tenant, sizeof *t, row);
	TAILQ_INIT(&t->sent);
	for (size_t s = 0; s < sizeof t->deployments_in / sizeof *t->deployments_in; s++)
		TAILQ_INIT(&t->deployments_in[s]);
	for (size_t s = 0; s < sizeof t->plans_in / sizeof *t->plans_in; s++)
		TAILQ_INIT(&t->plans_in[s]);
	ADD_ID(f->tenants, t);
	ADD_TEXT(f->tenants_by_name, t, name);
	return t;
}

struct tenant *fleet_tenant_add(struct fleet *f, const char *name, wall_t now) {
	struct row_tenant row = { .id = fleet_next_id(f, "tenant"), .name = (char *)(uintptr_t)name, .created_at = now };
	struct tenant *t = tenant_new(f, &row);
	object_created(f, &t->o);
	return t;
}

int tenant_load(struct fleet *f, const void *row, struct err *err) {
	tenant_new(f, row)->o.stored = true;
	return 0;
}

struct tenant *fleet_tenant(const struct fleet *f, const char *name) {
	struct tenant *t;
	FIND_TEXT(f->tenants_by_name, name, t);
	return t;
}

struct tenant *fleet_tenant_by_id(const struct fleet *f, int64_t id) {
	struct tenant *t;
	FIND_ID(f->tenants, id, t);
	return t;
}

struct tenant *fleet_tenants(const struct fleet *f) {
	return f->tenants_by_name;
}

static void tenant_counts(const struct tenant *t, struct fleet_counts *ret) {
	const struct group *g;
	const struct task *sent = TAILQ_FIRST(&t->sent);
	if (sent != NULL && (ret->oldest_sent.us == 0 || sent->row.sent_at.us < ret->oldest_sent.us))
		ret->oldest_sent = sent->row.sent_at;
	for (g = t->groups; g != NULL; g = g->hh_name.next) {
		ret->bases += g->n_bases;
		ret->ready_bases += g->n_state[BASE_READY];
		ret->instances += g->n_instances;
		ret->ready_instances += g->n_ready_instances;
		ret->units_used += g->units_used;
		ret->units_limit += g->units_limit;
	}
	ret->modules += (int)HASH_CNT(hh_name, t->modules);
	ret->deployments += (int)HASH_CNT(hh_name, t->deployments);
	ret->plans_running += t->n_plans_running;
}

void fleet_counts(const struct fleet *f, const struct tenant *t, struct fleet_counts *ret) {
	*ret = (struct fleet_counts){ 0 };
	if (t != NULL) {
		tenant_counts(t, ret);
		return;
	}
	for (t = f->tenants; t != NULL; t = t->hh_id.next)
		tenant_counts(t, ret);
}

/* ---- tokens ---- */

void token_link(struct fleet *f, struct token *t, struct tenant *tenant) {
	t->tenant = tenant;
	ADD_ID(f->tokens, t);
	HASH_ADD(hh_hash, f->tokens_by_hash, row.hash, sizeof t->row.hash, t);
	ADD_TEXT(tenant->tokens, t, name);
}

struct token *fleet_token_add(struct fleet *f, struct tenant *tenant, const struct row_token *row) {
	struct token *t = object_new(TABLE_token, sizeof *t, row);
	t->row.id = fleet_next_id(f, "token");
	t->row.tenant_id = tenant->row.id;
	token_link(f, t, tenant);
	object_created(f, &t->o);
	return t;
}

/* Revoked ones stay in the ledger as a record; nobody can use them, so they are not kept here. */
int token_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_token *r = row;
	struct tenant *tenant = fleet_tenant_by_id(f, r->tenant_id);
	if (r->revoked_at.us != 0)
		return 0;
	if (tenant == NULL)
		return absent(err, "token", r->id, "tenant", r->tenant_id);
	struct token *t = object_new(TABLE_token, sizeof *t, row);
	token_link(f, t, tenant);
	t->o.stored = true;
	return 0;
}

struct token *fleet_token_by_hash(const struct fleet *f, const uint8_t hash[32]) {
	struct token *t;
	HASH_FIND(hh_hash, f->tokens_by_hash, hash, sizeof t->row.hash, t);
	return t;
}

struct token *fleet_token(const struct tenant *tenant, const char *name) {
	struct token *t;
	FIND_TEXT(tenant->tokens, name, t);
	return t;
}

void fleet_token_remove(struct fleet *f, struct token *t) {
	HASH_DELETE(hh_id, f->tokens, t);
	HASH_DELETE(hh_hash, f->tokens_by_hash, t);
	HASH_DELETE(hh_name, t->tenant->tokens, t);
	if (t->row.revoked_at.us != 0)
		object_part(f, &t->o);
	else
		object_delete(f, &t->o);
}
