/* Answers: messages as JSON, errors as problem+json, and the headers that every answer carries. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "berth/v1/types.pb-c.h"
#include "proto/json.h"
#include "rest/inside.h"

/* A base without an agent can show its join token in the path only. */
static const char *path_shown(const struct exchange *x) {
	const char *path = http_req_path(x->req), *end = strncmp(path, "/join/", 6) == 0 ? strchr(path + 6, '/') : NULL;
	if (strncmp(path, "/join/", 6) != 0)
		return path;
	return arena_printf(http_req_arena(x->req), "/join/***%s", end != NULL ? end : "");
}

/* One line per request: what changed something or went wrong at info, reads at debug. Paths hold no secrets but one, and that is hidden. */
static void log_answer(const struct exchange *x, int status) {
	const char *method = http_req_method(x->req), *path = path_shown(x);
	int64_t us = clock_mono(&clock_real).us - x->started_us;
	enum route_kind k = x->match.route.kind;
	bool probe =
	    k == ROUTE_LIVEZ || k == ROUTE_READYZ || k == ROUTE_METRICS || (k == ROUTE_HEARTBEAT && status == 200); /* every few seconds */
	bool loud = !probe && !x->tarpit && (status >= 500 || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0));
	log_at(loud ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "request", log_s("method", method), log_s("path", path), log_i("status", status),
	    log_i("us", us), log_s("request", x->request_id), log_s("peer", http_req_peer(x->req)),
	    log_s("trace", http_req_header(x->req, "traceparent")));
}

void answer_headers(struct exchange *x) {
	const char *trace = http_req_header(x->req, "traceparent");
	http_req_add_header(x->req, "X-Request-Id", x->request_id);
	http_req_add_header(x->req, "X-Content-Type-Options", "nosniff");
	if (trace != NULL)
		http_req_add_header(x->req, "traceparent", trace);
}

void exchange_close(struct exchange *x) {
	if (x->has_beat)
		timer_deinit(&x->beat);
	x->has_beat = false;
}

void exchange_drop(struct exchange *x) {
	exchange_close(x);
	http_req_release(x->req);
}

static void count(struct rest *r, int status) {
	if (status >= 100 && status < 600)
		r->answers[status / 100]++;
}

void answer_bytes(struct exchange *x, int status, const char *type, const void *p, size_t n) {
	count(x->rest, status);
	log_answer(x, status);
	answer_headers(x);
	exchange_close(x);
	http_reply(x->req, status, type, p, n);
}

static void add_etag(struct exchange *x, const ProtobufCMessage *m) {
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "etag");
	const char *etag = f != NULL ? *(const char *const *)((const char *)m + f->offset) : NULL;
	if (etag == NULL)
		return;
	char quoted[64];
	snprintf(quoted, sizeof quoted, "\"%s\"", etag);
	http_req_add_header(x->req, "ETag", quoted);
}

void answer_message(struct exchange *x, const ProtobufCMessage *m, int status, const char *location) {
	BUF_AUTO b = BUF_INIT;
	size_t n = strlen(m->descriptor->short_name);
	bool reply = n > 5 && strcmp(m->descriptor->short_name + n - 5, "Reply") == 0;
	json_print(m, reply, &b);
	buf_add_char(&b, '\n');
	if (location != NULL)
		http_req_add_header(x->req, "Location", location);
	add_etag(x, m);
	http_req_add_header(x->req, "Cache-Control", "no-store");
	answer_bytes(x, status, "application/json", buf_str(&b), b.len);
}

void answer_error(struct exchange *x, const struct err *err) {
	BUF_AUTO b = BUF_INIT;
	int status = err_http(err->code);
	if (err->code == E_CANCELLED && !http_req_alive(x->req)) { /* nobody is there to read it */
		exchange_drop(x);
		return;
	}
	if (status == 500)
		log_error("request failed", log_s("request", x->request_id), log_s("path", path_shown(x)), log_e(err));
	json_print(api_problem(err, x->request_id, http_req_arena(x->req)), false, &b);
	buf_add_char(&b, '\n');
	if (status == 503 || status == 429)
		http_req_add_header(x->req, "Retry-After", "1");
	if (status == 401) {
		http_req_add_header(x->req, "WWW-Authenticate", "Bearer realm=\"berth\"");
		/* Held back, it would keep one of the few places of the standby that passed it on from everybody behind it. */
		x->tarpit = http_req_header(x->req, HOP_HEADER) == NULL && http_req_refuse(x->req);
	}
	answer_bytes(x, status, "application/problem+json", buf_str(&b), b.len);
}

/* Errors of the HTTP layer itself, before there is an exchange. */
char *problem_text(struct arena *a, int status, const char *detail, const char **ret_type, void *arg) {
	struct rest *r = arg;
	static const struct {
		int status, code;
	} codes[] = {
		{ 408, E_TIMEOUT },
		{ 413, E_TOO_LARGE },
		{ 414, E_TOO_LARGE },
		{ 431, E_TOO_LARGE },
		{ 500, E_INTERNAL },
		{ 501, E_UNSUPPORTED },
		{ 505, E_UNSUPPORTED },
		{ 503, E_UNAVAILABLE },
	};
	struct err err = ERR_INIT;
	int code = E_MALFORMED;
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (codes[i].status == status)
			code = codes[i].code;
	BUF_AUTO b = BUF_INIT;
	char uuid[37];
	count(r, status);
	err_set(&err, code, "%s", detail);
	Berth__V1__Problem *m = (Berth__V1__Problem *)api_problem(&err, uuid_make(uuid), a);
	m->status = status; /* HTTP has words of its own for some of them */
	json_print(&m->pb, false, &b);
	buf_add_char(&b, '\n');
	*ret_type = "application/problem+json";
	return arena_strdup(a, buf_str(&b));
}
