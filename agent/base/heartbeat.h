/* Heartbeats to a server, as stock bases send them, and one thing they do not: a last one that says the base is going. */
#ifndef BERTH_NATIVE_HEARTBEAT_H
#define BERTH_NATIVE_HEARTBEAT_H

struct base;
struct err;
struct heartbeat;

/* The first one goes out at once; a beat that is not answered in time is given up when the next is due. port: arklet's. */
int heartbeat_new(struct base *base, int port, struct heartbeat **ret, struct err *err);
/* Sends the last one; done runs when it was answered or given up (2 s), never before this returned. */
void heartbeat_stop(struct heartbeat *h, void (*done)(void *), void *arg);
void heartbeat_free(struct heartbeat *h);

#endif
