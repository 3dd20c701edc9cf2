/* batchInstallBiz: every file is fetched and checked first; if one cannot be had nothing is installed. Then the modules are installed
 * by priority: those of one priority side by side, the next priority when all of the one before are done, failed ones included. */
#include "command.h"

#include <stdlib.h>

#include "base.h"
#include "base/arena.h"
#include "base/err.h"
#include "install.h"
#include "params.h"

enum { MAX_ITEMS = 256 };

struct batch_item {
	struct batch *batch;
	struct install_spec spec;
	struct artifact *a;
	int32_t priority;
	json_t *result;
	bool ok;
};

struct batch {
	struct run *run;
	struct batch_item *items;
	struct batch_item **order; /* by priority, in the order given among equals */
	size_t n, next, flying;
	int64_t space;
	struct err err; /* the first file that could not be had */
};

static int batch_check(struct run *r, struct err *err) {
	struct arena *a = run_arena(r);
	const json_t *list = json_object_get(run_params(r), "bizList");
	struct batch *b = arena_alloc(a, sizeof *b);
	run_set_data(r, b);
	if (!json_is_array(list))
		return err_set(err, E_INVALID, "bizList should be an array of objects with bizUrl, bizName and bizVersion");
	if (json_array_size(list) > MAX_ITEMS)
		return err_set(err, E_INVALID, "bizList has %zu entries; at most %d are possible", json_array_size(list), MAX_ITEMS);
	b->run = r;
	b->n = json_array_size(list);
	b->items = arena_alloc(a, (b->n + 1) * sizeof *b->items);
	b->order = arena_alloc(a, (b->n + 1) * sizeof *b->order);
	for (size_t i = 0; i < b->n; i++) {
		const json_t *item = json_array_get(list, i);
		b->items[i].batch = b;
		b->order[i] = &b->items[i];
		int rc = json_is_object(item) ? param_install(a, item, &b->items[i].spec, err)
		                              : err_set(err, E_INVALID, "an entry of bizList is not an object");
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- second: install ---- */

static void install_next(struct batch *b);

static void batch_end(struct batch *b) {
	json_t *by_url = json_object();
	bool ok = true;
	for (size_t i = 0; i < b->n; i++) {
		ok = ok && b->items[i].ok;
		json_object_set_new(by_url, b->items[i].spec.url, b->items[i].result);
	}
	json_t *data = json_pack("{s:s, s:s, s:I, s:o}", "code", ok ? "SUCCESS" : "FAILED", "message",
	    ok ? "batch install success" : "batch install failed", "elapsedSpace", (json_int_t)b->space, "bizUrlToResponse", by_url);
	if (ok)
		run_success(b->run, data);
	else
		run_refuse(b->run, "install biz not success!", data);
}

/* Controllers read bizInfos[0] of every entry without looking: a failed one has it too. */
static json_t *item_result(const struct outcome *o) {
	if (o->kind == OUTCOME_SUCCESS)
		return outcome_json(o, true);
	json_t *j = outcome_json(o, true);
	if (o->kind == OUTCOME_INTERNAL) {
		json_t *text = json_sprintf("internal exception: %s", json_string_value(json_object_get(j, "message")));
		json_object_set_new(j, "message", text ? text : json_string("internal exception"));
	}
	json_object_set_new(j, "bizInfos",
	    json_pack("[o]", o->biz ? biz_install_json(o->biz)
	                            : json_pack("{s:s, s:s, s:s, s:[]}", "bizName", o->name ? o->name : "", "bizVersion",
	                                  o->version ? o->version : "", "bizState", "unresolved", "bizStateRecords")));
	return j;
}

static void item_installed(void *arg, const struct outcome *o) {
	struct batch_item *item = arg;
	struct batch *b = item->batch;
	item->ok = o->kind == OUTCOME_SUCCESS;
	item->result = item_result(o);
	b->space += o->space;
	b->flying--;
	install_next(b);
}

static void install_next(struct batch *b) {
	size_t side_by_side = (size_t)run_base(b->run)->opt.operations;
	int32_t priority = b->next > 0 ? b->order[b->next - 1]->priority : 0;
	while (b->next < b->n && b->flying < side_by_side) {
		struct batch_item *item = b->order[b->next];
		if (b->flying && item->priority != priority)
			return;
		priority = item->priority;
		b->next++;
		b->flying++;
		struct artifact *a = item->a;
		item->a = NULL;
		install_start(run_base(b->run), &item->spec, a, item_installed, item);
	}
	if (b->next == b->n && !b->flying)
		batch_end(b);
}

/* ---- first: fetch ---- */

static int by_priority(const void *x, const void *y) {
	const struct batch_item *a = *(const struct batch_item *const *)x, *b = *(const struct batch_item *const *)y;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return a < b ? -1 : a > b;
}

static void fetch_end(struct batch *b) {
	if (b->err.code) {
		for (size_t i = 0; i < b->n; i++)
			artifact_free(b->items[i].a);
		run_fail(b->run, b->err.text, NULL);
		return;
	}
	qsort(b->order, b->n, sizeof *b->order, by_priority);
	b->next = 0;
	install_next(b);
}

static void fetch_next(struct batch *b);

static void item_fetched(void *arg, struct artifact *a, const struct err *err) {
	struct batch_item *item = arg;
	struct batch *b = item->batch;
	item->a = a;
	if (a)
		item->priority = a->info.priority;
	if (err && !b->err.code)
		b->err = *err;
	b->flying--;
	fetch_next(b);
}

static void fetch_next(struct batch *b) {
	size_t side_by_side = (size_t)run_base(b->run)->opt.operations;
	while (b->next < b->n && b->flying < side_by_side && !b->err.code) {
		struct batch_item *item = b->items + b->next++;
		b->flying++;
		artifact_get(run_base(b->run), item->spec.url, item->spec.sha256, item_fetched, item);
	}
	if (!b->flying && (b->next == b->n || b->err.code))
		fetch_end(b);
}

static void batch_begin(struct run *r) {
	fetch_next(run_data(r));
}

const struct command command_batch = { "batchInstallBiz", "install several ark biz by priority", true, batch_check, batch_begin };
