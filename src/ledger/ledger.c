/* Makes and closes the ledger; its vtable. */
#include "ledger/pg_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define MAX_READS 256
#define MAX_BYTES 1024

static const struct ledger_ops ops = {
	.commit = commit_start,
	.load = load_start,
	.recover = recover_start,
	.epoch_floor = raise_floor,
	.read = read_start,
	.upload_begin = upload_begin,
	.upload_add = upload_add,
	.upload_end = upload_end,
	.upload_abort = upload_abort,
	.bytes_read = bytes_read,
	.bytes_more = bytes_more,
	.bytes_cancel = bytes_cancel,
	.bytes_collect = bytes_collect,
	.lease_read = lease_read,
	.lease_take = lease_take,
	.lease_renew = lease_renew,
	.lease_release = lease_release,
	.prune = prune_start,
};

void ledger_pg_config_defaults(struct ledger_pg_config *c) {
	*c = (struct ledger_pg_config){
		.connect_us = 3 * US_PER_S,
		.wait_us = 2 * US_PER_S,
		.commit_us = 10 * US_PER_S,
		.lock_us = 2 * US_PER_S,
		.load_us = 60 * US_PER_S,
		.read_us = 15 * US_PER_S,
		.lease_us = 2500 * US_PER_MS,
		.bytes_us = 30 * US_PER_S,
		.blocked_us = 500 * US_PER_MS,
		.keep_revisions = 10,
		.idempotency_us = INT64_C(86400) * US_PER_S,
		.dash_every_us = 15 * US_PER_S,
		.dash_limit_us = 120 * US_PER_S,
		.seed = 1,
	};
}

/* A database that is away is tried each second on four connections: only the first failure is told, and one in a hundred after it. */
static void tell_down(const struct pgconn *c, const char *what, const struct err *err) {
	int n = pgconn_failures(c);
	if (n == 1 || n % 100 == 0)
		log_warn("no database connection", log_s("for", what), log_i("failures", n), log_e(err));
}

static void on_commit_down(void *arg, const struct err *err) {
	struct ledger_pg *l = arg;
	tell_down(l->commit_conn, "commits", err);
	deferred_schedule(&l->tell_checks);
}

static void on_lease_down(void *arg, const struct err *err) {
	tell_down(((struct ledger_pg *)arg)->lease_conn, "lease", err);
}

static void on_read_down(void *arg, const struct err *err) {
	tell_down(((struct ledger_pg *)arg)->read_conn, "reads", err);
}

static void on_bytes_down(void *arg, const struct err *err) {
	tell_down(((struct ledger_pg *)arg)->bytes_conn, "artifacts", err);
}

struct pgconn *pg_conn_make(struct ledger_pg *l, const char *name, int64_t lock_us, size_t max_queue, void (*up)(void *, struct pgconn *),
    void (*down)(void *, const struct err *), struct err *err) {
	struct pgconn *c;
	struct pgconn_spec spec = { .loop = l->loop,
		.clock = l->clock,
		.rng = &l->rng,
		.target = l->target,
		.stmts = &l->stmts,
		.name = name,
		.connect_us = l->cfg.connect_us,
		.lock_us = lock_us,
		.max_queue = max_queue,
		.generic_plans = up == commit_up,
		.up = up,
		.down = down,
		.arg = l };
	if (pgconn_new(&spec, &c, err) != 0)
		return NULL;
	pgconn_start(c);
	return c;
}

/* ---- check ----------------------------------------------------------------------------------------------------------------------- */

static void on_tell_checks(void *arg) {
	struct ledger_pg *l = arg;
	const struct err *last = pgconn_last_error(l->commit_conn);
	/* A connection that stands has no last error; before the first attempt ended it has neither. */
	if (last->code == 0 && pgconn_pid(l->commit_conn) == 0)
		return;
	struct err err = *last;
	struct check *k = l->checks;
	l->checks = NULL;
	while (k != NULL) {
		struct check *next = k->next;
		k->done(k->arg, err.code == 0 ? NULL : &err);
		free(k);
		k = next;
	}
}

void ledger_pg_check(struct ledger_pg *l, ledger_done done, void *arg) {
	struct check *k = calloc(1, sizeof *k);
	if (k == NULL)
		abort();
	k->done = done;
	k->arg = arg;
	k->next = l->checks;
	l->checks = k;
	if (pgconn_ready(l->commit_conn) || pgconn_last_error(l->commit_conn)->code != 0)
		deferred_schedule(&l->tell_checks);
}

static void cancel_checks(struct ledger_pg *l) {
	struct err err;
	err_set(&err, E_CANCELLED, "the ledger is closing");
	for (struct check *k = l->checks, *next; k != NULL; k = next) {
		next = k->next;
		k->done(k->arg, &err);
		free(k);
	}
	l->checks = NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

static int connect_all(struct ledger_pg *l, struct err *err) {
	l->commit_conn = pg_conn_make(l, "berthd commit", l->cfg.lock_us, 8, commit_up, on_commit_down, err);
	if (l->commit_conn != NULL)
		l->lease_conn = pg_conn_make(l, "berthd lease", l->cfg.lease_us / 2, 64, lease_up, on_lease_down, err);
	if (l->lease_conn != NULL)
		l->read_conn = pg_conn_make(l, "berthd read", l->cfg.lock_us, MAX_READS, NULL, on_read_down, err);
	if (l->read_conn != NULL)
		l->bytes_conn = pg_conn_make(l, "berthd bytes", l->cfg.lock_us, MAX_BYTES, NULL, on_bytes_down, err);
	return l->bytes_conn != NULL ? 0 : err->code;
}

int ledger_pg_new(
    struct loop *loop, const struct clock *clock, const struct ledger_pg_config *config, struct ledger_pg **ret, struct err *err) {
	struct err local;
	struct ledger_pg *l = calloc(1, sizeof *l);
	if (err == NULL)
		err = &local;
	if (l == NULL)
		return err_set(err, E_NOMEM, "no memory for the ledger");
	l->ledger.ops = &ops;
	l->cfg = *config;
	l->loop = loop;
	l->clock = clock;
	l->raise.lost_pid = -1;
	rng_init(&l->rng, config->seed);
	LIST_INIT(&l->uploads);
	LIST_INIT(&l->readings);
	deferred_init(&l->tell_checks, loop, on_tell_checks, l);
	dash_init(l);
	int r = stmts_init(&l->stmts, err);
	if (r == 0)
		r = migrations_load(&l->migrations, &l->n_migrations, err);
	if (r == 0)
		r = target_new(config->url, &l->target, err);
	if (r == 0)
		r = connect_all(l, err);
	l->cfg.url = NULL; /* the caller's; the target has what is needed */
	if (r != 0) {
		ledger_pg_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void ledger_pg_free(struct ledger_pg *l) {
	if (l == NULL)
		return;
	l->closing = true;
	pgconn_free(l->commit_conn);
	raise_deinit(l);
	recover_deinit(l);
	pgconn_free(l->lease_conn);
	pgconn_free(l->read_conn);
	dash_deinit(l);
	pgconn_free(l->bytes_conn);
	uploads_deinit(l);
	readings_deinit(l);
	cancel_checks(l);
	deferred_deinit(&l->tell_checks);
	target_free(l->target);
	free(l->migrations);
	free(l);
}

struct ledger *ledger_pg_ledger(struct ledger_pg *l) {
	return &l->ledger;
}

void ledger_pg_state(const struct ledger_pg *l, struct ledger_pg_state *ret) {
	*ret = (struct ledger_pg_state){ .commit = pgconn_ready(l->commit_conn),
		.lease = pgconn_ready(l->lease_conn),
		.read = pgconn_ready(l->read_conn),
		.bytes = pgconn_ready(l->bytes_conn) };
	if (!ret->commit)
		snprintf(ret->error, sizeof ret->error, "%.255s", pgconn_last_error(l->commit_conn)->text);
}
