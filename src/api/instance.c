/* Lists of instances: by the narrowest index that the filters allow. */
#include <stdlib.h>

#include "api/call.h"

struct filter {
	const struct module *module;
	const struct base *base;
	const struct deployment *deployment;
	int state;
};

static bool selected(const struct api_op *op, const struct filter *f, const struct instance *i) {
	return i->base->tenant == op->tenant && (f->module == NULL || i->version->module == f->module) &&
	       (f->base == NULL || i->base == f->base) && (f->deployment == NULL || i->deployment == f->deployment) &&
	       (f->state == 0 || i->row.state == f->state);
}

/* False: the page is full. */
static bool offer(struct api_op *op, const struct filter *f, const struct instance *i) {
	if (i->row.id <= page_after(op))
		return true;
	return page_add(op, i->row.id, selected(op, f, i) ? (ProtobufCMessage *)view_instance(i, op->arena) : NULL);
}

static int filter_read(struct api_op *op, const Berth__V1__ListInstancesRequest *r, struct filter *f, struct err *err) {
	*f = (struct filter){ .state = r->has_state ? (int)r->state : 0 };
	if (r->module != NULL && *r->module != '\0' && (f->module = find_module(op, r->module, "/module", err)) == NULL)
		return err->code;
	if (r->base != NULL && *r->base != '\0' && (f->base = find_base(op, r->base, "/base", err)) == NULL)
		return err->code;
	if (r->deployment != NULL && *r->deployment != '\0' &&
	    (f->deployment = find_deployment(op, r->deployment, "/deployment", err)) == NULL)
		return err->code;
	return 0;
}

static int by_id(const void *a, const void *b) {
	const struct instance *x = *(const struct instance *const *)a, *y = *(const struct instance *const *)b;
	return x->row.id < y->row.id ? -1 : x->row.id > y->row.id;
}

/* A base's or deployment's own list is in its own order; pages go by id. */
static void offer_sorted(struct api_op *op, const struct filter *f) {
	int n = f->base != NULL ? f->base->n_instances : f->deployment->n_instances;
	const struct instance **all = arena_alloc(op->arena, ((size_t)n + 1) * sizeof *all), *i;
	size_t k = 0;
	if (f->base != NULL) {
		TAILQ_FOREACH(i, &f->base->instances, base_link)
			all[k++] = i;
	} else {
		TAILQ_FOREACH(i, &f->deployment->instances, deployment_link)
			all[k++] = i;
	}
	qsort(all, k, sizeof *all, by_id);
	for (size_t j = 0; j < k; j++)
		if (!offer(op, f, all[j]))
			return;
}

int op_instance_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListInstancesRequest *r = (const Berth__V1__ListInstancesRequest *)op->call->request;
	struct filter f;
	int rc = filter_read(op, r, &f, err);
	if (rc == 0)
		rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	if (f.base != NULL || f.deployment != NULL) {
		offer_sorted(op, &f);
	} else {
		const struct instance *last = page_after(op) != 0 ? fleet_instance(op->fleet, page_after(op)) : NULL;
		for (struct instance *i = last != NULL ? last->hh_id.next : fleet_instances(op->fleet); i != NULL; i = i->hh_id.next)
			if (!offer(op, &f, i))
				break;
	}
	page_close(op, op->call->op->reply);
	return 0;
}
