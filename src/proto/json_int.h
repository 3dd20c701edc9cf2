/* Inside of the JSON form: what parser, printer and text setter share. */
#ifndef BERTH_PROTO_JSON_INT_H
#define BERTH_PROTO_JSON_INT_H

#include <jansson.h>

#include "proto/json.h"

/* Where in the document we are, as a chain on the stack; rendered only for an error. */
struct json_place {
	const struct json_place *up;
	const char *key; /* NULL: index counts */
	size_t index;
};
/* JSON pointer of RFC 6901; longer ones keep their end, which is what tells the field. */
void json_pointer(const struct json_place *at, char *buf, size_t size);

/* Messages with a text form of their own. */
enum json_special { JSON_PLAIN, JSON_TIMESTAMP, JSON_DURATION, JSON_AMOUNT, JSON_ENTRY };
enum json_special json_special_of(const ProtobufCMessageDescriptor *d);
/* Text of a Timestamp, Duration or Amount (without quotes for an Amount that is a number). */
void json_special_print(enum json_special s, const ProtobufCMessage *m, struct buf *out);
/* From a JSON value; E_INVALID says what is wanted, without the name of the field. */
int json_special_parse(enum json_special s, ProtobufCMessage *m, const json_t *v, struct err *err);
/* From text, as in a query. */
int json_special_text(enum json_special s, ProtobufCMessage *m, const char *text, struct err *err);

/* One scalar: from a JSON value, or from text. dst is the member itself; has_ flags are the caller's. */
int json_scalar_parse(const ProtobufCFieldDescriptor *f, void *dst, const json_t *v, struct arena *a, struct err *err);
int json_scalar_text(const ProtobufCFieldDescriptor *f, void *dst, const char *text, struct arena *a, struct err *err);
void json_scalar_print(const ProtobufCFieldDescriptor *f, const void *src, struct buf *out);

size_t json_size_of(ProtobufCType type); /* of one element in a message or array */
/* Marks an optional or oneof member as present. E_INVALID when another member of the oneof is. */
int json_mark(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct err *err);
bool json_present(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);

void json_add_name(struct buf *out, const char *proto_name); /* lowerCamelCase */
void json_add_enum(struct buf *out, const ProtobufCEnumDescriptor *d, int value);
/* "one of native, ark, node" */
const char *json_enum_words(const ProtobufCEnumDescriptor *d, struct arena *a);

#endif
