/* Webhooks: where a tenant wants to be told of events. How far each was told is in its row. */
#include "model/fleet_internal.h"

#include "base/err.h"

static struct webhook *webhook_new(struct fleet *f, struct tenant *t, const struct row_webhook *row) {
	struct webhook *w = object_new(TABLE_webhook, sizeof *w, row);
	w->tenant = t;
	ADD_ID(f->webhooks, w);
	ADD_TEXT(t->webhooks, w, name);
	return w;
}

struct webhook *fleet_webhook_add(struct fleet *f, struct tenant *t, const struct row_webhook *row) {
	struct row_webhook r = *row;
	r.id = fleet_next_id(f, "webhook");
	r.tenant_id = t->row.id;
	struct webhook *w = webhook_new(f, t, &r);
	object_created(f, &w->o);
	return w;
}

int webhook_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_webhook *r = row;
	struct tenant *t = fleet_tenant_by_id(f, r->tenant_id);
	if (t == NULL)
		return absent(err, "webhook", r->id, "tenant", r->tenant_id);
	webhook_new(f, t, r)->o.stored = true;
	return 0;
}

struct webhook *fleet_webhook(const struct tenant *t, const char *name) {
	struct webhook *w;
	FIND_TEXT(t->webhooks, name, w);
	return w;
}

struct webhook *fleet_webhook_by_id(const struct fleet *f, int64_t id) {
	struct webhook *w;
	FIND_ID(f->webhooks, id, w);
	return w;
}

void fleet_webhook_remove(struct fleet *f, struct webhook *w) {
	HASH_DELETE(hh_id, f->webhooks, w);
	HASH_DELETE(hh_name, w->tenant->webhooks, w);
	object_delete(f, &w->o);
}
