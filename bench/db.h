/* The floors' side of PostgreSQL: one blocking connection, and rows of Berth's tables that are written again as they are.
 *
 * A floor writes what Berth wrote: its rows are read from the database of a cell that did the work, before the clock starts, and go with
 * Berth's own statements (src/ledger/sql/upsert_TABLE.sql), as arrays, into a copy of that database where they are not yet. Whatever fails
 * ends the program: a floor that did less than its work would be worth nothing. */
#ifndef BENCH_DB_H
#define BENCH_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

static inline int64_t now_us(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

_Noreturn void die(const char *what, const char *why);

PGconn *db_open(const char *conninfo);
PGresult *db_query(PGconn *db, const char *sql); /* binary rows; PQclear it */
char *db_statement(const char *name);            /* the text of src/ledger/sql/NAME.sql; free it */

#define ROWS_COLUMNS 40
struct rows {
	const char *table;
	PGresult *res; /* binary */
	int n;
	uint32_t element[ROWS_COLUMNS]; /* type of each column, as the arrays say it */
};
/* Reads `select * from TABLE WHERE… order by …`. */
void rows_load(PGconn *from, struct rows *r, const char *table, const char *tail);
/* Makes the table's statement known to the connection that writes. */
void rows_prepare(PGconn *to, const struct rows *r);
/* Sends rows first … first + n - 1 as one statement of the pipeline; a position beyond the end wraps around. */
void rows_send(PGconn *to, const struct rows *r, int first, int n);
/* Ends the pipeline: all that was sent is one transaction. Returns when it is durable. */
void db_commit(PGconn *to);
/* The same in two halves: sent, and looked at; false while the answer is not complete. */
void db_commit_begin(PGconn *to);
bool db_commit_done(PGconn *to);

#endif
