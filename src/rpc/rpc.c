/* The gRPC server: takes calls, finds who answers them, and ends. Accepting goes through a few outstanding requests on the completion
 * queue, renewed as they complete; what kind of call it is decides a table by method path. */
#include "rpc/rpc.h"

#include <stdlib.h>
#include <string.h>

#include <grpc/slice.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>

#include "api/api.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "core/core.h"
#include "rpc/descset.h"
#include "rpc/rpc_int.h"

#define MIB ((size_t)1024 * 1024)
#define PACKAGE "/berth.v1."

/* ---- what answers a method ------------------------------------------------------------------------------------------------------ */

struct route {
	const struct call_kind *kind;
	void (*accept)(struct call *c, const void *what);
	const void *what;
	bool counted, active_only; /* against max_calls; only the active server answers it */
};

static const bool is_watch = true, is_check = false;
static const struct fixed {
	const char *method;
	struct route route;
} fixed[] = {
	{ "/grpc.health.v1.Health/Check", { &health_kind, health_accept, &is_check, true, false } },
	{ "/grpc.health.v1.Health/Watch", { &health_kind, health_accept, &is_watch, true, false } },
	{ "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", { &reflect_kind, reflect_accept, NULL, true, false } },
	/* The same messages under the name that newer clients try first. */
	{ "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", { &reflect_kind, reflect_accept, NULL, true, false } },
};

static const struct op_def *op_of(const char *method) {
	char service[64];
	if (strncmp(method, PACKAGE, strlen(PACKAGE)) != 0)
		return NULL;
	method += strlen(PACKAGE);
	const char *slash = strchr(method, '/');
	if (slash == NULL || (size_t)(slash - method) >= sizeof service)
		return NULL;
	memcpy(service, method, (size_t)(slash - method));
	service[slash - method] = '\0';
	return op_find(service, slash + 1);
}

static bool route_find(const struct rpc *r, const char *method, struct route *ret) {
	const struct op_def *op = op_of(method);
	if (op != NULL) {
		*ret = (struct route){ &op_kind, op_accept, op, true, true };
		return true;
	}
	for (size_t i = 0; i < r->n_hooks; i++)
		if (strcmp(r->hooks[i].hook.method, method) == 0) {
			*ret = (struct route){ &hook_kind, hook_accept, &r->hooks[i], false, true };
			return true;
		}
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (strcmp(fixed[i].method, method) == 0) {
			*ret = fixed[i].route;
			return true;
		}
	return false;
}

/* ---- accept ---------------------------------------------------------------------------------------------------------------------- */

static void ignore_message(struct call *c, const void *p, size_t n) {}
static void ignore(struct call *c) {}
static const struct call_kind refused_kind = { ignore_message, ignore, NULL, ignore };

static void refuse(struct rpc *r, struct slot *s, const struct err *err, const char *active) {
	r->stats.refused++;
	struct call *c = call_new(r, s->call, &s->head, INT64_MAX, &refused_kind, true);
	call_end_moved(c, err, NULL, active);
}

/* Rule 12: gRPC is not proxied; clients and agents know several addresses and are told the right one. */
static int check_active(const struct rpc *r, char active[128], struct err *err) {
	struct core_state s;
	core_state(r->core, &s);
	if (s.mode != CORE_STANDBY)
		return 0;
	memcpy(active, s.peer_rpc, 128);
	if (active[0] == '\0')
		return err_set(err, E_UNAVAILABLE, "this server stands by and knows of no active one yet%s%s; try again",
		    s.reason[0] != '\0' ? ": " : "", s.reason);
	return err_set(err, E_UNAVAILABLE, "this server stands by; the active one is at %s", active);
}

static int check_call(const struct rpc *r, const char *method, struct route *ret, char active[128], struct err *err) {
	if (r->draining)
		return err_set(err, E_UNAVAILABLE, "this server is stopping; try again, or another one");
	if (!route_find(r, method, ret))
		return err_set(err, E_UNSUPPORTED, "no method %.200s; reflection lists what there is", method);
	if (ret->counted && r->stats.open_calls >= r->limits.max_calls)
		return err_set(
		    err, E_TOO_MANY, "%u calls are open already, as many as this server takes; try again later", r->limits.max_calls);
	return ret->active_only ? check_active(r, active, err) : 0;
}

static int64_t timeout_of(const grpc_call_details *d) {
	if (gpr_time_cmp(d->deadline, gpr_inf_future(d->deadline.clock_type)) == 0)
		return INT64_MAX;
	gpr_timespec left = gpr_time_sub(d->deadline, gpr_now(d->deadline.clock_type));
	return left.tv_sec > INT64_MAX / 2000000 ? INT64_MAX : left.tv_sec * 1000000 + left.tv_nsec / 1000;
}

static void accept_call(struct slot *s) {
	struct rpc *r = s->rpc;
	ARENA_AUTO a = arena_new();
	const char *method = arena_strndup(a, (const char *)GRPC_SLICE_START_PTR(s->details.method), GRPC_SLICE_LENGTH(s->details.method));
	struct route route = { 0 };
	struct err err;
	char active[128] = "";
	r->stats.calls++;
	if (check_call(r, method, &route, active, &err) != 0) {
		refuse(r, s, &err, active);
		return;
	}
	struct call *c = call_new(r, s->call, &s->head, timeout_of(&s->details), route.kind, route.counted);
	route.accept(c, route.what);
}

static void request(struct slot *s) {
	grpc_call_details_init(&s->details);
	grpc_metadata_array_init(&s->head);
	s->call = NULL;
	grpc_completion_queue *q = cq_queue(s->rpc->cq);
	cq_begin(s->rpc->cq);
	grpc_server_request_call(s->rpc->server, &s->call, &s->details, &s->head, q, q, &s->tag);
	cq_end(s->rpc->cq);
}

static void on_slot(struct cq_tag *tag, bool ok) {
	struct slot *s = (struct slot *)(void *)((char *)tag - offsetof(struct slot, tag));
	if (ok)
		accept_call(s); /* takes s->head */
	grpc_metadata_array_destroy(&s->head);
	grpc_call_details_destroy(&s->details);
	if (ok)
		request(s);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

static void on_stall(struct expiry *e, void *arg) {
	call_cancel((struct call *)(void *)((char *)e - offsetof(struct call, stall)), "the client takes no data");
}

static void on_idle(struct expiry *e, void *arg) {
	struct rpc *r = arg;
	struct err err;
	err_set(&err, E_TIMEOUT, "no message came within %lld s", (long long)(r->limits.request_us / US_PER_S));
	call_end_err((struct call *)(void *)((char *)e - offsetof(struct call, idle)), &err, NULL);
}

static void limits_fill(struct rpc_limits *l) {
#define DEFAULT(field, value) l->field = l->field != 0 ? l->field : (value)
	DEFAULT(max_message, MIB);
	DEFAULT(max_output, 4 * MIB);
	DEFAULT(max_calls, 10000);
	DEFAULT(max_streams, 1000);
	DEFAULT(max_memory, 4096 * MIB);
	DEFAULT(request_us, 30 * US_PER_S);
	DEFAULT(stall_us, 30 * US_PER_S);
#undef DEFAULT
}

static grpc_arg int_arg(const char *key, int value) {
	char *name = (char *)(uintptr_t)key; /* gRPC's type lacks the const */
	return (grpc_arg){ .type = GRPC_ARG_INTEGER, .key = name, .value.integer = value };
}

/* Without SO_REUSEPORT a taken port is noticed. Compression stays off, so that a message's size is what crossed the wire. */
static grpc_server *server_new(const struct rpc_limits *l) {
	grpc_resource_quota *quota = grpc_resource_quota_create("berth");
	grpc_resource_quota_resize(quota, l->max_memory);
	grpc_arg args[] = {
		int_arg(GRPC_ARG_ALLOW_REUSEPORT, 0),
		int_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, (int)l->max_streams),
		int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)l->max_message),
		int_arg(GRPC_ARG_MAX_METADATA_SIZE, 16 * 1024),
		int_arg(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
		int_arg(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0),
		int_arg(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1),
		int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, 60 * 1000),
		int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000),
		int_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5 * 1000),
		int_arg(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 600 * 1000),
		int_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10 * 1000),
		{ .type = GRPC_ARG_POINTER,
		    .key = (char *)(uintptr_t)GRPC_ARG_RESOURCE_QUOTA,
		    .value.pointer = { quota, grpc_resource_quota_arg_vtable() } },
	};
	grpc_channel_args all = { sizeof args / sizeof *args, args };
	grpc_server *server = grpc_server_create(&all, NULL);
	grpc_resource_quota_unref(quota);
	return server;
}

/* gRPC calls what clients do wrong an error; it is theirs, so it is a debug line here. Only its last words are ours: it aborts after
 * them. Runs on any thread. */
static void on_grpc_log(gpr_log_func_args *line) {
	bool fatal = strncmp(line->message, "assertion failed", 16) == 0;
	log_at(fatal ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "grpc", log_s("text", line->message), log_s("file", line->file),
	    log_i("line", line->line));
}

int rpc_new(
    struct loop *l, struct cq *cq, struct api *api, struct core *core, const struct rpc_limits *limits, struct rpc **ret, struct err *err) {
	struct rpc *r = calloc(1, sizeof *r);
	if (r == NULL)
		return err_set(err, E_NOMEM, "no memory for the gRPC server");
	*r = (struct rpc){ .loop = l, .cq = cq, .api = api, .core = core };
	if (limits != NULL)
		r->limits = *limits;
	limits_fill(&r->limits);
	int e = descset_builtin(&r->descs, err);
	if (e != 0) {
		free(r);
		return e;
	}
	TAILQ_INIT(&r->calls);
	TAILQ_INIT(&r->watchers);
	expiry_queue_init(&r->stalls, l, r->limits.stall_us, on_stall, r);
	expiry_queue_init(&r->idles, l, r->limits.request_us, on_idle, r);
	gpr_set_log_function(on_grpc_log);
	r->server = server_new(&r->limits);
	grpc_server_register_completion_queue(r->server, cq_queue(cq), NULL);
	*ret = r;
	return 0;
}

int rpc_hook_add(struct rpc *r, const struct rpc_hook *hook, void *arg, struct err *err) {
	if (r->n_hooks == MAX_HOOKS)
		return err_set(err, E_INTERNAL, "no room for a hook on %s", hook->method);
	r->hooks[r->n_hooks++] = (struct hook_entry){ *hook, arg };
	return 0;
}

int rpc_listen(struct rpc *r, const char *address, const struct rpc_tls *tls, int *ret_port, struct err *err) {
	grpc_server_credentials *creds = listener_credentials(r, tls, err);
	if (creds == NULL)
		return err->code;
	int port = grpc_server_add_http2_port(r->server, address, creds);
	grpc_server_credentials_release(creds);
	if (port <= 0)
		return err_set(
		    err, E_BUSY, "cannot listen on %s for gRPC: the port is taken, or the address is not one of this machine", address);
	*ret_port = port;
	return 0;
}

int rpc_start(struct rpc *r, struct err *err) {
	grpc_server_start(r->server);
	r->started = true;
	for (size_t i = 0; i < ACCEPT_SLOTS; i++) {
		r->slots[i].rpc = r;
		r->slots[i].tag.fn = on_slot;
		request(&r->slots[i]);
	}
	return 0;
}

void rpc_stats(const struct rpc *r, struct rpc_stats *ret) {
	*ret = r->stats;
}

/* ---- end ------------------------------------------------------------------------------------------------------------------------- */

static void on_stopped(struct cq_tag *tag, bool ok) {
	struct rpc *r = (struct rpc *)(void *)((char *)tag - offsetof(struct rpc, stopped));
	timer_cancel(&r->drain_timer);
	r->started = false;
	r->drain_done(r->drain_arg);
}

static void on_drain_deadline(void *arg) {
	struct rpc *r = arg;
	grpc_server_cancel_all_calls(r->server);
}

void rpc_drain(struct rpc *r, int64_t us, void (*done)(void *arg), void *arg) {
	r->draining = true;
	r->drain_done = done;
	r->drain_arg = arg;
	r->stopped.fn = on_stopped;
	timer_init(&r->drain_timer, r->loop, on_drain_deadline, r);
	timer_set(&r->drain_timer, us);
	health_stop(r);
	struct err err;
	err_set(&err, E_UNAVAILABLE, "this server is stopping; try again, or another one");
	struct call *next;
	for (struct call *c = TAILQ_FIRST(&r->calls); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->kind == &reflect_kind)
			call_end_err(c, &err, NULL);
	}
	grpc_server_shutdown_and_notify(r->server, cq_queue(r->cq), &r->stopped);
}

/* gRPC destroys only what was shut down. Here no call exists, so its notification comes at once, on a queue of its own. */
static void shut_unstarted(grpc_server *server) {
	grpc_completion_queue *q = grpc_completion_queue_create_for_pluck(NULL);
	grpc_server_shutdown_and_notify(server, q, q);
	grpc_completion_queue_pluck(q, q, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	grpc_completion_queue_shutdown(q);
	grpc_completion_queue_destroy(q);
}

void rpc_free(struct rpc *r) {
	if (r == NULL)
		return;
	if (r->draining)
		timer_deinit(&r->drain_timer);
	else
		shut_unstarted(r->server);
	grpc_server_destroy(r->server);
	listeners_free(r);
	expiry_queue_deinit(&r->stalls);
	expiry_queue_deinit(&r->idles);
	descset_free(r->descs);
	free(r);
}
