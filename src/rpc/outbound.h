/* What one stream still has to send: messages in order, their bytes counted against a cap. gRPC allows one outstanding send per call,
 * so everything else waits here. Pure: no gRPC. */
#ifndef BERTH_RPC_OUTBOUND_H
#define BERTH_RPC_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct piece {
	STAILQ_ENTRY(piece) link;
	size_t n;
	unsigned char data[];
};

struct outbound {
	STAILQ_HEAD(, piece) pieces;
	size_t bytes; /* queued and being sent, each piece with its overhead */
	size_t cap;
};

void outbound_init(struct outbound *o, size_t cap);
void outbound_deinit(struct outbound *o);
/* Room for n bytes at the end of the queue, to be filled by the caller before anything else happens; NULL when over the cap
 * (nothing changed). A single message is always taken when nothing else waits. */
unsigned char *outbound_add(struct outbound *o, size_t n);
/* The oldest piece, NULL when empty; it stays counted until outbound_sent(). The caller frees it. */
struct piece *outbound_take(struct outbound *o);
void outbound_sent(struct outbound *o, size_t n); /* n of the piece */
bool outbound_empty(const struct outbound *o);

#endif
