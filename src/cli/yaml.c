/* YAML documents to JSON and back. Files come from people and from strangers: depth, size and aliases are bounded. */
#include "cli/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/err.h"
#include "cli/field.h"
#include "proto/json.h"

#define MAX_DEPTH 32
#define MAX_NODES 100000 /* aliases counted each time they are used */
#define MAX_DOCUMENTS 1000

struct reader {
	yaml_document_t *doc;
	const char *where;
	size_t nodes;
	struct err *err;
};

static int fail(struct reader *r, const yaml_node_t *n, const char *text, const char *about) {
	return err_set(r->err, E_MALFORMED, "%s, line %zu: %s%s%s", r->where, n != NULL ? n->start_mark.line + 1 : 0, text,
	    *about != '\0' ? ": " : "", about);
}

static bool is_text_field(const ProtobufCFieldDescriptor *f) {
	return f != NULL && f->type == PROTOBUF_C_TYPE_STRING;
}

static bool is_entry(const ProtobufCMessageDescriptor *d) {
	return d != NULL && strcmp(d->short_name, "Entry") == 0;
}

static bool one_of(const char *s, const char *const *words, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

/* YAML 1.2's core schema: what is no null, boolean or number is a text. */
static json_t *plain_scalar(const char *s, size_t len) {
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" }, *const trues[] = { "true", "True", "TRUE" },
	                         *const falses[] = { "false", "False", "FALSE" };
	char *end;
	if (strlen(s) != len)
		return json_stringn(s, len);
	if (one_of(s, nulls, 5))
		return json_null();
	if (one_of(s, trues, 3))
		return json_true();
	if (one_of(s, falses, 3))
		return json_false();
	if (strspn(s, "+-.0123456789eE") == len && strpbrk(s, "0123456789") != NULL) {
		errno = 0;
		long long i = strtoll(s, &end, 10);
		if (*end == '\0' && errno == 0)
			return json_integer(i);
		double d = strtod(s, &end);
		if (*end == '\0')
			return json_real(d);
	}
	return json_stringn(s, len);
}

static int read_node(struct reader *r, int index, const ProtobufCFieldDescriptor *f, const ProtobufCMessageDescriptor *d, bool texts,
    size_t depth, json_t **ret);

static int read_sequence(
    struct reader *r, const yaml_node_t *n, const ProtobufCFieldDescriptor *f, bool texts, size_t depth, json_t **ret) {
	json_t *array = json_array();
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
		json_t *v;
		const ProtobufCMessageDescriptor *d = f != NULL && f->type == PROTOBUF_C_TYPE_MESSAGE ? f->descriptor : NULL;
		if (read_node(r, *i, f, d, texts, depth + 1, &v) != 0) {
			json_decref(array);
			return r->err->code;
		}
		json_array_append_new(array, v);
	}
	*ret = array;
	return 0;
}

static int read_pair(
    struct reader *r, const yaml_node_pair_t *p, const ProtobufCMessageDescriptor *d, bool texts, size_t depth, json_t *into) {
	const yaml_node_t *k = yaml_document_get_node(r->doc, p->key);
	if (k == NULL || k->type != YAML_SCALAR_NODE)
		return fail(r, k, "a key must be a plain word", "");
	const char *key = (const char *)k->data.scalar.value;
	if (!utf8_valid(key, strlen(key)))
		return fail(r, k, "a key is no UTF-8", "");
	if (json_object_get(into, key) != NULL)
		return fail(r, k, "this key stands twice", key);
	const ProtobufCFieldDescriptor *f = d != NULL ? json_field(d, key) : NULL;
	bool message = f != NULL && f->type == PROTOBUF_C_TYPE_MESSAGE;
	const ProtobufCMessageDescriptor *inner = message ? f->descriptor : NULL;
	bool map = is_entry(inner);
	json_t *v;
	int e = read_node(r, p->value, f, map ? NULL : inner, texts || map, depth + 1, &v);
	return e != 0 ? e : json_object_set_new(into, key, v);
}

static int read_mapping(
    struct reader *r, const yaml_node_t *n, const ProtobufCMessageDescriptor *d, bool texts, size_t depth, json_t **ret) {
	json_t *o = json_object();
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		if (read_pair(r, p, d, texts, depth, o) != 0) {
			json_decref(o);
			return r->err->code;
		}
	}
	*ret = o;
	return 0;
}

/* texts: inside of a map of texts, every scalar is one. */
static int read_node(struct reader *r, int index, const ProtobufCFieldDescriptor *f, const ProtobufCMessageDescriptor *d, bool texts,
    size_t depth, json_t **ret) {
	const yaml_node_t *n = yaml_document_get_node(r->doc, index);
	if (n == NULL || depth > MAX_DEPTH || ++r->nodes > MAX_NODES)
		return fail(r, n, "too deep or too large", "");
	if (n->type == YAML_MAPPING_NODE)
		return read_mapping(r, n, d, texts, depth, ret);
	if (n->type == YAML_SEQUENCE_NODE)
		return read_sequence(r, n, f, texts, depth, ret);
	const char *s = (const char *)n->data.scalar.value;
	size_t len = n->data.scalar.length;
	if (!utf8_valid(s, len))
		return fail(r, n, "this is no UTF-8", "");
	bool plain = n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !texts && !is_text_field(f);
	*ret = plain ? plain_scalar(s, len) : json_stringn(s, len);
	return *ret != NULL ? 0 : fail(r, n, "a text holds a NUL byte", "");
}

/* The `kind` of a document, before its fields are read. */
static const char *document_kind(struct reader *r, const yaml_node_t *root) {
	for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = yaml_document_get_node(r->doc, p->key), *v = yaml_document_get_node(r->doc, p->value);
		if (k != NULL && v != NULL && k->type == YAML_SCALAR_NODE && v->type == YAML_SCALAR_NODE &&
		    strcmp((const char *)k->data.scalar.value, "kind") == 0)
			return (const char *)v->data.scalar.value;
	}
	return "";
}

static int read_resource(struct reader *r, const yaml_node_t *root, yaml_kind_fn kind, json_t *into) {
	if (root->type != YAML_MAPPING_NODE)
		return fail(r, root, "a document must be a mapping, such as 'name: orders'", "");
	const ProtobufCMessageDescriptor *d = kind(document_kind(r, root), r->err);
	if (d == NULL) {
		err_context(r->err, "%s, line %zu", r->where, root->start_mark.line + 1);
		return r->err->code;
	}
	json_t *v = NULL;
	int e = read_mapping(r, root, d, false, 0, &v);
	if (e != 0)
		return e;
	if (json_array_size(into) == MAX_DOCUMENTS) {
		json_decref(v);
		return fail(r, root, "more than 1000 documents in one file", "");
	}
	json_array_append_new(into, v);
	return 0;
}

/* One resource, or a list of them: `berth export -o json` writes a list. */
static int read_document(struct reader *r, yaml_kind_fn kind, json_t *into) {
	const yaml_node_t *root = yaml_document_get_root_node(r->doc);
	int e = 0;
	if (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0)
		return 0; /* nothing between two --- */
	if (root->type != YAML_SEQUENCE_NODE)
		return read_resource(r, root, kind, into);
	for (yaml_node_item_t *i = root->data.sequence.items.start; e == 0 && i < root->data.sequence.items.top; i++)
		e = read_resource(r, yaml_document_get_node(r->doc, *i), kind, into);
	return e;
}

static int syntax_error(const yaml_parser_t *p, const char *where, struct err *err) {
	return err_set(err, E_MALFORMED, "%s, line %zu: %s%s%s", where, p->problem_mark.line + 1,
	    p->problem != NULL ? p->problem : "not YAML", p->context != NULL ? " " : "", p->context != NULL ? p->context : "");
}

int yaml_parse(const char *text, size_t n, const char *where, yaml_kind_fn kind, json_t **ret, struct err *err) {
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return err_set(err, E_NOMEM, "no memory to read %s", where);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	json_t *docs = json_array();
	int e = 0;
	for (bool more = true; more && e == 0;) {
		yaml_document_t doc;
		if (!yaml_parser_load(&parser, &doc)) {
			e = syntax_error(&parser, where, err);
			break;
		}
		struct reader r = { .doc = &doc, .where = where, .err = err };
		more = yaml_document_get_root_node(&doc) != NULL;
		if (more)
			e = read_document(&r, kind, docs);
		yaml_document_delete(&doc);
	}
	yaml_parser_delete(&parser);
	if (e != 0) {
		json_decref(docs);
		return e;
	}
	*ret = docs;
	return 0;
}

/* A text may stand without quotes when every YAML reader would take it as that text. */
static bool is_plain(const char *s) {
	static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off", "y", "n", "~" };
	size_t n = strlen(s);
	char low[8] = "";
	if (n == 0 || !((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '/'))
		return false;
	for (size_t i = 0; n < sizeof low && i < n; i++)
		low[i] = (char)(s[i] | 0x20);
	if (n < sizeof low && one_of(low, words, sizeof words / sizeof *words))
		return false;
	for (const char *p = s; *p != '\0'; p++) {
		bool good =
		    (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-_./+@=%", *p) != NULL;
		if (!good && !(*p == ' ' && p[1] != '\0' && p[1] != '#') && !(*p == ':' && p[1] != ' ' && p[1] != '\0'))
			return false;
	}
	return true;
}

static void print_scalar(const json_t *v, struct buf *out) {
	if (json_is_string(v) && !is_plain(json_string_value(v))) {
		buf_add_json(out, json_string_value(v));
	} else if (json_is_boolean(v)) {
		buf_add_str(out, json_is_true(v) ? "true" : "false");
	} else if (json_is_null(v)) {
		buf_add_str(out, "null");
	} else {
		field_add_text(v, out);
	}
}

static bool is_block(const json_t *v) {
	return (json_is_object(v) && json_object_size(v) > 0) || (json_is_array(v) && json_array_size(v) > 0);
}

static void print_block(const json_t *v, size_t indent, bool lead_done, struct buf *out);

static void print_indent(size_t n, struct buf *out) {
	for (size_t i = 0; i < n; i++)
		buf_add_char(out, ' ');
}

static void print_value(const json_t *v, size_t indent, struct buf *out) {
	if (is_block(v)) {
		buf_add_char(out, '\n');
		print_block(v, indent, false, out);
		return;
	}
	buf_add_char(out, ' ');
	if (json_is_object(v) || json_is_array(v))
		buf_add_str(out, json_is_object(v) ? "{}" : "[]");
	else
		print_scalar(v, out);
	buf_add_char(out, '\n');
}

/* lead_done: the first line's indent is already there ("- name: …"). */
static void print_block(const json_t *v, size_t indent, bool lead_done, struct buf *out) {
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *item = json_array_get(v, i);
		if (!lead_done || i > 0)
			print_indent(indent, out);
		buf_add_char(out, '-');
		if (is_block(item)) {
			buf_add_char(out, ' ');
			print_block(item, indent + 2, true, out);
		} else {
			print_value(item, indent + 2, out);
		}
	}
	union {
		const json_t *in;
		json_t *out;
	} u = { .in = v }; /* jansson's iterator wants it mutable */
	bool first = true;
	for (void *it = json_object_iter(u.out); it != NULL; it = json_object_iter_next(u.out, it)) {
		const char *key = json_object_iter_key(it);
		if (!lead_done || !first)
			print_indent(indent, out);
		if (is_plain(key))
			buf_add_str(out, key);
		else
			buf_add_json(out, key);
		buf_add_char(out, ':');
		print_value(json_object_iter_value(it), indent + 2, out);
		first = false;
	}
}

void yaml_print(const json_t *v, struct buf *out) {
	if (is_block(v))
		print_block(v, 0, false, out);
	else
		print_value(v, 0, out);
}
