/* Many deployments in one call: each item has its own answer, and the work is cut into turns (rule 10). */
#include "api/call.h"
#include "base/name.h"

#define MAX_ITEMS 10000
#define PER_TURN 100

struct bulk {
	size_t done, done_before;
	Berth__V1__BulkItem **items;
};

static void go_on(struct api_op *op) {
	struct bulk *b = op->state;
	b->done_before = b->done;
	op_again(op);
}

static int item_deploy(struct api_op *op, const Berth__V1__Deployment *want, Berth__V1__BulkItem *item, struct err *err) {
	struct deploy_spec spec;
	int rc = deploy_read(op, want, &spec, err);
	spec.online = true;
	spec.if_match = 0; /* one etag for many deployments makes no sense */
	if (rc != 0)
		return rc;
	struct deployment *d = NULL;
	struct plan *p = NULL;
	struct dry_run *dry = NULL;
	if (op->meta->has_dry_run && op->meta->dry_run) {
		rc = change_deploy_dry(op->api->core, &spec, 1, op->arena, &dry, err);
		if (rc == 0)
			item->plan = (Berth__V1__Plan *)pb_copy((ProtobufCMessage *)view_dry_run(op, dry, op->arena), op->kept);
		return rc;
	}
	rc = change_deploy(op->api->core, &op->core.who, &spec, &d, &p, err);
	if (rc == 0 && p != NULL)
		item->plan = (Berth__V1__Plan *)pb_copy((ProtobufCMessage *)view_plan(op, p, false, op->arena), op->kept);
	return rc;
}

static void item_run(struct api_op *op, struct bulk *b, const Berth__V1__Deployment *want) {
	struct err err = ERR_INIT;
	Berth__V1__BulkItem *item = b->items[b->done] = PB_NEW(Berth__V1__BulkItem, berth__v1__bulk_item, op->kept);
	const char *name = want->name != NULL ? want->name : want->module;
	item->name = arena_strdup(op->kept, name != NULL ? name : "");
	if (item_deploy(op, want, item, &err) != 0)
		item->problem = (Berth__V1__Problem *)api_problem(&err, NULL, op->kept);
	b->done++;
}

int op_deployment_bulk(struct api_op *op, struct err *err) {
	const Berth__V1__BulkDeploymentsRequest *r = (const Berth__V1__BulkDeploymentsRequest *)op->call->request;
	if (r->n_deployments > MAX_ITEMS)
		return err_field(err, E_INVALID, "/deployments", "at most %d at a time", MAX_ITEMS);
	if (op->meta->has_dry_run && op->meta->dry_run && op_who_unknown(op))
		return 0;
	struct bulk *b = op->state;
	if (b == NULL) {
		b = op->state = arena_alloc(op->kept, sizeof *b);
		b->items = arena_alloc(op->kept, (r->n_deployments + 1) * sizeof *b->items);
	}
	b->done = b->done_before; /* this apply may be a second try */
	for (size_t i = 0; i < PER_TURN && b->done < r->n_deployments; i++)
		item_run(op, b, r->deployments[b->done]);
	if (b->done < r->n_deployments) {
		op->then = go_on;
		return 0;
	}
	Berth__V1__BulkDeploymentsReply *m = PB_NEW(Berth__V1__BulkDeploymentsReply, berth__v1__bulk_deployments_reply, op->arena);
	m->items = b->items;
	m->n_items = b->done;
	op->reply = (ProtobufCMessage *)m;
	return 0;
}
