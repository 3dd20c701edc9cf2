/* Lists by page. The cursor is the id of the last object given, as opaque text; objects come in id order. A walk that filters much goes on
 * in further turns (rule 10), with the rows found so far kept. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/secret.h"

#define DEFAULT_LIMIT 50
#define MAX_LIMIT 1000
#define WALK_PER_TURN 20000

char *cursor_make(int64_t id, struct arena *a) {
	char plain[32];
	snprintf(plain, sizeof plain, "b1:%" PRId64, id);
	char *hex = arena_alloc(a, 2 * strlen(plain) + 1);
	hex_encode((const uint8_t *)plain, strlen(plain), hex);
	return hex;
}

int cursor_read(const char *text, int64_t *ret, struct err *err) {
	char plain[32] = "", *end = NULL;
	size_t n = strlen(text) / 2;
	int64_t id = -1;
	if (n < sizeof plain && hex_decode(text, (uint8_t *)plain, n) && strncmp(plain, "b1:", 3) == 0)
		id = strtoll(plain + 3, &end, 10);
	if (id < 0 || end == NULL || *end != '\0' || end == plain + 3)
		return err_field(err, E_INVALID, "/cursor", "not a cursor; take the nextCursor of an earlier page, as it is");
	*ret = id;
	return 0;
}

static int page_new(struct api_op *op, const Berth__V1__Page *p, struct err *err) {
	struct page *page = arena_alloc(op->kept, sizeof *page);
	page->limit = DEFAULT_LIMIT;
	if (p != NULL && p->has_limit) {
		if (p->limit < 1 || p->limit > MAX_LIMIT)
			return err_field(err, E_INVALID, "/limit", "limit must be between 1 and %d", MAX_LIMIT);
		page->limit = (size_t)p->limit;
	}
	if (p != NULL && p->cursor != NULL && *p->cursor != '\0') {
		int rc = cursor_read(p->cursor, &page->next, err);
		if (rc != 0)
			return rc;
	}
	page->next_before = page->next;
	page->items = arena_alloc(op->kept, page->limit * sizeof *page->items);
	op->page = page;
	return 0;
}

int page_open(struct api_op *op, const Berth__V1__Page *p, struct err *err) {
	if (op->page == NULL)
		return page_new(op, p, err);
	op->page->n = op->page->n_before; /* this apply may be a second try */
	op->page->next = op->page->next_before;
	op->page->walked = 0;
	op->page->more = false;
	return 0;
}

int64_t page_after(const struct api_op *op) {
	return op->page->next;
}

bool page_add(struct api_op *op, int64_t id, ProtobufCMessage *item) {
	struct page *p = op->page;
	if (p->n == p->limit || p->walked == WALK_PER_TURN) {
		p->more = true;
		return false;
	}
	p->walked++;
	p->next = id;
	if (item != NULL)
		p->items[p->n++] = pb_copy(item, op->kept);
	return true;
}

static void go_on(struct api_op *op) {
	op->page->n_before = op->page->n;
	op->page->next_before = op->page->next;
	op_again(op);
}

void page_close(struct api_op *op, const ProtobufCMessageDescriptor *reply) {
	struct page *p = op->page;
	if (p->more && p->n < p->limit) {
		op->then = go_on;
		return;
	}
	char *m = pb_new(reply, op->arena);
	const ProtobufCFieldDescriptor *list = &reply->fields[0];
	*(size_t *)(m + list->quantifier_offset) = p->n;
	*(void ***)(m + list->offset) = p->items;
	const ProtobufCFieldDescriptor *cursor = protobuf_c_message_descriptor_get_field_by_name(reply, "next_cursor");
	if (p->more)
		*(char **)(m + cursor->offset) = cursor_make(p->next, op->arena);
	op->reply = (ProtobufCMessage *)m;
}
