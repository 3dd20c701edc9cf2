/* Raises the epoch: what ends the writing of whoever wrote before (rules 1 and 2).
 *
 * The update waits for every commit that holds the fence row. A healthy one ends in milliseconds; half a commit of a server that was frozen
 * never does, whatever time-outs the server has: after blocked_us the blocker is terminated from a second connection, again and again
 * until the update passes. */
#include "ledger/pg_impl.h"

#include <string.h>

#include "base/log.h"

#define TRIES 5

static void try_unblock(void *arg);

static int unblock_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct ledger_pg *l = owner_of(x, struct ledger_pg, raise.unblock);
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_i64(&p, pgconn_pid(l->commit_conn));
	return pgconn_exec_once(c, STMT_fence_unblock, &p, err);
}

static int unblock_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	for (int i = 0; i < PQntuples(res); i++)
		log_warn("ended a database session that kept the epoch from being raised", log_i("pid", result_i64(res, i, 0)),
		    log_b("told", result_flag(res, i, 1)));
	return 0;
}

static void unblock_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = owner_of(x, struct ledger_pg, raise.unblock);
	l->raise.unblocking = false;
	if (l->closing || l->raise.done == NULL)
		return;
	if (err != NULL)
		log_warn("cannot end the database session that blocks the epoch", log_e(err));
	timer_set(&l->raise.blocked, l->cfg.blocked_us);
}

static void try_unblock(void *arg) {
	struct ledger_pg *l = arg;
	if (l->raise.unblocking || pgconn_pid(l->commit_conn) == 0)
		return;
	struct err err;
	if (l->raise.killer == NULL) {
		l->raise.killer = pg_conn_make(l, "berthd unblock", 0, 1, NULL, NULL, &err);
		if (l->raise.killer == NULL) {
			log_warn("no connection to end a blocking database session", log_e(&err));
			return;
		}
	}
	l->raise.unblock = (struct exchange){ .what = "ending a blocking session",
		.send = unblock_send,
		.result = unblock_result,
		.done = unblock_done,
		.wait_us = l->cfg.connect_us,
		.answer_us = l->cfg.connect_us,
		.max_tries = 1 };
	l->raise.unblocking = true;
	pgconn_submit(l->raise.killer, &l->raise.unblock);
}

static int raise_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct ledger_pg *l = owner_of(x, struct ledger_pg, raise.x);
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_i64(&p, l->epoch_floor > l->epoch ? l->epoch_floor : l->epoch);
	params_i64(&p, l->raise.only);
	params_i64(&p, l->raise.lost_pid);
	l->raise.sent_pid = pgconn_pid(c);
	timer_set(&l->raise.blocked, l->cfg.blocked_us);
	return pgconn_exec_once(c, STMT_fence_raise, &p, err);
}

static int raise_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	struct ledger_pg *l = owner_of(x, struct ledger_pg, raise.x);
	if (PQntuples(res) != 1 && l->raise.only != 0)
		return err_set(err, E_FENCED, "another server raised the epoch; this one may not go on under its own");
	if (PQntuples(res) != 1)
		return err_set(err, E_DB_REFUSED, "the fence row is missing: this database was changed by hand; restore it from a backup");
	l->raise.epoch = result_i64(res, 0, 0);
	return 0;
}

static void raise_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = owner_of(x, struct ledger_pg, raise.x);
	raise_fn done = l->raise.done;
	l->raise.done = NULL;
	timer_cancel(&l->raise.blocked);
	pgconn_free(l->raise.killer);
	l->raise.killer = NULL;
	if (err == NULL) {
		l->epoch = l->raise.epoch;
		l->unsure = false;
		l->raise.lost_pid = -1;
	} else {
		l->unsure = true;
		if (err->code == E_DB_LOST)
			l->raise.lost_pid = l->raise.sent_pid;
	}
	done(l->raise.arg, l->raise.epoch, err);
}

void raise_start(struct ledger_pg *l, int64_t only, raise_fn done, void *arg) {
	struct raise *r = &l->raise;
	if (r->blocked.ev == NULL)
		timer_init(&r->blocked, l->loop, try_unblock, l);
	r->only = only;
	r->done = done;
	r->arg = arg;
	r->x = (struct exchange){ .what = "raising the epoch",
		.send = raise_send,
		.result = raise_result,
		.done = raise_done,
		.wait_us = l->cfg.wait_us,
		.answer_us = l->cfg.commit_us,
		.max_tries = TRIES };
	pgconn_submit(l->commit_conn, &r->x);
}

void raise_floor(struct ledger *ledger, int64_t epoch) {
	struct ledger_pg *l = pg_of(ledger);
	if (epoch > l->epoch_floor)
		l->epoch_floor = epoch;
}

void raise_deinit(struct ledger_pg *l) {
	pgconn_free(l->raise.killer);
	l->raise.killer = NULL;
	timer_deinit(&l->raise.blocked);
}

int cell_state_read(const PGresult *res, struct ledger_loaded *ret, struct err *err) {
	if (PQntuples(res) != 1)
		return err_set(err, E_DB_REFUSED, "the cell row is missing: this database was changed by hand; restore it from a backup");
	memset(ret->cell, 0, sizeof ret->cell);
	const char *cell = result_text(res, 0, 0);
	memcpy(ret->cell, cell, strnlen(cell, sizeof ret->cell - 1));
	ret->commit_no = result_i64(res, 0, 1);
	ret->last_event = result_i64(res, 0, 2);
	ret->last_event_at = result_time(res, 0, 3);
	return 0;
}
