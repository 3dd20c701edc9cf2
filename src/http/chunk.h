/* Decoder of a chunked body: bytes in, slices of data out. No sockets, no memory of its own. Called by body.c and the tests. */
#ifndef BERTH_HTTP_CHUNK_H
#define BERTH_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

enum chunk_result {
	CHUNK_MORE, /* all n bytes were framing and are used up */
	CHUNK_DATA, /* data starts at p + *ret_used, *ret_data bytes of it are here: take some with chunk_take(), then call again */
	CHUNK_END,  /* the body ended at p + *ret_used */
	CHUNK_BAD,  /* malformed: *ret_reason */
};

struct chunk {
	int state;
	uint64_t left; /* data bytes of this chunk still to come */
	unsigned digits;
	unsigned line_bytes; /* of the extension or trailer line */
	unsigned trailer_bytes, trailer_fields;
	char name[20]; /* start of a trailer's name, lower case */
	unsigned name_len;
};

void chunk_init(struct chunk *c);
enum chunk_result chunk_step(struct chunk *c, const char *p, size_t n, size_t *ret_used, size_t *ret_data, const char **ret_reason);
void chunk_take(struct chunk *c, size_t n); /* n ≤ *ret_data bytes were taken */

#endif
