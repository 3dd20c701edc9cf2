/* The lease row: taken by one of two, renewed by its holder only, given back. */
#include "world.h"

#include <string.h>

struct lease_answer {
	bool done;
	struct lease_view v;
	struct err err;
};

static void answered(void *arg, const struct lease_view *v, const struct err *err) {
	struct lease_answer *a = arg;
	a->done = true;
	if (err != NULL)
		a->err = *err;
	else
		a->v = *v;
}

static struct lease_answer read_it(struct world *w, struct ledger_pg *l) {
	struct lease_answer a = { 0 };
	struct ledger *led = ledger_pg_ledger(l);
	led->ops->lease_read(led, answered, &a);
	wait_until(w, &a.done);
	ck_assert_msg(a.err.code == 0, "%s", a.err.text);
	return a;
}

static struct lease_answer renew(struct world *w, struct ledger_pg *l, const struct lease_view *me) {
	struct lease_answer a = { 0 };
	struct ledger *led = ledger_pg_ledger(l);
	led->ops->lease_renew(led, me, answered, &a);
	wait_until(w, &a.done);
	return a;
}

static const struct lease_view one = { .holder = "one:1", .rest = "http://one", .rpc = "one:7778" };
static const struct lease_view two = { .holder = "two:2", .rest = "http://two", .rpc = "two:7778" };

START_TEST(a_new_database_has_a_free_lease) {
	struct world w;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	struct lease_answer a = read_it(&w, l);
	ck_assert_str_eq(a.v.holder, "");
	ck_assert_int_eq(a.v.counter, 0);
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from pg_class where relname = 'tenant'"), "0"); /* reading it migrates nothing */
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(one_of_two_takes_it) {
	struct world w;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w), *m = world_ledger(&w);
	struct ledger *a = ledger_pg_ledger(l), *b = ledger_pg_ledger(m);
	for (int i = 0; i < 20; i++) {
		struct lease_answer x = { 0 }, y = { 0 }, now = read_it(&w, l);
		a->ops->lease_take(a, now.v.counter, &one, answered, &x);
		b->ops->lease_take(b, now.v.counter, &two, answered, &y);
		wait_until(&w, &x.done);
		wait_until(&w, &y.done);
		ck_assert_int_eq((x.err.code == 0) + (y.err.code == 0), 1);
		ck_assert_int_eq(x.err.code + y.err.code, E_CONFLICT);
		now = read_it(&w, m);
		ck_assert_str_eq(now.v.holder, x.err.code == 0 ? one.holder : two.holder);
		ck_assert_str_eq(now.v.rest, x.err.code == 0 ? one.rest : two.rest);
	}
	ledger_pg_free(l);
	ledger_pg_free(m);
	world_close(&w);
}
END_TEST

START_TEST(only_the_holder_renews_and_releases) {
	struct world w;
	struct call k = { 0 };
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	struct ledger *led = ledger_pg_ledger(l);
	struct lease_answer x = { 0 }, y;
	led->ops->lease_take(led, 0, &one, answered, &x);
	wait_until(&w, &x.done);
	ck_assert_int_eq(x.err.code, 0);
	y = renew(&w, l, &one);
	ck_assert_int_eq(y.err.code, 0);
	ck_assert_int_eq(y.v.counter, x.v.counter + 1);
	ck_assert_int_eq(renew(&w, l, &two).err.code, E_FENCED);
	led->ops->lease_release(led, &one, call_done, &k);
	wait_until(&w, &k.done);
	ck_assert_int_eq(k.err.code, 0);
	ck_assert_str_eq(read_it(&w, l).v.holder, "");
	ck_assert_int_eq(renew(&w, l, &one).err.code, E_FENCED);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* A renewal must not wait behind a commit that waits for somebody's lock. */
START_TEST(a_renewal_passes_a_blocked_commit) {
	struct world w;
	struct sink s;
	struct call k = { 0 };
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	struct lease_answer x = { 0 };
	led->ops->lease_take(led, 0, &one, answered, &x);
	wait_until(&w, &x.done);
	PGconn *holder = world_session(&w);
	sql(&w, holder, "begin");
	sql(&w, holder, "lock table tenant in exclusive mode");
	struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 2, 1);
	led->ops->commit(led, cs, call_done, &k);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(renew(&w, l, &one).err.code, 0);
	ck_assert(!k.done);
	sql(&w, holder, "commit");
	wait_until(&w, &k.done);
	ck_assert_int_eq(k.err.code, 0);
	PQfinish(holder);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/lease", a_new_database_has_a_free_lease, one_of_two_takes_it, only_the_holder_renews_and_releases,
    a_renewal_passes_a_blocked_commit)
