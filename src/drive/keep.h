/* What a base said of itself, kept current: its Hello with every later report folded in. After a reload the core is given this, so that it
 * learns what the base holds now, not what it held when it connected. Kept packed, reports are folded when they weigh as much as the
 * Hello, so the cost per byte received is constant. Pure. */
#ifndef BERTH_DRIVE_KEEP_H
#define BERTH_DRIVE_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "berth/v1/agent.pb-c.h"

struct arena;

struct keep {
	uint8_t *hello; /* packed */
	size_t n;
	struct buf reports;    /* packed, each after its length */
	char *base, *base_key; /* given by a Welcome */
};

void keep_init(struct keep *k, const Berth__V1__Hello *h);
void keep_deinit(struct keep *k); /* a zeroed one is fine */
size_t keep_bytes(const struct keep *k);
void keep_report(struct keep *k, const Berth__V1__Report *r);
void keep_welcome(struct keep *k, const char *base, const char *base_key); /* NULL or "" = as it was */
Berth__V1__Hello *keep_hello(struct keep *k, struct arena *a);             /* as of now; in the arena */

#endif
