#include <ctype.h>
#include <string.h>

#include "../../suite.h"
#include "base/secret.h"

START_TEST(digests_match_the_standard) {
	uint8_t d[SHA256_BYTES], again[SHA256_BYTES];
	char hex[SHA256_HEX];
	sha256_of("abc", 3, d);
	hex_encode(d, sizeof d, hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	struct sha256 *s = sha256_new();
	sha256_add(s, "a", 1);
	sha256_add(s, "bc", 2);
	sha256_end(s, again);
	sha256_free(s);
	ck_assert(secret_equal(d, again, sizeof d));
	again[31] ^= 1;
	ck_assert(!secret_equal(d, again, sizeof d));
}
END_TEST

/* printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac hook_secret */
START_TEST(signatures_can_be_computed_with_other_tools) {
	char signature[SIGNATURE_SIZE];
	signature_make("hook_secret", 1700000000, "{\"a\":1}", 7, signature);
	ck_assert_str_eq(signature, "t=1700000000,v1=28367bbcf2c01718d6f06ac0bba9bea32273a90ab5ec7c7f0fb2346ac44e4423");
}
END_TEST

START_TEST(hex_goes_both_ways) {
	uint8_t b[2] = { 9, 9 };
	ck_assert(hex_decode("00fF", b, 2));
	ck_assert_int_eq(b[0], 0);
	ck_assert_int_eq(b[1], 255);
	ck_assert(!hex_decode("00f", b, 2));
	ck_assert(!hex_decode("00ffa", b, 2));
	ck_assert(!hex_decode("00fg", b, 2));
	ck_assert_int_eq(b[1], 255);
}
END_TEST

START_TEST(tokens_and_ids_have_their_form) {
	char a[64], b[64], id[37];
	token_make("berth", a, sizeof a);
	token_make("berth", b, sizeof b);
	ck_assert_uint_eq(strlen(a), 38);
	ck_assert_int_eq(strncmp(a, "berth_", 6), 0);
	for (size_t i = 6; i < 38; i++)
		ck_assert(isalnum((unsigned char)a[i]));
	ck_assert_str_ne(a, b);
	uuid_make(id);
	ck_assert_uint_eq(strlen(id), 36);
	ck_assert_int_eq(id[14], '4');
	ck_assert_ptr_nonnull(strchr("89ab", id[19]));
}
END_TEST

TEST_SUITE("base/secret", digests_match_the_standard, signatures_can_be_computed_with_other_tools, hex_goes_both_ways,
    tokens_and_ids_have_their_form)
