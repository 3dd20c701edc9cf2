/* The floors' side of gRPC: a bare C core server that takes one kind of call, a stream of messages both ways, and answers nothing by
 * itself. One thread, one completion queue; a peer may be sent one message while another is under way, not more. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "berth/v1/agent.pb-c.h"

struct peer;
struct peer_tag {
	struct peer *peer;
	enum { WIRE_CALL, WIRE_READ, WIRE_SENT, WIRE_OVER } kind;
};
struct peer {
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array head;
	grpc_byte_buffer *in;
	struct peer_tag accept, read, sent, over;
	int cancelled, number; /* in the order they came */
	bool started, greeted, sending;
	grpc_byte_buffer *next; /* goes when the one being sent is on its way */
};
struct wire {
	grpc_server *server;
	grpc_completion_queue *queue;
	struct peer **peers;
	int n_peers, port;
};

void wire_listen(struct wire *w);
/* Waits for a peer's message and returns it, unpacked by the caller; NULL when `until_us` (monotonic; 0: never) has passed, or when a peer
 * ended its stream (*ret_peer is set then, and its status was sent). The bytes are the caller's to free. */
uint8_t *wire_next(struct wire *w, int64_t until_us, struct peer **ret_peer, size_t *ret_n);
void wire_send(struct peer *p, const Berth__V1__ServerMessage *m);
/* Every agent's first exchange: its Hello is answered by a Welcome. True: that was one. */
bool wire_welcome(struct peer *p, const Berth__V1__AgentMessage *m);

#endif
