/* Short-lived signed links to artifact bytes, for bases that can show no key: their JVM opens whatever URL it is told, without headers.
 * Printed by the driver for one install; checked by whoever serves the bytes. */
#ifndef BERTH_CORE_GRANT_H
#define BERTH_CORE_GRANT_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct core;

/* Appends path and query; it holds for `us` from now, in this process. */
void core_grant_print(struct core *c, int64_t tenant_id, const char *sha256, int64_t us, struct buf *out);
bool core_grant_valid(struct core *c, int64_t tenant_id, const char *sha256, int64_t expires, const char *signature);

#endif
