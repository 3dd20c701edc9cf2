/* Random bytes from getrandom(2), digests from OpenSSL's EVP interface. */
#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"

#define TOKEN_CHARS 32

struct sha256 {
	EVP_MD_CTX *ctx;
};

struct sha256 *sha256_new(void) {
	struct sha256 *d = calloc(1, sizeof *d);
	if (d == NULL || (d->ctx = EVP_MD_CTX_new()) == NULL || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1)
		abort();
	return d;
}

void sha256_free(struct sha256 *d) {
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void sha256_add(struct sha256 *d, const void *p, size_t n) {
	if (EVP_DigestUpdate(d->ctx, p, n) != 1)
		abort();
}

void sha256_end(struct sha256 *d, uint8_t ret[SHA256_BYTES]) {
	if (EVP_DigestFinal_ex(d->ctx, ret, NULL) != 1)
		abort();
}

void sha256_of(const void *p, size_t n, uint8_t ret[SHA256_BYTES]) {
	if (EVP_Digest(p, n, ret, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void hmac_sha256_of(const void *key, size_t key_len, const void *p, size_t n, uint8_t ret[SHA256_BYTES]) {
	if (HMAC(EVP_sha256(), key, (int)key_len, p, n, ret, NULL) == NULL)
		abort();
}

void hex_encode(const uint8_t *p, size_t n, char *ret_hex) {
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		ret_hex[2 * i] = digits[p[i] >> 4];
		ret_hex[2 * i + 1] = digits[p[i] & 15];
	}
	ret_hex[2 * n] = '\0';
}

void signature_make(const char *secret, int64_t unix_seconds, const void *body, size_t n, char ret[SIGNATURE_SIZE]) {
	BUF_AUTO text = BUF_INIT;
	uint8_t mac[SHA256_BYTES];
	char hex[SHA256_HEX];
	buf_printf(&text, "%" PRId64 ".", unix_seconds);
	buf_add(&text, body, n);
	hmac_sha256_of(secret, strlen(secret), buf_str(&text), text.len, mac);
	hex_encode(mac, sizeof mac, hex);
	snprintf(ret, SIGNATURE_SIZE, "t=%" PRId64 ",v1=%s", unix_seconds, hex);
}

static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(const char *hex, uint8_t *ret, size_t n) {
	if (strlen(hex) != 2 * n)
		return false;
	for (size_t i = 0; i < 2 * n; i++)
		if (hex_digit(hex[i]) < 0)
			return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
	return true;
}

void random_bytes(void *p, size_t n) {
	for (size_t done = 0; done < n;) {
		ssize_t got = getrandom((char *)p + done, n - done, 0);
		if (got < 0 && errno != EINTR)
			abort(); /* a kernel without getrandom: no token may be made from anything weaker */
		if (got > 0)
			done += (size_t)got;
	}
}

/* Bytes of 248 and above are thrown away: 248 = 4 × 62, so each character is equally likely. */
static void base62_fill(char *p, size_t n) {
	static const char chars[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint8_t pool[64];
	for (size_t i = 0, at = sizeof pool; i < n;) {
		if (at == sizeof pool) {
			random_bytes(pool, sizeof pool);
			at = 0;
		}
		uint8_t v = pool[at++];
		if (v < 248)
			p[i++] = chars[v % 62];
	}
	OPENSSL_cleanse(pool, sizeof pool);
}

char *token_make(const char *prefix, char *buf, size_t size) {
	size_t n = strlen(prefix);
	assert(size >= n + 1 + TOKEN_CHARS + 1);
	memcpy(buf, prefix, n);
	buf[n] = '_';
	base62_fill(buf + n + 1, TOKEN_CHARS);
	buf[n + 1 + TOKEN_CHARS] = '\0';
	return buf;
}

bool secret_equal(const void *a, const void *b, size_t n) {
	return CRYPTO_memcmp(a, b, n) == 0;
}

char *uuid_make(char buf[37]) {
	uint8_t u[16];
	random_bytes(u, sizeof u);
	u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
	char hex[33];
	hex_encode(u, sizeof u, hex);
	snprintf(buf, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	return buf;
}
