/* Events one after another, for commands that wait for something: opens the stream, resumes it by number, hands out one event at a time. */
#ifndef BERTH_CLI_TAIL_H
#define BERTH_CLI_TAIL_H

#include <jansson.h>
#include <stdint.h>

struct cli;
struct err;
struct tail;

/* query: filters, encoded, without `after`. after 0: from now on. */
int tail_open(struct cli *c, const char *query, int64_t after, struct tail **ret, struct err *err);
/* The next event (the caller's), or NULL after timeout_us; negative: for ever. Errors only for what trying again cannot mend. */
int tail_next(struct tail *t, int64_t timeout_us, json_t **ret, struct err *err);
void tail_close(struct tail *t);

#endif
