/* Seeded random numbers (xoshiro256**) for jitter, tie-breaks and simulations; never for secrets (see base/secret.h). */
#ifndef BERTH_BASE_RNG_H
#define BERTH_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 … n-1, unbiased enough for n < 2^32; 0 for n = 0 */
int64_t rng_jitter(struct rng *r, int64_t us); /* us ± 20 % */

#endif
