/* The agent's stream to its cell: dials one address after the other, with a growing pause between rounds, keeps one stream, sends in
 * order. What the messages mean is not its business. */
#ifndef BERTH_AGENT_LINK_H
#define BERTH_AGENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/v1/agent.pb-c.h"

struct loop;
struct cq;
struct err;
struct link;

struct link_config {
	const char *const *servers; /* "host:port"; NULL-terminated; copied */
	bool tls;
	const char *ca_file;              /* PEM; NULL: the system's */
	const char *cert_file, *key_file; /* PEM, both or none: who we are, for servers that ask */
	const char *agent_version;
	uint64_t seed;
};
struct link_events {
	void (*up)(void *arg); /* the stream is open: say Hello */
	void (*down)(void *arg, const char *why);
	void (*message)(void *arg, const Berth__V1__ServerMessage *m); /* valid during the call */
	void (*drained)(void *arg);                                    /* little is queued again, after link_queued() was high */
};

#define LINK_HIGH ((size_t)256 << 10)

int link_new(struct loop *l, struct cq *cq, const struct link_config *cfg, const struct link_events *events, void *arg, struct link **ret,
    struct err *err);
void link_start(struct link *k);
bool link_send(struct link *k, const Berth__V1__AgentMessage *m); /* packed at once; false: there is no stream */
size_t link_queued(const struct link *k);                         /* bytes that wait to be sent */
void link_drop(struct link *k, bool slow);                        /* ends the stream; dials again, slow: not before 30 s */
void link_joined(struct link *k);                                 /* welcomed: the next pause is the shortest again */
void link_learn(struct link *k, char *const *servers, size_t n);  /* more addresses of the cell; those given at the start stay */
const char *link_server(const struct link *k);                    /* the address in use, "" when none */
/* Sends what is queued within a second, then ends the stream for good; done on a later turn. */
void link_finish(struct link *k, void (*done)(void *arg));
void link_free(struct link *k); /* after cq_shutdown(): nothing of it is outstanding any more */

#endif
