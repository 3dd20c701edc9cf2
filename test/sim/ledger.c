/* The road to what is durable, and every way in which an answer can fail to come: lost before, lost after, late, slow, none for a while,
 * refused; a server that is frozen or dead when it does. Implements core/ledger.h as far as the core uses it. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

struct session {
	struct ledger ledger; /* first */
	struct session *next;
	struct store *store;
	bool dead;
	int under_way; /* commits, loads, recoveries */
	int64_t epoch, floor;
	const int64_t *frozen_until;
};

/* One call under way: carries what its completion needs. */
struct call {
	struct session *from;
	uint64_t life;        /* of the store */
	struct changeset *cs; /* copy */
	ledger_done done;
	ledger_loaded_fn loaded;
	ledger_lease_fn leased;
	ledger_row_fn row;
	void *arg;
	struct err err;
	struct lease_view me, seen;
	int64_t expected;
	struct ledger_loaded res;
	struct loaded_row {
		enum table t;
		void *row;
	} * snapshot;
	size_t n_snapshot;
	struct arena *arena;
};

static struct call *call_new(struct ledger *l) {
	struct call *c = calloc(1, sizeof *c);
	c->from = (struct session *)(void *)l;
	c->life = c->from->store->life;
	return c;
}

static void call_free(struct call *c) {
	changeset_free(c->cs);
	free(c->snapshot);
	arena_free(c->arena);
	free(c);
}

static void arrive(struct call *c, int64_t lo, int64_t hi, sim_fn fn) {
	struct sim *s = c->from->store->sim;
	int64_t us = sim_delay(s, lo, hi), stalled = c->from->store->stalled_until - s->now_us;
	sim_after(s, us + (stalled > 0 ? stalled : 0), fn, c);
}

/* A frozen process learns nothing until it wakes, and no process learns anything from a ledger that stalls. */
static bool held_up(struct call *c, sim_fn again) {
	struct sim *s = c->from->store->sim;
	int64_t until = *c->from->frozen_until;
	if (until < c->from->store->stalled_until)
		until = c->from->store->stalled_until;
	if (c->from->dead || until <= s->now_us)
		return false;
	sim_after(s, until - s->now_us, again, c);
	return true;
}

static struct err *failure(struct call *c) {
	return c->err.code == 0 ? NULL : &c->err;
}

void ledger_stall(struct store *st, int64_t us) {
	sim_trace(st->sim, "ledger: no answer for %.1f s", (double)us / US_PER_S);
	st->stalled_until = st->sim->now_us + us;
}

/* ---- commit -----------------------------------------------------------------------------------------------------------------------------
 */
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

/* What a database might refuse for a bug of ours: certain operations, what a certain plan does, what a certain base tells. */
static bool poisoned(struct sim *s, const struct changeset *cs) {
	const struct change_rows *e = &cs->tables[TABLE_event];
	for (size_t i = 0; i < e->n_upserts && s->f.refuse > 0 && !s->calm; i++) {
		const struct row_event *r = e->upserts[i];
		bool op = r->reason != NULL && strcmp(r->reason, "poison") == 0;
		bool plan = r->plan_id % 7 == 6 && strcmp(r->kind, "task.sent") == 0;
		bool base = r->base != NULL && strcmp(r->base, "n1") == 0 && strcmp(r->kind, "base.down") == 0;
		if (!op && !plan && !base)
			continue;
		sim_trace(s, "ledger: does not take %s: %s", r->kind, r->message);
		if (op)
			clients_refused(s->clients, r->link);
		return true;
	}
	return false;
}

static void land(struct call *c) {
	struct store *st = c->from->store;
	if (c->life != st->life)
		err_set(&c->err, E_DB_LOST, "simulated: of a database that is gone");
	else if (c->cs->epoch == st->now.epoch && poisoned(st->sim, c->cs))
		err_field(&c->err, E_DB_REFUSED, "poison", "constraint poison");
	else
		store_apply(st, c->cs, &c->err);
	if (c->err.code == E_DB_REFUSED && strcmp(c->err.pointer, "poison") != 0 && st->sim->n_nodes > 0)
		sim_fail(st->sim, "the ledger refuses what the core made: %s", c->err.text);
	if (c->err.code != 0)
		sim_trace(st->sim, "ledger: commit %lld: %s", (long long)c->cs->commit_no, c->err.text);
}

static void commit_answer(void *arg) {
	struct call *c = arg;
	if (held_up(c, commit_answer))
		return;
	c->from->under_way--;
	if (!c->from->dead)
		c->done(c->arg, failure(c));
	call_free(c);
}

static void commit_arrives(void *arg) {
	struct call *c = arg;
	struct sim *s = c->from->store->sim;
	land(c);
	if (sim_chance(s, s->f.commit_lost_after)) {
		sim_trace(s, "ledger: answer to commit %lld lost after it landed", (long long)c->cs->commit_no);
		c->err = ERR_INIT;
		err_set(&c->err, E_DB_LOST, "simulated: lost after");
	}
	arrive(c, 50, 500, commit_answer);
}

static void commit_never(void *arg) {
	struct call *c = arg;
	err_set(&c->err, E_DB_LOST, "simulated: lost before");
	commit_answer(c);
}

/* The connection is gone, the backend is not: what was sent still lands, unless the fence was raised first. */
static void commit_lands_late(void *arg) {
	struct call *c = arg;
	land(c);
	sim_trace(c->from->store->sim, "ledger: late commit %lld %s", (long long)c->cs->commit_no,
	    c->err.code == 0 ? "landed" : "came to nothing");
	call_free(c);
}

static void st_commit(struct ledger *l, const struct changeset *cs, ledger_done done, void *arg) {
	struct call *c = call_new(l);
	struct sim *s = c->from->store->sim;
	c->cs = changeset_clone(cs);
	c->done = done;
	c->arg = arg;
	c->from->under_way++;
	if (sim_chance(s, s->f.commit_lost_before)) {
		sim_trace(s, "ledger: commit %lld lost before it arrived", (long long)cs->commit_no);
		arrive(c, 1000, 3 * US_PER_S, commit_never);
	} else if (sim_chance(s, s->f.commit_late)) {
		struct call *late = call_new(l);
		late->cs = changeset_clone(cs);
		arrive(late, 1000, 5 * US_PER_S, commit_lands_late);
		arrive(c, 500, US_PER_S, commit_never);
	} else if (sim_chance(s, s->f.commit_slow)) {
		arrive(c, 100 * US_PER_MS, 4 * US_PER_S, commit_arrives);
	} else {
		arrive(c, 100, 2000, commit_arrives);
	}
}

/* ---- load and recover -------------------------------------------------------------------------------------------------------------------
 */
static void ledger_tell(const struct store *st, struct ledger_loaded *res) {
	struct row_cell key = { .id = 1 };
	const struct row_cell *cell = store_find(st, TABLE_cell, &key);
	snprintf(res->cell, sizeof res->cell, "cell");
	res->commit_no = cell == NULL ? 0 : cell->commit_no;
	res->last_event = cell == NULL ? 0 : cell->last_event;
	res->last_event_at.us = st->now.last_event_at;
}

static void epoch_raise(struct call *c) {
	struct store *st = c->from->store;
	st->gap |= c->from->floor > 0;
	if (st->now.epoch < c->from->floor)
		st->now.epoch = c->from->floor;
	c->from->floor = 0;
	c->res.epoch = c->from->epoch = MUTANT(keep_epoch) ? st->now.epoch : ++st->now.epoch;
}

static void load_answer(void *arg) {
	struct call *c = arg;
	const struct err *err = failure(c);
	if (held_up(c, load_answer))
		return;
	for (size_t i = 0; i < c->n_snapshot && !c->from->dead && err == NULL; i++)
		if (c->row(c->arg, c->snapshot[i].t, c->snapshot[i].row, &c->err) != 0)
			err = &c->err;
	if (err != NULL)
		sim_fail(c->from->store->sim, "load: %s", err->text);
	c->from->under_way--;
	if (!c->from->dead)
		c->loaded(c->arg, &c->res, err);
	call_free(c);
}

static void snapshot_take(struct call *c) {
	struct store *st = c->from->store;
	size_t total = 0;
	for (int t = 0; t < TABLE_COUNT; t++)
		total += store_rows(st, (enum table)t);
	c->snapshot = calloc(total + 1, sizeof *c->snapshot);
	c->arena = arena_new();
	for (int t = 0; t < TABLE_COUNT; t++)
		for (size_t i = 0; i < store_rows(st, (enum table)t); i++) {
			const void *row = store_row(st, (enum table)t, i);
			if (store_loads(st, (enum table)t, row))
				c->snapshot[c->n_snapshot++] =
				    (struct loaded_row){ (enum table)t, row_copy(&table_defs[t], row, c->arena) };
		}
}

static void load_arrives(void *arg) {
	struct call *c = arg;
	if (c->from->dead) {
		call_free(c);
		return;
	}
	epoch_raise(c);
	ledger_tell(c->from->store, &c->res);
	snapshot_take(c);
	arrive(c, 1000, 200 * US_PER_MS, load_answer);
}

static void st_epoch_floor(struct ledger *l, int64_t epoch) {
	((struct session *)(void *)l)->floor = epoch;
}

static void st_load(struct ledger *l, ledger_row_fn row, ledger_loaded_fn done, void *arg) {
	struct call *c = call_new(l);
	c->row = row;
	c->loaded = done;
	c->arg = arg;
	c->from->under_way++;
	arrive(c, 500, 5000, load_arrives);
}

static void recover_arrives(void *arg) {
	struct call *c = arg;
	struct store *st = c->from->store;
	if (held_up(c, recover_arrives))
		return;
	if (c->from->dead) {
		call_free(c);
		return;
	}
	if (c->from->epoch != st->now.epoch) {
		err_set(&c->err, E_FENCED, "another epoch is in force");
	} else {
		epoch_raise(c);
		ledger_tell(st, &c->res);
	}
	c->from->under_way--;
	c->loaded(c->arg, &c->res, failure(c));
	call_free(c);
}

static void st_recover(struct ledger *l, ledger_loaded_fn done, void *arg) {
	struct call *c = call_new(l);
	c->loaded = done;
	c->arg = arg;
	c->from->under_way++;
	arrive(c, 10 * US_PER_MS, 2 * US_PER_S, recover_arrives);
}

/* ---- lease ------------------------------------------------------------------------------------------------------------------------------
 */
static void lease_answer(void *arg) {
	struct call *c = arg;
	if (held_up(c, lease_answer))
		return;
	if (!c->from->dead)
		c->leased(c->arg, &c->seen, failure(c));
	call_free(c);
}

static void lease_read_arrives(void *arg) {
	struct call *c = arg;
	c->seen = c->from->store->now.lease;
	arrive(c, 50, 500, lease_answer);
}

static void lease_take_arrives(void *arg) {
	struct call *c = arg;
	struct store *st = c->from->store;
	if (st->now.lease.counter != c->expected || c->from->dead || c->life != st->life) {
		err_set(&c->err, E_CONFLICT, "somebody else took it");
	} else {
		c->me.counter = c->expected + 1;
		st->now.lease = c->me;
		st->renewed_at = st->sim->now_us;
		sim_trace(st->sim, "ledger: lease goes to %s", c->me.holder);
	}
	c->seen = st->now.lease;
	arrive(c, 50, 500, lease_answer);
}

static void lease_renew_arrives(void *arg) {
	struct call *c = arg;
	struct store *st = c->from->store;
	if (strcmp(st->now.lease.holder, c->me.holder) != 0 || c->from->dead || c->life != st->life)
		err_set(&c->err, E_FENCED, "the lease is not ours any more");
	else {
		st->now.lease.counter++;
		st->renewed_at = st->sim->now_us;
	}
	c->seen = st->now.lease;
	arrive(c, 50, 500, lease_answer);
}

static struct call *lease_call(struct ledger *l, const struct lease_view *me, ledger_lease_fn done, void *arg, sim_fn arrives) {
	struct call *c = call_new(l);
	if (me != NULL)
		c->me = *me;
	c->leased = done;
	c->arg = arg;
	arrive(c, 50, 2000, arrives);
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
	if (held_up(c, release_answer))
		return;
	if (strcmp(st->now.lease.holder, c->me.holder) == 0 && !c->from->dead)
		st->now.lease.holder[0] = '\0';
	if (!c->from->dead)
		c->done(c->arg, NULL);
	call_free(c);
}

static void st_lease_release(struct ledger *l, const struct lease_view *me, ledger_done done, void *arg) {
	struct call *c = call_new(l);
	c->me = *me;
	c->done = done;
	c->arg = arg;
	arrive(c, 500, 1500, release_answer);
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------------
 */
static const struct ledger_ops ledger_ops = {
	.commit = st_commit,
	.load = st_load,
	.recover = st_recover,
	.epoch_floor = st_epoch_floor,
	.lease_read = st_lease_read,
	.lease_take = st_lease_take,
	.lease_renew = st_lease_renew,
	.lease_release = st_lease_release,
};

struct ledger *ledger_connect(struct store *st, const int64_t *frozen_until) {
	struct session *x = calloc(1, sizeof *x);
	x->ledger.ops = &ledger_ops;
	x->store = st;
	x->frozen_until = frozen_until;
	x->next = st->sessions;
	st->sessions = x;
	return &x->ledger;
}

void ledger_disconnect(struct ledger *l) {
	((struct session *)(void *)l)->dead = true;
}

bool ledger_busy(const struct ledger *l) {
	return ((const struct session *)(const void *)l)->under_way > 0;
}

void ledger_close_all(struct store *st) {
	for (struct session *x = st->sessions, *next; x != NULL; x = next) {
		next = x->next;
		free(x);
	}
	st->sessions = NULL;
}
