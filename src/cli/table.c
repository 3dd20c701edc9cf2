/* Columns of text. Widths are taken once, when the table is printed. */
#include "cli/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

struct cell {
	char *text;
	enum style style;
};

struct table {
	size_t n_columns, n_cells, size;
	struct cell *heads, *cells;
	bool *right;
};

static void *need(void *p) {
	if (p == NULL)
		abort();
	return p;
}

struct table *table_new(size_t n_columns) {
	assert(n_columns > 0);
	struct table *t = need(calloc(1, sizeof *t));
	t->n_columns = n_columns;
	t->heads = need(calloc(n_columns, sizeof *t->heads));
	t->right = need(calloc(n_columns, sizeof *t->right));
	return t;
}

void table_free(struct table *t) {
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n_columns; i++)
		free(t->heads[i].text);
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->heads);
	free(t->cells);
	free(t->right);
	free(t);
}

void table_head(struct table *t, size_t column, const char *text, bool right) {
	assert(column < t->n_columns);
	free(t->heads[column].text);
	t->heads[column].text = need(strdup(text));
	t->right[column] = right;
}

void table_cell(struct table *t, const char *text, enum style style) {
	if (t->n_cells == t->size) {
		t->size = t->size == 0 ? 64 : 2 * t->size;
		t->cells = need(realloc(t->cells, t->size * sizeof *t->cells));
	}
	t->cells[t->n_cells++] = (struct cell){ need(strdup(text != NULL ? text : "")), style };
}

size_t table_rows(const struct table *t) {
	return t->n_cells / t->n_columns;
}

/* Width of each column; 0 for one without any text. */
static void measure(const struct table *t, bool heads, size_t *width) {
	memset(width, 0, t->n_columns * sizeof *width);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t w = text_width(t->cells[i].text), k = i % t->n_columns;
		if (w > width[k])
			width[k] = w;
	}
	for (size_t k = 0; heads && k < t->n_columns; k++) {
		size_t w = t->heads[k].text != NULL ? text_width(t->heads[k].text) : 0;
		if (width[k] > 0 && w > width[k])
			width[k] = w;
	}
}

static size_t last_column(const struct table *t, const size_t *width) {
	size_t last = 0;
	for (size_t k = 0; k < t->n_columns; k++)
		if (width[k] > 0)
			last = k;
	return last;
}

struct layout {
	size_t *width, last, room; /* room: columns of the last one, SIZE_MAX = any */
	bool color, utf8;
};

static void pad(struct buf *out, size_t n) {
	for (size_t i = 0; i < n; i++)
		buf_add_char(out, ' ');
}

static void print_row(const struct table *t, const struct cell *row, const struct layout *l, struct buf *out) {
	for (size_t k = 0; k < t->n_columns; k++) {
		if (l->width[k] == 0)
			continue;
		const char *text = row[k].text != NULL ? row[k].text : "";
		size_t w = text_width(text), fill = l->width[k] > w ? l->width[k] - w : 0;
		enum style style = l->color && *text != '\0' ? row[k].style : STYLE_NONE;
		if (t->right[k])
			pad(out, fill);
		buf_add_str(out, text_style_on(style));
		if (k == l->last && l->room != SIZE_MAX)
			text_add_cut(out, text, l->room, l->utf8);
		else
			text_add_clean(out, text, false);
		buf_add_str(out, text_style_off(style));
		if (k != l->last)
			pad(out, GAP + (t->right[k] ? 0 : fill));
	}
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	buf_add_char(out, '\n');
}

void table_print(const struct table *t, bool heads, bool color, size_t max_columns, bool utf8, struct buf *out) {
	if (table_rows(t) == 0)
		return;
	struct layout l = { .width = need(calloc(t->n_columns, sizeof(size_t))), .room = SIZE_MAX, .color = color, .utf8 = utf8 };
	measure(t, heads, l.width);
	l.last = last_column(t, l.width);
	size_t before = 0;
	for (size_t k = 0; k < l.last; k++)
		before += l.width[k] > 0 ? l.width[k] + GAP : 0;
	/* A tail of a few characters helps nobody: then the terminal may wrap. */
	if (max_columns > before + 12 && !t->right[l.last])
		l.room = max_columns - before;
	if (heads)
		print_row(t, t->heads, &l, out);
	for (size_t r = 0; r < table_rows(t); r++)
		print_row(t, &t->cells[r * t->n_columns], &l, out);
	free(l.width);
}
