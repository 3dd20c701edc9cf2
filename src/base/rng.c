/* xoshiro256** by Blackman and Vigna (public domain algorithm), seeded by splitmix64. */
#include "base/rng.h"

static uint64_t rotl(uint64_t x, int k) {
	return (x << k) | (x >> (64 - k));
}

void rng_init(struct rng *r, uint64_t seed) {
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));
		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		r->s[i] = z ^ (z >> 31);
	}
}

uint64_t rng_u64(struct rng *r) {
	uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *r, uint64_t n) {
	return n == 0 ? 0 : rng_u64(r) % n;
}

int64_t rng_jitter(struct rng *r, int64_t us) {
	int64_t span = us / 5;
	return us - span + (int64_t)rng_below(r, (uint64_t)(2 * span + 1));
}
