/* A load: migrate, raise the epoch, then every live row in one snapshot, table by table, row by row (rule 1).
 *
 * Rows come by COPY: memory stays that of one row, at half of what libpq's row mode costs, and the connection hands the loop back after
 * 8 ms. */
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

static void submit(struct ledger_pg *l, struct exchange x) {
	x.wait_us = l->cfg.wait_us;
	x.answer_us = l->cfg.load_us;
	x.max_tries = 1;
	l->load.x = x;
	pgconn_submit(l->commit_conn, &l->load.x);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------------- */

static int table_piece(struct exchange *x, const void *p, size_t n, struct err *err) {
	struct load *d = &of(x)->load;
	const struct table_def *t = &table_defs[d->table];
	bool there;
	arena_reset(d->rows);
	int r = row_decode_copied(t, p, n, d->row, d->rows, &there, err);
	return r != 0 || !there ? r : d->on_row(d->arg, t->id, d->row, err);
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
		submit(l, (struct exchange){ .what = "ending the load", .send = end_send, .done = end_done });
		return;
	}
	const char *script = l->stmts.def[STMT_LOAD + d->table].text;
	submit(l, (struct exchange){ .what = "load", .script = script, .piece = table_piece, .done = table_done });
}

/* ---- the steps before ------------------------------------------------------------------------------------------------------------ */

static int snapshot_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct ledger_pg *l = of(x);
	struct params limits;
	params_init(&limits, pgconn_arena(c));
	params_i64(&limits, l->cfg.keep_revisions);
	params_time(&limits, (wall_t){ clock_wall(l->clock).us - l->cfg.idempotency_us });
	int r = pgconn_exec_once(c, STMT_begin_snapshot, NULL, err);
	if (r == 0)
		r = pgconn_exec_once(c, STMT_cell_state, NULL, err);
	return r != 0 ? r : pgconn_exec_once(c, STMT_load_limits, &limits, err);
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
	submit(l, (struct exchange){ .what = "snapshot", .send = snapshot_send, .result = snapshot_result, .done = snapshot_done });
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
