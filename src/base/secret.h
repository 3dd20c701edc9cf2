/* Secrets and digests: random tokens, SHA-256, constant-time comparison (OpenSSL). */
#ifndef BERTH_BASE_SECRET_H
#define BERTH_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_HEX 65 /* with the terminating NUL */

struct sha256; /* running digest */
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *d);
void sha256_add(struct sha256 *d, const void *p, size_t n);
void sha256_end(struct sha256 *d, uint8_t ret[SHA256_BYTES]); /* d may only be freed afterwards */
void sha256_of(const void *p, size_t n, uint8_t ret[SHA256_BYTES]);
/* HMAC-SHA256 of a text under a key. */
void hmac_sha256_of(const void *key, size_t key_len, const void *p, size_t n, uint8_t ret[SHA256_BYTES]);
/* "t=SECONDS,v1=HEX", the header Berth-Signature: HMAC-SHA256 under the secret of SECONDS, a dot and the body; what a receiver has to
 * compute again. */
#define SIGNATURE_SIZE 100
void signature_make(const char *secret, int64_t unix_seconds, const void *body, size_t n, char ret[SIGNATURE_SIZE]);
void hex_encode(const uint8_t *p, size_t n, char *ret_hex /* 2n+1 */);
bool hex_decode(const char *hex, uint8_t *ret, size_t n); /* false unless exactly 2n lower- or upper-case digits */

/* "<prefix>_" + 32 random base62 characters (190 bits); buf ≥ strlen(prefix)+34. */
char *token_make(const char *prefix, char *buf, size_t size);
void random_bytes(void *p, size_t n);
bool secret_equal(const void *a, const void *b, size_t n);
/* Random UUID (version 4) as text. */
char *uuid_make(char buf[37]);

#endif
