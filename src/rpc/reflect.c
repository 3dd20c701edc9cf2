/* Server reflection: what there is to call, told to tools that bring no .proto files. Answers come from the embedded descriptors. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "proto/json.h"
#include "proto/unpack.h"
#include "rpc/descset.h"
#include "rpc/rpc_int.h"

typedef Grpc__Reflection__V1alpha__ServerReflectionRequest request;
typedef Grpc__Reflection__V1alpha__ServerReflectionResponse response;
typedef Grpc__Reflection__V1alpha__FileDescriptorResponse files_response;
typedef Grpc__Reflection__V1alpha__ListServiceResponse list_response;
typedef Grpc__Reflection__V1alpha__ServiceResponse service_response;
typedef Grpc__Reflection__V1alpha__ExtensionNumberResponse numbers_response;
typedef Grpc__Reflection__V1alpha__ErrorResponse error_response;

#define REQUEST(x) GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##x
#define RESPONSE(x) GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##x
#define NEW(type, lower, a) PB_NEW(type, grpc__reflection__v1alpha__##lower, a)

static void say_error(response *out, int code, const char *text, const char *what, struct arena *a) {
	struct err err;
	err_set(&err, code, "%s %.200s", text, what);
	out->message_response_case = RESPONSE(ERROR_RESPONSE);
	out->error_response = NEW(error_response, error_response, a);
	out->error_response->error_code = err_grpc(code);
	out->error_response->error_message = arena_strdup(a, err.text);
}

static void say_files(response *out, const struct desc_file *const *files, size_t n, const char *what, struct arena *a) {
	if (n == 0) {
		say_error(out, E_NOT_FOUND, "there is no", what, a);
		return;
	}
	files_response *m = NEW(files_response, file_descriptor_response, a);
	m->n_file_descriptor_proto = n;
	m->file_descriptor_proto = arena_alloc(a, n * sizeof *m->file_descriptor_proto);
	for (size_t i = 0; i < n; i++) {
		m->file_descriptor_proto[i].len = files[i]->n;
		m->file_descriptor_proto[i].data = arena_memdup(a, files[i]->bytes, files[i]->n);
	}
	out->message_response_case = RESPONSE(FILE_DESCRIPTOR_RESPONSE);
	out->file_descriptor_response = m;
}

static void say_services(const struct rpc *r, response *out, struct arena *a) {
	const char *names[DESC_SERVICES_MAX];
	list_response *m = NEW(list_response, list_service_response, a);
	m->n_service = descset_services(r->descs, names);
	m->service = arena_alloc(a, (m->n_service + 1) * sizeof *m->service);
	for (size_t i = 0; i < m->n_service; i++) {
		m->service[i] = NEW(service_response, service_response, a);
		m->service[i]->name = arena_strdup(a, names[i]);
	}
	out->message_response_case = RESPONSE(LIST_SERVICES_RESPONSE);
	out->list_services_response = m;
}

/* Berth declares no extensions: a known message has none, by whatever number. */
static void say_extensions(const struct rpc *r, response *out, const char *type, struct arena *a) {
	if (!descset_is_message(r->descs, type)) {
		say_error(out, E_NOT_FOUND, "there is no message", type, a);
		return;
	}
	out->message_response_case = RESPONSE(ALL_EXTENSION_NUMBERS_RESPONSE);
	out->all_extension_numbers_response = NEW(numbers_response, extension_number_response, a);
	out->all_extension_numbers_response->base_type_name = arena_strdup(a, type);
}

static void answer(const struct rpc *r, const request *q, response *out, struct arena *a) {
	const struct desc_file *files[DESC_FILES_MAX];
	switch (q->message_request_case) {
	case REQUEST(FILE_BY_FILENAME):
		say_files(out, files, descset_by_name(r->descs, q->file_by_filename, files), q->file_by_filename, a);
		return;
	case REQUEST(FILE_CONTAINING_SYMBOL):
		say_files(out, files, descset_by_symbol(r->descs, q->file_containing_symbol, files), q->file_containing_symbol, a);
		return;
	case REQUEST(FILE_CONTAINING_EXTENSION):
		say_error(out, E_NOT_FOUND, "no extensions of", q->file_containing_extension->containing_type, a);
		return;
	case REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE):
		say_extensions(r, out, q->all_extension_numbers_of_type, a);
		return;
	case REQUEST(LIST_SERVICES):
		say_services(r, out, a);
		return;
	default:
		say_error(out, E_INVALID, "the request asks for nothing", "", a);
	}
}

static void reflect_message(struct call *c, const void *p, size_t n) {
	struct err err;
	ProtobufCMessage *m;
	ARENA_AUTO a = arena_new();
	if (pb_unpack(&grpc__reflection__v1alpha__server_reflection_request__descriptor, p, n, UNPACK_PEER, 64 * 1024, a, &m, &err) != 0) {
		call_end_err(c, &err, NULL);
		return;
	}
	request *q = (request *)m;
	response *out = NEW(response, server_reflection_response, a);
	out->valid_host = q->host;
	out->original_request = q;
	answer(c->rpc, q, out, a);
	call_send_message(c, &out->pb);
	call_wait(c);
}

static void reflect_ended(struct call *c) {
	call_end_ok(c);
}

static void reflect_closed(struct call *c) {}

const struct call_kind reflect_kind = { reflect_message, reflect_ended, NULL, reflect_closed };

void reflect_accept(struct call *c, const void *unused) {
	call_read(c, true);
	call_wait(c);
}
