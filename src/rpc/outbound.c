/* A piece is one allocation that becomes a gRPC slice without a copy. The overhead is counted too: a million empty messages are not free.
 */
#include "rpc/outbound.h"

#include <stdlib.h>

void outbound_init(struct outbound *o, size_t cap) {
	STAILQ_INIT(&o->pieces);
	o->bytes = 0;
	o->cap = cap;
}

void outbound_deinit(struct outbound *o) {
	for (struct piece *p = outbound_take(o); p != NULL; p = outbound_take(o))
		free(p);
	o->bytes = 0;
}

unsigned char *outbound_add(struct outbound *o, size_t n) {
	size_t cost = n + sizeof(struct piece);
	if (o->bytes > 0 && (cost > o->cap || o->bytes > o->cap - cost))
		return NULL;
	struct piece *p = malloc(cost);
	if (p == NULL)
		abort();
	p->n = n;
	o->bytes += cost;
	STAILQ_INSERT_TAIL(&o->pieces, p, link);
	return p->data;
}

struct piece *outbound_take(struct outbound *o) {
	struct piece *p = STAILQ_FIRST(&o->pieces);
	if (p != NULL)
		STAILQ_REMOVE_HEAD(&o->pieces, link);
	return p;
}

void outbound_sent(struct outbound *o, size_t n) {
	size_t cost = n + sizeof(struct piece);
	o->bytes = o->bytes > cost ? o->bytes - cost : 0;
}

bool outbound_empty(const struct outbound *o) {
	return STAILQ_EMPTY(&o->pieces);
}
