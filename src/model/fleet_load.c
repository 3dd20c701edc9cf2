/* Loading: one row at a time in the order of tables.def, into a fleet that nobody uses yet. */
#include "model/fleet_internal.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

static int cell_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_cell *c = row;
	f->commit_no = c->commit_no;
	event_loaded(f, c->last_event, (wall_t){ 0 });
	return 0;
}

static int counter_load(struct fleet *f, const void *row, struct err *err) {
	struct counter *c = object_new(TABLE_counter, sizeof *c, row);
	HASH_ADD_KEYPTR(hh, f->counters, c->row.name, strlen(c->row.name), c);
	c->o.stored = true;
	return 0;
}

static int event_load(struct fleet *f, const void *row, struct err *err) {
	const struct row_event *e = row;
	event_loaded(f, e->number, e->at);
	return 0;
}

/* History is written, never read back: what is still open is known from its instance. */
int base_history_load(struct fleet *f, const void *row, struct err *err) {
	return 0;
}

int fleet_load_row(struct fleet *f, enum table t, void *row, struct err *err) {
	static int (*const load[TABLE_COUNT])(struct fleet *, const void *, struct err *) = {
#define T(name, keys) [TABLE_##name] = name##_load,
		TABLES(T)
#undef T
	};
	return load[t](f, row, err);
}

/* The ledger's CHECK keeps units_used under the ceiling, but not equal to the sum over the instances: somebody may have deleted rows by
 * hand. */
static void base_resum(struct fleet *f, struct base *b) {
	const struct instance *i;
	int64_t used = 0;
	TAILQ_FOREACH(i, &b->instances, base_link)
		used += i->row.units;
	base_add_units(f, b, used - b->row.units_used);
}

int fleet_load_end(struct fleet *f, struct err *err) {
	struct base *b, *tb;
	HASH_ITER(hh_id, f->bases, b, tb)
		base_resum(f, b);
	idem_sort(f);
	return fleet_check(f, err);
}
