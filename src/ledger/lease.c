/* The lease row, on a connection of its own: a renewal never waits behind a commit (rules 2 and 3). Who holds it and when it is over is
 * decided by the core's clock, not here.
 *
 * E_CONFLICT: somebody else was faster to take it. E_FENCED: somebody else holds it. E_DB_LOST: read the row again before believing
 * anything. */
#include "ledger/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct lease_call {
	struct exchange x;
	enum stmt stmt;
	int64_t expected;
	struct lease_view me, seen;
	ledger_lease_fn done;
	ledger_done released;
	void *arg;
};

static void copy_text(char *to, size_t size, const char *from) {
	size_t n = strnlen(from, size - 1);
	memcpy(to, from, n);
	to[n] = '\0';
}

static int call_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct lease_call *k = owner_of(x, struct lease_call, x);
	struct params p;
	params_init(&p, pgconn_arena(c));
	if (k->stmt == STMT_lease_take)
		params_i64(&p, k->expected);
	if (k->stmt != STMT_lease_read)
		params_text(&p, k->me.holder);
	if (k->stmt == STMT_lease_take || k->stmt == STMT_lease_renew) {
		params_text(&p, k->me.rest);
		params_text(&p, k->me.rpc);
	}
	return pgconn_exec(c, k->stmt, &p, err);
}

static int call_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	struct lease_call *k = owner_of(x, struct lease_call, x);
	if (PQntuples(res) == 0 && k->stmt == STMT_lease_read)
		return err_set(err, E_DB_REFUSED,
		    "the lease row is missing: this database was changed by hand; insert it again with: insert into lease (id) values (1)");
	if (PQntuples(res) == 0 && k->stmt == STMT_lease_take)
		return err_set(err, E_CONFLICT, "another server was faster to take the lease");
	if (PQntuples(res) == 0)
		return err_set(err, E_FENCED, "another server holds the lease");
	k->seen.counter = result_i64(res, 0, 0);
	copy_text(k->seen.holder, sizeof k->seen.holder, result_text(res, 0, 1));
	copy_text(k->seen.rest, sizeof k->seen.rest, result_text(res, 0, 2));
	copy_text(k->seen.rpc, sizeof k->seen.rpc, result_text(res, 0, 3));
	return 0;
}

static void call_done(struct exchange *x, const struct err *err) {
	struct lease_call *k = owner_of(x, struct lease_call, x);
	if (k->released != NULL)
		k->released(k->arg, err);
	else
		k->done(k->arg, err == NULL ? &k->seen : NULL, err);
	free(k);
}

static struct lease_call *call_new(struct ledger_pg *l, enum stmt stmt, const struct lease_view *me, void *arg) {
	struct lease_call *k = calloc(1, sizeof *k);
	if (k == NULL)
		abort();
	k->stmt = stmt;
	if (me != NULL)
		k->me = *me;
	k->arg = arg;
	k->x = (struct exchange){ .what = "lease",
		.send = call_send,
		.result = call_result,
		.done = call_done,
		.wait_us = l->cfg.lease_us,
		.answer_us = l->cfg.lease_us,
		.max_tries = 2 };
	return k;
}

void lease_read(struct ledger *ledger, ledger_lease_fn done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct lease_call *k = call_new(l, STMT_lease_read, NULL, arg);
	k->done = done;
	pgconn_submit(l->lease_conn, &k->x);
}

void lease_take(struct ledger *ledger, int64_t expected, const struct lease_view *me, ledger_lease_fn done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct lease_call *k = call_new(l, STMT_lease_take, me, arg);
	k->expected = expected;
	k->done = done;
	pgconn_submit(l->lease_conn, &k->x);
}

void lease_renew(struct ledger *ledger, const struct lease_view *me, ledger_lease_fn done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct lease_call *k = call_new(l, STMT_lease_renew, me, arg);
	k->done = done;
	pgconn_submit(l->lease_conn, &k->x);
}

void lease_release(struct ledger *ledger, const struct lease_view *me, ledger_done done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct lease_call *k = call_new(l, STMT_lease_release, me, arg);
	k->released = done;
	pgconn_submit(l->lease_conn, &k->x);
}

/* ---- a new database has no lease row yet, and nobody may migrate without it -------------------------------------------------------- */

static struct ledger_pg *of(struct exchange *x) {
	return owner_of(x, struct ledger_pg, lease_ready);
}

static void made(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (l->closing || (err != NULL && err->code == E_DB_LOST))
		return;
	/* Refused: two servers at once on a new database; then the other one made it, or the first use says what is wrong. */
	if (err != NULL)
		log_info("making the lease row", log_e(err));
	pgconn_open_queue(l->lease_conn);
}

static int ready_send(struct exchange *x, struct pgconn *c, struct err *err) {
	return pgconn_exec_once(c, STMT_migration_ready, NULL, err);
}

static int ready_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	of(x)->lease_exists = result_flag(res, 0, 0);
	return 0;
}

static void looked(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (l->closing)
		return;
	if (err != NULL) {
		pgconn_drop(l->lease_conn, err);
	} else if (l->lease_exists) {
		pgconn_open_queue(l->lease_conn);
	} else {
		l->lease_ready = (struct exchange){ .what = "preparing a new database",
			.script = l->migrations[0].text,
			.done = made,
			.wait_us = l->cfg.lease_us,
			.answer_us = l->cfg.load_us,
			.max_tries = 1 };
		pgconn_submit_first(l->lease_conn, &l->lease_ready);
	}
}

void lease_up(void *arg, struct pgconn *c) {
	struct ledger_pg *l = arg;
	l->lease_ready = (struct exchange){ .what = "looking for the lease",
		.send = ready_send,
		.result = ready_result,
		.done = looked,
		.wait_us = l->cfg.lease_us,
		.answer_us = l->cfg.lease_us,
		.max_tries = 2 };
	pgconn_submit_first(c, &l->lease_ready);
}
