/* The server as a whole: makes the parts, glues them together, takes them down again. One per process, on one loop. */
#ifndef BERTH_SERVER_BERTHD_H
#define BERTH_SERVER_BERTHD_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/rng.h"
#include "core/core.h"
#include "loop/loop.h"
#include "server/datadir.h"
#include "server/options.h"

#define ADDRESS_MAX 160
enum { LISTEN_MAIN = 1, LISTEN_JOIN = 2 }; /* tags of HTTP listeners */

struct admin;
struct api;
struct cq;
struct drive;
struct embedded;
struct fetcher;
struct http_server;
struct ledger_pg;
struct outbound;
struct rest;
struct rpc;
struct witness;

struct berthd {
	struct server_options opt;
	struct opts *opts;
	int argc;
	char **argv;
	struct datadir data;
	struct loop *loop;
	struct rng rng;
	struct embedded *embedded; /* NULL with a database URL */
	struct ledger_pg *pg;
	struct cq *cq;
	struct drive *drive;
	struct core *core;
	struct fetcher *fetcher; /* of outbound */
	struct outbound *outbound;
	struct api *api;
	struct rest *rest;
	struct http_server *http;
	struct rpc *rpc;
	struct witness *witness;
	struct admin *admin;
	struct deferred turn;  /* core_turn() */
	struct timer deadline; /* core_deadline() */
	struct deferred after; /* the beginning; later the last step of the end */
	struct timer watchdog;
	int64_t watchdog_us;
	char node[160];
	char rest_address[ADDRESS_MAX + 16], rpc_address[ADDRESS_MAX];                 /* as others reach us */
	char rest_bound[ADDRESS_MAX], rpc_bound[ADDRESS_MAX], join_bound[ADDRESS_MAX]; /* as we listen; "" = not */
	char artifacts[ADDRESS_MAX + 16], join_artifacts[ADDRESS_MAX + 16]; /* URL prefixes; the second for bases without an agent */
	const char **servers;                                               /* gRPC addresses of the cell, ours first */
	enum core_mode mode;
	bool running; /* parts are made, core was started */
	bool stopping, accepted_older;
	int draining; /* parts that are not done yet */
	int exit_status;
};

/* Runs until a signal; returns the exit status. */
int berthd_run(struct berthd *s);

/* parts.c: everything that needs the database's address. On an error what was made stays for parts_free(). */
int parts_make(struct berthd *s, const char *conninfo, struct err *err);
void parts_free(struct berthd *s);
/* listen.c: opens all addresses, fills rest_address … artifacts; writes the port file. */
int listen_all(struct berthd *s, struct err *err);
/* bridge.c: agents' streams of the gRPC server to the driver. */
int bridge_agents(struct rpc *rpc, struct drive *drive, struct err *err);
/* state.c: what follows from the core's mode. */
void state_changed(void *arg, const struct core_state *st);
/* stop.c: ends everything in order, then the loop. */
void stop_begin(struct berthd *s);
void stop_after_drain(struct berthd *s);

#endif
