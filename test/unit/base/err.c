#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "../../suite.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"

START_TEST(codes_map_both_ways) {
	for (int i = 0; i < E_COUNT; i++) {
		ck_assert_int_eq(i == 0 ? 0 : err_from_name(err_name(i)), i);
		ck_assert_msg(err_http(i) == 200 || (err_http(i) >= 400 && err_http(i) < 600), "%s", err_name(i));
		ck_assert_msg(err_grpc(i) >= 0 && err_grpc(i) <= 16, "%s", err_name(i));
	}
	ck_assert_int_eq(err_http(9999), 500);
	ck_assert_str_eq(err_name(-1), "internal");
	ck_assert_int_eq(err_from_name("never heard of"), E_INTERNAL);
}
END_TEST

START_TEST(an_error_is_filled_once_and_given_context) {
	struct err e = ERR_INIT;
	ck_assert_int_eq(err_field(&e, E_INVALID, "/replicas", "%d is too many", 9), E_INVALID);
	ck_assert_str_eq(e.pointer, "/replicas");
	ck_assert_int_eq(err_context(&e, "deployment %s", "orders"), E_INVALID);
	ck_assert_str_eq(e.text, "deployment orders: 9 is too many");
	ck_assert_ptr_nonnull(strstr(e.file, "err.c"));
	ck_assert_int_eq(err_errno(&e, ENOENT, "open %s", "x"), E_IO);
	ck_assert_str_eq(e.text, "open x: No such file or directory");
	ck_assert_str_eq(e.pointer, "");
	ck_assert_int_eq(err_set(NULL, E_BUSY, "nobody listens"), E_BUSY);
	char longer[2000];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	err_set(&e, E_BUSY, "%s", longer);
	err_context(&e, "%s", longer);
	ck_assert_uint_eq(strlen(e.text), sizeof e.text - 1);
}
END_TEST

START_TEST(a_part_of_a_larger_input_is_pointed_into) {
	static const struct {
		const char *inner, *whole;
	} rows[] = { { "/version", "/changes/1/version" }, { "", "/changes/1" }, { "/meta/reason", "/meta/reason" } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err = ERR_INIT;
		err_field(&err, E_INVALID, rows[i].inner, "x");
		ck_assert_int_eq(err_under(&err, "/changes/1"), E_INVALID);
		ck_assert_str_eq(err.pointer, rows[i].whole);
	}
	ck_assert_int_eq(err_under(NULL, "/changes/1"), E_INTERNAL);
}
END_TEST

START_TEST(a_text_is_one_line_of_utf8_whatever_it_quotes) {
	struct err e = ERR_INIT;
	err_set(&e, E_MALFORMED, "near '%s'", "\xc3\xa4\xcf\n\x1b[2J\x7f");
	ck_assert_str_eq(e.text, "near '\xc3\xa4?  [2J '");
	err_context(&e, "file %s", "\xff\t");
	ck_assert_str_eq(e.text, "file ? : near '\xc3\xa4?  [2J '");
	char umlauts[sizeof e.text + 2];
	for (size_t i = 0; i + 2 < sizeof umlauts; i += 2)
		memcpy(umlauts + i, "\xc3\xa4", 3);
	err_set(&e, E_MALFORMED, "%s", umlauts);
	ck_assert_uint_eq(strlen(e.text), sizeof e.text - 1);
	ck_assert(utf8_valid(e.text, strlen(e.text)));
	err_errno(&e, ENOENT, "open %s", "a\xff");
	ck_assert_str_eq(e.text, "open a?: No such file or directory");
}
END_TEST

START_TEST(arenas_give_zeroed_aligned_memory) {
	struct arena *a = arena_new();
	for (size_t n = 0; n < 20000; n = n * 2 + 1) {
		unsigned char *p = arena_alloc(a, n);
		ck_assert_uint_eq((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(p[i], 0);
		memset(p, 0xff, n);
	}
	ck_assert_str_eq(arena_printf(a, "%s-%d", "x", 5), "x-5");
	ck_assert_str_eq(arena_strndup(a, "abcdef", 3), "abc");
	ck_assert_ptr_null(arena_strdup(a, NULL));
	size_t held = arena_bytes(a);
	arena_reset(a);
	ck_assert_uint_lt(arena_bytes(a), held);
	unsigned char *p = arena_alloc(a, 1000);
	for (size_t i = 0; i < 1000; i++)
		ck_assert_int_eq(p[i], 0);
	arena_free(a);
	arena_free(NULL);
}
END_TEST

START_TEST(a_seed_gives_one_sequence) {
	struct rng a, b;
	rng_init(&a, 7);
	rng_init(&b, 7);
	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_eq(rng_u64(&a), rng_u64(&b));
		ck_assert_uint_lt(rng_below(&a, 10), 10);
		rng_below(&b, 10);
		int64_t j = rng_jitter(&a, 1000);
		ck_assert(j >= 800 && j <= 1200);
		rng_jitter(&b, 1000);
	}
	ck_assert_uint_eq(rng_below(&a, 0), 0);
	ck_assert_int_eq(rng_jitter(&a, 0), 0);
}
END_TEST

TEST_SUITE("base/err", codes_map_both_ways, an_error_is_filled_once_and_given_context, a_part_of_a_larger_input_is_pointed_into,
    a_text_is_one_line_of_utf8_whatever_it_quotes, arenas_give_zeroed_aligned_memory, a_seed_gives_one_sequence)
