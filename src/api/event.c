/* Events: pages of history and streams. */
#include <inttypes.h>

#include "api/call.h"

#define DEFAULT_LIMIT 50
#define MAX_LIMIT 1000

static const char *given(const char *s) {
	return s != NULL && *s != '\0' ? s : NULL;
}

static void filter_of(const struct api_op *op, const Berth__V1__ListEventsRequest *r, struct event_filter *ret) {
	*ret = (struct event_filter){ .tenant_id = op->who.tenant_id,
		.plan = r->has_plan ? r->plan : 0,
		.actor = given(r->actor),
		.module = given(r->module),
		.base = given(r->base),
		.deployment = given(r->deployment),
		.kind = given(r->kind),
		.since = pb_time_wall(r->since),
		.until = pb_time_wall(r->until) };
}

static const Berth__V1__ListEventsRequest *request(const struct api_op *op) {
	return (const Berth__V1__ListEventsRequest *)op->call->request;
}

static int64_t limit_of(const Berth__V1__ListEventsRequest *r) {
	return r->has_limit ? r->limit : DEFAULT_LIMIT;
}

static void listed(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (err != NULL) {
		op_fail(op, err);
		return;
	}
	const Berth__V1__ListEventsRequest *r = request(op);
	Berth__V1__ListEventsReply *m = PB_NEW(Berth__V1__ListEventsReply, berth__v1__list_events_reply, op->kept);
	m->events = arena_alloc(op->kept, (rows->n + 1) * sizeof *m->events);
	for (size_t i = 0; i < rows->n; i++)
		m->events[m->n_events++] = view_event(op->who.tenant, rows->rows[i], op->kept);
	if (rows->n > 0 && (int64_t)rows->n == limit_of(r))
		PUT(m, next_after, m->events[rows->n - 1]->number);
	arena_free(rows->arena);
	op->reply = (ProtobufCMessage *)m;
	op_answer(op);
}

static void list_read(struct api_op *op) {
	const Berth__V1__ListEventsRequest *r = request(op);
	struct event_filter f;
	filter_of(op, r, &f);
	bool newest = r->has_newest_first && r->newest_first;
	struct ledger_read spec = { .limit = limit_of(r), .newest_first = newest };
	event_read(&spec, &f);
	/* newest first, "after" is where the page before ended: the numbers go down from there */
	if (newest)
		spec.before = r->has_after && r->after > 0 ? r->after - 1 : 0;
	else
		spec.after = r->has_after ? r->after : 0;
	history_read(op, &spec, listed);
}

static void list_age_known(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	const Berth__V1__ListEventsRequest *r = request(op);
	struct err why = ERR_INIT;
	if (err == NULL && rows->n > 0) {
		int64_t oldest = ((const struct row_event *)rows->rows[0])->number;
		if (oldest != r->after + 1)
			err_set(&why, E_GONE, "events after %" PRId64 " are no longer kept; the oldest is %" PRId64, r->after, oldest);
	}
	if (rows != NULL)
		arena_free(rows->arena);
	if (err != NULL || why.code != 0)
		op_fail(op, err != NULL ? err : &why);
	else
		list_read(op);
}

static void list_check_age(struct api_op *op) {
	struct ledger_read spec = { .query = QUERY_EVENTS, .after = request(op)->after, .limit = 1 };
	history_read(op, &spec, list_age_known);
}

static int check(const Berth__V1__ListEventsRequest *r, struct err *err) {
	if (r->has_after && r->after < 0)
		return err_field(err, E_INVALID, "/after", "after must not be negative");
	if (r->has_limit && (r->limit < 1 || r->limit > MAX_LIMIT))
		return err_field(err, E_INVALID, "/limit", "limit must be between 1 and %d", MAX_LIMIT);
	return 0;
}

int op_event_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListEventsRequest *r = request(op);
	bool resumes = r->has_after && r->after > 0 && !(r->has_newest_first && r->newest_first);
	op->then = resumes ? list_check_age : list_read;
	int64_t last = fleet_last_event(op->fleet);
	if (resumes && r->after > last)
		return err_field(
		    err, E_INVALID, "/after", "event %" PRId64 " does not exist yet; the last one is %" PRId64, r->after, last);
	return check(r, err);
}

static void watch(struct api_op *op) {
	const Berth__V1__ListEventsRequest *r = request(op);
	struct event_filter f;
	filter_of(op, r, &f);
	/* without a number it starts now; 0 means everything that is kept */
	stream_start(op, &f, r->has_after ? r->after : op->api->committed, r->has_after && r->after > 0, STREAM_ENDLESS);
}

int op_event_watch(struct api_op *op, struct err *err) {
	op->then = watch;
	return check(request(op), err);
}
