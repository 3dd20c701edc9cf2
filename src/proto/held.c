/* One module's share of the digest. The lengths keep "ab:c" and "a:bc" apart. */
#include "proto/held.h"

#include <string.h>
#include <xxhash.h>

static uint64_t add(const char *s, uint64_t seed) {
	return XXH64(s, strlen(s), seed);
}

uint64_t held_digest(const char *module, const char *version, const char *state) {
	if (strcmp(state, "activated") != 0 && strcmp(state, "deactivated") != 0 && strcmp(state, "broken") != 0)
		return 0; /* on its way: whoever asked for it will be told */
	return add(state, add(version, add(module, 0)));
}
