/* One connection: reads heads, hands bodies to body.c, keeps the deadlines, and ends without losing an answer.
 *
 * Nothing here frees a connection while somebody may still hold it on the stack: http_conn_close() marks it and the next turn frees it. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "http/conn.h"

#define DEFAULT_MAX_BODY (1024u * 1024u)
#define LINGER_US (2 * US_PER_S)
#define LINGER_BYTES (256u * 1024u)
#define MAX_SINGLE_READ (64u * 1024u)
#define MAX_SINGLE_WRITE (256u * 1024u)

static void process(struct conn *c);
static void hup_unwatch(struct conn *c);

size_t http_conn_queued(const struct conn *c) {
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static size_t unread_input(const struct conn *c) {
	return evbuffer_get_length(bufferevent_get_input(c->bev));
}

void http_conn_advance_soon(struct conn *c) {
	deferred_schedule(&c->advance);
}

/* Level-triggered EV_CLOSED alone would spin on a reset: libevent 2.1.12 turns EPOLLERR into EV_READ|EV_WRITE, which nobody
 * has registered then. So edge-triggered, on a descriptor of its own (one descriptor cannot be both), and asked again. */
static void on_hup(evutil_socket_t fd, short what, void *arg) {
	struct conn *c = arg;
	struct pollfd now = { .fd = fd, .events = POLLRDHUP };
	if (poll(&now, 1, 0) <= 0)
		return;
	hup_unwatch(c);
	c->eof = true;
	process(c);
}

static void hup_watch(struct conn *c) {
	int fd = fcntl(bufferevent_getfd(c->bev), F_DUPFD_CLOEXEC, 0);
	if (fd < 0) /* out of descriptors: the client's leaving is noticed when reading goes on */
		return;
	c->hup = event_new(loop_base(c->server->loop), fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_hup, c);
	if (c->hup == NULL)
		abort();
	event_add(c->hup, NULL);
}

static void hup_unwatch(struct conn *c) {
	if (c->hup == NULL)
		return;
	int fd = event_get_fd(c->hup);
	event_free(c->hup);
	close(fd);
	c->hup = NULL;
}

void http_conn_close(struct conn *c) {
	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	timer_cancel(&c->deadline);
	timer_cancel(&c->stall);
	hup_unwatch(c);
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	deferred_schedule(&c->advance);
}

void http_conn_evict(struct conn *c) {
	c->reset = true;
	http_conn_close(c);
}

/* The request loses its connection. Whom it belongs to from here on is written at `gone` in http/server.h. */
static void detach_req(struct conn *c) {
	struct http_req *r = c->req;
	const struct http_handler *h = &c->server->handler;
	if (r == NULL)
		return;
	c->req = NULL;
	r->conn = NULL;
	bool streamed = c->mode == HTTP_BODY_STREAM && h->gone != NULL;
	if (!c->request_called && !streamed)
		req_free(r);
	else if (h->gone != NULL)
		h->gone(r, c->server->arg);
}

static void drop(struct conn *c) {
	detach_req(c);
	http_conn_close(c);
}

/* Everything is written. With input that nobody read, a close would reset the connection and could take the answer with it. */
static void finish_flush(struct conn *c) {
	if (c->tls)
		tls_close_notify(c->bev);
	if (!c->unread || c->eof) {
		http_conn_close(c);
		return;
	}
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	c->state = CONN_LINGER;
	timer_set(&c->deadline, LINGER_US);
	http_conn_advance_soon(c);
}

static void begin_flush(struct conn *c) {
	c->state = CONN_FLUSH;
	timer_cancel(&c->deadline);
	c->unread = c->unread || unread_input(c) > 0;
	if (http_conn_queued(c) == 0)
		finish_flush(c);
	else
		http_conn_advance_soon(c);
}

void http_conn_refuse(struct conn *c, int status, const char *reason) {
	bool mid_answer = c->req != NULL && c->req->begun;
	detach_req(c);
	if (c->state == CONN_CLOSED)
		return;
	if (mid_answer || (c->tls && !c->ready)) {
		http_conn_evict(c);
		return;
	}
	c->keep_alive = false;
	c->unread = true;
	reply_write_error(c, status, reason);
	begin_flush(c);
}

void http_conn_answered(struct conn *c) {
	c->unread = c->unread || (c->state == CONN_BODY && !c->body_done);
	if (!c->keep_alive || c->unread || c->server->draining) {
		begin_flush(c);
		return;
	}
	c->state = CONN_HEAD;
	c->head_started = false;
	timer_set(&c->deadline, c->server->limits.idle_us);
	if (c->eof || unread_input(c) > 0)
		http_conn_advance_soon(c);
}

/* No request from here on: a body still coming must not be handed to one. */
void http_conn_hold(struct conn *c, int64_t us) {
	c->unread = c->unread || (c->state == CONN_BODY && !c->body_done);
	c->state = CONN_HELD;
	c->server->stats.held_back++;
	timer_set(&c->deadline, us);
	if (c->eof)
		http_conn_advance_soon(c);
}

static void let_go(struct conn *c) {
	timer_cancel(&c->deadline);
	evbuffer_add_buffer(bufferevent_get_output(c->bev), c->held);
	evbuffer_free(c->held);
	c->held = NULL;
	http_conn_answered(c);
}

void http_conn_refuse_size(struct conn *c) {
	char reason[96];
	snprintf(reason, sizeof reason, "the request body is larger than %zu bytes, the most this operation takes", c->max_body);
	http_conn_refuse(c, 413, reason);
}

static void begin_request(struct conn *c) {
	struct http_server *s = c->server;
	s->stats.requests++;
	c->keep_alive = c->req->head.keep_alive && !s->draining;
	c->request_called = false;
	c->mode = HTTP_BODY_BUFFER;
	c->max_body = DEFAULT_MAX_BODY;
	c->head_cursor = 0;
	timer_cancel(&c->deadline);
	body_begin(c);
	enum http_body_mode mode = s->handler.head(c->req, &c->max_body, s->arg);
	if (c->req == NULL || c->state != CONN_BODY)
		return;
	c->mode = mode;
	if (mode == HTTP_BODY_REFUSE) { /* the program refused and gave no reason */
		http_conn_refuse(c, 500, "the request was refused without an answer");
	} else if (mode == HTTP_BODY_BUFFER && c->req->head.content_length > 0 && (uint64_t)c->req->head.content_length > c->max_body) {
		s->stats.over_limit++;
		http_conn_refuse_size(c);
	} else {
		body_start(c);
		body_step(c);
	}
}

static void refuse_head(struct conn *c, int status, const char *reason) {
	c->server->stats.malformed++;
	http_conn_refuse(c, status, reason);
}

static void take_head(struct conn *c, const char *p, size_t n) {
	struct http_req *r = req_new(c);
	const char *reason = "";
	int status = http_head_parse(r->arena, p, n, &c->server->head_limits, &r->head, &reason);
	if (status != 0) {
		req_free(r);
		refuse_head(c, status, reason);
		return;
	}
	evbuffer_drain(bufferevent_get_input(c->bev), n);
	c->req = r;
	begin_request(c);
}

static void step_head(struct conn *c) {
	const struct http_head_limits *limits = &c->server->head_limits;
	size_t n = unread_input(c), len = 0;
	if (n == 0) {
		if (c->eof)
			begin_flush(c);
		return;
	}
	if (http_conn_queued(c) > HTTP_QUEUE_LOW) /* pipelined without reading the answers: on_write() comes back */
		return;
	if (!c->head_started) {
		c->head_started = true;
		timer_set(&c->deadline, c->server->limits.head_us);
	}
	if (n > limits->max_head + 1)
		n = limits->max_head + 1;
	const char *p = (const char *)evbuffer_pullup(bufferevent_get_input(c->bev), (ev_ssize_t)n), *reason = "";
	int status = http_head_scan(p, n, &c->head_cursor, limits, &len, &reason);
	if (status != 0)
		refuse_head(c, status, reason);
	else if (len > 0)
		take_head(c, p, len);
	else if (c->eof)
		begin_flush(c);
}

/* After so many bytes reading stops, but the connection stays for its time: the client's sending blocks and it sees the answer. */
static void step_linger(struct conn *c) {
	size_t n = unread_input(c);
	c->lingered += n;
	evbuffer_drain(bufferevent_get_input(c->bev), n);
	if (c->state == CONN_LINGER && c->eof)
		http_conn_close(c);
}

/* Reads as long as what is read finds a place. With reading off only the hang-up is watched. */
static void update_reading(struct conn *c) {
	bool on = !c->eof && unread_input(c) < HTTP_INPUT_MAX && c->lingered <= LINGER_BYTES;
	if (c->state == CONN_CLOSED || on == c->reading)
		return;
	c->reading = on;
	if (on) {
		bufferevent_enable(c->bev, EV_READ);
		hup_unwatch(c);
	} else {
		bufferevent_disable(c->bev, EV_READ);
		if (!c->eof)
			hup_watch(c);
	}
}

static void process(struct conn *c) {
	switch (c->state) {
	case CONN_HEAD:
		step_head(c);
		break;
	case CONN_BODY:
		body_step(c);
		break;
	case CONN_WAIT:
	case CONN_CLOSED:
		break;
	case CONN_HELD:
		if (c->eof) {
			c->keep_alive = false; /* what it pipelined is not asked */
			let_go(c);
		}
		break;
	case CONN_FLUSH:
		if (http_conn_queued(c) == 0)
			finish_flush(c);
		else
			step_linger(c);
		break;
	case CONN_LINGER:
		step_linger(c);
		break;
	}
	/* A client that has left waits for nothing, unless its last request was answered at once. */
	if (c->eof && c->req != NULL && (c->state == CONN_BODY || c->state == CONN_WAIT))
		drop(c);
	update_reading(c);
}

static void call_drained(struct conn *c) {
	struct http_req *r = c->req;
	if (r == NULL || r->drained == NULL || http_conn_queued(c) >= HTTP_QUEUE_LOW)
		return;
	void (*fn)(struct http_req *, void *) = r->drained;
	r->drained = NULL;
	fn(r, r->drained_arg);
}

static void on_advance(void *arg) {
	struct conn *c = arg;
	if (c->state == CONN_CLOSED) {
		http_conn_free(c);
		return;
	}
	reply_file_pump(c);
	call_drained(c);
	process(c);
}

static void on_read(struct bufferevent *bev, void *arg) {
	process(arg);
}

static void on_write(struct bufferevent *bev, void *arg) {
	struct conn *c = arg;
	if (c->state == CONN_CLOSED)
		return;
	reply_file_pump(c);
	call_drained(c);
	process(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
	struct conn *c = arg;
	if (c->state == CONN_CLOSED)
		return;
	if (what & BEV_EVENT_CONNECTED) {
		c->ready = true;
		return;
	}
	c->eof = true;
	bool broken = (what & (BEV_EVENT_ERROR | BEV_EVENT_WRITING)) != 0 || !c->ready;
	if (broken)
		drop(c);
	else
		process(c);
}

static void on_deadline(void *arg) {
	struct conn *c = arg;
	struct http_server *s = c->server;
	if (c->state == CONN_BODY) {
		body_window(c);
		update_reading(c);
	} else if (c->state == CONN_HELD) {
		let_go(c);
	} else if (c->state == CONN_HEAD && c->head_started) {
		s->stats.timed_out++;
		if (unread_input(c) > 0)
			http_conn_refuse(c, 408, "the request head did not arrive in time");
		else
			http_conn_close(c);
	} else if (c->state == CONN_HEAD && http_conn_queued(c) > 0) {
		timer_set(&c->deadline, s->limits.idle_us); /* still writing out the last answer: on_stall watches that */
	} else if (c->state == CONN_HEAD) {
		begin_flush(c);
	} else if (c->state == CONN_LINGER) {
		http_conn_close(c);
	}
}

static void on_stall(void *arg) {
	struct conn *c = arg;
	c->stalling = false;
	if (http_conn_queued(c) == 0)
		return;
	if (!c->wrote) {
		c->server->stats.evicted++;
		http_conn_evict(c);
		return;
	}
	c->wrote = false;
	c->stalling = true;
	timer_set(&c->stall, c->server->limits.write_stall_us);
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg) {
	struct conn *c = arg;
	if (info->n_deleted > 0)
		c->wrote = true;
	if (info->n_added == 0 || c->stalling || c->state == CONN_CLOSED)
		return;
	c->wrote = false;
	c->stalling = true;
	timer_set(&c->stall, c->server->limits.write_stall_us);
}

void http_conn_drain(struct conn *c) {
	c->keep_alive = false;
	if (c->state == CONN_HEAD && unread_input(c) == 0)
		begin_flush(c);
	else if (c->state == CONN_HELD)
		let_go(c);
}

static void name_peer(struct conn *c, const struct sockaddr *peer) {
	char host[INET6_ADDRSTRLEN] = "";
	if (peer->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)peer;
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		snprintf(c->peer, sizeof c->peer, "%s:%u", host, ntohs(in->sin_port));
	} else if (peer->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)peer;
		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
		snprintf(c->peer, sizeof c->peer, "[%s]:%u", host, ntohs(in->sin6_port));
	} else {
		snprintf(c->peer, sizeof c->peer, "unix");
	}
}

static void tune_socket(int fd, const struct sockaddr *peer) {
	if (peer->sa_family == AF_UNIX)
		return;
	int on = 1, idle_s = 60, interval_s = 15, probes = 4;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void http_conn_new(struct http_server *s, int fd, SSL *ssl, const struct sockaddr *peer, struct address_count *address, int tag) {
	struct conn *c = calloc(1, sizeof *c);
	if (c == NULL)
		abort();
	*c = (struct conn){
		.server = s, .address = address, .tag = tag, .tls = ssl != NULL, .ready = ssl == NULL, .reading = true, .head_started = true
	};
	c->file.fd = -1;
	c->bev = ssl != NULL ? tls_accept(s->loop, fd, ssl)
	                     : bufferevent_socket_new(loop_base(s->loop), fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (c->bev == NULL)
		abort();
	name_peer(c, peer);
	tune_socket(fd, peer);
	timer_init(&c->deadline, s->loop, on_deadline, c);
	timer_init(&c->stall, s->loop, on_stall, c);
	deferred_init(&c->advance, s->loop, on_advance, c);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_WRITE, HTTP_QUEUE_LOW, 0);
	bufferevent_set_max_single_read(c->bev, MAX_SINGLE_READ);
	bufferevent_set_max_single_write(c->bev, MAX_SINGLE_WRITE);
	evbuffer_add_cb(bufferevent_get_output(c->bev), on_output, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	timer_set(&c->deadline, s->limits.head_us);
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->stats.connections++;
	s->stats.accepted++;
}

void http_conn_free(struct conn *c) {
	struct http_server *s = c->server;
	struct address_count *address = c->address;
	c->state = CONN_CLOSED;
	detach_req(c);
	LIST_REMOVE(c, link);
	timer_deinit(&c->deadline);
	timer_deinit(&c->stall);
	deferred_deinit(&c->advance);
	hup_unwatch(c);
	if (c->file.fd >= 0)
		close(c->file.fd);
	if (c->reset) {
		struct linger now = { .l_onoff = 1 };
		setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &now, sizeof now);
	}
	if (c->held != NULL)
		evbuffer_free(c->held);
	evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output, c);
	bufferevent_free(c->bev);
	free(c);
	server_conn_gone(s, address);
}
