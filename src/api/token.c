/* Tokens: made once with their secret in the answer, kept as hashes, listed without, revoked at once. */
#include <string.h>

#include "api/call.h"
#include "base/name.h"
#include "base/secret.h"

static int wish_check(struct api_op *op, const Berth__V1__Token *want, struct err *err) {
	int rc = name_check(NAME_PLAIN, want->name, "/name", "token name", err);
	if (rc != 0)
		return rc;
	if (!want->has_role || want->role == BERTH__V1__ROLE__ROLE_NONE || want->role == BERTH__V1__ROLE__ROLE_BASE)
		return err_field(err, E_INVALID, "/role", "a token needs a role: one of read, deploy, admin, join");
	if (want->group != NULL && want->role != BERTH__V1__ROLE__ROLE_JOIN)
		return err_field(err, E_INVALID, "/group", "only join tokens have a group");
	if (want->group != NULL && op->tenant == NULL)
		return err_field(err, E_NOT_FOUND, "/group", "tenant %s has no groups yet", op->who.tenant);
	if (want->group != NULL && find_group(op, want->group, "/group", err) == NULL)
		return err->code;
	if (want->expire_time != NULL && pb_time_wall(want->expire_time).us <= core_now(op->api->core).us)
		return err_field(err, E_INVALID, "/expireTime", "expireTime is in the past");
	if (op->tenant != NULL && fleet_token(op->tenant, want->name) != NULL)
		return err_field(err, E_EXISTS, "/name", "there is a token \"%s\" already; revoke it first: berth token revoke %s",
		    want->name, want->name);
	return 0;
}

int op_token_create(struct api_op *op, struct err *err) {
	const Berth__V1__CreateTokenRequest *r = (const Berth__V1__CreateTokenRequest *)op->call->request;
	const Berth__V1__Token *want = r->token;
	if (want == NULL)
		return err_field(err, E_INVALID, "/name", "a token needs a name and a role");
	int rc = wish_check(op, want, err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	if (op->tenant == NULL) { /* made with its first token, when nothing can go wrong any more */
		op->tenant = fleet_tenant_add(op->fleet, op->who.tenant, core_now(op->api->core));
		op->who.tenant_id = op->core.who.tenant_id = op->tenant->row.id;
	}
	char secret[64];
	token_make(want->role == BERTH__V1__ROLE__ROLE_JOIN ? "join" : "berth", secret, sizeof secret);
	struct row_token row = { .tenant_id = op->tenant->row.id,
		.name = want->name,
		.role = (int)want->role,
		.group_name = want->group,
		.create_actor = arena_strdup(op->arena, op->who.actor),
		.created_at = core_now(op->api->core),
		.expires_at = pb_time_wall(want->expire_time) };
	sha256_of(secret, strlen(secret), row.hash);
	const struct token *t = fleet_token_add(op->fleet, op->tenant, &row);
	struct event_facts facts = { .kind = "token.created" };
	core_event(op->api->core, &facts, "token %s with role %s was made", want->name, word_text(WORD_ROLE, row.role));
	Berth__V1__Token *m = view_token(t, op->arena);
	m->secret = arena_strdup(op->arena, secret);
	op->location = arena_printf(op->arena, "/v1/tokens/%s", want->name);
	op->reply = (ProtobufCMessage *)m;
	return 0;
}

int op_token_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListTokensRequest *r = (const Berth__V1__ListTokensRequest *)op->call->request;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	for (struct token *t = op->tenant->tokens; t != NULL; t = t->hh_name.next)
		if (t->row.id > page_after(op) && !page_add(op, t->row.id, (ProtobufCMessage *)view_token(t, op->arena)))
			break;
	page_close(op, op->call->op->reply);
	return 0;
}

/* An admin who revokes the last way in has locked the cell. */
static bool last_admin(const struct api_op *op, const struct token *t) {
	if (t->row.role != ROLE_ADMIN)
		return false;
	for (const struct token *x = op->tenant->tokens; x != NULL; x = x->hh_name.next)
		if (x != t && x->row.role == ROLE_ADMIN && x->row.revoked_at.us == 0 && x->row.expires_at.us == 0)
			return false;
	return true;
}

int op_token_revoke(struct api_op *op, struct err *err) {
	const Berth__V1__RevokeTokenRequest *r = (const Berth__V1__RevokeTokenRequest *)op->call->request;
	struct token *t = find_token(op, r->token, err);
	int rc = t == NULL ? err->code : refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	if (last_admin(op, t))
		return err_set(err, E_STATE, "\"%s\" is the last admin token without an end in tenant %s; make another one first", r->token,
		    op->who.tenant);
	struct event_facts facts = { .kind = "token.revoked" };
	core_event(op->api->core, &facts, "token %s was revoked", r->token);
	t->row.revoked_at = core_now(op->api->core);
	fleet_touch(op->fleet, &t->o);
	fleet_token_remove(op->fleet, t);
	op->reply = pb_new(&berth__v1__empty__descriptor, op->arena);
	return 0;
}
