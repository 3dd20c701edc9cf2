/* Addresses in a table of fixed size: an attacker with many of them makes it no larger. */
#include "http/tarpit.h"

#include <xxhash.h>

/* What is owed has a limit: an address whose clients do not wait for their answers owes a minute and some seconds, not hours. */
int64_t tarpit_take(struct tarpit *t, const unsigned char address[16], unsigned a_minute, mono_t now) {
	struct bucket *b = &t->addresses[XXH3_64bits(address, 16) % TARPIT_ADDRESSES];
	if (bucket_owed(b, now) >= TARPIT_BURST_US + TARPIT_MAX_US)
		return TARPIT_MAX_US;
	int64_t us = bucket_take(b, now, 60 * US_PER_S / a_minute, TARPIT_BURST_US);
	return us < TARPIT_MAX_US ? us : TARPIT_MAX_US;
}
