/* Standing by (rule 12): the whole exchange goes to the active server and back, bodies and streams held back at the speed of the slower
 * side. One hop only: what arrives marked is answered here. Redirects would lose the token in curl and many libraries. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/chunk.h"
#include "http/uri.h"
#include "rest/inside.h"

#define MAX_PEER_AGE_US 1000000
#define MAX_HEAD (16 * 1024)
#define MAX_QUEUED (256 * 1024)

struct proxy_tls {
	SSL_CTX *ctx;
	bool trusts; /* it has its CAs */
};

struct proxy {
	LIST_ENTRY(proxy) link;
	struct exchange *x;
	struct bufferevent *bev;
	struct evdns_base *dns;
	char peer[128];
	bool chunked_up, paused_up; /* the request's body; its client is held back */
	bool head_done, chunked_down, ended;
	bool connected;
	int64_t left; /* of the answer's body; -1 = until it closes or chunks end */
	struct chunk chunk;
};

static const char *const passed_up[] = { "Authorization", "Content-Type", "Accept", "Idempotency-Key", "If-Match", "If-None-Match",
	"If-Range", "Range", "Prefer", "X-Request-Id", "traceparent", "tracestate", "Berth-Reason", "Berth-Link", "Last-Event-ID",
	"User-Agent" };
static const char *const kept_back[] = { "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Content-Type", "Date" };

/* ---- when ---------------------------------------------------------------------------------------------------------------------------- */
bool proxy_wanted(struct exchange *x, struct err *err) {
	struct core_state s;
	core_state(x->rest->core, &s);
	if (s.mode != CORE_STANDBY)
		return false;
	bool hopped = http_req_header(x->req, HOP_HEADER) != NULL;
	if (!hopped && s.peer_rest[0] != '\0' && s.peer_age_us < MAX_PEER_AGE_US && x->rest->n_proxied < x->rest->config.max_proxied)
		return true;
	if (hopped)
		err_set(err, E_UNAVAILABLE, "the cell changes its active server right now; ask again");
	else if (s.peer_rest[0] == '\0' || s.peer_age_us >= MAX_PEER_AGE_US)
		err_set(err, E_UNAVAILABLE, "this server stands by and no active one is known; ask again");
	else
		err_set(err, E_TOO_MANY, "this server stands by and forwards %u requests already; ask %s", x->rest->n_proxied, s.peer_rest);
	return false;
}

/* ---- end ----------------------------------------------------------------------------------------------------------------------------- */
static void proxy_free(struct proxy *p) {
	p->x->on_body = NULL;
	p->x->on_end = NULL;
	p->x->on_gone = NULL;
	p->x->rest->n_proxied--;
	LIST_REMOVE(p, link);
	bufferevent_free(p->bev);
	if (p->dns != NULL)
		evdns_base_free(p->dns, 0);
	free(p);
}

static void proxy_fail(struct proxy *p, const char *why) {
	struct exchange *x = p->x;
	struct err err = ERR_INIT;
	bool begun = p->head_done, sent = p->connected;
	err_set(&err, E_UNAVAILABLE, "the active server at %s %s; %s", p->peer, why,
	    sent ? "the request may have been done: ask again with the same Idempotency-Key" : "nothing happened: ask again");
	proxy_free(p);
	if (begun)
		exchange_drop(x); /* half an answer is out: only closing tells the client */
	else
		answer_error(x, &err);
}

/* Who took over need not wait for the one it took over from, which may be frozen and never answer. */
void rest_took_over(struct rest *r) {
	struct proxy *p, *next;
	for (p = LIST_FIRST(&r->proxied); p != NULL; p = next) {
		next = LIST_NEXT(p, link);
		proxy_fail(p, "is not the active one any more");
	}
}

static void proxy_end(struct proxy *p) {
	struct exchange *x = p->x;
	proxy_free(p);
	exchange_close(x);
	http_reply_end(x->req);
}

static void client_gone(struct exchange *x) {
	proxy_free(x->work);
	exchange_drop(x);
}

/* ---- answer: from the active server to the client --------------------------------------------------------------------------------------
 */
static bool listed(const char *const *names, size_t n, const char *name) {
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

static void header_down(struct proxy *p, char *line, const char **type) {
	char *colon = strchr(line, ':');
	if (colon == NULL)
		return;
	*colon = '\0';
	char *value = colon + 1 + strspn(colon + 1, " \t");
	if (strcasecmp(line, "Content-Type") == 0)
		*type = value;
	else if (strcasecmp(line, "Content-Length") == 0)
		p->left = strtoll(value, NULL, 10);
	else if (strcasecmp(line, "Transfer-Encoding") == 0)
		p->chunked_down = strcasecmp(value, "chunked") == 0;
	if (!listed(kept_back, sizeof kept_back / sizeof *kept_back, line))
		http_req_add_header(p->x->req, line, value);
}

/* Returns false when the head is not whole yet; *ret_bad when it never will be. */
static bool head_down(struct proxy *p, struct evbuffer *in, bool *ret_bad) {
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	if (end.pos < 0) {
		*ret_bad = evbuffer_get_length(in) > MAX_HEAD;
		return false;
	}
	struct arena *a = http_req_arena(p->x->req);
	char *text = arena_alloc(a, (size_t)end.pos + 5), *save = NULL;
	const char *type = NULL;
	evbuffer_remove(in, text, (size_t)end.pos + 4);
	char *line = strtok_r(text, "\r\n", &save);
	int status = line != NULL && strncmp(line, "HTTP/1.", 7) == 0 && strlen(line) > 12 ? (int)strtol(line + 9, NULL, 10) : 0;
	if (status >= 100 && status < 200)
		return head_down(p, in, ret_bad); /* an interim answer: the real one follows */
	if (status < 200 || status > 599) {
		*ret_bad = true;
		return false;
	}
	p->left = -1;
	while ((line = strtok_r(NULL, "\r\n", &save)) != NULL)
		header_down(p, line, &type);
	p->head_done = true;
	if (status == 204 || status == 304 || strcmp(http_req_method(p->x->req), "HEAD") == 0)
		p->left = 0;
	chunk_init(&p->chunk);
	http_reply_begin(p->x->req, status, type, p->chunked_down ? -1 : p->left);
	return true;
}

static void drained(struct http_req *r, void *arg);

/* False: the client is slower; it goes on when drained. */
static bool give(struct proxy *p, const void *data, size_t n) {
	if (http_reply_write(p->x->req, data, n))
		return true;
	bufferevent_disable(p->bev, EV_READ);
	http_reply_on_drained(p->x->req, drained, p);
	return false;
}

static bool body_chunked(struct proxy *p, struct evbuffer *in, bool *ret_bad) {
	for (;;) {
		size_t n = evbuffer_get_contiguous_space(in), used = 0, data = 0;
		const char *reason, *at = (const char *)evbuffer_pullup(in, (ev_ssize_t)n);
		if (n == 0)
			return true;
		enum chunk_result r = chunk_step(&p->chunk, at, n, &used, &data, &reason);
		bool going = true;
		if (r == CHUNK_DATA) {
			going = give(p, at + used, data);
			chunk_take(&p->chunk, data);
		}
		evbuffer_drain(in, used + (r == CHUNK_DATA ? data : 0));
		p->ended = r == CHUNK_END;
		*ret_bad = r == CHUNK_BAD;
		if (r == CHUNK_END || r == CHUNK_BAD || !going)
			return going;
	}
}

static void body_plain(struct proxy *p, struct evbuffer *in) {
	bool going = true;
	while (going && p->left != 0 && evbuffer_get_length(in) > 0) {
		size_t n = evbuffer_get_contiguous_space(in);
		if (p->left > 0 && (int64_t)n > p->left)
			n = (size_t)p->left;
		going = give(p, evbuffer_pullup(in, (ev_ssize_t)n), n);
		evbuffer_drain(in, n);
		if (p->left > 0)
			p->left -= (int64_t)n;
	}
	p->ended = p->left == 0;
}

static void pump(struct proxy *p) {
	struct evbuffer *in = bufferevent_get_input(p->bev);
	bool bad = false;
	if (!p->head_done && !head_down(p, in, &bad)) {
		if (bad)
			proxy_fail(p, "sent no HTTP answer");
		return;
	}
	if (p->chunked_down && p->left != 0)
		body_chunked(p, in, &bad);
	else
		body_plain(p, in);
	if (bad)
		proxy_fail(p, "broke its answer");
	else if (p->ended)
		proxy_end(p);
}

static void drained(struct http_req *r, void *arg) {
	(void)r;
	struct proxy *p = arg;
	bufferevent_enable(p->bev, EV_READ);
	pump(p);
}

/* ---- request: from the client to the active server -------------------------------------------------------------------------------------
 */
static size_t body_up(struct exchange *x, const void *data, size_t n) {
	struct proxy *p = x->work;
	struct evbuffer *out = bufferevent_get_output(p->bev);
	if (evbuffer_get_length(out) > MAX_QUEUED) {
		p->paused_up = true;
		return 0;
	}
	if (p->chunked_up)
		evbuffer_add_printf(out, "%zx\r\n", n);
	evbuffer_add(out, data, n);
	if (p->chunked_up)
		evbuffer_add(out, "\r\n", 2);
	return n;
}

static void end_up(struct exchange *x) {
	struct proxy *p = x->work;
	if (p->chunked_up)
		evbuffer_add(bufferevent_get_output(p->bev), "0\r\n\r\n", 5);
}

static void path_up(const struct http_req *r, struct buf *b) {
	const char *name, *value;
	size_t cursor = 0;
	for (const char *p = http_req_path(r); *p != '\0'; p++) {
		char one[2] = { *p, '\0' };
		if (*p == '/' || *p == ':')
			buf_add_char(b, *p);
		else
			uri_escape(b, one);
	}
	bool first = true;
	while (http_req_query_next(r, &cursor, &name, &value)) {
		buf_add_char(b, first ? '?' : '&');
		first = false;
		uri_escape(b, name);
		buf_add_char(b, '=');
		uri_escape(b, value);
	}
}

static void head_up(struct proxy *p) {
	const struct http_req *r = p->x->req;
	BUF_AUTO b = BUF_INIT;
	int64_t length = http_req_content_length(r);
	p->chunked_up = length < 0;
	buf_printf(&b, "%s ", http_req_method(r));
	path_up(r, &b);
	buf_printf(&b, " HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n" HOP_HEADER ": 1\r\n", p->peer);
	if (p->chunked_up)
		buf_add_str(&b, "Transfer-Encoding: chunked\r\n");
	else if (length > 0 || strcmp(http_req_method(r), "POST") == 0 || strcmp(http_req_method(r), "PUT") == 0 ||
	         strcmp(http_req_method(r), "PATCH") == 0)
		buf_printf(&b, "Content-Length: %lld\r\n", (long long)length);
	bool named = false;
	for (size_t i = 0; i < sizeof passed_up / sizeof *passed_up; i++) {
		const char *value = http_req_header(r, passed_up[i]);
		if (value == NULL)
			continue;
		buf_printf(&b, "%s: %s\r\n", passed_up[i], value);
		named = named || strcmp(passed_up[i], "X-Request-Id") == 0;
	}
	if (!named)
		buf_printf(&b, "X-Request-Id: %s\r\n", p->x->request_id);
	buf_add_str(&b, "\r\n");
	evbuffer_add(bufferevent_get_output(p->bev), buf_str(&b), b.len);
}

/* ---- connection ------------------------------------------------------------------------------------------------------------------------
 */
static void on_read(struct bufferevent *bev, void *arg) {
	(void)bev;
	pump(arg);
}

static void on_write(struct bufferevent *bev, void *arg) {
	(void)bev;
	struct proxy *p = arg;
	if (!p->paused_up)
		return;
	p->paused_up = false;
	http_req_resume(p->x->req);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
	(void)bev;
	struct proxy *p = arg;
	if (what & BEV_EVENT_CONNECTED) {
		static const struct timeval read_stall = { 660, 0 }, write_stall = { 30, 0 };
		p->connected = true;
		bufferevent_set_timeouts(p->bev, &read_stall, &write_stall); /* longer than the longest Prefer: wait */
		return;
	}
	bool closes_body = (what & BEV_EVENT_EOF) && p->head_done && !p->chunked_down && p->left < 0;
	if (closes_body)
		proxy_end(p);
	else
		proxy_fail(p, what & BEV_EVENT_TIMEOUT ? "does not answer" : p->connected ? "closed the connection" : "cannot be reached");
}

/* Reading the system's CAs takes 20 ms: not at each start, but where a peer is called that has a certificate of theirs. A file that cannot
 * be read verifies nobody; the handshake says so. */
static void trust_system(struct proxy_tls *t) {
	if (!t->trusts)
		(void)SSL_CTX_set_default_verify_paths(t->ctx);
	t->trusts = true;
}

static struct bufferevent *bev_make(struct rest *r, char *host, bool tls) {
	struct event_base *base = loop_base(r->loop);
	if (!tls)
		return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	trust_system(r->tls);
	SSL *ssl = SSL_new(r->tls->ctx);
	if (ssl == NULL)
		abort();
	SSL_set_tlsext_host_name(ssl, host);
	SSL_set1_host(ssl, host);
	struct bufferevent *bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

/* "https://host:port/", "host:port" → the part without scheme and slash; true when TLS is spoken there. */
static bool peer_of(const char *address, char *peer, size_t size) {
	bool tls = strncmp(address, "https://", 8) == 0;
	const char *from = tls ? address + 8 : strncmp(address, "http://", 7) == 0 ? address + 7 : address;
	snprintf(peer, size, "%.*s", (int)strcspn(from, "/"), from);
	return tls;
}

static void host_of(const char *peer, char *host, size_t size, int *ret_port) {
	const char *colon = strrchr(peer, ':');
	size_t n = colon != NULL ? (size_t)(colon - peer) : strlen(peer);
	const char *from = peer;
	if (n >= 2 && *peer == '[' && peer[n - 1] == ']') {
		from++;
		n -= 2;
	}
	snprintf(host, size, "%.*s", (int)n, from);
	*ret_port = colon != NULL ? (int)strtol(colon + 1, NULL, 10) : 7777;
}

void proxy_head(struct exchange *x) {
	static const struct timeval connect_us = { 2, 0 };
	struct core_state s;
	char host[128];
	int port;
	core_state(x->rest->core, &s);
	struct proxy *p = calloc(1, sizeof *p);
	if (p == NULL)
		abort();
	p->x = x;
	bool tls = peer_of(s.peer_rest, p->peer, sizeof p->peer);
	host_of(p->peer, host, sizeof host, &port);
	p->bev = bev_make(x->rest, host, tls);
	x->rest->n_proxied++;
	LIST_INSERT_HEAD(&x->rest->proxied, p, link);
	x->work = p;
	x->on_body = body_up;
	x->on_end = end_up;
	x->on_gone = client_gone;
	bufferevent_setcb(p->bev, on_read, on_write, on_event, p);
	bufferevent_setwatermark(p->bev, EV_WRITE, MAX_QUEUED / 2, 0);
	bufferevent_set_timeouts(p->bev, &connect_us, &connect_us);
	bufferevent_enable(p->bev, EV_READ | EV_WRITE);
	head_up(p);
	struct sockaddr_storage at;
	int len = sizeof at;
	char numeric[160];
	snprintf(numeric, sizeof numeric, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, port);
	if (evutil_parse_sockaddr_port(numeric, (struct sockaddr *)&at, &len) == 0) {
		bufferevent_socket_connect(p->bev, (struct sockaddr *)&at, len);
		return;
	}
	p->dns = evdns_base_new(loop_base(x->rest->loop), EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	bufferevent_socket_connect_hostname(p->bev, p->dns, AF_UNSPEC, host, port);
}

static int tls_files(SSL_CTX *ctx, const struct rest_config *c, struct err *err) {
	int ok = 1;
	const char *file = c->peer_ca_file;
	if (file != NULL)
		ok = SSL_CTX_load_verify_locations(ctx, file, NULL);
	if (ok == 1 && c->cert_file != NULL)
		ok = SSL_CTX_use_certificate_chain_file(ctx, file = c->cert_file);
	if (ok == 1 && c->key_file != NULL)
		ok = SSL_CTX_use_PrivateKey_file(ctx, file = c->key_file, SSL_FILETYPE_PEM);
	return ok == 1 ? 0
	               : err_set(err, E_INVALID, "cannot use %s for requests to the other servers: %s", file,
	                     ERR_reason_error_string(ERR_get_error()));
}

int proxy_tls_new(const struct rest_config *config, struct proxy_tls **ret, struct err *err) {
	struct proxy_tls *t = calloc(1, sizeof *t);
	if (t == NULL)
		abort();
	t->ctx = SSL_CTX_new(TLS_client_method());
	if (t->ctx == NULL)
		abort();
	SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	t->trusts = config->peer_ca_file != NULL;
	int rc = tls_files(t->ctx, config, err);
	if (rc != 0)
		proxy_tls_free(t);
	else
		*ret = t;
	return rc;
}

void proxy_tls_free(struct proxy_tls *t) {
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}
