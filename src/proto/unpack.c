/* protobuf-c asks its allocator for everything and copes with a refusal, so the bound is an allocator that stops giving. */
#include "proto/unpack.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "berth/v1/types.pb-c.h"
#include "proto/json.h"

#define MAX_DEPTH 32

/* ---- bounded --------------------------------------------------------------------------------------------------------------------- */

struct bound {
	struct arena *arena;
	size_t left;
	bool refused;
};

/* What the arena spends at least: many small pieces are what makes a message grow. */
#define PIECE ((size_t)16)

static void *bound_alloc(void *data, size_t n) {
	struct bound *b = data;
	size_t cost = n / PIECE * PIECE + PIECE;
	if (cost > b->left) {
		b->refused = true;
		return NULL;
	}
	b->left -= cost;
	return arena_alloc(b->arena, n);
}

static void bound_free(void *data, void *p) {
	(void)data;
	(void)p;
}

/* ---- checked --------------------------------------------------------------------------------------------------------------------- */

struct check {
	enum unpack_mode mode;
	struct arena *arena;
	struct err *err;
};

/* Where we are, innermost first; becomes a JSON pointer only when there is something to say. An entry of a map is shown as its key, as it
 * stands in JSON. */
struct place {
	const struct place *up;
	const char *field;
	size_t index;
	bool repeated;
	const Berth__V1__Entry *entry;
};

static void place_print(const struct place *at, struct check *k, struct buf *out) {
	if (at == NULL)
		return;
	place_print(at->up, k, out);
	if (at->up != NULL && at->up->entry != NULL)
		return;
	buf_printf(out, "/%s", json_name(at->field, k->arena));
	if (at->entry != NULL)
		buf_printf(out, "/%.64s", at->entry->key);
	else if (at->repeated)
		buf_printf(out, "/%zu", at->index);
}

static int bad(struct check *k, const struct place *at, const char *what) {
	BUF_AUTO where = BUF_INIT;
	place_print(at, k, &where);
	return err_field(k->err, E_INVALID, buf_str(&where), "%.128s: %s", buf_str(&where), what);
}

static int check_message(struct check *k, ProtobufCMessage *m, const struct place *up, int depth);

static size_t member_size(const ProtobufCFieldDescriptor *f) {
	return f->type == PROTOBUF_C_TYPE_ENUM ? sizeof(int) : sizeof(void *);
}

static int check_value(struct check *k, const ProtobufCFieldDescriptor *f, void *member, const struct place *at, int depth) {
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		ProtobufCMessage *m = *(ProtobufCMessage **)member;
		return m != NULL ? check_message(k, m, at, depth + 1) : 0;
	}
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *s = *(char **)member;
		size_t n = s != NULL ? strlen(s) : 0;
		if (k->mode == UNPACK_STRICT && n > PB_MAX_TEXT)
			return bad(k, at, "longer than 65536 bytes");
		return n == 0 || utf8_valid(s, n) ? 0 : bad(k, at, "not UTF-8");
	}
	int *value = member;
	if (protobuf_c_enum_descriptor_get_value(f->descriptor, *value) != NULL)
		return 0;
	if (k->mode == UNPACK_STRICT)
		return bad(k, at, "unknown value");
	*value = 0;
	return 0;
}

static bool is_checked(const ProtobufCFieldDescriptor *f) {
	return f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_ENUM;
}

static const Berth__V1__Entry *named_entry(const Berth__V1__Entry *e) {
	bool named = e != NULL && e->key != NULL && e->key[0] != '\0' && utf8_valid(e->key, strlen(e->key));
	return named ? e : NULL;
}

static int check_field(struct check *k, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const struct place *up, int depth) {
	char *member = (char *)m + f->offset;
	struct place at = { up, f->name, 0, f->label == PROTOBUF_C_LABEL_REPEATED, NULL };
	if (!at.repeated) {
		const uint32_t *which = (const uint32_t *)(const void *)((char *)m + f->quantifier_offset);
		bool absent = (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && *which != f->id;
		return absent ? 0 : check_value(k, f, member, &at, depth);
	}
	size_t n = *(size_t *)(void *)((char *)m + f->quantifier_offset);
	char *items = *(char **)(void *)member;
	int r = 0;
	bool map = f->type == PROTOBUF_C_TYPE_MESSAGE && f->descriptor == &berth__v1__entry__descriptor;
	for (; r == 0 && at.index < n; at.index++) {
		at.entry = map ? named_entry(*(Berth__V1__Entry **)(void *)(items + at.index * sizeof(void *))) : NULL;
		r = check_value(k, f, items + at.index * member_size(f), &at, depth);
	}
	return r;
}

static int check_message(struct check *k, ProtobufCMessage *m, const struct place *up, int depth) {
	if (depth > MAX_DEPTH)
		return bad(k, up, "nested too deeply");
	int r = 0;
	/* protobuf-c 1.4.1 takes a number 0 when its tag is written in more bytes than it needs, and nobody takes the message packed again.
	 */
	for (unsigned i = 0; r == 0 && i < m->n_unknown_fields; i++)
		if (m->unknown_fields[i].tag == 0)
			r = bad(k, up, "a field with the number 0");
	for (unsigned i = 0; r == 0 && i < m->descriptor->n_fields; i++)
		if (is_checked(&m->descriptor->fields[i]))
			r = check_field(k, m, &m->descriptor->fields[i], up, depth);
	return r;
}

int pb_unpack(const ProtobufCMessageDescriptor *d, const void *p, size_t n, enum unpack_mode mode, size_t max_bytes, struct arena *a,
    ProtobufCMessage **ret, struct err *err) {
	struct bound bound = { a, max_bytes, false };
	ProtobufCAllocator alloc = { .alloc = bound_alloc, .free = bound_free, .allocator_data = &bound };
	ProtobufCMessage *m = protobuf_c_message_unpack(d, &alloc, n, p);
	if (m == NULL && bound.refused)
		return err_set(err, E_TOO_LARGE, "the message unpacks to more than %zu bytes", max_bytes);
	if (m == NULL)
		return err_set(err, E_MALFORMED, "not a %s message", d->name);
	int r = check_message(&(struct check){ mode, a, err }, m, NULL, 0);
	if (r == 0)
		*ret = m;
	return r;
}

int pb_check(ProtobufCMessage *m, struct arena *a, struct err *err) {
	return check_message(&(struct check){ UNPACK_STRICT, a, err }, m, NULL, 0);
}
