/* Downloads: one piece of 1 MiB per exchange, the next only when it is asked for; and the collection of bytes that nobody names.
 *
 * A reading is over, and freed, with its end (n == 0), its error or its cancel, whichever comes first. */
#include "ledger/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

#define PIECE INT64_C(1048576)
#define COLLECT_PIECES 64

struct reading {
	LIST_ENTRY(reading) link;
	struct ledger_pg *l;
	struct exchange x;
	char sha256[SHA256_HEX];
	int64_t seq;
	size_t skip; /* of the first piece */
	bool busy, cancelled;
	bool wanted; /* more() came from within piece() */
	char *data;  /* the piece, copied out of the result: it is handed over after the sync */
	size_t n;
	bool absent, end;
	ledger_bytes_fn piece;
	void *arg;
};

static void reading_free(struct reading *r) {
	LIST_REMOVE(r, link);
	free(r->data);
	free(r);
}

static int get_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct reading *r = owner_of(x, struct reading, x);
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_text(&p, r->sha256);
	params_i64(&p, r->seq);
	return pgconn_exec(c, STMT_chunk_get, &p, err);
}

static int get_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	struct reading *r = owner_of(x, struct reading, x);
	free(r->data);
	r->data = NULL;
	r->n = 0;
	r->absent = !result_flag(res, 0, 0);
	r->end = PQgetisnull(res, 0, 1);
	size_t n = r->end ? 0 : (size_t)PQgetlength(res, 0, 1);
	if (n <= r->skip) {
		r->end = true;
		return 0;
	}
	r->n = n - r->skip;
	r->data = malloc(r->n);
	if (r->data == NULL)
		return err_set(err, E_NOMEM, "no memory for a piece of an artifact");
	memcpy(r->data, PQgetvalue(res, 0, 1) + r->skip, r->n);
	return 0;
}

static void get_done(struct exchange *x, const struct err *err) {
	struct reading *r = owner_of(x, struct reading, x);
	struct err absent;
	r->busy = false;
	if (r->cancelled) {
		reading_free(r);
		return;
	}
	if (err == NULL && r->absent) {
		err_set(&absent, E_NOT_FOUND, "the bytes of artifact %.16s… are not in the database; upload them again", r->sha256);
		err = &absent;
	}
	if (err != NULL || r->end) {
		ledger_bytes_fn piece = r->piece;
		void *arg = r->arg;
		reading_free(r);
		piece(arg, NULL, 0, err);
		return;
	}
	r->seq++;
	r->skip = 0;
	r->busy = true; /* cancel from within piece() must not free it under us */
	r->piece(r->arg, r->data, r->n, NULL);
	r->busy = false;
	if (r->cancelled) {
		reading_free(r);
		return;
	}
	free(r->data);
	r->data = NULL;
	if (r->wanted) {
		r->wanted = false;
		bytes_more(r);
	}
}

static void submit(struct reading *r) {
	r->busy = true;
	r->x = (struct exchange){ .what = "reading an artifact",
		.send = get_send,
		.result = get_result,
		.done = get_done,
		.wait_us = r->l->cfg.wait_us,
		.answer_us = r->l->cfg.bytes_us,
		.max_tries = 4 };
	pgconn_submit(r->l->bytes_conn, &r->x);
}

void *bytes_read(struct ledger *ledger, const char *sha256, int64_t offset, ledger_bytes_fn piece, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct reading *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	r->l = l;
	memcpy(r->sha256, sha256, strnlen(sha256, sizeof r->sha256 - 1));
	r->seq = offset / PIECE;
	r->skip = (size_t)(offset % PIECE);
	r->piece = piece;
	r->arg = arg;
	LIST_INSERT_HEAD(&l->readings, r, link);
	submit(r);
	return r;
}

void bytes_more(void *reading) {
	struct reading *r = reading;
	if (r->busy)
		r->wanted = true;
	else
		submit(r);
}

void bytes_cancel(void *reading) {
	struct reading *r = reading;
	r->cancelled = true;
	if (!r->busy)
		reading_free(r);
}

void readings_deinit(struct ledger_pg *l) {
	struct reading *r;
	while ((r = LIST_FIRST(&l->readings)) != NULL)
		reading_free(r);
}

/* ---- collection ------------------------------------------------------------------------------------------------------------------ */

struct collect {
	struct ledger_pg *l;
	struct exchange x;
	int64_t last, total;
	ledger_done done;
	void *arg;
};

static int collect_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_i64(&p, COLLECT_PIECES);
	return pgconn_exec(c, STMT_chunk_collect, &p, err);
}

static int collect_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	owner_of(x, struct collect, x)->last = result_i64(res, 0, 0);
	return 0;
}

static void collect_done(struct exchange *x, const struct err *err) {
	struct collect *k = owner_of(x, struct collect, x);
	if (err == NULL && k->last > 0 && !k->l->closing) {
		k->total += k->last;
		pgconn_submit(k->l->bytes_conn, &k->x); /* behind whoever waits */
		return;
	}
	if (k->total > 0)
		log_info("removed bytes of artifacts that nothing names", log_i("mebibytes", k->total));
	k->done(k->arg, err);
	free(k);
}

void bytes_collect(struct ledger *ledger, ledger_done done, void *arg) {
	struct ledger_pg *l = pg_of(ledger);
	struct collect *k = calloc(1, sizeof *k);
	if (k == NULL)
		abort();
	k->l = l;
	k->done = done;
	k->arg = arg;
	k->x = (struct exchange){ .what = "collecting artifacts",
		.send = collect_send,
		.result = collect_result,
		.done = collect_done,
		.wait_us = l->cfg.bytes_us,
		.answer_us = l->cfg.bytes_us,
		.max_tries = 4 };
	pgconn_submit(l->bytes_conn, &k->x);
}
