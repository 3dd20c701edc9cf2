/* What is durable: tables of rows in memory with the keys and constraints of the real ones (migrations/), a fence, backups. A test holds it
 * against PostgreSQL (test/ledger/twin.c). */
#include "store.h"

#include <stdlib.h>
#include <string.h>

struct store *store_new(struct sim *s) {
	struct store *st = calloc(1, sizeof *st);
	st->sim = s;
	st->now.epoch = 1;
	return st;
}

static void row_free(enum table t, void *row) {
	if (row == NULL)
		return;
	row_clear(&table_defs[t], row);
	free(row);
}

static void *row_clone(enum table t, const void *row) {
	void *copy = malloc(table_defs[t].row_size);
	memcpy(copy, row, table_defs[t].row_size);
	row_own(&table_defs[t], copy);
	return copy;
}

static void image_clear(struct image *m) {
	for (int t = 0; t < TABLE_COUNT; t++) {
		for (size_t i = 0; i < m->tables[t].n; i++)
			row_free((enum table)t, m->tables[t].v[i]);
		free(m->tables[t].v);
	}
	*m = (struct image){ 0 };
}

void store_free(struct store *st) {
	image_clear(&st->now);
	image_clear(&st->backup);
	ledger_close_all(st);
	free(st);
}

/* ---- rows, by key ---------------------------------------------------------------------------------------------------------------------
 */
static size_t row_at(const struct store *st, enum table t, const void *key, bool *ret_found) {
	const struct rows *r = &st->now.tables[t];
	size_t lo = 0, hi = r->n;
	*ret_found = false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = row_key_cmp(&table_defs[t], r->v[mid], key);
		if (d == 0) {
			*ret_found = true;
			return mid;
		}
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const void *store_find(const struct store *st, enum table t, const void *key) {
	bool found;
	size_t i = row_at(st, t, key, &found);
	return found ? st->now.tables[t].v[i] : NULL;
}

size_t store_rows(const struct store *st, enum table t) {
	return st->now.tables[t].n;
}

const void *store_row(const struct store *st, enum table t, size_t i) {
	return st->now.tables[t].v[i];
}

int64_t store_epoch(const struct store *st) {
	return st->now.epoch;
}

int64_t store_last_event(const struct store *st) {
	return st->now.last_event;
}

int64_t store_renewed_at(const struct store *st) {
	return st->renewed_at;
}

const char *store_holder(const struct store *st) {
	return st->now.lease.holder;
}

/* ---- a transaction: what was there before each change of a row, to go back to ----------------------------------------------------------
 */
struct before {
	enum table t;
	void *now, *old; /* NULL: none; old is ours */
};
struct journal {
	struct before *v;
	size_t n, cap;
};

static void note(struct journal *j, enum table t, void *now, void *old) {
	if (j->n == j->cap) {
		j->cap = j->cap == 0 ? 64 : 2 * j->cap;
		j->v = realloc(j->v, j->cap * sizeof *j->v);
	}
	j->v[j->n++] = (struct before){ t, now, old };
}

static void slot_open(struct rows *r, size_t i) {
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 64 : r->cap * 2;
		r->v = realloc(r->v, r->cap * sizeof *r->v);
	}
	memmove(&r->v[i + 1], &r->v[i], (r->n - i) * sizeof *r->v);
	r->n++;
}

static void slot_close(struct rows *r, size_t i) {
	memmove(&r->v[i], &r->v[i + 1], (r->n - i - 1) * sizeof *r->v);
	r->n--;
}

static void row_put(struct store *st, struct journal *j, enum table t, const void *row) {
	struct rows *r = &st->now.tables[t];
	bool found;
	size_t i = row_at(st, t, row, &found);
	void *copy = row_clone(t, row), *old = found ? r->v[i] : NULL;
	if (!found)
		slot_open(r, i);
	r->v[i] = copy;
	note(j, t, copy, old);
}

static void row_drop(struct store *st, struct journal *j, enum table t, const void *key) {
	bool found;
	size_t i = row_at(st, t, key, &found);
	if (!found)
		return;
	note(j, t, NULL, st->now.tables[t].v[i]);
	slot_close(&st->now.tables[t], i);
}

static void take_back(struct store *st, struct before *x) {
	struct rows *r = &st->now.tables[x->t];
	bool found;
	size_t i = row_at(st, x->t, x->now != NULL ? x->now : x->old, &found);
	if (x->old == NULL)
		slot_close(r, i);
	else if (!found)
		slot_open(r, i);
	if (x->old != NULL)
		r->v[i] = x->old;
	row_free(x->t, x->now);
}

static void journal_end(struct store *st, struct journal *j, bool keep) {
	while (j->n > 0) {
		struct before *x = &j->v[--j->n];
		if (keep)
			row_free(x->t, x->old);
		else
			take_back(st, x);
	}
	free(j->v);
}

/* ---- constraints ------------------------------------------------------------------------------------------------------------------------
 */
static int refused(struct err *err, const char *constraint) {
	return err_field(err, E_DB_REFUSED, constraint, "constraint %s", constraint);
}

static const struct {
	enum table child;
	const char *column;
	enum table parent;
	const char *name;
} foreign_keys[] = {
#define FK(child, column, parent) \
	{ TABLE_##child, #column, TABLE_##parent, #child "_" #column "_fkey" }
	FK(token, tenant_id, tenant),
	FK(artifact, tenant_id, tenant),
	FK(module, tenant_id, tenant),
	FK(version, module_id, module),
	FK(version, artifact_id, artifact),
	FK(base_group, tenant_id, tenant),
	FK(base, tenant_id, tenant),
	FK(base, group_id, base_group),
	FK(deployment, tenant_id, tenant),
	FK(deployment, module_id, module),
	FK(deployment, group_id, base_group),
	FK(revision, deployment_id, deployment),
	FK(revision, version_id, version),
	FK(plan, tenant_id, tenant),
	FK(plan_change, plan_id, plan),
	FK(batch, plan_id, plan),
	FK(instance, base_id, base),
	FK(instance, deployment_id, deployment),
	FK(instance, version_id, version),
	FK(task, plan_id, plan),
	FK(finding, tenant_id, tenant),
	FK(finding, base_id, base),
#undef FK
};

#define MAX_UNIQUE 3
static const struct {
	enum table t;
	const char *columns[MAX_UNIQUE];
	const char *name;
} unique_keys[] = {
	{ TABLE_tenant, { "name" }, "tenant_name_unique" },
	{ TABLE_token, { "hash" }, "token_hash_unique" },
	{ TABLE_artifact, { "tenant_id", "sha256" }, "artifact_sha256_unique" },
	{ TABLE_module, { "tenant_id", "name" }, "module_name_unique" },
	{ TABLE_version, { "module_id", "name", "revision" }, "version_name_unique" },
	{ TABLE_base_group, { "tenant_id", "name" }, "base_group_name_unique" },
	{ TABLE_base, { "tenant_id", "name" }, "base_name_unique" },
	{ TABLE_deployment, { "tenant_id", "name" }, "deployment_name_unique" },
};

static const struct col *column(enum table t, const char *name) {
	const struct table_def *d = &table_defs[t];
	for (int i = 0; i < d->n_cols; i++)
		if (strcmp(d->cols[i].name, name) == 0)
			return &d->cols[i];
	abort();
}

static bool same_in(enum table t, const char *name, const void *a, const void *b) {
	struct table_def one = table_defs[t];
	one.cols = column(t, name);
	one.n_cols = 1;
	return row_equal(&one, a, b);
}

static int64_t number_in(enum table t, const char *name, const void *row) {
	int64_t n;
	memcpy(&n, (const char *)row + column(t, name)->offset, sizeof n);
	return n;
}

/* Every parent's key is its id, which comes first in every row. */
static bool there_is(const struct store *st, enum table t, int64_t id) {
	struct row_base key = { .id = id };
	return id == 0 || store_find(st, t, &key) != NULL;
}

static bool twin_of(const struct store *st, size_t k, const void *row) {
	enum table t = unique_keys[k].t;
	for (size_t i = 0; i < store_rows(st, t); i++) {
		const void *other = store_row(st, t, i);
		bool same = row_key_cmp(&table_defs[t], other, row) != 0;
		for (size_t c = 0; same && c < MAX_UNIQUE && unique_keys[k].columns[c] != NULL; c++)
			same = same_in(t, unique_keys[k].columns[c], other, row);
		if (same)
			return true;
	}
	return false;
}

/* One statement per table: it cannot write a row twice. */
static int rows_once(const struct changeset *cs, struct err *err) {
	for (int t = 0; t < TABLE_COUNT; t++)
		for (size_t i = 0; i < cs->tables[t].n_upserts; i++)
			for (size_t k = 0; k < i; k++)
				if (row_key_cmp(&table_defs[t], cs->tables[t].upserts[i], cs->tables[t].upserts[k]) == 0)
					return refused(err, "a row twice in one statement");
	return 0;
}

static int checks_hold(const struct changeset *cs, struct err *err) {
	const struct change_rows *b = &cs->tables[TABLE_base];
	for (size_t i = 0; i < b->n_upserts; i++) {
		const struct row_base *r = b->upserts[i];
		if (r->units_used > r->units_ceiling)
			return refused(err, "base_units_within_ceiling");
		if (r->units_used < 0 || r->install_limit < 0)
			return refused(err, "base_units_not_negative");
	}
	return 0;
}

static int events_new(const struct store *st, const struct changeset *cs, struct err *err) {
	const struct change_rows *e = &cs->tables[TABLE_event];
	for (size_t i = 0; i < e->n_upserts; i++) {
		const struct row_event *r = e->upserts[i];
		if (r->number <= 0)
			return refused(err, "event_number_positive");
		if (r->number <= st->now.last_event) /* numbers only grow here, so all lower ones are taken */
			return refused(err, "event_pkey");
	}
	return 0;
}

static int uniques_hold(const struct store *st, const struct changeset *cs, struct err *err) {
	for (size_t k = 0; k < sizeof unique_keys / sizeof *unique_keys; k++) {
		const struct change_rows *c = &cs->tables[unique_keys[k].t];
		for (size_t i = 0; i < c->n_upserts; i++)
			if (twin_of(st, k, c->upserts[i]))
				return refused(err, unique_keys[k].name);
	}
	return 0;
}

static int references_hold(const struct store *st, const struct changeset *cs, struct err *err) {
	for (size_t k = 0; k < sizeof foreign_keys / sizeof *foreign_keys; k++) {
		const struct change_rows *c = &cs->tables[foreign_keys[k].child];
		for (size_t i = 0; i < c->n_upserts; i++)
			if (!there_is(st, foreign_keys[k].parent, number_in(foreign_keys[k].child, foreign_keys[k].column, c->upserts[i])))
				return refused(err, foreign_keys[k].name);
		for (size_t i = 0; cs->tables[foreign_keys[k].parent].n_deletes > 0 && i < store_rows(st, foreign_keys[k].child); i++)
			if (!there_is(st, foreign_keys[k].parent,
			        number_in(foreign_keys[k].child, foreign_keys[k].column, store_row(st, foreign_keys[k].child, i))))
				return refused(err, foreign_keys[k].name);
	}
	return 0;
}

/* ---- commit -----------------------------------------------------------------------------------------------------------------------------
 */
static void rows_change(struct store *st, struct journal *j, const struct changeset *cs) {
	for (int t = TABLE_COUNT - 1; t >= 0; t--)
		for (size_t i = 0; i < cs->tables[t].n_deletes; i++)
			row_drop(st, j, (enum table)t, cs->tables[t].deletes[i]);
	for (int t = 0; t < TABLE_COUNT; t++)
		for (size_t i = 0; t != TABLE_event && i < cs->tables[t].n_upserts; i++)
			row_put(st, j, (enum table)t, cs->tables[t].upserts[i]);
}

static const char *const reaches[] = {
#define R(kind, text) kind,
#include "reaches.def"
#undef R
};
_Static_assert(sizeof reaches / sizeof *reaches <= MAX_REACHES, "struct tally has room for every row");

static void reach(struct sim *s, const char *kind) {
	for (size_t k = 0; s->tally != NULL && k < sizeof reaches / sizeof *reaches; k++)
		s->tally->reached[k] += strcmp(reaches[k], kind) == 0;
}

static void events_add(struct store *st, const struct changeset *cs) {
	const struct change_rows *e = &cs->tables[TABLE_event];
	for (size_t i = 0; i < e->n_upserts; i++) {
		const struct row_event *r = e->upserts[i];
		if (r->number != st->now.last_event + 1 && !st->gap)
			sim_fail(st->sim, "event %lld follows event %lld", (long long)r->number, (long long)st->now.last_event);
		if (r->at.us < st->now.last_event_at)
			sim_fail(st->sim, "event %lld is older than the one before it", (long long)r->number);
		st->gap = false;
		st->now.last_event = r->number;
		st->now.last_event_at = r->at.us;
		reach(st->sim, r->kind);
		sim_trace(st->sim, "  event %lld %s: %s", (long long)r->number, r->kind, r->message);
	}
}

int store_apply(struct store *st, const struct changeset *cs, struct err *err) {
	struct journal j = { 0 };
	int r;
	if (cs->epoch != st->now.epoch && !MUTANT(skip_fence))
		return err_set(err, E_FENCED, "epoch %lld is in force, not %lld", (long long)st->now.epoch, (long long)cs->epoch);
	if ((r = rows_once(cs, err)) != 0 || (r = checks_hold(cs, err)) != 0 || (r = events_new(st, cs, err)) != 0)
		return r;
	watch_commit(st->sim, cs);
	rows_change(st, &j, cs);
	if ((r = uniques_hold(st, cs, err)) == 0)
		r = references_hold(st, cs, err);
	journal_end(st, &j, r == 0);
	if (r != 0)
		return r;
	events_add(st, cs);
	store_check(st);
	watch_committed(st->sim, cs);
	return 0;
}

/* ---- load -------------------------------------------------------------------------------------------------------------------------------
 */
static bool task_open(const struct row_task *t) {
	return !word_terminal(WORD_TASK, t->state);
}

static bool plan_unfinished(const struct store *st, int64_t id) {
	struct row_plan key = { .id = id };
	const struct row_plan *p = store_find(st, TABLE_plan, &key);
	return p != NULL && !word_terminal(WORD_PLAN, p->state);
}

/* Unfinished, or ended with a command still at a base. */
static bool plan_loads(const struct store *st, int64_t id) {
	bool live = plan_unfinished(st, id);
	for (size_t i = 0; !live && i < store_rows(st, TABLE_task); i++) {
		const struct row_task *t = store_row(st, TABLE_task, i);
		live = t->plan_id == id && task_open(t);
	}
	return live;
}

static bool task_loads(const struct store *st, const struct row_task *t) {
	struct row_plan key = { .id = t->plan_id };
	const struct row_plan *p = t->plan_id == 0 ? NULL : store_find(st, TABLE_plan, &key);
	return task_open(t) || (p != NULL && !word_terminal(WORD_PLAN, p->state) && t->batch >= p->current_batch);
}

bool store_loads(const struct store *st, enum table t, const void *row) {
	switch (t) {
	case TABLE_event:
	case TABLE_base_history:
		return false;
	case TABLE_plan:
		return plan_loads(st, ((const struct row_plan *)row)->id);
	case TABLE_plan_change:
		return plan_loads(st, ((const struct row_plan_change *)row)->plan_id);
	case TABLE_batch:
		return plan_loads(st, ((const struct row_batch *)row)->plan_id);
	case TABLE_task:
		return task_loads(st, row);
	default:
		return true;
	}
}

/* ---- backups ----------------------------------------------------------------------------------------------------------------------------
 */
void store_remember(struct store *st) {
	struct image *b = &st->backup;
	image_clear(b);
	*b = st->now;
	for (int t = 0; t < TABLE_COUNT; t++) {
		size_t n = st->now.tables[t].n;
		b->tables[t] = (struct rows){ .v = calloc(n + 1, sizeof(void *)), .n = n, .cap = n + 1 };
		for (size_t i = 0; i < n; i++)
			b->tables[t].v[i] = row_clone((enum table)t, st->now.tables[t].v[i]);
	}
	st->has_backup = true;
	sim_trace(st->sim, "ledger: a backup is taken at event %lld", (long long)b->last_event);
}

bool store_rewind(struct store *st) {
	if (!st->has_backup || st->backup.last_event == st->now.last_event)
		return false;
	sim_trace(
	    st->sim, "ledger: comes back as of event %lld, epoch %lld", (long long)st->backup.last_event, (long long)st->backup.epoch);
	image_clear(&st->now);
	st->now = st->backup;
	st->backup = (struct image){ 0 };
	st->has_backup = false;
	st->life++;
	return true;
}

/* ---- what must hold in it ---------------------------------------------------------------------------------------------------------------
 */
static int64_t units_on(const struct store *st, int64_t base) {
	int64_t n = 0;
	for (size_t i = 0; i < store_rows(st, TABLE_instance); i++) {
		const struct row_instance *r = store_row(st, TABLE_instance, i);
		n += r->base_id == base ? r->units : 0;
	}
	return n;
}

static const char *base_called(const struct store *st, int64_t id) {
	const struct row_base *b = store_find(st, TABLE_base, &(struct row_base){ .id = id });
	return b == NULL ? "?" : b->name;
}

static const char *version_called(const struct store *st, int64_t id, char ret[80]) {
	const struct row_version *v = store_find(st, TABLE_version, &(struct row_version){ .id = id });
	const struct row_module *m = v == NULL ? NULL : store_find(st, TABLE_module, &(struct row_module){ .id = v->module_id });
	snprintf(ret, 80, "%s:%s", m == NULL ? "?" : m->name, v == NULL ? "?" : v->name);
	return ret;
}

void store_tell(const struct store *st) {
	char v[80];
	for (size_t i = 0; i < store_rows(st, TABLE_instance); i++) {
		const struct row_instance *r = store_row(st, TABLE_instance, i);
		sim_trace(st->sim, "  instance %lld: %s on %s, %s, %lld units, generation %lld%s", (long long)r->id,
		    version_called(st, r->version_id, v), base_called(st, r->base_id), word_text(WORD_INSTANCE, r->state),
		    (long long)r->units, (long long)r->generation, r->wanted ? "" : ", not wanted");
	}
	for (size_t i = 0; i < store_rows(st, TABLE_task); i++) {
		const struct row_task *t = store_row(st, TABLE_task, i);
		if (!word_terminal(WORD_TASK, t->state))
			sim_trace(st->sim, "  task %lld: %s %s:%s on %s, instance %lld, plan %lld, %s", (long long)t->id,
			    word_text(WORD_TASK_KIND, t->kind), t->module, t->version, t->base, (long long)t->instance_id,
			    (long long)t->plan_id, word_text(WORD_TASK, t->state));
	}
}

void store_check(struct store *st) {
	for (size_t i = 0; i < store_rows(st, TABLE_base); i++) {
		const struct row_base *b = store_row(st, TABLE_base, i);
		int64_t used = units_on(st, b->id);
		if (used != b->units_used)
			sim_fail(st->sim, "base %s: units_used %lld, its instances cost %lld", b->name, (long long)b->units_used,
			    (long long)used);
		if (b->units_used > b->units_ceiling)
			sim_fail(st->sim, "base %s is over its ceiling", b->name);
	}
}
