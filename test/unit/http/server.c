#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/conn.h"
#include "site.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define ck_has(b, text) ck_assert_msg(strstr(buf_str(&(b)), (text)) != NULL, "no '%s' in: %s", (text), buf_str(&(b)))
#define ck_has_not(b, text) ck_assert_msg(strstr(buf_str(&(b)), (text)) == NULL, "'%s' in: %s", (text), buf_str(&(b)))

static struct site site;

static const struct {
	const char *request;
	const char *status, *has, *has_not;
} talks[] = {
	{ GET_CLOSE("/hello"), "HTTP/1.1 200 OK\r\nDate: ", "\r\n\r\nhello", "X-Bad" },
	{ GET_CLOSE("/hello"), "HTTP/1.1 200 OK", "X-Good: 127.0.0.1:", "b: c" },
	{ "GET /hello HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK", "Connection: close\r\n", "chunked" },
	{ "HEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK", "Content-Length: 5\r\n", "hello" },
	{ "HEAD /chunks HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "one" },
	{ GET_CLOSE("/nothing"), "HTTP/1.1 204 No Content", "Connection: close", "Content-Length" },
	{ GET_CLOSE("/chunks"), "HTTP/1.1 200 OK", "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", "Content-Length" },
	{ "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK", "Connection: close\r\n", "0\r\n\r\n" },
	{ "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200 OK", "\r\n\r\nabc", NULL },
	{ "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
	    "HTTP/1.1 200 OK", "\r\n\r\nabc", NULL },
	{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413 ", "\"status\":413", NULL },
	{ "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 ", "does not start with its size",
	    NULL },
	{ "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request", "application/problem+json", NULL },
	{ "\x16\x03\x01", "HTTP/1.1 400 ", "starts with a method", NULL },
	{ "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nxxx", "HTTP/1.1 401 ", "WWW-Authenticate: Bearer\r\n", NULL },
	{ GET("/refuse"), "HTTP/1.1 500 ", "refused without an answer", NULL },
	{ GET("/hello") GET("/hello") GET_CLOSE("/chunks"), "HTTP/1.1 200 OK", "0\r\n\r\n", NULL },
};

START_TEST(it_answers) {
	site_start(&site, NULL, NULL);
	for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
		BUF_AUTO out = BUF_INIT;
		client_talk(&site, talks[i].request, &out);
		ck_assert_msg(
		    strncmp(buf_str(&out), talks[i].status, strlen(talks[i].status)) == 0, "%s\n→ %s", talks[i].request, buf_str(&out));
		ck_has(out, talks[i].has);
		if (talks[i].has_not != NULL)
			ck_has_not(out, talks[i].has_not);
	}
	site_stop(&site);
}
END_TEST

START_TEST(a_connection_is_kept_and_pipelines) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(fd, GET("/hello"));
	client_read_answer(fd, false, &out);
	ck_has_not(out, "Connection: close");
	client_send(fd, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read_answer(fd, true, &out);
	BUF_AUTO many = BUF_INIT;
	for (int i = 0; i < 500; i++)
		buf_add_str(&many, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nPING");
	buf_add_str(&many, GET_CLOSE("/hello"));
	client_send(fd, many.data);
	ck_assert(client_read_all(fd, &out));
	ck_assert_uint_eq(count_text(&out, "\r\n\r\nPING"), 500);
	ck_assert_uint_eq(count_text(&out, "HTTP/1.1 200 OK"), 503);
	ck_assert_uint_eq(count_text(&out, "Connection: close"), 1);
	ck_assert_uint_eq(site_stats(&site).accepted, 1);
	close(fd);
	site_stop(&site);
}
END_TEST

START_TEST(a_head_may_come_byte_by_byte) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	for (const char *p =
	         "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
	     *p != '\0'; p++)
		client_send_n(fd, p, 1);
	ck_assert(client_read_all(fd, &out));
	ck_has(out, "\r\n\r\nabc");
	close(fd);
	site_stop(&site);
}
END_TEST

static void answer_pending(struct site *s) {
	struct http_req *r = s->pending;
	s->pending = NULL;
	http_reply(r, 200, "text/plain", "finally", 7);
}

START_TEST(a_late_answer_arrives) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(fd, GET("/later") GET_CLOSE("/hello"));
	sem_wait(&site.arrived);
	site_call(&site, answer_pending);
	ck_assert(client_read_all(fd, &out));
	ck_has(out, "\r\n\r\nfinally");
	ck_has(out, "\r\n\r\nhello");
	ck_assert(strstr(out.data, "finally") < strstr(out.data, "hello"));
	close(fd);
	site_stop(&site);
}
END_TEST

START_TEST(a_client_that_leaves_is_noticed) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	client_send(fd, GET("/later"));
	sem_wait(&site.arrived);
	close(fd);
	site_wait_gone(&site, 1);
	ck_assert_uint_eq(site_stats(&site).connections, 0);
	site_call(&site, answer_pending); /* a late answer to nobody */
	site_stop(&site);
}
END_TEST

START_TEST(a_request_outlives_its_server) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	client_send(fd, GET("/later"));
	sem_wait(&site.arrived);
	site_stop(&site);
	ck_assert_int_eq(site.gone, 1);
	answer_pending(&site);
	close(fd);
}
END_TEST

START_TEST(too_slow_heads_are_refused) {
	struct http_limits limits = { .head_us = 200 * US_PER_MS, .idle_us = 300 * US_PER_MS };
	site_start(&site, &limits, NULL);
	int silent = client_open(&site), dripping = client_open(&site), idle = client_open(&site);
	BUF_AUTO a = BUF_INIT;
	BUF_AUTO b = BUF_INIT;
	BUF_AUTO c = BUF_INIT;
	client_send(dripping, "GET / HT");
	client_send(idle, GET("/hello"));
	ck_assert(client_read_all(silent, &a));
	ck_assert_uint_eq(a.len, 0);
	ck_assert(client_read_all(dripping, &b));
	ck_has(b, "HTTP/1.1 408 ");
	ck_assert(client_read_all(idle, &c));
	ck_has(c, "hello");
	ck_assert_uint_eq(count_text(&c, "HTTP/1.1"), 1);
	ck_assert_uint_eq(site_stats(&site).timed_out, 2);
	close(silent);
	close(dripping);
	close(idle);
	site_stop(&site);
}
END_TEST

START_TEST(caps_hold_in_all_and_per_address) {
	struct http_limits limits = { .max_connections = 10, .max_per_address = 2 };
	site_start(&site, &limits, NULL);
	int one = client_open(&site), two = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(one, GET("/hello"));
	client_read_answer(one, false, &out);
	client_send(two, GET("/hello"));
	client_read_answer(two, false, &out);
	BUF_AUTO third = BUF_INIT;
	int three = client_open(&site);
	ck_assert(client_read_all(three, &third));
	ck_has(third, "HTTP/1.1 503 ");
	ck_has(third, "Retry-After: 2");
	close(one);
	close(three);
	mono_t until = mono_add(clock_mono(&clock_real), 5 * US_PER_S);
	while (site_stats(&site).connections > 1)
		ck_assert(mono_before(clock_mono(&clock_real), until));
	BUF_AUTO fourth = BUF_INIT;
	client_talk(&site, GET_CLOSE("/hello"), &fourth);
	ck_has(fourth, "hello");
	ck_assert_uint_eq(site_stats(&site).over_limit, 1);
	close(two);
	site_stop(&site);
}
END_TEST

/* Who has one address of an IPv6 /64 has them all; an IPv4 address counts alone, whichever way it is written. */
static void admit_some(struct site *s) {
	static const struct {
		const char *from;
		bool in;
	} rows[] = {
		{ "2001:db8:1:2::1", true },
		{ "2001:db8:1:2:ffff:ffff:ffff:ffff", true },
		{ "2001:db8:1:2::3", false },
		{ "2001:db8:1:3::1", true },
		{ "::ffff:192.0.2.1", true },
		{ "::ffff:192.0.2.2", true },
		{ "::ffff:192.0.2.1", true },
		{ "::ffff:192.0.2.1", false },
	};
	struct address_count *held[sizeof rows / sizeof *rows] = { NULL };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sockaddr_in6 peer = { .sin6_family = AF_INET6 };
		ck_assert_int_eq(inet_pton(AF_INET6, rows[i].from, &peer.sin6_addr), 1);
		int rc = server_conn_admit(s->server, (const struct sockaddr *)&peer, &held[i]);
		ck_assert_msg((rc == 0) == rows[i].in, "%s", rows[i].from);
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (held[i] != NULL)
			server_conn_refund(s->server, held[i]);
}

START_TEST(addresses_of_one_network_share_a_cap) {
	struct http_limits limits = { .max_per_address = 2 };
	site_start(&site, &limits, NULL);
	site_call(&site, admit_some);
	site_stop(&site);
}
END_TEST

static void note_drained(void *arg) {
	struct site *s = arg;
	s->drained = 1;
}

static void drain(struct site *s) {
	http_server_drain(s->server, 5 * US_PER_S, note_drained, s);
}

static void drain_short(struct site *s) {
	http_server_drain(s->server, 50 * US_PER_MS, note_drained, s);
}

START_TEST(draining_answers_what_is_pending) {
	site_start(&site, NULL, NULL);
	int busy = client_open(&site), idle = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(idle, GET("/hello"));
	client_read_answer(idle, false, &out);
	client_send(busy, GET("/later"));
	sem_wait(&site.arrived);
	site_call(&site, drain);
	BUF_AUTO rest = BUF_INIT;
	ck_assert(client_read_all(idle, &rest));
	ck_assert_uint_eq(rest.len, 0);
	ck_assert_int_eq(site.drained, 0);
	site_call(&site, answer_pending);
	ck_assert(client_read_all(busy, &rest));
	ck_has(rest, "finally");
	ck_has(rest, "Connection: close");
	close(busy);
	close(idle);
	mono_t until = mono_add(clock_mono(&clock_real), 5 * US_PER_S);
	while (site.drained == 0)
		ck_assert(mono_before(clock_mono(&clock_real), until));
	site_stop(&site);
}
END_TEST

START_TEST(draining_ends_in_time) {
	site_start(&site, NULL, NULL);
	int busy = client_open(&site);
	client_send(busy, GET("/later"));
	sem_wait(&site.arrived);
	site_call(&site, drain_short);
	BUF_AUTO rest = BUF_INIT;
	ck_assert(client_read_all(busy, &rest));
	ck_assert_uint_eq(rest.len, 0);
	mono_t until = mono_add(clock_mono(&clock_real), 5 * US_PER_S);
	while (site.drained == 0)
		ck_assert(mono_before(clock_mono(&clock_real), until));
	ck_assert_int_eq(site.gone, 1);
	answer_pending(&site);
	close(busy);
	site_stop(&site);
}
END_TEST

START_TEST(half_closed_clients_get_ready_answers) {
	site_start(&site, NULL, NULL);
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	client_send(fd, GET("/hello") GET("/hello") "GET /unfin");
	shutdown(fd, SHUT_WR);
	ck_assert(client_read_all(fd, &out));
	ck_assert_uint_eq(count_text(&out, "\r\n\r\nhello"), 2);
	close(fd);
	site_stop(&site);
}
END_TEST

/* What is held back leaves, nothing more is taken: half-closing is no way around the rate. */
START_TEST(half_closed_clients_get_what_is_held_back) {
	struct http_limits limits = { .max_refused = 1 };
	site_start(&site, &limits, NULL);
	int fd = client_open(&site);
	BUF_AUTO out = BUF_INIT;
	mono_t until = mono_add(clock_mono(&clock_real), 4 * US_PER_S); /* earlier than by its time */
	client_send(fd, GET("/wrong") GET("/wrong") GET("/wrong") GET("/hello"));
	shutdown(fd, SHUT_WR);
	ck_assert(client_read_all(fd, &out));
	ck_assert_uint_eq(count_text(&out, "\r\n\r\nnow"), 1);
	ck_assert_uint_eq(count_text(&out, "\r\n\r\nlater"), 1);
	ck_assert_uint_eq(site_stats(&site).requests, 2);
	ck_assert(mono_before(clock_mono(&clock_real), until));
	close(fd);
	site_stop(&site);
}
END_TEST

/* One a minute: the second refusal is held back. Counted, not timed: what others are served meanwhile, and what is not taken. */
START_TEST(refusals_are_held_back_and_nothing_else_is) {
	struct http_limits limits = { .max_refused = 1 };
	site_start(&site, &limits, NULL);
	int bad = client_open(&site), good = client_open(&site), left = client_open(&site);
	BUF_AUTO first = BUF_INIT;
	client_send(bad, GET("/wrong") GET("/wrong") GET("/hello"));
	client_read_answer(bad, false, &first);
	ck_has(first, "\r\n\r\nnow");
	client_send(left, GET("/wrong"));
	while (site_stats(&site).held_back < 2)
		continue;
	close(left);
	BUF_AUTO out = BUF_INIT;
	for (int i = 0; i < 100; i++) {
		client_send(good, GET("/hello"));
		client_read_answer(good, false, &out);
	}
	client_talk(&site, GET_CLOSE("/hello"), &out);
	ck_assert_uint_eq(count_text(&out, "\r\n\r\nhello"), 101);
	char c;
	ck_assert_int_eq(recv(bad, &c, 1, MSG_DONTWAIT), -1);
	ck_assert_uint_eq(site_stats(&site).requests, 101 + 3);
	ck_assert_uint_eq(site_stats(&site).refused, 3);
	mono_t until = mono_add(clock_mono(&clock_real), 4 * US_PER_S); /* earlier than by its time */
	while (site_stats(&site).connections > 2)
		ck_assert(mono_before(clock_mono(&clock_real), until));
	close(good);
	site_call(&site, drain);
	BUF_AUTO second = BUF_INIT;
	ck_assert(client_read_all(bad, &second));
	ck_has(second, "\r\n\r\nlater");
	ck_has_not(second, "hello");
	ck_assert(mono_before(clock_mono(&clock_real), until));
	close(bad);
	site_stop(&site);
}
END_TEST

static const struct {
	const char *address;
	int code;
} addresses[] = {
	{ "127.0.0.1", E_INVALID },
	{ "127.0.0.1:", E_INVALID },
	{ "127.0.0.1:70000", E_INVALID },
	{ "127.0.0.1:x", E_INVALID },
	{ "::1:80", E_INVALID },
	{ "[::1]", E_INVALID },
	{ "[]:80", E_INVALID },
	{ "unix:", E_INVALID },
	{ "localhost:0", 0 },
	{ "*:0", 0 },
};

static char path[64];

static void check_addresses(struct site *s) {
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		struct err e = ERR_INIT;
		int port = 0, code = http_server_listen(s->server, addresses[i].address, NULL, 0, &port, &e);
		ck_assert_msg(code == addresses[i].code, "%s: %s", addresses[i].address, e.text);
	}
	char taken[32];
	struct err e = ERR_INIT;
	snprintf(taken, sizeof taken, "127.0.0.1:%d", s->port);
	ck_assert_int_eq(http_server_listen(s->server, taken, NULL, 0, NULL, &e), E_BUSY);
	ck_assert_int_eq(http_server_listen(s->server, path, NULL, 0, NULL, &e), 0);
	ck_assert_int_eq(http_server_listen(s->server, path, NULL, 0, NULL, &e), E_BUSY);
}

START_TEST(addresses_are_checked) {
	snprintf(path, sizeof path, "unix:/tmp/berth-http-%d.sock", (int)getpid());
	site_start(&site, NULL, NULL);
	site_call(&site, check_addresses);
	ck_assert_int_eq(access(path + 5, F_OK), 0);
	site_stop(&site);
	ck_assert_int_ne(access(path + 5, F_OK), 0);
}
END_TEST

TEST_SUITE("http/server", it_answers, a_connection_is_kept_and_pipelines, a_head_may_come_byte_by_byte, a_late_answer_arrives,
    a_client_that_leaves_is_noticed, a_request_outlives_its_server, too_slow_heads_are_refused, caps_hold_in_all_and_per_address,
    addresses_of_one_network_share_a_cap, draining_answers_what_is_pending, draining_ends_in_time, half_closed_clients_get_ready_answers,
    half_closed_clients_get_what_is_held_back, refusals_are_held_back_and_nothing_else_is, addresses_are_checked)
