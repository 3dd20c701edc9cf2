/* After "not found": what there is, and which of it was probably meant. */
#ifndef BERTH_CLI_SUGGEST_H
#define BERTH_CLI_SUGGEST_H

#include "base/buf.h"

struct cli;

/* Appends a line "  did you mean: orders" or "  there is: billing, orders"; nothing when the server cannot say. */
void suggest_names(struct cli *c, struct buf *out);

#endif
