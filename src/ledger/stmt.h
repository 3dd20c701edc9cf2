/* The statements of sql/, one per file, embedded at build time and looked up by name once at start.
 *
 * For all code of this room that sends a statement. A file that is missing is an error at start, never in mid-commit. */
#ifndef BERTH_LEDGER_STMT_H
#define BERTH_LEDGER_STMT_H

#include "base/err.h"
#include "model/row.h"

/* Statements that do not come from tables.def; each is sql/NAME.sql. */
#define STATEMENTS(S)                                                                                                                      \
	S(session)                                                                                                                         \
	S(begin)                                                                                                                           \
	S(begin_snapshot)                                                                                                                  \
	S(load_limits) S(end) S(fence_check) S(fence_raise) S(fence_adopt) S(fence_unblock) S(cell_state) S(migration_ready)               \
	    S(migration_lock) S(migration_list) S(migration_note) S(lease_read) S(lease_take) S(lease_renew) S(lease_release) S(chunk_put) \
	        S(chunk_keep) S(chunk_drop) S(chunk_get) S(chunk_collect) S(query_events) S(query_events_newest) S(query_plans)            \
	            S(query_plan) S(query_plan_changes) S(query_plan_batches) S(query_plan_tasks) S(query_plan_tasks_failed_first)         \
	                S(query_plan_sums) S(query_revisions) S(query_task_times) S(prune_events) S(prune_plans) S(prune_tasks)            \
	                    S(prune_idempotency) S(prune_base_history) S(dash_role) S(dash_grant) S(dash_state) S(dash_guard)              \
	                        S(embedded_exists) S(embedded_create) S(embedded_secret) S(embedded_dash)

enum stmt {
#define S(name) STMT_##name,
	STATEMENTS(S)
#undef S
	    STMT_NAMED,
	STMT_UPSERT = STMT_NAMED,                /* + enum table: upsert_TABLE; insert_event for events */
	STMT_DELETE = STMT_UPSERT + TABLE_COUNT, /* + enum table: delete_TABLE; none for cell, event and base_history */
	STMT_LOAD = STMT_DELETE + TABLE_COUNT,   /* + enum table: load_TABLE; none for event and base_history */
	STMT_COUNT = STMT_LOAD + TABLE_COUNT,
};

struct stmt_def {
	char name[40];
	const char *text; /* without the head comment; NULL: this table has no such statement */
};

struct stmts {
	struct stmt_def def[STMT_COUNT];
};

int stmts_init(struct stmts *s, struct err *err);

/* Migrations, embedded the same way, in the order of their names. */
struct migration {
	int number;
	const char *name, *text;
	char sha256[65];
};
int migrations_load(struct migration **ret, size_t *ret_n, struct err *err); /* caller frees */

#endif
