#include "drive/offer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "loop/fetch.h"

#define GOOD_US (60 * US_PER_S)
#define LOOK_US (30 * US_PER_S) /* a large one comes from the ledger first */
#define CONNECT_US (3 * US_PER_S)
#define MAX_KEPT 1000

static const char mark[4] = { 'P', 'K', 3, 4 };

struct waiter {
	offer_fn fn;
	void *arg;
	int64_t id;
	TAILQ_ENTRY(waiter) link;
};

struct offer {
	struct offers *offers; /* NULL: nobody is there any more */
	char *key;
	struct fetch *fetch; /* a look is under way */
	mono_t good_until;
	char first[sizeof mark];
	size_t n;
	TAILQ_HEAD(, waiter) waiters;
	UT_hash_handle hh;
};

struct offers {
	struct fetcher *fetcher;
	struct offer *by_key;
};

static mono_t now(void) {
	return clock_mono(&clock_real);
}

static void offer_free(struct offer *x) {
	struct waiter *w;
	while ((w = TAILQ_FIRST(&x->waiters)) != NULL) {
		TAILQ_REMOVE(&x->waiters, w, link);
		free(w);
	}
	free(x->key);
	free(x);
}

struct offers *offers_new(struct fetcher *f) {
	struct offers *o = calloc(1, sizeof *o);
	if (o == NULL)
		abort();
	o->fetcher = f;
	return o;
}

void offers_free(struct offers *o) {
	struct offer *x, *next;
	if (o == NULL)
		return;
	HASH_ITER(hh, o->by_key, x, next) {
		HASH_DEL(o->by_key, x);
		x->offers = NULL;
		if (x->fetch != NULL)
			fetch_cancel(x->fetch); /* it goes with the answer */
		else
			offer_free(x);
	}
	free(o);
}

void offers_forget(struct offers *o, const void *arg) {
	struct offer *x, *next;
	struct waiter *w, *after;
	HASH_ITER(hh, o->by_key, x, next)
		for (w = TAILQ_FIRST(&x->waiters); w != NULL; w = after) {
			after = TAILQ_NEXT(w, link);
			if (w->arg != arg)
				continue;
			TAILQ_REMOVE(&x->waiters, w, link);
			free(w);
		}
}

/* ---- looking ------------------------------------------------------------------------------------------------------------------------- */

/* Whoever does not know ranges sends the whole: the beginning is enough. */
static int on_bytes(void *arg, int status, const void *p, size_t n) {
	struct offer *x = arg;
	size_t room = sizeof x->first - x->n, take = n < room ? n : room;
	if (status != 200 && status != 206)
		return 0;
	memcpy(x->first + x->n, p, take);
	x->n += take;
	return x->n == sizeof x->first && status == 200;
}

static const char *judge(const struct offer *x, const struct fetch_result *res, const struct err *err, struct arena *a) {
	if (x->n == sizeof mark && memcmp(x->first, mark, sizeof mark) == 0)
		return NULL;
	if (x->n == sizeof mark)
		return "what is served there is no jar";
	if (err != NULL)
		return arena_printf(a, "it cannot be fetched by the base: %s", err->text);
	return arena_printf(a, "it cannot be fetched by the base: its server answers %d", res->status);
}

static void on_look(void *arg, const struct fetch_result *res, const struct err *err) {
	struct offer *x = arg;
	ARENA_AUTO a = arena_new();
	struct waiter *w;
	x->fetch = NULL;
	if (x->offers == NULL) {
		offer_free(x);
		return;
	}
	const char *why = judge(x, res, err, a);
	x->good_until = why == NULL ? mono_add(now(), GOOD_US) : (mono_t){ 0 };
	while ((w = TAILQ_FIRST(&x->waiters)) != NULL) {
		TAILQ_REMOVE(&x->waiters, w, link);
		w->fn(w->arg, w->id, why);
		free(w);
	}
}

static void look(struct offer *x, const char *url) {
	static const char *const headers[] = { "Range: bytes=0-3", NULL };
	struct fetch_spec f = { .method = "GET",
		.url = url,
		.headers = headers,
		.connect_us = CONNECT_US,
		.total_us = LOOK_US,
		.insecure = true, /* whether the base trusts it is the base's to say */
		.on_body = on_bytes };
	x->n = 0;
	x->fetch = fetch_start(x->offers->fetcher, &f, on_look, x);
}

/* What nobody waits for goes when there is too much of it. */
static void trim(struct offers *o) {
	struct offer *x, *next;
	if (HASH_COUNT(o->by_key) < MAX_KEPT)
		return;
	HASH_ITER(hh, o->by_key, x, next) {
		if (x->fetch != NULL)
			continue;
		HASH_DEL(o->by_key, x);
		offer_free(x);
	}
}

static struct offer *offer_get(struct offers *o, const char *key) {
	struct offer *x;
	HASH_FIND_STR(o->by_key, key, x);
	if (x != NULL)
		return x;
	trim(o);
	x = calloc(1, sizeof *x);
	if (x == NULL || (x->key = strdup(key)) == NULL)
		abort();
	x->offers = o;
	TAILQ_INIT(&x->waiters);
	HASH_ADD_KEYPTR(hh, o->by_key, x->key, strlen(x->key), x);
	return x;
}

void offer_check(struct offers *o, const char *key, const char *url, offer_fn fn, void *arg, int64_t id) {
	struct offer *x = offer_get(o, key);
	if (mono_before(now(), x->good_until)) {
		fn(arg, id, NULL);
		return;
	}
	struct waiter *w = calloc(1, sizeof *w);
	if (w == NULL)
		abort();
	*w = (struct waiter){ .fn = fn, .arg = arg, .id = id };
	TAILQ_INSERT_TAIL(&x->waiters, w, link);
	if (x->fetch == NULL)
		look(x, url);
}
