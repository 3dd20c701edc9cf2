#include "../../suite.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "berth/v1/agent.pb-c.h"
#include "berth/v1/api.pb-c.h"
#include "proto/json.h"
#include "proto/unpack.h"

#define MIB ((size_t)1024 * 1024)

static int unpack(
    const ProtobufCMessageDescriptor *d, const void *p, size_t n, enum unpack_mode mode, struct arena *a, void *ret, struct err *err) {
	ProtobufCMessage *m = NULL;
	*err = ERR_INIT;
	int r = pb_unpack(d, p, n, mode, MIB, a, &m, err);
	*(ProtobufCMessage **)ret = m;
	return r;
}

START_TEST(what_was_packed_comes_back) {
	ARENA_AUTO a = arena_new();
	Berth__V1__GetModuleRequest q = BERTH__V1__GET_MODULE_REQUEST__INIT, *back;
	char name[] = "orders";
	q.module = name;
	uint8_t bytes[64];
	struct err err;
	ck_assert_int_eq(unpack(&berth__v1__get_module_request__descriptor, bytes, berth__v1__get_module_request__pack(&q, bytes),
	                     UNPACK_STRICT, a, &back, &err),
	    0);
	ck_assert_str_eq(back->module, "orders");
	ck_assert_int_eq(unpack(&berth__v1__get_module_request__descriptor, bytes, 0, UNPACK_STRICT, a, &back, &err), 0);
	ck_assert_ptr_null(back->module);
}
END_TEST

START_TEST(garbage_is_malformed) {
	ARENA_AUTO a = arena_new();
	struct err err;
	void *m;
	static const struct {
		const char *p;
		size_t n;
	} rows[] = { { "\xff", 1 },
		{ "\x0a\x05"
		  "ab",
		    4 },
		{ "\x0a\xff\xff\xff\xff\x0f", 6 } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_int_eq(
		    unpack(&berth__v1__get_module_request__descriptor, rows[i].p, rows[i].n, UNPACK_STRICT, a, &m, &err), E_MALFORMED);
}
END_TEST

START_TEST(text_must_be_utf8) {
	ARENA_AUTO a = arena_new();
	Berth__V1__CreateDeploymentRequest q = BERTH__V1__CREATE_DEPLOYMENT_REQUEST__INIT;
	Berth__V1__Deployment d = BERTH__V1__DEPLOYMENT__INIT;
	Berth__V1__Entry good = BERTH__V1__ENTRY__INIT, bad = BERTH__V1__ENTRY__INIT, *env[] = { &good, &bad };
	char key[] = "\xc3\xa4", broken[] = "a\xff";
	good.key = key;
	bad.value = broken;
	d.env = env;
	d.n_env = 2;
	q.deployment = &d;
	uint8_t bytes[128];
	struct err err;
	void *m;
	ck_assert_int_eq(unpack(&berth__v1__create_deployment_request__descriptor, bytes,
	                     berth__v1__create_deployment_request__pack(&q, bytes), UNPACK_STRICT, a, &m, &err),
	    E_INVALID);
	ck_assert_str_eq(err.pointer, "/deployment/env/1/value");
}
END_TEST

START_TEST(unknown_enum_values) {
	ARENA_AUTO a = arena_new();
	Berth__V1__ListBasesRequest q = BERTH__V1__LIST_BASES_REQUEST__INIT, *back;
	q.has_state = true;
	q.state = 77;
	uint8_t bytes[64];
	size_t n = berth__v1__list_bases_request__pack(&q, bytes);
	struct err err;
	ck_assert_int_eq(unpack(&berth__v1__list_bases_request__descriptor, bytes, n, UNPACK_STRICT, a, &back, &err), E_INVALID);
	ck_assert_str_eq(err.pointer, "/state");
	ck_assert_int_eq(unpack(&berth__v1__list_bases_request__descriptor, bytes, n, UNPACK_PEER, a, &back, &err), 0);
	ck_assert_int_eq(back->state, 0);
}
END_TEST

START_TEST(what_grows_too_large_is_refused) {
	ARENA_AUTO a = arena_new();
	static uint8_t bytes[40000]; /* 20,000 empty deployments: two bytes each on the wire */
	for (size_t i = 0; i < sizeof bytes; i += 2)
		bytes[i] = 0x12;
	struct err err;
	void *m;
	ck_assert_int_eq(
	    unpack(&berth__v1__bulk_deployments_request__descriptor, bytes, sizeof bytes, UNPACK_STRICT, a, &m, &err), E_TOO_LARGE);
	ck_assert_uint_lt(arena_bytes(a), 3 * MIB);
}
END_TEST

START_TEST(only_the_member_that_is_set_is_checked) {
	ARENA_AUTO a = arena_new();
	Berth__V1__AgentMessage q = BERTH__V1__AGENT_MESSAGE__INIT, *back;
	Berth__V1__Goodbye g = BERTH__V1__GOODBYE__INIT;
	char reason[] = "stopped";
	g.reason = reason;
	q.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_GOODBYE;
	q.goodbye = &g;
	uint8_t bytes[64];
	struct err err;
	ck_assert_int_eq(
	    unpack(&berth__v1__agent_message__descriptor, bytes, berth__v1__agent_message__pack(&q, bytes), UNPACK_PEER, a, &back, &err),
	    0);
	ck_assert_str_eq(back->goodbye->reason, "stopped");
}
END_TEST

START_TEST(texts_of_requests_are_bounded_and_named_as_in_json) {
	ARENA_AUTO a = arena_new();
	static char text[PB_MAX_TEXT + 2];
	memset(text, 'a', sizeof text - 1);
	Berth__V1__Deployment d = BERTH__V1__DEPLOYMENT__INIT;
	Berth__V1__Entry e = BERTH__V1__ENTRY__INIT, *env[] = { &e };
	char key[] = "OPTS";
	e.key = key;
	e.value = text;
	d.env = env;
	d.n_env = 1;
	struct err err;
	ck_assert_int_eq(pb_check(&d.pb, a, &err), E_INVALID);
	ck_assert_str_eq(err.pointer, "/env/OPTS");
	text[PB_MAX_TEXT] = '\0';
	ck_assert_int_eq(pb_check(&d.pb, a, &err), 0);
}
END_TEST

START_TEST(field_number_0_is_refused) {
	static const char at_top[] = { '\x80', 0, 0, '\x1a', 0 }, inside[] = { '\x22', 3, '\x80', 0, 0 };
	ARENA_AUTO a = arena_new();
	struct err err;
	void *m;
	ck_assert_int_eq(unpack(&berth__v1__agent_message__descriptor, at_top, sizeof at_top, UNPACK_PEER, a, &m, &err), E_INVALID);
	ck_assert_int_eq(unpack(&berth__v1__agent_message__descriptor, inside, sizeof inside, UNPACK_PEER, a, &m, &err), E_INVALID);
	ck_assert_str_eq(err.pointer, "/goodbye");
}
END_TEST

START_TEST(many_small_pieces_count_as_what_they_cost) {
	static uint8_t bytes[60000];
	for (size_t i = 0; i < sizeof bytes; i += 2)
		bytes[i] = 0x42; /* an empty taint in a Hello of its own */
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	ProtobufCMessage *m;
	ck_assert_int_eq(pb_unpack(&berth__v1__hello__descriptor, bytes, sizeof bytes, UNPACK_PEER, 400000, a, &m, &err), E_TOO_LARGE);
	ck_assert_uint_le(arena_bytes(a), 800000);
}
END_TEST

TEST_SUITE("proto/unpack", texts_of_requests_are_bounded_and_named_as_in_json, field_number_0_is_refused,
    many_small_pieces_count_as_what_they_cost, what_was_packed_comes_back, garbage_is_malformed, text_must_be_utf8, unknown_enum_values,
    what_grows_too_large_is_refused, only_the_member_that_is_set_is_checked)
