/* A call: what a handler can see and say. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "biz.h"
#include "http/server.h"

static void query_copy(struct call *c, struct http_req *req) {
	size_t cursor = 0, n = 0;
	const char *name, *value;
	while (http_req_query_next(req, &cursor, &name, &value))
		n++;
	c->query = arena_alloc(c->arena, (n ? n : 1) * sizeof *c->query);
	for (cursor = 0; c->n_query < n && http_req_query_next(req, &cursor, &name, &value); c->n_query++)
		c->query[c->n_query] = (struct call_pair){ name, value };
}

struct call *call_new(struct http_req *req, struct biz *biz, const char *subpath, size_t max_reply) {
	struct arena *a = arena_new();
	struct call *c = arena_alloc(a, sizeof *c);
	c->arena = a;
	c->req = req;
	c->biz = biz;
	c->max_reply = max_reply;
	c->pub = (struct berth_call){
		.host = &biz->code.host,
		.state = biz->code.state,
		.method = http_req_method(req),
		.path = http_req_path(req),
		.subpath = subpath,
		.peer = http_req_peer(req),
	};
	c->pub.body = http_req_body(req, &c->pub.body_size);
	if (!c->pub.body)
		c->pub.body = "";
	query_copy(c, req);
	return c;
}

void call_free(struct call *c) {
	if (!c)
		return;
	free(c->body);
	arena_free(c->arena); /* the call lies in it */
}

static bool param_add(struct call *c, const char *name, size_t name_n, const char *value, size_t value_n) {
	if (c->n_params == CALL_PARAMS)
		return false;
	c->params[c->n_params++] = (struct call_pair){ arena_strndup(c->arena, name, name_n), arena_strndup(c->arena, value, value_n) };
	return true;
}

bool call_match(struct call *c, const char *pattern) {
	const char *s = c->pub.subpath;
	c->n_params = 0;
	while (*pattern) {
		if (pattern[0] == '*' && !pattern[1])
			return param_add(c, "*", 1, s, strlen(s));
		if (*pattern == '{') {
			size_t name_n = strcspn(pattern + 1, "}"), value_n = strcspn(s, "/");
			if (pattern[1 + name_n] != '}' || value_n == 0 || !param_add(c, pattern + 1, name_n, s, value_n))
				return false;
			pattern += name_n + 2;
			s += value_n;
		} else if (*pattern++ != *s++) {
			return false;
		}
	}
	return *s == '\0';
}

static struct call *call_of(struct berth_call *pub) {
	return (struct call *)pub; /* its first member */
}

static const char *pair_find(const struct call_pair *pairs, size_t n, const char *name) {
	for (size_t i = 0; i < n; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	return NULL;
}

const char *call_param(struct berth_call *pub, const char *name) {
	struct call *c = call_of(pub);
	return pair_find(c->params, c->n_params, name);
}

const char *call_query(struct berth_call *pub, const char *name) {
	struct call *c = call_of(pub);
	return pair_find(c->query, c->n_query, name);
}

/* The head does not change while the request is unanswered, so a worker may read it. */
const char *call_header(struct berth_call *pub, const char *name) {
	return http_req_header(call_of(pub)->req, name);
}

/* How an answer is framed is the base's business: a module that says otherwise would break the connection for the next request. */
static bool header_framing(const char *name) {
	static const char *const names[] = { "Connection", "Content-Length", "Content-Type", "Date", "Keep-Alive", "Trailer",
		"Transfer-Encoding", "Upgrade" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

void call_add_header(struct berth_call *pub, const char *name, const char *value) {
	struct call *c = call_of(pub);
	if (c->replied || !name || !value || header_framing(name))
		return;
	if (c->n_headers == CALL_HEADERS) {
		log_warn("answer header dropped: too many", log_s("module", c->biz->key), log_s("header", name));
		return;
	}
	c->headers[c->n_headers++] = (struct call_pair){ arena_strdup(c->arena, name), arena_strdup(c->arena, value) };
}

void call_reply(struct berth_call *pub, int status, const char *type, const void *body, size_t size) {
	struct call *c = call_of(pub);
	if (c->replied) {
		log_warn("second answer of one request ignored", log_s("module", c->biz->key), log_s("path", pub->path));
		return;
	}
	c->replied = true;
	c->status = status >= 200 && status <= 599 ? status : 500;
	c->type = arena_strdup(c->arena, type);
	if (size > c->max_reply) {
		c->too_large = true;
		return;
	}
	if (size && (c->body = malloc(size))) {
		memcpy(c->body, body, size);
		c->body_size = size;
	}
}
