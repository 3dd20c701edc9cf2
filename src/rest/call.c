/* Operations: one call to the api per request; single answers and event streams. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "berth/v1/api.pb-c.h"
#include "proto/json.h"
#include "rest/inside.h"

/* ---- event streams ----------------------------------------------------------------------------------------------------------------- */
static void beat(void *arg) {
	struct exchange *x = arg;
	static const char comment[] = ": still here\n\n";
	struct core_state s;
	core_state(x->rest->core, &s);
	if (s.mode == CORE_STANDBY && x->calling) { /* the events are elsewhere now: the client comes back and is forwarded */
		api_cancel(x->rest->api, &x->call);
		return;
	}
	http_reply_write(x->req, comment, sizeof comment - 1);
	timer_set(&x->beat, x->rest->config.sse_beat_us);
}

static void stream_began(struct api_call *call) {
	struct exchange *x = call->arg;
	static const char hello[] = "retry: 1000\n\n";
	x->began = true;
	answer_headers(x);
	http_req_add_header(x->req, "Cache-Control", "no-store");
	http_reply_begin(x->req, 200, "text/event-stream", -1);
	http_reply_write(x->req, hello, sizeof hello - 1); /* sends the head, so that the client knows it is watching */
	timer_init(&x->beat, x->rest->loop, beat, x);
	x->has_beat = true;
	timer_set(&x->beat, x->rest->config.sse_beat_us);
}

static void drained(struct http_req *r, void *arg) {
	(void)r;
	struct exchange *x = arg;
	if (x->calling && x->call.paused)
		api_stream_more(x->rest->api, &x->call);
}

static void stream_write(struct exchange *x, const struct buf *b) {
	timer_set(&x->beat, x->rest->config.sse_beat_us);
	if (http_reply_write(x->req, buf_str(b), b->len))
		return;
	x->call.paused = true;
	http_reply_on_drained(x->req, drained, x);
}

/* State, not history: it has no number to go on from; who comes back is told everything again. */
static void stream_endpoint(struct exchange *x, const Berth__V1__EndpointChange *e) {
	BUF_AUTO b = BUF_INIT;
	buf_printf(&b, "event: %s\ndata: ", e->synced ? "synced" : e->gone ? "gone" : "endpoint");
	json_print(&e->pb, false, &b);
	buf_add_str(&b, "\n\n");
	stream_write(x, &b);
}

static void stream_event(struct exchange *x, const Berth__V1__Event *e) {
	if (e->number <= x->skip)
		return;
	BUF_AUTO b = BUF_INIT;
	buf_printf(&b, "id: %" PRId64 "\nevent: %s\ndata: ", e->number, e->kind != NULL ? e->kind : "event");
	json_print(&e->pb, false, &b);
	buf_add_str(&b, "\n\n");
	stream_write(x, &b);
}

static void stream_end(struct exchange *x, const struct err *err) {
	BUF_AUTO b = BUF_INIT;
	exchange_close(x);
	if (err != NULL && err->code != E_CANCELLED) { /* the status is long gone; the last event says why */
		buf_add_str(&b, "event: error\ndata: ");
		json_print(api_problem(err, x->request_id, http_req_arena(x->req)), false, &b);
		buf_add_str(&b, "\n\n");
	} else {
		buf_add_str(&b, "event: end\ndata: {}\n\n");
	}
	http_reply_write(x->req, buf_str(&b), b.len);
	http_reply_end(x->req);
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------------- */
static void done(struct api_call *call, const ProtobufCMessage *reply, int status, const char *location, bool more, const struct err *err) {
	struct exchange *x = call->arg;
	if (more && reply->descriptor == &berth__v1__endpoint_change__descriptor) {
		stream_endpoint(x, (const Berth__V1__EndpointChange *)reply);
		return;
	}
	if (more) {
		stream_event(x, (const Berth__V1__Event *)reply);
		return;
	}
	x->calling = false;
	if (x->began)
		stream_end(x, err);
	else if (err != NULL)
		answer_error(x, err);
	else
		answer_message(x, reply, status, location);
}

static void client_gone(struct exchange *x) {
	if (x->calling)
		api_cancel(x->rest->api, &x->call);
}

static bool wants_stream(const struct http_req *r) {
	const char *accept = http_req_header(r, "Accept");
	return accept != NULL && strstr(accept, "text/event-stream") != NULL;
}

void call_start(struct exchange *x) {
	struct err err = ERR_INIT;
	ProtobufCMessage *m;
	if (strcmp(x->match.route.op->name, "ListEvents") == 0 && wants_stream(x->req))
		x->match.route.op = op_find("Events", "WatchEvents"); /* the same request and path parameters */
	if (request_read(x, &m, &err) != 0) {
		answer_error(x, &err);
		return;
	}
	request_headers(x);
	x->call.op = x->match.route.op;
	x->call.request = m;
	x->call.arena = http_req_arena(x->req);
	x->call.done = done;
	x->call.began = stream_began;
	x->call.arg = x;
	x->calling = true;
	x->on_gone = client_gone;
	api_start(x->rest->api, &x->call);
}
