/* Inside the link: link.c chooses addresses and queues, link_stream.c is one gRPC call. */
#ifndef BERTH_AGENT_LINK_INT_H
#define BERTH_AGENT_LINK_INT_H

#include <sys/queue.h>

#include "base/rng.h"
#include "link.h"
#include "loop/cq.h"
#include "loop/loop.h"

struct stream;

struct parcel {
	STAILQ_ENTRY(parcel) link;
	size_t n;
	uint8_t data[];
};

struct link {
	struct loop *loop;
	struct cq *cq;
	char **servers, *ca, *cert, *key, *server;
	size_t n_servers, next;
	bool tls, up, slow, finishing, said, high;
	int64_t pause_us;
	struct rng rng;
	struct stream *stream;
	struct timer again, late;
	struct deferred finished;
	STAILQ_HEAD(, parcel) queue;
	size_t queued; /* bytes, with the one that is being sent */
	struct link_events events;
	void (*done)(void *arg);
	void *arg;
};

void stream_open(struct link *k, const char *address); /* sets k->stream */
void stream_pump(struct stream *s);                    /* sends the next parcel if none is on its way */
void stream_end(struct stream *s);                     /* says that nothing more comes */
void stream_cancel(struct stream *s);

/* From the stream: */
void link_stream_up(struct link *k);
void link_stream_over(struct link *k, const char *why); /* exactly once per stream */
void link_stream_message(struct link *k, const Berth__V1__ServerMessage *m);
struct parcel *link_next(struct link *k);
void link_sent(struct link *k, size_t n);

#endif
