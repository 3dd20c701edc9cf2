/* A zone's bases by free units: one level per number of units that some base there has free, in an array ordered by it. A placement goes
 * from one end of the array; a base that takes or gives back units moves to its new level by a binary search. The array is short, because
 * bases of a group are alike: its length is bounded by how many different numbers of free units there are, not by the bases. */
#include "model/fleet_internal.h"

#include <stdlib.h>
#include <string.h>

size_t zone_level_at(const struct zone *z, int64_t free_units) {
	size_t low = 0, high = z->n_levels;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (z->levels[middle]->free < free_units)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct level *level_open(struct zone *z, size_t at, int64_t free_units) {
	struct level *l = calloc(1, sizeof *l);
	if (l == NULL)
		abort();
	if (z->n_levels == z->cap_levels) {
		z->cap_levels = z->cap_levels == 0 ? 8 : z->cap_levels * 2;
		z->levels = realloc(z->levels, z->cap_levels * sizeof(struct level *));
		if (z->levels == NULL)
			abort();
	}
	l->free = free_units;
	TAILQ_INIT(&l->bases);
	memmove(&z->levels[at + 1], &z->levels[at], (z->n_levels - at) * sizeof(struct level *));
	z->levels[at] = l;
	z->n_levels++;
	return l;
}

static void level_close(struct zone *z, struct level *l) {
	size_t at = zone_level_at(z, l->free);
	z->n_levels--;
	memmove(&z->levels[at], &z->levels[at + 1], (z->n_levels - at) * sizeof(struct level *));
	free(l);
}

void level_leave(struct base *b) {
	struct level *l = b->level;
	if (l == NULL)
		return;
	TAILQ_REMOVE(&l->bases, b, free_link);
	b->level = NULL;
	if (TAILQ_EMPTY(&l->bases))
		level_close(base_zone(b), l);
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
	struct zone *z = base_zone(b);
	size_t at = zone_level_at(z, free_units);
	bool there = at < z->n_levels && z->levels[at]->free == free_units;
	b->level = there ? z->levels[at] : level_open(z, at, free_units);
	b->place = ++b->group->last_place;
	TAILQ_INSERT_TAIL(&b->level->bases, b, free_link);
}

void levels_free(struct zone *z) {
	for (size_t i = 0; i < z->n_levels; i++)
		free(z->levels[i]);
	free(z->levels);
}
