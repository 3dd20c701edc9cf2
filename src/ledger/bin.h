/* PostgreSQL's binary formats: parameters, arrays of a table's columns, rows of results. Pure. */
#ifndef BERTH_LEDGER_BIN_H
#define BERTH_LEDGER_BIN_H

#include <libpq-fe.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/row.h"

#define PARAMS_MAX 48 /* more than the widest table has columns; bin.c checks it at compile time */

/* Parameters of one statement, all binary. Values are copied into the arena or, where said, pointed at. */
struct params {
	struct arena *arena;
	int n;
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX], formats[PARAMS_MAX];
};

void params_init(struct params *p, struct arena *a);
void params_i64(struct params *p, int64_t v);
void params_text(struct params *p, const char *s);            /* NULL: null; pointed at */
void params_time(struct params *p, wall_t t);                 /* 0: null */
void params_bytes(struct params *p, const void *b, size_t n); /* pointed at */
/* One array per column, for the first n_cols columns of the table. */
void params_arrays(struct params *p, const struct table_def *t, int n_cols, void *const *rows, size_t n);

/* A row of a result whose columns are those of the table, in order. Texts go to the arena. E_INTERNAL when something does not fit: a word
 * that this release does not know, a column of another type. */
int row_decode(const struct table_def *t, const PGresult *res, int i, void *row, struct arena *a, struct err *err);

/* The same of what COPY sent in binary, in one message. *ret_there: false, and row untouched, for the end of the table. */
int row_decode_copied(const struct table_def *t, const void *p, size_t n, void *row, struct arena *a, bool *ret_there, struct err *err);

int64_t result_i64(const PGresult *res, int row, int col);      /* 0 for null */
bool result_flag(const PGresult *res, int row, int col);        /* false for null */
wall_t result_time(const PGresult *res, int row, int col);      /* 0 for null */
const char *result_text(const PGresult *res, int row, int col); /* "" for null */

#endif
