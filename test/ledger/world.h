/* What the ledger's tests share: a fresh database per test, a loop, ledgers on it, and calls that wait for their completion.
 * A wait that takes longer than 30 s fails the test. */
#ifndef BERTH_TEST_LEDGER_WORLD_H
#define BERTH_TEST_LEDGER_WORLD_H

#include <libpq-fe.h>

#include "../suite.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/rng.h"
#include "ledger/pg_impl.h"
#include "loop/loop.h"

struct world {
	struct loop *loop;
	char database[512]; /* conninfo of the fresh database */
	PGconn *admin;      /* blocking, on it */
	struct rng rng;
	struct arena *arena;
};

void world_open(struct world *w);
void world_close(struct world *w);
struct ledger_pg *world_ledger(struct world *w);                                          /* connected */
struct ledger_pg *world_ledger_with(struct world *w, const struct ledger_pg_config *cfg); /* url is filled in; not waited for */
PGconn *world_session(struct world *w);                                                   /* another blocking connection */
/* Blocking SQL; the test fails when PostgreSQL does not take it. The text of the first column of the first row, in the arena, or NULL. */
const char *sql(struct world *w, PGconn *pg, const char *text);

void wait_until(struct world *w, const bool *flag);
bool wait_until_within(struct world *w, const bool *flag, int64_t us);

/* The outcome of a call. */
struct call {
	bool done;
	struct err err;
};
void call_done(void *arg, const struct err *err);

int do_commit(struct world *w, struct ledger_pg *l, const struct changeset *cs, struct err *err);

/* Everything a load gave. */
struct sink {
	struct world *w;
	bool done;
	struct err err;
	struct ledger_loaded loaded;
	void **rows[TABLE_COUNT];
	size_t n[TABLE_COUNT], size[TABLE_COUNT];
};
void load_begin(struct world *w, struct ledger_pg *l, struct sink *s);
void do_load(struct world *w, struct ledger_pg *l, struct sink *s); /* must succeed */
int do_recover(struct world *w, struct ledger_pg *l, struct ledger_loaded *ret, struct err *err);

/* A random row of a table, with key k: texts null, empty, quoted, long and of every script; what the schema demands is met. Refers to
 * objects with keys 1…k. */
void *row_random(struct world *w, enum table t, int64_t k);
/* Rows 1…n of every table (events from first_event on), under that epoch. */
struct changeset *changeset_random(struct world *w, int64_t epoch, int64_t commit_no, int n, int64_t first_event);
struct changeset *changeset_of(int64_t epoch, int64_t commit_no, int64_t last_event);

#endif
