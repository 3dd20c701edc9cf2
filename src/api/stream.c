/* Event streams: catch up from the ledger, then follow the commits, without gap or double.
 *
 * Everything up to `scanned` was delivered or filtered out. While behind, pages are read up to a number known to be committed; live events
 * are taken only when they follow `scanned` directly, otherwise the stream reads on. So a slow client, a reload of the model and a burst
 * are all the same case: being behind. Nothing is buffered here. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"

#define PAGE 500

struct stream {
	struct api_op *op;
	struct event_filter filter;
	int64_t scanned, target;
	enum stream_end end;
	bool reading, live, ended;
	struct arena *arena; /* of the message being sent */
	TAILQ_ENTRY(stream) link;
};

static bool same(const char *want, const char *have) {
	return want == NULL || (have != NULL && strcmp(want, have) == 0);
}

bool event_matches(const struct event_filter *f, const struct row_event *e) {
	return (f->tenant_id == 0 || e->tenant_id == f->tenant_id) && (f->plan == 0 || e->plan_id == f->plan) && same(f->actor, e->actor) &&
	       same(f->module, e->module) && same(f->base, e->base) && same(f->deployment, e->deployment) && same(f->kind, e->kind) &&
	       (f->since.us == 0 || e->at.us >= f->since.us) && (f->until.us == 0 || e->at.us < f->until.us);
}

void event_read(struct ledger_read *r, const struct event_filter *f) {
	r->query = QUERY_EVENTS;
	r->tenant_id = f->tenant_id;
	r->plan_id = f->plan;
	r->actor = f->actor;
	r->module = f->module;
	r->base = f->base;
	r->deployment = f->deployment;
	r->kind = f->kind;
	r->since = f->since;
	r->until = f->until;
}

static bool ends_plan(const struct row_event *e) {
	int state;
	return e->kind != NULL && strncmp(e->kind, "plan.", 5) == 0 && word_value(WORD_PLAN, e->kind + 5, &state) &&
	       word_terminal(WORD_PLAN, state);
}

/* False: the stream is over or must pause; the caller touches it no more when it is over. */
static bool deliver(struct stream *s, const struct row_event *e) {
	struct api_op *op = s->op;
	struct api_call *call = op->call;
	s->scanned = e->number;
	if (!event_matches(&s->filter, e))
		return true;
	arena_reset(s->arena);
	call->done(call, (const ProtobufCMessage *)view_event(op->who.tenant, e, s->arena), 200, NULL, true, NULL);
	if (s->end == STREAM_UNTIL_PLAN_ENDS && ends_plan(e))
		s->ended = true;
	return !s->ended && !call->paused;
}

static void stream_read(struct stream *s);

static void stream_close(struct stream *s) {
	op_answer(s->op); /* reply NULL, err NULL: the end */
}

static void settle(struct stream *s) {
	if (s->ended) {
		stream_close(s);
		return;
	}
	if (s->op->call->paused)
		return; /* stream_more reads on */
	if (s->scanned < s->op->api->committed)
		stream_read(s);
	else if (s->end == STREAM_WHAT_IS_THERE)
		stream_close(s);
	else
		s->live = true;
}

static void page_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	struct stream *s = op->stream;
	s->reading = false;
	if (err != NULL) {
		op_fail(op, err);
		return;
	}
	bool full = rows->n == PAGE, going = true;
	for (size_t i = 0; i < rows->n && going && !op->cancelled; i++)
		going = deliver(s, rows->rows[i]);
	arena_free(rows->arena);
	if (op->cancelled)
		return;
	if (going && !full && s->target > s->scanned)
		s->scanned = s->target;
	settle(s);
}

static void stream_read(struct stream *s) {
	if (s->reading)
		return;
	s->live = false;
	s->reading = true;
	s->target = s->op->api->committed;
	struct ledger_read spec = { .after = s->scanned, .before = s->target, .limit = PAGE };
	event_read(&spec, &s->filter);
	history_read(s->op, &spec, page_arrived);
}

static void begin(struct stream *s) {
	if (s->op->call->began != NULL)
		s->op->call->began(s->op->call);
	settle(s);
}

/* The event right after the one the client has seen must still be there, else what came between is lost to it. */
static void age_known(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	struct stream *s = op->stream;
	s->reading = false;
	bool gone = err == NULL && (rows->n == 0 || ((const struct row_event *)rows->rows[0])->number != s->scanned + 1);
	int64_t oldest = err == NULL && rows->n > 0 ? ((const struct row_event *)rows->rows[0])->number : s->target + 1;
	if (rows != NULL)
		arena_free(rows->arena);
	struct err why = ERR_INIT;
	if (gone)
		err_set(&why, E_GONE,
		    "events after %" PRId64 " are no longer kept; the oldest is %" PRId64 "; read the state, then watch without a number",
		    s->scanned, oldest);
	if (err != NULL || gone)
		op_fail(op, err != NULL ? err : &why);
	else
		begin(s);
}

static void check_age(struct stream *s) {
	s->reading = true;
	s->target = s->op->api->committed;
	struct ledger_read spec = { .query = QUERY_EVENTS, .after = s->scanned, .before = s->target, .limit = 1 };
	history_read(s->op, &spec, age_known);
}

static bool admit(struct api_op *op, int64_t after) {
	struct api *a = op->api;
	struct err err = ERR_INIT;
	if (a->draining)
		err_set(&err, E_UNAVAILABLE, "this server is stopping; watch again, another one takes over");
	else if (a->n_streams >= a->config.max_streams)
		err_set(&err, E_TOO_MANY, "%u event streams are open, which is the most this server keeps", a->n_streams);
	else if (after > a->committed)
		err_field(&err, E_INVALID, "/after", "event %" PRId64 " does not exist yet; the last one is %" PRId64, after, a->committed);
	if (err.code != 0)
		op_fail(op, &err);
	return err.code == 0;
}

void stream_start(struct api_op *op, const struct event_filter *f, int64_t after, bool age, enum stream_end end) {
	if (!admit(op, after))
		return;
	struct stream *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	*s = (struct stream){ .op = op, .filter = *f, .scanned = after, .end = end, .arena = arena_new() };
	op->stream = s;
	TAILQ_INSERT_TAIL(&op->api->streams, s, link);
	op->api->n_streams++;
	if (age && after < op->api->committed)
		check_age(s);
	else
		begin(s);
}

void stream_cancel(struct api_op *op) {
	struct stream *s = op->stream;
	if (s == NULL)
		return;
	op->stream = NULL;
	TAILQ_REMOVE(&op->api->streams, s, link);
	op->api->n_streams--;
	arena_free(s->arena);
	free(s);
}

void stream_more(struct api_op *op) {
	op->call->paused = false;
	if (!op->stream->reading && !op->cancelled)
		settle(op->stream);
}

static void follow(struct stream *s, const struct row_event *const *events, size_t n) {
	if (events[0]->number > s->scanned + 1) { /* a reload, or a pause: the ledger knows what came between */
		stream_read(s);
		return;
	}
	bool going = true;
	for (size_t i = 0; i < n && going && !s->op->cancelled; i++)
		if (events[i]->number > s->scanned)
			going = deliver(s, events[i]);
	if (!going)
		s->live = false;
	if (s->ended && !s->op->cancelled)
		stream_close(s);
}

void streams_notify(struct api *a, const struct row_event *const *events, size_t n) {
	for (struct stream *s = TAILQ_FIRST(&a->streams), *next; n > 0 && s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->live && !s->op->cancelled)
			follow(s, events, n);
	}
}

void streams_end(struct api *a) {
	while (!TAILQ_EMPTY(&a->streams))
		stream_close(TAILQ_FIRST(&a->streams));
}
