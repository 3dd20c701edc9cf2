/* The digest of what a base holds, in heartbeats: agent and server compute it over their own lists and compare. A sum, so that order
 * does not matter and one module can be added or taken away without walking the rest. Only what is on the base counts, not what is
 * remembered about it (quarantined modules, failed installs), and only in the states activated, deactivated and broken. */
#ifndef BERTH_PROTO_HELD_H
#define BERTH_PROTO_HELD_H

#include <stdint.h>

/* The share of one held module; state is arklet's word in lower case. Add up as unsigned, start at 0. */
uint64_t held_digest(const char *module, const char *version, const char *state);

#endif
