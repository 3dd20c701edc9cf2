/* What somebody asks for, found and checked against the fleet, before anything is touched. Private to src/core. */
#ifndef BERTH_CORE_RESOLVE_H
#define BERTH_CORE_RESOLVE_H

#include "core/conductor.h"

/* Everything a change needs. */
struct resolved {
	struct tenant *tenant;
	struct deployment *deployment; /* NULL: new */
	struct module *module;
	struct version *version;
	struct group *group;
	const char *name;
	int64_t replicas;
	const char *args, *env, *labels;
	struct strategy strategy;
	bool content_same, same; /* nothing on a base changes; nothing at all changes */
};

/* All of what is asked for at once: each by itself, no deployment twice, nobody busy where that refuses it, and what each requires
 * (demand.h). Errors of one part begin with its spec's `at`. ret has n places. */
int resolve_all(struct core *c, int64_t tenant_id, const struct deploy_spec *specs, size_t n, struct resolved *ret, struct err *err);
enum plan_kind resolved_kind(const struct resolved *r);

int version_check(const struct version *v, struct err *err); /* E_STATE: it cannot be installed, its bytes are not known */

#endif
