/* Messages as JSON: set fields only, in descriptor order. */
#include <string.h>

#include "base/buf.h"
#include "berth/v1/types.pb-c.h"
#include "proto/json_int.h"

static const void *member(const ProtobufCMessage *m, size_t offset) {
	return (const char *)m + offset;
}

bool json_present(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
	const void *value = member(m, f->offset);
	bool pointer = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)member(m, f->quantifier_offset) > 0;
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)member(m, f->quantifier_offset) == f->id && (!pointer || *(const void *const *)value != NULL);
	if (pointer)
		return *(const void *const *)value != NULL &&
		       (f->label != PROTOBUF_C_LABEL_NONE || *(const void *const *)value != f->default_value);
	if (f->label == PROTOBUF_C_LABEL_OPTIONAL)
		return *(const protobuf_c_boolean *)member(m, f->quantifier_offset) != 0;
	if (f->label == PROTOBUF_C_LABEL_REQUIRED)
		return true;
	static const char zero[sizeof(ProtobufCBinaryData)]; /* proto3: zero is "not set" */
	return memcmp(value, zero, json_size_of(f->type)) != 0;
}

static void print_message(const ProtobufCMessage *m, bool always_lists, struct buf *out);

static void print_value(const ProtobufCFieldDescriptor *f, const void *src, struct buf *out) {
	if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
		json_scalar_print(f, src, out);
		return;
	}
	const ProtobufCMessage *sub = *(const ProtobufCMessage *const *)src;
	enum json_special s = json_special_of(sub->descriptor);
	if (s == JSON_PLAIN || s == JSON_ENTRY)
		print_message(sub, false, out);
	else
		json_special_print(s, sub, out);
}

static void print_entries(Berth__V1__Entry *const *v, size_t n, struct buf *out) {
	buf_add_char(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_json(out, v[i]->key != NULL ? v[i]->key : "");
		buf_add_char(out, ':');
		buf_add_json(out, v[i]->value != NULL ? v[i]->value : "");
	}
	buf_add_char(out, '}');
}

static void print_repeated(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct buf *out) {
	size_t n = *(const size_t *)member(m, f->quantifier_offset), size = json_size_of(f->type);
	const char *v = *(const char *const *)member(m, f->offset);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE && json_special_of(f->descriptor) == JSON_ENTRY) {
		print_entries(*(Berth__V1__Entry *const *const *)member(m, f->offset), n, out);
		return;
	}
	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		print_value(f, v + i * size, out);
	}
	buf_add_char(out, ']');
}

static void print_message(const ProtobufCMessage *m, bool always_lists, struct buf *out) {
	const ProtobufCMessageDescriptor *d = m->descriptor;
	bool first = true;
	buf_add_char(out, '{');
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
		if (!json_present(m, f) && !(repeated && always_lists))
			continue;
		buf_add_str(out, first ? "\"" : ",\"");
		first = false;
		json_add_name(out, f->name);
		buf_add_str(out, "\":");
		if (repeated)
			print_repeated(m, f, out);
		else
			print_value(f, member(m, f->offset), out);
	}
	buf_add_char(out, '}');
}

void json_print(const ProtobufCMessage *m, bool always_lists, struct buf *out) {
	enum json_special s = json_special_of(m->descriptor);
	if (s == JSON_PLAIN || s == JSON_ENTRY)
		print_message(m, always_lists, out);
	else
		json_special_print(s, m, out);
}
