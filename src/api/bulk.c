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

static bool wants_preview(const struct api_op *op) {
	return op->meta->has_dry_run && op->meta->dry_run;
}

static int item_preview(struct api_op *op, const struct deploy_spec *spec, Berth__V1__BulkItem *item, struct err *err) {
	struct dry_run *dry = NULL;
	int rc = dry_run_of_many(op, spec, &dry, err);
	if (rc == 0 && dry != NULL)
		item->plan = view_dry_run(op, dry, op->arena);
	return rc;
}

static int item_deploy(struct api_op *op, const Berth__V1__Deployment *want, Berth__V1__BulkItem *item, struct err *err) {
	struct deploy_spec spec;
	int rc = deploy_read(op, want, &spec, err);
	spec.online = true;
	spec.if_match = 0; /* one etag for many deployments makes no sense */
	if (rc != 0)
		return rc;
	if (wants_preview(op))
		return item_preview(op, &spec, item, err);
	struct deployment *d = NULL;
	struct plan *p = NULL;
	rc = change_deploy(op->api->core, &op->core.who, &spec, &d, &p, err);
	if (rc == 0 && p != NULL)
		item->plan = view_plan(op, p, false, op->arena);
	return rc;
}

static void item_run(struct api_op *op, struct bulk *b, const Berth__V1__Deployment *want) {
	struct err err = ERR_INIT;
	Berth__V1__BulkItem *item = PB_NEW(Berth__V1__BulkItem, berth__v1__bulk_item, op->arena);
	const char *name = want->name != NULL ? want->name : want->module;
	int rc = item_deploy(op, want, item, &err);
	if (op->dry != NULL || op->then != NULL)
		return; /* it goes on with this one */
	item->name = (char *)(uintptr_t)(name != NULL ? name : "");
	if (rc != 0)
		item->problem = (Berth__V1__Problem *)api_problem(&err, NULL, op->arena);
	b->items[b->done++] = (Berth__V1__BulkItem *)pb_copy((ProtobufCMessage *)item, op->kept);
}

int op_deployment_bulk(struct api_op *op, struct err *err) {
	const Berth__V1__BulkDeploymentsRequest *r = (const Berth__V1__BulkDeploymentsRequest *)op->call->request;
	if (r->n_deployments > MAX_ITEMS)
		return err_field(err, E_INVALID, "/deployments", "at most %d at a time", MAX_ITEMS);
	if (wants_preview(op) && op_who_unknown(op))
		return 0;
	struct bulk *b = op->state;
	if (b == NULL) {
		b = op->state = arena_alloc(op->kept, sizeof *b);
		b->items = arena_alloc(op->kept, (r->n_deployments + 1) * sizeof *b->items);
	}
	b->done = b->done_before; /* this apply may be a second try */
	size_t per_turn = wants_preview(op) ? 1 : PER_TURN;
	for (size_t i = 0; i < per_turn && b->done < r->n_deployments; i++)
		item_run(op, b, r->deployments[b->done]);
	if (b->done < r->n_deployments) {
		op->then = op->then != NULL ? op->then : go_on;
		return 0;
	}
	Berth__V1__BulkDeploymentsReply *m = PB_NEW(Berth__V1__BulkDeploymentsReply, berth__v1__bulk_deployments_reply, op->arena);
	m->items = b->items;
	m->n_items = b->done;
	op->reply = (ProtobufCMessage *)m;
	return 0;
}
