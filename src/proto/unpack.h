/* Messages from strangers: unpacked into an arena with a bound on what they may grow to, then checked for what protobuf-c lets pass
 * (text that is not UTF-8, enum values nobody knows, field number 0). Used wherever bytes of the network become a message. */
#ifndef BERTH_PROTO_UNPACK_H
#define BERTH_PROTO_UNPACK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct arena;
struct err;

#define PB_MAX_TEXT ((size_t)65536) /* bytes of one text in a request, whatever its field allows */

enum unpack_mode {
	UNPACK_STRICT, /* a request: an unknown enum value is an error, it would do something else than it says; texts are bounded */
	UNPACK_PEER,   /* an unknown enum value becomes 0: the peer may be one release ahead */
};

/* max_bytes bounds the memory of the message (two bytes on the wire can become hundreds). E_MALFORMED, E_TOO_LARGE, or E_INVALID with the
 * field as JSON pointer. The message lives in the arena; never free_unpacked. */
int pb_unpack(const ProtobufCMessageDescriptor *d, const void *p, size_t n, enum unpack_mode mode, size_t max_bytes, struct arena *a,
    ProtobufCMessage **ret, struct err *err);

/* The checks of UNPACK_STRICT on a message that came otherwise, as JSON. E_INVALID with the field as JSON pointer into m. */
int pb_check(ProtobufCMessage *m, struct arena *a, struct err *err);

#endif
