/* Format: https://html.spec.whatwg.org/multipage/server-sent-events.html */
#include "http/sse.h"

#include <stdlib.h>
#include <string.h>

#include "http/conn.h"

#define KEEP_ALIVE_US (15 * US_PER_S)

struct sse {
	struct http_req *req;
	struct timer keep_alive;
};

static bool overfull(const struct sse *s, size_t more) {
	const struct conn *c = s->req->conn;
	return c != NULL && http_conn_queued(c) + more > c->server->limits.max_output;
}

static bool send_text(struct sse *s, const struct buf *b) {
	struct conn *c = s->req->conn;
	if (c == NULL || c->state == CONN_CLOSED)
		return false;
	if (overfull(s, b->len)) {
		c->server->stats.evicted++;
		http_conn_evict(c);
		return false;
	}
	http_reply_write(s->req, b->data, b->len);
	timer_set(&s->keep_alive, KEEP_ALIVE_US);
	return true;
}

static void on_keep_alive(void *arg) {
	struct sse *s = arg;
	BUF_AUTO b = BUF_INIT;
	buf_add_str(&b, ":\n\n");
	send_text(s, &b);
}

struct sse *sse_open(struct http_req *r, struct loop *l) {
	http_req_add_header(r, "Cache-Control", "no-store");
	http_req_add_header(r, "X-Accel-Buffering", "no");
	http_reply_begin(r, 200, "text/event-stream; charset=utf-8", -1);
	if (r->head.is_head) {
		http_reply_end(r);
		return NULL;
	}
	struct sse *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->req = r;
	timer_init(&s->keep_alive, l, on_keep_alive, s);
	timer_set(&s->keep_alive, KEEP_ALIVE_US);
	return s;
}

/* A line end inside a value would start another field: data is split into lines, ids and names are cut there. */
static void add_field(struct buf *b, const char *name, const char *value, size_t n) {
	buf_printf(b, "%s: ", name);
	buf_add(b, value, n);
	buf_add_char(b, '\n');
}

bool sse_send(struct sse *s, const char *id, const char *event, const char *data) {
	BUF_AUTO b = BUF_INIT;
	if (id != NULL)
		add_field(&b, "id", id, strcspn(id, "\r\n"));
	if (event != NULL)
		add_field(&b, "event", event, strcspn(event, "\r\n"));
	for (;;) {
		size_t n = strcspn(data, "\r\n");
		add_field(&b, "data", data, n);
		if (data[n] == '\0')
			break;
		data += n + (data[n] == '\r' && data[n + 1] == '\n' ? 2 : 1);
	}
	buf_add_char(&b, '\n');
	return send_text(s, &b);
}

size_t sse_queued(const struct sse *s) {
	return http_reply_queued(s->req);
}

static void dispose(struct sse *s) {
	timer_deinit(&s->keep_alive);
	free(s);
}

void sse_close(struct sse *s, int64_t retry_us) {
	struct http_req *r = s->req;
	if (retry_us > 0) {
		BUF_AUTO b = BUF_INIT;
		buf_printf(&b, "retry: %lld\n\n", (long long)(retry_us / US_PER_MS));
		send_text(s, &b);
	}
	dispose(s);
	http_reply_end(r);
}

void sse_free(struct sse *s) {
	if (s == NULL)
		return;
	struct http_req *r = s->req;
	dispose(s);
	http_req_release(r);
}
