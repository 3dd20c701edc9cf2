/* A module that takes its base down: GET /crash/now, or already in start with the argument --in-start. For trying out what the
 * agent does then (restart without it, quarantine, neighbours restored). */
#include <berth/module.h>
#include <stdlib.h>

static int start(struct berth_run *run) {
	if (berth_arg(run, "--in-start", NULL))
		abort();
	return 0;
}

static void answer(struct berth_call *c) {
	berth_printf(c, 200, "crash %s is up; GET /crash/now kills its base\n", c->host->version);
}

static void now(struct berth_call *c) {
	*(volatile int *)c->state = 1; /* no start set a state: a null pointer, as in real life */
}

static const struct berth_route routes[] = { { "GET", "/", answer }, { "GET", "/now", now }, { 0 } };

BERTH_MODULE("crash", "1.0.0", .description = "dies on request", .start = start, .routes = routes);
