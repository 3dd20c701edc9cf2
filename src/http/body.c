/* Reading a request's body: by length or chunked, collected or handed on piece by piece, with a minimum rate.
 * Called by conn.c; hands over to the program through its handler only, and touches the connection afterwards only if it still is
 * reading this body. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <string.h>

#include "base/arena.h"
#include "http/conn.h"

void body_begin(struct conn *c) {
	struct http_req *r = c->req;
	c->state = CONN_BODY;
	c->chunked = r->head.content_length < 0;
	c->body_left = c->chunked ? 0 : (uint64_t)r->head.content_length;
	c->body_done = !c->chunked && c->body_left == 0;
	c->body_bytes = c->window_bytes = 0;
	c->paused = c->paused_in_window = false;
	chunk_init(&c->chunk);
}

void body_start(struct conn *c) {
	struct http_req *r = c->req;
	if (c->body_done)
		return;
	timer_set(&c->deadline, c->server->limits.body_window_us);
	struct evbuffer *in = bufferevent_get_input(c->bev);
	if (r->head.expect_continue && evbuffer_get_length(in) == 0) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
		bufferevent_write(c->bev, go_on, sizeof go_on - 1);
	}
}

/* A pause is our doing, so its window does not count against the client. */
void body_window(struct conn *c) {
	struct http_server *s = c->server;
	uint64_t wanted = (uint64_t)(s->limits.min_body_rate * s->limits.body_window_us / US_PER_S);
	if (!c->paused && !c->paused_in_window && c->window_bytes < wanted) {
		s->stats.timed_out++;
		http_conn_refuse(c, 408, "the request body came too slowly");
		return;
	}
	c->window_bytes = 0;
	c->paused_in_window = c->paused;
	timer_set(&c->deadline, c->server->limits.body_window_us);
}

/* Gives n bytes at p to the request. Returns how many were taken; sets paused when fewer. */
static size_t hand_over(struct conn *c, const char *p, size_t n) {
	struct http_req *r = c->req;
	if (c->mode == HTTP_BODY_BUFFER) {
		if (r->collecting == NULL)
			r->collecting = evbuffer_new();
		evbuffer_add(r->collecting, p, n);
		return n;
	}
	size_t taken = c->server->handler.body == NULL ? n : c->server->handler.body(r, p, n, c->server->arg);
	if (taken < n && c->req == r && c->state == CONN_BODY)
		c->paused = c->paused_in_window = true;
	return taken < n ? taken : n;
}

static bool still_reading(const struct conn *c, const struct http_req *r) {
	return c->state == CONN_BODY && c->req == r && !c->paused;
}

/* One contiguous piece of input; returns the bytes used up. */
static size_t step_length(struct conn *c, const char *p, size_t n) {
	if (n > c->body_left)
		n = (size_t)c->body_left;
	size_t taken = hand_over(c, p, n);
	c->body_left -= taken;
	c->body_bytes += taken;
	c->body_done = c->body_left == 0;
	return taken;
}

static size_t step_chunked(struct conn *c, const char *p, size_t n) {
	size_t used, data;
	const char *reason = NULL;
	switch (chunk_step(&c->chunk, p, n, &used, &data, &reason)) {
	case CHUNK_BAD:
		c->server->stats.malformed++;
		http_conn_refuse(c, 400, reason);
		return n;
	case CHUNK_END:
		c->body_done = true;
		return used;
	case CHUNK_MORE:
		return used;
	case CHUNK_DATA:
		break;
	}
	if (c->mode == HTTP_BODY_BUFFER && data > c->max_body - c->body_bytes) {
		http_conn_refuse_size(c);
		return n;
	}
	size_t taken = hand_over(c, p + used, data);
	chunk_take(&c->chunk, taken);
	c->body_bytes += taken;
	return used + taken;
}

static void body_complete(struct conn *c) {
	struct http_req *r = c->req;
	timer_cancel(&c->deadline);
	if (r->collecting != NULL) {
		r->body_len = evbuffer_get_length(r->collecting);
		char *whole = arena_alloc(r->arena, r->body_len + 1);
		evbuffer_remove(r->collecting, whole, r->body_len);
		evbuffer_free(r->collecting);
		r->collecting = NULL;
		r->body = whole;
	}
	c->state = CONN_WAIT;
	c->request_called = true;
	c->server->handler.request(r, c->server->arg);
}

void body_step(struct conn *c) {
	struct http_req *r = c->req;
	struct evbuffer *in = bufferevent_get_input(c->bev);
	/* A request answered before its body came is not read on: http_conn_answered() left CONN_BODY. */
	while (still_reading(c, r) && !c->body_done) {
		struct evbuffer_iovec v;
		if (evbuffer_peek(in, -1, NULL, &v, 1) < 1 || v.iov_len == 0)
			return;
		size_t used = c->chunked ? step_chunked(c, v.iov_base, v.iov_len) : step_length(c, v.iov_base, v.iov_len);
		evbuffer_drain(in, used);
		c->window_bytes += used;
	}
	if (still_reading(c, r) && c->body_done)
		body_complete(c);
}
