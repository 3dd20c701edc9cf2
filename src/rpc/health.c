/* grpc.health.v1: whether this server answers writes now. A standby is NOT_SERVING, so that balancers leave it alone. A watch gets the
 * present state at once and each change after it. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "core/core.h"
#include "grpc/health/v1/health.pb-c.h"
#include "proto/json.h"
#include "proto/unpack.h"
#include "rpc/descset.h"
#include "rpc/rpc_int.h"

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

struct watcher {
	TAILQ_ENTRY(watcher) link;
	struct call *call;
	bool watch, known, listed;
	serving_status told;
};

static bool service_known(const struct rpc *r, const char *name) {
	const char *services[DESC_SERVICES_MAX];
	size_t n = descset_services(r->descs, services);
	for (size_t i = 0; i < n; i++)
		if (strcmp(services[i], name) == 0)
			return true;
	return name[0] == '\0';
}

static serving_status status_now(const struct rpc *r) {
	struct core_state s;
	core_state(r->core, &s);
	return s.ready && !r->draining ? SERVING : NOT_SERVING;
}

static void tell(struct watcher *w, serving_status status) {
	w->told = status;
	Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	m.status = status;
	if (w->watch)
		call_send_message(w->call, &m.pb);
	else
		call_reply(w->call, &m.pb);
}

static void health_message(struct call *c, const void *p, size_t n) {
	struct watcher *w = c->data;
	struct err err;
	ProtobufCMessage *m;
	ARENA_AUTO a = arena_new();
	call_read(c, false);
	if (pb_unpack(&grpc__health__v1__health_check_request__descriptor, p, n, UNPACK_STRICT, 64 * 1024, a, &m, &err) != 0) {
		call_end_err(c, &err, NULL);
		return;
	}
	const char *service = ((Grpc__Health__V1__HealthCheckRequest *)m)->service;
	w->known = service_known(c->rpc, service);
	if (!w->known && !w->watch) {
		err_set(&err, E_NOT_FOUND, "no service %.100s", service);
		call_end_err(c, &err, NULL);
		return;
	}
	tell(w, w->known ? status_now(c->rpc) : SERVICE_UNKNOWN);
	if (w->watch && !w->listed) {
		w->listed = true;
		TAILQ_INSERT_TAIL(&c->rpc->watchers, w, link);
	}
}

static void health_ended(struct call *c) {
	struct watcher *w = c->data;
	struct err err;
	if (w->listed)
		return;
	err_set(&err, E_MALFORMED, "no request message");
	call_end_err(c, &err, NULL);
}

static void health_closed(struct call *c) {
	struct watcher *w = c->data;
	if (w->listed)
		TAILQ_REMOVE(&c->rpc->watchers, w, link);
	free(w);
}

const struct call_kind health_kind = { health_message, health_ended, NULL, health_closed };

void health_accept(struct call *c, const void *watch) {
	struct watcher *w = calloc(1, sizeof *w);
	if (w == NULL)
		abort();
	w->call = c;
	w->watch = *(const bool *)watch;
	c->data = w;
	call_read(c, true);
	call_wait(c);
}

void rpc_health_changed(struct rpc *r) {
	serving_status now = status_now(r);
	struct watcher *w;
	TAILQ_FOREACH(w, &r->watchers, link)
		if (w->known && w->told != now)
			tell(w, now);
}

void health_stop(struct rpc *r) {
	rpc_health_changed(r);
	struct watcher *w;
	TAILQ_FOREACH(w, &r->watchers, link)
		call_end_ok(w->call);
}
