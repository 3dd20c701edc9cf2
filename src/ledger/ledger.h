/* The ledger on PostgreSQL: what core/ledger.h declares, on four connections (commit, lease, read, bytes).
 *
 * Commits, loads and recoveries share one connection, so that the fence names one backend. The other three never wait behind a commit.
 * Each connection comes back by itself after a loss; a call made meanwhile waits up to wait_us for it and then gets E_UNAVAILABLE. */
#ifndef BERTH_LEDGER_LEDGER_H
#define BERTH_LEDGER_LEDGER_H

#include <stdio.h>

#include "base/clock.h"
#include "core/ledger.h"

struct loop;
struct ledger_pg;

struct ledger_pg_config {
	const char
	    *url; /* libpq URL or keywords; host lists are tried in order, target_session_attrs is read-write unless it says otherwise */
	int64_t connect_us;     /* one attempt: 3 s */
	int64_t wait_us;        /* a call waits so long for a connection: 2 s */
	int64_t commit_us;      /* without a sign of the server, a commit or recovery is lost: 10 s */
	int64_t lock_us;        /* a commit that waits for somebody's lock is tried again after: 2 s */
	int64_t load_us;        /* the same for a load or migration: 60 s */
	int64_t read_us;        /* 15 s */
	int64_t lease_us;       /* 2.5 s */
	int64_t bytes_us;       /* 30 s */
	int64_t blocked_us;     /* a raise of the epoch that is blocked so long ends the blocker: 500 ms */
	int64_t keep_revisions; /* loaded per deployment: 10 */
	int64_t idempotency_us; /* loaded: younger than 24 h */
	int64_t dash_every_us;  /* role berth_dash is looked after so often: 15 s */
	int64_t dash_limit_us;  /* its statements and transactions may take so long: 2 min */
	uint64_t seed;          /* of the jitter */
};
void ledger_pg_config_defaults(struct ledger_pg_config *c);

/* Begins to connect. E_INVALID for a URL that cannot be read, E_INTERNAL for a statement that is missing. The clock must outlive it. */
int ledger_pg_new(
    struct loop *loop, const struct clock *clock, const struct ledger_pg_config *config, struct ledger_pg **ret, struct err *err);
/* Everything open ends with E_CANCELLED, from within. Not from a callback of its own. NULL is fine. */
void ledger_pg_free(struct ledger_pg *l);
struct ledger *ledger_pg_ledger(struct ledger_pg *l); /* for core_env */

/* Once the first attempt to connect has ended: NULL when the server suits (version, fsync, synchronous_commit, encoding), E_UNSUPPORTED
 * when it never will without a change, E_UNAVAILABLE when it could not be asked (it is tried on and on). */
void ledger_pg_check(struct ledger_pg *l, ledger_done done, void *arg);

/* For an administrator: the statements that make role berth_dash, for psql in the server's database. */
int dash_statements(FILE *out, struct err *err);

struct ledger_pg_state {
	bool commit, lease, read, bytes;
	char error[256]; /* of the commit connection, "" when it stands */
};
void ledger_pg_state(const struct ledger_pg *l, struct ledger_pg_state *ret);

#endif
