/* Deliberate defects, which the simulation has to find (test/sim/mutants.def). They exist only in its own copy of the rooms, compiled with
 * BERTH_MUTANTS; everywhere else MUTANT() is false and leaves nothing behind. */
#ifndef BERTH_BASE_MUTANT_H
#define BERTH_BASE_MUTANT_H

#ifdef BERTH_MUTANTS
enum mutant {
	MUTANT_none,
#define M(name, text) MUTANT_##name,
#include "mutants.def"
#undef M
	MUTANT_COUNT
};
extern enum mutant mutant; /* the one that is in force */
#define MUTANT(name) (mutant == MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
