/* One commit is one pipeline: the fence first, deletes, upserts table by table, events last, one sync.
 *
 * Foreign keys and unique names are checked at the sync (migrations/001), so the order among the statements only has to put deletes before
 * the rows that take their place. */
#include "ledger/pg_impl.h"

#include <assert.h>
#include <string.h>

#include "base/faultpoint.h"
#include "base/log.h"

#define TRIES 6 /* with the lock time-out, and backoff between: about 15 s against a lock that somebody forgot */

static int send_fence(struct pgconn *c, int64_t epoch, struct err *err) {
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_i64(&p, epoch);
	return pgconn_exec(c, STMT_fence_check, &p, err);
}

static int send_rows(struct pgconn *c, enum stmt s, enum table t, int n_cols, void *const *rows, size_t n, struct err *err) {
	struct params p;
	if (n == 0)
		return 0;
	params_init(&p, pgconn_arena(c));
	params_arrays(&p, &table_defs[t], n_cols, rows, n);
	return pgconn_exec(c, s, &p, err);
}

static int send_deletes(struct pgconn *c, const struct changeset *cs, struct err *err) {
	int r = 0;
	for (int t = TABLE_COUNT - 1; r == 0 && t >= 0; t--) {
		const struct change_rows *rows = &cs->tables[t];
		if (t == TABLE_cell || t == TABLE_event || t == TABLE_base_history)
			assert(rows->n_deletes == 0);
		r = send_rows(c, STMT_DELETE + t, (enum table)t, table_defs[t].keys, rows->deletes, rows->n_deletes, err);
	}
	return r;
}

static int send_upserts(struct pgconn *c, const struct changeset *cs, struct err *err) {
	int r = 0;
	for (int t = 0; r == 0 && t < TABLE_COUNT; t++) {
		const struct change_rows *rows = &cs->tables[t];
		r = send_rows(c, STMT_UPSERT + t, (enum table)t, table_defs[t].n_cols, rows->upserts, rows->n_upserts, err);
	}
	return r;
}

/* Every commit leaves its number in the cell row: that is how a lost answer is looked up. */
static int send_cell(struct pgconn *c, const struct changeset *cs, struct err *err) {
	struct row_cell cell = { .id = 1, .commit_no = cs->commit_no, .last_event = cs->last_event };
	void *rows[] = { &cell };
	if (cs->tables[TABLE_cell].n_upserts > 0)
		return 0;
	return send_rows(c, STMT_UPSERT + TABLE_cell, TABLE_cell, table_defs[TABLE_cell].n_cols, rows, 1, err);
}

static int half_sent(struct pgconn *c, struct err *err) {
	if (faultpoint_due(FAULTPOINT_COMMIT_HALF))
		pgconn_send_now(c);
	return faultpoint_pass(FAULTPOINT_COMMIT_HALF, err);
}

static int commit_send(struct exchange *x, struct pgconn *c, struct err *err) {
	const struct changeset *cs = owner_of(x, struct commit, x)->cs;
	int r = faultpoint_pass(FAULTPOINT_COMMIT_BEGIN, err);
	if (r == 0)
		r = send_fence(c, cs->epoch, err);
	if (r == 0)
		r = send_deletes(c, cs, err);
	if (r == 0)
		r = send_cell(c, cs, err);
	if (r == 0)
		r = half_sent(c, err);
	if (r == 0)
		r = send_upserts(c, cs, err);
	return r;
}

static void commit_done(struct exchange *x, const struct err *err) {
	struct commit *m = owner_of(x, struct commit, x);
	ledger_done done = m->done;
	struct err lost;
	m->busy = false;
	m->cs = NULL;
	if (err == NULL && faultpoint_pass(FAULTPOINT_COMMIT_ANSWERED, &lost) != 0)
		err = &lost;
	if (err != NULL && err->code == E_DB_LOST)
		owner_of(m, struct ledger_pg, commit)->unsure = true;
	if (err == NULL || strcmp(err->sqlstate, "22012") != 0) {
		done(m->arg, err);
		return;
	}
	struct err fenced;
	err_set(&fenced, E_FENCED, "another server raised the epoch; this one may not write any more");
	memcpy(fenced.sqlstate, err->sqlstate, sizeof fenced.sqlstate);
	done(m->arg, &fenced);
}

void commit_start(struct ledger *ledger, const struct changeset *cs, ledger_done done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct commit *m = &l->commit;
	assert(!m->busy);
	m->busy = true;
	m->cs = cs;
	m->done = done;
	m->arg = arg;
	m->x = (struct exchange){ .what = "commit",
		.send = commit_send,
		.done = commit_done,
		.wait_us = l->cfg.wait_us,
		.answer_us = l->cfg.commit_us,
		.max_tries = TRIES };
	pgconn_submit(l->commit_conn, &m->x);
}

/* ---- a new connection under an old epoch ---------------------------------------------------------------------------------------- */

static int adopt_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct ledger_pg *l = owner_of(x, struct ledger_pg, adopt);
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_i64(&p, l->epoch);
	return pgconn_exec_once(c, STMT_fence_adopt, &p, err);
}

static void adopt_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = owner_of(x, struct ledger_pg, adopt);
	if (l->closing)
		return;
	/* Refused or blocked: the commit itself will say what is wrong, or a recovery ends the blocker. */
	if (err != NULL)
		log_warn("the fence does not name this connection", log_e(err));
	pgconn_open_queue(l->commit_conn);
}

void commit_up(void *arg, struct pgconn *c) {
	struct ledger_pg *l = arg;
	deferred_schedule(&l->tell_checks);
	if (l->epoch == 0 || l->unsure || l->load.busy || l->recover.busy) {
		pgconn_open_queue(c); /* a raise comes first and names the backend; our own lost one may hold the fence row until then */
		return;
	}
	l->adopt = (struct exchange){ .what = "naming the commit connection",
		.send = adopt_send,
		.done = adopt_done,
		.wait_us = l->cfg.wait_us,
		.answer_us = l->cfg.commit_us,
		.max_tries = 1 };
	pgconn_submit_first(c, &l->adopt);
}
