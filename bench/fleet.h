/* A fleet of agents without bases, in one process: each speaks the agent protocol on a stream of its own and answers a command at once,
 * late or never. Several streams may share a connection. One thread; nothing moves outside of fleet_turn(). */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include <stdbool.h>
#include <stdint.h>

struct fleet_options {
	const char *server, *token, *prefix; /* agents are called PREFIX-NUMBER */
	int agents, streams;                 /* streams per connection */
	bool mute;                           /* commands are never answered */
	int64_t least_us, most_us;           /* how long an install takes; both 0: no time */
};
struct fleet {
	struct fleet_options o;
	struct agent *agents;
	struct grpc_completion_queue *queue;
	int opened, welcomed, ready, gone, late;
	int64_t commanded, acked; /* installs asked for; of these, whose outcomes the server says are durable */
	uint32_t seed;
};

void fleet_init(struct fleet *f, const struct fleet_options *o);
/* Opens streams, at most 200 that are not welcomed yet at a time, and handles one event, or none within wait_us. */
void fleet_turn(struct fleet *f, int64_t wait_us);
/* Each agent that is welcomed says that its base is ready: counted in f->ready when that is durable. */
void fleet_say_ready(struct fleet *f);
/* Each agent sends n heartbeats and ends its stream: counted in f->gone when the server ended it, too. */
void fleet_beat(struct fleet *f, int n);

#endif
