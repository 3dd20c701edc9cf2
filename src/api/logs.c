/* The output of a base, through its driver. The link may vanish at any time: it is looked up on the model at the moment it is used. */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/buf.h"
#include "base/name.h"
#include "core/driver.h"

#define DEFAULT_BYTES (64 * 1024)
#define MAX_BYTES (1024 * 1024)

struct api_logs {
	struct core_op core; /* first */
	struct api *api;
	int64_t tenant_id, base_id, bytes;
	char name[64];
	bool follow, in_core, stopped;
	void (*piece)(void *arg, const void *p, size_t n, bool eof, const struct err *err);
	void *arg;
	void *handle;
};

static int find_apply(struct core *c, struct core_op *op, struct err *err) {
	struct api_logs *x = (struct api_logs *)op;
	const struct tenant *t = fleet_tenant_by_id(core_fleet(c), x->tenant_id);
	const struct base *b = t != NULL ? fleet_base(t, x->name) : NULL;
	if (b == NULL)
		return err_set(err, E_NOT_FOUND, "there is no base \"%s\"; berth base list shows them", x->name);
	x->base_id = b->row.id;
	return 0;
}

static void logs_end(struct api_logs *x, const struct err *err) {
	void (*piece)(void *, const void *, size_t, bool, const struct err *) = x->piece;
	void *arg = x->arg;
	free(x);
	piece(arg, NULL, 0, err == NULL, err);
}

static void arrived(void *arg, const void *p, size_t n, bool eof, const struct err *err) {
	struct api_logs *x = arg;
	if (err == NULL && n > 0)
		x->piece(x->arg, p, n, false, NULL);
	if (eof || err != NULL)
		logs_end(x, err);
}

static void found(struct core_op *op, const struct err *err) {
	struct api_logs *x = (struct api_logs *)op;
	struct err own = ERR_INIT;
	x->in_core = false;
	if (x->stopped) {
		free(x);
		return;
	}
	if (err != NULL) {
		logs_end(x, err);
		return;
	}
	struct driver *d = core_driver(x->api->core);
	const struct base *b = fleet_base_by_id(core_fleet(x->api->core), x->base_id);
	if (b != NULL && b->drive != NULL)
		x->handle = d->ops->logs(b->drive, x->bytes, x->follow, arrived, x);
	if (x->handle != NULL)
		return;
	if (b == NULL || b->drive == NULL)
		err_set(&own, E_UNAVAILABLE,
		    "base %s is not connected, and its output is kept by its agent; see the agent's log on its machine", x->name);
	else
		err_set(&own, E_UNSUPPORTED, "base %s has no agent that keeps its output", x->name);
	logs_end(x, &own);
}

int api_logs_bytes(const ProtobufCMessage *request, int64_t *ret, struct err *err) {
	const Berth__V1__LogsBaseRequest *r = (const Berth__V1__LogsBaseRequest *)request;
	if (r->has_bytes && (r->bytes < 1 || r->bytes > MAX_BYTES))
		return err_field(err, E_INVALID, "/bytes", "bytes must be between 1 and %d", MAX_BYTES);
	*ret = r->has_bytes ? r->bytes : DEFAULT_BYTES;
	return 0;
}

void api_logs_start(struct api *a, const struct api_caller *who, const char *base, int64_t bytes, bool follow,
    void (*piece)(void *arg, const void *p, size_t n, bool eof, const struct err *err), void *arg, struct api_logs **ret) {
	struct api_logs *x = calloc(1, sizeof *x);
	if (x == NULL)
		abort();
	x->core.apply = find_apply;
	x->core.done = found;
	x->core.read = true;
	x->api = a;
	x->tenant_id = who->tenant_id;
	memcpy(x->name, base, strnlen(base, sizeof x->name - 1));
	x->bytes = bytes;
	x->follow = follow;
	x->piece = piece;
	x->arg = arg;
	x->in_core = true;
	*ret = x;
	core_submit(a->core, &x->core);
}

void api_logs_stop(struct api_logs *x) {
	if (x == NULL)
		return;
	x->stopped = true;
	if (x->in_core)
		return;
	if (x->handle != NULL)
		core_driver(x->api->core)->ops->logs_stop(x->handle);
	free(x);
}

/* ---- as an operation: the last bytes in one answer ------------------------------------------------------------------------------------
 */
struct collect {
	struct api_op *op;
	struct api_logs *logs;
	struct buf text;
};

static void collect_forget(struct api_op *op) {
	struct collect *k = op->state;
	api_logs_stop(k->logs);
	buf_deinit(&k->text);
}

static void collected(void *arg, const void *p, size_t n, bool eof, const struct err *err) {
	struct collect *k = arg;
	struct api_op *op = k->op;
	if (n > 0)
		buf_add(&k->text, p, n);
	if (!eof && err == NULL)
		return;
	op->abort = NULL;
	Berth__V1__LogsBaseReply *m = PB_NEW(Berth__V1__LogsBaseReply, berth__v1__logs_base_reply, op->kept);
	m->text = arena_strndup(op->kept, buf_str(&k->text), k->text.len);
	PUT(m, truncated, k->text.overflow);
	op->reply = (ProtobufCMessage *)m;
	buf_deinit(&k->text);
	if (op->cancelled)
		return;
	if (err != NULL)
		op_fail(op, err);
	else
		op_answer(op);
}

static void collect_start(struct api_op *op) {
	const Berth__V1__LogsBaseRequest *r = (const Berth__V1__LogsBaseRequest *)op->call->request;
	struct collect *k = arena_alloc(op->kept, sizeof *k);
	k->op = op;
	buf_init(&k->text, MAX_BYTES);
	op->state = k;
	op->abort = collect_forget;
	int64_t bytes = 0;
	api_logs_bytes(op->call->request, &bytes, NULL); /* checked before */
	api_logs_start(op->api, &op->who, r->base, bytes, false, collected, k, &k->logs);
}

int op_base_logs(struct api_op *op, struct err *err) {
	const Berth__V1__LogsBaseRequest *r = (const Berth__V1__LogsBaseRequest *)op->call->request;
	int64_t bytes;
	int rc = api_logs_bytes(op->call->request, &bytes, err);
	if (rc != 0)
		return rc;
	op->then = collect_start;
	return find_base(op, r->base, "", err) == NULL ? err->code : 0;
}
