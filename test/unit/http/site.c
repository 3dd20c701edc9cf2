#include "site.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"

struct call {
	struct letter letter;
	void (*fn)(struct site *s);
	bool waited_for; /* else freed after it ran */
	sem_t done;
};

static bool path_is(const struct http_req *r, const char *path) {
	return strcmp(http_req_path(r), path) == 0;
}

static enum http_body_mode on_head(struct http_req *r, size_t *ret_max_body, void *arg) {
	struct site *s = arg;
	*ret_max_body = 1000;
	if (path_is(r, "/count") || path_is(r, "/hold")) {
		s->pending = r;
		http_req_set_data(r, calloc(1, sizeof(size_t)));
		if (path_is(r, "/hold"))
			sem_post(&s->arrived);
		return HTTP_BODY_STREAM;
	}
	if (path_is(r, "/early")) {
		http_req_add_header(r, "WWW-Authenticate", "Bearer");
		http_reply(r, 401, "text/plain", "who?", 4);
		return HTTP_BODY_REFUSE;
	}
	if (path_is(r, "/wrong")) {
		bool held = http_req_refuse(r);
		http_reply(r, 401, "text/plain", held ? "later" : "now", held ? 5 : 3);
		return HTTP_BODY_REFUSE;
	}
	return path_is(r, "/refuse") ? HTTP_BODY_REFUSE : HTTP_BODY_BUFFER;
}

static void resume_pending(struct site *s) {
	if (s->pending != NULL)
		http_req_resume(s->pending);
}

static size_t on_body(struct http_req *r, const void *p, size_t n, void *arg) {
	struct site *s = arg;
	size_t *count = http_req_data(r);
	if (path_is(r, "/hold"))
		return 0;
	size_t take = n < 1000 ? n : 1000;
	*count += take;
	if (take < n) {
		struct call *c = calloc(1, sizeof *c);
		c->fn = resume_pending;
		mailbox_post(s->mailbox, &c->letter);
	}
	return take;
}

static void flood(struct http_req *r, void *arg) {
	struct site *s = arg;
	static char piece[16384];
	while (s->flooded < FLOOD_BYTES) {
		s->flooded += sizeof piece;
		bool go_on = http_reply_write(r, piece, sizeof piece);
		if ((int)http_reply_queued(r) > s->max_queued)
			s->max_queued = (int)http_reply_queued(r);
		if (!go_on) {
			http_reply_on_drained(r, flood, s);
			return;
		}
	}
	http_reply_end(r);
}

static void answer_streams(struct site *s, struct http_req *r) {
	if (path_is(r, "/chunks")) {
		http_reply_begin(r, 200, "text/plain", -1);
		http_reply_write(r, "one", 3);
		http_reply_write(r, "", 0);
		http_reply_write(r, "two", 3);
		http_reply_end(r);
	} else if (path_is(r, "/short")) {
		http_reply_begin(r, 200, "text/plain", 10);
		http_reply_write(r, "123", 3);
		http_reply_end(r);
	} else if (path_is(r, "/flood")) {
		s->flooded = 0;
		http_reply_begin(r, 200, "application/octet-stream", FLOOD_BYTES);
		flood(r, s);
	} else {
		http_reply_begin(r, 200, "application/octet-stream", http_req_query(r, "chunked") != NULL ? -1 : (int64_t)s->file_bytes);
		http_reply_file(r, s->file_fd, 0, s->file_bytes);
	}
}

static void on_request(struct http_req *r, void *arg) {
	struct site *s = arg;
	size_t n;
	if (path_is(r, "/later")) {
		s->pending = r;
		sem_post(&s->arrived);
	} else if (path_is(r, "/events")) {
		s->sse = sse_open(r, s->loop);
		sem_post(&s->arrived);
	} else if (path_is(r, "/count")) {
		char text[32];
		size_t *count = http_req_data(r);
		snprintf(text, sizeof text, "%zu", *count);
		free(count);
		s->pending = NULL;
		http_reply(r, 200, "text/plain", text, strlen(text));
	} else if (path_is(r, "/echo")) {
		const void *body = http_req_body(r, &n);
		http_reply(r, 200, "text/plain", body, n);
	} else if (path_is(r, "/hello")) {
		http_req_add_header(r, "X-Bad", "a\r\nb: c");
		http_req_add_header(r, "X-Good", http_req_peer(r));
		http_reply(r, 200, "text/plain", "hello", 5);
	} else if (path_is(r, "/nothing")) {
		http_reply(r, 204, NULL, NULL, 0);
	} else {
		answer_streams(s, r);
	}
}

static void on_gone(struct http_req *r, void *arg) {
	struct site *s = arg;
	ck_assert(!http_req_alive(r));
	if (path_is(r, "/events")) {
		sse_free(s->sse);
		s->sse = NULL;
	} else if (path_is(r, "/count") || path_is(r, "/hold")) {
		free(http_req_data(r));
		s->pending = NULL;
		http_req_release(r);
	} else if (path_is(r, "/flood")) {
		http_req_release(r);
	}
	s->gone++; /* /later is released by its late answer */
}

static char *on_problem(struct arena *a, int status, const char *detail, const char **ret_type, void *arg) {
	*ret_type = "application/problem+json";
	BUF_AUTO b = BUF_INIT;
	buf_printf(&b, "{\"status\":%d,\"detail\":", status);
	buf_add_json(&b, detail);
	buf_add_str(&b, "}");
	return arena_strdup(a, buf_str(&b));
}

static const struct http_handler handler = { on_head, on_body, on_request, on_gone, on_problem };

static void deliver(struct letter *letter, void *arg) {
	struct call *c = (struct call *)letter;
	bool waited_for = c->waited_for;
	c->fn(arg);
	if (waited_for)
		sem_post(&c->done);
	else
		free(c);
}

static void *run(void *arg) {
	struct site *s = arg;
	loop_run(s->loop);
	return NULL;
}

void site_start(struct site *s, const struct http_limits *limits, const struct http_tls *tls) {
	struct err e = ERR_INIT;
	memset(s, 0, sizeof *s);
	s->file_fd = -1;
	sem_init(&s->arrived, 0, 0);
	ck_assert_int_eq(loop_new(&s->loop, &e), 0);
	ck_assert_int_eq(mailbox_new(s->loop, deliver, s, &s->mailbox, &e), 0);
	ck_assert_int_eq(http_server_new(s->loop, &handler, s, limits, &s->server, &e), 0);
	ck_assert_msg(http_server_listen(s->server, "127.0.0.1:0", tls, 7, &s->port, &e) == 0, "%s", e.text);
	ck_assert_int_gt(s->port, 0);
	ck_assert_int_eq(pthread_create(&s->thread, NULL, run, s), 0);
}

void site_call(struct site *s, void (*fn)(struct site *s)) {
	struct call c = { .fn = fn, .waited_for = true };
	sem_init(&c.done, 0, 0);
	mailbox_post(s->mailbox, &c.letter);
	sem_wait(&c.done);
	sem_destroy(&c.done);
}

static void stop_loop(struct site *s) {
	loop_stop(s->loop);
}

void site_stop(struct site *s) {
	site_call(s, stop_loop);
	pthread_join(s->thread, NULL);
	http_server_free(s->server);
	mailbox_free(s->mailbox);
	loop_free(s->loop);
	if (s->file_fd >= 0)
		close(s->file_fd);
}

static void nothing(struct site *s) {}

void site_wait_gone(struct site *s, int n) {
	mono_t until = mono_add(clock_mono(&clock_real), 5 * US_PER_S);
	while (s->gone < n && mono_before(clock_mono(&clock_real), until)) {
		struct pollfd none = { .fd = -1 };
		poll(&none, 1, 1);
		site_call(s, nothing);
	}
	ck_assert_int_eq(s->gone, n);
}

static struct http_stats stats_copy;

static void copy_stats(struct site *s) {
	http_server_stats(s->server, &stats_copy);
}

struct http_stats site_stats(struct site *s) {
	site_call(s, copy_stats);
	return stats_copy;
}

int client_open(const struct site *s) {
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval tv = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
	return fd;
}

void client_send_n(int fd, const void *p, size_t n) {
	for (size_t done = 0; done < n;) {
		ssize_t k = send(fd, (const char *)p + done, n - done, MSG_NOSIGNAL);
		if (k <= 0)
			return; /* the server refused and closed: the answer tells */
		done += (size_t)k;
	}
}

void client_send(int fd, const char *text) {
	client_send_n(fd, text, strlen(text));
}

bool client_read_all(int fd, struct buf *out) {
	static char piece[65536];
	for (;;) {
		ssize_t n = recv(fd, piece, sizeof piece, 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
		if (n < 0)
			return false;
		buf_add(out, piece, (size_t)n);
	}
}

void client_read_answer(int fd, bool head, struct buf *out) {
	size_t from = out->len, want = 0;
	for (;;) {
		const char *end = out->data == NULL ? NULL : strstr(out->data + from, "\r\n\r\n");
		if (end != NULL && want == 0) {
			const char *length = strstr(out->data + from, "Content-Length: ");
			want =
			    (size_t)(end + 4 - out->data) + (head || length == NULL || length > end ? 0 : strtoul(length + 16, NULL, 10));
		}
		if (want > 0 && out->len >= want)
			return;
		char c[1];
		ssize_t n = recv(fd, c, 1, 0);
		ck_assert_msg(n == 1, "the connection ended within an answer: %s", buf_str(out));
		buf_add(out, c, 1);
	}
}

void client_talk(const struct site *s, const char *text, struct buf *out) {
	int fd = client_open(s);
	client_send(fd, text);
	ck_assert_msg(client_read_all(fd, out), "no end after: %s", buf_str(out));
	close(fd);
}

size_t count_text(const struct buf *b, const char *text) {
	size_t n = 0;
	for (const char *p = buf_str(b); (p = strstr(p, text)) != NULL; p += strlen(text))
		n++;
	return n;
}
