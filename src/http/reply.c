/* Writing answers: whole, streamed, from a file. After its answer is complete a request is freed and its connection goes on alone. */
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/arena.h"
#include "http/conn.h"

#define NO_LENGTH -2 /* beside -1 = chunked: neither header */

static struct evbuffer *output(const struct conn *c) {
	return bufferevent_get_output(c->bev);
}

/* The connection an answer can still be written to, or NULL. */
static struct conn *live(const struct http_req *r) {
	return r->conn != NULL && r->conn->state != CONN_CLOSED ? r->conn : NULL;
}

static void add_head(
    struct buf *b, struct conn *c, int status, const char *type, int64_t length, const struct buf *extra, const char *connection) {
	buf_printf(b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_status_text(status), server_date(c->server));
	if (type != NULL)
		buf_printf(b, "Content-Type: %s\r\n", type);
	if (length >= 0)
		buf_printf(b, "Content-Length: %lld\r\n", (long long)length);
	else if (length == -1)
		buf_add_str(b, "Transfer-Encoding: chunked\r\n");
	if (connection != NULL)
		buf_printf(b, "Connection: %s\r\n", connection);
	if (extra != NULL && extra->len > 0)
		buf_add(b, extra->data, extra->len);
	buf_add(b, "\r\n", 2);
}

/* struct iovec serves reading too and has no const. */
static void *unconst(const void *p) {
	union {
		const void *in;
		void *out;
	} u = { .in = p };
	return u.out;
}

/* Most answers fit into the socket at once: written here, they cost no round through the event loop. What does not fit is queued;
 * so is everything when something already waits, or when the bytes have to go through TLS. */
static void send_pair(struct conn *c, const struct buf *head, const void *body, size_t n) {
	struct evbuffer *to = c->held != NULL ? c->held : output(c);
	size_t done = 0;
	if (c->held == NULL && !c->tls && http_conn_queued(c) == 0) {
		struct iovec v[2] = { { head->data, head->len }, { unconst(body), n } };
		struct msghdr m = { .msg_iov = v, .msg_iovlen = n > 0 ? 2 : 1 };
		ssize_t sent = sendmsg(bufferevent_getfd(c->bev), &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		done = sent > 0 ? (size_t)sent : 0; /* an error comes back when the queue is written */
	}
	size_t head_done = done < head->len ? done : head->len;
	if (head_done < head->len)
		evbuffer_add(to, head->data + head_done, head->len - head_done);
	if (done - head_done < n)
		evbuffer_add(to, (const char *)body + (done - head_done), n - (done - head_done));
}

/* Decides how the answer ends and whether the connection survives it, then writes the head and what is known of the body. */
static void start_answer(struct conn *c, struct http_req *r, int status, const char *type, int64_t length, const void *body, size_t n) {
	bool bodiless = status == 204 || status == 304;
	r->begun = true;
	r->length = length;
	r->no_body = bodiless || r->head.is_head;
	r->chunk_framed = length < 0 && r->head.minor >= 1;
	bool until_close = length < 0 && !r->chunk_framed && !r->no_body;
	bool body_left = c->state == CONN_BODY && !c->body_done;
	if (body_left || until_close || c->server->draining)
		c->keep_alive = false;
	const char *connection = !c->keep_alive ? "close" : r->head.minor == 0 ? "keep-alive" : NULL;
	int64_t shown = bodiless || (length < 0 && !r->chunk_framed) ? NO_LENGTH : length;
	BUF_AUTO head = BUF_INIT;
	add_head(&head, c, status, type, shown, &r->extra, connection);
	send_pair(c, &head, body, r->no_body ? 0 : n);
}

/* The connection's part is over; the req is left to the caller. */
static void detach(struct http_req *r, struct conn *c) {
	c->req = NULL;
	r->conn = NULL;
}

static bool header_ok(const char *name, const char *value) {
	if (*name == '\0')
		return false;
	for (; *name != '\0'; name++)
		if (!http_is_token_char((unsigned char)*name))
			return false;
	for (; *value != '\0'; value++)
		if (!http_is_value_char((unsigned char)*value))
			return false;
	return true;
}

/* A value that would break the head (it may come from a user's text) is left out, not repaired. */
void http_req_add_header(struct http_req *r, const char *name, const char *value) {
	assert(!r->begun);
	if (strcasecmp(name, "Connection") == 0 && strcasecmp(value, "close") == 0) {
		if (live(r) != NULL)
			r->conn->keep_alive = false;
		return;
	}
	if (header_ok(name, value))
		buf_printf(&r->extra, "%s: %s\r\n", name, value);
}

void http_reply(struct http_req *r, int status, const char *type, const void *body, size_t n) {
	assert(!r->begun);
	struct conn *c = live(r);
	if (c != NULL) {
		int64_t hold_us = c->server->draining ? 0 : r->hold_us;
		if (hold_us > 0 && (c->held = evbuffer_new()) == NULL)
			abort();
		start_answer(c, r, status, type, (int64_t)n, body, n);
		detach(r, c);
		if (hold_us > 0)
			http_conn_hold(c, hold_us);
		else
			http_conn_answered(c);
	} else if (r->conn != NULL) {
		detach(r, r->conn);
	}
	req_free(r);
}

bool http_req_refuse(struct http_req *r) {
	struct conn *c = live(r);
	if (c == NULL)
		return false;
	c->server->stats.refused++;
	if (c->address != NULL)
		r->hold_us = tarpit_take(&c->server->tarpit, c->address->key, c->server->limits.max_refused, clock_mono(&clock_real));
	return r->hold_us > 0;
}

void http_reply_begin(struct http_req *r, int status, const char *type, int64_t length) {
	assert(!r->begun);
	struct conn *c = live(r);
	r->begun = true;
	if (c != NULL)
		start_answer(c, r, status, type, length, NULL, 0);
}

static void add_piece(struct conn *c, bool chunk_framed, const void *p, size_t n) {
	if (chunk_framed)
		evbuffer_add_printf(output(c), "%zx\r\n", n);
	evbuffer_add(output(c), p, n);
	if (chunk_framed)
		evbuffer_add(output(c), "\r\n", 2);
}

bool http_reply_write(struct http_req *r, const void *p, size_t n) {
	assert(r->begun);
	struct conn *c = live(r);
	if (c == NULL)
		return true;
	assert(r->length < 0 || r->no_body || n <= (uint64_t)r->length - r->written);
	r->written += n;
	if (!r->no_body && n > 0)
		add_piece(c, r->chunk_framed, p, n);
	return http_conn_queued(c) <= HTTP_QUEUE_HIGH;
}

void http_reply_on_drained(struct http_req *r, void (*drained)(struct http_req *, void *), void *arg) {
	struct conn *c = live(r);
	r->drained = drained;
	r->drained_arg = arg;
	if (c != NULL && http_conn_queued(c) < HTTP_QUEUE_LOW)
		http_conn_advance_soon(c);
}

size_t http_reply_queued(const struct http_req *r) {
	struct conn *c = live(r);
	return c == NULL ? 0 : http_conn_queued(c);
}

static void end_body(struct conn *c, bool chunk_framed) {
	if (chunk_framed)
		evbuffer_add(output(c), "0\r\n\r\n", 5);
	http_conn_answered(c);
}

void http_reply_end(struct http_req *r) {
	assert(r->begun);
	struct conn *c = live(r);
	if (r->conn != NULL)
		detach(r, r->conn);
	bool cut = r->length >= 0 && !r->no_body && r->written < (uint64_t)r->length;
	if (c != NULL && cut)
		http_conn_evict(c); /* fewer bytes than announced: only a reset tells the client */
	else if (c != NULL)
		end_body(c, r->chunk_framed && !r->no_body);
	req_free(r);
}

static void finish_file(struct conn *c) {
	bool chunk_framed = c->file.chunk_framed;
	close(c->file.fd);
	c->file.fd = -1;
	end_body(c, chunk_framed);
}

void reply_file_pump(struct conn *c) {
	if (c->file.fd < 0 || c->state == CONN_CLOSED || http_conn_queued(c) > HTTP_QUEUE_LOW)
		return;
	char *piece = malloc(HTTP_FILE_PIECE);
	if (piece == NULL)
		abort();
	size_t n = c->file.left < HTTP_FILE_PIECE ? (size_t)c->file.left : HTTP_FILE_PIECE;
	ssize_t got;
	do
		got = pread(c->file.fd, piece, n, (off_t)c->file.offset);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		add_piece(c, c->file.chunk_framed, piece, (size_t)got);
		c->file.offset += (uint64_t)got;
		c->file.left -= (uint64_t)got;
	}
	free(piece);
	if (got <= 0)
		http_conn_evict(c); /* unreadable, or shorter than announced */
	else if (c->file.left == 0)
		finish_file(c);
}

/* The kernel sends the file from its cache: nothing of it passes through our memory. */
static void send_plain(struct conn *c, int fd, uint64_t offset, uint64_t n, bool chunk_framed) {
	if (chunk_framed)
		evbuffer_add_printf(output(c), "%llx\r\n", (unsigned long long)n);
	if (evbuffer_add_file(output(c), fd, (ev_off_t)offset, (ev_off_t)n) != 0) {
		close(fd);
		http_conn_evict(c);
		return;
	}
	if (chunk_framed)
		evbuffer_add(output(c), "\r\n", 2);
	end_body(c, chunk_framed);
}

void http_reply_file(struct http_req *r, int fd, uint64_t offset, uint64_t n) {
	assert(r->begun);
	struct conn *c = live(r);
	bool whole = r->length < 0 || r->written + n == (uint64_t)r->length;
	if (c == NULL || r->no_body || n == 0 || !whole) {
		http_reply_end(r);
		return;
	}
	bool chunk_framed = r->chunk_framed;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	detach(r, c);
	req_free(r);
	if (own < 0) {
		http_conn_evict(c);
	} else if (!c->tls) {
		send_plain(c, own, offset, n, chunk_framed);
	} else {
		/* No request from here on: a body still coming must not be handed to one. */
		c->unread = c->unread || (c->state == CONN_BODY && !c->body_done);
		timer_cancel(&c->deadline);
		c->state = CONN_WAIT;
		c->file = (struct file_out){ own, offset, n, chunk_framed };
		http_conn_advance_soon(c);
	}
}

void reply_write_error(struct conn *c, int status, const char *reason) {
	struct http_server *s = c->server;
	ARENA_AUTO a = arena_new();
	const char *type = "text/plain; charset=utf-8";
	char *text = s->handler.problem != NULL ? s->handler.problem(a, status, reason, &type, s->arg) : NULL;
	if (text == NULL)
		text = arena_printf(a, "%d %s: %s\n", status, http_status_text(status), reason);
	size_t n = strlen(text);
	BUF_AUTO head = BUF_INIT;
	add_head(&head, c, status, type, (int64_t)n, NULL, "close");
	send_pair(c, &head, text, n);
}
