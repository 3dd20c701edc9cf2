/* Artifact bytes: raw bodies in, ranges out. The client is held back at the speed of the ledger, by the byte count body() takes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "berth/v1/api.pb-c.h"
#include "core/grant.h"
#include "rest/inside.h"

/* ---- upload ------------------------------------------------------------------------------------------------------------------------ */
struct put {
	struct api_upload *upload;
	bool complete; /* the whole body came */
	bool ending, gone;
};

static void put_fail(struct exchange *x, const struct err *err) {
	x->on_body = NULL;
	x->on_end = NULL;
	x->on_gone = NULL;
	answer_error(x, err);
}

static void put_done(void *arg, const ProtobufCMessage *artifact, bool existed, const struct err *err) {
	struct exchange *x = arg;
	struct put *p = x->work;
	p->upload = NULL;
	x->on_gone = NULL;
	if (p->gone) {
		exchange_drop(x);
		return;
	}
	if (err != NULL) {
		put_fail(x, err);
		return;
	}
	char *location = arena_printf(http_req_arena(x->req), "/v1/artifacts/%s", ((const Berth__V1__Artifact *)artifact)->sha256);
	answer_message(x, artifact, existed ? 200 : 201, location);
}

static void put_end(struct exchange *x) {
	struct put *p = x->work;
	p->complete = true;
	if (p->upload == NULL)
		return; /* not begun yet: put_begun ends it */
	p->ending = true;
	api_upload_end(p->upload, put_done);
}

static void put_begun(void *arg, struct api_upload *u, const struct err *err) {
	struct exchange *x = arg;
	struct put *p = x->work;
	p->upload = u;
	if (p->gone) {
		api_upload_abort(u);
		exchange_drop(x);
	} else if (err != NULL) {
		put_fail(x, err);
	} else if (p->complete) {
		put_end(x);
	} else {
		http_req_resume(x->req);
	}
}

static void more(void *arg) {
	struct exchange *x = arg;
	if (!((const struct put *)x->work)->gone)
		http_req_resume(x->req);
}

static size_t put_body(struct exchange *x, const void *p, size_t n) {
	struct put *put = x->work;
	return put->upload != NULL ? api_upload_add(put->upload, p, n, more) : 0;
}

static void put_gone(struct exchange *x) {
	struct put *p = x->work;
	p->gone = true;
	x->on_body = NULL;
	x->on_end = NULL;
	if (p->upload == NULL || p->ending)
		return; /* put_begun or put_done drops it */
	api_upload_abort(p->upload);
	exchange_drop(x);
}

static void put_known(void *arg, const struct api_caller *who, const struct err *err) {
	struct exchange *x = arg;
	struct put *p = x->work;
	if (p->gone) {
		exchange_drop(x);
		return;
	}
	if (err != NULL) {
		put_fail(x, err);
		return;
	}
	const char *type = http_req_header(x->req, "Content-Type");
	if (type != NULL && strncmp(type, "application/x-www-form-urlencoded", 33) == 0)
		type = NULL; /* what curl says of any body unless told otherwise */
	struct api_caller caller = *who;
	caller.address = http_req_peer(x->req);
	api_upload_begin(x->rest->api, &caller, route_param(&x->match, "sha256"), http_req_content_length(x->req), type,
	    http_req_arena(x->req), put_begun, x);
}

void upload_head(struct exchange *x) {
	static const char *const names[] = { "tenant" };
	struct err err = ERR_INIT;
	x->work = arena_alloc(http_req_arena(x->req), sizeof(struct put));
	x->on_body = put_body;
	x->on_end = put_end;
	x->on_gone = put_gone;
	if (query_only(x, names, 1, &err) != 0) {
		put_fail(x, &err);
		return;
	}
	api_authenticate(x->rest->api, x->bearer, ROLE_DEPLOY, http_req_query(x->req, "tenant"), http_req_arena(x->req), put_known, x);
}

/* ---- download ---------------------------------------------------------------------------------------------------------------------- */
struct range {
	int64_t from, n;
	bool partial, refused;
};

/* One range of bytes; several, or another unit, mean the whole (RFC 9110). */
static struct range range_read(const char *h, int64_t size) {
	struct range all = { 0, size, false, false };
	if (h == NULL || strncmp(h, "bytes=", 6) != 0 || strchr(h, ',') != NULL || size == 0)
		return all;
	const char *p = h + 6;
	char *end;
	if (*p == '-') {
		long long last = strtoll(p + 1, &end, 10);
		if (*end != '\0' || last <= 0)
			return (struct range){ 0, 0, false, true };
		int64_t n = last < size ? last : size;
		return (struct range){ size - n, n, true, false };
	}
	long long from = strtoll(p, &end, 10);
	if (end == p || *end != '-' || from < 0)
		return all;
	long long to = end[1] == '\0' ? size - 1 : strtoll(end + 1, &end, 10);
	if (from >= size || to < from)
		return (struct range){ 0, 0, false, true };
	return (struct range){ from, (to < size - 1 ? to : size - 1) - from + 1, true, false };
}

static void range_refused(struct exchange *x, int64_t size) {
	struct err err = ERR_INIT;
	char text[64];
	snprintf(text, sizeof text, "bytes */%" PRId64, size);
	http_req_add_header(x->req, "Content-Range", text);
	err_set(&err, E_RANGE, "the range lies outside of the %" PRId64 " bytes there are", size);
	answer_error(x, &err);
}

static void send_file(struct exchange *x, int fd, int64_t size) {
	const char *if_range = http_req_header(x->req, "If-Range");
	char etag[80], text[96];
	snprintf(etag, sizeof etag, "\"%s\"", route_param(&x->match, "sha256"));
	bool stale = if_range != NULL && strcmp(if_range, etag) != 0;
	struct range r = range_read(stale ? NULL : http_req_header(x->req, "Range"), size);
	if (r.refused) {
		range_refused(x, size);
		return;
	}
	answer_headers(x);
	http_req_add_header(x->req, "ETag", etag);
	http_req_add_header(x->req, "Accept-Ranges", "bytes");
	http_req_add_header(x->req, "Cache-Control", "private, immutable, max-age=31536000");
	if (r.partial) {
		snprintf(text, sizeof text, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, r.from, r.from + r.n - 1, size);
		http_req_add_header(x->req, "Content-Range", text);
	}
	exchange_close(x);
	http_reply_begin(x->req, r.partial ? 206 : 200, "application/octet-stream", r.n);
	http_reply_file(x->req, fd, (uint64_t)r.from, (uint64_t)r.n);
}

static void opened(void *arg, int fd, int64_t size, const struct err *err) {
	struct exchange *x = arg;
	const char *none = http_req_header(x->req, "If-None-Match");
	if (err != NULL) {
		answer_error(x, err);
		return;
	}
	if (none != NULL && strstr(none, route_param(&x->match, "sha256")) != NULL)
		answer_bytes(x, 304, NULL, NULL, 0);
	else
		send_file(x, fd, size);
	close(fd);
}

static void reader_known(void *arg, const struct api_caller *who, const struct err *err) {
	struct exchange *x = arg;
	if (err != NULL)
		answer_error(x, err);
	else
		api_artifact_open(x->rest->api, who, route_param(&x->match, "sha256"), opened, x);
}

/* A link that the server signed for a base that can show no key. */
static bool granted(struct exchange *x, struct api_caller *ret) {
	const char *tenant = http_req_query(x->req, "tenantId"), *expires = http_req_query(x->req, "expires");
	const char *signature = http_req_query(x->req, "signature");
	if (tenant == NULL || expires == NULL || signature == NULL)
		return false;
	*ret = (struct api_caller){ .tenant_id = strtoll(tenant, NULL, 10), .role = ROLE_BASE };
	return core_grant_valid(x->rest->core, ret->tenant_id, route_param(&x->match, "sha256"), strtoll(expires, NULL, 10), signature);
}

/* A client that leaves meanwhile costs one look-up more; answering it is a no-op. */
void download_start(struct exchange *x) {
	static const char *const names[] = { "tenant", "tenantId", "expires", "signature" };
	struct api_caller base;
	struct err err = ERR_INIT;
	if (query_only(x, names, 4, &err) != 0) {
		answer_error(x, &err);
		return;
	}
	if (granted(x, &base)) {
		api_artifact_open(x->rest->api, &base, route_param(&x->match, "sha256"), opened, x);
		return;
	}
	api_authenticate(x->rest->api, x->bearer, ROLE_BASE, http_req_query(x->req, "tenant"), http_req_arena(x->req), reader_known, x);
}
