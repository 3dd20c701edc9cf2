/* The fake ledger: tables of rows in memory, a fence, a lease, and every way in which an answer can fail to come. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rows {
	void **v;
	size_t n, cap;
};

struct store {
	struct sim *sim;
	struct session *sessions; /* all there ever were: calls under way still point at them */
	struct rows tables[TABLE_COUNT];
	int64_t epoch;
	struct lease_view lease;
	int64_t last_event, last_event_at;
};

struct session {
	struct ledger ledger;
	struct session *next;
	struct store *store;
	bool dead;
	int64_t epoch, floor;
	const int64_t *frozen_until;
};

/* One call under way: carries what its completion needs. */
struct call {
	struct session *from;
	struct changeset *cs; /* copy */
	ledger_done done;
	ledger_loaded_fn loaded;
	ledger_lease_fn leased;
	ledger_rows_fn rows_done;
	ledger_row_fn row;
	void *arg;
	struct err err;
	struct lease_view me, seen;
	int64_t expected;
	struct ledger_loaded res;
	struct {
		enum table t;
		void *row;
	} * snapshot;
	size_t n_snapshot;
	struct arena *arena;
};

struct store *store_new(struct sim *s) {
	struct store *st = calloc(1, sizeof *st);
	st->sim = s;
	st->epoch = 1;
	return st;
}

static void row_free(const struct table_def *t, void *row) {
	row_clear(t, row);
	free(row);
}

void store_free(struct store *st) {
	for (int t = 0; t < TABLE_COUNT; t++) {
		for (size_t i = 0; i < st->tables[t].n; i++)
			row_free(&table_defs[t], st->tables[t].v[i]);
		free(st->tables[t].v);
	}
	for (struct session *x = st->sessions, *next; x != NULL; x = next) {
		next = x->next;
		free(x);
	}
	free(st);
}

/* ---- rows, sorted by key ------------------------------------------------------------------------------------------------------------ */
static size_t row_at(const struct store *st, enum table t, const void *key, bool *ret_found) {
	const struct rows *r = &st->tables[t];
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
	return found ? st->tables[t].v[i] : NULL;
}

size_t store_rows(const struct store *st, enum table t) {
	return st->tables[t].n;
}
const void *store_row(const struct store *st, enum table t, size_t i) {
	return st->tables[t].v[i];
}
int64_t store_epoch(const struct store *st) {
	return st->epoch;
}

static void row_put(struct store *st, enum table t, const void *row) {
	const struct table_def *def = &table_defs[t];
	struct rows *r = &st->tables[t];
	void *copy = malloc(def->row_size);
	memcpy(copy, row, def->row_size);
	row_own(def, copy);
	bool found;
	size_t i = row_at(st, t, row, &found);
	if (found) {
		row_free(def, r->v[i]);
		r->v[i] = copy;
		return;
	}
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 64 : r->cap * 2;
		r->v = realloc(r->v, r->cap * sizeof *r->v);
	}
	memmove(&r->v[i + 1], &r->v[i], (r->n - i) * sizeof *r->v);
	r->v[i] = copy;
	r->n++;
}

static void row_drop(struct store *st, enum table t, const void *key) {
	struct rows *r = &st->tables[t];
	bool found;
	size_t i = row_at(st, t, key, &found);
	if (!found)
		return;
	row_free(&table_defs[t], r->v[i]);
	memmove(&r->v[i], &r->v[i + 1], (r->n - i - 1) * sizeof *r->v);
	r->n--;
}

/* ---- commit ------------------------------------------------------------------------------------------------------------------------- */
static struct changeset *changeset_clone(const struct changeset *cs) {
	struct changeset *c = changeset_new();
	c->epoch = cs->epoch;
	c->commit_no = cs->commit_no;
	c->last_event = cs->last_event;
	for (int t = 0; t < TABLE_COUNT; t++) {
		for (size_t i = 0; i < cs->tables[t].n_upserts; i++)
			changeset_upsert(c, (enum table)t, cs->tables[t].upserts[i]);
		for (size_t i = 0; i < cs->tables[t].n_deletes; i++)
			changeset_delete(c, (enum table)t, cs->tables[t].deletes[i]);
	}
	return c;
}

static bool within_ceilings(struct store *st, const struct changeset *cs) {
	const struct change_rows *b = &cs->tables[TABLE_base];
	(void)st;
	for (size_t i = 0; i < b->n_upserts; i++) {
		const struct row_base *r = b->upserts[i];
		if (r->units_used > r->units_ceiling)
			return false;
	}
	return true;
}

static void events_follow(struct store *st, const struct changeset *cs) {
	const struct change_rows *e = &cs->tables[TABLE_event];
	for (size_t i = 0; i < e->n_upserts; i++) {
		const struct row_event *r = e->upserts[i];
		if (r->number != st->last_event + 1)
			sim_fail(st->sim, "event %lld follows event %lld", (long long)r->number, (long long)st->last_event);
		if (r->at.us < st->last_event_at)
			sim_fail(st->sim, "event %lld is older than the one before it", (long long)r->number);
		st->last_event = r->number;
		st->last_event_at = r->at.us;
		sim_trace(st->sim, "  event %lld %s: %s", (long long)r->number, r->kind, r->message);
	}
}

static void deployments_leave(struct store *st, const struct changeset *cs) {
	const struct change_rows *d = &cs->tables[TABLE_deployment];
	for (size_t i = 0; i < d->n_deletes; i++) {
		const struct row_deployment *r = store_find(st, TABLE_deployment, d->deletes[i]);
		if (r != NULL)
			clients_deleted(st->sim->clients, r->name);
	}
}

static int apply(struct store *st, const struct changeset *cs, struct err *err) {
	if (cs->epoch != st->epoch)
		return err_set(err, E_FENCED, "epoch %lld is in force, not %lld", (long long)st->epoch, (long long)cs->epoch);
	if (!within_ceilings(st, cs))
		return err_field(err, E_DB_REFUSED, "base_units_within_ceiling", "constraint base_units_within_ceiling");
	deployments_leave(st, cs);
	for (int t = TABLE_COUNT - 1; t >= 0; t--)
		for (size_t i = 0; i < cs->tables[t].n_deletes; i++)
			row_drop(st, (enum table)t, cs->tables[t].deletes[i]);
	events_follow(st, cs);
	for (int t = 0; t < TABLE_COUNT; t++)
		for (size_t i = 0; t != TABLE_event && i < cs->tables[t].n_upserts; i++)
			row_put(st, (enum table)t, cs->tables[t].upserts[i]);
	store_check(st);
	return 0;
}

static void call_free(struct call *c) {
	changeset_free(c->cs);
	free(c->snapshot);
	arena_free(c->arena);
	free(c);
}

static struct call *call_new(struct ledger *l) {
	struct call *c = calloc(1, sizeof *c);
	c->from = (struct session *)(void *)l;
	return c;
}

/* A frozen process learns nothing until it wakes. */
static bool asleep(struct call *c, sim_fn again) {
	struct sim *s = c->from->store->sim;
	if (c->from->dead || *c->from->frozen_until <= s->now_us)
		return false;
	sim_after(s, *c->from->frozen_until - s->now_us, again, c);
	return true;
}

static void commit_answer(void *arg) {
	struct call *c = arg;
	if (asleep(c, commit_answer))
		return;
	if (!c->from->dead)
		c->done(c->arg, c->err.code == 0 ? NULL : &c->err);
	call_free(c);
}

static void commit_arrives(void *arg) {
	struct call *c = arg;
	struct sim *s = c->from->store->sim;
	apply(c->from->store, c->cs, &c->err);
	if (sim_chance(s, s->f.commit_lost_after)) {
		sim_trace(s, "ledger: answer to commit %lld lost after it landed", (long long)c->cs->commit_no);
		c->err = ERR_INIT;
		err_set(&c->err, E_DB_LOST, "simulated: lost after");
	}
	sim_after(s, sim_delay(s, 50, 500), commit_answer, c);
}

static void commit_never(void *arg) {
	struct call *c = arg;
	err_set(&c->err, E_DB_LOST, "simulated: lost before");
	commit_answer(c);
}

/* The connection is gone, the backend is not: what was sent still lands, unless the fence was raised first. */
static void commit_lands_late(void *arg) {
	struct call *c = arg;
	struct err err = ERR_INIT;
	int r = apply(c->from->store, c->cs, &err);
	sim_trace(c->from->store->sim, "ledger: late commit %lld %s", (long long)c->cs->commit_no, r == 0 ? "landed" : "was fenced");
	call_free(c);
}

static void st_commit(struct ledger *l, const struct changeset *cs, ledger_done done, void *arg) {
	struct call *c = call_new(l);
	struct sim *s = c->from->store->sim;
	c->cs = changeset_clone(cs);
	c->done = done;
	c->arg = arg;
	if (sim_chance(s, s->f.commit_lost_before)) {
		sim_trace(s, "ledger: commit %lld lost before it arrived", (long long)cs->commit_no);
		sim_after(s, sim_delay(s, 1000, 3 * US_PER_S), commit_never, c);
	} else if (sim_chance(s, s->f.commit_late)) {
		struct call *late = call_new(l);
		late->cs = changeset_clone(cs);
		sim_after(s, sim_delay(s, 1000, 5 * US_PER_S), commit_lands_late, late);
		sim_after(s, sim_delay(s, 500, US_PER_S), commit_never, c);
	} else if (sim_chance(s, s->f.commit_retry_slow)) {
		sim_after(s, sim_delay(s, 100 * US_PER_MS, 4 * US_PER_S), commit_arrives, c);
	} else {
		sim_after(s, sim_delay(s, 100, 2000), commit_arrives, c);
	}
}

/* ---- load and recover --------------------------------------------------------------------------------------------------------------- */
static bool task_open(const struct row_task *t) {
	return !word_terminal(WORD_TASK, t->state);
}

/* Unfinished, or ended with a command still at a base. */
static bool plan_is_loaded(struct store *st, int64_t id) {
	struct row_plan key = { .id = id };
	const struct row_plan *p = store_find(st, TABLE_plan, &key);
	bool live = p != NULL && !word_terminal(WORD_PLAN, p->state);
	for (size_t i = 0; p != NULL && !live && i < st->tables[TABLE_task].n; i++) {
		const struct row_task *t = st->tables[TABLE_task].v[i];
		live = t->plan_id == id && task_open(t);
	}
	return live;
}

static bool row_is_loaded(struct store *st, enum table t, const void *row) {
	switch (t) {
	case TABLE_event:
	case TABLE_base_history:
		return false;
	case TABLE_plan:
		return plan_is_loaded(st, ((const struct row_plan *)row)->id);
	case TABLE_plan_change:
		return plan_is_loaded(st, ((const struct row_plan_change *)row)->plan_id);
	case TABLE_batch:
		return plan_is_loaded(st, ((const struct row_batch *)row)->plan_id);
	case TABLE_task:
		return task_open(row) ||
		       (((const struct row_task *)row)->plan_id != 0 && plan_is_loaded(st, ((const struct row_task *)row)->plan_id));
	default:
		return true;
	}
}

static int64_t cell_commit(const struct store *st, struct ledger_loaded *res) {
	struct row_cell key = { .id = 1 };
	const struct row_cell *cell = store_find(st, TABLE_cell, &key);
	snprintf(res->cell, sizeof res->cell, "cell");
	res->commit_no = cell == NULL ? 0 : cell->commit_no;
	res->last_event = cell == NULL ? 0 : cell->last_event;
	return res->commit_no;
}

static void load_answer(void *arg) {
	struct call *c = arg;
	const struct err *err = NULL;
	if (asleep(c, load_answer))
		return;
	for (size_t i = 0; i < c->n_snapshot && !c->from->dead && err == NULL; i++)
		if (c->row(c->arg, c->snapshot[i].t, c->snapshot[i].row, &c->err) != 0)
			err = &c->err;
	if (err != NULL)
		sim_fail(c->from->store->sim, "load: %s", err->text);
	if (!c->from->dead)
		c->loaded(c->arg, &c->res, err);
	call_free(c);
}

static void load_arrives(void *arg) {
	struct call *c = arg;
	struct store *st = c->from->store;
	if (c->from->dead) {
		call_free(c);
		return;
	}
	if (st->epoch < c->from->floor)
		st->epoch = c->from->floor;
	c->res.epoch = c->from->epoch = ++st->epoch;
	cell_commit(st, &c->res);
	size_t total = 0;
	for (int t = 0; t < TABLE_COUNT; t++)
		total += st->tables[t].n;
	c->snapshot = calloc(total + 1, sizeof *c->snapshot);
	c->arena = arena_new();
	for (int t = 0; t < TABLE_COUNT; t++)
		for (size_t i = 0; i < st->tables[t].n; i++) {
			if (!row_is_loaded(st, (enum table)t, st->tables[t].v[i]))
				continue;
			c->snapshot[c->n_snapshot].t = (enum table)t;
			c->snapshot[c->n_snapshot++].row = row_copy(&table_defs[t], st->tables[t].v[i], c->arena);
		}
	sim_after(st->sim, sim_delay(st->sim, 1000, 200 * US_PER_MS), load_answer, c);
}

static void st_epoch_floor(struct ledger *l, int64_t epoch) {
	((struct session *)(void *)l)->floor = epoch;
}

static void st_load(struct ledger *l, ledger_row_fn row, ledger_loaded_fn done, void *arg) {
	struct call *c = call_new(l);
	c->row = row;
	c->loaded = done;
	c->arg = arg;
	sim_after(c->from->store->sim, sim_delay(c->from->store->sim, 500, 5000), load_arrives, c);
}

static void recover_arrives(void *arg) {
	struct call *c = arg;
	struct store *st = c->from->store;
	if (c->from->dead) {
		call_free(c);
		return;
	}
	const struct err *err = NULL;
	if (asleep(c, recover_arrives))
		return;
	if (c->from->epoch != st->epoch) {
		err_set(&c->err, E_FENCED, "another epoch is in force");
		err = &c->err;
	} else {
		c->res.epoch = c->from->epoch = ++st->epoch;
		cell_commit(st, &c->res);
	}
	c->loaded(c->arg, &c->res, err);
	call_free(c);
}

static void st_recover(struct ledger *l, ledger_loaded_fn done, void *arg) {
	struct call *c = call_new(l);
	c->loaded = done;
	c->arg = arg;
	sim_after(c->from->store->sim, sim_delay(c->from->store->sim, 10 * US_PER_MS, 2 * US_PER_S), recover_arrives, c);
}

/* ---- lease -------------------------------------------------------------------------------------------------------------------------- */
static void lease_answer(void *arg) {
	struct call *c = arg;
	if (asleep(c, lease_answer))
		return;
	if (!c->from->dead)
		c->leased(c->arg, &c->seen, c->err.code == 0 ? NULL : &c->err);
	call_free(c);
}

static void lease_read_arrives(void *arg) {
	struct call *c = arg;
	c->seen = c->from->store->lease;
	sim_after(c->from->store->sim, sim_delay(c->from->store->sim, 50, 500), lease_answer, c);
}

static void lease_take_arrives(void *arg) {
	struct call *c = arg;
	struct store *st = c->from->store;
	if (st->lease.counter != c->expected || c->from->dead) {
		err_set(&c->err, E_CONFLICT, "somebody else took it");
	} else {
		c->me.counter = c->expected + 1;
		st->lease = c->me;
		sim_trace(st->sim, "ledger: lease goes to %s", c->me.holder);
	}
	c->seen = st->lease;
	sim_after(st->sim, sim_delay(st->sim, 50, 500), lease_answer, c);
}

static void lease_renew_arrives(void *arg) {
	struct call *c = arg;
	struct store *st = c->from->store;
	if (strcmp(st->lease.holder, c->me.holder) != 0 || c->from->dead)
		err_set(&c->err, E_FENCED, "the lease is not ours any more");
	else
		st->lease.counter++;
	c->seen = st->lease;
	sim_after(st->sim, sim_delay(st->sim, 50, 500), lease_answer, c);
}

static struct call *lease_call(struct ledger *l, const struct lease_view *me, ledger_lease_fn done, void *arg, sim_fn arrives) {
	struct call *c = call_new(l);
	if (me != NULL)
		c->me = *me;
	c->leased = done;
	c->arg = arg;
	sim_after(c->from->store->sim, sim_delay(c->from->store->sim, 50, 2000), arrives, c);
	return c;
}

static void st_lease_read(struct ledger *l, ledger_lease_fn done, void *arg) {
	lease_call(l, NULL, done, arg, lease_read_arrives);
}

static void st_lease_take(struct ledger *l, int64_t expected, const struct lease_view *me, ledger_lease_fn done, void *arg) {
	lease_call(l, me, done, arg, lease_take_arrives)->expected = expected;
}

static void st_lease_renew(struct ledger *l, const struct lease_view *me, ledger_lease_fn done, void *arg) {
	lease_call(l, me, done, arg, lease_renew_arrives);
}

static void release_answer(void *arg) {
	struct call *c = arg;
	struct store *st = c->from->store;
	if (strcmp(st->lease.holder, c->me.holder) == 0)
		st->lease.holder[0] = '\0';
	commit_answer(c);
}

static void st_lease_release(struct ledger *l, const struct lease_view *me, ledger_done done, void *arg) {
	struct call *c = call_new(l);
	c->me = *me;
	c->done = done;
	c->arg = arg;
	sim_after(c->from->store->sim, 1000, release_answer, c);
}

static const struct ledger_ops store_ops = {
	.commit = st_commit,
	.load = st_load,
	.recover = st_recover,
	.epoch_floor = st_epoch_floor,
	.lease_read = st_lease_read,
	.lease_take = st_lease_take,
	.lease_renew = st_lease_renew,
	.lease_release = st_lease_release,
};

struct ledger *store_connect(struct store *st, const int64_t *frozen_until) {
	struct session *x = calloc(1, sizeof *x);
	x->ledger.ops = &store_ops;
	x->store = st;
	x->frozen_until = frozen_until;
	x->next = st->sessions;
	st->sessions = x;
	return &x->ledger;
}

void store_disconnect(struct ledger *l) {
	((struct session *)(void *)l)->dead = true;
}

/* ---- what is durable ---------------------------------------------------------------------------------------------------------------- */
static int64_t units_on(const struct store *st, int64_t base) {
	int64_t n = 0;
	for (size_t i = 0; i < st->tables[TABLE_instance].n; i++) {
		const struct row_instance *r = st->tables[TABLE_instance].v[i];
		n += r->base_id == base ? r->units : 0;
	}
	return n;
}

static int wanted_of(const struct store *st, int64_t deployment) {
	int n = 0;
	for (size_t i = 0; i < st->tables[TABLE_instance].n; i++) {
		const struct row_instance *r = st->tables[TABLE_instance].v[i];
		n += r->deployment_id == deployment && r->wanted;
	}
	return n;
}

static int64_t most_wanted(const struct store *st, int64_t deployment) {
	int64_t most = 0;
	for (size_t i = 0; i < st->tables[TABLE_revision].n; i++) {
		const struct row_revision *r = st->tables[TABLE_revision].v[i];
		int64_t asked = r->replicas < 0 ? MAX_BASES : r->replicas;
		if (r->deployment_id == deployment && asked > most)
			most = asked;
	}
	return most;
}

void store_check(struct store *st) {
	for (size_t i = 0; i < st->tables[TABLE_base].n; i++) {
		const struct row_base *b = st->tables[TABLE_base].v[i];
		int64_t used = units_on(st, b->id);
		if (used != b->units_used)
			sim_fail(st->sim, "base %s: units_used %lld, its instances cost %lld", b->name, (long long)b->units_used,
			    (long long)used);
		if (b->units_used > b->units_ceiling)
			sim_fail(st->sim, "base %s is over its ceiling", b->name);
	}
	for (size_t i = 0; i < st->tables[TABLE_deployment].n; i++) {
		const struct row_deployment *d = st->tables[TABLE_deployment].v[i];
		if (wanted_of(st, d->id) > most_wanted(st, d->id))
			sim_fail(st->sim, "deployment %s: %d instances wanted, more than any kept revision asks for", d->name,
			    wanted_of(st, d->id));
	}
}
