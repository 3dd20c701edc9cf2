/* Endpoints: which bases serve which module, and are ready. What a gateway needs to know, and nothing it would have to work out. */
#include "api/call.h"

/* It answers until the base is told to remove it, also while its successor is being installed beside it. */
static bool serves(const struct instance *i) {
	return i->row.state == INSTANCE_READY && i->base->row.state == BASE_READY;
}

bool endpoint_selected(const struct api_op *op, const struct endpoint_filter *f, const struct instance *i) {
	return i->base->tenant == op->tenant && (f->module == NULL || i->version->module == f->module) &&
	       (f->base == NULL || i->base == f->base) && (f->deployment == NULL || i->deployment == f->deployment) &&
	       (!f->has_ready || serves(i) == f->ready);
}

Berth__V1__Endpoint *view_endpoint(const struct instance *i, struct arena *a) {
	Berth__V1__Endpoint *m = PB_NEW(Berth__V1__Endpoint, berth__v1__endpoint, a);
	PUT(m, instance, i->row.id);
	m->tenant = view_text(i->base->tenant->row.name, a);
	m->deployment = i->deployment != NULL ? view_text(i->deployment->row.name, a) : NULL;
	m->module = view_text(i->version->module->row.name, a);
	m->version = view_text(i->version->row.name, a);
	m->group = view_text(i->base->group->row.name, a);
	m->zone = view_text(i->base->row.zone, a);
	m->base = view_text(i->base->row.name, a);
	m->address = view_text(i->base->row.address, a);
	m->context_path = view_text(i->version->row.context_path, a);
	PUT(m, ready, serves(i));
	m->since = pb_time(i->row.state_at, a);
	return m;
}

int endpoint_filter_read(struct api_op *op, const Berth__V1__ListEndpointsRequest *r, struct endpoint_filter *f, struct err *err) {
	*f = (struct endpoint_filter){ .has_ready = r->has_ready, .ready = r->ready };
	if (r->module != NULL && *r->module != '\0' && (f->module = find_module(op, r->module, "/module", err)) == NULL)
		return err->code;
	if (r->base != NULL && *r->base != '\0' && (f->base = find_base(op, r->base, "/base", err)) == NULL)
		return err->code;
	if (r->deployment != NULL && *r->deployment != '\0' &&
	    (f->deployment = find_deployment(op, r->deployment, "/deployment", err)) == NULL)
		return err->code;
	return 0;
}

int op_endpoint_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListEndpointsRequest *r = (const Berth__V1__ListEndpointsRequest *)op->call->request;
	struct endpoint_filter f;
	int rc = endpoint_filter_read(op, r, &f, err);
	if (rc == 0)
		rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	const struct instance *last = page_after(op) != 0 ? fleet_instance(op->fleet, page_after(op)) : NULL;
	for (struct instance *i = last != NULL ? last->hh_id.next : fleet_instances(op->fleet); i != NULL; i = i->hh_id.next)
		if (i->row.id > page_after(op) &&
		    !page_add(op, i->row.id, endpoint_selected(op, &f, i) ? (ProtobufCMessage *)view_endpoint(i, op->arena) : NULL))
			break;
	page_close(op, op->call->op->reply);
	return 0;
}
