/* Uploads: pieces of 1 MiB under a name of the upload, renamed in one transaction at the end (rule 14), so that bytes under a digest are
 * always whole. Memory per upload: one piece, and what the caller handed over last.
 *
 * An upload is over with the answer to upload_end, whatever that is, or with upload_abort before it; its pieces that were left in the table
 * are removed by then, or by bytes_collect when the database was away. */
#include "ledger/pg_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/faultpoint.h"
#include "base/secret.h"

#define PIECE (1024u * 1024u)

enum upload_step { UPLOAD_IDLE, UPLOAD_PUT, UPLOAD_LAST, UPLOAD_END, UPLOAD_DROP };

struct ledger_upload {
	LIST_ENTRY(ledger_upload) link;
	struct ledger_pg *l;
	struct exchange x;
	char name[48]; /* upload:<uuid> */
	char sha256[SHA256_HEX];
	struct buf data; /* not stored yet, from `taken` on */
	size_t taken;
	int64_t seq;
	enum upload_step step;
	bool ending; /* its end was asked for: it is over with the answer, whatever that is */
	bool aborted;
	struct err failed;      /* every later call gets it */
	struct deferred answer; /* for calls that need no exchange */
	ledger_done done;
	void *arg;
};

static struct ledger_upload *of(struct exchange *x) {
	return owner_of(x, struct ledger_upload, x);
}

static void upload_free(struct ledger_upload *u) {
	LIST_REMOVE(u, link);
	deferred_deinit(&u->answer);
	buf_deinit(&u->data);
	free(u);
}

static size_t left(const struct ledger_upload *u) {
	return u->data.len - u->taken;
}

static void submit(struct ledger_upload *u, enum upload_step step);

/* ---- exchanges ------------------------------------------------------------------------------------------------------------------- */

static int put_send(struct ledger_upload *u, struct pgconn *c, struct err *err) {
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_text(&p, u->name);
	params_i64(&p, u->seq);
	params_bytes(&p, buf_str(&u->data) + u->taken, left(u) < PIECE ? left(u) : PIECE);
	int r = faultpoint_pass(FAULTPOINT_UPLOAD_PIECE, err);
	return r != 0 ? r : pgconn_exec(c, STMT_chunk_put, &p, err);
}

static int drop_send(struct ledger_upload *u, struct pgconn *c, struct err *err) {
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_text(&p, u->name);
	return pgconn_exec(c, STMT_chunk_drop, &p, err);
}

static int end_send(struct ledger_upload *u, struct pgconn *c, struct err *err) {
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_text(&p, u->name);
	params_text(&p, u->sha256);
	int r = pgconn_exec(c, STMT_chunk_keep, &p, err);
	return r != 0 ? r : drop_send(u, c, err);
}

static int upload_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct ledger_upload *u = of(x);
	switch (u->step) {
	case UPLOAD_PUT:
	case UPLOAD_LAST:
		return put_send(u, c, err);
	case UPLOAD_END:
		return end_send(u, c, err);
	default:
		return drop_send(u, c, err);
	}
}

static void stored(struct ledger_upload *u) {
	u->seq++;
	u->taken += left(u) < PIECE ? left(u) : PIECE;
	if (left(u) >= PIECE)
		return;
	size_t rest = left(u);
	if (rest > 0)
		memmove(u->data.data, u->data.data + u->taken, rest);
	u->data.len = rest;
	u->taken = 0;
}

static void tell(struct ledger_upload *u, const struct err *err) {
	ledger_done done = u->done;
	u->done = NULL;
	if (done != NULL)
		done(u->arg, err);
}

static void upload_done(struct exchange *x, const struct err *err) {
	struct ledger_upload *u = of(x);
	enum upload_step step = u->step;
	u->step = UPLOAD_IDLE;
	if (u->l->closing || step == UPLOAD_DROP) {
		tell(u, err);
		upload_free(u);
		return;
	}
	/* Somebody else ended an upload of the same bytes at this very moment: now they are there, so the end passes. */
	bool collided = step == UPLOAD_END && err != NULL && strcmp(err->sqlstate, "23505") == 0;
	if (u->aborted) {
		submit(u, UPLOAD_DROP);
	} else if (collided) {
		submit(u, UPLOAD_END);
	} else if (err != NULL && u->ending) {
		struct err failed = *err;
		submit(u, UPLOAD_DROP);
		tell(u, &failed);
	} else if (err != NULL) {
		u->failed = *err;
		tell(u, err); /* the caller aborts */
	} else if (step == UPLOAD_END) {
		tell(u, NULL);
		upload_free(u);
	} else {
		stored(u);
		if (step == UPLOAD_LAST && left(u) == 0)
			submit(u, UPLOAD_END);
		else if (left(u) >= PIECE || step == UPLOAD_LAST)
			submit(u, step);
		else
			tell(u, NULL);
	}
}

static void submit(struct ledger_upload *u, enum upload_step step) {
	u->step = step;
	u->x = (struct exchange){ .what = "storing an artifact",
		.send = upload_send,
		.done = upload_done,
		.wait_us = u->l->cfg.wait_us,
		.answer_us = u->l->cfg.bytes_us,
		.max_tries = 4 };
	pgconn_submit(u->l->bytes_conn, &u->x);
}

/* ---- calls ----------------------------------------------------------------------------------------------------------------------- */

static void on_answer(void *arg) {
	struct ledger_upload *u = arg;
	struct err failed = u->failed;
	if (u->ending) {
		submit(u, UPLOAD_DROP);
		u->ending = false;
	}
	tell(u, failed.code == 0 ? NULL : &failed);
}

struct ledger_upload *upload_begin(struct ledger *ledger, const char *sha256) {
	struct ledger_pg *l = pg_of(ledger);
	struct ledger_upload *u = calloc(1, sizeof *u);
	char uuid[37];
	if (u == NULL)
		abort();
	u->l = l;
	snprintf(u->name, sizeof u->name, "upload:%s", uuid_make(uuid));
	buf_init(&u->data, 0);
	deferred_init(&u->answer, l->loop, on_answer, u);
	LIST_INSERT_HEAD(&l->uploads, u, link);
	return u;
}

void upload_add(struct ledger_upload *u, const void *p, size_t n, ledger_done done, void *arg) {
	assert(u->step == UPLOAD_IDLE && u->done == NULL && !u->aborted);
	u->done = done;
	u->arg = arg;
	if (u->failed.code == 0)
		buf_add(&u->data, p, n);
	if (u->failed.code == 0 && left(u) >= PIECE)
		submit(u, UPLOAD_PUT);
	else
		deferred_schedule(&u->answer);
}

void upload_end(struct ledger_upload *u, const char *sha256, ledger_done done, void *arg) {
	assert(u->step == UPLOAD_IDLE && u->done == NULL && !u->aborted);
	u->done = done;
	u->arg = arg;
	u->ending = true;
	snprintf(u->sha256, sizeof u->sha256, "%s", sha256);
	if (u->failed.code != 0)
		deferred_schedule(&u->answer);
	else if (left(u) > 0 || u->seq == 0) /* an empty artifact is one empty piece */
		submit(u, UPLOAD_LAST);
	else
		submit(u, UPLOAD_END);
}

void upload_abort(struct ledger_upload *u) {
	u->aborted = true;
	u->done = NULL;
	if (u->step == UPLOAD_IDLE && !u->l->closing)
		submit(u, UPLOAD_DROP);
}

void uploads_deinit(struct ledger_pg *l) {
	struct ledger_upload *u;
	struct err err;
	err_set(&err, E_CANCELLED, "the ledger is closing");
	while ((u = LIST_FIRST(&l->uploads)) != NULL) {
		tell(u, &err);
		upload_free(u);
	}
}
