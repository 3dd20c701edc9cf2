/* What kind of server is accepted, what happens without one, and where it is. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

static struct ledger_pg *ledger_at(struct world *w, const char *url) {
	struct ledger_pg_config c;
	struct ledger_pg *l;
	struct err err;
	ledger_pg_config_defaults(&c);
	c.url = url;
	c.wait_us = 300 * US_PER_MS;
	c.connect_us = 500 * US_PER_MS;
	ck_assert_msg(ledger_pg_new(w->loop, &clock_real, &c, &l, &err) == 0, "%s", err.text);
	return l;
}

static struct err check(struct world *w, struct ledger_pg *l) {
	struct call k = { 0 };
	ledger_pg_check(l, call_done, &k);
	wait_until(w, &k.done);
	return k.err;
}

START_TEST(a_server_that_does_not_keep_its_word_is_refused) {
	struct world w;
	world_open(&w);
	const char *name = sql(&w, w.admin, "select current_database()");
	sql(&w, w.admin, arena_printf(w.arena, "alter database %s set synchronous_commit = off", name));
	struct ledger_pg *l = ledger_at(&w, w.database);
	struct err err = check(&w, l);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	ck_assert_msg(strstr(err.text, "synchronous_commit") != NULL, "%s", err.text);
	/* Mended: it comes by itself. */
	sql(&w, w.admin, arena_printf(w.arena, "alter database %s set synchronous_commit = on", name));
	while (!pgconn_ready(l->commit_conn))
		event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
	ck_assert_int_eq(check(&w, l).code, 0);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(another_encoding_is_refused) {
	struct world w;
	world_open(&w);
	char name[80];
	snprintf(name, sizeof name, "%s_latin1", sql(&w, w.admin, "select current_database()"));
	sql(&w, w.admin, arena_printf(w.arena, "create database %s encoding 'LATIN1' locale 'C' template template0", name));
	struct ledger_pg *l = ledger_at(&w, arena_printf(w.arena, "%s dbname=%s", w.database, name));
	struct err err = check(&w, l);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	ck_assert_msg(strstr(err.text, "LATIN1") != NULL, "%s", err.text);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(without_a_server_calls_fail_soon_and_nothing_happened) {
	struct world w;
	struct call k = { 0 };
	world_open(&w);
	struct ledger_pg *l = ledger_at(&w, "host=/nowhere dbname=x password=secret");
	struct ledger *led = ledger_pg_ledger(l);
	ck_assert_int_eq(check(&w, l).code, E_UNAVAILABLE);
	struct changeset *cs = changeset_of(1, 1, 0);
	mono_t begin = clock_mono(&clock_real);
	led->ops->commit(led, cs, call_done, &k);
	wait_until(&w, &k.done);
	ck_assert_int_eq(k.err.code, E_UNAVAILABLE);
	ck_assert(mono_diff(clock_mono(&clock_real), begin) < 2 * US_PER_S);
	struct ledger_pg_state state;
	ledger_pg_state(l, &state);
	ck_assert(!state.commit && strstr(state.error, "/nowhere") != NULL);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(a_bad_url_is_refused_without_showing_its_password) {
	static const char *const bad[] = { "postgresql://u:secret@[::1/db", "host=a password=secret nonsense=1",
		"service=x password=secret", "host=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q password=secret" };
	struct world w;
	world_open(&w);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ledger_pg_config c;
		struct ledger_pg *l;
		struct err err;
		ledger_pg_config_defaults(&c);
		c.url = bad[i];
		ck_assert_int_eq(ledger_pg_new(w.loop, &clock_real, &c, &l, &err), E_INVALID);
		ck_assert_ptr_null(strstr(err.text, "secret"));
	}
	world_close(&w);
}
END_TEST

/* The socket folder last in a list: a name that does not exist and a port nobody listens on come first. */
START_TEST(hosts_are_tried_in_order) {
	struct world w;
	world_open(&w);
	const char *dir = sql(&w, w.admin, "select split_part(current_setting('unix_socket_directories'), ',', 1)");
	const char *rest = strstr(w.database, "port=");
	const char *url = arena_printf(w.arena, "%s host=no-such-host.invalid,127.0.0.1,localhost,%s port=5432,1,1,5432", rest, dir);
	struct ledger_pg *l = ledger_at(&w, url);
	while (!pgconn_ready(l->commit_conn))
		event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
	ledger_pg_free(l);
	l = ledger_at(&w, url); /* closed while a look-up is under way */
	event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

struct counted {
	int answered, refused;
	bool all;
};

static void count_page(void *arg, struct ledger_rows *rows, const struct err *err) {
	struct counted *c = arg;
	if (err != NULL) {
		ck_assert_int_eq(err->code, E_UNAVAILABLE);
		c->refused++;
	} else {
		arena_free(rows->arena);
	}
	c->all = ++c->answered == 300;
}

START_TEST(reads_beyond_the_queue_are_refused) {
	struct world w;
	struct sink s;
	struct counted c = { 0 };
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	struct ledger *led = ledger_pg_ledger(l);
	struct ledger_read spec = { .query = QUERY_EVENTS };
	do_load(&w, l, &s);
	for (int i = 0; i < 300; i++)
		led->ops->read(led, &spec, count_page, &c);
	ck_assert_int_eq(c.answered, 0);
	wait_until(&w, &c.all);
	ck_assert_int_eq(c.refused, 300 - 256);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/server", a_server_that_does_not_keep_its_word_is_refused, another_encoding_is_refused,
    without_a_server_calls_fail_soon_and_nothing_happened, a_bad_url_is_refused_without_showing_its_password, hosts_are_tried_in_order,
    reads_beyond_the_queue_are_refused)
