/* History: events, finished plans and their tasks, old revisions; page by page on the read connection.
 *
 * Not prepared: each statement has filters that are mostly absent, and only a plan made for these very values finds the right index. */
#include "ledger/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT 1000
#define LIMIT_MAX 10000

struct read {
	struct exchange x;
	struct arena *arena; /* of the rows; with the copied strings */
	struct ledger_read spec;
	struct ledger_rows rows;
	ledger_rows_fn done;
	void *arg;
};

typedef void (*fill_fn)(const struct ledger_read *s, struct params *p);

static void fill_events(const struct ledger_read *s, struct params *p) {
	params_i64(p, s->after);
	params_i64(p, s->before);
	params_i64(p, s->tenant_id);
	params_text(p, s->actor);
	params_text(p, s->module);
	params_text(p, s->base);
	params_text(p, s->deployment);
	params_text(p, s->kind);
	params_i64(p, s->plan_id);
	params_time(p, s->since);
	params_time(p, s->until);
	params_i64(p, s->limit);
	params_text(p, s->kinds);
}

static void fill_plans(const struct ledger_read *s, struct params *p) {
	params_i64(p, s->before);
	params_i64(p, s->tenant_id);
	params_text(p, s->deployment);
	params_text(p, s->state == 0 ? NULL : word_text(WORD_PLAN, s->state));
	params_i64(p, s->limit);
}

static void fill_plan(const struct ledger_read *s, struct params *p) {
	params_i64(p, s->after);
	params_i64(p, s->tenant_id);
}

static void fill_of_plan(const struct ledger_read *s, struct params *p) {
	params_i64(p, s->after);
	params_i64(p, s->limit);
}

static void fill_paged(const struct ledger_read *s, struct params *p) {
	params_i64(p, s->after);
	params_i64(p, s->before);
	params_i64(p, s->limit);
}

static const struct query {
	const struct table_def *def;
	enum stmt stmt, newest;
	fill_fn fill;
} queries[LEDGER_QUERIES] = {
	[QUERY_EVENTS] = { &table_defs[TABLE_event], STMT_query_events, STMT_query_events_newest, fill_events },
	[QUERY_PLANS] = { &table_defs[TABLE_plan], STMT_query_plans, STMT_query_plans, fill_plans },
	[QUERY_PLAN] = { &table_defs[TABLE_plan], STMT_query_plan, STMT_query_plan, fill_plan },
	[QUERY_PLAN_CHANGES] = { &table_defs[TABLE_plan_change], STMT_query_plan_changes, STMT_query_plan_changes, fill_of_plan },
	[QUERY_PLAN_BATCHES] = { &table_defs[TABLE_batch], STMT_query_plan_batches, STMT_query_plan_batches, fill_of_plan },
	[QUERY_PLAN_TASKS] = { &table_defs[TABLE_task], STMT_query_plan_tasks, STMT_query_plan_tasks_failed_first, fill_paged },
	[QUERY_PLAN_SUMS] = { &task_sum_def, STMT_query_plan_sums, STMT_query_plan_sums, fill_of_plan },
	[QUERY_TASK_TIMES] = { &table_defs[TABLE_task], STMT_query_task_times, STMT_query_task_times, fill_of_plan },
	[QUERY_REVISIONS] = { &table_defs[TABLE_revision], STMT_query_revisions, STMT_query_revisions, fill_paged },
};

static int read_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct read *r = owner_of(x, struct read, x);
	const struct query *q = &queries[r->spec.query];
	struct params p;
	params_init(&p, pgconn_arena(c));
	q->fill(&r->spec, &p);
	return pgconn_exec_once(c, r->spec.newest_first ? q->newest : q->stmt, &p, err);
}

static int read_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	struct read *r = owner_of(x, struct read, x);
	const struct table_def *t = queries[r->spec.query].def;
	size_t n = (size_t)PQntuples(res);
	r->rows.rows = arena_alloc(r->arena, (n + 1) * sizeof *r->rows.rows);
	r->rows.n = 0;
	for (size_t i = 0; i < n; i++) {
		void *row = arena_alloc(r->arena, t->row_size);
		int e = row_decode(t, res, (int)i, row, r->arena, err);
		if (e != 0)
			return e;
		r->rows.rows[r->rows.n++] = row;
	}
	return 0;
}

static void read_done(struct exchange *x, const struct err *err) {
	struct read *r = owner_of(x, struct read, x);
	if (err != NULL) {
		arena_free(r->arena);
		r->done(r->arg, NULL, err);
	} else {
		r->rows.def = queries[r->spec.query].def;
		r->rows.arena = r->arena;
		r->done(r->arg, &r->rows, NULL);
	}
	free(r);
}

void read_start(struct ledger *ledger, const struct ledger_read *spec, ledger_rows_fn done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct read *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	r->arena = arena_new();
	r->spec = *spec;
	r->spec.actor = arena_strdup(r->arena, spec->actor);
	r->spec.module = arena_strdup(r->arena, spec->module);
	r->spec.base = arena_strdup(r->arena, spec->base);
	r->spec.deployment = arena_strdup(r->arena, spec->deployment);
	r->spec.kind = arena_strdup(r->arena, spec->kind);
	r->spec.kinds = arena_strdup(r->arena, spec->kinds);
	r->spec.limit = spec->limit <= 0 ? LIMIT : spec->limit > LIMIT_MAX ? LIMIT_MAX : spec->limit;
	r->done = done;
	r->arg = arg;
	r->x = (struct exchange){ .what = "reading history",
		.send = read_send,
		.result = read_result,
		.done = read_done,
		.wait_us = l->cfg.wait_us,
		.answer_us = l->cfg.read_us,
		.max_tries = 3 };
	pgconn_submit(l->read_conn, &r->x);
}
