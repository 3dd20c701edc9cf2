/* The base's output on request of the server: the last bytes, then, when asked to follow, what is appended. Bounded in readers and in
 * what waits to be sent. */
#ifndef BERTH_AGENT_LOGS_H
#define BERTH_AGENT_LOGS_H

#include "berth/v1/agent.pb-c.h"

struct link;
struct loop;
struct logs;
struct output;

struct logs *logs_new(struct loop *l, struct output *o, struct link *k); /* o NULL: the output is not ours to read; answers eof */
void logs_free(struct logs *g);
void logs_request(struct logs *g, const Berth__V1__LogRequest *q);
void logs_drained(struct logs *g);  /* the link takes more */
void logs_stop_all(struct logs *g); /* the stream is gone, and with it those who asked */

#endif
