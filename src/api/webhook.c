/* Webhooks: made with their secret in the answer, changed, replayed, removed. Telling them is the courier's business. */
#include "api/webhook.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "base/name.h"
#include "base/secret.h"

#define MAX_URL 1024
#define MAX_KINDS 32
#define MAX_KIND 64
#define MAX_WEBHOOKS 50 /* per tenant: each is told by a request of its own */

static int url_check(const char *url, struct err *err) {
	size_t n = url != NULL ? strlen(url) : 0;
	const char *host = url == NULL                        ? NULL
	                   : strncmp(url, "https://", 8) == 0 ? url + 8
	                   : strncmp(url, "http://", 7) == 0  ? url + 7
	                                                      : NULL;
	if (host != NULL && *host != '\0' && *host != '/' && n <= MAX_URL && strpbrk(url, " \t\r\n\"<>\\") == NULL)
		return 0;
	return err_field(err, E_INVALID, "/url", "give the URL that events are sent to: https://HOST/PATH, at most %d bytes", MAX_URL);
}

static int kinds_check(const Berth__V1__Webhook *want, struct err *err) {
	if (want->n_kinds > MAX_KINDS)
		return err_field(err, E_INVALID, "/kinds", "at most %d kinds; * stands for any text", MAX_KINDS);
	for (size_t i = 0; i < want->n_kinds; i++) {
		const char *k = want->kinds[i];
		char at[32];
		snprintf(at, sizeof at, "/kinds/%zu", i);
		if (*k == '\0' || strlen(k) > MAX_KIND || strspn(k, "abcdefghijklmnopqrstuvwxyz_.*") != strlen(k))
			return err_field(err, E_INVALID, at, "a kind of event looks like plan.failed; * stands for any text: plan.*");
	}
	return 0;
}

static int wish_check(const Berth__V1__Webhook *want, bool fresh, struct err *err) {
	int rc = fresh || want->url != NULL ? url_check(want->url, err) : 0;
	if (rc == 0)
		rc = kinds_check(want, err);
	if (rc == 0 && want->template_ != NULL)
		rc = webhook_template_check(want->template_, err);
	return rc;
}

static char *kinds_json(const struct api_op *op, const Berth__V1__Webhook *want) {
	return want->n_kinds == 0 ? NULL : strings_print(want->kinds, want->n_kinds, op->arena);
}

Berth__V1__Webhook *view_webhook(const struct webhook *x, struct arena *a) {
	Berth__V1__Webhook *m = PB_NEW(Berth__V1__Webhook, berth__v1__webhook, a);
	m->name = view_text(x->row.name, a);
	m->tenant = view_text(x->tenant->row.name, a);
	m->url = view_text(x->row.url, a);
	view_strings(x->row.kinds != NULL ? x->row.kinds : webhook_default_kinds, a, &m->kinds, &m->n_kinds);
	m->template_ = view_text(x->row.template, a);
	PUT(m, sent_event, x->row.sent_event);
	if (x->row.failures > 0)
		PUT(m, failures, (int32_t)x->row.failures);
	m->last_error = view_text(x->row.last_error, a);
	m->failing_since = pb_time(x->row.failing_since, a);
	m->etag = arena_printf(a, "%" PRId64, x->row.etag);
	m->create_actor = view_text(x->row.create_actor, a);
	m->create_time = pb_time(x->row.created_at, a);
	m->update_time = pb_time(x->row.updated_at, a);
	return m;
}

static int answer(struct api_op *op, const struct webhook *w) {
	op->location = arena_printf(op->arena, "/v1/webhooks/%s", w->row.name);
	op->reply = (ProtobufCMessage *)view_webhook(w, op->arena);
	return 0;
}

int op_webhook_create(struct api_op *op, struct err *err) {
	const Berth__V1__CreateWebhookRequest *r = (const Berth__V1__CreateWebhookRequest *)op->call->request;
	const Berth__V1__Webhook *want = r->webhook;
	int rc = want == NULL ? err_field(err, E_INVALID, "/name", "a webhook needs a name and a url")
	                      : name_check(NAME_PLAIN, want->name, "/name", "webhook name", err);
	if (rc == 0)
		rc = wish_check(want, true, err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc == 0 && fleet_webhook(op->tenant, want->name) != NULL)
		rc = err_field(err, E_EXISTS, "/name", "there is a webhook \"%s\" already; change it with: berth webhook set %s",
		    want->name, want->name);
	if (rc == 0 && HASH_CNT(hh_name, op->tenant->webhooks) >= MAX_WEBHOOKS)
		rc = err_set(err, E_STATE, "a tenant has at most %d webhooks; one of them can hand on to others", MAX_WEBHOOKS);
	if (rc != 0)
		return rc;
	char secret[64];
	token_make("hook", secret, sizeof secret);
	wall_t now = core_now(op->api->core);
	struct row_webhook row = { .name = want->name,
		.url = want->url,
		.secret = secret,
		.kinds = kinds_json(op, want),
		.template = view_text(want->template_, op->arena),
		.sent_event = fleet_last_event(op->fleet),
		.etag = 1,
		.create_actor = arena_strdup(op->arena, op->who.actor),
		.created_at = now,
		.updated_at = now };
	const struct webhook *w = fleet_webhook_add(op->fleet, op->tenant, &row);
	struct event_facts facts = { .kind = "webhook.created" };
	core_event(op->api->core, &facts, "webhook %s was made", want->name);
	answer(op, w);
	((Berth__V1__Webhook *)op->reply)->secret = arena_strdup(op->arena, secret);
	return 0;
}

int op_webhook_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetWebhookRequest *r = (const Berth__V1__GetWebhookRequest *)op->call->request;
	const struct webhook *w = find_webhook(op, r->webhook, err);
	return w == NULL ? err->code : answer(op, w);
}

int op_webhook_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListWebhooksRequest *r = (const Berth__V1__ListWebhooksRequest *)op->call->request;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	for (struct webhook *w = op->tenant->webhooks; w != NULL; w = w->hh_name.next)
		if (w->row.id > page_after(op) && !page_add(op, w->row.id, (ProtobufCMessage *)view_webhook(w, op->arena)))
			break;
	page_close(op, op->call->op->reply);
	return 0;
}

/* The webhook that a change names, when the change may be made. */
static struct webhook *target(struct api_op *op, const char *name, struct err *err) {
	struct webhook *w = find_webhook(op, name, err);
	if (w == NULL || check_etag(op, w->row.etag, "the webhook", err) != 0 || refuse_dry_run(op, err) != 0)
		return NULL;
	return w;
}

static int changed(struct api_op *op, struct webhook *w, const char *what) {
	struct event_facts facts = { .kind = "webhook.changed" };
	w->row.etag++;
	w->row.updated_at = core_now(op->api->core);
	fleet_touch(op->fleet, &w->o);
	core_event(op->api->core, &facts, "webhook %s %s", w->row.name, what);
	return answer(op, w);
}

int op_webhook_update(struct api_op *op, struct err *err) {
	const Berth__V1__UpdateWebhookRequest *r = (const Berth__V1__UpdateWebhookRequest *)op->call->request;
	static const Berth__V1__Webhook nothing = BERTH__V1__WEBHOOK__INIT;
	const Berth__V1__Webhook *want = r->webhook != NULL ? r->webhook : &nothing;
	struct webhook *w = target(op, r->webhook_name, err);
	if (w == NULL)
		return err->code;
	if (want->name != NULL && strcmp(want->name, r->webhook_name) != 0)
		return err_field(err, E_INVALID, "/name", "a webhook cannot be renamed");
	int rc = wish_check(want, false, err);
	if (rc != 0)
		return rc;
	bool any = want->url != NULL && text_set(&w->row.url, want->url);
	if (GIVEN(want->kinds))
		any |= text_set(&w->row.kinds, kinds_json(op, want));
	if (want->template_ != NULL)
		any |= text_set(&w->row.template, view_text(want->template_, op->arena));
	return any ? changed(op, w, "was changed") : answer(op, w);
}

int op_webhook_delete(struct api_op *op, struct err *err) {
	const Berth__V1__DeleteWebhookRequest *r = (const Berth__V1__DeleteWebhookRequest *)op->call->request;
	struct webhook *w = target(op, r->webhook, err);
	if (w == NULL)
		return err->code;
	struct event_facts facts = { .kind = "webhook.deleted" };
	core_event(op->api->core, &facts, "webhook %s was deleted", r->webhook);
	fleet_webhook_remove(op->fleet, w);
	op->reply = pb_new(&berth__v1__empty__descriptor, op->arena);
	return 0;
}

int op_webhook_replay(struct api_op *op, struct err *err) {
	const Berth__V1__ReplayWebhookRequest *r = (const Berth__V1__ReplayWebhookRequest *)op->call->request;
	struct webhook *w = target(op, r->webhook, err);
	if (w == NULL)
		return err->code;
	int64_t last = fleet_last_event(op->fleet);
	if (!r->has_after || r->after < 0 || r->after > last)
		return err_field(
		    err, E_INVALID, "/after", "say after which event: a number from 0 to %" PRId64 "; see: berth events", last);
	w->row.sent_event = r->after;
	return changed(op, w, arena_printf(op->arena, "is told once more of what came after event %" PRId64, r->after));
}

int op_webhook_test(struct api_op *op, struct err *err) {
	const Berth__V1__TestWebhookRequest *r = (const Berth__V1__TestWebhookRequest *)op->call->request;
	struct webhook *w = target(op, r->webhook, err);
	if (w == NULL)
		return err->code;
	struct event_facts facts = { .kind = "webhook.test" };
	core_event(op->api->core, &facts, "a test of webhook %s by %s", w->row.name, op->who.actor);
	return answer(op, w);
}
