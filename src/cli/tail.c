/* Events one after another. Runs the loop only inside tail_next(); what arrives meanwhile is kept in order. */
#include "cli/tail.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/problem.h"
#include "cli/query.h"
#include "cli/sse.h"
#include "loop/loop.h"

#define FIRST_BACKOFF (100 * US_PER_MS)
#define MAX_BACKOFF (2 * US_PER_S)

struct tail {
	struct cli *cli;
	struct client *client;
	char *filters;
	int64_t after, backoff_us;
	struct sse sse;
	struct stream *stream;
	struct timer reopen, limit;
	json_t *queue;
	bool closing, waiting, late, said;
	struct err fatal;
};

static void wake(struct tail *t) {
	if (t->waiting)
		loop_stop(t->cli->loop);
}

static int on_event(void *arg, const char *id, const char *name, const char *data, size_t n) {
	struct tail *t = arg;
	json_t *event = json_loadb(data, n, 0, NULL);
	int64_t number = field_int(event, "number", 0);
	if (strcmp(name, "error") == 0 && strcmp(field_str(event, "code"), "gone") == 0)
		problem_to_err(event, 410, "", &t->fatal);
	if (number > t->after) {
		t->after = number;
		json_array_append(t->queue, event);
		wake(t);
	}
	json_decref(event);
	return 0;
}

static int on_piece(void *arg, const char *p, size_t n) {
	struct tail *t = arg;
	t->backoff_us = FIRST_BACKOFF;
	t->said = false;
	return t->closing ? -1 : sse_feed(&t->sse, p, n);
}

static void on_stream_done(void *arg, const struct err *err) {
	struct tail *t = arg;
	t->stream = NULL;
	if (t->closing) {
		loop_stop(t->cli->loop);
		return;
	}
	if (err != NULL && err_http(err->code) < 500 && err->code != E_TOO_MANY && err->code != E_IO) {
		t->fatal = *err;
		wake(t);
		return;
	}
	if (err != NULL && !t->said && t->backoff_us > FIRST_BACKOFF) {
		t->said = true;
		cli_say(t->cli, "the stream of events broke off; trying to go on with it");
	}
	if (err != NULL)
		client_rotate(t->client);
	timer_set(&t->reopen, t->backoff_us);
	t->backoff_us = t->backoff_us * 2 < MAX_BACKOFF ? t->backoff_us * 2 : MAX_BACKOFF;
}

static void start_stream(void *arg) {
	struct tail *t = arg;
	BUF_AUTO query = BUF_INIT;
	buf_add_str(&query, t->filters);
	query_add_int(&query, "after", t->after);
	struct request q = { .method = "GET", .path = "/v1/events:watch", .query = buf_str(&query) };
	sse_restart(&t->sse);
	t->stream = client_stream(t->client, &q, on_piece, on_stream_done, t);
}

static void on_limit(void *arg) {
	struct tail *t = arg;
	t->late = true;
	wake(t);
}

/* Without a number to start from, the newest one: what was before is not asked for. */
static int find_start(struct tail *t, struct err *err) {
	REPLY_AUTO r = { 0 };
	struct request q = { .method = "GET", .path = "/v1/status" };
	int e = t->after > 0 ? 0 : client_call(t->client, &q, &r, err);
	if (e == 0 && t->after == 0)
		t->after = field_int(r.json, "lastEvent", 0);
	return e;
}

int tail_open(struct cli *c, const char *query, int64_t after, struct tail **ret, struct err *err) {
	struct tail *t = calloc(1, sizeof *t);
	if (t == NULL || (t->filters = strdup(query)) == NULL)
		abort();
	t->cli = c;
	t->after = after;
	t->backoff_us = FIRST_BACKOFF;
	t->queue = json_array();
	sse_init(&t->sse, on_event, t);
	int r = cli_client(c, &t->client, err);
	if (r == 0) {
		timer_init(&t->reopen, c->loop, start_stream, t);
		timer_init(&t->limit, c->loop, on_limit, t);
		r = find_start(t, err);
	}
	if (r != 0) {
		tail_close(t);
		return r;
	}
	start_stream(t);
	*ret = t;
	return 0;
}

int tail_next(struct tail *t, int64_t timeout_us, json_t **ret, struct err *err) {
	*ret = NULL;
	t->late = false;
	if (timeout_us >= 0)
		timer_set(&t->limit, timeout_us);
	while (json_array_size(t->queue) == 0 && !t->late && t->fatal.code == 0) {
		t->waiting = true;
		loop_run(t->cli->loop);
		t->waiting = false;
	}
	timer_cancel(&t->limit);
	if (t->fatal.code != 0 && json_array_size(t->queue) == 0) {
		*err = t->fatal;
		return err->code;
	}
	if (json_array_size(t->queue) > 0) {
		*ret = json_incref(json_array_get(t->queue, 0));
		json_array_remove(t->queue, 0);
	}
	return 0;
}

void tail_close(struct tail *t) {
	if (t == NULL)
		return;
	t->closing = true;
	if (t->stream != NULL) {
		client_stream_cancel(t->stream);
		loop_run(t->cli->loop);
	}
	if (t->reopen.loop != NULL) {
		timer_deinit(&t->reopen);
		timer_deinit(&t->limit);
	}
	sse_deinit(&t->sse);
	json_decref(t->queue);
	free(t->filters);
	free(t);
}
