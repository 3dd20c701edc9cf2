/* Heartbeats as any process may post them: who it says it is must be text with which a base can be named, whatever else it sends. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"
#include "proto/beat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_text(const char *s) {
	return s == NULL || utf8_valid(s, strlen(s));
}

static void check(struct arena *a, const struct beat *b) {
	assert(b->identity != NULL && *b->identity != '\0' && is_text(b->identity) && b->port >= 0 && b->port < 65536);
	assert(is_text(b->name) && is_text(b->cluster) && is_text(b->ip) && is_text(b->host));
	assert(name_valid(NAME_PLAIN, beat_base_name(a, b->identity, b->port)));
	assert(strcmp(beat_base_name(a, b->identity, b->port), beat_base_name(a, b->identity, b->port)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	struct beat b;
	int (*const readers[])(struct arena *, const char *, size_t, struct beat *, struct err *) = { beat_parse, beat_question_parse };
	for (size_t i = 0; i < 2; i++) {
		int rc = readers[i](a, (const char *)data, size, &b, &err);
		if (rc == 0)
			check(a, &b);
		else
			assert((rc == E_MALFORMED || rc == E_INVALID) && err.text[0] != '\0' && is_text(err.text));
	}
	return 0;
}
