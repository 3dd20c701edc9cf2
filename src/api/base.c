/* Bases: read, change, cordon, forget, readiness. Their output is in logs.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/name.h"

#define MAX_LIMIT 100000
#define MAX_TAINTS 32

static int answer(struct api_op *op, const struct base *b) {
	op->reply = (ProtobufCMessage *)view_base(b, op->arena);
	return 0;
}

int op_base_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetBaseRequest *r = (const Berth__V1__GetBaseRequest *)op->call->request;
	const struct base *b = find_base(op, r->base, "", err);
	return b == NULL ? err->code : answer(op, b);
}

/* "key=value" or "key" of a base's labels; "zone=…" also of the zone it joined with. */
static bool label_matches(const struct base *b, const char *label, struct arena *a) {
	struct pair *pairs = NULL;
	size_t n = 0;
	const char *eq = strchr(label, '=');
	size_t key = eq != NULL ? (size_t)(eq - label) : strlen(label);
	if (b->row.labels == NULL || pairs_parse(b->row.labels, a, &pairs, &n, NULL) != 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strlen(pairs[i].key) == key && memcmp(pairs[i].key, label, key) == 0)
			return eq == NULL || strcmp(pairs[i].value, eq + 1) == 0;
	return strncmp(label, "zone=", 5) == 0 && b->row.zone != NULL && strcmp(b->row.zone, label + 5) == 0;
}

static bool selected(const struct api_op *op, const Berth__V1__ListBasesRequest *r, const struct group *g, const struct base *b) {
	return (g == NULL || b->group == g) && (!r->has_state || r->state == 0 || b->row.state == (int)r->state) &&
	       (r->label == NULL || *r->label == '\0' || label_matches(b, r->label, op->arena));
}

int op_base_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListBasesRequest *r = (const Berth__V1__ListBasesRequest *)op->call->request;
	const struct group *g = NULL;
	if (r->group != NULL && *r->group != '\0' && (g = find_group(op, r->group, "/group", err)) == NULL)
		return err->code;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	const struct base *last = page_after(op) != 0 ? fleet_base_by_id(op->fleet, page_after(op)) : NULL;
	struct base *b = last != NULL && last->tenant == op->tenant ? last->hh_name.next : op->tenant->bases;
	for (; b != NULL; b = b->hh_name.next) {
		if (b->row.id <= page_after(op))
			continue;
		if (!page_add(op, b->row.id, selected(op, r, g, b) ? (ProtobufCMessage *)view_base(b, op->arena) : NULL))
			break;
	}
	page_close(op, op->call->op->reply);
	return 0;
}

static int wish_check(const Berth__V1__Base *want, const char *id, struct err *err) {
	if (want->id != NULL && strcmp(want->id, id) != 0)
		return err_field(err, E_INVALID, "/id", "a base cannot be renamed");
	if (want->has_install_limit && (want->install_limit < 0 || want->install_limit > MAX_LIMIT))
		return err_field(err, E_INVALID, "/installLimit", "installLimit must be between 1 and %d, or 0 for the group's", MAX_LIMIT);
	if (want->n_taints > MAX_TAINTS)
		return err_field(err, E_INVALID, "/taints", "at most %d taints", MAX_TAINTS);
	for (size_t i = 0; i < want->n_taints; i++) {
		char at[32];
		snprintf(at, sizeof at, "/taints/%zu", i);
		int rc = name_check(NAME_LABEL_KEY, want->taints[i], at, "taint name", err);
		if (rc != 0)
			return rc;
	}
	int rc = want->zone != NULL ? name_check(NAME_LABEL_VALUE, want->zone, "/zone", "zone", err) : 0;
	return rc == 0 && !pairs_check(want->labels, want->n_labels, true, "/labels", err) ? E_INVALID : rc;
}

/* The base that a change names, when the change may be made. */
static struct base *target(struct api_op *op, const char *name, struct err *err) {
	struct base *b = find_base(op, name, "", err);
	if (b == NULL || check_etag(op, b->row.etag, "the base", err) != 0 || refuse_dry_run(op, err) != 0)
		return NULL;
	return b;
}

int op_base_update(struct api_op *op, struct err *err) {
	const Berth__V1__UpdateBaseRequest *r = (const Berth__V1__UpdateBaseRequest *)op->call->request;
	static const Berth__V1__Base nothing = BERTH__V1__BASE__INIT;
	const Berth__V1__Base *want = r->base != NULL ? r->base : &nothing;
	struct base *b = find_base(op, r->base_id, "", err);
	int rc = b == NULL ? err->code : wish_check(want, r->base_id, err);
	if (rc == 0)
		rc = check_etag(op, b->row.etag, "the base", err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc == 0)
		rc = change_base(op->api->core, &op->core.who, b, want->has_install_limit, want->install_limit,
		    GIVEN(want->labels) ? entries_json(want->labels, want->n_labels, op->arena) : NULL,
		    GIVEN(want->taints) ? strings_print(want->taints, want->n_taints, op->arena) : NULL, err);
	return rc != 0 ? rc : answer(op, b);
}

/* "http://HOST:PORT" and nothing else: it is put before a path, and what is behind it gets commands. */
static int arklet_check(const char *url, struct err *err) {
	const char *host = url != NULL && strncmp(url, "http://", 7) == 0 ? url + 7 : NULL,
	           *colon = host != NULL ? strrchr(host, ':') : NULL;
	size_t n = colon != NULL ? (size_t)(colon - host) : 0;
	bool fine =
	    n > 0 && n < 128 && strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == strlen(host);
	char *end = NULL;
	long port = fine ? strtol(colon + 1, &end, 10) : 0;
	return fine && *end == '\0' && port > 0 && port < 65536
	           ? 0
	           : err_field(err, E_INVALID, "/arklet",
	                 "give the address of the base's arklet as http://HOST:PORT; its port is 1238 unless the base was told another");
}

int op_base_add(struct api_op *op, struct err *err) {
	const Berth__V1__AddBaseRequest *r = (const Berth__V1__AddBaseRequest *)op->call->request;
	static const Berth__V1__Base nothing = BERTH__V1__BASE__INIT;
	const Berth__V1__Base *want = r->base != NULL ? r->base : &nothing;
	struct base *b;
	int rc = name_check(NAME_PLAIN, want->id, "/id", "base id", err);
	if (rc == 0)
		rc = wish_check(want, want->id, err);
	if (rc == 0)
		rc = arklet_check(want->arklet, err);
	struct direct_spec s = { .name = want->id, .url = want->arklet, .zone = want->zone, .limit = want->install_limit };
	if (rc == 0 && (s.group = find_group(op, want->group != NULL ? want->group : "default", "/group", err)) == NULL)
		rc = err->code;
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	s.labels = entries_json(want->labels, want->n_labels, op->arena);
	s.taints = strings_print(want->taints, want->n_taints, op->arena);
	if (fleet_base(op->tenant, want->id) != NULL)
		op->status = 200;
	rc = change_base_add(op->api->core, &op->core.who, &s, &b, err);
	if (rc != 0)
		return rc;
	op->location = arena_printf(op->arena, "/v1/bases/%s", b->row.name);
	return answer(op, b);
}

static int cordon(struct api_op *op, bool on, struct err *err) {
	const Berth__V1__CordonBaseRequest *r = (const Berth__V1__CordonBaseRequest *)op->call->request;
	struct base *b = target(op, r->base, err);
	int rc = b == NULL ? err->code : change_cordon(op->api->core, &op->core.who, b, on, err);
	return rc != 0 ? rc : answer(op, b);
}

int op_base_cordon(struct api_op *op, struct err *err) {
	return cordon(op, true, err);
}

int op_base_uncordon(struct api_op *op, struct err *err) {
	return cordon(op, false, err);
}

int op_base_drain(struct api_op *op, struct err *err) {
	const Berth__V1__DrainBaseRequest *r = (const Berth__V1__DrainBaseRequest *)op->call->request;
	struct base *b = target(op, r->base, err);
	struct plan *p = NULL;
	int rc = b == NULL ? err->code : change_drain(op->api->core, &op->core.who, &b, 1, &p, err);
	return rc != 0 ? rc
	               : plan_reply(op, p, arena_printf(op->arena, "/v1/bases/%s", r->base),
	                     "it holds nothing that Berth manages and takes nothing new");
}

int op_base_undrain(struct api_op *op, struct err *err) {
	const Berth__V1__DrainBaseRequest *r = (const Berth__V1__DrainBaseRequest *)op->call->request;
	struct base *b = target(op, r->base, err);
	int rc = b == NULL ? err->code : change_undrain(op->api->core, &op->core.who, b, err);
	return rc != 0 ? rc : answer(op, b);
}

int op_base_expect_restart(struct api_op *op, struct err *err) {
	const Berth__V1__ExpectRestartRequest *r = (const Berth__V1__ExpectRestartRequest *)op->call->request;
	struct base *b = target(op, r->base, err);
	int64_t us = r->within == NULL || r->within->seconds > 1000000 ? 0 : r->within->seconds * US_PER_S + r->within->nanos / 1000;
	int rc = b == NULL ? err->code : change_expect_restart(op->api->core, &op->core.who, b, us, err);
	return rc != 0 ? rc : answer(op, b);
}

int op_base_leave(struct api_op *op, struct err *err) {
	const Berth__V1__LeaveBaseRequest *r = (const Berth__V1__LeaveBaseRequest *)op->call->request;
	struct base *b = target(op, r->base, err);
	int rc = b == NULL ? err->code : change_leave(op->api->core, &op->core.who, b, err);
	return rc != 0 ? rc : answer(op, b);
}

int op_base_forget(struct api_op *op, struct err *err) {
	const Berth__V1__ForgetBaseRequest *r = (const Berth__V1__ForgetBaseRequest *)op->call->request;
	struct base *b = target(op, r->base, err);
	int rc = b == NULL ? err->code : change_forget(op->api->core, &op->core.who, b, err);
	if (rc == 0)
		op->reply = pb_new(&berth__v1__empty__descriptor, op->arena);
	return rc;
}

int op_base_ready(struct api_op *op, struct err *err) {
	const Berth__V1__ReadyBaseRequest *r = (const Berth__V1__ReadyBaseRequest *)op->call->request;
	const struct base *b = find_base(op, r->base, "", err);
	if (b == NULL)
		return err->code;
	if (b->row.state == BASE_READY)
		return answer(op, b);
	const char *reason = b->row.state_reason;
	return err_set(err, E_UNAVAILABLE, "base %s is %s: %s%s%s", b->row.name, word_text(WORD_BASE, b->row.state),
	    word_sentence(WORD_BASE, b->row.state), reason != NULL && *reason != '\0' ? "; " : "", reason != NULL ? reason : "");
}

/* ---- several, and everything on one ---------------------------------------------------------------------------------------------------
 */
static bool drain_selects(const struct base *b, const struct group *g, const char *label, struct arena *a) {
	return (g == NULL || b->group == g) && label != NULL && *label != '\0' && label_matches(b, label, a);
}

static int selection(struct api_op *op, const Berth__V1__DrainBasesRequest *r, struct base **ret, size_t *ret_n, struct err *err) {
	struct group *g = r->group == NULL || *r->group == '\0' ? NULL : find_group(op, r->group, "/group", err);
	if (r->group != NULL && *r->group != '\0' && g == NULL)
		return err->code;
	for (struct base *b = op->tenant->bases; b != NULL; b = b->hh_name.next)
		if (drain_selects(b, g, r->label, op->arena))
			ret[(*ret_n)++] = b;
	for (size_t k = 0; k < r->n_bases; k++) {
		struct base *b = find_base(op, r->bases[k], arena_printf(op->arena, "/bases/%zu", k), err);
		if (b == NULL)
			return err->code;
		if (!drain_selects(b, g, r->label, op->arena))
			ret[(*ret_n)++] = b;
	}
	return *ret_n > 0 ? 0
	                  : err_field(err, E_NOT_FOUND, "/label", "no base has label %s; see: berth base list -o wide",
	                        r->label != NULL ? r->label : "");
}

int op_base_drain_all(struct api_op *op, struct err *err) {
	const Berth__V1__DrainBasesRequest *r = (const Berth__V1__DrainBasesRequest *)op->call->request;
	struct base **bases = arena_alloc(op->arena, (HASH_CNT(hh_name, op->tenant->bases) + r->n_bases + 1) * sizeof(struct base *));
	struct plan *p = NULL;
	size_t n = 0;
	int rc = refuse_dry_run(op, err);
	if (rc == 0 && r->n_bases == 0 && (r->label == NULL || *r->label == '\0'))
		rc = err_field(err, E_INVALID, "/label", "say which: a label like zone=a, or bases by name");
	if (rc == 0)
		rc = selection(op, r, bases, &n, err);
	if (rc == 0)
		rc = change_drain(op->api->core, &op->core.who, bases, n, &p, err);
	return rc != 0 ? rc : plan_reply(op, p, NULL, "they hold nothing that Berth manages and take nothing new");
}

static int anew(struct api_op *op, bool restart, struct err *err) {
	const Berth__V1__RenewBaseRequest *r = (const Berth__V1__RenewBaseRequest *)op->call->request;
	struct base *b = target(op, r->base, err);
	struct plan *p = NULL;
	int rc = b == NULL ? err->code : change_base_anew(op->api->core, &op->core.who, b, restart, &p, err);
	return rc != 0 ? rc : plan_reply(op, p, arena_printf(op->arena, "/v1/bases/%s", r->base), "it holds nothing that Berth manages");
}

int op_base_replace(struct api_op *op, struct err *err) {
	return anew(op, false, err);
}

int op_base_restart(struct api_op *op, struct err *err) {
	return anew(op, true, err);
}
