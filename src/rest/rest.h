/* REST: bytes ⇄ operations, the byte paths of artifacts and base output, event streams, health, metrics and the status page.
 * It knows no rules of the domain: those are in src/api. Used by the server:
 *
 *   rest_new(loop, api, core, &config, &rest, err); http_server_new(loop, rest_handler(), rest, …, &http, err); rest_attach(rest, http); */
#ifndef BERTH_REST_REST_H
#define BERTH_REST_REST_H

#include <stdint.h>

struct loop;
struct api;
struct core;
struct http_server;
struct http_handler;
struct err;
struct rest;

struct rest_config {
	int join_tag; /* listener tag (http_server_listen) where only artifact contents, heartbeats and baselines are served, for bases; 0 =
	                 there is none */
	const char *peer_ca_file;         /* whom to trust when the active server's address starts with https://; NULL = the system's */
	const char *cert_file, *key_file; /* who we are, when it asks; or NULL */
	int64_t sse_beat_us;              /* (15 s) comment line on quiet event streams */
	unsigned max_proxied;             /* (1000) requests forwarded at a time while standing by */
};

/* config NULL = defaults. */
int rest_new(struct loop *l, struct api *api, struct core *core, const struct rest_config *config, struct rest **ret, struct err *err);
void rest_free(struct rest *r);                          /* after the http server is gone */
const struct http_handler *rest_handler(void);           /* its arg is the rest */
void rest_attach(struct rest *r, struct http_server *s); /* for /metrics */
void rest_took_over(struct rest *r);                     /* this server holds the lease now: what it forwarded to another fails */

#endif
