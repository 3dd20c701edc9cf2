/* Artifact bytes: put, get from any offset, abort, the same twice, collection. */
#include "world.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1024 * 1024)

static unsigned char *content(struct world *w, size_t n) {
	unsigned char *p = arena_alloc(w->arena, n + 1);
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)rng_u64(&w->rng);
	return p;
}

static int add(struct world *w, struct ledger *led, struct ledger_upload *u, const void *p, size_t n) {
	struct call k = { 0 };
	led->ops->upload_add(u, p, n, call_done, &k);
	ck_assert(!k.done);
	wait_until(w, &k.done);
	return k.err.code;
}

static int put(struct world *w, struct ledger_pg *l, const char *sha, const unsigned char *p, size_t n, size_t step) {
	struct ledger *led = ledger_pg_ledger(l);
	struct ledger_upload *u = led->ops->upload_begin(led, sha);
	struct call k = { 0 };
	for (size_t at = 0; at < n; at += step)
		ck_assert_int_eq(add(w, led, u, p + at, n - at < step ? n - at : step), 0);
	led->ops->upload_end(u, sha, call_done, &k);
	wait_until(w, &k.done);
	return k.err.code;
}

struct got {
	bool done;
	struct err err;
	unsigned char *p;
	size_t n, pieces;
	void *reading;
	struct ledger *led;
};

static void on_piece(void *arg, const void *p, size_t n, const struct err *err) {
	struct got *g = arg;
	ck_assert(!g->done);
	if (err != NULL)
		g->err = *err;
	g->done = err != NULL || n == 0;
	if (g->done)
		return;
	memcpy(g->p + g->n, p, n);
	g->n += n;
	g->pieces++;
	g->led->ops->bytes_more(g->reading);
}

static struct got get(struct world *w, struct ledger_pg *l, const char *sha, int64_t offset) {
	struct got g = { .led = ledger_pg_ledger(l), .p = arena_alloc(w->arena, 8 * MIB) };
	g.reading = g.led->ops->bytes_read(g.led, sha, offset, on_piece, &g);
	wait_until(w, &g.done);
	return g;
}

static struct ledger_pg *ready(struct world *w) {
	struct sink s;
	world_open(w);
	struct ledger_pg *l = world_ledger(w);
	do_load(w, l, &s);
	return l;
}

START_TEST(bytes_come_back_from_any_offset) {
	static const size_t sizes[] = { 0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 12345 };
	static const size_t steps[] = { 65536, 1000003, 4 * MIB };
	struct world w;
	struct ledger_pg *l = ready(&w);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char sha[16] = "sha-0";
		sha[4] = (char)('0' + i);
		const unsigned char *p = content(&w, sizes[i]);
		ck_assert_int_eq(put(&w, l, sha, p, sizes[i], steps[i % 3]), 0);
		size_t offsets[] = { 0, sizes[i] / 2, sizes[i], MIB < sizes[i] ? MIB : 0 };
		for (size_t k = 0; k < 4; k++) {
			struct got g = get(&w, l, sha, (int64_t)offsets[k]);
			ck_assert_msg(g.err.code == 0, "%s", g.err.text);
			ck_assert_uint_eq(g.n, sizes[i] - offsets[k]);
			ck_assert(memcmp(g.p, p + offsets[k], g.n) == 0);
		}
	}
	ck_assert_int_eq(get(&w, l, "absent", 0).err.code, E_NOT_FOUND);
	ck_assert_int_eq(get(&w, l, "absent", 5000000).err.code, E_NOT_FOUND);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(an_abort_leaves_nothing) {
	struct world w;
	struct ledger_pg *l = ready(&w);
	struct ledger *led = ledger_pg_ledger(l);
	const unsigned char *p = content(&w, 2 * MIB);
	struct ledger_upload *u = led->ops->upload_begin(led, "gone");
	ck_assert_int_eq(add(&w, led, u, p, 2 * MIB), 0);
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from artifact_chunk"), "2");
	led->ops->upload_abort(u);
	/* An abort with a piece under way. */
	u = led->ops->upload_begin(led, "gone");
	struct call k = { 0 };
	led->ops->upload_add(u, p, 2 * MIB, call_done, &k);
	led->ops->upload_abort(u);
	ck_assert_int_eq(put(&w, l, "kept", p, 10, 10), 0); /* goes through the same queue, behind both */
	ck_assert(!k.done);
	ck_assert_str_eq(sql(&w, w.admin, "select string_agg(sha256, ' ') from artifact_chunk"), "kept");
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(the_same_bytes_twice_are_kept_once) {
	struct world w;
	struct ledger_pg *l = ready(&w), *m = world_ledger(&w);
	const unsigned char *p = content(&w, 2 * MIB + 5);
	ck_assert_int_eq(put(&w, l, "same", p, 2 * MIB + 5, MIB), 0);
	sql(&w, w.admin, "update artifact_chunk set created_at = now() - interval '2 days'");
	ck_assert_int_eq(put(&w, m, "same", p, 2 * MIB + 5, 65536), 0);
	ck_assert_str_eq(
	    sql(&w, w.admin,
	        "select count(*) || ' ' || count(*) filter (where created_at > now() - interval '1 hour') from artifact_chunk"),
	    "3 3");
	ledger_pg_free(l);
	ledger_pg_free(m);
	world_close(&w);
}
END_TEST

START_TEST(uploads_at_the_same_time_do_not_mix) {
	struct world w;
	struct ledger_pg *l = ready(&w), *m = world_ledger(&w);
	struct ledger *a = ledger_pg_ledger(l), *b = ledger_pg_ledger(m);
	const unsigned char *p = content(&w, MIB * 2);
	struct ledger_upload *u = a->ops->upload_begin(a, "x"), *v = b->ops->upload_begin(b, "x");
	ck_assert_int_eq(add(&w, a, u, p, MIB), 0);
	ck_assert_int_eq(add(&w, b, v, p, MIB), 0);
	ck_assert_int_eq(add(&w, a, u, p + MIB, MIB), 0);
	ck_assert_int_eq(add(&w, b, v, p + MIB, MIB), 0);
	struct call k = { 0 }, j = { 0 };
	a->ops->upload_end(u, "x", call_done, &k);
	b->ops->upload_end(v, "x", call_done, &j);
	wait_until(&w, &k.done);
	wait_until(&w, &j.done);
	ck_assert_msg(k.err.code == 0, "%s", k.err.text);
	ck_assert_msg(j.err.code == 0, "%s", j.err.text);
	struct got g = get(&w, l, "x", 0);
	ck_assert_uint_eq(g.n, 2 * MIB);
	ck_assert(memcmp(g.p, p, 2 * MIB) == 0);
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from artifact_chunk"), "2");
	ledger_pg_free(l);
	ledger_pg_free(m);
	world_close(&w);
}
END_TEST

START_TEST(orphans_are_collected_and_nothing_else) {
	struct world w;
	struct sink s;
	struct call k = { 0 };
	struct ledger_pg *l = ready(&w);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	const unsigned char *p = content(&w, MIB + 1);
	ck_assert_int_eq(put(&w, l, "orphan", p, MIB + 1, MIB), 0);
	ck_assert_int_eq(put(&w, l, "sha-1", p, MIB + 1, MIB), 0);
	sql(&w, w.admin, "update artifact_chunk set created_at = now() - interval '2 days'");
	ck_assert_int_eq(put(&w, l, "young", p, 1, 1), 0);
	struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 3, 1); /* has artifact sha-1 */
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	led->ops->bytes_collect(led, call_done, &k);
	wait_until(&w, &k.done);
	ck_assert_int_eq(k.err.code, 0);
	ck_assert_str_eq(
	    sql(&w, w.admin, "select string_agg(sha256 || seq, ' ' order by sha256, seq) from artifact_chunk"), "sha-10 sha-11 young0");
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

static void cancel_first(void *arg, const void *p, size_t n, const struct err *err) {
	struct got *g = arg;
	g->pieces++;
	g->led->ops->bytes_cancel(g->reading);
}

START_TEST(a_reading_is_cancelled_at_any_time) {
	struct world w;
	struct ledger_pg *l = ready(&w);
	const unsigned char *p = content(&w, 3 * MIB);
	ck_assert_int_eq(put(&w, l, "x", p, 3 * MIB, MIB), 0);
	struct got g = { .led = ledger_pg_ledger(l) };
	g.reading = g.led->ops->bytes_read(g.led, "x", 0, cancel_first, &g);
	g.led->ops->bytes_cancel(g.reading);
	ck_assert_uint_eq(get(&w, l, "x", 0).n, 3 * MIB);
	ck_assert_uint_eq(g.pieces, 0);
	g.reading = g.led->ops->bytes_read(g.led, "x", 0, cancel_first, &g);
	ck_assert_uint_eq(get(&w, l, "x", 0).n, 3 * MIB);
	ck_assert_uint_eq(g.pieces, 1);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(an_upload_over_a_lost_connection_fails_and_is_collected) {
	struct world w;
	struct call k = { 0 }, j = { 0 };
	struct ledger_pg *l = ready(&w);
	struct ledger *led = ledger_pg_ledger(l);
	const unsigned char *p = content(&w, 2 * MIB);
	struct ledger_upload *u = led->ops->upload_begin(led, "x");
	ck_assert_int_eq(add(&w, led, u, p, MIB), 0);
	led->ops->upload_add(u, p, MIB, call_done, &k);
	while (!l->bytes_conn || !u || LIST_EMPTY(&l->uploads) || pgconn_pid(l->bytes_conn) == 0)
		event_base_loop(loop_base(w.loop), EVLOOP_ONCE);
	sql(&w, w.admin, arena_printf(w.arena, "select pg_terminate_backend(%d)", pgconn_pid(l->bytes_conn)));
	wait_until(&w, &k.done);
	/* Cut while a piece was on its way, or between two of them, where the next one could not be sent any more. */
	ck_assert(k.err.code == E_DB_LOST || k.err.code == E_UNAVAILABLE);
	ck_assert_int_eq(add(&w, led, u, p, 10), k.err.code);
	led->ops->upload_abort(u);
	led->ops->bytes_collect(led, call_done, &j);
	wait_until(&w, &j.done);
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from artifact_chunk"), "0");
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(an_end_that_fails_ends_the_upload) {
	struct world w;
	struct ledger_pg *l = ready(&w);
	sql(&w, w.admin, "alter table artifact_chunk rename to away");
	ck_assert_int_eq(put(&w, l, "x", content(&w, 10), 10, 10), E_DB_REFUSED);
	sql(&w, w.admin, "alter table away rename to artifact_chunk");
	ck_assert_int_eq(put(&w, l, "x", content(&w, 10), 10, 10), 0);
	ck_assert(LIST_EMPTY(&l->uploads));
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/bytes", bytes_come_back_from_any_offset, an_abort_leaves_nothing, the_same_bytes_twice_are_kept_once,
    uploads_at_the_same_time_do_not_mix, orphans_are_collected_and_nothing_else, a_reading_is_cancelled_at_any_time,
    an_end_that_fails_ends_the_upload, an_upload_over_a_lost_connection_fails_and_is_collected)
