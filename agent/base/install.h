/* Installing: artifact → checked → listed as resolved → loaded and started on a worker → activated or deactivated; or gone again. */
#ifndef BERTH_NATIVE_INSTALL_H
#define BERTH_NATIVE_INSTALL_H

#include <stdbool.h>

#include "artifact.h"
#include "outcome.h"

struct base;

struct install_spec {
	const char *name, *version; /* both, or both NULL: whatever the file says */
	const char *url;
	const char *sha256; /* NULL: not compared */
	int argc;
	const char *const *argv, *const *env; /* NULL-terminated */
	bool replace;                         /* uninstallThenInstall: all versions of the name go, after the new file was checked */
};

/* The spec is copied. a: the artifact if it is here already (owned by the installation from now on), else NULL.
 * done runs exactly once, never before install_start() returned. */
void install_start(struct base *base, const struct install_spec *spec, struct artifact *a, outcome_fn done, void *arg);

#endif
