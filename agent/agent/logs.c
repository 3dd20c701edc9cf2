/* Each request is a reader of the output; pieces go out while the link has room. The server's sends come first: a log that is read
 * faster than it can be sent must not delay an outcome. */
#include "logs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "link.h"
#include "loop/loop.h"
#include "output.h"
#include "state.h"

#define MAX_READERS 16
#define PIECE (32 * 1024)
#define MAX_PIECES 8 /* per reader and turn */

struct tap {
	LIST_ENTRY(tap) link;
	struct logs *logs;
	struct reader *reader;
	struct deferred pump;
	int64_t id;
	bool follow;
};

struct logs {
	struct loop *loop;
	struct output *output;
	struct link *link;
	unsigned n;
	LIST_HEAD(, tap) taps;
};

static void send_piece(struct logs *g, int64_t id, const void *p, size_t n, bool eof, bool truncated) {
	Berth__V1__LogChunk c = BERTH__V1__LOG_CHUNK__INIT;
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	keep_int(&c, id, id);
	keep_int(&c, eof, eof);
	keep_int(&c, truncated, truncated);
	c.has_data = n > 0;
	c.data.data = (uint8_t *)(uintptr_t)p;
	c.data.len = n;
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_LOG;
	m.log = &c;
	link_send(g->link, &m);
}

static void tap_free(struct tap *t) {
	LIST_REMOVE(t, link);
	t->logs->n--;
	deferred_deinit(&t->pump);
	reader_free(t->reader);
	free(t);
}

static void pump(void *arg) {
	struct tap *t = arg;
	struct logs *g = t->logs;
	char buf[PIECE];
	for (int i = 0; i < MAX_PIECES; i++) {
		if (link_queued(g->link) > LINK_HIGH)
			return; /* logs_drained() goes on */
		size_t n = reader_read(t->reader, buf, sizeof buf);
		if (n > 0)
			send_piece(g, t->id, buf, n, false, false);
		else if (t->follow)
			return; /* the next line goes on */
		else {
			send_piece(g, t->id, NULL, 0, true, false);
			tap_free(t);
			return;
		}
	}
	deferred_schedule(&t->pump);
}

static void more(void *arg) {
	struct tap *t = arg;
	deferred_schedule(&t->pump);
}

static struct tap *tap_find(struct logs *g, int64_t id) {
	struct tap *t;
	LIST_FOREACH(t, &g->taps, link)
		if (t->id == id)
			return t;
	return NULL;
}

void logs_request(struct logs *g, const Berth__V1__LogRequest *q) {
	struct tap *t = tap_find(g, q->id);
	if (q->stop) {
		if (t != NULL)
			tap_free(t);
		return;
	}
	if (t != NULL)
		return;
	if (g->output == NULL || g->n >= MAX_READERS) {
		send_piece(g, q->id, NULL, 0, true, g->output != NULL);
		return;
	}
	t = calloc(1, sizeof *t);
	if (t == NULL)
		abort();
	t->logs = g;
	t->id = q->id;
	t->follow = q->follow;
	int64_t bytes = q->bytes <= 0 ? 64 * 1024 : q->bytes < OUTPUT_CAP ? q->bytes : OUTPUT_CAP;
	deferred_init(&t->pump, g->loop, pump, t);
	t->reader = reader_new(g->output, bytes, more, t);
	LIST_INSERT_HEAD(&g->taps, t, link);
	g->n++;
	deferred_schedule(&t->pump);
}

void logs_drained(struct logs *g) {
	struct tap *t;
	LIST_FOREACH(t, &g->taps, link)
		deferred_schedule(&t->pump);
}

void logs_stop_all(struct logs *g) {
	struct tap *t;
	while ((t = LIST_FIRST(&g->taps)) != NULL)
		tap_free(t);
}

struct logs *logs_new(struct loop *l, struct output *o, struct link *k) {
	struct logs *g = calloc(1, sizeof *g);
	if (g == NULL)
		abort();
	g->loop = l;
	g->output = o;
	g->link = k;
	return g;
}

void logs_free(struct logs *g) {
	if (g == NULL)
		return;
	logs_stop_all(g);
	free(g);
}
