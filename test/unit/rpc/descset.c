#include "../../suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rpc/descset.h"

static struct desc_set *set;

static void setup(void) {
	struct err err;
	ck_assert_int_eq(descset_builtin(&set, &err), 0);
}

static bool has_file(const struct desc_file *const *files, size_t n, const char *name) {
	for (size_t i = 0; i < n; i++)
		if (strcmp(files[i]->name, name) == 0)
			return true;
	return false;
}

START_TEST(services_are_listed) {
	setup();
	const char *names[DESC_SERVICES_MAX];
	size_t n = descset_services(set, names);
	static const char *const wanted[] = { "berth.v1.Deployments", "berth.v1.AgentService", "grpc.health.v1.Health",
		"grpc.reflection.v1alpha.ServerReflection" };
	for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
		bool found = false;
		for (size_t i = 0; i < n; i++)
			found |= strcmp(names[i], wanted[w]) == 0;
		ck_assert_msg(found, "%s is not listed", wanted[w]);
	}
	descset_free(set);
}
END_TEST

START_TEST(a_file_comes_with_what_it_imports) {
	setup();
	const struct desc_file *files[DESC_FILES_MAX];
	size_t n = descset_by_name(set, "berth/v1/api.proto", files);
	ck_assert_uint_ge(n, 4);
	ck_assert_str_eq(files[0]->name, "berth/v1/api.proto");
	ck_assert(has_file(files, n, "berth/v1/types.proto"));
	ck_assert(has_file(files, n, "google/protobuf/timestamp.proto"));
	ck_assert(!has_file(files, n, "berth/v1/agent.proto"));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_ptr_ne(files[i], files[k]);
	ck_assert_uint_eq(descset_by_name(set, "nothing.proto", files), 0);
	descset_free(set);
}
END_TEST

START_TEST(symbols_of_every_kind_are_found) {
	setup();
	static const struct {
		const char *symbol, *file;
	} rows[] = {
		{ "berth.v1.Plan", "berth/v1/types.proto" },
		{ "berth.v1.Plan.state", "berth/v1/types.proto" },
		{ "berth.v1.Runtime", "berth/v1/types.proto" },
		{ "berth.v1.RUNTIME_ARK", "berth/v1/types.proto" },
		{ "berth.v1.AgentMessage.kind", "berth/v1/agent.proto" },
		{ "berth.v1.Deployments", "berth/v1/api.proto" },
		{ "berth.v1.Deployments.CreateDeployment", "berth/v1/api.proto" },
		{ "grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto" },
		{ "grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto" },
		{ "google.rpc.ErrorInfo.MetadataEntry", "google/rpc/error_details.proto" },
	};
	const struct desc_file *files[DESC_FILES_MAX];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_msg(descset_by_symbol(set, rows[i].symbol, files) > 0, "%s is not found", rows[i].symbol);
		ck_assert_str_eq(files[0]->name, rows[i].file);
	}
	ck_assert_uint_eq(descset_by_symbol(set, "berth.v1.Nothing", files), 0);
	ck_assert_uint_eq(descset_by_symbol(set, "", files), 0);
	ck_assert(descset_is_message(set, "berth.v1.Plan"));
	ck_assert(!descset_is_message(set, "berth.v1.Runtime"));
	descset_free(set);
}
END_TEST

static int reads(const void *p, size_t n) {
	struct err err;
	struct desc_set *s;
	int r = descset_new(p, n, &s, &err);
	if (r == 0)
		descset_free(s);
	return r;
}

START_TEST(damaged_sets_are_refused) {
	ck_assert_int_eq(reads("", 0), 0);
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "\x0a", 1 }, /* length missing */
		{ "\x0a\x05"
		  "abc",
		    5 },                                                                   /* cut short */
		{ "\x0a\x00", 2 },                                                         /* a file without a name */
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 }, { "\x0b", 1 }, /* a group */
		{ "\x02\x00", 2 },                                                         /* field number 0 */
		{ "\x0a\x07\x0a\x01"
		  "f\x22\x02\x0a\x05",
		    9 }, /* a message's name cut short */
		{ "\x0a\x05\x0a\x01"
		  "f\x22\x00",
		    7 }, /* a message without a name */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(reads(bad[i].bytes, bad[i].n) == E_MALFORMED, "row %zu", i);
}
END_TEST

/* Every prefix and many one-byte changes of a small set: an answer, whatever it is, and no byte out of bounds (ASan looks on). */
START_TEST(any_bytes_are_survived) {
	setup();
	const struct desc_file *files[DESC_FILES_MAX];
	ck_assert_uint_gt(descset_by_name(set, "grpc/health/v1/health.proto", files), 0);
	size_t n = files[0]->n + 3;
	unsigned char *whole = malloc(n), *copy = malloc(n);
	ck_assert(whole != NULL && copy != NULL);
	whole[0] = 0x0a;
	whole[1] = (unsigned char)(0x80 | (files[0]->n & 0x7f));
	whole[2] = (unsigned char)(files[0]->n >> 7);
	memcpy(whole + 3, files[0]->bytes, files[0]->n);
	ck_assert_int_eq(reads(whole, n), 0);
	for (size_t i = 0; i < n; i++) {
		unsigned char *cut = malloc(i + 1);
		memcpy(cut, whole, i);
		reads(cut, i);
		free(cut);
		memcpy(copy, whole, n);
		copy[i] ^= (unsigned char)(1u << (i % 8));
		reads(copy, n);
	}
	free(whole);
	free(copy);
	descset_free(set);
}
END_TEST

TEST_SUITE("rpc/descset", services_are_listed, a_file_comes_with_what_it_imports, symbols_of_every_kind_are_found, damaged_sets_are_refused,
    any_bytes_are_survived)
