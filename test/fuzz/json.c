/* Bodies as outsiders send them, against the largest messages: whatever is accepted must print and read back as the same text. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "berth/v1/agent.pb-c.h"
#include "berth/v1/api.pb-c.h"
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const kinds[] = { &berth__v1__bulk_deployments_request__descriptor, &berth__v1__plan__descriptor,
	&berth__v1__base__descriptor, &berth__v1__version__descriptor, &berth__v1__plan_verb_request__descriptor,
	&berth__v1__report__descriptor };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size == 0)
		return 0;
	const ProtobufCMessageDescriptor *d = kinds[data[0] % (sizeof kinds / sizeof *kinds)];
	ARENA_AUTO a = arena_new();
	BUF_AUTO first = BUF_INIT;
	BUF_AUTO second = BUF_INIT;
	struct err err = ERR_INIT;
	ProtobufCMessage *m = NULL, *again = NULL;
	if (json_parse(d, (const char *)data + 1, size - 1, a, &m, &err) != 0) {
		assert(err.code != 0 && utf8_valid(err.text, strlen(err.text)));
		return 0;
	}
	json_print(m, false, &first);
	assert(json_parse(d, buf_str(&first), first.len, a, &again, &err) == 0);
	json_print(again, false, &second);
	assert(strcmp(buf_str(&first), buf_str(&second)) == 0);
	return 0;
}
