/* The operation table against the service descriptors, and the OpenAPI document made of both. */
#include "../../suite.h"

#include <jansson.h>
#include <string.h>

#include "api/api.h"
#include "api/schema.h"
#include "base/buf.h"
#include "berth/v1/api.pb-c.h"

static const ProtobufCServiceDescriptor *const services[] = {
	&berth__v1__artifacts__descriptor,
	&berth__v1__modules__descriptor,
	&berth__v1__groups__descriptor,
	&berth__v1__bases__descriptor,
	&berth__v1__deployments__descriptor,
	&berth__v1__plans__descriptor,
	&berth__v1__instances__descriptor,
	&berth__v1__endpoints__descriptor,
	&berth__v1__findings__descriptor,
	&berth__v1__events__descriptor,
	&berth__v1__tokens__descriptor,
	&berth__v1__webhooks__descriptor,
	&berth__v1__cell__descriptor,
};
#define N_SERVICES (sizeof services / sizeof *services)

START_TEST(every_rpc_is_an_operation_with_its_messages) {
	size_t n = 0;
	for (size_t s = 0; s < N_SERVICES; s++) {
		for (unsigned i = 0; i < services[s]->n_methods; i++, n++) {
			const ProtobufCMethodDescriptor *m = &services[s]->methods[i];
			const struct op_def *op = op_find(services[s]->short_name, m->name);
			ck_assert_msg(op != NULL, "%s.%s is not in ops.def", services[s]->short_name, m->name);
			ck_assert_msg(op->request == m->input, "%s takes another message", m->name);
			ck_assert_msg(op->reply == m->output, "%s answers with another message", m->name);
		}
	}
	ck_assert_uint_eq(n, n_op_defs);
}
END_TEST

START_TEST(paths_are_unique_per_method) {
	for (size_t i = 0; i < n_op_defs; i++) {
		ck_assert_int_eq(op_defs[i].id, (int)i);
		for (size_t k = 0; k < i; k++)
			ck_assert_msg(strcmp(op_defs[i].path, op_defs[k].path) != 0 || strcmp(op_defs[i].http, op_defs[k].http) != 0,
			    "%s and %s are the same: %s %s", op_defs[i].name, op_defs[k].name, op_defs[i].http, op_defs[i].path);
	}
}
END_TEST

START_TEST(path_parameters_are_fields) {
	for (size_t i = 0; i < n_op_defs; i++) {
		for (const char *p = strchr(op_defs[i].path, '{'); p != NULL; p = strchr(p + 1, '{')) {
			const char *end = strchr(p, '}');
			ck_assert_ptr_nonnull(end);
			ck_assert_msg(
			    op_path_field(&op_defs[i], p + 1, (size_t)(end - p - 1)) != NULL, "%s: no field for %s", op_defs[i].name, p);
		}
	}
}
END_TEST

START_TEST(bodies_and_methods_fit) {
	for (size_t i = 0; i < n_op_defs; i++) {
		const struct op_def *op = &op_defs[i];
		bool get = strcmp(op->http, "GET") == 0;
		ck_assert_msg(get == ((op->flags & OP_READ) != 0), "%s: reads are GET and nothing else is", op->name);
		ck_assert_msg(op->body == NULL || (!get && strcmp(op->http, "DELETE") != 0), "%s: no body on %s", op->name, op->http);
		ck_assert(op->summary[0] != '\0' && op->role >= ROLE_READ && op->role <= ROLE_ADMIN);
		if (op->body == NULL || strcmp(op->body, "*") == 0)
			continue;
		const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(op->request, op->body);
		ck_assert_msg(f != NULL && f->type == PROTOBUF_C_TYPE_MESSAGE, "%s: body %s is no message field", op->name, op->body);
		ck_assert_msg(
		    op->flags & OP_PLAN ? strcmp(op->reply->short_name, "Plan") == 0 : true, "%s does not answer with a plan", op->name);
	}
}
END_TEST

/* Every change takes a Meta: reason, link, key, dry run. */
START_TEST(changes_take_meta) {
	for (size_t i = 0; i < n_op_defs; i++)
		if (!(op_defs[i].flags & OP_READ))
			ck_assert_msg(protobuf_c_message_descriptor_get_field_by_name(op_defs[i].request, "meta") != NULL, "%s has no meta",
			    op_defs[i].name);
}
END_TEST

/* ---- OpenAPI ---------------------------------------------------------------------------------------------------------------------------
 */
static json_t *document(void) {
	BUF_AUTO b = BUF_INIT;
	json_error_t e;
	openapi_print(&b, "1.2.3");
	json_t *d = json_loadb(buf_str(&b), b.len, JSON_REJECT_DUPLICATES, &e);
	ck_assert_msg(d != NULL, "column %d: %s", e.column, e.text);
	return d;
}

static void check_refs(const json_t *root, json_t *v) {
	const char *key;
	json_t *sub;
	size_t i;
	if (json_is_array(v))
		json_array_foreach(v, i, sub)
			check_refs(root, sub);
	if (!json_is_object(v))
		return;
	json_object_foreach(v, key, sub) {
		if (strcmp(key, "$ref") != 0) {
			check_refs(root, sub);
			continue;
		}
		char kind[32], name[64];
		ck_assert_int_eq(sscanf(json_string_value(sub), "#/components/%31[a-z]/%63s", kind, name), 2);
		ck_assert_msg(json_object_get(json_object_get(json_object_get(root, "components"), kind), name) != NULL, "%s leads nowhere",
		    json_string_value(sub));
	}
}

START_TEST(openapi_is_json_and_closed) {
	json_t *d = document();
	ck_assert_str_eq(json_string_value(json_object_get(d, "openapi")), "3.1.0");
	check_refs(d, d);
	json_decref(d);
}
END_TEST

START_TEST(openapi_has_every_operation_and_its_path_parameters) {
	json_t *d = document(), *paths = json_object_get(d, "paths");
	for (size_t i = 0; i < n_op_defs; i++) {
		const struct op_def *op = &op_defs[i];
		char method[8] = "";
		for (size_t k = 0; op->http[k] != '\0'; k++)
			method[k] = (char)(op->http[k] | 0x20);
		json_t *o = json_object_get(json_object_get(paths, op->path), method);
		ck_assert_msg(o != NULL, "%s %s is missing", op->http, op->path);
		ck_assert_str_eq(json_string_value(json_object_get(o, "operationId")), op->name);
		size_t want = 0, have = 0, k;
		for (const char *p = strchr(op->path, '{'); p != NULL; p = strchr(p + 1, '{'))
			want++;
		json_t *parameter, *all = json_object_get(o, "parameters");
		json_array_foreach(all, k, parameter)
			have += strcmp(json_string_value(json_object_get(parameter, "in")), "path") == 0;
		ck_assert_msg(want == have, "%s has %zu path parameters of %zu", op->name, have, want);
	}
	json_decref(d);
}
END_TEST

START_TEST(openapi_says_enums_and_formats) {
	json_t *d = document();
	json_t *deployment = json_object_get(json_object_get(json_object_get(d, "components"), "schemas"), "Deployment");
	json_t *properties = json_object_get(deployment, "properties");
	ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(properties, "state"), "enum")), 5);
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(properties, "createTime"), "format")), "date-time");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(properties, "env"), "type")), "object");
	json_decref(d);
}
END_TEST

TEST_SUITE("api/ops", every_rpc_is_an_operation_with_its_messages, paths_are_unique_per_method, path_parameters_are_fields,
    bodies_and_methods_fit, changes_take_meta, openapi_is_json_and_closed, openapi_has_every_operation_and_its_path_parameters,
    openapi_says_enums_and_formats)
