/* What the core needs of a ledger. Implemented by src/ledger (PostgreSQL) and by the simulation's fake.
 *
 * All calls return at once; every completion runs exactly once, on the loop's thread, never inside the call. err NULL = done.
 * Error classes:  E_DB_LOST     no answer: it may have happened (connection lost, deadline)
 *                 E_UNAVAILABLE could not even be tried (no connection); nothing happened
 *                 E_DB_REFUSED  a constraint said no, nothing happened; err->pointer = constraint name
 *                 E_FENCED      another epoch is in force, nothing happened
 * Retryable SQL states (40001, 40P01, 55P03, 57014) are retried inside with the same arrays and never seen here. */
#ifndef BERTH_CORE_LEDGER_H
#define BERTH_CORE_LEDGER_H

#include "base/err.h"
#include "model/changeset.h"

#include <stdbool.h>
#include <stdint.h>

struct ledger; /* first member of the implementation: const struct ledger_ops *ops */

typedef void (*ledger_done)(void *arg, const struct err *err);

/* ---- load -------------------------------------------------------------------------------------------------------------------- */
struct ledger_loaded {
	char cell[37]; /* cell id: uuid made by the first migration */
	int64_t epoch; /* the raised one: ours */
	int64_t commit_no, last_event;
	wall_t last_event_at;
};
typedef void (*ledger_loaded_fn)(void *arg, const struct ledger_loaded *res, const struct err *err);
/* Rows come in tables.def order (not event, not finished plans and what belongs to them unless a task of theirs is still open, not
 * idempotency keys older than a day); the row is only valid during the call. Non-zero aborts the load. */
typedef int (*ledger_row_fn)(void *arg, enum table t, void *row, struct err *err);

/* ---- reads of history ----------------------------------------------------------------------------------------------------------- */
enum ledger_query {
	QUERY_EVENTS,       /* row_event: number > after, ≤ before (0 = any), filters, ascending (or newest first), limit */
	QUERY_PLANS,        /* row_plan: id < before (0 = any), filters deployment, state; newest first */
	QUERY_PLAN,         /* row_plan: id = after */
	QUERY_PLAN_CHANGES, /* row_plan_change of plan `after` */
	QUERY_PLAN_BATCHES, /* row_batch of plan `after` */
	QUERY_PLAN_TASKS,   /* row_task of plan `after`, id > before, failed first when newest_first */
	QUERY_PLAN_SUMS,    /* row_task_sum of plan `after`: all tasks, then the bases, slowest first, at most limit of them */
	QUERY_TASK_TIMES,   /* row_task of module `after` that succeeded lately, newest first */
	QUERY_REVISIONS,    /* row_revision of deployment `after`, all kept in the ledger */
	LEDGER_QUERIES
};
struct ledger_read {
	enum ledger_query query;
	int64_t tenant_id, after, before, limit, plan_id;
	const char *actor, *module, *base, *deployment, *kind; /* NULL = any; strings are copied */
	const char *kinds;                                     /* JSON list of patterns, * stands for any text; NULL = any */
	int state;                                             /* plan state, 0 = any */
	wall_t since, until;                                   /* 0 = any */
	bool newest_first;
};
struct ledger_rows {
	const struct table_def *def; /* of what they are rows */
	void **rows;
	size_t n;
	struct arena *arena; /* taken by the receiver: arena_free */
};
typedef void (*ledger_rows_fn)(void *arg, struct ledger_rows *rows, const struct err *err);

/* ---- artifact bytes (a connection of their own; 1 MiB rows) ----------------------------------------------------------------------- */
struct ledger_upload;
typedef void (*ledger_bytes_fn)(void *arg, const void *p, size_t n, const struct err *err); /* n == 0: end */

/* ---- lease ------------------------------------------------------------------------------------------------------------------------- */
struct lease_view {
	int64_t counter;
	char holder[64], rest[128], rpc[128];
}; /* holder "" = released */
typedef void (*ledger_lease_fn)(void *arg, const struct lease_view *v, const struct err *err);

/* What upkeep may remove: all that was over before. */
struct ledger_retention {
	wall_t events, plans, idempotency, base_history;
};

struct ledger_ops {
	/* Fence check, upserts, deletes, events, in one pipeline with one sync. cs stays the caller's and unchanged until done. One at a
	 * time. */
	void (*commit)(struct ledger *l, const struct changeset *cs, ledger_done done, void *arg);
	/* Raises the epoch (terminating a blocked older holder after 500 ms), then reads everything in one snapshot. */
	void (*load)(struct ledger *l, ledger_row_fn row, ledger_loaded_fn done, void *arg);
	/* After E_DB_LOST: reconnect, raise the epoch, tell where the ledger stands. Keeps trying until it has an answer or the ledger
	 * closes. E_FENCED when another epoch than ours is in force by now: nothing was raised. */
	void (*recover)(struct ledger *l, ledger_loaded_fn done, void *arg);
	/* P13: the next load or recovery raises the epoch above this one, too. */
	void (*epoch_floor)(struct ledger *l, int64_t epoch);
	void (*read)(struct ledger *l, const struct ledger_read *spec, ledger_rows_fn done, void *arg);

	/* Bytes of an artifact by sha256. begin → add… → end (durable, digest and size checked by the caller before end). add's done says
	 * when the next piece may come. The upload is over with the answer to end, whatever that is, or with abort before it, which removes
	 * what was written. */
	struct ledger_upload *(*upload_begin)(struct ledger *l, const char *sha256);
	void (*upload_add)(struct ledger_upload *u, const void *p, size_t n, ledger_done done, void *arg);
	void (*upload_end)(struct ledger_upload *u, const char *sha256, ledger_done done, void *arg);
	void (*upload_abort)(struct ledger_upload *u);
	/* Pieces from offset on, each followed by the next only when more() was called; cancel by not calling it and upload_read_cancel. */
	void *(*bytes_read)(struct ledger *l, const char *sha256, int64_t offset, ledger_bytes_fn piece, void *arg);
	void (*bytes_more)(void *reading);
	void (*bytes_cancel)(void *reading);
	/* Removes bytes of artifacts that no row names, older than a day. */
	void (*bytes_collect)(struct ledger *l, ledger_done done, void *arg);

	/* The lease row has its own connection. take succeeds only while the counter is still `expected`; renew only while we hold it. */
	void (*lease_read)(struct ledger *l, ledger_lease_fn done, void *arg);
	void (*lease_take)(struct ledger *l, int64_t expected, const struct lease_view *me, ledger_lease_fn done, void *arg);
	void (*lease_renew)(struct ledger *l, const struct lease_view *me, ledger_lease_fn done, void *arg);
	void (*lease_release)(struct ledger *l, const struct lease_view *me, ledger_done done, void *arg);

	/* Upkeep: delete what retention says, in slices. */
	void (*prune)(struct ledger *l, const struct ledger_retention *before, ledger_done done, void *arg);
};

struct ledger {
	const struct ledger_ops *ops;
};

#endif
