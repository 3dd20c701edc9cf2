/* Three pages on the HTTP front, answered at once from the brain's view. */
#include "ready.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/server.h"

#define MAX_LISTED 4096

struct ready {
	struct http_server *server;
	const struct brain *brain;
	void (*facts)(void *arg, struct ready_facts *ret);
	void *arg;
};

static void add_text(struct buf *out, const char *key, const char *value) {
	buf_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", key);
	buf_add_json(out, value);
}

static void add_bool(struct buf *out, const char *key, bool value) {
	buf_printf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

static void add_held(const struct brain *b, struct buf *out) {
	struct brain_held h;
	buf_add_str(out, ",\"modules\":[");
	for (size_t i = 0; i < MAX_LISTED && brain_held_at(b, i, &h); i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_char(out, '{');
		add_text(out, "module", h.module);
		add_text(out, "version", h.version);
		add_text(out, "state", h.state);
		if (*h.cause != '\0')
			add_text(out, "cause", h.cause);
		add_bool(out, "wanted", h.wanted);
		add_bool(out, "standby", h.standby);
		add_bool(out, "quarantined", h.quarantined);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}

static void status(struct ready *r, struct http_req *q) {
	BUF_AUTO out = BUF_INIT;
	struct brain_view v;
	struct ready_facts f = { 0 };
	brain_view(r->brain, &v);
	r->facts(r->arg, &f);
	buf_add_char(&out, '{');
	add_text(&out, "base", f.base);
	add_text(&out, "phase", v.phase);
	add_text(&out, "note", v.note);
	add_text(&out, "server", f.server);
	add_text(&out, "arklet", f.arklet);
	add_text(&out, "address", f.address);
	add_bool(&out, "ready", v.ready);
	add_bool(&out, "connected", v.linked);
	add_bool(&out, "joined", v.joined);
	add_bool(&out, "crashLoop", v.crash_loop);
	buf_printf(&out,
	    ",\"pid\":%lld,\"epoch\":%lld,\"incarnation\":%lld,\"wanted\":%zu,\"held\":%zu,\"operations\":%zu,\"unacknowledged\":%zu,"
	    "\"quarantined\":%zu",
	    (long long)f.pid, (long long)v.epoch, (long long)v.incarnation, v.wanted, v.held, v.operations, v.unacked, v.quarantined);
	add_held(r->brain, &out);
	buf_add_str(&out, "}\n");
	http_reply(q, 200, "application/json", out.data, out.len);
}

static void on_request(struct http_req *q, void *arg) {
	struct ready *r = arg;
	const char *path = http_req_path(q);
	struct brain_view v;
	if (strcmp(http_req_method(q), "GET") != 0) {
		http_req_add_header(q, "Allow", "GET");
		http_reply(q, 405, "text/plain", "only GET\n", 9);
	} else if (strcmp(path, "/ready") == 0) {
		brain_view(r->brain, &v);
		BUF_AUTO out = BUF_INIT;
		buf_printf(&out, "%s%s%s\n", v.ready ? "ready" : v.phase, *v.note != '\0' ? ": " : "", v.note);
		http_reply(q, v.ready ? 200 : 503, "text/plain", out.data, out.len);
	} else if (strcmp(path, "/livez") == 0) {
		http_reply(q, 200, "text/plain", "ok\n", 3);
	} else if (strcmp(path, "/status") == 0) {
		status(r, q);
	} else {
		http_reply(q, 404, "text/plain", "there are /ready, /livez and /status\n", 37);
	}
}

static enum http_body_mode on_head(struct http_req *q, size_t *ret_max_body, void *arg) {
	*ret_max_body = 1024;
	return HTTP_BODY_BUFFER;
}

int ready_new(struct loop *l, const char *address, const struct brain *b, void (*facts)(void *, struct ready_facts *), void *arg,
    struct ready **ret, int *ret_port, struct err *err) {
	static const struct http_handler handler = { .head = on_head, .request = on_request };
	struct ready *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	struct http_limits limits = { .max_connections = 64 };
	r->brain = b;
	r->facts = facts;
	r->arg = arg;
	int rc = http_server_new(l, &handler, r, &limits, &r->server, err);
	if (rc == 0)
		rc = http_server_listen(r->server, address, NULL, 0, ret_port, err);
	if (rc != 0) {
		ready_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void ready_free(struct ready *r) {
	if (r == NULL)
		return;
	http_server_free(r->server);
	free(r);
}
