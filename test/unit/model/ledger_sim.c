/* See ledger_sim.h. Rows are kept sorted by key in plain arrays. */
#include "ledger_sim.h"

#include "../../suite.h"

#include "base/arena.h"
#include "base/err.h"
#include "model/fleet_internal.h"

#include <stdlib.h>
#include <string.h>

struct ledger_sim {
	struct sim_rows {
		void **rows;
		size_t n, size;
	} tables[TABLE_COUNT];
	int64_t commit_no, last_event;
};

/* What the schema's foreign keys say. Tasks and plan changes outlive what they name. */
static const struct reference {
	enum table from;
	const char *col;
	enum table to;
} references[] = {
	{ TABLE_token, "tenant_id", TABLE_tenant },
	{ TABLE_webhook, "tenant_id", TABLE_tenant },
	{ TABLE_artifact, "tenant_id", TABLE_tenant },
	{ TABLE_module, "tenant_id", TABLE_tenant },
	{ TABLE_version, "module_id", TABLE_module },
	{ TABLE_version, "artifact_id", TABLE_artifact },
	{ TABLE_base_group, "tenant_id", TABLE_tenant },
	{ TABLE_base, "group_id", TABLE_base_group },
	{ TABLE_deployment, "module_id", TABLE_module },
	{ TABLE_deployment, "group_id", TABLE_base_group },
	{ TABLE_revision, "deployment_id", TABLE_deployment },
	{ TABLE_revision, "version_id", TABLE_version },
	{ TABLE_plan, "tenant_id", TABLE_tenant },
	{ TABLE_plan_change, "plan_id", TABLE_plan },
	{ TABLE_batch, "plan_id", TABLE_plan },
	{ TABLE_instance, "base_id", TABLE_base },
	{ TABLE_instance, "version_id", TABLE_version },
	{ TABLE_instance, "deployment_id", TABLE_deployment },
	{ TABLE_task, "plan_id", TABLE_plan },
	{ TABLE_finding, "base_id", TABLE_base },
};

struct ledger_sim *ledger_sim_new(void) {
	return calloc(1, sizeof(struct ledger_sim));
}

static void row_free(enum table t, void *row) {
	row_clear(&table_defs[t], row);
	free(row);
}

void ledger_sim_free(struct ledger_sim *l) {
	for (int t = 0; t < TABLE_COUNT; t++) {
		for (size_t i = 0; i < l->tables[t].n; i++)
			row_free((enum table)t, l->tables[t].rows[i]);
		free(l->tables[t].rows);
	}
	free(l);
}

/* Index of the row with that key, or of where it would go. */
static size_t row_find(const struct ledger_sim *l, enum table t, const void *row, bool *ret_there) {
	const struct sim_rows *r = &l->tables[t];
	size_t lo = 0, hi = r->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = row_key_cmp(&table_defs[t], r->rows[mid], row);
		if (d == 0) {
			*ret_there = true;
			return mid;
		}
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_there = false;
	return lo;
}

static void row_delete(struct ledger_sim *l, enum table t, const void *row) {
	bool there;
	size_t i = row_find(l, t, row, &there);
	ck_assert_msg(there, "a delete from %s finds no row", table_defs[t].name);
	struct sim_rows *r = &l->tables[t];
	row_free(t, r->rows[i]);
	memmove(r->rows + i, r->rows + i + 1, (--r->n - i) * sizeof *r->rows);
}

static void row_upsert(struct ledger_sim *l, enum table t, const void *row) {
	bool there;
	struct sim_rows *r = &l->tables[t];
	size_t i = row_find(l, t, row, &there);
	void *copy = malloc(table_defs[t].row_size);
	memcpy(copy, row, table_defs[t].row_size);
	row_own(&table_defs[t], copy);
	if (there) {
		row_free(t, r->rows[i]);
		r->rows[i] = copy;
		return;
	}
	if (r->n == r->size) {
		r->size = r->size == 0 ? 64 : r->size * 2;
		r->rows = realloc(r->rows, r->size * sizeof *r->rows);
	}
	memmove(r->rows + i + 1, r->rows + i, (r->n++ - i) * sizeof *r->rows);
	r->rows[i] = copy;
}

static int64_t number_of(const struct table_def *t, const char *col, const void *row) {
	int64_t v = 0;
	for (int i = 0; i < t->n_cols; i++)
		if (strcmp(t->cols[i].name, col) == 0)
			memcpy(&v, (const char *)row + t->cols[i].offset, sizeof v);
	return v;
}

static bool id_there(const struct ledger_sim *l, enum table t, int64_t id) {
	max_align_t row[64] = { 0 };
	ck_assert_uint_le(table_defs[t].row_size, sizeof row);
	memcpy(row, &id, sizeof id);
	bool there;
	row_find(l, t, row, &there);
	return there;
}

static void references_check(const struct ledger_sim *l) {
	for (size_t k = 0; k < sizeof references / sizeof *references; k++) {
		const struct reference *ref = &references[k];
		const struct sim_rows *r = &l->tables[ref->from];
		for (size_t i = 0; i < r->n; i++) {
			int64_t id = number_of(&table_defs[ref->from], ref->col, r->rows[i]);
			ck_assert_msg(id == 0 || id_there(l, ref->to, id), "%s.%s = %lld dangles", table_defs[ref->from].name, ref->col,
			    (long long)id);
		}
	}
}

void ledger_sim_commit(struct ledger_sim *l, const struct changeset *cs) {
	ck_assert_int_eq(cs->commit_no, ++l->commit_no);
	size_t rows = 0;
	for (int t = TABLE_COUNT - 1; t >= 0; t--)
		for (size_t i = 0; i < cs->tables[t].n_deletes; i++, rows++)
			row_delete(l, (enum table)t, cs->tables[t].deletes[i]);
	for (int t = 0; t < TABLE_COUNT; t++) {
		for (size_t i = 0; i < cs->tables[t].n_upserts; i++, rows++) {
			const void *row = cs->tables[t].upserts[i];
			if (t == TABLE_event)
				ck_assert_int_eq(((const struct row_event *)row)->number, ++l->last_event);
			row_upsert(l, (enum table)t, row);
		}
	}
	ck_assert_uint_eq(cs->rows, rows);
	ck_assert_int_eq(cs->last_event, l->last_event);
	const struct row_cell *cell = l->tables[TABLE_cell].rows[0];
	ck_assert_int_eq(cell->commit_no, l->commit_no);
	ck_assert_int_eq(cell->last_event, l->last_event);
	for (size_t i = 0; i < l->tables[TABLE_base].n; i++) {
		const struct row_base *b = l->tables[TABLE_base].rows[i];
		ck_assert_msg(b->units_used <= b->units_ceiling, "base %s: the CHECK refuses %lld of %lld", b->name,
		    (long long)b->units_used, (long long)b->units_ceiling);
	}
	references_check(l);
}

void ledger_sim_drain(struct ledger_sim *l, struct fleet *f, size_t max_rows) {
	while (fleet_is_dirty(f)) {
		struct changeset *cs = changeset_new();
		size_t before = fleet_dirty_count(f), n = fleet_collect(f, cs, max_rows);
		ck_assert_msg(n > 0, "nothing moved of %zu: dirty %zu, gone %zu, parting %zu, events %zu", before, f->n_dirty, f->n_gone,
		    f->n_parting, f->n_events);
		ck_assert_uint_le(n - cs->tables[TABLE_base_history].n_upserts, max_rows);
		ck_assert_uint_eq(fleet_dirty_count(f), before - n);
		ck_assert_uint_eq(cs->rows, n + 1); /* and the cell */
		ledger_sim_commit(l, cs);
		changeset_free(cs);
	}
}

static bool in_memory(const struct fleet *like, enum table t, const void *row) {
	const struct table_def *def = &table_defs[t];
	if (t == TABLE_plan)
		return fleet_plan(like, number_of(def, "id", row)) != NULL;
	if (t == TABLE_plan_change || t == TABLE_batch)
		return fleet_plan(like, number_of(def, "plan_id", row)) != NULL;
	if (t == TABLE_task)
		return fleet_task(like, number_of(def, "id", row)) != NULL;
	return true;
}

struct fleet *ledger_sim_load(const struct ledger_sim *l, const struct fleet *like) {
	struct fleet *f = fleet_new();
	struct err err = ERR_INIT;
	for (int t = 0; t < TABLE_COUNT; t++) {
		for (size_t i = 0; i < l->tables[t].n; i++) {
			if (!in_memory(like, (enum table)t, l->tables[t].rows[i]))
				continue;
			/* A copy that is spoilt after the call: the fleet must not point into it. */
			struct arena *a = arena_new();
			void *row = row_copy(&table_defs[t], l->tables[t].rows[i], a);
			ck_assert_msg(fleet_load_row(f, (enum table)t, row, &err) == 0, "%s", err.text);
			arena_free(a);
		}
	}
	ck_assert_msg(fleet_load_end(f, &err) == 0, "%s", err.text);
	return f;
}

size_t ledger_sim_count(const struct ledger_sim *l, enum table t) {
	return l->tables[t].n;
}

const void *ledger_sim_row(const struct ledger_sim *l, enum table t, size_t i) {
	return l->tables[t].rows[i];
}
