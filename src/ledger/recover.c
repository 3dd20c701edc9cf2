/* After a lost answer: raise the epoch, so that what was under way has landed or never will, then look where the ledger stands (rule 4).
 *
 * Only while our own epoch is still in force: a server that lost its lease meanwhile must not fence the one that took it (E_FENCED).
 * Keeps trying while the database is away; gives up only when the database answers and says no for good. */
#include "ledger/pg_impl.h"

#include <assert.h>

#define AGAIN_US (100 * US_PER_MS) /* the connection has its own backoff; this only keeps the loop from spinning */

static struct ledger_pg *of(struct exchange *x) {
	return owner_of(x, struct ledger_pg, recover.x);
}

static void over(struct ledger_pg *l, const struct err *err) {
	ledger_loaded_fn done = l->recover.done;
	l->recover.busy = false;
	done(l->recover.arg, err == NULL ? &l->recover.loaded : NULL, err);
	if (l->load.waiting)
		load_go_on(l);
}

static void failed(struct ledger_pg *l, const struct err *err) {
	if (!l->load.waiting && (err->code == E_DB_LOST || err->code == E_UNAVAILABLE))
		timer_set(&l->recover.again, rng_jitter(&l->rng, AGAIN_US));
	else
		over(l, err);
}

static int state_send(struct exchange *x, struct pgconn *c, struct err *err) {
	return pgconn_exec_once(c, STMT_cell_state, NULL, err);
}

static int state_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	return cell_state_read(res, &of(x)->recover.loaded, err);
}

static void state_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (err != NULL)
		failed(l, err);
	else
		over(l, NULL);
}

static void raised(void *arg, int64_t epoch, const struct err *err) {
	struct ledger_pg *l = arg;
	if (err != NULL) {
		failed(l, err);
		return;
	}
	l->recover.loaded.epoch = epoch;
	l->recover.x = (struct exchange){ .what = "looking for a commit",
		.send = state_send,
		.result = state_result,
		.done = state_done,
		.wait_us = l->cfg.wait_us,
		.answer_us = l->cfg.commit_us,
		.max_tries = 3 };
	pgconn_submit(l->commit_conn, &l->recover.x);
}

static void try_again(void *arg) {
	struct ledger_pg *l = arg;
	raise_start(l, l->epoch, raised, l);
}

void recover_start(struct ledger *ledger, ledger_loaded_fn done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct recover *r = &l->recover;
	assert(!r->busy && !l->load.busy);
	if (r->again.ev == NULL)
		timer_init(&r->again, l->loop, try_again, l);
	r->busy = true;
	r->loaded = (struct ledger_loaded){ 0 };
	r->done = done;
	r->arg = arg;
	timer_set(&r->again, 0);
}

void recover_deinit(struct ledger_pg *l) {
	timer_deinit(&l->recover.again);
	if (!l->recover.busy)
		return;
	struct err err;
	err_set(&err, E_CANCELLED, "the ledger is closing");
	over(l, &err);
}
