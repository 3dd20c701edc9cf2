/* The way of a call through the api: caller, tenant, stored answer, handler, commit, history, waiting, answer. Started by rest and rpc.
 * Never knows what an operation does: that is in the handlers, and never touches sockets. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/secret.h"

#define MAX_LINK 2048
#define MAX_IDEMPOTENCY_KEY 255

/* The request's Meta, whatever the operation; every change has one. */
static const Berth__V1__Meta *meta_of(const ProtobufCMessage *request) {
	static const Berth__V1__Meta none = BERTH__V1__META__INIT;
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "meta");
	if (f == NULL)
		return &none;
	const Berth__V1__Meta *m = *(const Berth__V1__Meta *const *)((const char *)request + f->offset);
	return m != NULL ? m : &none;
}

static const char *text_field(const ProtobufCMessage *m, const char *name) {
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	const char *v = f == NULL ? NULL : *(const char *const *)((const char *)m + f->offset);
	return v != NULL && *v != '\0' ? v : NULL;
}

static void op_free(struct api_op *op) {
	TAILQ_REMOVE(&op->api->ops, op, link);
	deferred_deinit(&op->later);
	arena_free(op->arena);
	arena_free(op->kept);
	free(op);
}

/* The one place that calls done for the last time; the transport frees the call's arena in it. */
static void op_close(struct api_op *op, const struct err *err) {
	struct api_call *call = op->call;
	op->call = NULL;
	stream_cancel(op);
	wait_cancel(op);
	if (op->abort != NULL) {
		void (*stop)(struct api_op *) = op->abort;
		op->abort = NULL;
		stop(op);
	}
	dry_drop(op);
	call->op_state = NULL;
	if (err != NULL)
		call->done(call, NULL, err_http(err->code), NULL, false, err);
	else
		call->done(call, op->reply, op->status, op->location, false, NULL);
	op_free(op);
}

void op_fail(struct api_op *op, const struct err *err) {
	op_close(op, err);
}

static void run_later(void *arg) {
	struct api_op *op = arg;
	op_fail(op, &op->later_err);
}

void op_fail_later(struct api_op *op, const struct err *err) {
	op->later_err = *err;
	deferred_schedule(&op->later);
}

static int default_status(const struct api_op *op) {
	unsigned flags = op->call->op->flags;
	if ((flags & OP_PLAN) && op->wait_plan != 0)
		return 202;
	return flags & OP_CREATE ? 201 : 200;
}

void op_answer(struct api_op *op) {
	if (op->status == 0)
		op->status = default_status(op);
	op_close(op, NULL);
}

static int64_t wait_wanted(const struct api_op *op) {
	int64_t us = op->call->has_wait ? op->call->wait_us : pb_duration_us(op->meta->wait);
	if (op->call->op->request == &berth__v1__get_plan_request__descriptor) {
		const Berth__V1__GetPlanRequest *r = (const Berth__V1__GetPlanRequest *)op->call->request;
		if (r->wait != NULL)
			us = pb_duration_us(r->wait);
	}
	return us > op->api->config.max_wait_us ? op->api->config.max_wait_us : us;
}

void op_finish(struct api_op *op) {
	int64_t us = wait_wanted(op);
	if (op->wait_plan == 0 || op->needs_person || us <= 0 || op->api->draining)
		op_answer(op);
	else
		wait_start(op, us);
}

/* ---- inside the core ------------------------------------------------------------------------------------------------------------- */
static const char *first(const char *a, const char *b) {
	return a != NULL && *a != '\0' ? a : b;
}

/* What every change takes beside its own fields, whichever way it came: fields of Meta or headers. */
static int meta_check(const struct api_op *op, struct err *err) {
	const struct {
		const char *text, *field;
		size_t most;
	} rows[] = {
		{ first(op->meta->reason, op->call->reason), "reason", MAX_REASON },
		{ first(op->meta->link, op->call->link), "link", MAX_LINK },
		{ first(op->meta->idempotency_key, op->call->idempotency_key), "idempotencyKey", MAX_IDEMPOTENCY_KEY },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char at[32];
		size_t n = rows[i].text != NULL ? strlen(rows[i].text) : 0;
		snprintf(at, sizeof at, "/meta/%s", rows[i].field);
		if (n > rows[i].most)
			return err_field(err, E_INVALID, at, "%s has at most %zu bytes, not %zu",
			    i == 2 ? "an Idempotency-Key" : rows[i].field, rows[i].most, n);
		if (n > 0 && !utf8_valid(rows[i].text, n))
			return err_field(err, E_INVALID, at, "%s is not UTF-8", i == 2 ? "the Idempotency-Key" : rows[i].field);
	}
	enum if_busy busy;
	int64_t etag;
	int rc = if_busy_read(op, &busy, err);
	return rc != 0 || op->core.read ? rc : etag_wanted(op, &etag, err);
}

static int prepare(struct api_op *op, struct err *err) {
	const struct api_call *call = op->call;
	bool makes_tenant =
	    call->op->request == &berth__v1__create_token_request__descriptor && !(op->meta->has_dry_run && op->meta->dry_run);
	int rc = caller_find(op->api, op->bearer_hash, call->bearer != NULL, call->op->role, text_field(call->request, "tenant"),
	    makes_tenant, op->arena, &op->who, &op->tenant, err);
	if (rc == 0)
		rc = meta_check(op, err);
	if (rc != 0)
		return rc;
	op->who.address = call->address;
	op->core.who = (struct core_who){ .tenant_id = op->who.tenant_id,
		.actor = op->who.actor,
		.address = call->address,
		.reason = first(op->meta->reason, call->reason),
		.link = first(op->meta->link, call->link),
		.force = op->meta->has_force && op->meta->force };
	return 0;
}

static int op_apply(struct core *c, struct core_op *core_op, struct err *err) {
	struct api_op *op = (struct api_op *)core_op;
	if (op->cancelled)
		return err_set(err, E_CANCELLED, "the client left");
	arena_free(op->arena);
	op->arena = arena_new();
	op->fleet = core_fleet(c);
	op->reply = NULL;
	op->status = 0;
	op->location = NULL;
	op->wait_plan = 0;
	op->needs_person = false;
	op->then = NULL;
	int rc = prepare(op, err);
	bool stored = false;
	if (rc == 0)
		rc = idem_replay(op, &stored, err);
	if (rc == 0 && !stored)
		rc = op_handler_of(op->call->op)(op, err);
	if (rc == 0 && !stored && op->reply != NULL)
		idem_store(op);
	op->seen_event = fleet_last_event(op->fleet);
	op->fleet = NULL;
	op->tenant = NULL;
	return rc;
}

static void op_applied(struct core_op *core_op, const struct err *err) {
	struct api_op *op = (struct api_op *)core_op;
	op->in_core = false;
	op->introduced = true;
	struct err gone = ERR_INIT;
	if (op->cancelled)
		err_set(&gone, E_CANCELLED, "the client left");
	if (err == NULL && op->seen_event > op->api->committed)
		op->api->committed = op->seen_event;
	if (op->cancelled)
		op_fail(op, &gone);
	else if (err != NULL)
		op_fail(op, err);
	else if (op->then != NULL)
		op->then(op);
	else
		op_finish(op);
}

void op_again(struct api_op *op) {
	op->in_core = true;
	core_submit(op->api->core, &op->core);
}

bool op_who_unknown(struct api_op *op) {
	if (op->introduced)
		return false;
	op->then = op_again;
	return true;
}

/* ---- for transports -------------------------------------------------------------------------------------------------------------- */
void api_start(struct api *a, struct api_call *call) {
	struct api_op *op = calloc(1, sizeof *op);
	if (op == NULL)
		abort();
	op->api = a;
	op->call = call;
	op->core.apply = op_apply;
	op->core.done = op_applied;
	op->core.read = (call->op->flags & OP_READ) != 0;
	op->meta = meta_of(call->request);
	op->kept = arena_new();
	deferred_init(&op->later, a->loop, run_later, op);
	call->op_state = op;
	TAILQ_INSERT_TAIL(&a->ops, op, link);
	if (call->bearer != NULL)
		sha256_of(call->bearer, strlen(call->bearer), op->bearer_hash);
	struct err err = ERR_INIT;
	int rc = clear_apply(call, op->meta, &err);
	if (rc == 0 && a->draining)
		rc = err_set(&err, E_UNAVAILABLE, "this server is stopping; ask again, another one takes over");
	if (rc != 0)
		op_fail_later(op, &err);
	else
		op_again(op);
}

void api_cancel(struct api *a, struct api_call *call) {
	(void)a;
	struct api_op *op = call->op_state;
	if (op == NULL || op->cancelled)
		return;
	op->cancelled = true;
	struct err err = ERR_INIT;
	err_set(&err, E_CANCELLED, "the client left");
	if (!op->in_core) /* else op_applied sees it */
		op_fail_later(op, &err);
}

void api_stream_more(struct api *a, struct api_call *call) {
	(void)a;
	struct api_op *op = call->op_state;
	if (op != NULL && op->stream != NULL)
		stream_more(op);
	else if (op != NULL && strcmp(call->op->name, "WatchEndpoints") == 0)
		endpoint_watch_more(op);
}

void api_leave(struct api *a) {
	waits_end(a);
	streams_end(a);
	endpoint_watches_end(a);
}

void api_drain(struct api *a) {
	a->draining = true;
	api_leave(a);
}

static void on_committed(void *arg, const struct row_event *const *events, size_t n) {
	struct api *a = arg;
	if (n > 0 && events[n - 1]->number > a->committed)
		a->committed = events[n - 1]->number;
	waits_notify(a, events, n);
	streams_notify(a, events, n);
	endpoint_watches_notify(a);
	courier_events(a->courier, events, n);
}

void api_state(struct api *a, const struct core_state *s) {
	courier_state(a->courier, s);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */
static int64_t or_default(int64_t v, int64_t fallback) {
	return v > 0 ? v : fallback;
}

static void config_copy(struct api *a, const struct api_config *from) {
	static const int64_t day = INT64_C(86400) * US_PER_S;
	struct api_config *c = &a->config;
	*c = *from;
	c->cache_dir = arena_strdup(a->arena, from->cache_dir);
	c->fetch_ca_file = arena_strdup(a->arena, from->fetch_ca_file);
	c->version = arena_strdup(a->arena, from->version != NULL ? from->version : BERTH_VERSION);
	c->credentials = NULL; /* the caller's; read into a->credentials */
	c->max_artifact_bytes = or_default(c->max_artifact_bytes, INT64_C(1) << 30);
	c->max_cache_bytes = or_default(c->max_cache_bytes, INT64_C(10) << 30);
	c->max_uploads = (unsigned)or_default(c->max_uploads, 32);
	c->max_streams = (unsigned)or_default(c->max_streams, 1000);
	c->keep_events_us = or_default(c->keep_events_us, 90 * day);
	c->keep_plans_us = or_default(c->keep_plans_us, 365 * day);
	c->keep_base_history_us = or_default(c->keep_base_history_us, 400 * day);
	c->upkeep_us = or_default(c->upkeep_us, day / 24);
	c->keep_orphans_us = or_default(c->keep_orphans_us, 7 * day);
	c->max_wait_us = or_default(c->max_wait_us, 600 * US_PER_S);
}

int api_new_config(struct loop *l, struct core *core, const struct api_config *config, struct api **ret, struct err *err) {
	static const struct api_config none;
	struct api *a = calloc(1, sizeof *a);
	if (a == NULL)
		abort();
	a->loop = l;
	a->core = core;
	a->arena = arena_new();
	TAILQ_INIT(&a->ops);
	TAILQ_INIT(&a->streams);
	TAILQ_INIT(&a->endpoint_watches);
	TAILQ_INIT(&a->waits);
	a->keys = base_keys_new();
	a->idem = idem_counts_new();
	config_copy(a, config != NULL ? config : &none);
	a->watch = (struct core_watch){ .fn = on_committed, .arg = a };
	core_watch_add(core, &a->watch);
	int rc = credentials_read(a->arena, config != NULL ? config->credentials : NULL, &a->credentials, err);
	if (rc == 0 && a->config.cache_dir != NULL)
		rc = blobs_new(a, &a->blobs, err);
	if (rc == 0)
		rc = upkeep_new(a, &a->upkeep, err);
	if (rc == 0)
		rc = courier_new(a, &a->courier, err);
	if (rc != 0) {
		api_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

int api_new(struct loop *l, struct core *core, struct api **ret, struct err *err) {
	return api_new_config(l, core, NULL, ret, err);
}

void api_free(struct api *a) {
	if (a == NULL)
		return;
	struct err err = ERR_INIT;
	err_set(&err, E_UNAVAILABLE, "this server is stopping");
	while (!TAILQ_EMPTY(&a->ops))
		op_fail(TAILQ_FIRST(&a->ops), &err);
	core_watch_remove(a->core, &a->watch);
	courier_free(a->courier);
	upkeep_free(a->upkeep);
	blobs_free(a->blobs);
	base_keys_free(a->keys);
	idem_counts_free(a->idem);
	free(a->openapi);
	arena_free(a->arena);
	free(a);
}
