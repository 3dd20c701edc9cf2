/* Inside of the gRPC room: the server's state, shared by its files. */
#ifndef BERTH_RPC_RPC_INT_H
#define BERTH_RPC_RPC_INT_H

#include <grpc/grpc.h>

#include "loop/cq.h"
#include "loop/expiry.h"
#include "loop/loop.h"
#include "rpc/call.h"
#include "rpc/rpc.h"

struct desc_set;
struct listener;

#define ACCEPT_SLOTS 64 /* calls gRPC may hand over before we look again */
#define MAX_HOOKS 4

/* One outstanding grpc_server_request_call. */
struct slot {
	struct rpc *rpc;
	struct cq_tag tag;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array head;
};

struct hook_entry {
	struct rpc_hook hook;
	void *arg;
};

struct rpc {
	struct loop *loop;
	struct cq *cq;
	struct api *api;
	struct core *core;
	struct rpc_limits limits;
	grpc_server *server;
	struct slot slots[ACCEPT_SLOTS];
	struct hook_entry hooks[MAX_HOOKS];
	size_t n_hooks;
	TAILQ_HEAD(call_list, call) calls; /* all that are not over */
	TAILQ_HEAD(, watcher) watchers;    /* of health */
	struct listener *listeners;        /* those with TLS */
	struct desc_set *descs;
	struct expiry_queue stalls, idles;
	struct rpc_stats stats;
	bool started, draining;
	struct cq_tag stopped;
	struct timer drain_timer;
	void (*drain_done)(void *arg);
	void *drain_arg;
};

/* Kinds of calls: each starts on an accepted call. */
void op_accept(struct call *c, const void *op);
void health_accept(struct call *c, const void *watch);
void reflect_accept(struct call *c, const void *unused);
void hook_accept(struct call *c, const void *entry);
extern const struct call_kind op_kind, health_kind, reflect_kind, hook_kind;
void health_stop(struct rpc *r); /* ends all watches */

struct grpc_server_credentials *listener_credentials(struct rpc *r, const struct rpc_tls *tls, struct err *err);
void listeners_free(struct rpc *r);

#endif
