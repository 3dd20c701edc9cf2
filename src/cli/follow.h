/* Following one plan to its end, live: events by SSE, resumed by number through restarts and takeovers; a picture on a terminal,
 * a line per change elsewhere. */
#ifndef BERTH_CLI_FOLLOW_H
#define BERTH_CLI_FOLLOW_H

#include <jansson.h>
#include <stdint.h>

struct cli;
struct err;

struct follow_result {
	int exit;     /* enum cli_exit */
	json_t *plan; /* as last seen; the caller's */
	int64_t elapsed_us;
};

/* plan: the document that the change was answered with. Errors only for what cannot be followed (unknown plan, no server for too long);
 * time-out, interruption and every end of the plan are results. */
int follow_plan(struct cli *c, const json_t *plan, struct follow_result *ret, struct err *err);

#endif
