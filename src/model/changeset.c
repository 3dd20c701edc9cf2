/* A changeset is filled by fleet_collect and read by the ledger. Its lists grow by doubling inside its arena. */
#include "model/changeset.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

struct changeset *changeset_new(void) {
	struct changeset *cs = calloc(1, sizeof *cs);
	if (cs == NULL)
		abort();
	cs->arena = arena_new();
	return cs;
}

void changeset_free(struct changeset *cs) {
	if (cs == NULL)
		return;
	arena_free(cs->arena);
	free(cs);
}

/* The size of a list is always 0 or the next power of two: no field for it. */
static void list_add(struct arena *a, void ***list, size_t *n, void *row) {
	if (*n == 0 || (*n >= 8 && (*n & (*n - 1)) == 0)) {
		void **bigger = arena_alloc(a, (*n == 0 ? 8 : *n * 2) * sizeof *bigger);
		if (*n > 0)
			memcpy(bigger, *list, *n * sizeof *bigger);
		*list = bigger;
	}
	(*list)[(*n)++] = row;
}

void changeset_upsert(struct changeset *cs, enum table t, const void *row) {
	struct change_rows *c = &cs->tables[t];
	list_add(cs->arena, &c->upserts, &c->n_upserts, row_copy(&table_defs[t], row, cs->arena));
	cs->rows++;
}

void changeset_delete(struct changeset *cs, enum table t, const void *row) {
	struct change_rows *c = &cs->tables[t];
	list_add(cs->arena, &c->deletes, &c->n_deletes, row_copy(&table_defs[t], row, cs->arena));
	cs->rows++;
}
