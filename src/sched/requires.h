/* What a version requires of the other modules on its base: "module" or "module:range" in version.requires. A range is one or more of
 * = > >= < <= ~ ^ with a version, all of which must hold; none = any version. Pure. */
#ifndef BERTH_SCHED_REQUIRES_H
#define BERTH_SCHED_REQUIRES_H

#include "model/fleet.h"

struct arena;

struct requirement {
	const char *module, *range; /* range "" = any version */
	const char *text;           /* as it was given: "catalog:^2" */
};

bool requires_any(const struct version *v); /* cheap: most require nothing */
/* In the arena. What cannot be read is no requirement: it was checked when the version was registered. */
size_t requires_of(const struct version *v, struct arena *a, struct requirement **ret);
/* What v asks of that module; false: nothing. In the arena. */
bool requires_module(const struct version *v, const struct module *m, struct arena *a, struct requirement *ret);

bool version_in_range(const char *version, const char *range);
bool version_range_valid(const char *range); /* a list of [= > >= < <= ~ ^]VERSION; what is none is never met */
bool requirement_meets(const struct requirement *r, const struct version *v);

/* What is required before what requires it; else the order stays. */
void requires_sort(const struct instance **v, size_t n);
/* Is x active on the base of i, and does it require the module of i? */
bool requires_instance(const struct instance *x, const struct instance *i);
/* Who on that base, active there or on its way in or out, requires the module of `i`, and would miss it without `i`? NULL: nobody. `after`:
 * to go on behind that one. */
const struct instance *requirer_of(const struct instance *i, const struct instance *after);
/* Who is wanted on that base and not there yet, or not any more, requires `i`, and would miss it? NULL: nobody. */
const struct instance *requirer_coming(const struct instance *i);
/* Does somebody active on its base require `old`, whom the version that follows it would not do for? */
bool requirers_break(const struct instance *old, const struct version *to);
/* What v requires and nobody brings to that base: nothing of that module is wanted there. NULL: nothing; else in the arena. */
const char *requirement_missed(const struct base *b, const struct version *v, struct arena *a);
/* May this task be sent? Not an install before what it requires is active on the base, nor a removal before those that require it are
 * gone from there. NULL: it may; else the instance it waits for, and for an install the requirement in ret (may be NULL; in the arena).
 * forced: a person took away what others require. */
const struct instance *task_awaits(const struct task *t, bool forced, struct arena *a, struct requirement *ret);

#endif
