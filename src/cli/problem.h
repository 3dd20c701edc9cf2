/* Errors as people and scripts see them: the server's problem documents, the text on standard error, the exit code. */
#ifndef BERTH_CLI_PROBLEM_H
#define BERTH_CLI_PROBLEM_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

struct err;

/* From an answer that is no 2xx: code and detail of the problem document; without one, the status and the first line of the text. */
void problem_to_err(const json_t *problem, int status, const char *text, struct err *ret);
/* "error: what … / next: …" and a line per wrong field. problem may be NULL. color: the word is red. */
void problem_print(const struct err *err, const json_t *problem, bool color, struct buf *out);
/* The exit code that an error stands for (enum cli_exit). */
int problem_exit(int code);

#endif
