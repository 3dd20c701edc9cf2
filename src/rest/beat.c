/* The paths that bases without an agent know: heartbeat and baseline, with the join token before them. */
#include <string.h>

#include "api/heartbeat.h"
#include "rest/inside.h"

static void answered(void *arg, const char *answer, const struct err *err) {
	struct exchange *x = arg;
	bool json = x->match.route.kind == ROUTE_BASELINE;
	if (err != NULL)
		answer_error(x, err);
	else
		answer_bytes(x, 200, json ? "application/json" : "text/plain", answer, strlen(answer));
}

/* A client that leaves meanwhile costs one look-up more; answering it is a no-op. */
void beat_start(struct exchange *x) {
	struct api_beat b = { .token = route_param(&x->match, "token"), .peer = http_req_peer(x->req), .arena = http_req_arena(x->req) };
	b.body = http_req_body(x->req, &b.n);
	if (x->match.route.kind == ROUTE_BASELINE)
		api_baseline(x->rest->api, &b, answered, x);
	else
		api_heartbeat(x->rest->api, &b, answered, x);
}
