/* The bases of a zone slot by free units: one level per number of units that some base there has free, in an array ordered by it. A
 * placement goes from one end of the array; a base that takes or gives back units moves to its new level by a binary search. The array is
 * short, because bases of a group are alike: its length is bounded by how many different numbers of free units there are, not by the bases.
 */
#include "model/fleet_internal.h"

#include <stdlib.h>
#include <string.h>

size_t slot_level_at(const struct zone_slot *s, int64_t free_units) {
	size_t low = 0, high = s->n_levels;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->levels[middle]->free < free_units)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct level *level_open(struct zone_slot *s, size_t at, int64_t free_units) {
	struct level *l = calloc(1, sizeof *l);
	if (l == NULL)
		abort();
	if (s->n_levels == s->cap_levels) {
		s->cap_levels = s->cap_levels == 0 ? 8 : s->cap_levels * 2;
		s->levels = realloc(s->levels, s->cap_levels * sizeof(struct level *));
		if (s->levels == NULL)
			abort();
	}
	l->free = free_units;
	TAILQ_INIT(&l->bases);
	memmove(&s->levels[at + 1], &s->levels[at], (s->n_levels - at) * sizeof(struct level *));
	s->levels[at] = l;
	s->n_levels++;
	return l;
}

static void level_close(struct zone_slot *s, struct level *l) {
	size_t at = slot_level_at(s, l->free);
	s->n_levels--;
	memmove(&s->levels[at], &s->levels[at + 1], (s->n_levels - at) * sizeof(struct level *));
	free(l);
}

static struct zone_slot *slot_of(const struct base *b) {
	return b->group->slots[b->zone->slot];
}

void level_leave(struct base *b) {
	struct level *l = b->level;
	if (l == NULL)
		return;
	TAILQ_REMOVE(&l->bases, b, free_link);
	b->level = NULL;
	if (TAILQ_EMPTY(&l->bases))
		level_close(slot_of(b), l);
}

void level_enter(struct base *b) {
	int64_t free_units = base_free(b);
	if (!base_open(b)) {
		level_leave(b);
		return;
	}
	if (b->level != NULL && b->level->free == free_units)
		return;
	level_leave(b);
	struct zone_slot *s = slot_of(b);
	size_t at = slot_level_at(s, free_units);
	bool there = at < s->n_levels && s->levels[at]->free == free_units;
	b->level = there ? s->levels[at] : level_open(s, at, free_units);
	b->place = ++b->group->last_place;
	TAILQ_INSERT_TAIL(&b->level->bases, b, free_link);
}

void levels_free(struct zone_slot *s) {
	for (size_t i = 0; i < s->n_levels; i++)
		free(s->levels[i]);
	free(s->levels);
}
