/* The HTTP front for modules. A request is matched and counted inside its module in one go on the loop's thread, so that a switch or
 * an uninstall falls between two requests and never into one. */
#include "front.h"

#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "http/server.h"
#include "page.h"

struct front {
	struct base *base;
	struct http_server *server;
};

static char *problem_text(struct arena *a, int status, const char *detail, const char **ret_type, void *arg) {
	BUF_AUTO b = BUF_INIT;
	buf_printf(&b, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":", http_status_text(status), status);
	buf_add_json(&b, detail);
	buf_add_str(&b, "}\n");
	*ret_type = "application/problem+json";
	return arena_strdup(a, buf_str(&b));
}

static void problem_reply(struct http_req *r, int status, const char *detail) {
	const char *type;
	char *text = problem_text(http_req_arena(r), status, detail, &type, NULL);
	http_reply(r, status, type, text, strlen(text));
}

static void call_answer(struct call *c) {
	if (!c->replied) {
		problem_reply(
		    c->req, 500, arena_printf(c->arena, "module %s did not answer; its handler returned without a reply", c->biz->key));
	} else if (c->too_large) {
		problem_reply(c->req, 500,
		    arena_printf(c->arena, "the answer of module %s is larger than the base's limit of %zu bytes (--max-reply)",
		        c->biz->key, c->max_reply));
	} else {
		for (unsigned i = 0; i < c->n_headers; i++)
			http_req_add_header(c->req, c->headers[i].name, c->headers[i].value);
		http_reply(c->req, c->status, c->type, c->body, c->body_size);
	}
	call_free(c);
}

static bool method_fits(const char *route, const char *method) {
	return strcmp(route, "*") == 0 || strcmp(route, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route, "GET") == 0);
}

/* The first row whose pattern and method fit. NULL: *ret_allow lists the methods of rows whose pattern alone fits, or is empty. */
static const struct berth_route *route_find(struct call *c, const char **ret_allow) {
	const char *allow = "";
	for (const struct berth_route *r = c->biz->code.module->routes; r && r->method; r++) {
		if (!call_match(c, r->pattern))
			continue;
		if (method_fits(r->method, c->pub.method))
			return r;
		if (!strstr(allow, r->method))
			allow = arena_printf(c->arena, "%s%s%s", allow, *allow ? ", " : "", r->method);
	}
	*ret_allow = allow;
	return NULL;
}

static void module_request(struct front *f, struct http_req *r, struct biz *b, const char *subpath) {
	struct call *c = call_new(r, b, subpath, (size_t)f->base->opt.max_reply);
	const char *allow;
	c->finished = call_answer;
	c->route = route_find(c, &allow);
	if (!c->route && *allow) {
		http_req_add_header(r, "Allow", allow);
		problem_reply(r, 405, arena_printf(c->arena, "module %s takes %s here", b->key, allow));
	} else if (!c->route) {
		problem_reply(r, 404, arena_printf(c->arena, "module %s has no route %s", b->key, subpath));
	} else if (dispatch_submit(&f->base->dispatch, c) != 0) {
		http_req_add_header(r, "Retry-After", "1");
		problem_reply(r, 503, arena_printf(c->arena, "too many requests wait for module %s (%u inside)", b->key, b->inside));
	} else {
		return;
	}
	call_free(c);
}

static enum http_body_mode on_head(struct http_req *r, size_t *ret_max_body, void *arg) {
	struct front *f = arg;
	*ret_max_body = (size_t)f->base->opt.max_body;
	return HTTP_BODY_BUFFER;
}

static void on_request(struct http_req *r, void *arg) {
	struct front *f = arg;
	const char *subpath, *path = http_req_path(r), *method = http_req_method(r);
	struct biz *b = registry_route(&f->base->registry, path, &subpath);
	if (b)
		module_request(f, r, b, subpath);
	else if (strcmp(path, "/") == 0 && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0))
		page_reply(f->base, r);
	else
		problem_reply(r, 404,
		    arena_printf(
		        http_req_arena(r), "no module of base %s has the path %s; GET / lists what is installed", f->base->opt.name, path));
}

int front_new(struct base *base, struct front **ret, int *ret_port, struct err *err) {
	static const struct http_handler handler = { .head = on_head, .request = on_request, .problem = problem_text };
	struct front *f = calloc(1, sizeof *f);
	if (!f)
		return err_set(err, E_NOMEM, "no memory for the HTTP front");
	f->base = base;
	int rc = http_server_new(base->loop, &handler, f, NULL, &f->server, err);
	if (!rc)
		rc = http_server_listen(f->server, base->opt.listen, NULL, 0, ret_port, err);
	if (rc)
		front_free(f);
	else
		*ret = f;
	return rc;
}

void front_drain(struct front *f, int64_t us, void (*done)(void *), void *arg) {
	http_server_drain(f->server, us, done, arg);
}

void front_free(struct front *f) {
	if (!f)
		return;
	http_server_free(f->server);
	free(f);
}
