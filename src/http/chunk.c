/* One byte, one step of the grammar of RFC 9112 section 7.1, without its optional blanks:
 *   size 1–12 hex digits, extensions ";name[=token|"quoted"]" of at most 256 bytes, CRLF, data, CRLF; after the size 0 trailers,
 *   checked like headers and thrown away, then an empty line. */
#include "http/chunk.h"

#include <assert.h>
#include <string.h>

#include "http/head.h"

#define MAX_SIZE_DIGITS 12u
#define MAX_EXTENSION_BYTES 256u
#define MAX_TRAILER_BYTES 8192u
#define MAX_TRAILER_FIELDS 50u

enum state {
	SIZE,
	EXT_NAME_START,
	EXT_NAME,
	EXT_VALUE_START,
	EXT_TOKEN,
	EXT_QUOTED,
	EXT_QUOTED_PAIR,
	EXT_QUOTED_END,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_START,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	DONE
};

void chunk_init(struct chunk *c) {
	*c = (struct chunk){ .state = SIZE };
}

static int hex(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What may follow the size or a whole extension. */
static const char *after_part(struct chunk *c, char b) {
	if (b == ';')
		c->state = EXT_NAME_START;
	else if (b == '\r')
		c->state = SIZE_LF;
	else
		return "a chunk's size line is malformed";
	return NULL;
}

static const char *step_size(struct chunk *c, char b) {
	int v = hex(b);
	if (v < 0)
		return c->digits == 0 ? "a chunk does not start with its size" : after_part(c, b);
	if (++c->digits > MAX_SIZE_DIGITS)
		return "a chunk's size has more than 12 digits";
	c->left = c->left << 4 | (unsigned)v;
	return NULL;
}

static const char *step_extension(struct chunk *c, char b) {
	unsigned char u = (unsigned char)b;
	if (++c->line_bytes > MAX_EXTENSION_BYTES)
		return "a chunk's extensions are longer than 256 bytes";
	switch (c->state) {
	case EXT_NAME_START:
	case EXT_VALUE_START:
		if (http_is_token_char(u))
			c->state++;
		else if (c->state == EXT_VALUE_START && b == '"')
			c->state = EXT_QUOTED;
		else
			return "a chunk's extension is malformed";
		return NULL;
	case EXT_NAME:
		if (b == '=')
			c->state = EXT_VALUE_START;
		else if (!http_is_token_char(u))
			return after_part(c, b);
		return NULL;
	case EXT_TOKEN:
		return http_is_token_char(u) ? NULL : after_part(c, b);
	case EXT_QUOTED:
		if (b == '"')
			c->state = EXT_QUOTED_END;
		else if (b == '\\')
			c->state = EXT_QUOTED_PAIR;
		else if (!http_is_value_char(u))
			return "a chunk's extension holds a control character";
		return NULL;
	case EXT_QUOTED_PAIR:
		c->state = EXT_QUOTED;
		return http_is_value_char(u) ? NULL : "a chunk's extension holds a control character";
	default:
		return after_part(c, b);
	}
}

static const char *step_line_end(struct chunk *c, char b) {
	if (b != (c->state == DATA_CR ? '\r' : '\n'))
		return c->state == SIZE_LF ? "a chunk's size line does not end in CRLF" : "a chunk's data does not end in CRLF";
	if (c->state == DATA_CR) {
		c->state = DATA_LF;
	} else if (c->state == DATA_LF) {
		c->state = SIZE;
		c->digits = c->line_bytes = 0;
	} else {
		c->line_bytes = 0;
		c->state = c->left > 0 ? DATA : TRAILER_START;
	}
	return NULL;
}

/* A length, a coding or a host that comes after the body would contradict what was acted on. */
static const char *check_trailer_name(const struct chunk *c) {
	static const char *const refused[] = { "content-length", "transfer-encoding", "host", "content-type", "authorization", "trailer" };
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (c->name_len == strlen(refused[i]) && memcmp(c->name, refused[i], c->name_len) == 0)
			return "a trailer carries a field that belongs in the head";
	return NULL;
}

static void name_add(struct chunk *c, char b) {
	if (c->name_len < sizeof c->name)
		c->name[c->name_len] = b >= 'A' && b <= 'Z' ? (char)(b | 0x20) : b;
	c->name_len++;
}

static const char *step_trailer(struct chunk *c, char b) {
	unsigned char u = (unsigned char)b;
	if (++c->trailer_bytes > MAX_TRAILER_BYTES)
		return "the trailers are longer than 8192 bytes";
	switch (c->state) {
	case TRAILER_START:
		c->name_len = 0;
		if (b == '\r') {
			c->state = END_LF;
			return NULL;
		}
		if (++c->trailer_fields > MAX_TRAILER_FIELDS)
			return "there are more than 50 trailers";
		if (!http_is_token_char(u))
			return "a trailer is malformed";
		name_add(c, b);
		c->state = TRAILER_NAME;
		return NULL;
	case TRAILER_NAME:
		if (b == ':') {
			c->state = TRAILER_VALUE;
			return check_trailer_name(c);
		}
		name_add(c, b);
		return http_is_token_char(u) ? NULL : "a trailer is malformed";
	case TRAILER_VALUE:
		if (b == '\r')
			c->state = TRAILER_LF;
		return b == '\r' || http_is_value_char(u) ? NULL : "a trailer holds a control character";
	default:
		if (b != '\n')
			return "a trailer does not end in CRLF";
		c->state = c->state == END_LF ? DONE : TRAILER_START;
		return NULL;
	}
}

enum chunk_result chunk_step(struct chunk *c, const char *p, size_t n, size_t *ret_used, size_t *ret_data, const char **ret_reason) {
	size_t i = 0;
	const char *why = NULL;
	*ret_data = 0;
	while (i < n && why == NULL && c->state != DATA && c->state != DONE) {
		char b = p[i++];
		if (c->state == SIZE)
			why = step_size(c, b);
		else if (c->state < SIZE_LF)
			why = step_extension(c, b);
		else if (c->state < TRAILER_START)
			why = step_line_end(c, b);
		else
			why = step_trailer(c, b);
	}
	*ret_used = i;
	if (why != NULL) {
		*ret_reason = why;
		return CHUNK_BAD;
	}
	if (c->state == DONE)
		return CHUNK_END;
	if (c->state != DATA || i == n)
		return CHUNK_MORE;
	*ret_data = c->left < n - i ? (size_t)c->left : n - i;
	return CHUNK_DATA;
}

void chunk_take(struct chunk *c, size_t n) {
	assert(n <= c->left);
	c->left -= n;
	if (c->state == DATA && c->left == 0)
		c->state = DATA_CR;
}
