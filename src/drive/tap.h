/* Readers of one base's output: each asks the agent with an id of its own and gets the pieces that come back with it. */
#ifndef BERTH_DRIVE_TAP_H
#define BERTH_DRIVE_TAP_H

#include <sys/queue.h>

#include "core/driver.h"

struct tap;
struct taps {
	LIST_HEAD(, tap) open;
	unsigned n;
	void (*ask)(void *arg, const Berth__V1__LogRequest *r); /* sends it to the agent */
	void *arg;
};

void taps_init(struct taps *ts, void (*ask)(void *arg, const Berth__V1__LogRequest *r), void *arg);
void taps_end(struct taps *ts); /* the link is gone: each reader gets E_UNAVAILABLE */
void taps_chunk(struct taps *ts, const Berth__V1__LogChunk *c);

/* The handle is valid until fn got eof or an error, or tap_stop() was called; tap_stop() inside fn is fine. */
struct tap *tap_open(struct taps *ts, int64_t id, int64_t bytes, bool follow, driver_logs_fn fn, void *arg);
void tap_stop(struct tap *t);

#endif
