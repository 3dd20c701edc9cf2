/* Server-sent events on a streamed answer: events with id, name and data, a comment each 15 s without one, a retry hint at the end.
 * A client that does not read is dropped when its queue is over the server's max_output; it resumes by Last-Event-ID. */
#ifndef BERTH_HTTP_SSE_H
#define BERTH_HTTP_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct http_req;
struct sse;

/* Answers r with 200 text/event-stream and keeps it. NULL for HEAD: answered and consumed. */
struct sse *sse_open(struct http_req *r, struct loop *l);

/* One event; id and event may be NULL. data may hold line feeds. false: the client is gone or was dropped by this call (its handler's
 * gone() runs on a later turn); go on with sse_free(). */
bool sse_send(struct sse *s, const char *id, const char *event, const char *data);
size_t sse_queued(const struct sse *s);

/* Tells the client to come back after retry_us (0 = no hint), ends the answer, frees s and the req. */
void sse_close(struct sse *s, int64_t retry_us);
/* Frees s and releases its req: from gone(), or to cut the stream. NULL is fine. */
void sse_free(struct sse *s);

#endif
