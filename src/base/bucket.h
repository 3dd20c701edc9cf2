/* A leaky bucket as one number: the time until which what was taken is paid for (generic cell rate). Pure: time is given. */
#ifndef BERTH_BASE_BUCKET_H
#define BERTH_BASE_BUCKET_H

#include <stdint.h>

#include "base/clock.h"

struct bucket {
	mono_t paid_until;
};

/* Takes cost_us; returns how long to pause so that the average holds again, 0 while the burst covers it. */
int64_t bucket_take(struct bucket *b, mono_t now, int64_t cost_us, int64_t burst_us);
int64_t bucket_owed(const struct bucket *b, mono_t now); /* 0 when everything is paid */

#endif
