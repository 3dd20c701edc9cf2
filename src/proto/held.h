/* The life of a module on its base, as agent and server both understand arklet's word for it; and the digest of what a base holds, which
 * goes with heartbeats: agent and server compute it over their own lists and compare. A sum, so that order does not matter and one module
 * can be added or taken away without walking the rest. Only what stays as it is counts, not what is remembered about it (quarantined
 * modules, failed installs) or on its way. */
#ifndef BERTH_PROTO_HELD_H
#define BERTH_PROTO_HELD_H

#include <stdint.h>

enum held_meaning {
	HELD_ON_ITS_WAY, /* no news: whoever asked for it will be told how it ended */
	HELD_ACTIVE,
	HELD_BESIDE, /* installed beside the active version */
	HELD_BROKEN,
	HELD_STOPPED, /* out of service; its remains are still listed */
};

/* Of arklet's word, in any case of letters; a word that is not known means broken. */
enum held_meaning held_meaning(const char *state);
/* The share of one held module. Add up as unsigned, start at 0. */
uint64_t held_digest(const char *module, const char *version, const char *state);

#endif
