/* The fleet as a whole: its life, the dirty queues and what collect moves out of them, counters, events.
 *
 * Objects of one noun are in the file of that noun. Nothing here knows what a row means. */
#include "model/fleet_internal.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "model/changeset.h"
#include "model/lifecycle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROW_FOLLOWS(type) static_assert(offsetof(struct type, row) == sizeof(struct object), #type)
ROW_FOLLOWS(counter);
ROW_FOLLOWS(tenant);
ROW_FOLLOWS(token);
ROW_FOLLOWS(webhook);
ROW_FOLLOWS(artifact);
ROW_FOLLOWS(module);
ROW_FOLLOWS(version);
ROW_FOLLOWS(group);
ROW_FOLLOWS(base);
ROW_FOLLOWS(deployment);
ROW_FOLLOWS(revision);
ROW_FOLLOWS(plan);
ROW_FOLLOWS(change);
ROW_FOLLOWS(batch);
ROW_FOLLOWS(instance);
ROW_FOLLOWS(stay);
ROW_FOLLOWS(task);
ROW_FOLLOWS(finding);
ROW_FOLLOWS(idem);

static void *zalloc(size_t n) {
	void *p = calloc(1, n);
	if (p == NULL)
		abort();
	return p;
}

char *text_dup(const char *s) {
	char *copy = s == NULL ? NULL : strdup(s);
	if (s != NULL && copy == NULL)
		abort();
	return copy;
}

int absent(struct err *err, const char *what, int64_t id, const char *refers, int64_t to) {
	return err_set(err, E_INTERNAL, "the ledger's %s %" PRId64 " refers to %s %" PRId64 ", which is not there", what, id, refers, to);
}

/* ---- life ---- */

struct fleet *fleet_new(void) {
	struct fleet *f = zalloc(sizeof *f);
	for (int t = 0; t < TABLE_COUNT; t++) {
		TAILQ_INIT(&f->dirty[t]);
		STAILQ_INIT(&f->gone[t]);
		STAILQ_INIT(&f->parting[t]);
	}
	TAILQ_INIT(&f->finding_queue);
	TAILQ_INIT(&f->idem_queue);
	f->event_arena = arena_new();
	return f;
}

void fleet_count_transitions(struct fleet *f, uint64_t *counts) {
	f->reached = counts;
}

void fleet_on_plan_free(struct fleet *f, bool (*fn)(struct plan_live *live, size_t *objects)) {
	f->plan_free = fn;
}

/* ---- objects ---- */

void *object_new(enum table t, size_t size, const void *row) {
	struct object *o = zalloc(size);
	o->table = t;
	memcpy(OBJECT_ROW(o), row, table_defs[t].row_size);
	row_own(&table_defs[t], OBJECT_ROW(o));
	return o;
}

void object_created(struct fleet *f, struct object *o) {
	fleet_touch(f, o);
}

void state_made(struct fleet *f, enum word_set set, int to) {
	size_t row = transition_row(set, 0, to);
	if (f->reached != NULL && row < transition_count())
		f->reached[row]++;
}

void state_moved(struct fleet *f, enum word_set set, int from, int to) {
	size_t row = transition_row(set, from, to);
	if (row == transition_count())
		log_error("a state may not change so; this is a bug of Berth, please report it", log_s("object", lifecycle_object(set)),
		    log_s("from", word_text(set, from)), log_s("to", word_text(set, to)));
	assert(row < transition_count());
	if (f->reached != NULL)
		f->reached[row]++;
}

void object_free(struct object *o) {
	row_clear(&table_defs[o->table], OBJECT_ROW(o));
	free(o);
}

void object_clean(struct fleet *f, struct object *o) {
	if (!o->dirty)
		return;
	TAILQ_REMOVE(&f->dirty[o->table], o, dirty_link);
	o->dirty = false;
	f->n_dirty--;
}

/* The key columns lead in every row, and no table with text keys is ever deleted from: a plain copy of them will do. */
static struct leftover *leftover_key(const struct table_def *t, const void *row) {
	struct leftover *l = zalloc(sizeof *l + t->row_size);
	TAILQ_INIT(&l->stays);
	const struct col *last = &t->cols[t->keys - 1];
	assert(last->type != COL_text);
	memcpy(l->row, row, last->offset + last->size);
	return l;
}

struct leftover *object_delete(struct fleet *f, struct object *o) {
	struct leftover *l = NULL;
	object_clean(f, o);
	if (o->stored) {
		l = leftover_key(&table_defs[o->table], OBJECT_ROW(o));
		STAILQ_INSERT_TAIL(&f->gone[o->table], l, link);
		f->n_gone++;
	}
	object_free(o);
	return l;
}

void object_part(struct fleet *f, struct object *o) {
	if (o->dirty) {
		const struct table_def *t = &table_defs[o->table];
		struct leftover *l = zalloc(sizeof *l + t->row_size);
		TAILQ_INIT(&l->stays);
		memcpy(l->row, OBJECT_ROW(o), t->row_size); /* its texts move along */
		memset(OBJECT_ROW(o), 0, t->row_size);
		STAILQ_INSERT_TAIL(&f->parting[o->table], l, link);
		f->n_parting++;
		object_clean(f, o);
	}
	object_free(o);
}

/* ---- what changed ---- */

void fleet_touch(struct fleet *f, struct object *o) {
	if (o->table == TABLE_base)
		base_rezone(f, (struct base *)(void *)o);
	if (o->dirty)
		return;
	o->dirty = true;
	TAILQ_INSERT_TAIL(&f->dirty[o->table], o, dirty_link);
	f->n_dirty++;
}

size_t fleet_dirty_count(const struct fleet *f) {
	return f->n_dirty + f->n_gone + f->n_parting + f->n_events;
}

bool fleet_is_dirty(const struct fleet *f) {
	return fleet_dirty_count(f) > 0;
}

/* What they held may have moved elsewhere: their deletes wait for those upserts. */
static bool deleted_late(enum table t) {
	return t == TABLE_deployment || t == TABLE_base_group || t == TABLE_module;
}

static size_t collect_deletes(struct fleet *f, struct changeset *cs, size_t room, bool late) {
	size_t n = 0;
	for (int t = TABLE_COUNT - 1; t >= 0; t--) {
		struct leftover *l;
		if (deleted_late((enum table)t) != late)
			continue;
		while (n < room && (l = STAILQ_FIRST(&f->gone[t])) != NULL) {
			changeset_delete(cs, (enum table)t, l->row);
			stays_collect(f, cs, &l->stays);
			STAILQ_REMOVE_HEAD(&f->gone[t], link);
			free(l);
			f->n_gone--;
			n++;
		}
	}
	return n;
}

static size_t collect_parting(struct fleet *f, struct changeset *cs, enum table t, size_t room) {
	size_t n = 0;
	struct leftover *l;
	while (n < room && (l = STAILQ_FIRST(&f->parting[t])) != NULL) {
		changeset_upsert(cs, t, l->row);
		STAILQ_REMOVE_HEAD(&f->parting[t], link);
		row_clear(&table_defs[t], l->row);
		free(l);
		f->n_parting--;
		n++;
	}
	return n;
}

static bool vacates(const struct object *o) {
	return o->table == TABLE_instance && !((const struct instance *)(const void *)o)->row.wanted;
}

/* Instances on their way out come first: the slot they leave may be taken by another row of the same statement. */
static size_t collect_dirty(struct fleet *f, struct changeset *cs, enum table t, size_t room, bool only_vacated) {
	size_t n = 0;
	struct object *o, *next;
	for (o = TAILQ_FIRST(&f->dirty[t]); o != NULL && n < room; o = next) {
		next = TAILQ_NEXT(o, dirty_link);
		if (only_vacated && !vacates(o))
			continue;
		changeset_upsert(cs, t, OBJECT_ROW(o));
		object_clean(f, o);
		o->stored = true;
		if (t == TABLE_instance)
			stays_collect(f, cs, &((struct instance *)(void *)o)->stays);
		n++;
	}
	return n;
}

static size_t collect_events(struct fleet *f, struct changeset *cs, size_t room) {
	size_t n = f->n_events < room ? f->n_events : room;
	for (size_t i = 0; i < n; i++)
		changeset_upsert(cs, TABLE_event, f->events[i]);
	if (n > 0)
		f->collected_event = f->events[n - 1]->number;
	f->n_events -= n;
	memmove(f->events, f->events + n, f->n_events * sizeof *f->events);
	if (f->n_events == 0)
		arena_reset(f->event_arena);
	return n;
}

size_t fleet_collect(struct fleet *f, struct changeset *cs, size_t max_rows) {
	if (!fleet_is_dirty(f))
		return 0;
	if (max_rows == 0)
		max_rows = 1;
	size_t n = collect_deletes(f, cs, max_rows, false);
	for (int t = 0; t < TABLE_COUNT; t++) {
		n += collect_parting(f, cs, (enum table)t, max_rows - n);
		if (t == TABLE_instance)
			n += collect_dirty(f, cs, (enum table)t, max_rows - n, true);
		if (t != TABLE_base_history)
			n += collect_dirty(f, cs, (enum table)t, max_rows - n, false);
	}
	stays_collect_rest(f, cs);
	n += collect_deletes(f, cs, max_rows - n, true);
	if (f->n_events > 0)
		n += collect_events(f, cs, max_rows - n);
	struct row_cell cell = { .id = 1, .commit_no = ++f->commit_no, .last_event = f->collected_event };
	changeset_upsert(cs, TABLE_cell, &cell);
	cs->commit_no = cell.commit_no;
	cs->last_event = cell.last_event;
	return n + cs->tables[TABLE_base_history].n_upserts;
}

/* ---- numbers ---- */

int64_t fleet_next_id(struct fleet *f, const char *name) {
	struct counter *c;
	HASH_FIND(hh, f->counters, name, strlen(name), c);
	if (c == NULL) {
		struct row_counter row = { .name = (char *)(uintptr_t)name };
		c = object_new(TABLE_counter, sizeof *c, &row);
		HASH_ADD_KEYPTR(hh, f->counters, c->row.name, strlen(c->row.name), c);
	}
	fleet_touch(f, &c->o);
	return ++c->row.value;
}

int64_t fleet_inflight(const struct fleet *f) {
	return f->inflight;
}

int64_t fleet_commit_no(const struct fleet *f) {
	return f->commit_no;
}

int64_t fleet_last_event(const struct fleet *f) {
	return f->last_event;
}

void event_loaded(struct fleet *f, int64_t number, wall_t at) {
	if (number > f->last_event)
		f->last_event = f->collected_event = number;
	if (at.us > f->last_event_at.us)
		f->last_event_at = at;
}

struct row_event *fleet_event(struct fleet *f, wall_t now, const struct row_event *e) {
	if (f->n_events == f->events_size) {
		f->events_size = f->events_size == 0 ? 64 : f->events_size * 2;
		f->events = realloc(f->events, f->events_size * sizeof(*f->events));
		if (f->events == NULL)
			abort();
	}
	struct row_event *row = row_copy(&table_defs[TABLE_event], e, f->event_arena);
	row->number = ++f->last_event;
	if (now.us > f->last_event_at.us)
		f->last_event_at = now;
	row->at = f->last_event_at;
	return f->events[f->n_events++] = row;
}
