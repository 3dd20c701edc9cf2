/* Uninstalling: the route goes at once, requests inside end (within a deadline), stop, unload, gone. And switching. */
#ifndef BERTH_NATIVE_UNINSTALL_H
#define BERTH_NATIVE_UNINSTALL_H

#include <stdint.h>

#include "outcome.h"

struct base;
struct biz;

/* The caller holds the claim on the biz until done. wait_us: for requests inside; when it passes the biz stays, deactivated, and the
 * outcome is FAILED. done runs exactly once, never before uninstall_start() returned. */
void uninstall_start(struct base *base, struct biz *b, int64_t wait_us, outcome_fn done, void *arg);

/* Makes b the active version. Immediate. */
void switch_to(struct base *base, struct biz *b, struct outcome *ret_outcome);

#endif
