/* Rules 1, 2, 4 and 5 against real backends that are frozen, cut, blocked and ended. */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

static struct changeset *one_tenant(const struct sink *s, int64_t commit_no, int64_t id) {
	char name[32];
	snprintf(name, sizeof name, "tenant-%lld", (long long)id);
	struct row_tenant t = { .id = id, .name = name };
	struct changeset *cs = changeset_of(s->loaded.epoch, commit_no, 0);
	changeset_upsert(cs, TABLE_tenant, &t);
	return cs;
}

/* Enough bytes that libpq sends most of it before it is told to send the sync. */
static struct changeset *huge(struct world *w, const struct sink *s, int64_t commit_no) {
	struct changeset *cs = one_tenant(s, commit_no, 1);
	for (int64_t k = 1; k <= 5000; k++)
		changeset_upsert(cs, TABLE_event, row_random(w, TABLE_event, k));
	cs->last_event = 5000;
	return cs;
}

static bool is_stored(struct world *w, const char *what, const char *value) {
	return strcmp(sql(w, w->admin, what), value) == 0;
}

static int64_t elapsed(mono_t since) {
	return mono_diff(clock_mono(&clock_real), since);
}

/* Waits until a session of that application waits for a lock. */
static void wait_blocked(struct world *w, const char *application) {
	const char *q = arena_printf(w->arena,
	    "select count(*) from pg_stat_activity where application_name = '%s' and wait_event_type = 'Lock' and datname = "
	    "current_database()",
	    application);
	mono_t begin = clock_mono(&clock_real);
	while (strcmp(sql(w, w->admin, q), "0") == 0) {
		bool never = false;
		wait_until_within(w, &never, 5 * US_PER_MS);
		ck_assert(elapsed(begin) < 10 * US_PER_S);
	}
}

static void wait_fence_held(struct world *w) {
	mono_t begin = clock_mono(&clock_real);
	while (sql(w, w->admin, "select epoch from fence for update skip locked") != NULL) {
		bool never = false;
		wait_until_within(w, &never, 5 * US_PER_MS);
		ck_assert_msg(elapsed(begin) < 10 * US_PER_S, "nobody holds the fence");
	}
}

static struct ledger_pg *ledger_with(struct world *w, int64_t commit_us, int64_t lock_us, int64_t blocked_us) {
	struct ledger_pg_config c;
	ledger_pg_config_defaults(&c);
	c.commit_us = commit_us;
	c.lock_us = lock_us;
	c.blocked_us = blocked_us;
	return world_ledger_with(w, &c);
}

START_TEST(a_commit_under_an_old_epoch_is_refused) {
	struct world w;
	struct sink a, b;
	struct err err;
	world_open(&w);
	struct ledger_pg *one = world_ledger(&w), *two = world_ledger(&w);
	do_load(&w, one, &a);
	do_load(&w, two, &b);
	ck_assert_int_gt(b.loaded.epoch, a.loaded.epoch);
	ck_assert_str_eq(a.loaded.cell, b.loaded.cell);
	struct changeset *cs = one_tenant(&a, 1, 1);
	ck_assert_int_eq(do_commit(&w, one, cs, &err), E_FENCED);
	ck_assert_str_eq(err.sqlstate, "22012");
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from tenant"), "0");
	changeset_free(cs);
	cs = one_tenant(&b, 1, 1);
	ck_assert_int_eq(do_commit(&w, two, cs, &err), 0);
	sql(&w, w.admin, "delete from fence");
	ck_assert_int_eq(do_commit(&w, two, cs, &err), E_FENCED);
	changeset_free(cs);
	ledger_pg_free(one);
	ledger_pg_free(two);
	world_close(&w);
}
END_TEST

START_TEST(a_load_raises_the_epoch_above_the_floor) {
	struct world w;
	struct sink s;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	int64_t before = s.loaded.epoch;
	do_load(&w, l, &s);
	ck_assert_int_eq(s.loaded.epoch, before + 1);
	struct ledger *led = ledger_pg_ledger(l);
	led->ops->epoch_floor(led, 1000);
	do_load(&w, l, &s);
	ck_assert_int_eq(s.loaded.epoch, 1001);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(a_taker_ends_a_server_that_froze_with_half_a_commit_sent) {
	struct world w;
	struct sink a, b;
	struct call k = { 0 };
	world_open(&w);
	struct ledger_pg *one = world_ledger(&w), *two = world_ledger(&w);
	struct ledger *led = ledger_pg_ledger(one);
	do_load(&w, one, &a);
	struct changeset *first = one_tenant(&a, 1, 7); /* so that every statement is prepared */
	ck_assert_int_eq(do_commit(&w, one, first, NULL), 0);
	struct changeset *cs = huge(&w, &a, 2);
	pgconn_stall(one->commit_conn, true);
	led->ops->commit(led, cs, call_done, &k);
	wait_fence_held(&w);
	mono_t begin = clock_mono(&clock_real);
	load_begin(&w, two, &b);
	wait_until(&w, &b.done);
	ck_assert_msg(b.err.code == 0, "%s", b.err.text);
	ck_assert_msg(elapsed(begin) > 450 * US_PER_MS, "the frozen one did not hold the fence");
	ck_assert_msg(elapsed(begin) < 3 * US_PER_S, "took %lld us", (long long)elapsed(begin));
	ck_assert_int_eq(b.loaded.commit_no, 1);
	ck_assert(!k.done);
	pgconn_stall(one->commit_conn, false);
	wait_until(&w, &k.done);
	ck_assert_int_eq(k.err.code, E_DB_LOST);
	ck_assert_int_eq(do_commit(&w, one, cs, NULL), E_FENCED);
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from event"), "0");
	changeset_free(first);
	changeset_free(cs);
	ledger_pg_free(one);
	ledger_pg_free(two);
	world_close(&w);
}
END_TEST

START_TEST(a_psql_that_holds_the_fence_is_ended) {
	struct world w;
	struct sink s;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	PGconn *psql = world_session(&w);
	sql(&w, psql, "begin");
	sql(&w, psql, "select * from fence for update");
	do_load(&w, l, &s);
	ck_assert_ptr_null(
	    sql(&w, w.admin, "select 1 from pg_stat_activity where state = 'idle in transaction' and datname = current_database()"));
	PQfinish(psql);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* The link is cut behind a commit that the server still works on. lands: the lock goes before anybody would end the old backend. */
static void cut_and_recover(bool lands) {
	struct world w;
	struct sink s;
	struct call k = { 0 };
	struct ledger_loaded at;
	struct err err;
	world_open(&w);
	struct ledger_pg *l = ledger_with(&w, 10 * US_PER_S, 8 * US_PER_S, lands ? 20 * US_PER_S : 300 * US_PER_MS);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	sql(&w, w.admin, "create table holder (x int)");
	PGconn *holder = world_session(&w);
	sql(&w, holder, "begin");
	sql(&w, holder, "lock table tenant in exclusive mode");
	struct changeset *cs = one_tenant(&s, 1, 1);
	led->ops->commit(led, cs, call_done, &k);
	wait_blocked(&w, "berthd commit");
	shutdown(pgconn_fd(l->commit_conn), SHUT_RDWR);
	wait_until(&w, &k.done);
	ck_assert_int_eq(k.err.code, E_DB_LOST);
	if (lands)
		sql(&w, holder, "commit");
	ck_assert_msg(do_recover(&w, l, &at, &err) == 0, "%s", err.text);
	if (!lands)
		sql(&w, holder, "commit");
	ck_assert_int_gt(at.epoch, s.loaded.epoch);
	ck_assert_int_eq(at.commit_no, lands ? 1 : 0);
	ck_assert(is_stored(&w, "select count(*) from tenant", lands ? "1" : "0"));
	if (!lands) {
		cs->epoch = at.epoch;
		ck_assert_int_eq(do_commit(&w, l, cs, &err), 0);
	}
	PQfinish(holder);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}

START_TEST(a_commit_whose_link_was_cut_is_found_when_it_landed) {
	cut_and_recover(true);
}
END_TEST

START_TEST(a_commit_whose_link_was_cut_never_lands_after_a_recovery) {
	cut_and_recover(false);
}
END_TEST

START_TEST(a_frozen_backend_is_noticed_by_our_own_deadline) {
	struct world w;
	struct sink s;
	struct ledger_loaded at;
	struct err err;
	world_open(&w);
	struct ledger_pg *l = ledger_with(&w, 500 * US_PER_MS, 0, 200 * US_PER_MS);
	do_load(&w, l, &s);
	int pid = pgconn_pid(l->commit_conn);
	kill(pid, SIGSTOP);
	struct changeset *cs = one_tenant(&s, 1, 1);
	mono_t begin = clock_mono(&clock_real);
	ck_assert_int_eq(do_commit(&w, l, cs, &err), E_DB_LOST);
	ck_assert(elapsed(begin) < 2 * US_PER_S);
	kill(pid, SIGCONT);
	ck_assert_msg(do_recover(&w, l, &at, &err) == 0, "%s", err.text);
	ck_assert(is_stored(&w, "select count(*) from tenant", at.commit_no == 1 ? "1" : "0"));
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(an_idle_backend_that_was_ended_is_replaced_under_the_same_epoch) {
	struct world w;
	struct sink s;
	struct err err;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	int pid = pgconn_pid(l->commit_conn);
	sql(&w, w.admin, arena_printf(w.arena, "select pg_terminate_backend(%d)", pid));
	mono_t begin = clock_mono(&clock_real);
	while (!pgconn_ready(l->commit_conn) || pgconn_pid(l->commit_conn) == pid) {
		event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
		ck_assert(elapsed(begin) < 5 * US_PER_S);
	}
	ck_assert(is_stored(&w, "select backend_pid from fence", arena_printf(w.arena, "%d", pgconn_pid(l->commit_conn))));
	struct changeset *cs = one_tenant(&s, 1, 1);
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(a_backend_ended_in_mid_commit_is_a_lost_answer) {
	struct world w;
	struct sink s;
	struct call k = { 0 };
	struct ledger_loaded at;
	world_open(&w);
	struct ledger_pg *l = ledger_with(&w, 10 * US_PER_S, 8 * US_PER_S, 500 * US_PER_MS);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	PGconn *holder = world_session(&w);
	sql(&w, holder, "begin");
	sql(&w, holder, "lock table tenant in exclusive mode");
	struct changeset *cs = one_tenant(&s, 1, 1);
	led->ops->commit(led, cs, call_done, &k);
	wait_blocked(&w, "berthd commit");
	sql(&w, w.admin, arena_printf(w.arena, "select pg_terminate_backend(%d)", pgconn_pid(l->commit_conn)));
	wait_until(&w, &k.done);
	ck_assert_int_eq(k.err.code, E_DB_LOST);
	ck_assert_str_eq(k.err.sqlstate, "57P01");
	ck_assert_int_eq(do_recover(&w, l, &at, NULL), 0);
	ck_assert_int_eq(at.commit_no, 0);
	PQfinish(holder);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

static void end_session(void *arg) {
	PQfinish(arg);
}

START_TEST(a_lock_that_goes_away_is_waited_for) {
	struct world w;
	struct sink s;
	struct err err;
	struct timer t;
	world_open(&w);
	struct ledger_pg *l = ledger_with(&w, 10 * US_PER_S, 60 * US_PER_MS, 500 * US_PER_MS);
	do_load(&w, l, &s);
	PGconn *holder = world_session(&w);
	sql(&w, holder, "begin");
	sql(&w, holder, "lock table tenant in exclusive mode");
	timer_init(&t, w.loop, end_session, holder);
	timer_set(&t, 150 * US_PER_MS);
	struct changeset *cs = one_tenant(&s, 1, 1);
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
	ck_assert_int_gt(l->commit.x.tries, 1);
	timer_deinit(&t);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(a_lock_that_stays_is_given_up_and_nothing_happened) {
	struct world w;
	struct sink s;
	struct err err;
	world_open(&w);
	struct ledger_pg *first = world_ledger(&w); /* migrates, for which 20 ms are too little on a busy machine */
	do_load(&w, first, &s);
	ledger_pg_free(first);
	struct ledger_pg *l = ledger_with(&w, 10 * US_PER_S, 20 * US_PER_MS, 500 * US_PER_MS);
	do_load(&w, l, &s);
	PGconn *holder = world_session(&w);
	sql(&w, holder, "begin");
	sql(&w, holder, "lock table tenant in exclusive mode");
	struct changeset *cs = one_tenant(&s, 1, 1);
	ck_assert_int_eq(do_commit(&w, l, cs, &err), E_UNAVAILABLE);
	ck_assert_str_eq(err.sqlstate, "55P03");
	sql(&w, holder, "rollback");
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from tenant"), "0");
	ck_assert_int_eq(do_commit(&w, l, cs, &err), 0);
	PQfinish(holder);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(a_cancelled_statement_is_sent_again) {
	struct world w;
	struct sink s;
	struct call k = { 0 };
	world_open(&w);
	struct ledger_pg *l = ledger_with(&w, 10 * US_PER_S, 8 * US_PER_S, 500 * US_PER_MS);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	PGconn *holder = world_session(&w);
	sql(&w, holder, "begin");
	sql(&w, holder, "lock table tenant in exclusive mode");
	struct changeset *cs = one_tenant(&s, 1, 1);
	led->ops->commit(led, cs, call_done, &k);
	wait_blocked(&w, "berthd commit");
	sql(&w, w.admin, arena_printf(w.arena, "select pg_cancel_backend(%d)", pgconn_pid(l->commit_conn)));
	while (l->commit.x.tries < 2)
		event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
	sql(&w, holder, "commit");
	wait_until(&w, &k.done);
	ck_assert_msg(k.err.code == 0, "%s", k.err.text);
	PQfinish(holder);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(a_deadlock_is_sent_again) {
	struct world w;
	struct sink s;
	struct call k = { 0 };
	world_open(&w);
	struct ledger_pg *l = ledger_with(&w, 10 * US_PER_S, 8 * US_PER_S, 500 * US_PER_MS);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	struct changeset *cs = one_tenant(&s, 1, 1);
	struct row_tenant second = { .id = 2, .name = cs->arena ? arena_strdup(cs->arena, "second") : NULL };
	changeset_upsert(cs, TABLE_tenant, &second);
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	PGconn *other = world_session(&w);
	sql(&w, other, "set deadlock_timeout = '20s'"); /* so that the commit is the one that is refused */
	sql(&w, other, "begin");
	sql(&w, other, "update tenant set created_at = now() where id = 2");
	led->ops->commit(led, cs, call_done, &k);
	wait_blocked(&w, "berthd commit");
	ck_assert_int_eq(PQsendQuery(other, "update tenant set created_at = now() where id = 1"), 1);
	while (l->commit.x.tries < 2 && !k.done)
		event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
	PGresult *res;
	while ((res = PQgetResult(other)) != NULL)
		PQclear(res);
	sql(&w, other, "commit");
	wait_until(&w, &k.done);
	ck_assert_msg(k.err.code == 0, "%s", k.err.text);
	ck_assert_int_eq(l->commit.x.tries, 2);
	PQfinish(other);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(a_recovery_does_not_fence_a_new_holder) {
	struct world w;
	struct sink a, b;
	struct ledger_loaded at;
	struct err err;
	world_open(&w);
	struct ledger_pg *one = world_ledger(&w), *two = world_ledger(&w);
	do_load(&w, one, &a);
	do_load(&w, two, &b);
	ck_assert_int_eq(do_recover(&w, one, &at, &err), E_FENCED);
	struct changeset *cs = one_tenant(&b, 1, 1);
	ck_assert_msg(do_commit(&w, two, cs, &err) == 0, "%s", err.text);
	changeset_free(cs);
	ledger_pg_free(one);
	ledger_pg_free(two);
	world_close(&w);
}
END_TEST

static void on_recovered(void *arg, const struct ledger_loaded *res, const struct err *err) {
	call_done(arg, err);
}

START_TEST(a_raise_whose_answer_was_lost_is_our_own) {
	struct world w;
	struct sink s;
	struct call k = { 0 };
	world_open(&w);
	struct ledger_pg *l = ledger_with(&w, 500 * US_PER_MS, 0, 500 * US_PER_MS);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	int pid = pgconn_pid(l->commit_conn);
	pgconn_stall(l->commit_conn, true);
	led->ops->recover(led, on_recovered, &k);
	while (pgconn_pid(l->commit_conn) == pid)
		event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
	ck_assert_int_gt(strtoll(sql(&w, w.admin, "select epoch from fence"), NULL, 10), s.loaded.epoch);
	pgconn_stall(l->commit_conn, false);
	wait_until(&w, &k.done);
	ck_assert_msg(k.err.code == 0, "%s", k.err.text);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* A server that stepped down with a commit or a recovery open, and took the lease again before that was over. */
START_TEST(a_load_waits_for_what_is_open) {
	struct world w;
	struct sink s, again;
	struct call commit = { 0 }, recover = { 0 };
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	led->ops->recover(led, on_recovered, &recover);
	load_begin(&w, l, &again);
	wait_until(&w, &again.done);
	ck_assert(recover.done);
	ck_assert_int_eq(again.err.code, 0);
	struct changeset *cs = one_tenant(&again, 1, 1);
	led->ops->commit(led, cs, call_done, &commit);
	load_begin(&w, l, &s);
	wait_until(&w, &s.done);
	ck_assert(commit.done);
	ck_assert_int_eq(commit.err.code, 0);
	ck_assert_int_eq(s.loaded.commit_no, 1);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(what_is_closed_is_cancelled) {
	struct world w;
	struct sink s, again;
	struct call k = { 0 };
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	struct changeset *cs = one_tenant(&s, 1, 1);
	led->ops->commit(led, cs, call_done, &k);
	ledger_pg_free(l);
	ck_assert(k.done);
	ck_assert_int_eq(k.err.code, E_CANCELLED);
	changeset_free(cs);
	l = world_ledger(&w);
	load_begin(&w, l, &again);
	event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
	ledger_pg_free(l);
	ck_assert(again.done);
	ck_assert_int_eq(again.err.code, E_CANCELLED);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/fence", a_commit_under_an_old_epoch_is_refused, a_load_raises_the_epoch_above_the_floor,
    a_taker_ends_a_server_that_froze_with_half_a_commit_sent, a_psql_that_holds_the_fence_is_ended,
    a_commit_whose_link_was_cut_is_found_when_it_landed, a_commit_whose_link_was_cut_never_lands_after_a_recovery,
    a_frozen_backend_is_noticed_by_our_own_deadline, an_idle_backend_that_was_ended_is_replaced_under_the_same_epoch,
    a_backend_ended_in_mid_commit_is_a_lost_answer, a_lock_that_goes_away_is_waited_for, a_lock_that_stays_is_given_up_and_nothing_happened,
    a_cancelled_statement_is_sent_again, a_deadlock_is_sent_again, a_recovery_does_not_fence_a_new_holder,
    a_raise_whose_answer_was_lost_is_our_own, a_load_waits_for_what_is_open, what_is_closed_is_cancelled)
