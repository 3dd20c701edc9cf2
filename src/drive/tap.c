/* A reader that stops inside its own callback leaves the list at once and its memory after the callback. */
#include "drive/tap.h"

#include <stdlib.h>

#include "base/err.h"

struct tap {
	LIST_ENTRY(tap) link;
	struct taps *taps;
	int64_t id;
	driver_logs_fn fn;
	void *arg;
	bool over, calling;
};

void taps_init(struct taps *ts, void (*ask)(void *, const Berth__V1__LogRequest *), void *arg) {
	*ts = (struct taps){ .ask = ask, .arg = arg };
	LIST_INIT(&ts->open);
}

static void detach(struct tap *t) {
	if (t->over)
		return;
	t->over = true;
	LIST_REMOVE(t, link);
	t->taps->n--;
}

static void call(struct tap *t, const void *p, size_t n, bool eof, const struct err *err) {
	if (eof || err != NULL)
		detach(t);
	t->calling = true;
	t->fn(t->arg, p, n, eof, err);
	t->calling = false;
	if (t->over)
		free(t);
}

struct tap *tap_open(struct taps *ts, int64_t id, int64_t bytes, bool follow, driver_logs_fn fn, void *arg) {
	struct tap *t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	*t = (struct tap){ .taps = ts, .id = id, .fn = fn, .arg = arg };
	LIST_INSERT_HEAD(&ts->open, t, link);
	ts->n++;
	Berth__V1__LogRequest r = BERTH__V1__LOG_REQUEST__INIT;
	r.has_id = r.has_bytes = r.has_follow = true;
	r.id = id;
	r.bytes = bytes;
	r.follow = follow;
	ts->ask(ts->arg, &r);
	return t;
}

void tap_stop(struct tap *t) {
	if (t->over)
		return;
	struct taps *ts = t->taps;
	Berth__V1__LogRequest r = BERTH__V1__LOG_REQUEST__INIT;
	r.has_id = r.has_stop = true;
	r.id = t->id;
	r.stop = true;
	detach(t);
	if (!t->calling)
		free(t);
	ts->ask(ts->arg, &r);
}

void taps_chunk(struct taps *ts, const Berth__V1__LogChunk *c) {
	struct tap *t;
	LIST_FOREACH(t, &ts->open, link)
		if (t->id == c->id)
			break;
	if (t != NULL)
		call(t, c->data.data, c->data.len, c->eof, NULL);
}

void taps_end(struct taps *ts) {
	struct err err;
	err_set(&err, E_UNAVAILABLE, "the base's agent is not connected any more");
	while (!LIST_EMPTY(&ts->open))
		call(LIST_FIRST(&ts->open), NULL, 0, false, &err);
}
