/* Makes the parts from left to right and takes them down from right to left. gRPC comes after everything that starts processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "drive/drive.h"
#include "http/server.h"
#include "ledger/ledger.h"
#include "loop/cq.h"
#include "loop/fetch.h"
#include "rest/rest.h"
#include "rpc/rpc.h"
#include "server/admin.h"
#include "server/berthd.h"
#include "server/outbound.h"
#include "server/witness.h"

/* ---- the core's turns -------------------------------------------------------------------------------------------------------------- */

static void aim(struct berthd *s) {
	mono_t due = core_deadline(s->core);
	if (due.us == INT64_MAX) {
		timer_cancel(&s->deadline);
		return;
	}
	int64_t us = mono_diff(due, clock_mono(&clock_real));
	timer_set(&s->deadline, us > 0 ? us : 0);
}

static void on_turn(void *arg) {
	struct berthd *s = arg;
	core_turn(s->core);
	aim(s);
}

static void on_wake(void *arg) {
	struct berthd *s = arg;
	deferred_schedule(&s->turn);
}

/* ---- each part --------------------------------------------------------------------------------------------------------------------- */

/* The same name at each start on this data folder, whose lock is ours: a lease under it was an earlier process of ours, which is dead, and
 * need not run out first. */
static int name_node(struct berthd *s, struct err *err) {
	char path[600], host[64] = "localhost", id[33] = "", *text;
	snprintf(path, sizeof path, "%s/node", s->opt.data_dir);
	int r = file_read(path, 256, &text, NULL, err);
	if (r == 0) {
		snprintf(id, sizeof id, "%.*s", (int)strspn(text, "0123456789abcdef"), text);
		free(text);
	} else if (r != E_NOT_FOUND) {
		return r;
	}
	if (strlen(id) != 16) {
		uint8_t bits[8];
		random_bytes(bits, sizeof bits);
		hex_encode(bits, sizeof bits, id);
		r = file_write(path, id, strlen(id), 0600, err);
		if (r != 0)
			return r;
	}
	gethostname(host, sizeof host - 1);
	snprintf(s->node, sizeof s->node, "%.40s:%s", host, id); /* the lease keeps 63 characters */
	return 0;
}

static int make_ledger(struct berthd *s, const char *conninfo, struct err *err) {
	struct ledger_pg_config c;
	ledger_pg_config_defaults(&c);
	c.url = conninfo;
	c.keep_revisions = s->opt.keep_revisions;
	c.seed = rng_u64(&s->rng);
	if (c.lease_us > s->opt.renew)
		c.lease_us = s->opt.renew;
	return ledger_pg_new(s->loop, &clock_real, &c, &s->pg, err);
}

static int make_drive(struct berthd *s, struct err *err) {
	struct drive_limits l = { .silence_us = 3 * s->opt.heartbeat, .max_links = (unsigned)s->opt.max_agents };
	return drive_new(s->loop, &l, &s->drive, err);
}

/* Addresses are pointed to, not copied: they are filled in by listen_all(), before anybody asks for them. */
static void core_configure(struct berthd *s, struct core_config *c) {
	core_config_defaults(c);
	c->node = s->node;
	c->rest = s->rest_address;
	c->rpc = s->rpc_address;
	c->servers = s->servers;
	c->artifacts = s->artifacts;
	c->plain_artifacts = s->opt.join_listen != NULL ? s->join_artifacts : NULL;
	c->lease_us = s->opt.lease;
	c->renew_us = s->opt.renew;
	c->stop_us = s->opt.stop;
	c->silent_us = s->opt.silent;
	c->lost_us = s->opt.lost;
	c->replace_us = s->opt.replace;
	c->forget_us = s->opt.forget;
	c->heartbeat_us = s->opt.heartbeat;
	c->keep_revisions = s->opt.keep_revisions;
	c->in_flight = s->opt.in_flight;
	c->in_flight_base = s->opt.in_flight_base;
	c->set_aside = s->opt.set_aside;
	c->base_events = s->opt.events_per_base;
}

static int list_servers(struct berthd *s, struct err *err) {
	size_t n = 0;
	while (s->opt.servers != NULL && s->opt.servers[n] != NULL)
		n++;
	s->servers = calloc(n + 2, sizeof *s->servers);
	if (s->servers == NULL)
		return err_set(err, E_NOMEM, "no memory");
	s->servers[0] = s->rpc_address;
	for (size_t i = 0; i < n; i++)
		s->servers[i + 1] = s->opt.servers[i];
	return 0;
}

static int tell_witness(struct berthd *s, const char *path, struct err *err) {
	struct witness_seen seen;
	int r = witness_read(path, &seen, err);
	if (r == 0 && seen.cell[0] != '\0')
		core_witness(s->core, seen.cell, seen.epoch, seen.event);
	return r;
}

static int make_core(struct berthd *s, struct err *err) {
	char path[600];
	struct core_config c;
	int r = list_servers(s, err);
	if (r == 0)
		r = name_node(s, err);
	if (r != 0)
		return r;
	core_configure(s, &c);
	deferred_init(&s->turn, s->loop, on_turn, s);
	timer_init(&s->deadline, s->loop, on_turn, s);
	r = fetcher_new(s->loop, &s->fetcher, err);
	if (r != 0)
		return r;
	s->outbound = outbound_new(s->fetcher);
	struct core_env env = {
		.clock = clock_real,
		.rng = &s->rng,
		.ledger = ledger_pg_ledger(s->pg),
		.driver = drive_driver(s->drive),
		.outbound = s->outbound,
		.wake = on_wake,
		.arg = s,
	};
	r = core_new(&env, &c, &s->core, err);
	if (r != 0)
		return r;
	drive_attach(s->drive, s->core);
	snprintf(path, sizeof path, "%s/witness", s->opt.data_dir);
	r = tell_witness(s, path, err);
	return r != 0 ? r : witness_new(s->loop, s->core, path, &s->witness, err);
}

static int make_api(struct berthd *s, struct err *err) {
	char cache[600];
	snprintf(cache, sizeof cache, "%s/artifacts", s->opt.data_dir);
	struct api_config c = {
		.cache_dir = cache,
		.max_artifact_bytes = s->opt.max_artifact,
		.max_cache_bytes = s->opt.max_cache,
		.max_uploads = (unsigned)s->opt.max_uploads,
		.credentials = (const char *const *)s->opt.artifact_credentials,
		.fetch_ca_file = s->opt.artifact_ca,
		.version = BERTH_VERSION,
		.keep_events_us = s->opt.keep_events,
		.keep_plans_us = s->opt.keep_plans,
		.keep_base_history_us = s->opt.keep_base_history,
		.keep_orphans_us = s->opt.keep_orphans,
		.upkeep_us = s->opt.upkeep,
		.max_wait_us = s->opt.max_wait,
		.max_streams = (unsigned)s->opt.max_streams,
	};
	return api_new_config(s->loop, s->core, &c, &s->api, err);
}

static int make_http(struct berthd *s, struct err *err) {
	struct rest_config c = { .join_tag = s->opt.join_listen != NULL ? LISTEN_JOIN : 0,
		.peer_ca_file = s->opt.tls_peer_ca,
		.cert_file = s->opt.tls_cert,
		.key_file = s->opt.tls_key };
	struct http_limits l = { .max_connections = (unsigned)s->opt.max_connections,
		.max_per_address = (unsigned)s->opt.max_per_address,
		.max_refused = (unsigned)s->opt.max_refused };
	int r = rest_new(s->loop, s->api, s->core, &c, &s->rest, err);
	if (r == 0)
		r = http_server_new(s->loop, rest_handler(), s->rest, &l, &s->http, err);
	if (r == 0)
		rest_attach(s->rest, s->http);
	return r;
}

static int make_rpc(struct berthd *s, struct err *err) {
	struct rpc_limits l = { .max_calls = (unsigned)s->opt.max_calls, .max_memory = (size_t)s->opt.max_rpc_memory };
	int r = cq_new(s->loop, &s->cq, err);
	if (r == 0)
		r = rpc_new(s->loop, s->cq, s->api, s->core, &l, &s->rpc, err);
	return r != 0 ? r : bridge_agents(s->rpc, s->drive, err);
}

int parts_make(struct berthd *s, const char *conninfo, struct err *err) {
	int r = make_ledger(s, conninfo, err);
	if (r == 0)
		r = make_drive(s, err);
	if (r == 0)
		r = make_core(s, err);
	if (r == 0)
		r = make_api(s, err);
	if (r == 0)
		r = make_http(s, err);
	if (r == 0)
		r = make_rpc(s, err);
	if (r == 0)
		r = listen_all(s, err);
	if (r != 0)
		return r;
	s->admin = admin_new(s->loop, s->core, s->opt.data_dir, s->rest_address, s->opt.write_context);
	return rpc_start(s->rpc, err);
}

void parts_free(struct berthd *s) {
	http_server_free(s->http);
	rpc_free(s->rpc);
	cq_shutdown(s->cq);
	rest_free(s->rest);
	api_free(s->api);
	admin_free(s->admin);
	witness_free(s->witness);
	if (s->core != NULL) {
		core_end(s->core);
		deferred_deinit(&s->turn);
		timer_deinit(&s->deadline);
	}
	fetcher_free(s->fetcher);
	outbound_free(s->outbound);
	drive_free(s->drive);
	ledger_pg_free(s->pg);
	core_free(s->core);
	free(s->servers);
}
