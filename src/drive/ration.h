/* What one base may make us do: messages, bytes and Hellos, each an average with a burst. Kept per base and credential, not per stream,
 * so that reconnecting does not refill it and a stranger who uses a base's name does not use up that base's share. Pure: time is given. */
#ifndef BERTH_DRIVE_RATION_H
#define BERTH_DRIVE_RATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/bucket.h"
#include "base/hash.h"

struct ration_rates {
	int64_t message_us, message_burst_us; /* one message's share; how much may be owed */
	int64_t byte_rate, byte_burst_us;     /* bytes per second */
	int64_t hello_us, hello_burst_us;
};

struct ration {
	uint64_t key;
	struct bucket messages, bytes, hellos;
	unsigned refs;            /* links that use it */
	TAILQ_ENTRY(ration) idle; /* when refs == 0, oldest first */
	UT_hash_handle hh;
};

struct rations {
	struct ration_rates rates;
	struct ration *by_key;
	TAILQ_HEAD(, ration) idle;
	size_t n_idle, max_idle;
};

void rations_init(struct rations *rs, const struct ration_rates *rates, size_t max_idle);
void rations_deinit(struct rations *rs); /* none is in use */
/* The ration of that base with that credential; the parts are hashed. Given back with ration_release. */
struct ration *ration_get(struct rations *rs, mono_t now, const char *tenant, const char *base, const char *key, const char *token);
void ration_release(struct rations *rs, struct ration *r);
int64_t ration_message(const struct rations *rs, struct ration *r, mono_t now, size_t bytes); /* pause in us; 0 = go on */
bool ration_hello(const struct rations *rs, struct ration *r, mono_t now);                    /* false: too many lately */

#endif
