/* Encoding follows array_recv, int8recv, timestamptz_recv and their kin: big-endian, lengths before values, -1 for null. */
#include "ledger/bin.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <string.h>

#define PG_EPOCH_US (INT64_C(946684800) * US_PER_S) /* timestamptz counts from 2000-01-01 */

#define COUNT(type, name, extra) +1
#define T(tab, keys) _Static_assert(0 COLS_##tab(COUNT) <= PARAMS_MAX, #tab " has more columns than a statement may have parameters");
TABLES(T)
#undef T

/* Element types of the arrays, and of the rows we read. */
static const uint32_t type_oids[] = {
	[COL_i64] = 20,
	[COL_ref] = 20,
	[COL_text] = 25,
	[COL_json] = 114,
	[COL_flag] = 16,
	[COL_time] = 1184,
	[COL_blob] = 17,
	[COL_word] = 25,
};

struct field {
	const void *p;
	size_t n;
	int64_t be;
	bool null;
	uint8_t flag;
};

static void put32(uint8_t **at, uint32_t v) {
	uint32_t be = htonl(v);
	memcpy(*at, &be, sizeof be);
	*at += sizeof be;
}

static int64_t be64(int64_t v) {
	return (int64_t)htobe64((uint64_t)v);
}

static int64_t time_be(wall_t t) {
	return be64(t.us - PG_EPOCH_US);
}

static void field_i64(struct field *f, const void *at, bool zero_is_null) {
	int64_t v;
	memcpy(&v, at, sizeof v);
	f->null = zero_is_null && v == 0;
	f->be = be64(v);
	f->p = &f->be;
	f->n = sizeof f->be;
}

static void field_text(struct field *f, const char *s) {
	f->null = s == NULL;
	f->p = s;
	f->n = s == NULL ? 0 : strlen(s);
}

/* The wire form of one column of a row. f is filled in place: it may point into itself. */
static void field_of(struct field *f, const struct col *c, const void *row) {
	const char *at = (const char *)row + c->offset;
	f->null = false;
	switch (c->type) {
	case COL_i64:
		field_i64(f, at, false);
		break;
	case COL_ref:
		field_i64(f, at, true);
		break;
	case COL_text:
	case COL_json: {
		const char *s;
		memcpy(&s, at, sizeof s);
		field_text(f, s);
		break;
	}
	case COL_word: {
		int v;
		memcpy(&v, at, sizeof v);
		field_text(f, word_text(c->words, v));
		break;
	}
	case COL_flag: {
		bool b;
		memcpy(&b, at, sizeof b);
		f->flag = b;
		f->p = &f->flag;
		f->n = 1;
		break;
	}
	case COL_time: {
		wall_t t;
		memcpy(&t, at, sizeof t);
		f->null = t.us == 0;
		f->be = time_be(t);
		f->p = &f->be;
		f->n = sizeof f->be;
		break;
	}
	case COL_blob:
		f->p = at;
		f->n = c->size;
		break;
	}
}

#define ARRAY_HEAD 20 /* dimensions, has nulls, element type, length, lower bound */

static void array_add(struct params *p, const struct col *c, void *const *rows, size_t n) {
	size_t size = ARRAY_HEAD;
	bool nulls = false;
	struct field f;
	for (size_t i = 0; i < n; i++) {
		field_of(&f, c, rows[i]);
		size += 4 + (f.null ? 0 : f.n);
		nulls |= f.null;
	}
	assert(size <= INT32_MAX && n <= INT32_MAX);
	uint8_t *data = arena_alloc(p->arena, size), *at = data;
	put32(&at, 1);
	put32(&at, nulls);
	put32(&at, type_oids[c->type]);
	put32(&at, (uint32_t)n);
	put32(&at, 1);
	for (size_t i = 0; i < n; i++) {
		field_of(&f, c, rows[i]);
		put32(&at, f.null ? UINT32_MAX : (uint32_t)f.n);
		if (f.null || f.n == 0)
			continue;
		memcpy(at, f.p, f.n);
		at += f.n;
	}
	params_bytes(p, data, size);
}

void params_init(struct params *p, struct arena *a) {
	p->arena = a;
	p->n = 0;
}

void params_bytes(struct params *p, const void *b, size_t n) {
	assert(p->n < PARAMS_MAX && n <= INT32_MAX);
	p->values[p->n] = b;
	p->lengths[p->n] = (int)n;
	p->formats[p->n] = 1;
	p->n++;
}

void params_i64(struct params *p, int64_t v) {
	int64_t be = be64(v);
	params_bytes(p, arena_memdup(p->arena, &be, sizeof be), sizeof be);
}

void params_text(struct params *p, const char *s) {
	params_bytes(p, s, s == NULL ? 0 : strlen(s));
}

void params_time(struct params *p, wall_t t) {
	if (t.us == 0) {
		params_bytes(p, NULL, 0);
		return;
	}
	int64_t be = time_be(t);
	params_bytes(p, arena_memdup(p->arena, &be, sizeof be), sizeof be);
}

void params_arrays(struct params *p, const struct table_def *t, int n_cols, void *const *rows, size_t n) {
	for (int i = 0; i < n_cols; i++)
		array_add(p, &t->cols[i], rows, n);
}

static int64_t get64(const char *p) {
	int64_t v;
	memcpy(&v, p, sizeof v);
	return (int64_t)be64toh((uint64_t)v);
}

static int wrong_type(const struct table_def *t, const struct col *c, struct err *err) {
	return err_set(
	    err, E_INTERNAL, "column %s.%s is not of the type this release writes; was the schema changed by hand?", t->name, c->name);
}

static int decode_word(const struct table_def *t, const struct col *c, const char *p, size_t n, char *to, struct err *err) {
	char text[64]; /* longer than any word */
	size_t kept = n < sizeof text ? n : sizeof text - 1;
	memcpy(text, p, kept);
	text[kept] = '\0';
	int v;
	if (!word_value(c->words, text, &v))
		return err_set(
		    err, E_INTERNAL, "%s.%s holds '%s', which this release does not know; start the newer release", t->name, c->name, text);
	memcpy(to, &v, sizeof v);
	return 0;
}

static int decode_field(
    const struct table_def *t, const struct col *c, const char *p, size_t n, char *to, struct arena *a, struct err *err) {
	switch (c->type) {
	case COL_i64:
	case COL_ref: {
		int64_t v = get64(p);
		memcpy(to, &v, sizeof v);
		return 0;
	}
	case COL_text:
	case COL_json: {
		char *s = arena_strndup(a, p, n);
		memcpy(to, &s, sizeof s);
		return 0;
	}
	case COL_word:
		return decode_word(t, c, p, n, to, err);
	case COL_flag: {
		bool b = *p != 0;
		memcpy(to, &b, sizeof b);
		return 0;
	}
	case COL_time: {
		wall_t w = { get64(p) + PG_EPOCH_US };
		memcpy(to, &w, sizeof w);
		return 0;
	}
	case COL_blob:
		if (n != c->size)
			return err_set(err, E_INTERNAL, "%s.%s holds %zu bytes, not %zu", t->name, c->name, n, c->size);
		memcpy(to, p, n);
		return 0;
	}
	return 0;
}

int row_decode(const struct table_def *t, const PGresult *res, int i, void *row, struct arena *a, struct err *err) {
	if (PQnfields(res) != t->n_cols)
		return err_set(err, E_INTERNAL, "%s: %d columns instead of %d", t->name, PQnfields(res), t->n_cols);
	memset(row, 0, t->row_size);
	for (int k = 0; k < t->n_cols; k++) {
		const struct col *c = &t->cols[k];
		if (PQftype(res, k) != type_oids[c->type])
			return wrong_type(t, c, err);
		if (PQgetisnull(res, i, k))
			continue;
		int r = decode_field(t, c, PQgetvalue(res, i, k), (size_t)PQgetlength(res, i, k), (char *)row + c->offset, a, err);
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- COPY ------------------------------------------------------------------------------------------------------------------------- */

struct bytes {
	const char *at;
	size_t left;
};

static bool take(struct bytes *b, size_t n, const char **ret) {
	if (n > b->left)
		return false;
	*ret = b->at;
	b->at += n;
	b->left -= n;
	return true;
}

static bool take_int(struct bytes *b, size_t size, int32_t *ret) {
	const char *p;
	uint32_t v = 0;
	if (!take(b, size, &p))
		return false;
	for (size_t i = 0; i < size; i++)
		v = v << 8 | (uint8_t)p[i];
	*ret = size == 2 ? (int16_t)v : (int32_t)v;
	return true;
}

/* The first row has the head of the stream before it: a signature, flags, and the length of what may follow them. */
static bool skip_head(struct bytes *b) {
	static const char signature[] = "PGCOPY\n\377\r\n"; /* and its NUL */
	const char *p;
	int32_t flags, n;
	if (b->left < sizeof signature || memcmp(b->at, signature, sizeof signature) != 0)
		return true;
	return take(b, sizeof signature, &p) && take_int(b, 4, &flags) && take_int(b, 4, &n) && n >= 0 && take(b, (size_t)n, &p);
}

static bool fits(const struct col *c, size_t n) {
	return c->type == COL_text || c->type == COL_json || c->type == COL_word || n == c->size;
}

static int cut_short(const struct table_def *t, struct err *err) {
	return err_set(err, E_INTERNAL, "%s: a row ends before its columns do", t->name);
}

static int copied_field(const struct table_def *t, const struct col *c, struct bytes *b, void *row, struct arena *a, struct err *err) {
	int32_t n;
	const char *p;
	if (!take_int(b, 4, &n))
		return cut_short(t, err);
	if (n == -1)
		return 0;
	if (n < 0 || !take(b, (size_t)n, &p))
		return cut_short(t, err);
	return fits(c, (size_t)n) ? decode_field(t, c, p, (size_t)n, (char *)row + c->offset, a, err) : wrong_type(t, c, err);
}

int row_decode_copied(const struct table_def *t, const void *p, size_t n, void *row, struct arena *a, bool *ret_there, struct err *err) {
	struct bytes b = { p, n };
	int32_t columns;
	if (!skip_head(&b))
		return cut_short(t, err);
	*ret_there = b.left > 0 && take_int(&b, 2, &columns) && columns != -1;
	if (!*ret_there)
		return 0;
	if (columns != t->n_cols)
		return err_set(err, E_INTERNAL, "%s: %d columns instead of %d", t->name, columns, t->n_cols);
	memset(row, 0, t->row_size);
	for (int k = 0; k < t->n_cols; k++) {
		int r = copied_field(t, &t->cols[k], &b, row, a, err);
		if (r != 0)
			return r;
	}
	return 0;
}

int64_t result_i64(const PGresult *res, int row, int col) {
	return PQgetisnull(res, row, col) || PQgetlength(res, row, col) != 8 ? 0 : get64(PQgetvalue(res, row, col));
}

bool result_flag(const PGresult *res, int row, int col) {
	return !PQgetisnull(res, row, col) && *PQgetvalue(res, row, col) != 0;
}

wall_t result_time(const PGresult *res, int row, int col) {
	if (PQgetisnull(res, row, col) || PQgetlength(res, row, col) != 8)
		return (wall_t){ 0 };
	return (wall_t){ get64(PQgetvalue(res, row, col)) + PG_EPOCH_US };
}

const char *result_text(const PGresult *res, int row, int col) {
	return PQgetvalue(res, row, col);
}
