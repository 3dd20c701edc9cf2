/* Floor of register_rate, heartbeat_rate and memory: a bare C core server. Each stream's first message is answered by one message; whatever
 * comes later is read and counted. It prints its port, and serves until it is killed. */
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

int main(void) {
	struct wire w;
	struct peer *p;
	size_t n, messages = 0;
	wire_listen(&w);
	printf("rpc 127.0.0.1:%d\n", w.port);
	fflush(stdout);
	for (;;) {
		uint8_t *bytes = wire_next(&w, 0, &p, &n);
		if (bytes == NULL)
			continue;
		messages++;
		Berth__V1__AgentMessage *m = p->greeted ? NULL : berth__v1__agent_message__unpack(NULL, n, bytes);
		if (m != NULL) {
			wire_welcome(p, m);
			berth__v1__agent_message__free_unpacked(m, NULL);
		}
		free(bytes);
	}
}
