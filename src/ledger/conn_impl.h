/* Inside of a connection: pgconn_open.c makes and loses it, conn.c runs exchanges on it. */
#ifndef BERTH_LEDGER_CONN_IMPL_H
#define BERTH_LEDGER_CONN_IMPL_H

#include "ledger/conn.h"
#include "ledger/resolve.h"
#include "ledger/target.h"

enum pgconn_state {
	CONN_IDLE,    /* not started */
	CONN_WAITING, /* until the next attempt */
	CONN_RESOLVING,
	CONN_CONNECTING,
	CONN_SETTLING, /* session statement, then what up() submits */
	CONN_OPEN,
};

#define CONN_STEPS (4 * TABLE_COUNT + 8) /* of one exchange: fence, deletes and upserts, each perhaps with its preparation */

/* What was sent, in order, so that each result finds its statement. */
struct pgconn_step {
	enum stmt stmt;
	bool prepare;
};

struct pgconn {
	struct pgconn_spec spec;
	enum pgconn_state state;
	PGconn *pg;
	struct resolver *resolver;
	int fd; /* a duplicate of libpq's socket, to watch: libpq closes its own when it likes, and a watch must outlive it */
	struct watch reading, writing;
	struct timer timer;  /* attempt, backoff, answer, retry: one at a time */
	struct timer expiry; /* of waiting exchanges */
	struct deferred kick;
	bool stalled, failed; /* failed: libpq said so; taken down on the next turn */
	int attempts;
	struct err last;
	TAILQ_HEAD(exchange_queue, exchange) queue, first, over;
	size_t queued;

	struct exchange *current; /* sent, or waiting for its retry */
	bool in_flight, retrying, synced, copying;
	struct pgconn_step steps[CONN_STEPS];
	int n_steps, step, n_execs; /* sent; being answered; statements answered, preparations not counted */
	int nulls;                  /* in a row, without a result between */
	bool prepared[STMT_COUNT];
	struct exchange session;
	char lock_ms[24];
};

/* conn.c */
void pgconn_run(struct pgconn *c);  /* sends the next exchange, if any may go */
void pgconn_pump(struct pgconn *c); /* reads and writes what can be, delivers results */
void pgconn_end_current(struct pgconn *c, const struct err *err);
/* pgconn_open.c */
void pgconn_attempt(struct pgconn *c);
void pgconn_lost(struct pgconn *c, const struct err *why); /* closes; ends the exchange in flight; tries again later */
void pgconn_close(struct pgconn *c);
void pgconn_watch(struct pgconn *c, struct watch *w, bool read, bool write, void (*fn)(int, bool, bool, void *));
void pgconn_connect_timeout(struct pgconn *c);

#endif
