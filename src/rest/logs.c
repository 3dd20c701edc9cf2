/* Output of a base as chunked text, for `logs -f`. A client that reads slower than its base writes is dropped by the output cap of the HTTP
 * front, never buffered without bound. */
#include <stdlib.h>
#include <string.h>

#include "rest/inside.h"

struct tail {
	struct api_logs *logs;
	int64_t bytes;
	bool gone;
};

static void piece(void *arg, const void *p, size_t n, bool eof, const struct err *err) {
	struct exchange *x = arg;
	struct tail *t = x->work;
	bool last = eof || err != NULL;
	if (last) {
		t->logs = NULL;
		x->on_gone = NULL;
	}
	if (!x->began && err != NULL) {
		answer_error(x, err);
		return;
	}
	if (!x->began) {
		x->began = true;
		answer_headers(x);
		http_reply_begin(x->req, 200, "text/plain; charset=utf-8", -1);
	}
	if (n > 0)
		http_reply_write(x->req, p, n);
	if (last) {
		exchange_close(x);
		http_reply_end(x->req);
	}
}

static void gone(struct exchange *x) {
	struct tail *t = x->work;
	t->gone = true;
	if (t->logs == NULL)
		return; /* known() drops it */
	api_logs_stop(t->logs);
	exchange_drop(x);
}

static void known(void *arg, const struct api_caller *who, const struct err *err) {
	struct exchange *x = arg;
	struct tail *t = x->work;
	if (t->gone) {
		exchange_drop(x);
		return;
	}
	if (err != NULL) {
		x->on_gone = NULL;
		answer_error(x, err);
		return;
	}
	api_logs_start(x->rest->api, who, route_param(&x->match, "base"), t->bytes, true, piece, x, &t->logs);
}

void logs_start(struct exchange *x) {
	struct err err = ERR_INIT;
	ProtobufCMessage *m;
	struct tail *t = arena_alloc(http_req_arena(x->req), sizeof *t);
	if (request_read(x, &m, &err) != 0 || api_logs_bytes(m, &t->bytes, &err) != 0) {
		answer_error(x, &err);
		return;
	}
	x->work = t;
	x->on_gone = gone;
	api_authenticate(x->rest->api, x->bearer, ROLE_READ, http_req_query(x->req, "tenant"), http_req_arena(x->req), known, x);
}
