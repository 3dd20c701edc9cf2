#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "loop/fetch.h"
#include "loop/loop.h"

/* A server that answers each connection with the next canned text and closes; it keeps what it was asked. */
struct canned {
	const char *answers[8]; /* NULL-terminated; "" = say nothing and wait until the client leaves; so after a '~' at the end, too */
	int fd, port;
	pthread_t thread;
	struct buf asked;
};

static struct canned canned;
static struct loop *loop;
static struct fetcher *fetcher;

/* The request ends with its head, or with "END" when it has a body, or with the last chunk: closed with that unread, the connection would
 * be reset, answer and all. */
static void read_request(int fd, struct buf *into) {
	size_t from = into->len;
	char piece[4096];
	for (;;) {
		ssize_t n = recv(fd, piece, sizeof piece, 0);
		if (n <= 0)
			return;
		buf_add(into, piece, (size_t)n);
		const char *p = into->data + from;
		bool body = strncmp(p, "POST", 4) == 0 || strncmp(p, "PUT", 3) == 0;
		const char *end = strstr(p, "Transfer-Encoding: chunked") != NULL ? "\r\n0\r\n\r\n" : "END";
		if (strstr(p, "\r\n\r\n") != NULL && (!body || strstr(p, end) != NULL))
			return;
	}
}

static void *serve(void *arg) {
	struct canned *c = arg;
	char byte;
	for (size_t i = 0; c->answers[i] != NULL; i++) {
		int fd = accept(c->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		struct timeval tv = { .tv_sec = 5 };
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
		read_request(fd, &c->asked);
		size_t len = strcspn(c->answers[i], "~");
		send(fd, c->answers[i], len, MSG_NOSIGNAL);
		if (len == 0 || c->answers[i][len] == '~')
			while (recv(fd, &byte, 1, 0) > 0)
				;
		close(fd);
	}
	return NULL;
}

static void start(const char *first, const char *second, const char *third) {
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof in;
	canned.answers[0] = first;
	canned.answers[1] = second;
	canned.answers[2] = third;
	canned.fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(canned.fd, (const struct sockaddr *)&in, sizeof in), 0);
	ck_assert_int_eq(listen(canned.fd, 5), 0);
	ck_assert_int_eq(getsockname(canned.fd, (struct sockaddr *)&in, &len), 0);
	canned.port = ntohs(in.sin_port);
	ck_assert_int_eq(loop_new(&loop, NULL), 0);
	ck_assert_int_eq(fetcher_new(loop, &fetcher, NULL), 0);
	pthread_create(&canned.thread, NULL, serve, &canned);
}

static void stop(void) {
	fetcher_free(fetcher);
	shutdown(canned.fd, SHUT_RDWR);
	pthread_join(canned.thread, NULL);
	close(canned.fd);
	loop_free(loop);
	buf_deinit(&canned.asked);
}

static const char *url(const char *path) {
	static char text[128];
	snprintf(text, sizeof text, "http://127.0.0.1:%d%s", canned.port, path);
	return text;
}

struct outcome {
	int calls, status, code;
	bool sent;
	struct buf body, streamed;
	char text[256], etag[64];
	uint64_t bytes;
	int abort_after;
};

static void on_done(void *arg, const struct fetch_result *res, const struct err *err) {
	struct outcome *o = arg;
	o->calls++;
	o->status = res->status;
	o->code = err == NULL ? 0 : err->code;
	o->sent = res->sent;
	o->bytes = res->bytes;
	buf_add(&o->body, res->body, res->body_len);
	snprintf(o->text, sizeof o->text, "%.255s", err == NULL ? "" : err->text);
	snprintf(o->etag, sizeof o->etag, "%.63s", res->etag == NULL ? "" : res->etag);
	loop_stop(loop);
}

static void fetch_one(const struct fetch_spec *spec, struct outcome *o) {
	fetch_start(fetcher, spec, on_done, o);
	ck_assert_int_eq(o->calls, 0);
	loop_run(loop);
	ck_assert_int_eq(o->calls, 1);
}

static void outcome_free(struct outcome *o) {
	buf_deinit(&o->body);
	buf_deinit(&o->streamed);
}

#define asked_has(text) ck_assert_msg(strstr(buf_str(&canned.asked), (text)) != NULL, "no '%s' in: %s", (text), buf_str(&canned.asked))
#define asked_has_not(text) ck_assert_msg(strstr(buf_str(&canned.asked), (text)) == NULL, "'%s' in: %s", (text), buf_str(&canned.asked))

START_TEST(a_header_less_answer_is_read_to_its_end) {
	start("HTTP/1.1 200 OK\r\n\r\n{\"code\":\"SUCCESS\"}", NULL, NULL);
	struct outcome o = { 0 };
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	fetch_one(&(struct fetch_spec){ .method = "POST",
	              .url = url("/installBiz"),
	              .headers = headers,
	              .body = "{} END",
	              .body_len = 6,
	              .fresh_connection = true },
	    &o);
	ck_assert_msg(o.code == 0, "%s", o.text);
	ck_assert_int_eq(o.status, 200);
	ck_assert_str_eq(buf_str(&o.body), "{\"code\":\"SUCCESS\"}");
	ck_assert(o.sent);
	asked_has("POST /installBiz HTTP/1.1\r\n");
	asked_has("Content-Type: application/json\r\n");
	asked_has("Content-Length: 6\r\n");
	asked_has("Connection: close\r\n");
	asked_has("User-Agent: berth/");
	asked_has_not("Expect");
	asked_has_not("form");
	outcome_free(&o);
	stop();
}
END_TEST

START_TEST(ranges_methods_and_headers_go_out) {
	start("HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nETag: \"v1\"\r\n\r\nxyz", "HTTP/1.1 204 No Content\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
	struct outcome get = { 0 }, del = { 0 }, head = { 0 };
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/a?b=c"), .resume_from = 7 }, &get);
	ck_assert_msg(get.code == 0, "%s", get.text);
	ck_assert_int_eq(get.status, 206);
	ck_assert_str_eq(get.etag, "\"v1\"");
	ck_assert_uint_eq(get.bytes, 3);
	asked_has("GET /a?b=c HTTP/1.1\r\n");
	asked_has("Range: bytes=7-\r\n");
	fetch_one(&(struct fetch_spec){ .method = "DELETE", .url = url("/a") }, &del);
	ck_assert_int_eq(del.status, 204);
	asked_has("DELETE /a HTTP/1.1\r\n");
	fetch_one(&(struct fetch_spec){ .method = "HEAD", .url = url("/h") }, &head);
	ck_assert_int_eq(head.status, 200);
	ck_assert_uint_eq(head.body.len, 0);
	asked_has("HEAD /h HTTP/1.1\r\n");
	outcome_free(&get);
	outcome_free(&del);
	outcome_free(&head);
	stop();
}
END_TEST

static int on_body(void *arg, int status, const void *p, size_t n) {
	struct outcome *o = arg;
	ck_assert_int_eq(status, 200);
	buf_add(&o->streamed, p, n);
	return o->abort_after > 0 && o->streamed.len >= (size_t)o->abort_after;
}

START_TEST(answers_stream_and_stop) {
	start("HTTP/1.1 200 OK\r\n\r\nabcdef", "HTTP/1.1 200 OK\r\n\r\nabcdef", NULL);
	struct outcome all = { 0 }, some = { .abort_after = 1 };
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/"), .on_body = on_body }, &all);
	ck_assert_int_eq(all.code, 0);
	ck_assert_str_eq(buf_str(&all.streamed), "abcdef");
	ck_assert_uint_eq(all.body.len, 0);
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/"), .on_body = on_body }, &some);
	ck_assert_int_eq(some.code, E_CANCELLED);
	outcome_free(&all);
	outcome_free(&some);
	stop();
}
END_TEST

static int upload_left;

static int read_body(void *arg, char *buf, size_t n) {
	if (upload_left == 0)
		return 0;
	if (upload_left < 0)
		return -1;
	upload_left--;
	memcpy(buf, upload_left == 0 ? "END" : "abc", 3);
	return 3;
}

START_TEST(bodies_stream_out) {
	start("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "");
	static const char *const no_expect[] = { "Expect:", NULL };
	struct outcome sized = { 0 }, chunked = { 0 }, aborted = { 0 };
	upload_left = 3;
	fetch_one(&(struct fetch_spec){ .method = "PUT", .url = url("/up"), .headers = no_expect, .read_body = read_body, .body_len = 9 },
	    &sized);
	ck_assert_msg(sized.code == 0, "%s", sized.text);
	ck_assert_int_eq(sized.status, 201);
	asked_has("Content-Length: 9\r\n");
	asked_has("abcabcEND");
	upload_left = 2;
	fetch_one(
	    &(struct fetch_spec){
	        .method = "POST", .url = url("/up2"), .headers = no_expect, .read_body = read_body, .body_len = SIZE_MAX },
	    &chunked);
	ck_assert_msg(chunked.code == 0, "%s", chunked.text);
	asked_has("POST /up2 HTTP/1.1\r\n");
	asked_has("Transfer-Encoding: chunked\r\n");
	upload_left = -1;
	fetch_one(&(struct fetch_spec){ .method = "PUT", .url = url("/up3"), .headers = no_expect, .read_body = read_body, .body_len = 9 },
	    &aborted);
	ck_assert_int_eq(aborted.code, E_CANCELLED);
	outcome_free(&sized);
	outcome_free(&chunked);
	outcome_free(&aborted);
	stop();
}
END_TEST

START_TEST(an_answer_that_has_begun_does_not_stop_in_between) {
	start("", "HTTP/1.1 200 OK\r\n\r\n{\"code\":~", NULL);
	struct outcome silent = { 0 }, stalled = { 0 };
	struct fetch_spec s = { .method = "GET", .url = url("/"), .answer_idle_us = 50 * US_PER_MS, .total_us = 400 * US_PER_MS };
	fetch_one(&s, &silent); /* it may think as long as it likes */
	ck_assert_int_eq(silent.code, E_TIMEOUT);
	ck_assert_ptr_null(strstr(silent.text, "idle"));
	s.total_us = 20 * US_PER_S;
	fetch_one(&s, &stalled);
	ck_assert_int_eq(stalled.code, E_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(stalled.text, "idle"));
	ck_assert(stalled.sent);
	outcome_free(&silent);
	outcome_free(&stalled);
	stop();
}
END_TEST

START_TEST(time_outs_and_sizes_are_kept) {
	start("", "", "HTTP/1.1 200 OK\r\n\r\n0123456789");
	struct outcome total = { 0 }, idle = { 0 }, large = { 0 };
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/"), .total_us = 50 * US_PER_MS }, &total);
	ck_assert_int_eq(total.code, E_TIMEOUT);
	ck_assert(total.sent);
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/secret?sig=abc"), .idle_us = 50 * US_PER_MS }, &idle);
	ck_assert_int_eq(idle.code, E_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(idle.text, "/secret"));
	ck_assert_ptr_null(strstr(idle.text, "sig"));
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/"), .max_body = 9 }, &large);
	ck_assert_int_eq(large.code, E_TOO_LARGE);
	outcome_free(&total);
	outcome_free(&idle);
	outcome_free(&large);
	stop();
}
END_TEST

START_TEST(failures_say_whether_anything_was_sent) {
	start("broken", NULL, NULL);
	struct outcome bad = { 0 }, nobody = { 0 }, scheme = { 0 }, split = { 0 };
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/") }, &bad);
	ck_assert_int_ne(bad.code, 0);
	ck_assert(bad.sent);
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = "http://user:pw@127.0.0.1:1/" }, &nobody);
	ck_assert_int_eq(nobody.code, E_IO);
	ck_assert(!nobody.sent);
	ck_assert_ptr_null(strstr(nobody.text, "pw"));
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = "file:///etc/passwd" }, &scheme);
	ck_assert_int_eq(scheme.code, E_PROTOCOL);
	static const char *const injected[] = { "X: a\r\nY: b", NULL };
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/"), .headers = injected }, &split);
	ck_assert_int_eq(split.code, E_PROTOCOL);
	ck_assert(!split.sent);
	outcome_free(&bad);
	outcome_free(&nobody);
	outcome_free(&scheme);
	outcome_free(&split);
	stop();
}
END_TEST

START_TEST(redirects_lose_the_token_elsewhere) {
	char location[160] = "";
	static const char *const headers[] = { "Authorization: Bearer secret", NULL };
	start(location, "HTTP/1.1 200 OK\r\n\r\nhere", location);
	snprintf(
	    location, sizeof location, "HTTP/1.1 302 Found\r\nLocation: http://localhost:%d/two\r\nContent-Length: 0\r\n\r\n", canned.port);
	struct outcome followed = { 0 }, kept = { 0 };
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/one"), .headers = headers }, &followed);
	ck_assert_msg(followed.code == 0, "%s", followed.text);
	ck_assert_str_eq(buf_str(&followed.body), "here");
	const char *second = strstr(buf_str(&canned.asked), "GET /two");
	ck_assert_ptr_nonnull(second);
	ck_assert_ptr_null(strstr(second, "secret"));
	fetch_one(&(struct fetch_spec){ .method = "GET", .url = url("/three"), .no_redirect = true }, &kept);
	ck_assert_int_eq(kept.status, 302);
	outcome_free(&followed);
	outcome_free(&kept);
	stop();
}
END_TEST

static struct fetch *to_cancel[3];
static int finished;

static void count_done(void *arg, const struct fetch_result *res, const struct err *err) {
	struct outcome *o = arg;
	o->calls++;
	o->code = err == NULL ? 0 : err->code;
	if (o->calls == 1 && o == arg && to_cancel[2] != NULL) {
		struct fetch *other = to_cancel[2]; /* cancelling another from within a completion */
		to_cancel[2] = NULL;
		fetch_cancel(other);
	}
	if (++finished == 3)
		loop_stop(loop);
}

START_TEST(cancelling_completes_once_and_later) {
	start("", "", "");
	struct outcome o[3] = { 0 };
	for (int i = 0; i < 3; i++)
		to_cancel[i] = fetch_start(fetcher, &(struct fetch_spec){ .method = "GET", .url = url("/") }, count_done, &o[i]);
	fetch_cancel(to_cancel[0]);
	fetch_cancel(to_cancel[0]);
	ck_assert_int_eq(o[0].calls, 0);
	fetch_cancel(to_cancel[1]);
	loop_run(loop);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(o[i].calls, 1);
		ck_assert_int_eq(o[i].code, E_CANCELLED);
	}
	struct outcome left = { 0 };
	fetch_start(fetcher, &(struct fetch_spec){ .method = "GET", .url = url("/") }, on_done, &left);
	for (int i = 0; i < 3; i++) { /* let the threads of the canned server go */
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		struct sockaddr_in in = {
			.sin_family = AF_INET, .sin_port = htons((uint16_t)canned.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
		};
		ck_assert_int_eq(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
		close(fd);
	}
	stop(); /* frees the fetcher with one fetch running */
	ck_assert_int_eq(left.calls, 1);
	ck_assert_int_eq(left.code, E_CANCELLED);
	outcome_free(&left);
}
END_TEST

TEST_SUITE("loop/fetch", a_header_less_answer_is_read_to_its_end, ranges_methods_and_headers_go_out, answers_stream_and_stop,
    bodies_stream_out, time_outs_and_sizes_are_kept, an_answer_that_has_begun_does_not_stop_in_between,
    failures_say_whether_anything_was_sent, redirects_lose_the_token_elsewhere, cancelling_completes_once_and_later)
