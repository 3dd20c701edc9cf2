#include "proto/beat.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"
#include "../../suite.h"

struct row {
	const char *text;
	int code;
	const char *identity, *ip, *cluster;
	int port;
	bool activated;
};

static const struct row rows[] = {
	{ "{\"baseMetadata\":{\"clusterName\":\"blue\",\"identity\":\"10.20.0.7\",\"name\":\"TO_BE_IMPLEMENTED\",\"version\":\"1.0.0\"},"
	  "\"localHostName\":\"node-7\",\"localIP\":\"10.20.0.7\",\"port\":1238,\"state\":\"activated\",\"new\":[{}]}",
	    0, "10.20.0.7", "10.20.0.7", "blue", 1238, true },
	{ "{\"baseID\":\"6f0c\",\"masterBizInfo\":{\"name\":\"shop\",\"version\":\"1.0.0\"},\"networkInfo\":{\"localIP\":\"10.20.0.7\","
	  "\"arkletPort\":1239},"
	  "\"state\":\"ACTIVATED\"}",
	    0, "6f0c", "10.20.0.7", NULL, 1239, true },
	{ "{\"baseMetadata\":{\"identity\":\"a\"},\"port\":1,\"state\":\"DEACTIVATED\"}", 0, "a", NULL, NULL, 1, false },
	{ "{\"baseMetadata\":{\"identity\":\"unknown-x7Qa1\"},\"localIP\":\"10.0.0.1\",\"port\":1}", 0, "10.0.0.1", "10.0.0.1", NULL, 1,
	    true },
	{ "{\"baseMetadata\":{\"identity\":\"unknown-x7Qa1\"},\"localIP\":\"unknown\",\"port\":1}", E_INVALID, NULL, NULL, NULL, 0, false },
	{ "{\"baseMetadata\":{\"identity\":\"a\"},\"port\":65536}", E_INVALID, NULL, NULL, NULL, 0, false },
	{ "{\"baseMetadata\":[],\"port\":\"1238\"}", E_INVALID, NULL, NULL, NULL, 0, false },
	{ "[]", E_MALFORMED, NULL, NULL, NULL, 0, false },
	{ "", E_MALFORMED, NULL, NULL, NULL, 0, false },
	{ "{\"baseMetadata\":", E_MALFORMED, NULL, NULL, NULL, 0, false },
};

static bool same(const char *a, const char *b) {
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

START_TEST(test_shapes) {
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ARENA_AUTO a = arena_new();
		struct err err;
		struct beat b;
		const struct row *r = &rows[i];
		int rc = beat_parse(a, r->text, strlen(r->text), &b, &err);
		ck_assert_msg(rc == r->code, "row %zu: %d", i, rc);
		if (rc != 0)
			continue;
		ck_assert_msg(same(b.identity, r->identity) && same(b.ip, r->ip) && same(b.cluster, r->cluster), "row %zu", i);
		ck_assert_int_eq(b.port, r->port);
		ck_assert(b.activated == r->activated);
		ck_assert(b.name == NULL || strcmp(b.name, "TO_BE_IMPLEMENTED") != 0);
	}
}
END_TEST

START_TEST(test_question) {
	ARENA_AUTO a = arena_new();
	struct err err;
	struct beat b;
	const char *text = "{\"identity\":\"lab-1\",\"name\":\"shop\",\"version\":\"1\",\"clusterName\":\"blue\"}";
	ck_assert_int_eq(beat_question_parse(a, text, strlen(text), &b, &err), 0);
	ck_assert_str_eq(b.identity, "lab-1");
	ck_assert_str_eq(b.cluster, "blue");
	ck_assert_int_eq(b.port, 0);
	ck_assert_int_eq(beat_question_parse(a, "{}", 2, &b, &err), E_INVALID);
}
END_TEST

/* Always the same, always a name, and never that of another identity. */
START_TEST(test_names) {
	ARENA_AUTO a = arena_new();
	static const char *const odd[] = { "fe80::1", "fe80--1", "shop/eu 1", "shop/eu_1", "", "\xc3\xa4",
		"a-very-long-identity-that-does-not-fit-into-a-name-of-sixty-three-letters-1",
		"a-very-long-identity-that-does-not-fit-into-a-name-of-sixty-three-letters-2" };
	ck_assert_str_eq(beat_base_name(a, "10.20.0.7", 1238), "10.20.0.7-1238");
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		const char *name = beat_base_name(a, odd[i], 65535);
		ck_assert_msg(name_valid(NAME_PLAIN, name), "%s", name);
		ck_assert_str_eq(name, beat_base_name(a, odd[i], 65535));
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(name, beat_base_name(a, odd[k], 65535));
	}
}
END_TEST

TEST_SUITE("proto/beat", test_shapes, test_question, test_names)
