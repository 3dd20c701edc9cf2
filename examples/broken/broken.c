/* A module whose start fails in an orderly way, with a message that says what to do. */
#include <berth/module.h>

static int start(struct berth_run *run) {
	return berth_fail(
	    run, "no database at %s: start it, or set DATABASE_URL for this deployment", berth_env(run, "DATABASE_URL", "localhost:5432"));
}

BERTH_MODULE("broken", "1.0.0", .description = "never starts", .start = start);
