/* Arklet's commands: one table row each, one run per request. A run ends in exactly one of the run_…() functions below, at once or
 * later; synchronous ones answer their request with it, asynchronous ones finish their record. */
#ifndef BERTH_NATIVE_COMMAND_H
#define BERTH_NATIVE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "outcome.h"

struct arena;
struct base;
struct err;
struct run;

struct command {
	const char *id, *desc;
	bool async;                                   /* may be run with a record instead of a waiting client */
	int (*check)(struct run *r, struct err *err); /* NULL: none. Failing is arklet's parameter exception */
	void (*start)(struct run *r);
};

extern const struct command *const command_table[]; /* ends with NULL */
const struct command *command_find(const char *id); /* NULL: no such command */

struct base *run_base(struct run *r);
struct arena *run_arena(struct run *r);
const json_t *run_params(struct run *r);      /* an object, or NULL when there was no body */
void run_set_data(struct run *r, void *data); /* check() leaves what it decoded */
void *run_data(struct run *r);
json_t *run_find_record(struct run *r, const char *request_id); /* NULL: unknown */

/* Each takes data and ends the run. */
void run_success(struct run *r, json_t *data);
void run_refuse(struct run *r, const char *message, json_t *data);    /* outer FAILED */
void run_fail(struct run *r, const char *message, const char *cause); /* outer CMD_PROCESS_INTERNAL_ERROR */
/* From an outcome: "install biz not success!" and the inner object. */
void run_outcome(struct run *r, const char *what, bool with_space, const struct outcome *o);
json_t *outcome_json(const struct outcome *o, bool with_space); /* the inner object */

extern const struct command command_install, command_batch, command_uninstall, command_switch, command_query, command_health, command_help,
    command_ops;

#endif
