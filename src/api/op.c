/* The operation table as data: rows, lookup, and which handler a row has. */
#include <string.h>

#include "api/call.h"

#define OP(service, rpc, request, reply, role, http, path, body, flags, handler, summary) OP_ID_##rpc,
enum op_id {
#include "api/ops.def"
	OP_ID_COUNT
};
#undef OP

#define OP(service, rpc, request, reply, role, http, path, body, flags, handler, summary)                                                 \
	{ #rpc, #service, summary, &berth__v1__##request##__descriptor, &berth__v1__##reply##__descriptor, http, path, body, ROLE_##role, \
		flags, OP_ID_##rpc },
const struct op_def op_defs[] = {
#include "api/ops.def"
};
#undef OP
const size_t n_op_defs = OP_ID_COUNT;

#define OP(service, rpc, request, reply, role, http, path, body, flags, handler, summary) [OP_ID_##rpc] = op_##handler,
static const op_handler handlers[OP_ID_COUNT] = {
#include "api/ops.def"
};
#undef OP

op_handler op_handler_of(const struct op_def *def) {
	return handlers[def->id];
}

const struct op_def *op_find(const char *service, const char *name) {
	for (size_t i = 0; i < n_op_defs; i++)
		if (strcmp(op_defs[i].service, service) == 0 && strcmp(op_defs[i].name, name) == 0)
			return &op_defs[i];
	return NULL;
}

const ProtobufCFieldDescriptor *op_path_field(const struct op_def *op, const char *x, size_t n) {
	static const char *const ends[] = { "", "_name", "_id" };
	char name[64];
	for (size_t i = 0; i < sizeof ends / sizeof *ends && n + 8 < sizeof name; i++) {
		memcpy(name, x, n);
		memcpy(name + n, ends[i], strlen(ends[i]) + 1);
		const ProtobufCFieldDescriptor *f = json_field(op->request, name);
		if (f != NULL && f->type != PROTOBUF_C_TYPE_MESSAGE)
			return f;
	}
	return NULL;
}
