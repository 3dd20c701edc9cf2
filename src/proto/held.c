/* One table for both sides, and one module's share of the digest. The lengths keep "ab:c" and "a:bc" apart. */
#include "proto/held.h"

#include "proto/arklet.h"

#include <string.h>
#include <xxhash.h>

static const enum held_meaning meanings[ARKLET_STATES] = {
	[ARKLET_UNRESOLVED] = HELD_ON_ITS_WAY,
	[ARKLET_RESOLVED] = HELD_ON_ITS_WAY,
	[ARKLET_ACTIVATED] = HELD_ACTIVE,
	[ARKLET_DEACTIVATED] = HELD_BESIDE,
	[ARKLET_BROKEN] = HELD_BROKEN,
	[ARKLET_STOPPED] = HELD_STOPPED,
};

enum held_meaning held_meaning(const char *state) {
	return meanings[arklet_state_parse(state)];
}

static uint64_t add(const char *s, uint64_t seed) {
	return XXH64(s, strlen(s), seed);
}

uint64_t held_digest(const char *module, const char *version, const char *state) {
	enum held_meaning m = held_meaning(state);
	if (m == HELD_ON_ITS_WAY || m == HELD_STOPPED)
		return 0;
	return add(state, add(version, add(module, 0)));
}
