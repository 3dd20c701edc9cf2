/* Rows: one struct per table of tables.def, and their description for code that treats all tables alike (ledger, fake ledger, dumps).
 * Text fields of a row belong to whoever made the row: objects of the fleet own theirs (malloc), rows of a changeset live in its arena. */
#ifndef BERTH_MODEL_ROW_H
#define BERTH_MODEL_ROW_H

#include "base/clock.h"
#include "model/tables.def"
#include "model/word.h"

#include <stddef.h>

struct arena;

enum table {
#define T(name, keys) TABLE_##name,
	TABLES(T)
#undef T
	    TABLE_COUNT
};

enum col_type { COL_i64, COL_ref, COL_text, COL_json, COL_flag, COL_time, COL_blob, COL_word };

struct col {
	enum col_type type;
	const char *name;
	size_t offset;       /* in the row struct */
	enum word_set words; /* COL_word */
	size_t size;         /* COL_blob: bytes */
};

struct table_def {
	enum table id;
	const char *name;
	int keys, n_cols;
	size_t row_size;
	const struct col *cols;
};

#define FIELD_i64(name, extra) int64_t name;
#define FIELD_ref(name, extra) int64_t name;
#define FIELD_text(name, extra) char *name;
#define FIELD_json(name, extra) char *name;
#define FIELD_flag(name, extra) bool name;
#define FIELD_time(name, extra) wall_t name;
#define FIELD_blob(name, extra) uint8_t name[extra];
#define FIELD_word(name, extra) int name;
#define FIELD(type, name, extra) FIELD_##type(name, extra)
#define T(name, keys)              \
	struct row_##name {        \
		COLS_##name(FIELD) \
	};
TABLES(T)
T(task_sum, 0)
#undef T

extern const struct table_def table_defs[TABLE_COUNT];
extern const struct table_def task_sum_def; /* its id is none of a table */

const struct table_def *table_find(const char *name);                        /* NULL when unknown */
void *row_copy(const struct table_def *t, const void *row, struct arena *a); /* deep */
void row_own(const struct table_def *t, void *row);                          /* replaces every text by a malloc'd copy */
void row_clear(const struct table_def *t, void *row);                        /* frees every text of an owning row and zeroes it */
int row_key_cmp(const struct table_def *t, const void *a, const void *b);    /* by primary key */
bool row_equal(const struct table_def *t, const void *a, const void *b);
/* Sets an owned text field: frees the old one, copies the new one (NULL clears). Returns true when it changed. */
bool text_set(char **field, const char *value);

#endif
