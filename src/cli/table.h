/* Columns of text, straight by display width. Used by output.c, doctor and the live view; knows nothing of JSON. */
#ifndef BERTH_CLI_TABLE_H
#define BERTH_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "cli/text.h"

struct table;

struct table *table_new(size_t n_columns);
void table_free(struct table *t);
void table_head(struct table *t, size_t column, const char *text, bool right); /* right: numbers */
/* Next cell, row by row; copied; NULL is empty. Columns whose cells are all empty are left out when printed. */
void table_cell(struct table *t, const char *text, enum style style);
size_t table_rows(const struct table *t);
/* heads false: only the rows. max_columns: terminal width, then the last column is cut to fit; 0 = never. */
void table_print(const struct table *t, bool heads, bool color, size_t max_columns, bool utf8, struct buf *out);

static inline void table_freep(struct table **t) {
	table_free(*t);
}
#define TABLE_AUTO __attribute__((cleanup(table_freep))) struct table *

#endif
