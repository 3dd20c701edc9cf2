/* Growth by doubling; every append keeps one byte for the NUL. */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256u

void buf_init(struct buf *b, size_t cap) {
	*b = (struct buf){ .cap = cap };
}

void buf_deinit(struct buf *b) {
	free(b->data);
	*b = (struct buf){ .cap = b->cap };
}

void buf_clear(struct buf *b) {
	b->len = 0;
	b->overflow = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

const char *buf_str(const struct buf *b) {
	return b->data == NULL ? "" : b->data;
}

/* Room for n more bytes and the NUL; returns how many of the n fit under the cap. */
static size_t reserve(struct buf *b, size_t n) {
	if (b->cap > 0 && n > b->cap - b->len) {
		n = b->cap - b->len;
		b->overflow = true;
	}
	assert(n < SIZE_MAX / 2 - b->len);
	size_t need = b->len + n + 1;
	if (need <= b->size)
		return n;
	size_t size = b->size == 0 ? FIRST_SIZE : b->size;
	while (size < need)
		size *= 2;
	char *data = realloc(b->data, size);
	if (data == NULL)
		abort();
	b->data = data;
	b->size = size;
	return n;
}

char *buf_take(struct buf *b, size_t *ret_len) {
	reserve(b, 0);
	b->data[b->len] = '\0';
	char *data = b->data;
	if (ret_len != NULL)
		*ret_len = b->len;
	*b = (struct buf){ .cap = b->cap };
	return data;
}

void buf_add(struct buf *b, const void *p, size_t n) {
	n = reserve(b, n);
	if (n > 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, const char *s) {
	buf_add(b, s, strlen(s));
}

void buf_add_char(struct buf *b, char c) {
	buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap) {
	char small[512];
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	assert(n >= 0);
	if ((size_t)n < sizeof small) {
		buf_add(b, small, (size_t)n);
	} else {
		char *large = malloc((size_t)n + 1);
		if (large == NULL)
			abort();
		vsnprintf(large, (size_t)n + 1, fmt, again);
		buf_add(b, large, (size_t)n);
		free(large);
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...) {
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

static bool continues(const unsigned char *p, size_t from, size_t to) {
	for (size_t i = from; i < to; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t utf8_length(const char *s, size_t n) {
	const unsigned char *p = (const unsigned char *)s;
	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	size_t want = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < want || !continues(p, 1, want))
		return 0;
	bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool beyond = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
	return overlong || beyond ? 0 : want;
}

bool utf8_valid(const char *p, size_t n) {
	for (size_t i = 0, k; i < n; i += k) {
		k = utf8_length(p + i, n - i);
		if (k == 0)
			return false;
	}
	return true;
}

void utf8_clean(char *s) {
	size_t n = strlen(s), len;
	for (size_t i = 0; i<n; i += len> 0 ? len : 1) {
		len = utf8_length(s + i, n - i);
		if (len == 0)
			s[i] = '?';
		else if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			s[i] = ' ';
	}
}

static void add_escaped(struct buf *b, unsigned char c) {
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *at = c == '\0' ? NULL : strchr(named, c);
	if (at != NULL) {
		char two[2] = { '\\', letters[at - named] };
		buf_add(b, two, 2);
	} else {
		buf_printf(b, "\\u%04x", c);
	}
}

void buf_add_json_n(struct buf *b, const char *s, size_t n) {
	buf_add_char(b, '"');
	for (size_t i = 0, run = 0, k; i < n; i += k) {
		unsigned char c = (unsigned char)s[i];
		k = utf8_length(s + i, n - i);
		bool plain = k > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
		if (plain) {
			run += k;
			if (i + k == n)
				buf_add(b, s + i + k - run, run);
			continue;
		}
		buf_add(b, s + i - run, run);
		run = 0;
		if (k == 0) {
			buf_add_str(b, "\xef\xbf\xbd");
			k = 1;
		} else {
			add_escaped(b, c);
		}
	}
	buf_add_char(b, '"');
}

void buf_add_json(struct buf *b, const char *s) {
	if (s == NULL)
		buf_add_str(b, "null");
	else
		buf_add_json_n(b, s, strlen(s));
}
