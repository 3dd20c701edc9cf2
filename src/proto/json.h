/* Messages ⇄ JSON, done once over protobuf-c descriptors. Rules of the text form are at the top of proto/berth/v1/types.proto.
 * Special: Timestamp (RFC 3339), Duration ("30s"), Amount (3 | "25%" | "all"), repeated Entry (object), enums (lower case, prefix dropped),
 * bytes (base64). Unknown keys are errors that name the nearest known one; duplicate keys, depth over 32 and invalid UTF-8 are errors. */
#ifndef BERTH_PROTO_JSON_H
#define BERTH_PROTO_JSON_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buf;
struct err;

/* Appends the JSON of m: set fields only, in descriptor order; empty repeated fields are left out unless in a list reply (always_lists). */
void json_print(const ProtobufCMessage *m, bool always_lists, struct buf *out);
/* Parses an object into a new message in the arena. E_MALFORMED (not JSON) or E_INVALID with err->pointer at the field. n == 0 gives an
 * empty message. */
int json_parse(const ProtobufCMessageDescriptor *d, const char *text, size_t n, struct arena *a, ProtobufCMessage **ret, struct err *err);
/* Sets one scalar, enum, Duration, Timestamp or Amount field from text (query parameters, path segments); repeated scalars append. */
int json_set_text(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *text, struct arena *a, struct err *err);
/* Field by JSON or proto name; NULL when there is none. */
const ProtobufCFieldDescriptor *json_field(const ProtobufCMessageDescriptor *d, const char *name);
/* "installLimit" of "install_limit"; in the arena. */
const char *json_name(const char *proto_name, struct arena *a);
const char *json_enum_text(const ProtobufCEnumDescriptor *d, int value, struct arena *a);
bool json_enum_value(const ProtobufCEnumDescriptor *d, const char *text, int *ret);

/* protobuf-c in an arena: unpacked messages are freed with it (never call free_unpacked). */
ProtobufCAllocator arena_pb(struct arena *a);
/* A zeroed, initialised message in the arena. */
void *pb_new(const ProtobufCMessageDescriptor *d, struct arena *a);
#define PB_NEW(Type, lower, a) ((Type *)pb_new(&lower##__descriptor, (a)))
/* Deep copy through pack and unpack. */
ProtobufCMessage *pb_copy(const ProtobufCMessage *m, struct arena *a);

#endif
