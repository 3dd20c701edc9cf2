/* An artifact on its way out: from the cache, which is filled from the ledger first when it must be. However many ask, one fill runs per
 * digest, and nobody gets a byte before the whole file was checked. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/blob.h"
#include "base/faultpoint.h"
#include "base/log.h"

typedef void (*open_done)(void *arg, int fd, int64_t size, const struct err *err);

struct opening {
	struct core_op core; /* first */
	struct api *api;
	int64_t tenant_id, size;
	char sha256[SHA256_HEX];
	open_done done;
	void *arg;
	TAILQ_ENTRY(opening) wait;
};

struct fill {
	struct blobs *blobs;
	char sha256[SHA256_HEX];
	int64_t size;
	struct blob_file file;
	void *reading;
	TAILQ_HEAD(, opening) waiters;
	LIST_ENTRY(fill) link;
};

static void opened(struct opening *o, int fd, const struct err *err) {
	o->done(o->arg, fd, o->size, err);
	free(o);
}

static void fill_end(struct fill *f, const struct err *err) {
	struct blobs *b = f->blobs;
	LIST_REMOVE(f, link);
	b->busy--;
	blob_file_drop(b, &f->file); /* a kept one is closed already */
	struct opening *o;
	while ((o = TAILQ_FIRST(&f->waiters)) != NULL) {
		TAILQ_REMOVE(&f->waiters, o, wait);
		struct err own = ERR_INIT;
		int fd = err == NULL ? blob_cached(b, o->sha256, o->size) : -1;
		if (err == NULL && fd < 0)
			err_set(&own, E_IO, "artifact %s cannot be read from the cache; see the server's log", o->sha256);
		opened(o, fd, err != NULL ? err : own.code != 0 ? &own : NULL);
	}
	free(f);
}

static void whole(struct fill *f) {
	struct err err = ERR_INIT;
	char have[SHA256_HEX];
	blob_file_digest(&f->file, have);
	if (strcmp(have, f->sha256) != 0 || f->file.size != f->size) {
		err_set(&err, E_DIGEST, "the ledger's bytes of artifact %s have sha256 %s and %" PRId64 " bytes; upload it again",
		    f->sha256, have, f->file.size);
		log_error("artifact is damaged in the ledger", log_e(&err));
	} else if (faultpoint_pass(FAULTPOINT_DOWNLOAD_WHOLE, &err) == 0) {
		blob_file_keep(f->blobs, &f->file, f->sha256, &err);
	}
	fill_end(f, err.code != 0 ? &err : NULL);
}

static void piece(void *arg, const void *p, size_t n, const struct err *err) {
	struct fill *f = arg;
	struct err own = ERR_INIT;
	if (err != NULL) {
		fill_end(f, err);
		return;
	}
	if (n == 0) {
		whole(f);
		return;
	}
	const struct ledger_ops *ops = core_ledger(f->blobs->api->core)->ops;
	if (f->file.size + (int64_t)n > f->size)
		err_set(&own, E_DIGEST, "the ledger has more bytes of artifact %s than its row says", f->sha256);
	if (own.code == 0)
		faultpoint_pass(FAULTPOINT_DOWNLOAD_PIECE, &own);
	if (own.code == 0)
		blob_file_add(&f->file, p, n, &own);
	if (own.code != 0) {
		ops->bytes_cancel(f->reading);
		fill_end(f, &own);
		return;
	}
	ops->bytes_more(f->reading);
}

static int fill_start(struct blobs *b, struct opening *o, struct err *err) {
	struct blob_file file;
	int rc = blobs_admit(b, err);
	if (rc != 0)
		return rc;
	rc = blob_file_open(b, &file, err);
	if (rc != 0) {
		b->busy--;
		return rc;
	}
	struct fill *f = calloc(1, sizeof *f);
	if (f == NULL)
		abort();
	f->blobs = b;
	f->file = file;
	f->size = o->size;
	memcpy(f->sha256, o->sha256, sizeof f->sha256);
	TAILQ_INIT(&f->waiters);
	TAILQ_INSERT_TAIL(&f->waiters, o, wait);
	LIST_INSERT_HEAD(&b->fills, f, link);
	struct ledger *l = core_ledger(b->api->core);
	f->reading = l->ops->bytes_read(l, f->sha256, 0, piece, f);
	return 0;
}

void fills_cancel(struct blobs *b) {
	struct err err = ERR_INIT;
	err_set(&err, E_UNAVAILABLE, "this server is stopping");
	while (!LIST_EMPTY(&b->fills)) {
		struct fill *f = LIST_FIRST(&b->fills);
		core_ledger(b->api->core)->ops->bytes_cancel(f->reading);
		fill_end(f, &err);
	}
}

static int open_apply(struct core *c, struct core_op *op, struct err *err) {
	struct opening *o = (struct opening *)op;
	if (check_sha256(o->sha256, "", err) != 0)
		return E_INVALID;
	const struct tenant *t = fleet_tenant_by_id(core_fleet(c), o->tenant_id);
	const struct artifact *x = t != NULL ? fleet_artifact(t, o->sha256) : NULL;
	if (x == NULL || !x->row.stored)
		return err_set(err, E_NOT_FOUND, "there is no artifact with sha256 %s", o->sha256);
	o->size = x->row.size_bytes;
	return 0;
}

static void open_found(struct core_op *op, const struct err *err) {
	struct opening *o = (struct opening *)op;
	struct blobs *b = o->api->blobs;
	struct err own = ERR_INIT;
	if (err == NULL && b == NULL)
		err_set(&own, E_UNSUPPORTED, "this server has no folder for artifacts; set cache-dir");
	if (err != NULL || own.code != 0) {
		opened(o, -1, err != NULL ? err : &own);
		return;
	}
	int fd = blob_cached(b, o->sha256, o->size);
	if (fd >= 0) {
		opened(o, fd, NULL);
		return;
	}
	struct fill *f;
	LIST_FOREACH(f, &b->fills, link) {
		if (strcmp(f->sha256, o->sha256) == 0) {
			TAILQ_INSERT_TAIL(&f->waiters, o, wait);
			return;
		}
	}
	if (fill_start(b, o, &own) != 0)
		opened(o, -1, &own);
}

void api_artifact_open(struct api *a, const struct api_caller *who, const char *sha256, open_done done, void *arg) {
	struct opening *o = calloc(1, sizeof *o);
	if (o == NULL)
		abort();
	o->core.apply = open_apply;
	o->core.done = open_found;
	o->core.read = true;
	o->api = a;
	o->tenant_id = who->tenant_id;
	memcpy(o->sha256, sha256, strnlen(sha256, SHA256_HEX - 1)); /* another length is simply not found */
	o->done = done;
	o->arg = arg;
	core_submit(a->core, &o->core);
}
