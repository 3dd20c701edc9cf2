/* Dry runs of a deployment: how long its tasks took lately, then the core's run on a copy, a slice per turn. */
#include "api/call.h"
#include "core/dry.h"

#include <stdlib.h>

#define SAMPLES 200
#define SLICE_US (3 * US_PER_MS)

void dry_drop(struct api_op *op) {
	dry_free(op->dry, op->api->core);
	op->dry = NULL;
}

static int cmp_us(const void *pa, const void *pb) {
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
	return (a > b) - (a < b);
}

/* The median: one slow base says little about the others. */
static int64_t usual(const struct ledger_rows *rows, enum task_kind kind) {
	int64_t v[SAMPLES];
	size_t n = 0;
	for (size_t i = 0; i < rows->n && n < SAMPLES; i++) {
		const struct row_task *t = rows->rows[i];
		if (t->kind == (int)kind)
			v[n++] = t->duration_us;
	}
	qsort(v, n, sizeof *v, cmp_us);
	return n == 0 ? 0 : v[n / 2];
}

static void times_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	struct dry_times *t = op->state;
	if (err != NULL) { /* a preview without history is better than none */
		op_again(op);
		return;
	}
	*t = (struct dry_times){ usual(rows, TASK_KIND_INSTALL), usual(rows, TASK_KIND_UNINSTALL), (int)rows->n };
	arena_free(rows->arena);
	op_again(op);
}

static void times_read(struct api_op *op) {
	struct ledger_read spec = { .query = QUERY_TASK_TIMES, .tenant_id = op->who.tenant_id, .after = op->seen_module, .limit = SAMPLES };
	history_read(op, &spec, times_arrived);
}

static int64_t module_of(const struct api_op *op, const struct deploy_spec *spec) {
	const struct deployment *d = spec->name == NULL ? NULL : fleet_deployment(op->tenant, spec->name);
	const struct module *m = spec->module != NULL ? fleet_module(op->tenant, spec->module) : d != NULL ? d->module : NULL;
	return m == NULL ? 0 : m->row.id;
}

static int slice(
    struct api_op *op, const struct deploy_spec *specs, size_t n, const struct dry_times *times, struct dry_run **ret, struct err *err) {
	struct core *c = op->api->core;
	bool over = false;
	int rc = op->dry != NULL ? 0 : dry_begin(c, &op->core.who, specs, n, times, &op->dry, err);
	*ret = NULL;
	if (rc == 0)
		rc = dry_step(op->dry, c, &op->core.who, specs, n, SLICE_US, &over, err);
	if (over)
		*ret = dry_result(op->dry, op->arena);
	if (over || rc != 0)
		dry_drop(op);
	return rc;
}

int dry_run(struct api_op *op, const struct deploy_spec *specs, size_t n, struct err *err) {
	struct dry_run *d;
	if (op_who_unknown(op))
		return 0;
	if (op->state == NULL) {
		op->state = arena_alloc(op->kept, sizeof(struct dry_times));
		op->seen_module = module_of(op, &specs[0]);
		op->then = times_read;
		return 0;
	}
	int rc = slice(op, specs, n, op->state, &d, err);
	if (rc != 0)
		return rc;
	op->then = d == NULL ? op_again : NULL;
	op->status = 200;
	op->reply = d == NULL ? NULL : (ProtobufCMessage *)view_dry_run(op, d, op->arena);
	return 0;
}

int dry_run_of_many(struct api_op *op, const struct deploy_spec *spec, struct dry_run **ret, struct err *err) {
	static const struct dry_times unknown;
	return slice(op, spec, 1, &unknown, ret, err);
}
