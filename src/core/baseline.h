/* What a base is to hold after its start, told to its agent with each welcome: the agent restores that from its own disk, in requirement
 * order, also where no server is there. Reads the fleet, changes nothing. Private to src/core. */
#ifndef BERTH_CORE_BASELINE_H
#define BERTH_CORE_BASELINE_H

#include "model/fleet.h"

struct arena;

/* What is wanted there, and what is not wanted any more but required there by another one that is. Not what a command is about (that one
 * says what is to be), nor what requires it and would come back without it. In the order of the base's instances, in the arena. */
size_t baseline_of(const struct base *b, struct arena *a, const struct instance ***ret);

#endif
