/* Artifacts from a URL: fetched once by the server into the cache folder, checked, then put into the ledger piece by piece. libcurl cannot
 * be held back here, so the disk takes what the ledger cannot take yet. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/blob.h"
#include "base/buf.h"

#define IDLE_US (30 * US_PER_S)
#define TOTAL_US (1800 * US_PER_S)
#define MAX_REDIRECTS 5

struct remote {
	struct api_op *op; /* NULL: its client left */
	struct blobs *blobs;
	char want[SHA256_HEX], sha256[SHA256_HEX];
	char *url, *credentials; /* where it is asked for now; credentials NULL once it was sent on to another host */
	int redirects;
	mono_t until;
	void (*done)(struct api_op *op, const char *sha256, int64_t size, const struct err *err);
	struct fetch *fetch;
	struct blob_file file;
	struct ledger_upload *ledger;
	char *piece;
	int64_t offset, size;
	struct err err;
};

static const struct ledger_ops *ops_of(const struct remote *x) {
	return core_ledger(x->blobs->api->core)->ops;
}

static void remote_end(struct remote *x, const struct err *err) {
	struct api_op *op = x->op;
	if (x->ledger != NULL)
		ops_of(x)->upload_abort(x->ledger);
	blob_file_drop(x->blobs, &x->file);
	x->blobs->busy--;
	if (op != NULL) {
		op->abort = NULL;
		op->fetching = NULL;
		if (!op->cancelled)
			x->done(op, x->sha256, x->size, err);
	}
	free(x->piece);
	free(x->url);
	free(x->credentials);
	free(x);
}

static void remote_forget(struct api_op *op) {
	struct remote *x = op->fetching;
	x->op = NULL; /* what is under way ends by itself: the fetch now, a piece of the ledger soon */
	if (x->fetch != NULL)
		fetch_cancel(x->fetch);
}

static void bytes_durable(void *arg, const struct err *err) {
	struct remote *x = arg;
	x->ledger = NULL;
	if (err == NULL)
		blob_file_keep(x->blobs, &x->file, x->sha256, NULL);
	remote_end(x, err);
}

static void next_piece(void *arg, const struct err *err) {
	struct remote *x = arg;
	struct err own = ERR_INIT;
	if (err != NULL || x->op == NULL) {
		remote_end(x, err);
		return;
	}
	ssize_t n = pread(x->file.fd, x->piece, CHUNK_BYTES, x->offset);
	if (n < 0) {
		err_errno(&own, errno, "cannot read from the artifact cache");
		remote_end(x, &own);
		return;
	}
	x->offset += n;
	if (n > 0)
		ops_of(x)->upload_add(x->ledger, x->piece, (size_t)n, next_piece, x);
	else
		ops_of(x)->upload_end(x->ledger, x->sha256, bytes_durable, x);
}

static int fetched_bytes(void *arg, int status, const void *p, size_t n) {
	struct remote *x = arg;
	if (status != 200)
		return 0; /* an error page; the status is told at the end */
	if (x->file.size + (int64_t)n > x->blobs->api->config.max_artifact_bytes) {
		err_field(&x->err, E_TOO_LARGE, "/url",
		    "the artifact is larger than %" PRId64 " bytes, which is the most this server takes",
		    x->blobs->api->config.max_artifact_bytes);
		return 1;
	}
	return blob_file_add(&x->file, p, n, &x->err);
}

static void judge(struct remote *x, const struct fetch_result *res, const struct err *err) {
	if (x->err.code != 0)
		return;
	if (err != NULL) {
		err_field(&x->err, E_PROTOCOL, "/url", "the artifact could not be fetched: %s", err->text);
		return;
	}
	if (res->status != 200) {
		err_field(&x->err, E_PROTOCOL, "/url", "the artifact could not be fetched: its server answered %d", res->status);
		return;
	}
	x->size = x->file.size;
	blob_file_digest(&x->file, x->sha256);
	if (x->size == 0)
		err_field(&x->err, E_INVALID, "/url", "the artifact is empty");
	else if (x->want[0] != '\0' && strcmp(x->want, x->sha256) != 0)
		err_field(&x->err, E_DIGEST, "/sha256", "the URL's bytes have sha256 %s, not %s; nothing was stored", x->sha256, x->want);
}

static void store(struct remote *x) {
	x->piece = malloc(CHUNK_BYTES);
	if (x->piece == NULL)
		abort();
	x->ledger = ops_of(x)->upload_begin(core_ledger(x->blobs->api->core), x->sha256);
	next_piece(x, NULL);
}

static void fetched(void *arg, const struct fetch_result *res, const struct err *err);

/* The secret's way is looked at before each request: a redirect is a URL that somebody else chose. */
static int ask(struct remote *x, struct err *err) {
	const struct api *a = x->blobs->api;
	const struct credential *secret;
	int rc = credential_for(&a->credentials, x->credentials, x->url, &secret, err);
	if (rc != 0)
		return rc;
	int64_t left = mono_diff(x->until, clock_mono(&clock_real));
	const char *const headers[] = { secret != NULL ? secret->header : NULL, NULL };
	struct fetch_spec spec = { .method = "GET",
		.url = x->url,
		.headers = headers,
		.connect_us = 10 * US_PER_S,
		.idle_us = IDLE_US,
		.total_us = left > 0 ? left : 1,
		.ca_file = a->config.fetch_ca_file,
		.no_redirect = true,
		.on_body = fetched_bytes };
	x->fetch = fetch_start(x->blobs->fetcher, &spec, fetched, x);
	return 0;
}

static int follow(struct remote *x, const char *to, struct err *err) {
	struct origin here, there;
	if (++x->redirects > MAX_REDIRECTS)
		return err_field(err, E_PROTOCOL, "/url", "the artifact could not be fetched: more than %d redirects", MAX_REDIRECTS);
	bool known = origin_of(x->url, &here, NULL) == 0 && origin_of(to, &there, NULL) == 0;
	if (strncasecmp(x->url, "https:", 6) == 0 && strncasecmp(to, "https:", 6) != 0)
		return err_field(
		    err, E_PROTOCOL, "/url", "the artifact could not be fetched: its server redirects from https to something else");
	if (!known || !origin_same(&here, &there)) {
		free(x->credentials);
		x->credentials = NULL;
	}
	free(x->url);
	x->url = strdup(to);
	return ask(x, err);
}

static void fetched(void *arg, const struct fetch_result *res, const struct err *err) {
	struct remote *x = arg;
	x->fetch = NULL;
	if (err == NULL && res->redirect != NULL && x->op != NULL && follow(x, res->redirect, &x->err) == 0)
		return;
	judge(x, res, err);
	if (x->op == NULL || x->err.code != 0)
		remote_end(x, &x->err);
	else
		store(x);
}

static int remote_open(struct api_op *op, struct remote **ret, struct err *err) {
	struct blobs *b = op->api->blobs;
	int rc = blobs_admit(b, err);
	if (rc != 0)
		return rc;
	struct remote *x = calloc(1, sizeof *x);
	if (x == NULL)
		abort();
	rc = blob_file_open(b, &x->file, err);
	if (rc != 0) {
		b->busy--;
		free(x);
		return rc;
	}
	x->op = op;
	x->blobs = b;
	x->until = mono_add(clock_mono(&clock_real), TOTAL_US);
	*ret = x;
	return 0;
}

void remote_fetch(struct api_op *op, const char *url, const char *credentials, const char *sha256,
    void (*done)(struct api_op *op, const char *sha256, int64_t size, const struct err *err)) {
	struct err err = ERR_INIT;
	struct remote *x = NULL;
	if (remote_open(op, &x, &err) != 0) {
		op_fail(op, &err);
		return;
	}
	if (sha256 != NULL)
		memcpy(x->want, sha256, SHA256_HEX);
	x->done = done;
	x->url = strdup(url);
	x->credentials = credentials != NULL ? strdup(credentials) : NULL;
	op->fetching = x;
	op->abort = remote_forget;
	if (ask(x, &err) != 0)
		remote_end(x, &err);
}
