#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/clock.h"
#include "site.h"

#define ck_has(b, text) ck_assert_msg(strstr(buf_str(&(b)), (text)) != NULL, "no '%s' in: %.2000s", (text), buf_str(&(b)))

static struct site site;

/* A chunked upload of n bytes in chunks of `chunk`. */
static void add_upload(struct buf *b, const char *path, size_t n, size_t chunk) {
	static char data[65536];
	buf_printf(b, "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", path);
	while (n > 0) {
		size_t k = n < chunk ? n : chunk;
		buf_printf(b, "%zx\r\n", k);
		memset(data, 'd', k);
		buf_add(b, data, k);
		buf_add_str(b, "\r\n");
		n -= k;
	}
	buf_add_str(b, "0\r\n\r\n");
}

START_TEST(uploads_stream_with_back_pressure) {
	site_start(&site, NULL, NULL);
	static const size_t chunks[] = { 1, 100, 999, 65536 };
	for (size_t i = 0; i < 4; i++) {
		BUF_AUTO up = BUF_INIT;
		BUF_AUTO out = BUF_INIT;
		size_t n = chunks[i] == 1 ? 5000 : 300000;
		char want[32];
		add_upload(&up, "/count", n, chunks[i]);
		int fd = client_open(&site);
		client_send_n(fd, up.data, up.len);
		ck_assert(client_read_all(fd, &out));
		snprintf(want, sizeof want, "\r\n\r\n%zu", n);
		ck_has(out, want);
		close(fd);
	}
	ck_assert_int_eq(site.gone, 0);
	site_stop(&site);
}
END_TEST

START_TEST(a_paused_upload_holds_little_and_notices_the_end) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site), small = 65536;
	static char data[65536];
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	client_send(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
	sem_wait(&site.arrived);
	size_t sent = 0;
	for (ssize_t n; (n = send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0;)
		sent += (size_t)n;
	ck_assert_uint_lt(sent, 32u << 20); /* what the kernel takes on both sides, not the upload */
	ck_assert_uint_eq(site_stats(&site).connections, 1);
	/* A reset, as of a client that was killed: an orderly end would stand in line behind the data. */
	struct linger now = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
	site_wait_gone(&site, 1);
	site_stop(&site);
}
END_TEST

START_TEST(a_slow_body_is_refused) {
	struct http_limits limits = { .body_window_us = 200 * US_PER_MS, .min_body_rate = 1000 };
	site_start(&site, &limits, NULL);
	BUF_AUTO out = BUF_INIT;
	client_talk(&site, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nonly this", &out);
	ck_has(out, "HTTP/1.1 408 ");
	BUF_AUTO out2 = BUF_INIT;
	client_talk(&site, "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly", &out2);
	ck_has(out2, "HTTP/1.1 408 ");
	ck_assert_int_eq(site.gone, 1); /* the streamed one was the program's already */
	ck_assert_uint_eq(site_stats(&site).timed_out, 2);
	site_stop(&site);
}
END_TEST

START_TEST(a_large_chunked_body_is_refused_while_it_comes) {
	site_start(&site, NULL, NULL);
	BUF_AUTO up = BUF_INIT;
	BUF_AUTO out = BUF_INIT;
	add_upload(&up, "/echo", 2000, 100);
	client_talk(&site, up.data, &out);
	ck_has(out, "HTTP/1.1 413 ");
	BUF_AUTO fits = BUF_INIT;
	BUF_AUTO out2 = BUF_INIT;
	add_upload(&fits, "/echo", 1000, 100);
	client_talk(&site, fits.data, &out2);
	ck_has(out2, "HTTP/1.1 200 ");
	site_stop(&site);
}
END_TEST

START_TEST(a_refused_upload_still_sees_its_answer) {
	site_start(&site, NULL, NULL);
	static char data[65536];
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(fd, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
	for (int i = 0; i < 300; i++)
		if (send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
	client_read_answer(fd, false, &out);
	ck_has(out, "HTTP/1.1 401 ");
	ck_has(out, "who?");
	close(fd);
	site_stop(&site);
}
END_TEST

START_TEST(it_says_continue_only_when_it_will) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n");
	client_read_answer(fd, false, &out);
	ck_assert_str_eq(buf_str(&out), "HTTP/1.1 100 Continue\r\n\r\n");
	client_send(fd, "abc");
	ck_assert(client_read_all(fd, &out));
	ck_has(out, "HTTP/1.1 200 OK");
	close(fd);
	BUF_AUTO no = BUF_INIT;
	client_talk(&site, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\nExpect: 100-continue\r\n\r\n", &no);
	ck_assert_int_eq(strncmp(no.data, "HTTP/1.1 413 ", 13), 0);
	BUF_AUTO early = BUF_INIT;
	client_talk(&site, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\nExpect: 100-continue\r\n\r\n", &early);
	ck_assert_int_eq(strncmp(early.data, "HTTP/1.1 401 ", 13), 0);
	site_stop(&site);
}
END_TEST

START_TEST(downloads_stream_with_back_pressure) {
	site_start(&site, NULL, NULL);
	BUF_AUTO out = BUF_INIT;
	client_talk(&site, "GET /flood HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &out);
	const char *body = strstr(out.data, "\r\n\r\n") + 4;
	ck_assert_uint_eq(out.len - (size_t)(body - out.data), FLOOD_BYTES);
	ck_assert_int_le(site.max_queued, (256 << 10) + (16 << 10) + 4096);
	site_stop(&site);
}
END_TEST

START_TEST(a_reader_that_stands_still_is_evicted) {
	struct http_limits limits = { .write_stall_us = 200 * US_PER_MS };
	site_start(&site, &limits, NULL);
	int fd = client_open(&site);
	client_send(fd, "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
	site_wait_gone(&site, 1);
	ck_assert_uint_eq(site_stats(&site).evicted, 1);
	close(fd);
	site_stop(&site);
}
END_TEST

START_TEST(an_answer_cut_short_is_a_reset) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(fd, "GET /short HTTP/1.1\r\nHost: a\r\n\r\n");
	ck_assert(client_read_all(fd, &out));
	ck_assert_uint_eq(count_text(&out, "123456"), 0);
	close(fd);
	site_stop(&site);
}
END_TEST

START_TEST(files_are_sent) {
	site_start(&site, NULL, NULL);
	char path[] = "/tmp/berth-http-XXXXXX";
	site.file_fd = mkstemp(path);
	unlink(path);
	site.file_bytes = 3000001;
	BUF_AUTO content = BUF_INIT;
	for (size_t i = 0; i < site.file_bytes; i++)
		buf_add_char(&content, (char)('a' + i % 23));
	ck_assert_int_eq(write(site.file_fd, content.data, content.len), (ssize_t)content.len);
	BUF_AUTO out = BUF_INIT;
	client_talk(&site, "GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &out);
	const char *body = strstr(out.data, "\r\n\r\n") + 4;
	ck_assert_uint_eq(out.len - (size_t)(body - out.data), site.file_bytes);
	ck_assert_int_eq(memcmp(body, content.data, site.file_bytes), 0);
	BUF_AUTO framed = BUF_INIT;
	client_talk(
	    &site, "GET /file?chunked HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &framed);
	ck_has(framed, "\r\n\r\n2dc6c1\r\nabc");
	ck_has(framed, "\r\n0\r\n\r\nHTTP/1.1 200 OK");
	BUF_AUTO head = BUF_INIT;
	client_talk(&site, "HEAD /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &head);
	ck_has(head, "Content-Length: 3000001\r\n");
	ck_assert_uint_lt(head.len, 300);
	site_stop(&site);
}
END_TEST

static void send_events(struct site *s) {
	ck_assert(sse_send(s->sse, "41", "plan", "{\"a\":1}"));
	ck_assert(sse_send(s->sse, "42\nevil: x", NULL, "two\nlines\r\nthree"));
}

static void close_events(struct site *s) {
	sse_close(s->sse, 3 * US_PER_S);
	s->sse = NULL;
}

static void overfill_events(struct site *s) {
	static char text[32769];
	memset(text, 'e', sizeof text - 1);
	int sent = 0;
	while (sse_send(s->sse, NULL, NULL, text))
		ck_assert_int_lt(++sent, 10000);
	ck_assert_uint_le(sse_queued(s->sse), 1u << 20);
}

START_TEST(events_have_their_form) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(fd, "GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	sem_wait(&site.arrived);
	site_call(&site, send_events);
	site_call(&site, close_events);
	ck_assert(client_read_all(fd, &out));
	ck_has(out, "Content-Type: text/event-stream; charset=utf-8\r\n");
	ck_has(out, "\r\nid: 41\nevent: plan\ndata: {\"a\":1}\n\n\r\n");
	ck_has(out, "\r\nid: 42\ndata: two\ndata: lines\ndata: three\n\n\r\n");
	ck_has(out, "\r\nretry: 3000\n\n\r\n0\r\n\r\n");
	close(fd);
	BUF_AUTO head = BUF_INIT;
	client_talk(&site, "HEAD /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &head);
	ck_has(head, "text/event-stream");
	site_stop(&site);
	ck_assert_ptr_null(site.sse);
}
END_TEST

START_TEST(a_watcher_that_does_not_read_is_dropped) {
	struct http_limits limits = { .max_output = 1u << 20 };
	site_start(&site, &limits, NULL);
	int fd = client_open(&site);
	client_send(fd, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
	sem_wait(&site.arrived);
	site_call(&site, overfill_events);
	site_wait_gone(&site, 1);
	ck_assert_uint_eq(site_stats(&site).evicted, 1);
	close(fd);
	site_stop(&site);
}
END_TEST

TEST_SUITE("http/stream", uploads_stream_with_back_pressure, a_paused_upload_holds_little_and_notices_the_end, a_slow_body_is_refused,
    a_large_chunked_body_is_refused_while_it_comes, a_refused_upload_still_sees_its_answer, it_says_continue_only_when_it_will,
    downloads_stream_with_back_pressure, a_reader_that_stands_still_is_evicted, an_answer_cut_short_is_a_reset, files_are_sent,
    events_have_their_form, a_watcher_that_does_not_read_is_dropped)
