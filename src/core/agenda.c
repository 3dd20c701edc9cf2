/* What is due when: a binary heap of (time, kind, id). Entries are hints: whoever pops one looks the object up and checks for itself, so
 * nothing is ever removed from the middle. */
#include "core/conductor.h"

#include <stdlib.h>

static bool before(const struct agenda_item *a, const struct agenda_item *b) {
	if (a->due.us != b->due.us)
		return a->due.us < b->due.us;
	return a->kind != b->kind ? a->kind < b->kind : a->id < b->id;
}

void agenda_add(struct agenda *a, mono_t due, enum agenda_kind kind, int64_t id) {
	if (a->n == a->cap) {
		a->cap = a->cap == 0 ? 256 : a->cap * 2;
		a->items = realloc(a->items, a->cap * sizeof *a->items);
		if (a->items == NULL)
			abort();
	}
	struct agenda_item x = { due, kind, id };
	size_t i = a->n++;
	for (size_t up; i > 0 && before(&x, &a->items[up = (i - 1) / 2]); i = up)
		a->items[i] = a->items[up];
	a->items[i] = x;
}

bool agenda_pop(struct agenda *a, mono_t now, struct agenda_item *ret) {
	if (a->n == 0 || mono_before(now, a->items[0].due))
		return false;
	*ret = a->items[0];
	struct agenda_item x = a->items[--a->n];
	size_t i = 0;
	for (size_t kid; (kid = 2 * i + 1) < a->n; i = kid) {
		if (kid + 1 < a->n && before(&a->items[kid + 1], &a->items[kid]))
			kid++;
		if (!before(&a->items[kid], &x))
			break;
		a->items[i] = a->items[kid];
	}
	a->items[i] = x;
	return true;
}

mono_t agenda_next(const struct agenda *a) {
	return a->n == 0 ? MONO_NEVER : a->items[0].due;
}

void agenda_clear(struct agenda *a) {
	free(a->items);
	*a = (struct agenda){ 0 };
}
