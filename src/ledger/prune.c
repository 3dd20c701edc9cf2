/* Retention: old events, finished plans, repairs, stored answers and history of bases go in slices, each behind whoever waits for the
 * connection, so that years of history can be removed without anybody noticing. */
#include "ledger/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define SLICE_ROWS 2000
#define SLICE_PLANS 20 /* each takes its tasks along */

struct prune {
	struct ledger_pg *l;
	struct exchange x;
	int step;
	struct ledger_retention before;
	int64_t last, total;
	ledger_done done;
	void *arg;
};

static const struct {
	enum stmt stmt;
	size_t before;
	int64_t slice;
} steps[] = {
	{ STMT_prune_events, offsetof(struct ledger_retention, events), SLICE_ROWS },
	{ STMT_prune_plans, offsetof(struct ledger_retention, plans), SLICE_PLANS },
	{ STMT_prune_tasks, offsetof(struct ledger_retention, plans), SLICE_ROWS },
	{ STMT_prune_idempotency, offsetof(struct ledger_retention, idempotency), SLICE_ROWS },
	{ STMT_prune_base_history, offsetof(struct ledger_retention, base_history), SLICE_ROWS },
};
#define STEPS (int)(sizeof steps / sizeof *steps)

static int prune_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct prune *k = owner_of(x, struct prune, x);
	struct params p;
	wall_t before;
	memcpy(&before, (const char *)&k->before + steps[k->step].before, sizeof before);
	params_init(&p, pgconn_arena(c));
	params_time(&p, before);
	params_i64(&p, steps[k->step].slice);
	return pgconn_exec(c, steps[k->step].stmt, &p, err);
}

static int prune_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	owner_of(x, struct prune, x)->last = result_i64(res, 0, 0);
	return 0;
}

static void prune_done(struct exchange *x, const struct err *err) {
	struct prune *k = owner_of(x, struct prune, x);
	if (err == NULL && !k->l->closing) {
		k->total += k->last;
		if (k->last == 0)
			k->step++;
		if (k->step < STEPS) {
			pgconn_submit(k->l->bytes_conn, &k->x);
			return;
		}
	}
	if (k->total > 0)
		log_info("removed old history", log_i("rows", k->total));
	k->done(k->arg, err);
	free(k);
}

void prune_start(struct ledger *ledger, const struct ledger_retention *before, ledger_done done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct prune *k = calloc(1, sizeof *k);
	if (k == NULL)
		abort();
	k->l = l;
	k->before = *before;
	k->done = done;
	k->arg = arg;
	k->x = (struct exchange){ .what = "removing old history",
		.send = prune_send,
		.result = prune_result,
		.done = prune_done,
		.wait_us = l->cfg.bytes_us,
		.answer_us = l->cfg.bytes_us,
		.max_tries = 4 };
	pgconn_submit(l->bytes_conn, &k->x);
}
