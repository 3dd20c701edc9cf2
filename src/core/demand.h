/* What modules require of each other, held against what would be wanted afterwards: nothing missing, no cycle, nobody else left without.
 * Refusals show the path and the versions that would fit. Reads the fleet, changes nothing. Private to src/core. */
#ifndef BERTH_CORE_DEMAND_H
#define BERTH_CORE_DEMAND_H

#include "core/conductor.h"

/* One deployment as it would be. */
struct demand {
	const struct deployment *deployment; /* NULL: new */
	const struct module *module;
	const struct version *version; /* NULL: it goes away */
	const struct group *group;
	bool fresh;          /* its version is news: what it requires is looked at, and whether it does for those that require it */
	const char *pointer; /* to the field that says the version */
};

/* All of them together. E_CONFLICT with the pointer of the one that does not do. */
int demand_check(struct core *c, const struct demand *v, size_t n, struct err *err);
/* How many of its wanted instances wanted ones of others require where they are, in whatever state either is: one that is moved counts
 * where it goes to, one that is restored where it was. ret (may be NULL): a deployment of those that require. What comes to require it
 * after this was asked is waited for by the plan that takes away. */
int64_t demand_required(const struct deployment *d, const struct base *only, const struct deployment **ret);
/* What is asked to go. */
struct leaving {
	const struct deployment *deployment;
	const struct base *only; /* NULL: from any of its bases */
	int64_t n;               /* so many of its wanted instances */
	const char *verb;        /* "go offline" */
	const char *pointer;     /* to the field that asks for it */
};
/* Those that nobody requires may go; others only when the caller forces it and says why (then *ret_forced). E_CONFLICT names who requires
 * them and the command that would do. */
int demand_keep(const struct core_who *who, const struct leaving *x, bool *ret_forced, struct err *err);

#endif
