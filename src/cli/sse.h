/* Server-sent events: pieces of a byte stream in, events out. Pure; the caller feeds it. */
#ifndef BERTH_CLI_SSE_H
#define BERTH_CLI_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define SSE_MAX_EVENT (1u << 20)

struct sse {
	struct buf line, data;
	char id[32], event[64]; /* of the event being read */
	char last_id[32];       /* of the last event that had one: resume from here */
	size_t lines;           /* data lines so far */
	bool after_cr;
	int (*on_event)(void *arg, const char *id, const char *event, const char *data, size_t n); /* non-zero ends sse_feed with it */
	void *arg;
};

void sse_init(struct sse *s, int (*on_event)(void *arg, const char *id, const char *event, const char *data, size_t n), void *arg);
void sse_deinit(struct sse *s);
void sse_restart(struct sse *s);                      /* a new connection: half an event is forgotten, last_id stays */
int sse_feed(struct sse *s, const char *p, size_t n); /* E_TOO_LARGE for an endless event */

#endif
