/* Operations: one per use case, on messages, transport neutral. Permission, tenant, idempotency, waiting and dry runs are handled here
 * once, around the handlers. rest and rpc turn bytes into calls and answers into bytes, nothing else. */
#ifndef BERTH_API_API_H
#define BERTH_API_API_H

#include "base/err.h"
#include "model/word.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct core;
struct core_state;
struct loop;
struct arena;

/* One row of src/api/ops.def. */
struct op_def {
	const char *name;    /* "CreateDeployment": rpc method and OpenAPI operationId */
	const char *service; /* "Deployments" */
	const char *summary; /* one line for OpenAPI and help */
	const ProtobufCMessageDescriptor *request, *reply;
	const char *http; /* "POST" */
	const char *path; /* "/v1/deployments/{deployment}:offline"; {x} names a request field: op_path_field() */
	const char *body; /* request field that the HTTP body is; "*" = the whole request; NULL = no body */
	enum role role;   /* least one allowed */
	unsigned flags;
	int id;
};
enum {
	OP_READ = 1,
	OP_PLAN = 2 /* replies a Plan: 202 + Location */,
	OP_CREATE = 4 /* 201 + Location */,
	OP_STREAM = 8 /* server streaming */,
	OP_NO_IDEMPOTENCY = 16
};

extern const struct op_def op_defs[];
extern const size_t n_op_defs;
const struct op_def *op_find(const char *service, const char *name);
/* The request field that {x} of a path fills: x, or x_name or x_id where x is the body message. NULL when there is none. */
const ProtobufCFieldDescriptor *op_path_field(const struct op_def *op, const char *x, size_t n);

/* Who calls. api_authenticate() makes it from a bearer token. */
struct api_caller {
	int64_t tenant_id;
	int64_t token_id;
	const char *tenant, *actor, *address;
	enum role role;
	const char *group;
	int64_t base_id;
};

struct api_call {
	/* filled by the transport */
	const struct op_def *op;
	const ProtobufCMessage *request;                        /* lives until done */
	const char *bearer;                                     /* token text or NULL */
	const char *address, *request_id, *trace;               /* peer; W3C traceparent or NULL */
	const char *idempotency_key, *if_match, *reason, *link; /* from headers; those in the request's meta win */
	int64_t wait_us;
	bool has_wait;       /* Prefer: wait=N */
	struct arena *arena; /* the transport's; freed by it after done */
	/* Exactly once, on the loop, never inside api_start(). reply NULL with err. status: HTTP status that fits (200, 201, 202). location
	 * NULL or path. For streams: called with more=true per message and a last time with reply NULL, err NULL (end) or err. */
	void (*done)(
	    struct api_call *call, const ProtobufCMessage *reply, int status, const char *location, bool more, const struct err *err);
	void *arg;
	void (*began)(struct api_call *call); /* streams, may be NULL: accepted, messages follow; before the first done */
	bool paused; /* streams: set by the transport when its client reads slowly; api_stream_more() goes on, no event is lost */
	/* the api's */
	struct api_op *op_state;
};

/* What operations need besides the core. Strings are copied. Zero is the default in parentheses. */
struct api_config {
	const char *cache_dir;          /* artifact bytes on disk; made when missing. NULL: artifacts cannot be stored or read */
	int64_t max_artifact_bytes;     /* (1 GiB) */
	int64_t max_cache_bytes;        /* (10 GiB) oldest files go first; 0 = default */
	unsigned max_uploads;           /* (32) at a time, downloads into the cache included */
	const char *const *credentials; /* for artifact URLs, api/credential.h; NULL or NULL-terminated */
	const char *fetch_ca_file;      /* for artifact URLs; NULL = the system's */
	const char *version;            /* told by status; (BERTH_VERSION) */
	int64_t keep_events_us, keep_plans_us, keep_base_history_us, keep_orphans_us; /* (90 d, 365 d, 400 d, 7 d) */
	int64_t upkeep_us;    /* (1 h) so often what is older is removed, while active */
	int64_t max_wait_us;  /* (10 min) for Prefer: wait */
	unsigned max_streams; /* (1000) event streams at a time */
};

/* config NULL = defaults. The loop and the core outlive the api. */
int api_new_config(struct loop *l, struct core *core, const struct api_config *config, struct api **ret, struct err *err);
int api_new(struct loop *l, struct core *core, struct api **ret, struct err *err); /* without artifact bytes: for tests */
void api_free(struct api *a); /* after api_drain and core_stop's done; what still waits is answered with E_UNAVAILABLE */
void api_stream_more(struct api *a, struct api_call *call); /* the client of a paused stream reads again */
void api_start(struct api *a, struct api_call *call);
void api_cancel(struct api *a, struct api_call *call); /* the client left: done follows with E_CANCELLED (a decided change stays decided) */
void api_drain(struct api *a);                         /* stopping: waits answer at once with what is known, streams end */

/* This server is not the active one any more: waits answer with what is known, streams end so that their clients come back and are
 * forwarded. */
/* After each change of the core's mode: webhooks are told while this server is active, and of a database that is away or older. */
void api_state(struct api *a, const struct core_state *s);
void api_leave(struct api *a);

/* For the byte paths that are no messages (artifact upload and download, logs stream): checks a token on the model.
 * Answers through done on a later turn. caller's strings live in the arena. */
void api_authenticate(struct api *a, const char *bearer, enum role least, const char *tenant, struct arena *arena,
    void (*done)(void *arg, const struct api_caller *who, const struct err *err), void *arg);

/* Artifact bytes: rest streams them through these. */
struct api_upload;
void api_upload_begin(struct api *a, const struct api_caller *who, const char *sha256 /* or NULL: computed */, int64_t length,
    const char *media_type, struct arena *arena, void (*done)(void *arg, struct api_upload *u, const struct err *err), void *arg);
size_t api_upload_add(
    struct api_upload *u, const void *p, size_t n, void (*more)(void *arg)); /* bytes taken; less than n: wait for more() */
void api_upload_end(struct api_upload *u, void (*done)(void *arg, const ProtobufCMessage *artifact, bool existed,
                                              const struct err *err)); /* arg of begin; digest checked; durable */
void api_upload_abort(struct api_upload *u);
/* Opens the bytes of an artifact: size first, then rest reads them from the cache file (made from the ledger while reading). */
void api_artifact_open(struct api *a, const struct api_caller *who, const char *sha256,
    void (*done)(void *arg, int fd, int64_t size, const struct err *err), void *arg);

/* Output of a base, as it comes. piece runs per part and a last time with eof or err; never inside start. After stop it runs no more. */
struct api_logs;
int api_logs_bytes(const ProtobufCMessage *request, int64_t *ret, struct err *err); /* how many are asked for */
void api_logs_start(struct api *a, const struct api_caller *who, const char *base, int64_t bytes, bool follow,
    void (*piece)(void *arg, const void *p, size_t n, bool eof, const struct err *err), void *arg, struct api_logs **ret);
void api_logs_stop(struct api_logs *x);

/* Rich error as a message: Problem for REST; rpc makes google.rpc.Status of it. */
ProtobufCMessage *api_problem(const struct err *err, const char *request_id, struct arena *a);
/* OpenAPI 3.1 document, made once from ops.def and the descriptors. */
const char *api_openapi(struct api *a, size_t *ret_n);

#endif
