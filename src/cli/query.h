/* Paths and query strings of requests, percent-encoded. Pure. */
#ifndef BERTH_CLI_QUERY_H
#define BERTH_CLI_QUERY_H

#include <stdint.h>

#include "base/buf.h"

struct cli;
struct arena;

/* "/v1/bases/%s:cordon" with each argument of %s encoded; in the arena. */
const char *query_path(struct arena *a, const char *format, ...);
/* Adds "key=value&"-wise; NULL and "" values are left out. */
void query_add(struct buf *q, const char *key, const char *value);
void query_add_int(struct buf *q, const char *key, int64_t value); /* 0 is left out */
/* What every change may carry: tenant aside, reason, link, dryRun, ifBusy from the options. */
void query_add_meta(struct buf *q, const struct cli *c);

#endif
