/* Requests as bytes of the gRPC surface, each operation's message by its row in ops.def: what is accepted stays within its bound, obeys the
 * rules of requests, survives being packed again, and reads back from its JSON as the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "berth/v1/api.pb-c.h"
#include "proto/json.h"
#include "proto/unpack.h"

#define BOUND (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OP(service, rpc, request, reply, role, http, path, body, flags, handler, summary) &berth__v1__##request##__descriptor,
static const ProtobufCMessageDescriptor *const kinds[] = {
#include "api/ops.def"
};
#undef OP

static void packs_again(ProtobufCMessage *m) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	ProtobufCMessage *again = NULL;
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = malloc(n + 1);
	assert(packed != NULL && protobuf_c_message_pack(m, packed) == n);
	assert(pb_unpack(m->descriptor, packed, n, UNPACK_STRICT, 4 * BOUND, a, &again, &err) == 0);
	free(packed);
}

/* Numbers that only the wire can say (a duration below zero, an amount of several kinds) come back different or not at all; what comes
 * back is printed as it was read. */
static void reads_back(const ProtobufCMessage *m) {
	ARENA_AUTO a = arena_new();
	BUF_AUTO first = BUF_INIT;
	BUF_AUTO second = BUF_INIT;
	struct err err = ERR_INIT;
	ProtobufCMessage *again = NULL;
	json_print(m, false, &first);
	assert(utf8_valid(buf_str(&first), first.len));
	if (json_parse(m->descriptor, buf_str(&first), first.len, a, &again, &err) != 0) {
		assert(err.code != 0 && err.text[0] != '\0');
		return;
	}
	json_print(again, false, &second);
	ARENA_AUTO b = arena_new();
	assert(json_parse(m->descriptor, buf_str(&second), second.len, b, &again, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size == 0)
		return 0;
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	ProtobufCMessage *m = NULL;
	const ProtobufCMessageDescriptor *d = kinds[data[0] % (sizeof kinds / sizeof *kinds)];
	if (pb_unpack(d, data + 1, size - 1, UNPACK_STRICT, BOUND, a, &m, &err) != 0) {
		assert(err.text[0] != '\0' && utf8_valid(err.text, strlen(err.text)) && utf8_valid(err.pointer, strlen(err.pointer)));
		return 0;
	}
	assert(pb_check(m, a, &err) == 0);
	packs_again(m);
	reads_back(m);
	return 0;
}
