/* Data on standard output. What a server says is cleaned before it reaches a terminal (table.c, text.c). */
#include "cli/output.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/field.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/yaml.h"

#define LABEL_COLUMNS 20

/* field_get() with array indexes: "changes.0.deployment". */
static const json_t *dig(const json_t *o, const char *path, size_t n) {
	while (o != NULL && n > 0) {
		const char *dot = memchr(path, '.', n);
		size_t len = dot != NULL ? (size_t)(dot - path) : n;
		o = json_is_array(o) ? json_array_get(o, (size_t)(path[0] - '0')) : json_object_getn(o, path, len);
		path += len + (dot != NULL);
		n -= len + (dot != NULL);
	}
	return json_is_null(o) ? NULL : o;
}

static void add_local_time(const char *text, struct buf *out) {
	wall_t t;
	struct tm tm;
	char s[32];
	if (!wall_parse(text, &t))
		return;
	time_t secs = t.us / US_PER_S;
	if (localtime_r(&secs, &tm) != NULL && strftime(s, sizeof s, "%Y-%m-%d %H:%M:%S", &tm) > 0)
		buf_add_str(out, s);
}

static void add_of(const struct column *col, const json_t *item, struct buf *out) {
	size_t n = strcspn(col->path, "/");
	const json_t *a = dig(item, col->path, n), *b = dig(item, col->path + n + 1, strlen(col->path) - n - 1);
	if (a == NULL && b == NULL)
		return;
	buf_printf(out, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT, json_integer_value(a), json_integer_value(b));
}

static void add_first(const struct column *col, const json_t *item, struct buf *out) {
	for (const char *p = col->path; *p != '\0';) {
		size_t n = strcspn(p, "|");
		size_t before = out->len;
		field_add_text(dig(item, p, n), out);
		if (out->len > before)
			return;
		p += n + (p[n] == '|');
	}
}

void output_cell(const struct column *col, const json_t *item, int64_t now_us, struct buf *out) {
	const json_t *v = dig(item, col->path, strlen(col->path));
	wall_t t;
	int64_t us;
	char text[32];
	switch (col->kind) {
	case CELL_OF:
		add_of(col, item, out);
		break;
	case CELL_FIRST:
		add_first(col, item, out);
		break;
	case CELL_MARK:
		buf_add_str(out, json_is_true(v) ? "yes" : "");
		break;
	case CELL_AGE:
		if (json_is_string(v) && wall_parse(json_string_value(v), &t))
			buf_add_str(out, text_age(now_us - t.us, text));
		break;
	case CELL_TIME:
		if (json_is_string(v))
			add_local_time(json_string_value(v), out);
		break;
	case CELL_SPAN:
		if (json_is_string(v) && duration_parse(json_string_value(v), &us))
			buf_add_str(out, text_span(us, text));
		break;
	case CELL_BYTES:
		if (json_is_integer(v))
			buf_add_str(out, text_bytes(json_integer_value(v), text));
		break;
	default:
		field_add_text(v, out);
	}
}

bool output_is_document(const struct cli *c) {
	return c->format == FORMAT_JSON || c->format == FORMAT_YAML;
}

void output_document(const struct cli *c, const json_t *doc) {
	if (c->format == FORMAT_YAML) {
		BUF_AUTO out = BUF_INIT;
		yaml_print(doc, &out);
		fputs(buf_str(&out), stdout);
		return;
	}
	json_dumpf(doc, stdout, JSON_INDENT(2));
	fputc('\n', stdout);
}

static void print_names(const struct view *v, const json_t *items) {
	for (size_t i = 0; i < json_array_size(items); i++) {
		BUF_AUTO name = BUF_INIT;
		field_add_text(field_get(json_array_get(items, i), v->name), &name);
		printf("%s\n", buf_str(&name));
	}
}

static bool shown(const struct cli *c, const struct column *col) {
	return !col->wide || c->format == FORMAT_WIDE;
}

static void fill_table(const struct cli *c, const struct view *v, const json_t *items, struct table *t) {
	int64_t now = clock_wall(&clock_real).us;
	size_t at = 0;
	for (size_t k = 0; k < v->n; k++)
		if (shown(c, &v->columns[k]))
			table_head(t, at++, v->columns[k].head, v->columns[k].kind == CELL_NUMBER || v->columns[k].kind == CELL_BYTES);
	for (size_t i = 0; i < json_array_size(items); i++) {
		for (size_t k = 0; k < v->n; k++) {
			if (!shown(c, &v->columns[k]))
				continue;
			BUF_AUTO cell = BUF_INIT;
			output_cell(&v->columns[k], json_array_get(items, i), now, &cell);
			table_cell(t, buf_str(&cell), v->columns[k].kind == CELL_STATE ? text_state_style(buf_str(&cell)) : STYLE_NONE);
		}
	}
}

static void print_table(const struct cli *c, const struct view *v, const json_t *items) {
	size_t n = 0;
	for (size_t k = 0; k < v->n; k++)
		n += shown(c, &v->columns[k]);
	TABLE_AUTO t = table_new(n);
	BUF_AUTO out = BUF_INIT;
	fill_table(c, v, items, t);
	table_print(t, true, c->color, isatty(STDOUT_FILENO) ? (size_t)c->columns : 0, c->utf8, &out);
	fputs(buf_str(&out), stdout);
}

void output_list(const struct cli *c, const struct view *v, const json_t *items) {
	if (output_is_document(c)) {
		JSON_AUTO doc = json_object();
		json_object_set_new(doc, v->key, json_deep_copy(items));
		output_document(c, doc);
	} else if (c->format == FORMAT_NAME) {
		print_names(v, items);
	} else if (json_array_size(items) == 0) {
		cli_say(c, "%s", v->none);
	} else {
		print_table(c, v, items);
	}
}

void output_part(const struct cli *c, const char *heading, const struct view *v, const json_t *items) {
	if (c->format != FORMAT_TABLE && c->format != FORMAT_WIDE)
		return;
	if (json_array_size(items) == 0)
		return;
	printf(
	    "\n%s%s%s\n", text_style_on(c->color ? STYLE_BOLD : STYLE_NONE), heading, text_style_off(c->color ? STYLE_BOLD : STYLE_NONE));
	print_table(c, v, items);
}

/* "installLimit" → "install limit" */
static void add_label(const char *key, struct buf *out) {
	for (; *key != '\0'; key++) {
		if (isupper((unsigned char)*key))
			buf_add_char(out, ' ');
		buf_add_char(out, (char)tolower((unsigned char)*key));
	}
}

static bool is_scalar_list(const json_t *v) {
	for (size_t i = 0; i < json_array_size(v); i++)
		if (json_is_object(json_array_get(v, i)))
			return false;
	return true;
}

static void add_value(const struct cli *c, const char *key, const json_t *v, struct buf *out) {
	size_t n = strlen(key);
	char text[32];
	wall_t t;
	bool is_time = n >= 4 && (strcmp(key + n - 4, "Time") == 0 || strcmp(key, "since") == 0);
	bool is_bytes = strcmp(key, "size") == 0 || (n > 5 && strcmp(key + n - 5, "Bytes") == 0);
	BUF_AUTO value = BUF_INIT;
	if (is_time && json_is_string(v) && wall_parse(json_string_value(v), &t)) {
		int64_t age = clock_wall(&clock_real).us - t.us;
		add_local_time(json_string_value(v), &value);
		buf_printf(&value, " (%s%s)", text_age(age < 0 ? -age : age, text), age < 0 ? " from now" : " ago");
	} else if (is_bytes && json_is_integer(v)) {
		buf_add_str(&value, text_bytes(json_integer_value(v), text));
	} else {
		field_add_text(v, &value);
	}
	enum style style = c->color && strcmp(key, "state") == 0 ? text_state_style(buf_str(&value)) : STYLE_NONE;
	buf_add_str(out, text_style_on(style));
	text_add_clean(out, buf_str(&value), false);
	buf_add_str(out, text_style_off(style));
}

static void add_line(const struct cli *c, size_t indent, const char *key, const json_t *v, struct buf *out);

/* A strategy's fields or a list of waits, below their label. */
static void add_nested(const struct cli *c, size_t indent, const json_t *v, struct buf *out) {
	for (size_t i = 0; i < json_array_size(v); i++) {
		BUF_AUTO one = BUF_INIT;
		const json_t *item = json_array_get(v, i);
		const char *text = field_str(item, "text"), *command = field_str(item, "command");
		buf_printf(out, "%*s- ", (int)indent, "");
		if (*text != '\0')
			buf_printf(&one, "%s%s%s", text, *command != '\0' ? "; next: " : "", command);
		else
			field_add_text(item, &one);
		text_add_clean(out, buf_str(&one), false);
		buf_add_char(out, '\n');
	}
	union {
		const json_t *in;
		json_t *out;
	} u = { .in = v }; /* jansson's iterator wants it mutable */
	for (void *it = json_object_iter(u.out); it != NULL; it = json_object_iter_next(u.out, it))
		add_line(c, indent, json_object_iter_key(it), json_object_iter_value(it), out);
}

static void add_line(const struct cli *c, size_t indent, const char *key, const json_t *v, struct buf *out) {
	BUF_AUTO label = BUF_INIT;
	bool plain_map = strcmp(key, "labels") == 0 || strcmp(key, "env") == 0;
	bool empty = (json_is_object(v) && json_object_size(v) == 0) || (json_is_array(v) && json_array_size(v) == 0);
	if (strcmp(key, "etag") == 0 || json_is_null(v) || empty)
		return;
	add_label(key, &label);
	buf_add_char(&label, ':');
	bool nested = (json_is_object(v) && !plain_map) || (json_is_array(v) && !is_scalar_list(v));
	buf_printf(out, "%*s%-*s ", (int)indent, "", nested ? 0 : (int)(LABEL_COLUMNS - indent), buf_str(&label));
	if (nested) {
		buf_add_char(out, '\n');
		add_nested(c, indent + 2, v, out);
		return;
	}
	add_value(c, key, v, out);
	buf_add_char(out, '\n');
}

void output_one(const struct cli *c, const struct view *v, const json_t *item) {
	if (output_is_document(c)) {
		output_document(c, item);
		return;
	}
	BUF_AUTO out = BUF_INIT;
	if (c->format == FORMAT_NAME) {
		field_add_text(field_get(item, v->name), &out);
		buf_add_char(&out, '\n');
	} else {
		add_nested(c, 0, item, &out);
	}
	fputs(buf_str(&out), stdout);
}
