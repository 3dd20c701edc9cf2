#include "../../suite.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "proto/json.h"
#include "rpc/status.h"

START_TEST(fields_are_dotted) {
	static const struct {
		const char *pointer, *field;
	} rows[] = {
		{ "/replicas", "replicas" },
		{ "/deployment/replicas", "deployment.replicas" },
		{ "/deployment/batches/0", "deployment.batches[0]" },
		{ "/env/0/key", "env[0].key" },
		{ "", "" },
		{ "/", "" },
	};
	ARENA_AUTO a = arena_new();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_str_eq(status_field(rows[i].pointer, a), rows[i].field);
}
END_TEST

static Google__Rpc__Status *status_of(const struct err *err, const char *request_id, struct arena *a) {
	size_t n;
	const uint8_t *p = status_details(err, request_id, a, &n);
	ProtobufCAllocator alloc = arena_pb(a);
	Google__Rpc__Status *s = google__rpc__status__unpack(&alloc, n, p);
	ck_assert_ptr_nonnull(s);
	return s;
}

static const Google__Protobuf__Any *detail(const Google__Rpc__Status *s, const char *type) {
	for (size_t i = 0; i < s->n_details; i++)
		if (strcmp(strrchr(s->details[i]->type_url, '/') + 1, type) == 0)
			return s->details[i];
	return NULL;
}

START_TEST(a_bad_field_is_named) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	err_field(&err, E_INVALID, "/deployment/replicas", "replicas must be at least 1");
	Google__Rpc__Status *s = status_of(&err, "r-1", a);
	ck_assert_int_eq(s->code, 3);
	ck_assert_str_eq(s->message, err.text);
	ProtobufCAllocator alloc = arena_pb(a);
	const Google__Protobuf__Any *d = detail(s, "google.rpc.BadRequest");
	ck_assert_ptr_nonnull(d);
	Google__Rpc__BadRequest *bad = google__rpc__bad_request__unpack(&alloc, d->value.len, d->value.data);
	ck_assert_str_eq(bad->field_violations[0]->field, "deployment.replicas");
	d = detail(s, "google.rpc.ErrorInfo");
	Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(&alloc, d->value.len, d->value.data);
	ck_assert_str_eq(info->reason, "invalid_argument");
	ck_assert_str_eq(info->domain, "berth");
	d = detail(s, "google.rpc.RequestInfo");
	ck_assert_str_eq(google__rpc__request_info__unpack(&alloc, d->value.len, d->value.data)->request_id, "r-1");
	ck_assert_ptr_null(detail(s, "google.rpc.RetryInfo"));
}
END_TEST

START_TEST(only_safe_retries_are_advised) {
	for (int code = 1; code < E_COUNT; code++) {
		ARENA_AUTO a = arena_new();
		struct err err = ERR_INIT;
		err_set(&err, code, "x");
		bool advised = detail(status_of(&err, NULL, a), "google.rpc.RetryInfo") != NULL;
		ck_assert_msg(advised == (err_retry(code) == ERR_RETRY_SAFE), "%s", err_name(code));
	}
}
END_TEST

TEST_SUITE("rpc/status", fields_are_dotted, a_bad_field_is_named, only_safe_retries_are_advised)
