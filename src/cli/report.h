/* What a finished plan took, as text. Pure, on JSON. */
#ifndef BERTH_CLI_REPORT_H
#define BERTH_CLI_REPORT_H

#include <jansson.h>

#include "base/buf.h"

/* Appends the lines of the plan's report; nothing when it has none (it did not end). */
void report_add(const json_t *plan, struct buf *out);

#endif
