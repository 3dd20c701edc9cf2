/* Questions of plans and hooks, by libcurl on the loop: short, small, and to nobody but whom the plan names. */
#include "server/outbound.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "loop/fetch.h"

#define CONNECT_US (5 * US_PER_S)
#define TOTAL_US (10 * US_PER_S)
#define MAX_ANSWER 16384
#define MAX_WORDS 120
#define MAX_RETRY_AFTER 3600

struct http {
	struct outbound o;
	struct fetcher *fetcher;
	struct request *requests;
};

struct request {
	struct http *http;
	struct fetch *fetch;
	outbound_done done;
	void *arg;
	bool told, asks; /* asks: a POST, whose words people see */
	struct request *next;
};

/* One line, without what a terminal would act on. */
static void first_words(const char *text, size_t n, char ret[MAX_WORDS + 1]) {
	size_t k = 0;
	for (; text != NULL && k < n && k < MAX_WORDS && text[k] != '\n' && text[k] != '\0'; k++)
		ret[k] = (unsigned char)text[k] < 0x20 || text[k] == 0x7f || text[k] == '"' || text[k] == '\\' ? ' ' : text[k];
	ret[k] = '\0';
	json_t *valid = json_stringn(ret, k);
	for (size_t i = 0; valid == NULL && i < k; i++) /* no UTF-8, or cut in the middle: it could not be stored */
		ret[i] = (unsigned char)ret[i] < 0x80 ? ret[i] : '?';
	json_decref(valid);
}

static int64_t retry_after(const char *text) {
	char *end = NULL;
	long long s = text == NULL ? 0 : strtoll(text, &end, 10);
	if (end == NULL || end == text || *end != '\0' || s <= 0)
		return 0;
	return (s > MAX_RETRY_AFTER ? MAX_RETRY_AFTER : s) * US_PER_S;
}

static void unlink_request(struct request *r) {
	struct request **at = &r->http->requests;
	while (*at != NULL && *at != r)
		at = &(*at)->next;
	if (*at == r)
		*at = r->next;
}

static void tell(struct request *r, const struct outbound_answer *a) {
	if (r->told)
		return;
	r->told = true;
	r->done(r->arg, a);
}

static void on_done(void *arg, const struct fetch_result *res, const struct err *err) {
	struct request *r = arg;
	char words[MAX_WORDS + 1] = "";
	struct outbound_answer a = { .status = err == NULL ? res->status : 0, .text = words };
	if (err != NULL)
		first_words(err->text, strlen(err->text), words);
	else if (r->asks)
		first_words(res->body, res->body_len, words);
	if (err == NULL)
		a.retry_after_us = retry_after(res->retry_after);
	unlink_request(r);
	tell(r, &a);
	free(r);
}

static const char *key_header(const char *key, char *ret, size_t size) {
	snprintf(ret, size, "Idempotency-Key: %s", key);
	return ret;
}

static const char *signature_header(const struct outbound_request *q, char *ret, size_t size) {
	char signature[SIGNATURE_SIZE];
	signature_make(q->secret, clock_wall(&clock_real).us / US_PER_S, q->body, strlen(q->body), signature);
	snprintf(ret, size, "Berth-Signature: %s", signature);
	return ret;
}

static void http_start(struct outbound *o, const struct outbound_request *q, outbound_done done, void *arg) {
	struct http *h = (struct http *)(void *)o;
	char key[200], signature[200];
	const char *headers[5] = { "Content-Type: application/json", "User-Agent: berthd" };
	size_t n = 2;
	if (q->key != NULL)
		headers[n++] = key_header(q->key, key, sizeof key);
	if (q->secret != NULL && q->body != NULL)
		headers[n++] = signature_header(q, signature, sizeof signature);
	struct request *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	*r = (struct request){ .http = h, .done = done, .arg = arg, .asks = q->body != NULL, .next = h->requests };
	h->requests = r;
	struct fetch_spec spec = { .method = q->method,
		.url = q->url,
		.headers = headers,
		.body = q->body,
		.body_len = q->body == NULL ? 0 : strlen(q->body),
		.connect_us = CONNECT_US,
		.total_us = q->timeout_us > 0 ? q->timeout_us : TOTAL_US,
		.max_body = MAX_ANSWER,
		.no_redirect = true };
	r->fetch = fetch_start(h->fetcher, &spec, on_done, r);
}

static void http_cancel_all(struct outbound *o) {
	struct http *h = (struct http *)(void *)o;
	static const struct outbound_answer ended = { .text = "the server stops" };
	for (struct request *r = h->requests; r != NULL; r = r->next) {
		tell(r, &ended);
		fetch_cancel(r->fetch);
	}
}

static const struct outbound_ops ops = { .start = http_start, .cancel_all = http_cancel_all };

struct outbound *outbound_new(struct fetcher *f) {
	struct http *h = calloc(1, sizeof *h);
	if (h == NULL)
		abort();
	h->o.ops = &ops;
	h->fetcher = f;
	return &h->o;
}

void outbound_free(struct outbound *o) {
	free(o);
}
