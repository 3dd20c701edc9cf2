/* JSON into messages, over descriptors. Strict: what is not understood is refused with the place and the nearest known name, because a
 * field that is silently dropped is a deployment that silently does something else. null means "not given". */
#include "proto/json.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "berth/v1/types.pb-c.h"
#include "proto/json_int.h"

#define MAX_DEPTH 32
#define MAX_FIELDS 64 /* offered as "did you mean" */

struct parse {
	struct arena *arena;
	struct err *err;
};

static void *member(ProtobufCMessage *m, size_t offset) {
	return (char *)m + offset;
}

int json_mark(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct err *err) {
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		uint32_t *which = member(m, f->quantifier_offset);
		if (*which != 0 && *which != f->id)
			return err_set(err, E_INVALID, "excludes another field that is given too");
		*which = f->id;
		return 0;
	}
	bool pointer = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
	if (f->label == PROTOBUF_C_LABEL_OPTIONAL && !pointer)
		*(protobuf_c_boolean *)member(m, f->quantifier_offset) = 1;
	return 0;
}

/* Names of outsiders in messages: bounded, and never cut inside a character. */
static const char *shown(const struct parse *x, const char *key) {
	size_t n = strlen(key);
	if (n <= 64)
		return key;
	for (n = 64; n > 0 && ((unsigned char)key[n] & 0xc0) == 0x80; n--)
		continue;
	return arena_printf(x->arena, "%.*s…", (int)n, key);
}

/* Completes an error that a value's parser filled ("must be a whole number") with name and place. */
static int placed(const struct parse *x, const struct json_place *at, int code) {
	if (x->err == NULL)
		return code;
	json_pointer(at, x->err->pointer, sizeof x->err->pointer);
	const struct json_place *named = at;
	while (named != NULL && named->key == NULL)
		named = named->up;
	char text[sizeof x->err->text];
	memcpy(text, x->err->text, sizeof text);
	if (named != NULL)
		snprintf(x->err->text, sizeof x->err->text, "%s %.500s", shown(x, named->key), text);
	return code;
}

static int unknown_key(const struct parse *x, const ProtobufCMessageDescriptor *d, const struct json_place *at) {
	const char *names[MAX_FIELDS] = { 0 };
	size_t n = 0;
	for (unsigned i = 0; i < d->n_fields && n < MAX_FIELDS; i++)
		names[n++] = json_name(d->fields[i].name, x->arena);
	const char *near = name_nearest(at->key, names, n);
	char pointer[sizeof x->err->pointer];
	json_pointer(at, pointer, sizeof pointer);
	if (near != NULL)
		return err_field(x->err, E_INVALID, pointer, "unknown field \"%s\"; did you mean \"%s\"?", shown(x, at->key), near);
	BUF_AUTO all = BUF_INIT;
	for (size_t i = 0; i < n; i++)
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
	return err_field(
	    x->err, E_INVALID, pointer, "unknown field \"%s\"; there is: %.480s", shown(x, at->key), n > 0 ? buf_str(&all) : "none");
}

static int parse_object(const struct parse *x, const struct json_place *at, ProtobufCMessage *m, const json_t *o);

static int parse_sub(const struct parse *x, const struct json_place *at, const ProtobufCFieldDescriptor *f, void *dst, const json_t *v) {
	ProtobufCMessage *sub = pb_new(f->descriptor, x->arena);
	enum json_special s = json_special_of(f->descriptor);
	int rc;
	if (s == JSON_PLAIN || s == JSON_ENTRY) {
		if (!json_is_object(v))
			return placed(x, at, err_set(x->err, E_INVALID, "must be an object"));
		rc = parse_object(x, at, sub, v);
	} else {
		rc = json_special_parse(s, sub, v, x->err);
		if (rc != 0)
			placed(x, at, rc);
	}
	if (rc == 0)
		*(ProtobufCMessage **)dst = sub;
	return rc;
}

static int parse_value(const struct parse *x, const struct json_place *at, const ProtobufCFieldDescriptor *f, void *dst, const json_t *v) {
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return parse_sub(x, at, f, dst, v);
	int rc = json_scalar_parse(f, dst, v, x->arena, x->err);
	return rc == 0 ? 0 : placed(x, at, rc);
}

static int parse_entries(
    const struct parse *x, const struct json_place *at, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m, json_t *v) {
	if (!json_is_object(v))
		return placed(x, at, err_set(x->err, E_INVALID, "must be an object of strings"));
	size_t n = 0;
	Berth__V1__Entry **list = arena_alloc(x->arena, (json_object_size(v) + 1) * sizeof *list);
	const char *key;
	json_t *value;
	json_object_foreach(v, key, value) {
		struct json_place in = { .up = at, .key = key };
		if (!json_is_string(value))
			return placed(x, &in, err_set(x->err, E_INVALID, "must be a string"));
		Berth__V1__Entry *e = list[n++] = PB_NEW(Berth__V1__Entry, berth__v1__entry, x->arena);
		e->key = arena_strdup(x->arena, key);
		e->value = arena_strdup(x->arena, json_string_value(value));
	}
	*(size_t *)member(m, f->quantifier_offset) = n;
	*(void **)member(m, f->offset) = list;
	return 0;
}

static int parse_list(
    const struct parse *x, const struct json_place *at, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m, json_t *v) {
	if (f->type == PROTOBUF_C_TYPE_MESSAGE && json_special_of(f->descriptor) == JSON_ENTRY)
		return parse_entries(x, at, f, m, v);
	if (!json_is_array(v))
		return placed(x, at, err_set(x->err, E_INVALID, "must be a list"));
	size_t n = json_array_size(v), size = json_size_of(f->type);
	char *list = arena_alloc(x->arena, (n + 1) * size);
	for (size_t i = 0; i < n; i++) {
		struct json_place in = { .up = at, .index = i };
		int rc = parse_value(x, &in, f, list + i * size, json_array_get(v, i));
		if (rc != 0)
			return rc;
	}
	*(size_t *)member(m, f->quantifier_offset) = n;
	*(void **)member(m, f->offset) = list;
	return 0;
}

static int parse_field(
    const struct parse *x, const struct json_place *at, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, json_t *v) {
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return parse_list(x, at, f, m, v);
	int rc = parse_value(x, at, f, member(m, f->offset), v);
	if (rc != 0)
		return rc;
	rc = json_mark(m, f, x->err);
	return rc == 0 ? 0 : placed(x, at, rc);
}

static int parse_object(const struct parse *x, const struct json_place *at, ProtobufCMessage *m, const json_t *o) {
	void *it;
	json_t *object = (json_t *)(uintptr_t)o; /* jansson 2.14's iterators take no const; nothing is changed */
	for (it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
		struct json_place in = { .up = at, .key = json_object_iter_key(it) };
		const ProtobufCFieldDescriptor *f = json_field(m->descriptor, in.key);
		if (f == NULL)
			return unknown_key(x, m->descriptor, &in);
		json_t *v = json_object_iter_value(it);
		if (json_is_null(v))
			continue;
		if (f->label != PROTOBUF_C_LABEL_REPEATED && json_present(m, f)) /* "installLimit" and "install_limit" */
			return placed(x, &in, err_set(x->err, E_INVALID, "is given twice"));
		int rc = parse_field(x, &in, m, f, v);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* jansson's own limit of 2048 is compiled in; recursion here and there must stay shallow on the loop's stack. */
static bool too_deep(const char *s, size_t n) {
	int depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < n; i++) {
		if (in_string) {
			if (s[i] == '\\')
				i++;
			else if (s[i] == '"')
				in_string = false;
		} else if (s[i] == '"') {
			in_string = true;
		} else if (s[i] == '{' || s[i] == '[') {
			if (++depth > MAX_DEPTH)
				return true;
		} else if (s[i] == '}' || s[i] == ']') {
			depth--;
		}
	}
	return false;
}

static int malformed(const json_error_t *e, struct err *err) {
	if (json_error_code(e) == json_error_numeric_overflow)
		return err_set(err, E_INVALID, "a number on line %d is too large", e->line);
	if (json_error_code(e) == json_error_invalid_utf8)
		return err_set(err, E_MALFORMED, "not JSON: line %d column %d: not UTF-8", e->line, e->column);
	char text[JSON_ERROR_TEXT_LENGTH]; /* jansson quotes the input near the error, which may be cut inside a character */
	size_t n = 0;
	for (const char *p = e->text; *p != '\0' && n + 1 < sizeof text; p++)
		if ((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f)
			text[n++] = *p;
	text[n] = '\0';
	return err_set(err, E_MALFORMED, "not JSON: line %d column %d: %s", e->line, e->column, text);
}

int json_parse(const ProtobufCMessageDescriptor *d, const char *text, size_t n, struct arena *a, ProtobufCMessage **ret, struct err *err) {
	ProtobufCMessage *m = pb_new(d, a);
	if (n == 0) {
		*ret = m;
		return 0;
	}
	if (too_deep(text, n))
		return err_set(err, E_MALFORMED, "nested deeper than %d levels", MAX_DEPTH);
	json_error_t e;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (root == NULL)
		return malformed(&e, err);
	struct parse x = { a, err };
	int rc;
	if (json_is_object(root))
		rc = parse_object(&x, NULL, m, root);
	else
		rc = err_set(err, E_INVALID, "the body must be a JSON object");
	json_decref(root);
	if (rc == 0)
		*ret = m;
	return rc;
}

/* One more element at the end of a repeated field; arrays in an arena cannot grow in place. */
static void *list_append(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *a) {
	size_t *n = member(m, f->quantifier_offset), size = json_size_of(f->type);
	void **list = member(m, f->offset);
	char *grown = arena_alloc(a, (*n + 1) * size);
	if (*n > 0)
		memcpy(grown, *list, *n * size);
	*list = grown;
	return grown + (*n)++ * size;
}

int json_set_text(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *text, struct arena *a, struct err *err) {
	union {
		uint64_t number;
		void *pointer;
		ProtobufCBinaryData bytes;
	} value = { 0 };
	struct parse x = { a, err };
	struct json_place at = { .key = json_name(f->name, a) };
	int rc;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		value.pointer = pb_new(f->descriptor, a);
		rc = json_special_text(json_special_of(f->descriptor), value.pointer, text, err);
	} else {
		rc = json_scalar_text(f, &value, text, a, err);
	}
	if (rc == 0 && f->label != PROTOBUF_C_LABEL_REPEATED)
		rc = json_mark(m, f, err);
	if (rc != 0)
		return placed(&x, &at, rc);
	void *dst = f->label == PROTOBUF_C_LABEL_REPEATED ? list_append(m, f, a) : member(m, f->offset);
	memcpy(dst, &value, json_size_of(f->type));
	return 0;
}
