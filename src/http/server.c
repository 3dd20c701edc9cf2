/* The server around its connections: limits, caps in all and per address, drain, figures. */
#include "http/server.h"

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "http/conn.h"

static void set_limits(struct http_server *s, const struct http_limits *given) {
	static const struct http_limits defaults = {
		.head_us = 10 * US_PER_S,
		.idle_us = 75 * US_PER_S,
		.write_stall_us = 30 * US_PER_S,
		.min_body_rate = 1024,
		.body_window_us = 10 * US_PER_S,
		.max_line = 8192,
		.max_head = 16384,
		.max_fields = 100,
		.max_output = 4u << 20,
		.max_connections = 10000,
		.max_per_address = 1024,
		.max_refused = 600,
	};
	struct http_limits *l = &s->limits;
	*l = given != NULL ? *given : defaults;
#define DEFAULT(field)     \
	if (l->field == 0) \
	l->field = defaults.field
	DEFAULT(head_us);
	DEFAULT(idle_us);
	DEFAULT(write_stall_us);
	DEFAULT(min_body_rate);
	DEFAULT(body_window_us);
	DEFAULT(max_line);
	DEFAULT(max_head);
	DEFAULT(max_fields);
	DEFAULT(max_output);
	DEFAULT(max_connections);
	DEFAULT(max_per_address);
	DEFAULT(max_refused);
#undef DEFAULT
	s->head_limits = (struct http_head_limits){ l->max_line, l->max_head, l->max_fields };
}

static void report_drained(struct http_server *s) {
	void (*done)(void *) = s->drained;
	s->drained = NULL;
	if (done != NULL)
		done(s->drained_arg); /* may free s */
}

static void on_drain_check(void *arg) {
	struct http_server *s = arg;
	if (s->draining && LIST_EMPTY(&s->conns)) {
		timer_cancel(&s->drain_timer);
		report_drained(s);
	}
}

static void on_drain_timer(void *arg) {
	struct http_server *s = arg;
	struct conn *c;
	LIST_FOREACH(c, &s->conns, link)
		http_conn_evict(c); /* on_drain_check runs when the last one is freed */
}

int http_server_new(
    struct loop *l, const struct http_handler *h, void *arg, const struct http_limits *limits, struct http_server **ret, struct err *err) {
	struct http_server *s = calloc(1, sizeof *s);
	if (s == NULL)
		return err_set(err, E_NOMEM, "no memory for an HTTP server");
	s->loop = l;
	s->handler = *h;
	s->arg = arg;
	s->date_s = -1;
	LIST_INIT(&s->conns);
	LIST_INIT(&s->listeners);
	set_limits(s, limits);
	timer_init(&s->drain_timer, l, on_drain_timer, s);
	deferred_init(&s->drain_check, l, on_drain_check, s);
	*ret = s;
	return 0;
}

static void free_listeners(struct http_server *s) {
	while (!LIST_EMPTY(&s->listeners))
		listener_free(LIST_FIRST(&s->listeners));
}

void http_server_drain(struct http_server *s, int64_t us, void (*done)(void *), void *arg) {
	s->draining = true;
	s->drained = done;
	s->drained_arg = arg;
	free_listeners(s);
	struct conn *c;
	LIST_FOREACH(c, &s->conns, link)
		http_conn_drain(c);
	timer_set(&s->drain_timer, us);
	deferred_schedule(&s->drain_check);
}

void http_server_free(struct http_server *s) {
	if (s == NULL)
		return;
	s->drained = NULL;
	free_listeners(s);
	while (!LIST_EMPTY(&s->conns))
		http_conn_free(LIST_FIRST(&s->conns));
	timer_deinit(&s->drain_timer);
	deferred_deinit(&s->drain_check);
	free(s);
}

void http_server_stats(const struct http_server *s, struct http_stats *ret) {
	*ret = s->stats;
}

/* One key per IPv4 address and per IPv6 /64: who has one address of a /64 has them all. */
static bool address_key(const struct sockaddr *sa, unsigned char key[16]) {
	memset(key, 0, 16);
	if (sa->sa_family == AF_INET) {
		key[10] = key[11] = 0xff;
		memcpy(key + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	const struct in6_addr *in = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	memcpy(key, in, IN6_IS_ADDR_V4MAPPED(in) ? 16 : 8);
	return true;
}

int server_conn_admit(struct http_server *s, const struct sockaddr *peer, struct address_count **ret) {
	unsigned char key[16];
	struct address_count *a = NULL;
	if (s->stats.connections >= s->limits.max_connections)
		return -1;
	if (address_key(peer, key)) {
		HASH_FIND(hh, s->addresses, key, sizeof key, a);
		if (a != NULL && a->n >= s->limits.max_per_address)
			return -1;
		if (a == NULL) {
			a = calloc(1, sizeof *a);
			if (a == NULL)
				return -1;
			memcpy(a->key, key, sizeof key);
			HASH_ADD(hh, s->addresses, key, sizeof a->key, a);
		}
		a->n++;
	}
	*ret = a;
	return 0;
}

static void address_release(struct http_server *s, struct address_count *a) {
	if (a != NULL && --a->n == 0) {
		HASH_DELETE(hh, s->addresses, a);
		free(a);
	}
}

void server_conn_refund(struct http_server *s, struct address_count *a) {
	address_release(s, a);
}

void server_conn_gone(struct http_server *s, struct address_count *a) {
	address_release(s, a);
	s->stats.connections--;
	if (s->draining && LIST_EMPTY(&s->conns))
		deferred_schedule(&s->drain_check);
}

/* Made once per second; not strftime(), whose names follow the locale. */
const char *server_date(struct http_server *s) {
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t now_s = clock_wall(&clock_real).us / US_PER_S;
	if (now_s == s->date_s)
		return s->date;
	time_t t = (time_t)now_s;
	struct tm tm;
	gmtime_r(&t, &tm);
	snprintf(s->date, sizeof s->date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday,
	    months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	s->date_s = now_s;
	return s->date;
}
