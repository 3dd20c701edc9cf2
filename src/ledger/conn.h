/* One connection to PostgreSQL on the loop, and a queue of exchanges on it. Never blocks.
 *
 * It connects, and after a loss connects again, by itself: backoff 50 ms doubling to 1 s, with jitter. An exchange is one pipeline of
 * statements with one sync, so it happens wholly or not at all (unless it says "begin" itself). One exchange at a time.
 *
 * What happens to an exchange:
 *   waits for a connection or its turn; after wait_us without it: E_UNAVAILABLE, nothing happened
 *   sent; after answer_us without a byte from the server, or when the connection goes: E_DB_LOST, it may have happened
 *   refused with a retryable SQLSTATE: sent again after a short backoff, up to max_tries; then E_UNAVAILABLE, nothing happened
 *   refused otherwise: as ledger/pgerr.h says */
#ifndef BERTH_LEDGER_CONN_H
#define BERTH_LEDGER_CONN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "ledger/bin.h"
#include "ledger/stmt.h"
#include "loop/loop.h"

struct pgconn;
struct target;
struct rng;

struct exchange {
	const char *what; /* for messages: "commit" */
	/* Queues statements with pgconn_exec or pgconn_exec_once; once per try. An error ends the exchange, nothing happened. */
	int (*send)(struct exchange *x, struct pgconn *c, struct err *err);
	/* A result without error: step counts the statements from 0. An error is given to done, after the sync. */
	int (*result)(struct exchange *x, int step, const PGresult *res, struct err *err); /* NULL: not wanted */
	void (*done)(struct exchange *x, const struct err *err);
	int64_t wait_us, answer_us;
	int max_tries;
	const char *script; /* instead of send: many statements in one text, in one transaction (migrations); or one COPY to stdout: */
	/* Each row of it in the format that COPY sends: for what is large, in memory of one row. An error is given to done, after the end.
	 */
	int (*piece)(struct exchange *x, const void *p, size_t n, struct err *err);
	/* conn.c's */
	TAILQ_ENTRY(exchange) link;
	mono_t submitted;
	int tries;
	struct err err;      /* first refusal of this try */
	struct arena *arena; /* parameters of this try */
};

struct pgconn_spec {
	struct loop *loop;
	const struct clock *clock;
	struct rng *rng;
	const struct target *target;
	const struct stmts *stmts;
	const char *name;            /* application_name */
	int64_t connect_us, lock_us; /* time-outs: of a connection attempt; of a lock (0 = none) */
	size_t max_queue;
	bool generic_plans; /* prepared statements keep one plan */
	bool unchecked;     /* do not refuse servers without fsync, … (the private cluster before it has its database) */
	/* A connection stands and was checked; it may only be used with pgconn_submit_first until pgconn_open_queue. NULL: opened at once.
	 */
	void (*up)(void *arg, struct pgconn *c);
	/* An attempt failed, or the connection was lost (err). For state and log; once per event. */
	void (*down)(void *arg, const struct err *err);
	void *arg;
};

int pgconn_new(const struct pgconn_spec *spec, struct pgconn **ret,
    struct err *err);               /* strings and structs of spec must live on; begins at pgconn_start */
void pgconn_free(struct pgconn *c); /* what runs and waits: done with E_CANCELLED, from within. NULL is fine */
void pgconn_start(struct pgconn *c);
void pgconn_submit(struct pgconn *c, struct exchange *x);       /* done is never called from within */
void pgconn_submit_first(struct pgconn *c, struct exchange *x); /* before all that waits, also while the queue is not open */
void pgconn_open_queue(struct pgconn *c);
void pgconn_drop(struct pgconn *c, const struct err *why); /* as if it had been lost: what is in flight ends with E_DB_LOST */
void pgconn_stall(struct pgconn *c, bool stalled);         /* tests: neither reads nor writes while stalled */
bool pgconn_ready(const struct pgconn *c);
const struct err *pgconn_last_error(const struct pgconn *c); /* why it is not ready; code 0 before the first attempt ended */
int pgconn_failures(const struct pgconn *c);                 /* attempts that failed since it stood last */
int pgconn_pid(const struct pgconn *c);                      /* of the backend; 0 without one */
int pgconn_fd(const struct pgconn *c);                       /* tests; -1 without one */

/* For send(): parameters in the exchange's arena, then the statement. Prepared once per connection, or parsed each time (a plan made for
 * these very parameters). */
struct arena *pgconn_arena(struct pgconn *c);
int pgconn_exec(struct pgconn *c, enum stmt s, const struct params *p, struct err *err);
int pgconn_exec_once(struct pgconn *c, enum stmt s, const struct params *p, struct err *err);
void pgconn_send_now(struct pgconn *c); /* what was queued so far, as much as the socket takes; it goes by itself otherwise */

#endif
