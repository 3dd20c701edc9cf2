/* Blocks double in size up to 256 KiB; a request larger than a block gets one of its own. */
#include "base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK 4096u
#define MAX_BLOCK (256u * 1024u)
#define ALIGNMENT 16u

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ALIGNMENT) unsigned char data[];
};

struct arena {
	struct block *head;
	size_t bytes;
};

static struct block *block_new(struct arena *a, size_t size) {
	struct block *b = malloc(sizeof *b + size);
	if (b == NULL)
		abort();
	b->next = a->head;
	b->size = size;
	b->used = 0;
	a->head = b;
	a->bytes += size;
	return b;
}

struct arena *arena_new(void) {
	struct arena *a = calloc(1, sizeof *a);
	if (a == NULL)
		abort();
	return a;
}

void arena_free(struct arena *a) {
	if (a == NULL)
		return;
	for (struct block *b = a->head, *next; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

void arena_reset(struct arena *a) {
	while (a->head != NULL && a->head->next != NULL) {
		struct block *b = a->head;
		a->head = b->next;
		a->bytes -= b->size;
		free(b);
	}
	if (a->head != NULL)
		a->head->used = 0;
}

size_t arena_bytes(const struct arena *a) {
	return a->bytes;
}

void *arena_alloc(struct arena *a, size_t n) {
	size_t need = (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	assert(need >= n);
	struct block *b = a->head;
	if (b == NULL || b->size - b->used < need) {
		size_t size = b == NULL ? FIRST_BLOCK : b->size * 2;
		if (size > MAX_BLOCK)
			size = MAX_BLOCK;
		b = block_new(a, need > size ? need : size);
	}
	void *p = b->data + b->used;
	b->used += need;
	memset(p, 0, n);
	return p;
}

void *arena_memdup(struct arena *a, const void *p, size_t n) {
	void *q = arena_alloc(a, n);
	if (n > 0)
		memcpy(q, p, n);
	return q;
}

char *arena_strndup(struct arena *a, const char *s, size_t n) {
	char *q = arena_alloc(a, n + 1);
	memcpy(q, s, n);
	return q;
}

char *arena_strdup(struct arena *a, const char *s) {
	return s == NULL ? NULL : arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) {
	assert(fmt != NULL);
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	char *s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *arena_printf(struct arena *a, const char *fmt, ...) {
	va_list ap;
	va_start(ap, fmt);
	char *s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}
