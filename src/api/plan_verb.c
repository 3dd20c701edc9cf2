/* Verbs on plans: pause, resume, confirm, retry, ignore, undo, stop. A plan that ended left the memory: the ledger says what it was. */
#include <inttypes.h>
#include <string.h>

#include "api/call.h"

/* A verb on a plan that is not in memory any more. */
struct ended {
	int64_t id;
	enum plan_verb verb;
	struct undo undo;
	bool now, read; /* undo: at once; its rows are here */
};

static bool failed(struct api_op *op, const struct err *err) {
	if (err != NULL)
		op_fail(op, err);
	return err != NULL;
}

static int no_plan(int64_t id, struct err *err) {
	return err_set(err, E_NOT_FOUND, "there is no plan %" PRId64 "; berth plan list shows them", id);
}

/* ---- undo of a finished one: its row, its change, then once more through the core
 * --------------------------------------------------------- */
static void undo_change_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	struct ended *e = op->state;
	struct undo_change *v = arena_alloc(op->kept, (rows->n + 1) * sizeof *v);
	e->undo.changes = v;
	for (size_t k = 0; k < rows->n; k++) {
		const struct row_plan_change *ch = rows->rows[k];
		if (!ch->accompanies)
			v[e->undo.n++] = (struct undo_change){ ch->deployment_id, ch->from_revision, ch->to_revision };
	}
	e->read = true;
	arena_free(rows->arena);
	op->step = 1;
	op_again(op);
}

static void undo_read(struct api_op *op, const struct row_plan *row) {
	struct ended *e = op->state;
	e->undo.plan = row->id;
	e->undo.kind = (enum plan_kind)row->kind;
	struct ledger_read spec = { .query = QUERY_PLAN_CHANGES, .tenant_id = op->who.tenant_id, .after = row->id, .limit = 1000 };
	history_read(op, &spec, undo_change_arrived);
}

/* Already so is a success. */
static bool already(const struct ended *e, const struct row_plan *row) {
	return (e->verb == VERB_STOP && row->state == PLAN_STOPPED) || (e->verb == VERB_UNDO && row->state == PLAN_UNDONE);
}

static void ended_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	const struct ended *e = op->state;
	const struct row_plan *row = rows->n > 0 ? rows->rows[0] : NULL;
	struct err why = ERR_INIT;
	bool ours = row != NULL && row->tenant_id == op->who.tenant_id;
	if (!ours)
		no_plan(e->id, &why);
	else if (already(e, row))
		plan_answer_from_history(op, e->id);
	else if (e->verb == VERB_UNDO && row->state != PLAN_SUPERSEDED)
		undo_read(op, row);
	else
		err_field(&why, E_STATE, "/plan", "plan %" PRId64 " is %s: it ended, so there is nothing to %s", e->id,
		    word_text(WORD_PLAN, row->state), plan_verb_name(e->verb));
	arena_free(rows->arena);
	if (why.code != 0)
		op_fail(op, &why);
}

static void ended_check(struct api_op *op) {
	struct ledger_read spec = {
		.query = QUERY_PLAN, .tenant_id = op->who.tenant_id, .after = ((const struct ended *)op->state)->id, .limit = 1
	};
	history_read(op, &spec, ended_arrived);
}

static int undo_ended(struct api_op *op, struct err *err) {
	const struct ended *e = op->state;
	struct plan *p = NULL;
	int rc = change_undo(op->api->core, &op->core.who, &e->undo, e->now, &p, err);
	if (rc == 0)
		plan_reply(op, p, NULL, NULL);
	return rc;
}

/* ---- any verb
 * ------------------------------------------------------------------------------------------------------------------------------- */
static int spec_read(struct api_op *op, const Berth__V1__PlanVerbRequest *r, struct verb_spec *ret, struct err *err) {
	*ret = (struct verb_spec){ .batch = r->has_batch ? r->batch : 0, .task = r->has_task ? r->task : 0, .now = r->has_now && r->now };
	if (ret->batch < 0 || ret->task < 0)
		return err_field(err, E_INVALID, ret->batch < 0 ? "/batch" : "/task", "batches and tasks are numbered from 1");
	if (r->base != NULL && *r->base != '\0' && (ret->base = find_base(op, r->base, "/base", err)) == NULL)
		return err->code;
	return 0;
}

static int look_it_up(struct api_op *op, const Berth__V1__PlanVerbRequest *r, enum plan_verb v, struct err *err) {
	struct ended e = { .id = r->plan, .verb = v, .now = r->has_now && r->now };
	if (!r->has_plan || r->plan < 1)
		return no_plan(r->plan, err);
	op->state = arena_memdup(op->kept, &e, sizeof e);
	op->then = ended_check;
	return 0;
}

static int verb(struct api_op *op, enum plan_verb v, struct err *err) {
	const Berth__V1__PlanVerbRequest *r = (const Berth__V1__PlanVerbRequest *)op->call->request;
	const struct ended *e = op->state;
	struct verb_spec spec;
	struct plan *now;
	int rc = refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	if (op->step == 1 && e != NULL && e->read)
		return undo_ended(op, err);
	struct plan *p = fleet_plan(op->fleet, r->plan);
	if (p == NULL || p->tenant != op->tenant)
		return look_it_up(op, r, v, err);
	rc = spec_read(op, r, &spec, err);
	if (rc == 0)
		rc = change_plan_verb(op->api->core, &op->core.who, p, v, &spec, &now, err);
	if (rc != 0)
		return rc;
	plan_reply(op, now, NULL, NULL);
	if (v == VERB_PAUSE)
		op->wait_plan = 0; /* nobody waits for the end of what was just paused */
	if (now == p)
		op->status = 200;
	return 0;
}

#define VERB(name, VALUE)                                        \
	int op_plan_##name(struct api_op *op, struct err *err) { \
		return verb(op, VALUE, err);                     \
	}
VERB(pause, VERB_PAUSE)
VERB(resume, VERB_RESUME)
VERB(confirm, VERB_CONFIRM)
VERB(retry, VERB_RETRY)
VERB(ignore, VERB_IGNORE)
VERB(undo, VERB_UNDO)
VERB(stop, VERB_STOP)
