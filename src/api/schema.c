/* JSON Schema from descriptors: enums by word, formats by type, examples by name. */
#include "api/schema.h"

#include <ctype.h>
#include <string.h>

#include "api/call.h"
#include "base/buf.h"

#define MAX_SCHEMAS 256

static const struct {
	const char *field, *json;
} examples[] = {
	{ "name", "\"orders\"" },
	{ "module", "\"orders\"" },
	{ "version", "\"3.1.0\"" },
	{ "deployment", "\"orders\"" },
	{ "group", "\"demo\"" },
	{ "base", "\"n3\"" },
	{ "tenant", "\"default\"" },
	{ "sha256", "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"" },
	{ "artifact", "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"" },
	{ "url", "\"https://repo.example.com/orders-3.1.0.jar\"" },
	{ "reason", "\"hotfix of the price rounding\"" },
	{ "link", "\"https://ci.example.com/job/42\"" },
	{ "install_limit", "5" },
	{ "units", "1" },
	{ "context_path", "\"/orders\"" },
	{ "command", "\"berth base set n3 --limit 6\"" },
};

void schema_name(struct buf *b, const char *proto_name) {
	for (const char *p = proto_name; *p != '\0'; p++) {
		if (*p == '_' && p[1] != '\0')
			buf_add_char(b, (char)toupper((unsigned char)*++p));
		else
			buf_add_char(b, *p);
	}
}

static void enum_schema(struct buf *b, const ProtobufCEnumDescriptor *d) {
	ARENA_AUTO a = arena_new();
	bool first = true;
	buf_add_str(b, "\"type\":\"string\",\"enum\":[");
	for (unsigned i = 0; i < d->n_values; i++) {
		if (d->values[i].value == 0)
			continue;
		buf_printf(b, "%s\"%s\"", first ? "" : ",", json_enum_text(d, d->values[i].value, a));
		first = false;
	}
	buf_add_char(b, ']');
}

static void message_schema(struct buf *b, const ProtobufCMessageDescriptor *d) {
	if (strcmp(d->short_name, "Timestamp") == 0)
		buf_add_str(b, "\"type\":\"string\",\"format\":\"date-time\",\"examples\":[\"2026-11-23T10:11:12Z\"]");
	else if (strcmp(d->short_name, "Duration") == 0)
		buf_add_str(b, "\"type\":\"string\",\"format\":\"berth-duration\",\"pattern\":\"^([0-9]+(\\\\.[0-9]+)?(us|ms|s|m|h|d))+$\","
		               "\"examples\":[\"30s\"]");
	else if (strcmp(d->short_name, "Amount") == 0)
		buf_add_str(b, "\"oneOf\":[{\"type\":\"integer\",\"minimum\":0},{\"type\":\"string\",\"pattern\":\"^([0-9]+|[0-9]{1,3}%|"
		               "all)$\"}],\"examples\":[3,\"25%\",\"all\"]");
	else
		buf_printf(b, "\"$ref\":\"#/components/schemas/%s\"", d->short_name);
}

static void type_schema(struct buf *b, const ProtobufCFieldDescriptor *f) {
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		buf_add_str(b, "\"type\":\"boolean\"");
		return;
	case PROTOBUF_C_TYPE_STRING:
		buf_add_str(b, "\"type\":\"string\"");
		return;
	case PROTOBUF_C_TYPE_BYTES:
		buf_add_str(b, "\"type\":\"string\",\"contentEncoding\":\"base64\"");
		return;
	case PROTOBUF_C_TYPE_ENUM:
		enum_schema(b, f->descriptor);
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		message_schema(b, f->descriptor);
		return;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		buf_add_str(b, "\"type\":\"integer\",\"format\":\"int32\"");
		return;
	default:
		buf_add_str(b, "\"type\":\"integer\",\"format\":\"int64\"");
	}
}

static void add_example(struct buf *b, const ProtobufCFieldDescriptor *f) {
	bool plain = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_INT32;
	for (size_t i = 0; plain && i < sizeof examples / sizeof *examples; i++)
		if (strcmp(examples[i].field, f->name) == 0)
			buf_printf(b, ",\"examples\":[%s]", examples[i].json);
}

void schema_field(struct buf *b, const ProtobufCFieldDescriptor *f) {
	bool map = f->type == PROTOBUF_C_TYPE_MESSAGE && f->descriptor == &berth__v1__entry__descriptor;
	buf_add_char(b, '{');
	if (map) {
		buf_add_str(b, "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},\"examples\":[{\"zone\":\"a\"}]");
	} else if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		buf_add_str(b, "\"type\":\"array\",\"items\":{");
		type_schema(b, f);
		buf_add_char(b, '}');
	} else {
		type_schema(b, f);
		add_example(b, f);
	}
	buf_add_char(b, '}');
}

struct reached {
	const ProtobufCMessageDescriptor *v[MAX_SCHEMAS];
	size_t n;
};

static void reach(struct reached *r, const ProtobufCMessageDescriptor *d) {
	static const char *const inlined[] = { "Timestamp", "Duration", "Amount", "Entry" };
	for (size_t i = 0; i < sizeof inlined / sizeof *inlined; i++)
		if (strcmp(d->short_name, inlined[i]) == 0)
			return;
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i] == d)
			return;
	if (r->n == MAX_SCHEMAS)
		return;
	r->v[r->n++] = d;
	for (unsigned i = 0; i < d->n_fields; i++)
		if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			reach(r, d->fields[i].descriptor);
}

static void schema_print(struct buf *b, const ProtobufCMessageDescriptor *d) {
	buf_printf(b, "\"%s\":{\"type\":\"object\",\"properties\":{", d->short_name);
	for (unsigned i = 0; i < d->n_fields; i++) {
		buf_add_str(b, i > 0 ? ",\"" : "\"");
		schema_name(b, d->fields[i].name);
		buf_add_str(b, "\":");
		schema_field(b, &d->fields[i]);
	}
	buf_add_str(b, "},\"additionalProperties\":false}");
}

void schemas_print(struct buf *b) {
	struct reached r = { .n = 0 };
	reach(&r, &berth__v1__problem__descriptor);
	for (size_t i = 0; i < n_op_defs; i++) {
		const struct op_def *op = &op_defs[i];
		reach(&r, op->reply);
		if (op->body != NULL && strcmp(op->body, "*") == 0)
			reach(&r, op->request);
		else if (op->body != NULL)
			reach(&r, protobuf_c_message_descriptor_get_field_by_name(op->request, op->body)->descriptor);
	}
	buf_add_str(b, "\"schemas\":{");
	for (size_t i = 0; i < r.n; i++) {
		if (i > 0)
			buf_add_char(b, ',');
		schema_print(b, r.v[i]);
	}
	buf_add_char(b, '}');
}
