/* Changes that are plans: send, follow, say how it ended. One way for deploy, apply, scale, offline, delete, rollback and plan verbs. */
#ifndef BERTH_CLI_CHANGE_H
#define BERTH_CLI_CHANGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli;
struct err;

struct change_step {      /* what was done before, for the closing line: "pushed 24 kB" took 12 ms */
	const char *name; /* "pushed": key in JSON */
	const char *text;
	int64_t us;
};

struct change {
	const char *method, *path; /* path encoded */
	const json_t *body;        /* NULL = none */
	const char *deployment;    /* for reasons when it takes too long; NULL: from the plan */
	const char *done;          /* said when all is well: "orders is offline"; NULL: the plan's title */
	bool running;              /* then say where it runs: "hello:1.0.0 runs on 3 bases in group demo" */
	const struct change_step *steps;
	size_t n_steps;
};

/* Sends it with the options of a change (reason, link, key, dry run, if busy), then follows unless told not to. Sets cli->exit. */
int change_run(struct cli *c, const struct change *ch, struct err *err);
/* Follows a plan that is known already (plan watch, resume, …) and prints how it ended. */
int change_follow(struct cli *c, const json_t *plan, const struct change *ch, struct err *err);

#endif
