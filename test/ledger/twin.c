/* The simulation's fake ledger (test/sim) held against PostgreSQL: the same random sequences of commits, failures, recoveries, leases and
 * loads on both, with the same answers and the same rows in the end. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "../sim/store.h"

#define SEQUENCES 500
#define STEPS 6
#define OBJECTS 6 /* rows per table that there are to begin with */

/* ---- what the fake tells its watchers, who are not here
 * ---------------------------------------------------------------------------------- */
void watch_commit(struct sim *s, const struct changeset *cs) {
	(void)s;
	(void)cs;
}

void watch_committed(struct sim *s, const struct changeset *cs) {
	(void)s;
	(void)cs;
}

void clients_refused(struct clients *c, const char *key) {
	(void)c;
	(void)key;
}

const char *machine_name(const struct machine *m) {
	(void)m;
	return "";
}

/* ---- both -------------------------------------------------------------------------------------------------------------------------------
 */
struct twins {
	struct world w;
	struct ledger_pg *real;
	struct sim sim;
	struct ledger *fake;
	int64_t awake; /* never frozen */
	int64_t real_epoch, fake_epoch, commit_no, last_event;
	struct arena *rows; /* of the fake's last load */
	struct sink loaded[2];
	int sequence, step;
};
enum { REAL, FAKE };

static void fake_wait(struct twins *t, const bool *done) {
	while (!*done)
		ck_assert(sim_step(&t->sim));
}

static int keep_row(void *arg, enum table t, void *row, struct err *err) {
	struct twins *x = arg;
	struct sink *s = &x->loaded[FAKE];
	(void)err;
	if (s->n[t] == s->size[t]) {
		size_t more = s->size[t] == 0 ? 16 : 2 * s->size[t];
		void **v = arena_alloc(x->rows, more * sizeof *v);
		if (s->n[t] > 0)
			memcpy(v, s->rows[t], s->n[t] * sizeof *v);
		s->rows[t] = v;
		s->size[t] = more;
	}
	s->rows[t][s->n[t]++] = row_copy(&table_defs[t], row, x->rows);
	return 0;
}

static void fake_loaded(void *arg, const struct ledger_loaded *res, const struct err *err) {
	struct sink *s = &((struct twins *)arg)->loaded[FAKE];
	s->done = true;
	s->loaded = *res;
	if (err != NULL)
		s->err = *err;
}

static const void *row_of_key(const struct sink *s, enum table t, const void *key) {
	for (size_t i = 0; i < s->n[t]; i++)
		if (row_key_cmp(&table_defs[t], s->rows[t][i], key) == 0)
			return s->rows[t][i];
	return NULL;
}

static const char *field_differs(const struct table_def *d, const void *a, const void *b) {
	for (int i = 0; i < d->n_cols; i++) {
		struct table_def one = *d;
		one.cols = &d->cols[i];
		one.n_cols = 1;
		if (!row_equal(&one, a, b))
			return d->cols[i].name;
	}
	return NULL;
}

static void same_rows(struct twins *t, enum table k) {
	const struct sink *a = &t->loaded[REAL], *b = &t->loaded[FAKE];
	const char *name = table_defs[k].name;
	ck_assert_msg(
	    a->n[k] == b->n[k], "sequence %d: %s has %zu rows in PostgreSQL and %zu in the fake", t->sequence, name, a->n[k], b->n[k]);
	for (size_t i = 0; i < a->n[k]; i++) {
		const void *other = row_of_key(b, k, a->rows[k][i]);
		const char *field = other == NULL ? "key" : field_differs(&table_defs[k], a->rows[k][i], other);
		ck_assert_msg(field == NULL, "sequence %d: %s, row %zu: %s differs", t->sequence, name, i, field);
	}
}

static void load_both(struct twins *t) {
	do_load(&t->w, t->real, &t->loaded[REAL]);
	arena_free(t->rows);
	t->rows = arena_new();
	t->loaded[FAKE] = (struct sink){ 0 };
	t->fake->ops->load(t->fake, keep_row, fake_loaded, t);
	fake_wait(t, &t->loaded[FAKE].done);
	const struct ledger_loaded *a = &t->loaded[REAL].loaded, *b = &t->loaded[FAKE].loaded;
	ck_assert_int_eq(a->commit_no, b->commit_no);
	ck_assert_int_eq(a->last_event, b->last_event);
	ck_assert_int_eq(a->last_event_at.us, b->last_event_at.us);
	ck_assert_int_gt(a->epoch, t->real_epoch);
	ck_assert_int_gt(b->epoch, t->fake_epoch);
	t->real_epoch = a->epoch;
	t->fake_epoch = b->epoch;
	for (int k = 0; k < TABLE_COUNT; k++)
		if (k != TABLE_cell)
			same_rows(t, (enum table)k);
}

static int commit_fake(struct twins *t, const struct changeset *cs, struct err *err) {
	struct call k = { 0 };
	t->fake->ops->commit(t->fake, cs, call_done, &k);
	ck_assert_msg(!k.done, "a completion ran inside the call");
	fake_wait(t, &k.done);
	*err = k.err;
	return k.err.code;
}

/* The same answer from both. Landed: the numbers go on. */
static int commit_both(struct twins *t, struct changeset *cs, bool same_name) {
	struct err a = ERR_INIT, b = ERR_INIT;
	int64_t epoch = cs->epoch;
	cs->epoch = epoch == 0 ? t->real_epoch : epoch;
	int r = do_commit(&t->w, t->real, cs, &a);
	cs->epoch = epoch == 0 ? t->fake_epoch : epoch;
	commit_fake(t, cs, &b);
	ck_assert_msg(a.code == b.code, "sequence %d, step %d: PostgreSQL says %s (%s), the fake %s (%s)", t->sequence, t->step,
	    err_name(a.code), a.text, err_name(b.code), b.text);
	ck_assert_msg(!same_name || strcmp(a.pointer, b.pointer) == 0, "sequence %d, step %d: PostgreSQL names %s, the fake %s",
	    t->sequence, t->step, a.pointer, b.pointer);
	if (r == 0) {
		t->commit_no = cs->commit_no;
		t->last_event = cs->last_event;
	}
	changeset_free(cs);
	return r;
}

/* ---- what is committed ------------------------------------------------------------------------------------------------------------------
 */
static int64_t dice(struct twins *t, int64_t n) {
	return (int64_t)rng_below(&t->w.rng, (uint64_t)n);
}

static struct changeset *next_commit(struct twins *t, int events) {
	struct changeset *cs = changeset_of(0, t->commit_no + 1, t->last_event + events);
	struct row_cell cell = { .id = 1, .commit_no = cs->commit_no, .last_event = cs->last_event };
	changeset_upsert(cs, TABLE_cell, &cell);
	for (int64_t k = t->last_event + 1; k <= cs->last_event; k++)
		changeset_upsert(cs, TABLE_event, row_random(&t->w, TABLE_event, k));
	return cs;
}

/* Tables in which a row may come and go without anybody referring to it. */
static const enum table leaves[] = { TABLE_finding, TABLE_task, TABLE_idempotency, TABLE_counter };

static void good(struct twins *t) {
	struct changeset *cs = next_commit(t, (int)dice(t, 4));
	for (int i = 0; i < OBJECTS; i++) {
		enum table k = (enum table)(TABLE_counter + dice(t, TABLE_event - TABLE_counter));
		changeset_upsert(cs, k, row_random(&t->w, k, 1 + i));
	}
	ck_assert_int_eq(commit_both(t, cs, true), 0);
}

static void gone(struct twins *t) {
	struct changeset *cs = next_commit(t, 1);
	enum table k = leaves[dice(t, sizeof leaves / sizeof *leaves)];
	changeset_delete(cs, k, row_random(&t->w, k, 1 + dice(t, OBJECTS)));
	ck_assert_int_eq(commit_both(t, cs, true), 0);
}

static void a_row_twice(struct twins *t) {
	struct changeset *cs = next_commit(t, 1);
	changeset_upsert(cs, TABLE_task, row_random(&t->w, TABLE_task, 1));
	changeset_upsert(cs, TABLE_task, row_random(&t->w, TABLE_task, 1));
	ck_assert_int_eq(commit_both(t, cs, false), E_DB_REFUSED);
}

static void of_an_old_epoch(struct twins *t) {
	struct changeset *cs = next_commit(t, 1);
	cs->epoch = 1;
	ck_assert_int_eq(commit_both(t, cs, true), E_FENCED);
}

static void over_the_ceiling(struct twins *t) {
	struct changeset *cs = next_commit(t, 1);
	struct row_base *b = row_random(&t->w, TABLE_base, 1 + dice(t, OBJECTS));
	b->units_used = b->units_ceiling + 1;
	changeset_upsert(cs, TABLE_base, b);
	ck_assert_int_eq(commit_both(t, cs, true), E_DB_REFUSED);
}

static void an_event_again(struct twins *t) {
	struct changeset *cs = next_commit(t, 0);
	changeset_upsert(cs, TABLE_event, row_random(&t->w, TABLE_event, 1 + dice(t, t->last_event)));
	ck_assert_int_eq(commit_both(t, cs, true), E_DB_REFUSED);
}

/* A name that another row has. */
static void a_name_again(struct twins *t) {
	static const enum table named[] = { TABLE_module, TABLE_base_group, TABLE_base, TABLE_deployment };
	enum table k = named[dice(t, sizeof named / sizeof *named)];
	struct changeset *cs = next_commit(t, 1);
	char *row = row_random(&t->w, k, 1);
	int64_t id = 1000 + dice(t, 1000);
	memcpy(row, &id, sizeof id); /* the id comes first in each of them */
	changeset_upsert(cs, k, row_random(&t->w, k, 1));
	changeset_upsert(cs, k, row);
	ck_assert_int_eq(commit_both(t, cs, true), E_DB_REFUSED);
}

static void of_nobody(struct twins *t) {
	struct changeset *cs = next_commit(t, 1);
	struct row_instance *i = row_random(&t->w, TABLE_instance, 1);
	i->base_id = 77777;
	changeset_upsert(cs, TABLE_instance, i);
	ck_assert_int_eq(commit_both(t, cs, true), E_DB_REFUSED);
}

/* Something refers to it; which of the references is named first is the database's business. */
static void still_needed(struct twins *t) {
	struct changeset *cs = next_commit(t, 1);
	changeset_delete(cs, TABLE_version, row_random(&t->w, TABLE_version, 1));
	changeset_upsert(cs, TABLE_instance, row_random(&t->w, TABLE_instance, 1));
	(void)commit_both(t, cs, false);
}

static int64_t recover_fake(struct twins *t, int64_t *ret_epoch) {
	t->loaded[FAKE] = (struct sink){ 0 };
	t->fake->ops->recover(t->fake, fake_loaded, t);
	fake_wait(t, &t->loaded[FAKE].done);
	ck_assert_int_eq(t->loaded[FAKE].err.code, 0);
	*ret_epoch = t->loaded[FAKE].loaded.epoch;
	return t->loaded[FAKE].loaded.commit_no;
}

/* The connection ends: before the commit arrived, or after it landed and before the answer. Both tell which, and go on. */
static void no_answer(struct twins *t, bool landed) {
	struct ledger_loaded a;
	struct err err = ERR_INIT;
	struct changeset *cs = next_commit(t, 1);
	cs->epoch = t->fake_epoch;
	t->sim.f.commit_lost_before = landed ? 0 : 1000;
	t->sim.f.commit_lost_after = landed ? 1000 : 0;
	ck_assert_int_eq(commit_fake(t, cs, &err), E_DB_LOST);
	t->sim.f = (struct faults){ 0 };
	cs->epoch = t->real_epoch;
	if (!landed)
		sql(&t->w, t->w.admin, arena_printf(t->w.arena, "select pg_terminate_backend(%d)", pgconn_pid(t->real->commit_conn)));
	ck_assert_int_eq(do_commit(&t->w, t->real, cs, &err), landed ? 0 : E_DB_LOST);
	ck_assert_int_eq(do_recover(&t->w, t->real, &a, &err), 0);
	ck_assert_int_eq(a.commit_no, recover_fake(t, &t->fake_epoch));
	ck_assert_int_eq(a.commit_no, t->commit_no + landed);
	t->real_epoch = a.epoch;
	t->commit_no += landed;
	t->last_event += landed;
	changeset_free(cs);
}

static void lost_before(struct twins *t) {
	no_answer(t, false);
}

static void lost_after(struct twins *t) {
	no_answer(t, true);
}

/* ---- lease ------------------------------------------------------------------------------------------------------------------------------
 */
struct leased {
	bool done;
	struct lease_view v;
	struct err err;
};

static void lease_done(void *arg, const struct lease_view *v, const struct err *err) {
	struct leased *x = arg;
	x->done = true;
	if (v != NULL)
		x->v = *v;
	if (err != NULL)
		x->err = *err;
}

static void lease_step(struct twins *t) {
	struct leased x[2] = { 0 };
	struct ledger *both[2] = { ledger_pg_ledger(t->real), t->fake };
	struct lease_view me = { 0 };
	int what = (int)dice(t, 3);
	int64_t expected = dice(t, 4);
	snprintf(me.holder, sizeof me.holder, "server%d", (int)dice(t, 2));
	for (int i = 0; i < 2; i++) {
		if (what == 0)
			both[i]->ops->lease_read(both[i], lease_done, &x[i]);
		else if (what == 1)
			both[i]->ops->lease_take(both[i], expected, &me, lease_done, &x[i]);
		else
			both[i]->ops->lease_renew(both[i], &me, lease_done, &x[i]);
	}
	wait_until(&t->w, &x[REAL].done);
	fake_wait(t, &x[FAKE].done);
	ck_assert_msg((x[REAL].err.code == 0) == (x[FAKE].err.code == 0), "sequence %d: lease (%d): PostgreSQL says %s, the fake %s",
	    t->sequence, what, err_name(x[REAL].err.code), err_name(x[FAKE].err.code));
	if (x[REAL].err.code != 0)
		return;
	ck_assert_int_eq(x[REAL].v.counter, x[FAKE].v.counter);
	ck_assert_str_eq(x[REAL].v.holder, x[FAKE].v.holder);
}

/* ---- sequences --------------------------------------------------------------------------------------------------------------------------
 */
static void twins_open(struct twins *t) {
	memset(t, 0, sizeof *t);
	world_open(&t->w);
	t->real = world_ledger(&t->w);
	sim_init(&t->sim, 1, NULL);
	t->sim.store = store_new(&t->sim);
	t->fake = ledger_connect(t->sim.store, &t->awake);
	load_both(t);
	struct changeset *cs = changeset_random(&t->w, 0, 1, OBJECTS, 1);
	struct row_cell cell = { .id = 1, .commit_no = 1, .last_event = OBJECTS };
	changeset_upsert(cs, TABLE_cell, &cell);
	ck_assert_int_eq(commit_both(t, cs, true), 0);
	load_both(t);
}

static void twins_close(struct twins *t) {
	ledger_pg_free(t->real);
	store_free(t->sim.store);
	sim_deinit(&t->sim);
	arena_free(t->rows);
	world_close(&t->w);
}

START_TEST(the_fake_answers_as_postgresql_does) {
	static void (*const steps[])(struct twins *) = { good, good, good, good, gone, of_an_old_epoch, over_the_ceiling, an_event_again,
		a_row_twice, a_name_again, of_nobody, still_needed, lost_before, lost_after, lease_step, lease_step };
	struct twins *t = malloc(sizeof *t);
	twins_open(t);
	for (t->sequence = 0; t->sequence < SEQUENCES; t->sequence++) {
		for (t->step = 0; t->step < STEPS; t->step++)
			steps[dice(t, sizeof steps / sizeof *steps)](t);
		load_both(t);
	}
	twins_close(t);
	free(t);
}
END_TEST

TEST_SUITE("ledger/twin", the_fake_answers_as_postgresql_does)
