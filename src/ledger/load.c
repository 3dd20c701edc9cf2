/* A load: migrate, raise the epoch, then every live row in one snapshot, table by table, row by row (rule 1).
 *
 * Rows are read in row mode: memory stays that of one row, and the connection hands the loop back after 8 ms. */
#include "ledger/pg_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/faultpoint.h"

static void next_table(struct ledger_pg *l);

static struct ledger_pg *of(struct exchange *x) {
	return owner_of(x, struct ledger_pg, load.x);
}

static void over(struct ledger_pg *l, const struct err *err) {
	struct load *d = &l->load;
	ledger_loaded_fn done = d->done;
	arena_free(d->rows);
	free(d->row);
	d->rows = NULL;
	d->row = NULL;
	d->busy = false;
	if (err != NULL && !l->closing)
		pgconn_drop(l->commit_conn, err); /* its snapshot ends with it */
	if (err == NULL)
		dash_start(l);
	done(d->arg, err == NULL ? &d->loaded : NULL, err);
}

static void submit(struct ledger_pg *l, const char *what, int (*send)(struct exchange *, struct pgconn *, struct err *),
    int (*result)(struct exchange *, int, const PGresult *, struct err *), void (*done)(struct exchange *, const struct err *)) {
	l->load.x = (struct exchange){ .what = what,
		.send = send,
		.result = result,
		.done = done,
		.wait_us = l->cfg.wait_us,
		.answer_us = l->cfg.load_us,
		.max_tries = 1 };
	pgconn_submit(l->commit_conn, &l->load.x);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------------- */

static void table_params(struct ledger_pg *l, enum table t, struct params *p) {
	if (t == TABLE_revision)
		params_i64(p, l->cfg.keep_revisions);
	else if (t == TABLE_idempotency)
		params_time(p, (wall_t){ clock_wall(l->clock).us - l->cfg.idempotency_us });
}

static int table_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct ledger_pg *l = of(x);
	struct params p;
	params_init(&p, pgconn_arena(c));
	table_params(l, (enum table)l->load.table, &p);
	return pgconn_exec_once(c, STMT_LOAD + l->load.table, &p, err);
}

static int table_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	struct load *d = &of(x)->load;
	const struct table_def *t = &table_defs[d->table];
	arena_reset(d->rows);
	int r = row_decode(t, res, 0, d->row, d->rows, err);
	return r != 0 ? r : d->on_row(d->arg, t->id, d->row, err);
}

static void table_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (err != NULL) {
		over(l, err);
		return;
	}
	l->load.table++;
	next_table(l);
}

static int end_send(struct exchange *x, struct pgconn *c, struct err *err) {
	return pgconn_exec_once(c, STMT_end, NULL, err);
}

static void end_done(struct exchange *x, const struct err *err) {
	over(of(x), err);
}

static void next_table(struct ledger_pg *l) {
	struct load *d = &l->load;
	while (d->table < TABLE_COUNT && l->stmts.def[STMT_LOAD + d->table].text == NULL)
		d->table++;
	if (d->table == TABLE_COUNT) {
		submit(l, "ending the load", end_send, NULL, end_done);
		return;
	}
	submit(l, "load", table_send, table_result, table_done);
	d->x.rows = true;
}

/* ---- the steps before ------------------------------------------------------------------------------------------------------------ */

static int snapshot_send(struct exchange *x, struct pgconn *c, struct err *err) {
	int r = pgconn_exec_once(c, STMT_begin_snapshot, NULL, err);
	return r != 0 ? r : pgconn_exec_once(c, STMT_cell_state, NULL, err);
}

static int snapshot_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	return step == 1 ? cell_state_read(res, &of(x)->load.loaded, err) : 0;
}

static void snapshot_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (err != NULL) {
		over(l, err);
		return;
	}
	l->load.table = 0;
	next_table(l);
}

static void raised(void *arg, int64_t epoch, const struct err *err) {
	struct ledger_pg *l = arg;
	struct err fault;
	if (err == NULL && faultpoint_pass(FAULTPOINT_LOAD_RAISED, &fault) != 0)
		err = &fault;
	if (err != NULL) {
		over(l, err);
		return;
	}
	l->load.loaded.epoch = epoch;
	submit(l, "snapshot", snapshot_send, snapshot_result, snapshot_done);
}

static void migrated(void *arg, const struct err *err) {
	struct ledger_pg *l = arg;
	if (err != NULL)
		over(l, err);
	else
		raise_start(l, 0, raised, l);
}

static size_t widest_row(void) {
	size_t n = 0;
	for (int t = 0; t < TABLE_COUNT; t++)
		if (table_defs[t].row_size > n)
			n = table_defs[t].row_size;
	return n;
}

void load_start(struct ledger *ledger, ledger_row_fn row, ledger_loaded_fn done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct load *d = &l->load;
	assert(!d->busy);
	d->busy = true;
	d->on_row = row;
	d->done = done;
	d->arg = arg;
	d->loaded = (struct ledger_loaded){ 0 };
	d->rows = arena_new();
	d->row = calloc(1, widest_row());
	if (d->row == NULL)
		abort();
	/* A server that stepped down and is active again may still have a recovery under way; an abandoned commit it just queues behind. */
	d->waiting = l->recover.busy;
	if (!d->waiting)
		migrate_start(l, migrated, l);
}

void load_go_on(struct ledger_pg *l) {
	struct err err;
	l->load.waiting = false;
	if (!l->closing) {
		migrate_start(l, migrated, l);
		return;
	}
	err_set(&err, E_CANCELLED, "the ledger is closing");
	over(l, &err);
}
