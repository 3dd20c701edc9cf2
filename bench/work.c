#include "work.h"

#include <stdio.h>
#include <string.h>

static void add(struct work_part *parts, int *n, PGconn *from, const char *table, const char *tail, int units) {
	struct work_part *p = &parts[*n];
	rows_load(from, &p->rows, table, tail);
	if (p->rows.n == 0) /* agents that never answer leave nothing done */
		return;
	(*n)++;
	p->each = p->rows.n / units;
	p->shared = p->each > 0 ? 1 : (units + p->rows.n - 1) / p->rows.n;
}

static int count_of(PGconn *from, const char *sql) {
	PGresult *res = PQexec(from, sql);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		die(sql, PQerrorMessage(from));
	int n = 0;
	if (sscanf(PQgetvalue(res, 0, 0), "%d", &n) != 1 || n == 0)
		die(sql, "no work was done");
	PQclear(res);
	return n;
}

#define SENT_EVENTS "where plan_id is not null and kind not in ('task.succeeded', 'plan.succeeded', 'batch.done') order by plan_id, number"
#define DONE_EVENTS "where plan_id is not null and kind in ('task.succeeded', 'plan.succeeded', 'batch.done') order by plan_id, number"

void work_load_deploys(struct work *w, PGconn *from) {
	*w = (struct work){ .units = count_of(from, "select count(*) from deployment") };
	static const char *const both[][2] = {
		{ "base", "order by id" },
		{ "deployment", "order by id" },
		{ "revision", "order by deployment_id" },
		{ "plan", "order by id" },
		{ "plan_change", "order by plan_id" },
		{ "batch", "order by plan_id" },
		{ "instance", "order by id" },
		{ "task", "order by id" },
	};
	for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
		add(w->placed, &w->n_placed, from, both[i][0], both[i][1], w->units);
		if (strcmp(both[i][0], "revision") != 0 && strcmp(both[i][0], "plan_change") != 0)
			add(w->done, &w->n_done, from, both[i][0], both[i][1], w->units);
	}
	add(w->placed, &w->n_placed, from, "event", SENT_EVENTS, w->units);
	add(w->done, &w->n_done, from, "event", DONE_EVENTS, w->units);
}

void work_load_installs(struct work *w, PGconn *from) {
	*w = (struct work){ .units = count_of(from, "select count(*) from task") };
	add(w->placed, &w->n_placed, from, "base", "order by id", w->units);
	add(w->placed, &w->n_placed, from, "instance", "order by base_id, id", w->units);
	add(w->placed, &w->n_placed, from, "task", "order by base_id, id", w->units);
	add(w->placed, &w->n_placed, from, "event", SENT_EVENTS, w->units);
	add(w->done, &w->n_done, from, "base", "order by id", w->units);
	add(w->done, &w->n_done, from, "instance", "order by base_id, id", w->units);
	add(w->done, &w->n_done, from, "task", "order by base_id, id", w->units);
	add(w->done, &w->n_done, from, "event", DONE_EVENTS, w->units);
}

static void send(const struct work_part *parts, int count, PGconn *to, int first, int n) {
	for (int i = 0; i < count; i++) {
		const struct work_part *p = &parts[i];
		int from = p->each > 0 ? first * p->each : first / p->shared;
		int until = p->each > 0 ? from + n * p->each : (first + n - 1) / p->shared + 1;
		rows_send(to, &p->rows, from, until - from);
	}
}

void work_prepare(struct work *w, PGconn *to) {
	for (int i = 0; i < w->n_placed; i++)
		rows_prepare(to, &w->placed[i].rows);
}

void work_send_placed(const struct work *w, PGconn *to, int first, int n) {
	send(w->placed, w->n_placed, to, first, n);
}

void work_send_done(const struct work *w, PGconn *to, int first, int n) {
	send(w->done, w->n_done, to, first, n);
}

int work_rows(const struct work_part *parts, int n) {
	int rows = 0;
	for (int i = 0; i < n; i++)
		rows += parts[i].each;
	return rows;
}
