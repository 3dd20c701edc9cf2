/* POST /v1/plans: several deployments as one plan. Each change has the fields of a deployment; what each means is decided in core. */
#include <inttypes.h>

#include "api/call.h"
#include "plan/plan.h"

static int change_read(
    struct api_op *op, const Berth__V1__Deployment *want, const struct strategy *all, size_t k, struct deploy_spec *ret, struct err *err) {
	const char *at = arena_printf(op->arena, "/changes/%zu", k);
	int rc = deploy_read(op, want, ret, err);
	if (rc != 0)
		return err_under(err, at);
	ret->online = true;
	ret->at = at;
	ret->if_match = 0; /* one etag for many deployments makes no sense */
	if (all == NULL)
		return 0;
	struct strategy *s = arena_alloc(op->arena, sizeof *s);
	*s = ret->strategy != NULL ? *ret->strategy : strategy_unset;
	strategy_merge(s, all);
	ret->strategy = s;
	return 0;
}

static int changes_read(struct api_op *op, const Berth__V1__CreatePlanRequest *r, struct deploy_spec **ret, struct err *err) {
	struct strategy *all = r->strategy == NULL ? NULL : arena_alloc(op->arena, sizeof *all);
	int rc = all == NULL ? 0 : strategy_read(r->strategy, "/strategy", all, err);
	if (r->n_changes == 0 || r->n_changes > PLAN_MAX_CHANGES)
		return err_field(
		    err, E_INVALID, "/changes", "a plan has from 1 to %d changes, each with the fields of a deployment", PLAN_MAX_CHANGES);
	struct deploy_spec *v = arena_alloc(op->arena, r->n_changes * sizeof *v);
	for (size_t k = 0; k < r->n_changes && rc == 0; k++)
		rc = change_read(op, r->changes[k], all, k, &v[k], err);
	*ret = v;
	return rc;
}

int op_plan_create(struct api_op *op, struct err *err) {
	const Berth__V1__CreatePlanRequest *r = (const Berth__V1__CreatePlanRequest *)op->call->request;
	struct deploy_spec *specs = NULL;
	struct plan *p = NULL;
	bool preview = op->meta->has_dry_run && op->meta->dry_run;
	if (preview && op_who_unknown(op))
		return 0;
	int rc = changes_read(op, r, &specs, err);
	if (rc == 0 && preview)
		return dry_run(op, specs, r->n_changes, err);
	if (rc == 0)
		rc = change_deploy_all(op->api->core, &op->core.who, specs, r->n_changes, NULL, &p, err);
	if (rc != 0)
		return rc;
	return plan_reply(op, p, NULL, "everything is already so");
}
