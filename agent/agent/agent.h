/* The agent put together: the brain, and those who do what it decides. One per process. */
#ifndef BERTH_AGENT_AGENT_H
#define BERTH_AGENT_AGENT_H

#include "options.h"

struct agent;
struct err;
struct loop;

/* command: NULL-terminated, of the base to start; NULL: something else starts it (options.arklet). */
int agent_new(struct loop *l, const struct agent_options *o, char **command, struct agent **ret, struct err *err);
void agent_start(struct agent *a);
void agent_stop(struct agent *a, const char *reason); /* goodbye, then the base; a second call ends it at once */
int agent_exit_status(const struct agent *a);         /* once the loop has stopped */
void agent_free(struct agent *a);

#endif
