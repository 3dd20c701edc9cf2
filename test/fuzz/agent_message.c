/* Bytes on an agent's stream: what is accepted stays within its bound, holds only text and known words, and survives being packed again. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "berth/v1/agent.pb-c.h"
#include "proto/json.h"
#include "proto/unpack.h"

#define BOUND (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const ProtobufCMessageDescriptor *const kinds[] = { &berth__v1__agent_message__descriptor,
		&berth__v1__server_message__descriptor };
	if (size == 0)
		return 0;
	const ProtobufCMessageDescriptor *d = kinds[data[0] % 2];
	ARENA_AUTO a = arena_new();
	ARENA_AUTO b = arena_new();
	BUF_AUTO json = BUF_INIT;
	struct err err = ERR_INIT;
	ProtobufCMessage *m = NULL, *again = NULL;
	int rc = pb_unpack(d, data + 1, size - 1, UNPACK_PEER, BOUND, a, &m, &err);
	assert(arena_bytes(a) <= 4 * BOUND); /* blocks double, so half of them may be unused */
	if (rc != 0) {
		assert(err.code == rc && err.text[0] != '\0' && utf8_valid(err.text, strlen(err.text)));
		return 0;
	}
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = malloc(n + 1);
	assert(packed != NULL && protobuf_c_message_pack(m, packed) == n);
	assert(pb_unpack(d, packed, n, UNPACK_STRICT, 4 * BOUND, b, &again, &err) == 0);
	free(packed);
	json_print(again, false, &json);
	assert(utf8_valid(buf_str(&json), json.len));
	return 0;
}
