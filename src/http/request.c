/* The request as the program sees it: strings, body, and its life apart from the connection's. */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "http/conn.h"

struct http_req *req_new(struct conn *c) {
	struct arena *a = arena_new();
	struct http_req *r = arena_alloc(a, sizeof *r);
	r->arena = a;
	r->conn = c;
	r->tag = c->tag;
	r->tls = c->tls;
	r->body = "";
	memcpy(r->peer, c->peer, sizeof r->peer);
	return r;
}

void req_free(struct http_req *r) {
	if (r->collecting != NULL)
		evbuffer_free(r->collecting);
	buf_deinit(&r->extra);
	arena_free(r->arena); /* holds r itself */
}

struct arena *http_req_arena(struct http_req *r) {
	return r->arena;
}

const char *http_req_method(const struct http_req *r) {
	return r->head.method;
}

const char *http_req_path(const struct http_req *r) {
	return r->head.path;
}

const char *http_req_query(const struct http_req *r, const char *name) {
	for (size_t i = 0; i < r->head.n_query; i++)
		if (strcmp(r->head.query[i].name, name) == 0)
			return r->head.query[i].value;
	return NULL;
}

bool http_req_query_next(const struct http_req *r, size_t *cursor, const char **ret_name, const char **ret_value) {
	if (*cursor >= r->head.n_query)
		return false;
	*ret_name = r->head.query[*cursor].name;
	*ret_value = r->head.query[*cursor].value;
	(*cursor)++;
	return true;
}

const char *http_req_header(const struct http_req *r, const char *name) {
	return http_head_field(&r->head, name);
}

const void *http_req_body(const struct http_req *r, size_t *ret_n) {
	*ret_n = r->body_len;
	return r->body;
}

int64_t http_req_content_length(const struct http_req *r) {
	return r->head.content_length;
}

const char *http_req_peer(const struct http_req *r) {
	return r->peer;
}

int http_req_tag(const struct http_req *r) {
	return r->tag;
}

bool http_req_tls(const struct http_req *r) {
	return r->tls;
}

bool http_req_alive(const struct http_req *r) {
	return r->conn != NULL;
}

void http_req_set_data(struct http_req *r, void *data) {
	r->data = data;
}

void *http_req_data(const struct http_req *r) {
	return r->data;
}

void http_req_resume(struct http_req *r) {
	struct conn *c = r->conn;
	if (c == NULL || !c->paused)
		return;
	c->paused = false;
	http_conn_advance_soon(c);
}

void http_req_release(struct http_req *r) {
	struct conn *c = r->conn;
	if (c != NULL) {
		c->req = NULL;
		http_conn_evict(c);
	}
	req_free(r);
}
