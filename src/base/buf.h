/* A growable byte buffer for text and JSON output, NUL-terminated beyond its length at all times.
 * With a cap, what would go beyond it is left out and `overflow` is set: check once at the end. Allocation never fails (aborts). */
#ifndef BERTH_BASE_BUF_H
#define BERTH_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* never NULL after the first append; use buf_str() to read */
	size_t len;
	size_t size; /* allocated */
	size_t cap;  /* largest len; 0 = none */
	bool overflow;
};

#define BUF_INIT ((struct buf){ 0 })

void buf_init(struct buf *b, size_t cap);
void buf_deinit(struct buf *b);
void buf_clear(struct buf *b);                  /* keeps the memory */
const char *buf_str(const struct buf *b);       /* "" when empty */
char *buf_take(struct buf *b, size_t *ret_len); /* malloc'ed, caller frees; b is empty afterwards; ret_len may be NULL */

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. NULL becomes null. */
void buf_add_json(struct buf *b, const char *s);
void buf_add_json_n(struct buf *b, const char *s, size_t n);

/* Length in bytes (1…4) of the valid UTF-8 sequence at p, 0 when it is none (overlong, surrogate, cut short). */
size_t utf8_length(const char *p, size_t n);
bool utf8_valid(const char *p, size_t n);
/* Makes a text that quotes what strangers sent, or was cut inside a character, fit for terminals, messages and the ledger, in place: what
 * is not UTF-8 becomes '?', controls become blanks. */
void utf8_clean(char *s);

#define BUF_AUTO __attribute__((cleanup(buf_deinit))) struct buf

#endif
