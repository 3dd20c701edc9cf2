/* Bump allocator: everything one request or one message needs, freed at once.
 * Not thread safe. Allocation never fails (the process aborts when memory is gone: limits upstream bound every arena). */
#ifndef BERTH_BASE_ARENA_H
#define BERTH_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);          /* NULL is fine */
void arena_reset(struct arena *a);         /* frees all blocks but the first */
size_t arena_bytes(const struct arena *a); /* memory held, in bytes */

void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned for any type */
void *arena_memdup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, const char *s); /* NULL stays NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static inline void arena_freep(struct arena **a) {
	arena_free(*a);
}
#define ARENA_AUTO __attribute__((cleanup(arena_freep))) struct arena *

#endif
