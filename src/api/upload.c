/* An artifact on its way in: the client's bytes go into the digest, the cache file and, a MiB at a time, the ledger. While one piece is
 * being committed the next one fills; with both full the client waits. The row is made when the bytes are durable and their digest is
 * right. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/blob.h"
#include "base/faultpoint.h"
#include "base/log.h"

typedef void (*upload_begun)(void *arg, struct api_upload *u, const struct err *err);
typedef void (*upload_done)(void *arg, const ProtobufCMessage *artifact, bool existed, const struct err *err);

struct api_upload {
	struct core_op core; /* first: looks for the artifact, later makes it */
	struct api *api;
	struct api_caller who;
	struct arena *own;
	char want[SHA256_HEX], sha256[SHA256_HEX]; /* want "" = computed */
	const char *media_type;
	int64_t length; /* announced; -1 unknown */
	upload_begun begun;
	upload_done done;
	void *arg;
	void (*more)(void *arg);

	struct blob_file file;
	struct ledger_upload *ledger;
	char *fill, *flying; /* pieces: being filled, being committed */
	size_t n_fill;
	bool in_flight, in_core, ending, sealed, existed, aborted;
	struct err err; /* first failure; told at the end */
	ProtobufCMessage *artifact;
};

static const struct ledger_ops *ledger_ops_of(const struct api_upload *u) {
	return core_ledger(u->api->core)->ops;
}

static void upload_free(struct api_upload *u) {
	if (u->ledger != NULL)
		ledger_ops_of(u)->upload_abort(u->ledger);
	blob_file_drop(u->api->blobs, &u->file);
	u->api->blobs->busy--;
	arena_free(u->own);
	free(u->fill);
	free(u->flying);
	free(u);
}

static void finish(struct api_upload *u) {
	u->done(u->arg, u->err.code == 0 ? u->artifact : NULL, u->existed, u->err.code != 0 ? &u->err : NULL);
	upload_free(u);
}

/* ---- begin --------------------------------------------------------------------------------------------------------------------------- */
static int look_apply(struct core *c, struct core_op *op, struct err *err) {
	struct api_upload *u = (struct api_upload *)op;
	const struct tenant *t = fleet_tenant_by_id(core_fleet(c), u->who.tenant_id);
	if (t == NULL)
		return err_set(err, E_NOT_FOUND, "tenant %s is gone", u->who.tenant);
	const struct artifact *x = u->want[0] != '\0' ? fleet_artifact(t, u->want) : NULL;
	u->existed = x != NULL && x->row.stored;
	return 0;
}

static void look_done(struct core_op *op, const struct err *err) {
	struct api_upload *u = (struct api_upload *)op;
	struct err own = err != NULL ? *err : ERR_INIT;
	u->in_core = false;
	if (!u->aborted && own.code == 0)
		blob_file_open(u->api->blobs, &u->file, &own);
	if (u->aborted || own.code != 0) {
		if (!u->aborted)
			u->begun(u->arg, NULL, &own);
		upload_free(u);
		return;
	}
	if (!u->existed)
		u->ledger = ledger_ops_of(u)->upload_begin(core_ledger(u->api->core), u->want[0] != '\0' ? u->want : NULL);
	u->begun(u->arg, u, NULL);
}

static int admit(struct api *a, const char *sha256, int64_t length, const char *media_type, struct err *err) {
	int rc = sha256 != NULL ? check_sha256(sha256, "", err) : 0;
	if (rc == 0)
		rc = check_media_type(media_type, "", err);
	if (rc == 0 && length > a->config.max_artifact_bytes)
		rc = err_set(err, E_TOO_LARGE, "the artifact has %" PRId64 " bytes; this server takes at most %" PRId64, length,
		    a->config.max_artifact_bytes);
	if (rc == 0 && length == 0)
		rc = err_set(err, E_INVALID, "an artifact cannot be empty");
	return rc == 0 ? blobs_admit(a->blobs, err) : rc;
}

struct refusal_later {
	struct deferred later;
	upload_begun begun;
	void *arg;
	struct err err;
};

static void refuse(void *arg) {
	struct refusal_later *r = arg;
	r->begun(r->arg, NULL, &r->err);
	deferred_deinit(&r->later);
	free(r);
}

static void refuse_later(struct api *a, upload_begun begun, void *arg, const struct err *err) {
	struct refusal_later *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	r->begun = begun;
	r->arg = arg;
	r->err = *err;
	deferred_init(&r->later, a->loop, refuse, r);
	deferred_schedule(&r->later);
}

static void set_who(struct api_upload *u, const struct api_caller *who) {
	u->who = *who;
	u->who.tenant = arena_strdup(u->own, who->tenant);
	u->who.actor = arena_strdup(u->own, who->actor);
	u->who.address = arena_strdup(u->own, who->address);
	u->core.who = (struct core_who){ .tenant_id = who->tenant_id, .actor = u->who.actor, .address = u->who.address };
}

void api_upload_begin(struct api *a, const struct api_caller *who, const char *sha256, int64_t length, const char *media_type,
    struct arena *arena, upload_begun done, void *arg) {
	struct err err = ERR_INIT;
	if (admit(a, sha256, length, media_type, &err) != 0) {
		refuse_later(a, done, arg, &err);
		return;
	}
	struct api_upload *u = calloc(1, sizeof *u);
	if (u == NULL || (u->fill = malloc(CHUNK_BYTES)) == NULL || (u->flying = malloc(CHUNK_BYTES)) == NULL)
		abort();
	u->api = a;
	(void)arena; /* everything kept is copied: the transport may be gone first */
	u->own = arena_new();
	set_who(u, who);
	if (sha256 != NULL)
		memcpy(u->want, sha256, SHA256_HEX);
	u->media_type = arena_strdup(u->own, media_type);
	u->length = length;
	u->begun = done;
	u->arg = arg;
	u->file.fd = -1;
	u->core.apply = look_apply;
	u->core.done = look_done;
	u->in_core = true;
	core_submit(a->core, &u->core);
}

/* ---- bytes --------------------------------------------------------------------------------------------------------------------------- */
static void go_on(struct api_upload *u);

static void piece_stored(void *arg, const struct err *err) {
	struct api_upload *u = arg;
	u->in_flight = false;
	if (u->aborted) {
		upload_free(u);
		return;
	}
	if (err != NULL && u->err.code == 0)
		u->err = *err;
	bool ending = u->ending;
	go_on(u); /* at its end there is no upload any more */
	if (!ending && u->more != NULL) {
		void (*more)(void *) = u->more;
		u->more = NULL;
		more(u->arg);
	}
}

static void piece_send(struct api_upload *u) {
	char *piece = u->fill;
	size_t n = u->n_fill;
	u->fill = u->flying;
	u->flying = piece;
	u->n_fill = 0;
	u->in_flight = true;
	ledger_ops_of(u)->upload_add(u->ledger, piece, n, piece_stored, u);
}

size_t api_upload_add(struct api_upload *u, const void *p, size_t n, void (*more)(void *arg)) {
	if (u->err.code != 0)
		return n; /* the failure is told at the end; what comes is read and dropped */
	if (u->file.size + (int64_t)n > u->api->config.max_artifact_bytes) {
		err_set(&u->err, E_TOO_LARGE, "the artifact is larger than %" PRId64 " bytes, which is the most this server takes",
		    u->api->config.max_artifact_bytes);
		return n;
	}
	size_t taken = u->existed || n < CHUNK_BYTES - u->n_fill ? n : CHUNK_BYTES - u->n_fill;
	struct err full = ERR_INIT;
	if (blob_file_add(&u->file, p, taken, &full) != 0) { /* only a cache: the ledger takes the bytes all the same */
		log_warn("an upload is not cached", log_e(&full));
		blob_file_forgo(&u->file);
	}
	if (!u->existed) {
		memcpy(u->fill + u->n_fill, p, taken);
		u->n_fill += taken;
		if (u->n_fill == CHUNK_BYTES && !u->in_flight)
			piece_send(u);
	}
	if (taken < n && u->n_fill < CHUNK_BYTES)
		return taken + api_upload_add(u, (const char *)p + taken, n - taken, more);
	u->more = taken < n ? more : NULL;
	return taken;
}

/* ---- end ----------------------------------------------------------------------------------------------------------------------------- */
static int row_apply(struct core *c, struct core_op *op, struct err *err) {
	struct api_upload *u = (struct api_upload *)op;
	struct tenant *t = fleet_tenant_by_id(core_fleet(c), u->who.tenant_id);
	if (t == NULL)
		return err_set(err, E_NOT_FOUND, "tenant %s is gone", u->who.tenant);
	const struct artifact *had = fleet_artifact(t, u->sha256);
	u->existed = had != NULL && had->row.stored;
	const struct artifact *x = artifact_put(c, t, u->sha256, u->file.size, NULL, NULL, u->media_type);
	u->artifact = (ProtobufCMessage *)view_artifact(x, u->own);
	return 0;
}

static void row_done(struct core_op *op, const struct err *err) {
	struct api_upload *u = (struct api_upload *)op;
	u->in_core = false;
	faultpoint_pass(FAULTPOINT_UPLOAD_ROW, NULL);
	if (u->aborted) {
		upload_free(u);
		return;
	}
	if (err != NULL)
		u->err = *err;
	else
		blob_file_keep(u->api->blobs, &u->file, u->sha256, NULL); /* only a cache: the bytes are in the ledger */
	finish(u);
}

static void make_row(struct api_upload *u) {
	u->core.apply = row_apply;
	u->core.done = row_done;
	u->in_core = true;
	core_submit(u->api->core, &u->core);
}

static void bytes_durable(void *arg, const struct err *err) {
	struct api_upload *u = arg;
	struct err fault;
	u->in_flight = false;
	u->ledger = NULL;
	if (err == NULL && faultpoint_pass(FAULTPOINT_UPLOAD_KEPT, &fault) != 0)
		err = &fault;
	if (u->aborted) {
		upload_free(u);
	} else if (err != NULL) {
		u->err = *err;
		finish(u);
	} else {
		make_row(u);
	}
}

static void check(struct api_upload *u) {
	if (u->file.size == 0)
		err_set(&u->err, E_INVALID, "an artifact cannot be empty");
	else if (u->length >= 0 && u->file.size != u->length)
		err_set(&u->err, E_DIGEST, "%" PRId64 " bytes were announced and %" PRId64 " came", u->length, u->file.size);
	else if (u->want[0] != '\0' && strcmp(u->want, u->sha256) != 0)
		err_set(&u->err, E_DIGEST, "the bytes have sha256 %s, not %s; nothing was stored", u->sha256, u->want);
}

/* After the last byte: what is left of the pieces, then the seal, then the row. */
static void go_on(struct api_upload *u) {
	if (u->in_flight || (!u->ending && (u->n_fill < CHUNK_BYTES || u->err.code != 0)))
		return;
	if (u->err.code != 0) {
		finish(u);
	} else if (u->n_fill > 0) {
		piece_send(u);
	} else if (u->existed) {
		make_row(u);
	} else if (!u->sealed) {
		u->sealed = true;
		u->in_flight = true;
		ledger_ops_of(u)->upload_end(u->ledger, u->sha256, bytes_durable, u);
	}
}

struct end_turn {
	struct deferred later;
	struct api_upload *u;
};

static void end_run(void *arg) {
	struct end_turn *t = arg;
	struct api_upload *u = t->u;
	deferred_deinit(&t->later);
	free(t);
	u->in_flight = false;
	if (u->aborted)
		upload_free(u);
	else
		go_on(u);
}

void api_upload_end(struct api_upload *u, upload_done done) {
	u->done = done;
	u->ending = true;
	u->more = NULL;
	blob_file_digest(&u->file, u->sha256);
	if (u->err.code == 0)
		check(u);
	if (u->in_flight)
		return;                            /* the piece under way goes on from here */
	struct end_turn *t = calloc(1, sizeof *t); /* done never runs inside this call */
	if (t == NULL)
		abort();
	t->u = u;
	u->in_flight = true;
	deferred_init(&t->later, u->api->loop, end_run, t);
	deferred_schedule(&t->later);
}

void api_upload_abort(struct api_upload *u) {
	if (u == NULL || u->aborted)
		return;
	u->aborted = true;
	if (!u->in_flight && !u->in_core)
		upload_free(u);
}
