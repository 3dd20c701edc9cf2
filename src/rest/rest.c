/* From a request's head to whoever answers it. */
#include "rest/rest.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "rest/inside.h"

#define MAX_JSON (1024 * 1024)

static struct exchange *exchange_new(struct rest *r, struct http_req *req) {
	struct exchange *x = arena_alloc(http_req_arena(req), sizeof *x);
	x->rest = r;
	x->req = req;
	x->request_id = request_id_of(req);
	x->bearer = bearer_of(req, http_req_arena(req));
	x->started_us = clock_mono(&clock_real).us;
	http_req_set_data(req, x);
	return x;
}

/* Listeners for stock bases see nothing but what bases need. */
static bool closed_here(const struct rest *r, const struct exchange *x) {
	enum route_kind k = x->match.route.kind;
	bool for_bases = k == ROUTE_DOWNLOAD || k == ROUTE_HEARTBEAT || k == ROUTE_BASELINE;
	return r->config.join_tag != 0 && http_req_tag(x->req) == r->config.join_tag && !for_bases;
}

static int find(struct exchange *x, struct err *err) {
	const char *allow = NULL;
	int rc = route_find(http_req_method(x->req), http_req_path(x->req), http_req_arena(x->req), &x->match, &allow, err);
	if (allow != NULL)
		http_req_add_header(x->req, "Allow", allow);
	if (rc == 0 && closed_here(x->rest, x))
		rc = err_set(err, E_NOT_FOUND, "this address serves bases only; operations are on the server's main address");
	bool follows = rc == 0 && x->match.route.kind == ROUTE_OP && strcmp(x->match.route.op->name, "LogsBase") == 0 &&
	               http_req_query(x->req, "follow") != NULL && strcmp(http_req_query(x->req, "follow"), "false") != 0;
	if (follows)
		x->match.route.kind = ROUTE_LOGS;
	return rc;
}

/* The server's own pages are answered by whoever is asked. */
static bool about_cell(enum route_kind k) {
	return k == ROUTE_OP || k == ROUTE_UPLOAD || k == ROUTE_DOWNLOAD || k == ROUTE_LOGS || k == ROUTE_HEARTBEAT || k == ROUTE_BASELINE;
}

static enum http_body_mode on_head(struct http_req *req, size_t *ret_max_body, void *arg) {
	struct exchange *x = exchange_new(arg, req);
	struct err err = ERR_INIT;
	*ret_max_body = MAX_JSON;
	if (find(x, &err) == 0 && about_cell(x->match.route.kind) && proxy_wanted(x, &err)) {
		proxy_head(x);
		return HTTP_BODY_STREAM;
	}
	if (err.code != 0) {
		answer_error(x, &err);
		return HTTP_BODY_REFUSE;
	}
	if (x->match.route.kind != ROUTE_UPLOAD)
		return HTTP_BODY_BUFFER;
	upload_head(x);
	return HTTP_BODY_STREAM;
}

static size_t on_body(struct http_req *req, const void *p, size_t n, void *arg) {
	(void)arg;
	struct exchange *x = http_req_data(req);
	return x->on_body != NULL ? x->on_body(x, p, n) : n;
}

static void on_request(struct http_req *req, void *arg) {
	(void)arg;
	static void (*const starts[])(struct exchange *) = { [ROUTE_OP] = call_start,
		[ROUTE_DOWNLOAD] = download_start,
		[ROUTE_LOGS] = logs_start,
		[ROUTE_HEARTBEAT] = beat_start,
		[ROUTE_BASELINE] = beat_start,
		[ROUTE_LIVEZ] = livez,
		[ROUTE_READYZ] = readyz,
		[ROUTE_METRICS] = metrics,
		[ROUTE_OPENAPI] = openapi,
		[ROUTE_PAGE] = page };
	struct exchange *x = http_req_data(req);
	if (x->on_end != NULL)
		x->on_end(x);
	else if (x->work == NULL && starts[x->match.route.kind] != NULL)
		starts[x->match.route.kind](x);
}

static void on_gone(struct http_req *req, void *arg) {
	(void)arg;
	struct exchange *x = http_req_data(req);
	if (x == NULL)
		http_req_release(req);
	else if (x->on_gone != NULL)
		x->on_gone(x); /* the others are answered by what they wait for, into the void */
}

const struct http_handler *rest_handler(void) {
	static const struct http_handler handler = {
		.head = on_head, .body = on_body, .request = on_request, .gone = on_gone, .problem = problem_text
	};
	return &handler;
}

int rest_new(struct loop *l, struct api *api, struct core *core, const struct rest_config *config, struct rest **ret, struct err *err) {
	struct rest *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	*r = (struct rest){ .loop = l, .api = api, .core = core };
	LIST_INIT(&r->proxied);
	if (config != NULL)
		r->config = *config;
	if (r->config.sse_beat_us <= 0)
		r->config.sse_beat_us = 15 * US_PER_S;
	if (r->config.max_proxied == 0)
		r->config.max_proxied = 1000;
	int rc = proxy_tls_new(&r->config, &r->tls, err);
	if (rc != 0) {
		free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void rest_free(struct rest *r) {
	if (r == NULL)
		return;
	proxy_tls_free(r->tls);
	free(r);
}

void rest_attach(struct rest *r, struct http_server *s) {
	r->http = s;
}
