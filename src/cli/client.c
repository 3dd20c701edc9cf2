/* Requests to the server. One exchange is one request with all its tries: the same key, the same body, the next address.
 *
 * What may be tried again: anything of which no byte left; reads, uploads by digest, and every change, because each carries an
 * Idempotency-Key. Answers 503 and 429 are tried again as Retry-After says. Everything else is the answer. */
#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/field.h"
#include "cli/problem.h"
#include "cli/query.h"
#include "cli/text.h"
#include "loop/fetch.h"
#include "loop/loop.h"

#define MAX_ADDRESSES 16
#define PAGE 1000
#define FIRST_BACKOFF (100 * US_PER_MS)
#define MAX_BACKOFF (2 * US_PER_S)
#define MAX_RETRY_AFTER (5 * US_PER_S)
#define CHANGE_PATIENCE (30 * US_PER_S)
#define READ_PATIENCE (3 * US_PER_S)
#define CONNECT_TIMEOUT (3 * US_PER_S)
#define CALL_TIMEOUT (60 * US_PER_S)
#define UPLOAD_IDLE (30 * US_PER_S)

struct client {
	const struct cli *cli;
	struct fetcher *fetcher;
	struct rng rng;
	struct arena *arena;
	size_t n_addresses, at;
	const char *addresses[MAX_ADDRESSES];
	const char *authorization; /* header line or NULL */
	json_t *problem;
};

struct exchange {
	struct client *client;
	struct request request;
	struct arena *arena;
	const char *headers[8];
	char *body;
	size_t body_len;
	mono_t deadline;
	int64_t backoff_us;
	struct timer pause;
	struct fetch *fetch;
	bool said, cancelled, change;
	client_done_fn done;
	void *arg;
};

struct stream {
	struct client *client;
	struct fetch *fetch;
	struct arena *arena;
	struct buf refused; /* body of an answer that is no 2xx */
	int (*on_piece)(void *arg, const char *p, size_t n);
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

void reply_deinit(struct reply *r) {
	json_decref(r->json);
	r->json = NULL;
	buf_deinit(&r->text);
}

static void add_address(struct client *cl, const char *p, size_t n) {
	while (n > 0 && *p == ' ')
		p++, n--;
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '/'))
		n--;
	if (n == 0 || cl->n_addresses == MAX_ADDRESSES)
		return;
	bool has_scheme = memmem(p, n, "://", 3) != NULL;
	cl->addresses[cl->n_addresses++] = arena_printf(cl->arena, "%s%.*s", has_scheme ? "" : "http://", (int)n, p);
}

int client_new(const struct cli *c, struct client **ret, struct err *err) {
	struct client *cl = calloc(1, sizeof *cl);
	if (cl == NULL)
		abort();
	cl->cli = c;
	cl->arena = arena_new();
	uint64_t seed;
	random_bytes(&seed, sizeof seed);
	rng_init(&cl->rng, seed);
	for (const char *p = c->ctx.address; *p != '\0';) {
		size_t n = strcspn(p, ",");
		add_address(cl, p, n);
		p += n + (p[n] == ',');
	}
	int r = cl->n_addresses > 0 ? fetcher_new(c->loop, &cl->fetcher, err)
	                            : err_set(err, E_INVALID, "the address '%s' names no server; give host:port", c->ctx.address);
	if (r != 0) {
		client_free(cl);
		return r;
	}
	if (c->ctx.token != NULL)
		cl->authorization = arena_printf(cl->arena, "Authorization: Bearer %s", c->ctx.token);
	*ret = cl;
	return 0;
}

void client_free(struct client *cl) {
	if (cl == NULL)
		return;
	fetcher_free(cl->fetcher);
	json_decref(cl->problem);
	arena_free(cl->arena);
	free(cl);
}

const char *client_address(const struct client *cl) {
	return cl->addresses[cl->at];
}

size_t client_addresses(const struct client *cl) {
	return cl->n_addresses;
}

const char *client_address_at(const struct client *cl, size_t i) {
	return cl->addresses[i];
}

void client_rotate(struct client *cl) {
	cl->at = (cl->at + 1) % cl->n_addresses;
}

const json_t *client_problem(const struct client *cl) {
	return cl->problem;
}

static void keep_problem(struct client *cl, json_t *problem) {
	json_decref(cl->problem);
	cl->problem = json_incref(problem);
}

static const char *request_url(const struct client *cl, const struct request *q, struct arena *a) {
	const char *tenant = cl->cli->ctx.tenant;
	bool query = q->query != NULL && *q->query != '\0';
	return arena_printf(a, "%s%s%s%s%s%s", client_address(cl), q->path, query || tenant != NULL ? "?" : "", query ? q->query : "",
	    tenant == NULL ? ""
	    : query        ? "&tenant="
	                   : "tenant=",
	    tenant != NULL ? tenant : "");
}

static bool is_change(const struct request *q) {
	return strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0;
}

static void fill_headers(struct exchange *x, const struct request *q) {
	size_t n = 0;
	char uuid[37];
	x->headers[n++] = arena_printf(x->arena, "Accept: %s", q->accept != NULL ? q->accept : "application/json");
	if (x->client->authorization != NULL)
		x->headers[n++] = x->client->authorization;
	if (q->body != NULL)
		x->headers[n++] = "Content-Type: application/json";
	else if (q->read != NULL)
		x->headers[n++] = "Content-Type: application/octet-stream";
	if (x->change)
		x->headers[n++] = arena_printf(x->arena, "Idempotency-Key: %s", q->key != NULL ? q->key : uuid_make(uuid));
	x->headers[n] = NULL;
}

static void finish(struct exchange *x, struct reply *r, const struct err *err) {
	timer_deinit(&x->pause);
	x->done(x->arg, r, err);
	reply_deinit(r);
	free(x->body);
	arena_free(x->arena);
	free(x);
}

/* A decimal number of seconds; dates and nonsense count as one second. */
static int64_t retry_after_us(const char *text) {
	int64_t us;
	char with_unit[16];
	if (text == NULL || strlen(text) > 8)
		return text == NULL ? 0 : US_PER_S;
	snprintf(with_unit, sizeof with_unit, "%ss", text);
	if (!duration_parse(with_unit, &us))
		return US_PER_S;
	return us < MAX_RETRY_AFTER ? us : MAX_RETRY_AFTER;
}

/* How long until the next try; -1: there is none. */
static int64_t next_try(struct exchange *x, const struct fetch_result *res, const struct err *failed) {
	bool again = failed != NULL ? failed->code == E_IO || failed->code == E_TIMEOUT || (failed->code == E_PROTOCOL && res->status == 0)
	                            : res->status == 503 || res->status == 429;
	if (!again || x->cancelled)
		return -1;
	int64_t us = failed == NULL ? retry_after_us(res->retry_after) : 0;
	if (us == 0) {
		/* With several addresses the next one is asked at once; a full round is a reason to pause. */
		us = x->client->n_addresses > 1 && x->client->at + 1 < x->client->n_addresses ? 0
		                                                                              : rng_jitter(&x->client->rng, x->backoff_us);
		x->backoff_us = x->backoff_us * 2 < MAX_BACKOFF ? x->backoff_us * 2 : MAX_BACKOFF;
	}
	mono_t now = clock_mono(&clock_real);
	if (mono_before(x->deadline, mono_add(now, us)))
		return -1;
	return us;
}

static void say_once(struct exchange *x, const struct fetch_result *res, const struct err *failed) {
	char span[32];
	int64_t left = mono_diff(x->deadline, clock_mono(&clock_real));
	if (x->said || (!x->change && left < 5 * US_PER_S))
		return;
	x->said = true;
	if (failed != NULL)
		cli_say(x->client->cli, "no answer from %s; trying on for %s (Ctrl-C gives up)", client_address(x->client),
		    text_span(left, span));
	else if (res->status == 503)
		cli_say(x->client->cli, "%s cannot serve just now; trying on for %s (Ctrl-C gives up)", client_address(x->client),
		    text_span(left, span));
}

static int start_try(struct exchange *x);

static void on_pause_over(void *arg) {
	struct exchange *x = arg;
	if (!x->cancelled && start_try(x) == 0)
		return;
	struct err e = ERR_INIT;
	struct reply none = { 0 };
	err_set(&e, x->cancelled ? E_CANCELLED : E_IO,
	    x->cancelled ? "cancelled" : "the file could not be read from its beginning for another try");
	finish(x, &none, &e);
}

static void away(const struct exchange *x, const struct err *failed, struct err *ret) {
	const struct client *cl = x->client;
	const char *why = strstr(failed->text, ": ");
	why = why != NULL ? why + 2 : failed->text;
	if (strstr(why, "Couldn't connect") != NULL || strstr(why, "Could not connect") != NULL)
		why = "nobody listens there";
	if (cl->n_addresses == 1)
		err_set(ret, E_UNAVAILABLE, "no server answers at %s: %s; start it with berthd, or name another with --address",
		    client_address(cl), why);
	else
		err_set(ret, E_UNAVAILABLE, "none of the %zu servers answers; the last one, %s: %s; `berth doctor` tries them one by one",
		    cl->n_addresses, client_address(cl), why);
}

static void take_body(struct reply *r, const struct fetch_result *res) {
	bool json = res->content_type != NULL && strstr(res->content_type, "json") != NULL;
	if (json)
		r->json = json_loadb(res->body, res->body_len, JSON_DECODE_ANY, NULL);
	if (r->json == NULL)
		buf_add(&r->text, res->body, res->body_len);
}

static void on_fetched(void *arg, const struct fetch_result *res, const struct err *failed) {
	struct exchange *x = arg;
	x->fetch = NULL;
	int64_t pause = next_try(x, res, failed);
	if (pause >= 0) {
		say_once(x, res, failed);
		client_rotate(x->client);
		timer_set(&x->pause, pause);
		return;
	}
	struct reply r = { .status = res->status, .elapsed_us = res->elapsed_us };
	struct err e = ERR_INIT;
	if (failed != NULL && (failed->code == E_CANCELLED || failed->code == E_TOO_LARGE))
		e = *failed;
	else if (failed != NULL)
		away(x, failed, &e);
	else
		take_body(&r, res);
	if (failed == NULL && (res->status < 200 || res->status > 299))
		problem_to_err(r.json, res->status, buf_str(&r.text), &e);
	keep_problem(x->client, e.code != 0 ? r.json : NULL);
	finish(x, &r, e.code != 0 ? &e : NULL);
}

static int on_read(void *arg, char *buf, size_t n) {
	struct exchange *x = arg;
	return x->request.read(x->request.read_arg, buf, n);
}

/* Whom to trust, and who we are. */
static void identify(const struct client *cl, struct fetch_spec *spec) {
	const struct context *to = &cl->cli->ctx;
	spec->ca_file = to->ca_file;
	spec->cert_file = to->client_cert;
	spec->key_file = to->client_key;
}

static int start_try(struct exchange *x) {
	const struct request *q = &x->request;
	if (q->rewind != NULL && q->rewind(q->read_arg) != 0)
		return -1;
	struct fetch_spec spec = {
		.method = q->method,
		.url = request_url(x->client, q, x->arena),
		.headers = x->headers,
		.body = x->body,
		.body_len = q->read != NULL ? (size_t)q->size : x->body_len,
		.read_body = q->read != NULL ? on_read : NULL,
		.connect_us = CONNECT_TIMEOUT,
		.idle_us = q->read != NULL ? UPLOAD_IDLE : 0,
		.total_us = q->read != NULL   ? 0
		            : q->total_us > 0 ? q->total_us
		                              : CALL_TIMEOUT,
		.max_body = 256u << 20,
	};
	identify(x->client, &spec);
	x->fetch = fetch_start(x->client->fetcher, &spec, on_fetched, x);
	return 0;
}

struct exchange *client_start(struct client *cl, const struct request *q, client_done_fn done, void *arg) {
	struct exchange *x = calloc(1, sizeof *x);
	if (x == NULL)
		abort();
	*x = (struct exchange){ .client = cl,
		.request = *q,
		.arena = arena_new(),
		.backoff_us = FIRST_BACKOFF,
		.change = is_change(q),
		.done = done,
		.arg = arg };
	x->request.path = arena_strdup(x->arena, q->path);
	x->request.query = arena_strdup(x->arena, q->query);
	if (q->body != NULL) {
		x->body = json_dumps(q->body, JSON_COMPACT);
		x->body_len = x->body != NULL ? strlen(x->body) : 0;
	}
	fill_headers(x, q);
	int64_t patience = cli_given(cl->cli, "retry-for") ? cl->cli->opt.retry_us : x->change ? CHANGE_PATIENCE : READ_PATIENCE;
	x->deadline = mono_add(clock_mono(&clock_real), patience);
	timer_init(&x->pause, cl->cli->loop, on_pause_over, x);
	timer_set(&x->pause, 0);
	return x;
}

void client_cancel(struct exchange *x) {
	x->cancelled = true;
	if (x->fetch != NULL)
		fetch_cancel(x->fetch);
	else
		timer_set(&x->pause, 0);
}

struct waiter {
	struct loop *loop;
	struct reply *reply;
	struct err *err;
};

static void on_called(void *arg, struct reply *r, const struct err *err) {
	struct waiter *w = arg;
	if (err != NULL)
		*w->err = *err;
	if (w->reply != NULL) {
		*w->reply = *r;
		*r = (struct reply){ 0 };
	}
	loop_stop(w->loop);
}

int client_call(struct client *cl, const struct request *q, struct reply *ret, struct err *err) {
	struct waiter w = { .loop = cl->cli->loop, .reply = ret, .err = err };
	if (ret != NULL)
		*ret = (struct reply){ 0 };
	*err = ERR_INIT;
	client_start(cl, q, on_called, &w);
	loop_run(cl->cli->loop);
	return err->code;
}

struct prober {
	struct loop *loop;
	struct probe *probe;
	struct err *err;
};

static void on_probed(void *arg, const struct fetch_result *res, const struct err *failed) {
	struct prober *p = arg;
	if (failed != NULL) {
		*p->err = *failed;
	} else {
		*p->probe = (struct probe){ .status = res->status, .elapsed_us = res->elapsed_us };
		snprintf(p->probe->date, sizeof p->probe->date, "%s", res->date != NULL ? res->date : "");
		snprintf(p->probe->text, sizeof p->probe->text, "%s", res->body);
	}
	loop_stop(p->loop);
}

int client_probe(struct client *cl, size_t i, const char *path, struct probe *ret, struct err *err) {
	struct prober p = { .loop = cl->cli->loop, .probe = ret, .err = err };
	struct fetch_spec spec = { .method = "GET",
		.url = arena_printf(cl->arena, "%s%s", cl->addresses[i], path),
		.connect_us = CONNECT_TIMEOUT,
		.total_us = 5 * US_PER_S };
	identify(cl, &spec);
	*err = ERR_INIT;
	fetch_start(cl->fetcher, &spec, on_probed, &p);
	loop_run(cl->cli->loop);
	return err->code;
}

static int on_stream_piece(void *arg, int status, const void *p, size_t n) {
	struct stream *s = arg;
	if (status >= 200 && status <= 299)
		return s->on_piece(s->arg, p, n);
	buf_add(&s->refused, p, n);
	return 0;
}

static void on_stream_done(void *arg, const struct fetch_result *res, const struct err *failed) {
	struct stream *s = arg;
	struct err e = ERR_INIT;
	if (failed != NULL) {
		e = *failed;
	} else if (res->status < 200 || res->status > 299) {
		JSON_AUTO problem = json_loadb(buf_str(&s->refused), s->refused.len, 0, NULL);
		problem_to_err(problem, res->status, buf_str(&s->refused), &e);
		keep_problem(s->client, problem);
	}
	s->done(s->arg, e.code != 0 ? &e : NULL);
	buf_deinit(&s->refused);
	arena_free(s->arena);
	free(s);
}

struct stream *client_stream(struct client *cl, const struct request *q, int (*on_piece)(void *arg, const char *p, size_t n),
    void (*done)(void *arg, const struct err *err), void *arg) {
	struct stream *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	*s = (struct stream){ .client = cl, .arena = arena_new(), .on_piece = on_piece, .done = done, .arg = arg };
	buf_init(&s->refused, 64 << 10);
	const char *const headers[] = { arena_printf(s->arena, "Accept: %s", q->accept != NULL ? q->accept : "text/event-stream"),
		cl->authorization, NULL };
	struct fetch_spec spec = {
		.method = "GET",
		.url = request_url(cl, q, s->arena),
		.headers = headers,
		.connect_us = CONNECT_TIMEOUT,
		.idle_us = q->quiet ? 0 : 60 * US_PER_S, /* streams of events bring a comment more often than that */
		.on_body = on_stream_piece,
	};
	identify(cl, &spec);
	s->fetch = fetch_start(cl->fetcher, &spec, on_stream_done, s);
	return s;
}

void client_stream_cancel(struct stream *s) {
	fetch_cancel(s->fetch);
}

static bool next_page(const json_t *page, struct buf *query, const char *fixed) {
	const char *cursor = field_str(page, "nextCursor");
	buf_clear(query);
	buf_add_str(query, fixed);
	query_add(query, "cursor", cursor);
	return *cursor != '\0';
}

int client_list(struct client *cl, const char *path, const char *query, const char *key, bool pages, json_t **ret, struct err *err) {
	BUF_AUTO fixed = BUF_INIT;
	BUF_AUTO full = BUF_INIT;
	buf_add_str(&fixed, query != NULL ? query : "");
	query_add_int(&fixed, "limit", pages ? PAGE : 0);
	buf_add_str(&full, buf_str(&fixed));
	json_t *all = json_array();
	for (bool more = true; more;) {
		REPLY_AUTO r = { 0 };
		struct request q = { .method = "GET", .path = path, .query = buf_str(&full) };
		if (client_call(cl, &q, &r, err) != 0) {
			json_decref(all);
			return err->code;
		}
		json_t *items = json_object_get(r.json, key);
		if (json_is_array(items))
			json_array_extend(all, items);
		more = pages && next_page(r.json, &full, buf_str(&fixed));
	}
	*ret = all;
	return 0;
}
