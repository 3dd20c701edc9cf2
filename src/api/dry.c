/* Dry runs of deployments: how long tasks of their modules took lately, then the core's run on a copy, a slice per turn. */
#include "api/call.h"
#include "core/dry.h"
#include "plan/plan.h"

#include <stdlib.h>

#define SAMPLES 200
#define SLICE_US (3 * US_PER_MS)

void dry_drop(struct api_op *op) {
	dry_free(op->dry, op->api->core);
	op->dry = NULL;
	op->dry_over = false;
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

/* What was read of the modules in question: of one after the other where there are many dry runs in one call. */
struct dry_history {
	struct dry_times v[PLAN_MAX_CHANGES];
	size_t n;
};

static struct dry_times *times_new(struct api_op *op) {
	if (op->history == NULL)
		op->history = arena_alloc(op->kept, sizeof *op->history);
	struct dry_history *h = op->history;
	h->n = h->n == PLAN_MAX_CHANGES ? 0 : h->n;
	struct dry_times *t = &h->v[h->n++];
	*t = (struct dry_times){ .module_id = op->seen_module };
	return t;
}

static void times_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	struct dry_times *t = times_new(op);
	if (err == NULL) { /* a preview without history is better than none */
		t->install_us = usual(rows, TASK_KIND_INSTALL);
		t->uninstall_us = usual(rows, TASK_KIND_UNINSTALL);
		t->samples = (int)rows->n;
		arena_free(rows->arena);
	}
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

static bool times_known(const struct api_op *op, int64_t module) {
	for (size_t k = 0; op->history != NULL && k < op->history->n; k++)
		if (op->history->v[k].module_id == module)
			return true;
	return false;
}

/* True: that of one is read first, and the op is to be applied again. */
static bool times_missing(struct api_op *op, const struct deploy_spec *specs, size_t n) {
	for (size_t k = 0; op->dry == NULL && k < n && k < PLAN_MAX_CHANGES; k++) {
		int64_t module = module_of(op, &specs[k]);
		if (module == 0 || times_known(op, module))
			continue;
		op->seen_module = module;
		op->then = times_read;
		return true;
	}
	return false;
}

static int slice(struct api_op *op, const struct deploy_spec *specs, size_t n, struct dry_run **ret, struct err *err) {
	struct core *c = op->api->core;
	static const struct dry_history none;
	const struct dry_history *h = op->history == NULL ? &none : op->history;
	bool over = false;
	int rc = op->dry != NULL ? 0 : dry_begin(c, &op->core.who, specs, n, h->v, h->n, &op->dry, err);
	*ret = NULL;
	if (rc == 0)
		rc = dry_step(op->dry, c, &op->core.who, specs, n, SLICE_US, &over, err);
	if (rc == 0 && (!over || !op->dry_over)) { /* what it comes to is told in a turn of its own */
		op->dry_over = over;
		return 0;
	}
	if (rc == 0)
		*ret = dry_result(op->dry, op->arena);
	dry_drop(op);
	return rc;
}

int dry_run(struct api_op *op, const struct deploy_spec *specs, size_t n, struct err *err) {
	struct dry_run *d;
	if (op_who_unknown(op) || times_missing(op, specs, n))
		return 0;
	int rc = slice(op, specs, n, &d, err);
	if (rc != 0)
		return rc;
	op->then = d == NULL ? op_again : NULL;
	op->status = 200;
	op->reply = d == NULL ? NULL : (ProtobufCMessage *)view_dry_run(op, d, op->arena);
	return 0;
}

int dry_run_of_many(struct api_op *op, const struct deploy_spec *spec, struct dry_run **ret, struct err *err) {
	*ret = NULL;
	return times_missing(op, spec, 1) ? 0 : slice(op, spec, 1, ret, err);
}
