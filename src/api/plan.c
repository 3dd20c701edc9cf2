/* Plans: read (live or history), list, watch, verbs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"

#define DEFAULT_LIMIT 50
#define MAX_LIMIT 1000
#define MAX_TASKS 1000
#define REPORTED_BASES 100

static bool stands_still(const struct plan *p) {
	return p->row.state == PLAN_PAUSED || p->row.state == PLAN_CONFIRMING;
}

int plan_reply(struct api_op *op, const struct plan *p, const char *location, const char *note) {
	if (p == NULL) {
		Berth__V1__Plan *m = PB_NEW(Berth__V1__Plan, berth__v1__plan, op->arena);
		m->tenant = view_text(op->who.tenant, op->arena);
		PUT(m, state, BERTH__V1__PLAN_STATE__PLAN_STATE_SUCCEEDED);
		m->notes = arena_alloc(op->arena, sizeof *m->notes);
		m->notes[m->n_notes++] = arena_strdup(op->arena, note);
		op->status = 200;
		op->location = location;
		op->reply = (ProtobufCMessage *)m;
		return 0;
	}
	op->reply = (ProtobufCMessage *)view_plan(op, p, true, op->arena);
	op->location = arena_printf(op->arena, "/v1/plans/%" PRId64, p->row.id);
	if (!word_terminal(WORD_PLAN, p->row.state))
		op->wait_plan = p->row.id;
	op->needs_person = stands_still(p);
	return 0;
}

/* ---- one plan out of the ledger: the row, then its parts one after the other --------------------------------------------------------- */
static int no_plan(int64_t id, struct err *err) {
	return err_set(err, E_NOT_FOUND, "there is no plan %" PRId64 "; berth plan list shows them", id);
}

static void **rows_take(struct api_op *op, struct ledger_rows *rows, void *(*view)(const void *row, struct arena *a), size_t *ret_n) {
	void **list = arena_alloc(op->kept, (rows->n + 1) * sizeof *list);
	for (size_t i = 0; i < rows->n; i++)
		list[i] = view(rows->rows[i], op->kept);
	*ret_n = rows->n;
	arena_free(rows->arena);
	return list;
}

static void *one_task(const void *row, struct arena *a) {
	return view_task(row, a);
}

static void *one_batch(const void *row, struct arena *a) {
	return view_batch(row, a);
}

static void *one_change(const void *row, struct arena *a) {
	return view_change(row, a);
}

static bool failed(struct api_op *op, const struct err *err) {
	if (err != NULL)
		op_fail(op, err);
	return err != NULL;
}

static void sums_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	plan_report((Berth__V1__Plan *)op->reply, rows, op->kept);
	arena_free(rows->arena);
	op->status = 200;
	op_answer(op);
}

static void tasks_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	Berth__V1__Plan *m = (Berth__V1__Plan *)op->reply;
	m->tasks = (Berth__V1__Task **)rows_take(op, rows, one_task, &m->n_tasks);
	struct ledger_read spec = { .query = QUERY_PLAN_SUMS, .tenant_id = op->who.tenant_id, .after = m->id, .limit = REPORTED_BASES };
	history_read(op, &spec, sums_arrived);
}

static void tasks_read(struct api_op *op) {
	const Berth__V1__Plan *m = (const Berth__V1__Plan *)op->reply;
	struct ledger_read spec = {
		.query = QUERY_PLAN_TASKS, .tenant_id = op->who.tenant_id, .after = m->id, .limit = MAX_TASKS, .newest_first = true
	};
	history_read(op, &spec, tasks_arrived);
}

static void batches_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	Berth__V1__Plan *m = (Berth__V1__Plan *)op->reply;
	m->batches = (Berth__V1__Batch **)rows_take(op, rows, one_batch, &m->n_batches);
	view_plan_sums(m);
	tasks_read(op);
}

static void changes_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	Berth__V1__Plan *m = (Berth__V1__Plan *)op->reply;
	m->changes = (Berth__V1__PlanChange **)rows_take(op, rows, one_change, &m->n_changes);
	struct ledger_read spec = {
		.query = QUERY_PLAN_BATCHES, .tenant_id = op->who.tenant_id, .after = m->id, .limit = STRATEGY_MAX_BATCHES
	};
	history_read(op, &spec, batches_arrived);
}

static void plan_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	const struct row_plan *row = rows->n > 0 ? rows->rows[0] : NULL;
	if (row == NULL || row->tenant_id != op->who.tenant_id) {
		struct err missing = ERR_INIT;
		no_plan(*(const int64_t *)op->state, &missing);
		arena_free(rows->arena);
		op_fail(op, &missing);
		return;
	}
	Berth__V1__Plan *m = view_plan_row(op->who.tenant, row, op->kept);
	PUT(m, last_event, op->seen_event);
	arena_free(rows->arena);
	op->reply = (ProtobufCMessage *)m;
	struct ledger_read spec = { .query = QUERY_PLAN_CHANGES, .tenant_id = op->who.tenant_id, .after = m->id, .limit = 1000 };
	history_read(op, &spec, changes_arrived);
}

void plan_answer_from_history(struct api_op *op, int64_t id) {
	op->state = arena_memdup(op->kept, &id, sizeof id);
	struct ledger_read spec = { .query = QUERY_PLAN, .tenant_id = op->who.tenant_id, .after = id, .limit = 1 };
	history_read(op, &spec, plan_arrived);
}

static const struct plan *live_plan(const struct api_op *op, int64_t id) {
	const struct plan *p = fleet_plan(op->fleet, id);
	return p != NULL && p->tenant == op->tenant ? p : NULL;
}

static void get_history(struct api_op *op) {
	plan_answer_from_history(op, ((const Berth__V1__GetPlanRequest *)op->call->request)->plan);
}

int op_plan_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetPlanRequest *r = (const Berth__V1__GetPlanRequest *)op->call->request;
	if (!r->has_plan || r->plan < 1)
		return no_plan(r->plan, err);
	const struct plan *p = live_plan(op, r->plan);
	if (p == NULL) {
		op->then = get_history;
		return 0;
	}
	if (word_terminal(WORD_PLAN, p->row.state)) { /* its tasks leave the memory; all of it is in the ledger when this is answered */
		op->reply = pb_copy((ProtobufCMessage *)view_plan(op, p, true, op->arena), op->kept);
		op->then = tasks_read;
		return 0;
	}
	plan_reply(op, p, NULL, NULL);
	op->location = NULL;
	op->status = 200;
	return 0;
}

/* ---- list ---------------------------------------------------------------------------------------------------------------------------- */
struct listing {
	struct row_plan *rows;
	size_t n, at;
	Berth__V1__Plan **plans;
};

static int64_t limit_of(const Berth__V1__ListPlansRequest *r) {
	return r->page != NULL && r->page->has_limit ? r->page->limit : DEFAULT_LIMIT;
}

static void list_answer(struct api_op *op) {
	const Berth__V1__ListPlansRequest *r = (const Berth__V1__ListPlansRequest *)op->call->request;
	struct listing *x = op->state;
	Berth__V1__ListPlansReply *m = PB_NEW(Berth__V1__ListPlansReply, berth__v1__list_plans_reply, op->kept);
	m->plans = x->plans;
	m->n_plans = x->n;
	if ((int64_t)x->n == limit_of(r))
		m->next_cursor = cursor_make(x->rows[x->n - 1].id, op->kept);
	op->reply = (ProtobufCMessage *)m;
	op_answer(op);
}

static void list_changes(struct api_op *op);

static void list_batches_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	struct listing *x = op->state;
	Berth__V1__Plan *m = x->plans[x->at++];
	m->batches = (Berth__V1__Batch **)rows_take(op, rows, one_batch, &m->n_batches);
	view_plan_sums(m);
	list_changes(op);
}

static void list_changes_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	struct listing *x = op->state;
	Berth__V1__Plan *m = x->plans[x->at];
	m->changes = (Berth__V1__PlanChange **)rows_take(op, rows, one_change, &m->n_changes);
	struct ledger_read spec = {
		.query = QUERY_PLAN_BATCHES, .tenant_id = op->who.tenant_id, .after = m->id, .limit = STRATEGY_MAX_BATCHES
	};
	history_read(op, &spec, list_batches_arrived);
}

/* Plans that the core showed have their changes and batches; the others get theirs one by one from the ledger. */
static void list_changes(struct api_op *op) {
	struct listing *x = op->state;
	while (x->at < x->n && x->plans[x->at]->n_changes > 0)
		x->at++;
	if (x->at == x->n) {
		list_answer(op);
		return;
	}
	struct ledger_read spec = { .query = QUERY_PLAN_CHANGES, .tenant_id = op->who.tenant_id, .after = x->rows[x->at].id, .limit = 100 };
	history_read(op, &spec, list_changes_arrived);
}

static int list_live(struct api_op *op) {
	struct listing *x = op->state;
	for (size_t i = 0; i < x->n; i++) {
		const struct plan *p = live_plan(op, x->rows[i].id);
		Berth__V1__Plan *m = p != NULL ? view_plan(op, p, false, op->arena) : view_plan_row(op->who.tenant, &x->rows[i], op->arena);
		x->plans[i] = (Berth__V1__Plan *)pb_copy((ProtobufCMessage *)m, op->kept);
	}
	op->then = list_changes;
	return 0;
}

static void list_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	struct listing *x = arena_alloc(op->kept, sizeof *x);
	x->n = rows->n;
	x->rows = arena_alloc(op->kept, (rows->n + 1) * sizeof *x->rows);
	x->plans = arena_alloc(op->kept, (rows->n + 1) * sizeof *x->plans);
	for (size_t i = 0; i < rows->n; i++)
		x->rows[i] = *(struct row_plan *)row_copy(&table_defs[TABLE_plan], rows->rows[i], op->kept);
	arena_free(rows->arena);
	op->state = x;
	op->step = 1;
	op_again(op);
}

static void list_read(struct api_op *op) {
	const Berth__V1__ListPlansRequest *r = (const Berth__V1__ListPlansRequest *)op->call->request;
	struct ledger_read spec = { .query = QUERY_PLANS, .tenant_id = op->who.tenant_id, .limit = limit_of(r), .newest_first = true };
	spec.deployment = r->deployment != NULL && *r->deployment != '\0' ? r->deployment : NULL;
	spec.state = r->has_state ? (int)r->state : 0;
	if (r->page != NULL && r->page->cursor != NULL && *r->page->cursor != '\0')
		cursor_read(r->page->cursor, &spec.before, NULL); /* checked by the handler */
	history_read(op, &spec, list_arrived);
}

static bool changes_deployment(const struct plan *p, const char *name) {
	const struct change *c;
	TAILQ_FOREACH(c, &p->changes, link)
		if (c->row.deployment != NULL && strcmp(c->row.deployment, name) == 0)
			return true;
	return false;
}

/* Unfinished plans are few and all in memory. */
static int list_unfinished(struct api_op *op, const Berth__V1__ListPlansRequest *r) {
	Berth__V1__ListPlansReply *m = PB_NEW(Berth__V1__ListPlansReply, berth__v1__list_plans_reply, op->arena);
	struct plan *last = NULL;
	for (struct plan *p = fleet_plans(op->fleet); p != NULL; p = p->hh_id.next)
		last = p;
	m->plans = arena_alloc(op->arena, MAX_LIMIT * sizeof *m->plans);
	for (struct plan *p = last; p != NULL && (int64_t)m->n_plans < limit_of(r); p = p->hh_id.prev) {
		bool wanted = p->tenant == op->tenant && !word_terminal(WORD_PLAN, p->row.state) &&
		              (!r->has_state || r->state == 0 || p->row.state == (int)r->state);
		if (wanted && (r->deployment == NULL || *r->deployment == '\0' || changes_deployment(p, r->deployment)))
			m->plans[m->n_plans++] = view_plan(op, p, false, op->arena);
	}
	op->reply = (ProtobufCMessage *)m;
	return 0;
}

int op_plan_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListPlansRequest *r = (const Berth__V1__ListPlansRequest *)op->call->request;
	int64_t before = 0;
	if (op->step == 1)
		return list_live(op);
	if (limit_of(r) < 1 || limit_of(r) > MAX_LIMIT)
		return err_field(err, E_INVALID, "/limit", "limit must be between 1 and %d", MAX_LIMIT);
	if (r->page != NULL && r->page->cursor != NULL && *r->page->cursor != '\0' && cursor_read(r->page->cursor, &before, err) != 0)
		return err->code;
	if (r->has_unfinished && r->unfinished)
		return list_unfinished(op, r);
	op->then = list_read;
	return 0;
}

/* ---- watch --------------------------------------------------------------------------------------------------------------------------- */
struct watched {
	int64_t id;
	bool live;
};

static void watch_begin(struct api_op *op) {
	const struct watched *w = op->state;
	struct event_filter f = { .tenant_id = op->who.tenant_id, .plan = w->id };
	stream_start(op, &f, 0, false, w->live ? STREAM_UNTIL_PLAN_ENDS : STREAM_WHAT_IS_THERE);
}

static void watched_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (failed(op, err))
		return;
	const struct row_plan *row = rows->n > 0 ? rows->rows[0] : NULL;
	bool known = row != NULL && row->tenant_id == op->who.tenant_id;
	arena_free(rows->arena);
	struct err missing = ERR_INIT;
	if (known) {
		watch_begin(op);
	} else {
		no_plan(((const struct watched *)op->state)->id, &missing);
		op_fail(op, &missing);
	}
}

static void watch_check(struct api_op *op) {
	const struct watched *w = op->state;
	struct ledger_read spec = { .query = QUERY_PLAN, .tenant_id = op->who.tenant_id, .after = w->id, .limit = 1 };
	history_read(op, &spec, watched_arrived);
}

int op_plan_watch(struct api_op *op, struct err *err) {
	const Berth__V1__WatchPlanRequest *r = (const Berth__V1__WatchPlanRequest *)op->call->request;
	if (!r->has_plan || r->plan < 1)
		return no_plan(r->plan, err);
	const struct plan *p = live_plan(op, r->plan);
	struct watched w = { r->plan, p != NULL && !word_terminal(WORD_PLAN, p->row.state) };
	op->state = arena_memdup(op->kept, &w, sizeof w);
	op->then = p != NULL ? watch_begin : watch_check;
	return 0;
}
