/* What a plan document says about the plan's end: goes on, needs a person, is over; and in which words. Pure, on JSON. */
#ifndef BERTH_CLI_PROGRESS_H
#define BERTH_CLI_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PROGRESS_GOING (-1)

/* PROGRESS_GOING while it runs by itself, else the exit code (enum cli_exit) that its state stands for. */
int progress_exit(const json_t *plan);
/* "upgrade of hello 1.0.0 → 2.0.0", "release of hello 1.0.0", "offline of orders". */
void progress_title(const json_t *plan, bool utf8, struct buf *out);
/* One line: "plan 1042: running, batch 2 of 3, 4 of 10 tasks done". */
void progress_line(const json_t *plan, struct buf *out);
/* Failed tasks: {base, deployment, module, version, kind, attempt, fault, retryable, cause, output}; a new array. */
json_t *progress_failed(const json_t *plan);
/* Commands that move the plan on, by its verbs: "berth plan resume 1042"; one per line, indented. */
void progress_commands(const json_t *plan, const char *indent, struct buf *out);
/* What is left of it by the pace of its batches so far, in microseconds; -1 while nothing is done, or when it stands still. */
int64_t progress_left(const json_t *plan, int64_t now_us);
/* The plan's own time so far or in all, in microseconds; -1 when it does not say. */
int64_t progress_elapsed(const json_t *plan, int64_t now_us);

#endif
