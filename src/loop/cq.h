/* A gRPC C-core completion queue on the loop. The queue has no descriptor, so one thread blocks on it and hands each finished
 * operation to the loop's thread through a mailbox. Batches are started on the loop's thread only.
 *
 * Embed a cq_tag in each operation and pass its address as the tag; it may be outstanding once at a time and must live until fn ran.
 * fn runs on the loop's thread, once per start, in the order of completion; ok is gRPC's success flag. */
#ifndef BERTH_LOOP_CQ_H
#define BERTH_LOOP_CQ_H

#include <stdbool.h>

#include "loop/mailbox.h"

struct loop;
struct err;
struct cq;
struct grpc_completion_queue;

struct cq_tag {
	void (*fn)(struct cq_tag *tag, bool ok);
	struct letter letter; /* used by cq.c while the completion is on its way */
	bool ok;
};

/* Calls grpc_init(); after it the process must not fork (posix_spawn before it, or a helper process). */
int cq_new(struct loop *l, struct cq **ret, struct err *err);
struct grpc_completion_queue *cq_queue(struct cq *cq);

/* Around each call that starts an operation on the queue: what it completes at once (a message that has arrived already, one that fits into
 * the socket) goes straight to the loop, and the queue's thread is not woken for it. */
void cq_begin(struct cq *cq);
void cq_end(struct cq *cq);

/* Drains and joins: every outstanding tag is delivered before it returns, which it does only once all operations are over.
 * So first cancel the calls and shut the server or the channels down. Blocks the loop for that moment; tags delivered meanwhile
 * may not start new operations. Frees cq and calls grpc_shutdown(). NULL is fine. */
void cq_shutdown(struct cq *cq);

#endif
