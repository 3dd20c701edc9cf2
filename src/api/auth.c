/* Who calls and what they may: tokens by hash, base keys by hash, roles, tenants. Runs inside apply or an authenticate op, on the model of
 * now. A token acts in its own tenant; an admin token of tenant "default" is the cell's admin and acts in every tenant. */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/name.h"
#include "base/secret.h"

#define CELL_TENANT "default"

/* Base keys are found by a walk once and then by this table; a hit is always checked against the base's row. */
struct base_keys {
	struct slot {
		uint64_t head;
		int64_t base_id;
	} * slots;
	size_t size, used;
};

struct base_keys *base_keys_new(void) {
	struct base_keys *k = calloc(1, sizeof *k);
	if (k == NULL)
		abort();
	return k;
}

void base_keys_free(struct base_keys *k) {
	if (k != NULL)
		free(k->slots);
	free(k);
}

static struct slot *slot_of(struct base_keys *k, uint64_t head) {
	size_t i = head & (k->size - 1);
	while (k->slots[i].base_id != 0 && k->slots[i].head != head)
		i = (i + 1) & (k->size - 1);
	return &k->slots[i];
}

static void keys_grow(struct base_keys *k) {
	struct base_keys bigger = { .size = k->size == 0 ? 256 : k->size * 2 };
	bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
	if (bigger.slots == NULL)
		abort();
	for (size_t i = 0; i < k->size; i++)
		if (k->slots[i].base_id != 0)
			*slot_of(&bigger, k->slots[i].head) = k->slots[i];
	bigger.used = k->used;
	free(k->slots);
	*k = bigger;
}

static void keys_add(struct base_keys *k, uint64_t head, int64_t base_id) {
	if (k->used * 2 >= k->size)
		keys_grow(k);
	struct slot *s = slot_of(k, head);
	k->used += s->base_id == 0;
	*s = (struct slot){ head, base_id };
}

static struct base *base_by_key(struct base_keys *k, struct fleet *f, const uint8_t hash[32]) {
	uint64_t head;
	memcpy(&head, hash, sizeof head);
	if (k->size > 0) {
		struct base *b = fleet_base_by_id(f, slot_of(k, head)->base_id);
		if (b != NULL && secret_equal(b->row.key_hash, hash, 32))
			return b;
	}
	for (struct base *b = fleet_bases(f); b != NULL; b = b->hh_id.next) {
		if (secret_equal(b->row.key_hash, hash, 32)) {
			keys_add(k, head, b->row.id);
			return b;
		}
	}
	return NULL;
}

bool role_allows(enum role have, enum role least) {
	if (have < ROLE_READ || have > ROLE_ADMIN)
		return have == least && have != ROLE_NONE;
	return least == ROLE_BASE || (least <= ROLE_ADMIN && have >= least);
}

static int unknown_token(bool has_bearer, struct err *err) {
	if (!has_bearer)
		return err_set(err, E_UNAUTHENTICATED, "a token is needed: header \"Authorization: Bearer TOKEN\"");
	return err_set(err, E_UNAUTHENTICATED, "unknown, expired or revoked token");
}

static int forbidden(const struct api_caller *who, enum role least, struct err *err) {
	return err_set(err, E_FORBIDDEN, "token \"%s\" has role %s; this needs %s", who->actor, word_text(WORD_ROLE, who->role),
	    word_text(WORD_ROLE, least));
}

struct tenant *find_tenant(struct api *a, const char *name, struct err *err) {
	struct tenant *t = fleet_tenant(core_fleet(a->core), name);
	if (t == NULL)
		err_set(err, E_NOT_FOUND,
		    "there is no tenant \"%.64s\"; one is made with its first token: berth token create NAME --tenant TENANT", name);
	return t;
}

/* The tenant asked for, when this caller may act there. */
static int tenant_choose(
    struct api *a, struct tenant *own, const char *name, bool may_be_new, struct api_caller *who, struct tenant **ret, struct err *err) {
	if (name == NULL || strcmp(name, own->row.name) == 0) {
		*ret = own;
		return 0;
	}
	if (who->role != ROLE_ADMIN || strcmp(own->row.name, CELL_TENANT) != 0)
		return err_set(err, E_FORBIDDEN, "token \"%s\" belongs to tenant %s", who->actor, own->row.name);
	int rc = name_check(NAME_PLAIN, name, "/tenant", "tenant name", err);
	if (rc != 0)
		return rc;
	*ret = fleet_tenant(core_fleet(a->core), name);
	return *ret != NULL || may_be_new || find_tenant(a, name, err) != NULL ? 0 : E_NOT_FOUND;
}

static int base_caller(struct api *a, const uint8_t hash[32], struct arena *arena, struct api_caller *ret, struct tenant **ret_tenant) {
	struct base *b = base_by_key(a->keys, core_fleet(a->core), hash);
	if (b == NULL)
		return E_UNAUTHENTICATED;
	*ret = (struct api_caller){ .tenant_id = b->tenant->row.id,
		.tenant = arena_strdup(arena, b->tenant->row.name),
		.actor = arena_printf(arena, "base/%s", b->row.name),
		.role = ROLE_BASE,
		.base_id = b->row.id };
	*ret_tenant = b->tenant;
	return 0;
}

int caller_find(struct api *a, const uint8_t hash[32], bool has_bearer, enum role least, const char *tenant, bool may_be_new,
    struct arena *arena, struct api_caller *ret, struct tenant **ret_tenant, struct err *err) {
	struct token *t = has_bearer ? fleet_token_by_hash(core_fleet(a->core), hash) : NULL;
	bool expired = t != NULL && t->row.expires_at.us != 0 && t->row.expires_at.us <= core_now(a->core).us;
	if (has_bearer && t == NULL && least == ROLE_BASE && base_caller(a, hash, arena, ret, ret_tenant) == 0)
		return 0;
	if (t == NULL || expired || t->row.revoked_at.us != 0)
		return unknown_token(has_bearer, err);
	*ret = (struct api_caller){ .token_id = t->row.id,
		.actor = arena_strdup(arena, t->row.name),
		.role = (enum role)t->row.role,
		.group = arena_strdup(arena, t->row.group_name) };
	if (!role_allows(ret->role, least))
		return forbidden(ret, least, err);
	int rc = tenant_choose(a, t->tenant, tenant, may_be_new, ret, ret_tenant, err);
	if (rc != 0)
		return rc;
	ret->tenant_id = *ret_tenant != NULL ? (*ret_tenant)->row.id : 0;
	ret->tenant = arena_strdup(arena, *ret_tenant != NULL ? (*ret_tenant)->row.name : tenant);
	return 0;
}

/* ---- a check on its own, for the byte paths ------------------------------------------------------------------------------------------ */
struct check {
	struct core_op core;
	struct api *api;
	uint8_t hash[32];
	bool has_bearer;
	enum role least;
	const char *tenant;
	struct arena *arena;
	struct api_caller who;
	void (*done)(void *arg, const struct api_caller *who, const struct err *err);
	void *arg;
};

static int check_apply(struct core *c, struct core_op *core_op, struct err *err) {
	(void)c;
	struct check *x = (struct check *)core_op;
	struct tenant *t;
	return caller_find(x->api, x->hash, x->has_bearer, x->least, x->tenant, false, x->arena, &x->who, &t, err);
}

static void check_done(struct core_op *core_op, const struct err *err) {
	struct check *x = (struct check *)core_op;
	x->done(x->arg, err == NULL ? &x->who : NULL, err);
	free(x);
}

void api_authenticate(struct api *a, const char *bearer, enum role least, const char *tenant, struct arena *arena,
    void (*done)(void *arg, const struct api_caller *who, const struct err *err), void *arg) {
	struct check *x = calloc(1, sizeof *x);
	if (x == NULL)
		abort();
	*x = (struct check){ .core = { .apply = check_apply, .done = check_done, .read = true },
		.api = a,
		.has_bearer = bearer != NULL,
		.least = least,
		.tenant = arena_strdup(arena, tenant),
		.arena = arena,
		.done = done,
		.arg = arg };
	if (bearer != NULL)
		sha256_of(bearer, strlen(bearer), x->hash);
	core_submit(a->core, &x->core);
}
