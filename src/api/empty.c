/* Lists and maps that a change makes empty. In JSON `"labels": {}` says so; protobuf has no presence for lists, so gRPC callers name them
 * in meta.clear. Inside, a list that is given has a pointer, also when it holds nothing: GIVEN() in call.h. */
#include <string.h>

#include "api/call.h"
#include "base/secret.h"

/* The resource in a change's request; made there when `a` is given and it is missing. NULL: the operation has none. */
static ProtobufCMessage *resource_of(const struct api_call *call, struct arena *a) {
	const struct op_def *op = call->op;
	const ProtobufCFieldDescriptor *f =
	    op->body != NULL ? protobuf_c_message_descriptor_get_field_by_name(op->request, op->body) : NULL;
	if (f == NULL)
		return NULL;
	ProtobufCMessage **at = (ProtobufCMessage **)(uintptr_t)((const char *)call->request + f->offset);
	if (*at == NULL && a != NULL)
		*at = pb_new(f->descriptor, a);
	return *at;
}

static void **list_at(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t *ret_n) {
	*ret_n = *(const size_t *)((const char *)m + f->quantifier_offset);
	return (void **)(uintptr_t)((const char *)m + f->offset);
}

int clear_apply(const struct api_call *call, const Berth__V1__Meta *meta, struct err *err) {
	static void *nothing;
	const ProtobufCMessage *m = meta->n_clear > 0 ? resource_of(call, call->arena) : NULL;
	for (size_t i = 0; i < meta->n_clear; i++) {
		const ProtobufCFieldDescriptor *f = m != NULL ? json_field(m->descriptor, meta->clear[i]) : NULL;
		if (f == NULL || f->label != PROTOBUF_C_LABEL_REPEATED)
			return err_field(err, E_INVALID, "/meta/clear", "\"%.64s\" is no list or map of what this changes", meta->clear[i]);
		size_t n;
		void **list = list_at(m, f, &n);
		if (n > 0)
			return err_field(err, E_INVALID, "/meta/clear", "\"%.64s\" is given and to be empty; one of both", meta->clear[i]);
		*list = &nothing;
	}
	return 0;
}

void empty_digest(const struct api_call *call, struct sha256 *d) {
	const ProtobufCMessage *m = resource_of(call, NULL);
	for (unsigned i = 0; m != NULL && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		size_t n;
		if (f->label == PROTOBUF_C_LABEL_REPEATED && *list_at(m, f, &n) != NULL && n == 0)
			sha256_add(d, f->name, strlen(f->name) + 1);
	}
}
