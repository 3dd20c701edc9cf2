/* protobuf-c messages in an arena: made, unpacked and copied without a free of their own. Used by everybody who holds messages. */
#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>

#include "base/arena.h"
#include "proto/json.h"

static void *pb_alloc(void *data, size_t n) {
	return arena_alloc(data, n);
}

static void pb_free(void *data, void *p) {
	(void)data;
	(void)p;
}

ProtobufCAllocator arena_pb(struct arena *a) {
	return (ProtobufCAllocator){ .alloc = pb_alloc, .free = pb_free, .allocator_data = a };
}

void *pb_new(const ProtobufCMessageDescriptor *d, struct arena *a) {
	void *m = arena_alloc(a, d->sizeof_message);
	protobuf_c_message_init(d, m);
	return m;
}

ProtobufCMessage *pb_copy(const ProtobufCMessage *m, struct arena *a) {
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = malloc(n + 1);
	if (bytes == NULL)
		abort();
	protobuf_c_message_pack(m, bytes);
	ProtobufCAllocator in_arena = arena_pb(a);
	ProtobufCMessage *copy = protobuf_c_message_unpack(m->descriptor, &in_arena, n, bytes);
	free(bytes);
	if (copy == NULL) /* what was just packed cannot be unreadable */
		abort();
	return copy;
}
