/* The strategy options (--batches, --confirm, …) as the API's Strategy. */
#ifndef BERTH_CLI_STRATEGY_H
#define BERTH_CLI_STRATEGY_H

#include <jansson.h>

struct cli;
struct err;

/* *ret is NULL when no option of it was given. Words are checked by the server, which names what it knows. */
int strategy_json(struct cli *c, json_t **ret, struct err *err);

#endif
