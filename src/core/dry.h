/* What a change would do: the real code, on a copy of the group it touches, with time that passes as fast as it is counted. Nothing in the
 * fleet changes. In slices: whoever runs one keeps it over several turns. */
#ifndef BERTH_CORE_DRY_H
#define BERTH_CORE_DRY_H

#include "core/change.h"

struct dry;

/* How long tasks of that module took lately (0: of any that is not named); samples 0: nobody knows, and they count as taking no time. */
struct dry_times {
	int64_t module_id, install_us, uninstall_us;
	int samples;
};

/* times, n_times: of the modules in question. The specs are the same at each call, and read during it only. Errors are those of
 * change_deploy_all(); E_BUSY: what they are about changes faster than it can be copied. */
int dry_begin(struct core *c, const struct core_who *who, const struct deploy_spec *specs, size_t n, const struct dry_times *times,
    size_t n_times, struct dry **ret, struct err *err);
/* Goes on for about so long: copies, asks there, runs. The fleet may have been loaded anew in between. */
int dry_step(struct dry *d, struct core *c, const struct core_who *who, const struct deploy_spec *specs, size_t n, int64_t budget_us,
    bool *ret_over, struct err *err);
/* Everything in the arena. Of very many bases and placements the first thousand. */
struct dry_run *dry_result(struct dry *d, struct arena *a);
void dry_free(struct dry *d, struct core *c); /* NULL is fine; without a core what it copied is freed at once, else piece by piece */
/* fleet_check() of the copy: for tests. */
int dry_check(const struct dry *d, struct err *err);

#endif
