/* Answers as any process on a port may give them, to every reader of arklet's JSON: what comes out must be whole, bounded and fit for
 * people. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/arklet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_text(const char *s) {
	return s != NULL && utf8_valid(s, strlen(s));
}

static void check(const struct arklet_reply *r) {
	assert(is_text(r->code) && is_text(r->message) && is_text(r->cause));
	assert((r->verdict == ARKLET_OK) == (*r->cause == '\0') || *r->code == '\0');
	assert(r->n_biz <= ARKLET_MAX_BIZ);
	for (size_t i = 0; i < r->n_biz; i++) {
		const struct arklet_biz *b = &r->biz[i];
		assert(is_text(b->name) && *b->name != '\0' && is_text(b->version) && *b->version != '\0' && b->state < ARKLET_STATES &&
		       is_text(b->state_text));
		assert(arklet_biz_find(r, b->name, b->version) != NULL);
	}
}

static void check_health(const struct arklet_health *h) {
	assert(h->heap_used >= -1 && h->heap_max >= -1 && h->nonheap_used >= -1 && h->metaspace_used >= -1 && h->metaspace_max >= -1 &&
	       h->classes >= -1);
	assert(h->run_time_s >= 0 || h->run_time_s == -1.0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	struct arklet_reply r;
	struct arklet_health h;
	struct arklet_operation op;
	unsigned commands = 0;
	const char *text = (const char *)data;
	if (arklet_reply_parse(a, text, size, &r, &err) != 0) {
		assert(is_text(err.text) && err.text[0] != '\0');
		assert(arklet_list_parse(a, text, size, &r, &err) != 0);
		return 0;
	}
	check(&r);
	if (arklet_list_parse(a, text, size, &r, &err) == 0)
		check(&r);
	assert(arklet_health_parse(a, text, size, &r, &h, &err) == 0);
	check_health(&h);
	if (arklet_operation_parse(a, text, size, &r, &op, &err) == 0)
		assert(is_text(op.request_id) && is_text(op.status) && is_text(op.cause) && (op.finished || !op.succeeded));
	if (arklet_help_parse(a, text, size, &commands, &err) == 0)
		assert(commands >> ARKLET_COMMANDS == 0);
	static const char *const urls[] = { "u" };
	struct arklet_reply item;
	assert(arklet_batch_parse(a, text, size, urls, 1, &r, &item, &err) == 0);
	assert(is_text(item.code) && is_text(item.message) && is_text(item.cause) && item.n_biz <= ARKLET_MAX_BIZ);
	return 0;
}
