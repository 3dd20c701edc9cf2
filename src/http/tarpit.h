/* Refusals of tokens that nobody knows leave at a bounded rate per address: what is above it waits. Who shows a right token is not asked
 * here, whatever comes from the same address. Pure: time is given. */
#ifndef BERTH_HTTP_TARPIT_H
#define BERTH_HTTP_TARPIT_H

#include <stdint.h>

#include "base/bucket.h"

#define TARPIT_MAX_US (5 * US_PER_S)    /* the longest wait */
#define TARPIT_BURST_US (60 * US_PER_S) /* a minute's worth at once */
#define TARPIT_ADDRESSES 1024           /* two that fall together share their rate, which hurts nobody with a token */

struct tarpit {
	struct bucket addresses[TARPIT_ADDRESSES];
};

/* One more refusal for that address, of so many a minute: how long it waits. */
int64_t tarpit_take(struct tarpit *t, const unsigned char address[16], unsigned a_minute, mono_t now);

#endif
