/* Table descriptions built from tables.def, and the operations that treat every row alike. */
#include "model/row.h"

#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_0 WORD_NO_SET
#define COL_EXTRA_i64(x) .size = sizeof(int64_t)
#define COL_EXTRA_ref(x) .size = sizeof(int64_t)
#define COL_EXTRA_text(x) .size = sizeof(char *)
#define COL_EXTRA_json(x) .size = sizeof(char *)
#define COL_EXTRA_flag(x) .size = sizeof(bool)
#define COL_EXTRA_time(x) .size = sizeof(wall_t)
#define COL_EXTRA_blob(x) .size = (x)
#define COL_EXTRA_word(x) .size = sizeof(int), .words = WORD_##x

#define T(tab, nkeys) static const struct col cols_##tab[] = { COLS_##tab(CDEF_##tab) };
#define CDEF(tab, t, n, x) { .type = COL_##t, .name = #n, .offset = offsetof(struct row_##tab, n), COL_EXTRA_##t(x) },
#define CDEF_cell(t, n, x) CDEF(cell, t, n, x)
#define CDEF_counter(t, n, x) CDEF(counter, t, n, x)
#define CDEF_tenant(t, n, x) CDEF(tenant, t, n, x)
#define CDEF_token(t, n, x) CDEF(token, t, n, x)
#define CDEF_webhook(t, n, x) CDEF(webhook, t, n, x)
#define CDEF_artifact(t, n, x) CDEF(artifact, t, n, x)
#define CDEF_module(t, n, x) CDEF(module, t, n, x)
#define CDEF_version(t, n, x) CDEF(version, t, n, x)
#define CDEF_base_group(t, n, x) CDEF(base_group, t, n, x)
#define CDEF_base(t, n, x) CDEF(base, t, n, x)
#define CDEF_deployment(t, n, x) CDEF(deployment, t, n, x)
#define CDEF_revision(t, n, x) CDEF(revision, t, n, x)
#define CDEF_plan(t, n, x) CDEF(plan, t, n, x)
#define CDEF_plan_change(t, n, x) CDEF(plan_change, t, n, x)
#define CDEF_batch(t, n, x) CDEF(batch, t, n, x)
#define CDEF_instance(t, n, x) CDEF(instance, t, n, x)
#define CDEF_task(t, n, x) CDEF(task, t, n, x)
#define CDEF_finding(t, n, x) CDEF(finding, t, n, x)
#define CDEF_idempotency(t, n, x) CDEF(idempotency, t, n, x)
#define CDEF_event(t, n, x) CDEF(event, t, n, x)
#define CDEF_base_history(t, n, x) CDEF(base_history, t, n, x)
#define CDEF_task_sum(t, n, x) CDEF(task_sum, t, n, x)
TABLES(T)
T(task_sum, 0)
#undef T

#define DEF(tab, nkeys, number)                                                                              \
	{                                                                                                    \
		.id = number, .name = #tab, .keys = nkeys, .n_cols = sizeof cols_##tab / sizeof *cols_##tab, \
		.row_size = sizeof(struct row_##tab), .cols = cols_##tab                                     \
	}
#define T(tab, nkeys) DEF(tab, nkeys, TABLE_##tab),
const struct table_def table_defs[TABLE_COUNT] = { TABLES(T) };
#undef T
const struct table_def task_sum_def = DEF(task_sum, 0, TABLE_COUNT);

const struct table_def *table_find(const char *name) {
	for (int i = 0; i < TABLE_COUNT; i++)
		if (strcmp(table_defs[i].name, name) == 0)
			return &table_defs[i];
	return NULL;
}

static bool is_text(const struct col *c) {
	return c->type == COL_text || c->type == COL_json;
}

static char **text_field(void *row, const struct col *c) {
	return (char **)(void *)((char *)row + c->offset);
}

void *row_copy(const struct table_def *t, const void *row, struct arena *a) {
	void *copy = arena_memdup(a, row, t->row_size);
	for (int i = 0; i < t->n_cols; i++) {
		if (!is_text(&t->cols[i]))
			continue;
		char **f = text_field(copy, &t->cols[i]);
		*f = arena_strdup(a, *f);
	}
	return copy;
}

void row_own(const struct table_def *t, void *row) {
	for (int i = 0; i < t->n_cols; i++) {
		if (!is_text(&t->cols[i]))
			continue;
		char **f = text_field(row, &t->cols[i]);
		if (*f != NULL && (*f = strdup(*f)) == NULL)
			abort();
	}
}

void row_clear(const struct table_def *t, void *row) {
	for (int i = 0; i < t->n_cols; i++)
		if (is_text(&t->cols[i]))
			free(*text_field(row, &t->cols[i]));
	memset(row, 0, t->row_size);
}

static int text_cmp(const char *a, const char *b) {
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b);
}

static int field_cmp(const struct col *c, const void *a, const void *b) {
	const char *pa = (const char *)a + c->offset, *pb = (const char *)b + c->offset;
	if (is_text(c))
		return text_cmp(*(char *const *)(const void *)pa, *(char *const *)(const void *)pb);
	if (c->type == COL_i64 || c->type == COL_ref) {
		int64_t x, y;
		memcpy(&x, pa, sizeof x);
		memcpy(&y, pb, sizeof y);
		return (x > y) - (x < y);
	}
	return memcmp(pa, pb, c->size);
}

int row_key_cmp(const struct table_def *t, const void *a, const void *b) {
	for (int i = 0; i < t->keys; i++) {
		int d = field_cmp(&t->cols[i], a, b);
		if (d != 0)
			return d;
	}
	return 0;
}

bool row_equal(const struct table_def *t, const void *a, const void *b) {
	for (int i = 0; i < t->n_cols; i++)
		if (field_cmp(&t->cols[i], a, b) != 0)
			return false;
	return true;
}

bool text_set(char **field, const char *value) {
	if (text_cmp(*field, value) == 0 && (*field == NULL) == (value == NULL))
		return false;
	char *copy = value == NULL ? NULL : strdup(value);
	if (value != NULL && copy == NULL)
		abort();
	free(*field);
	*field = copy;
	return true;
}
