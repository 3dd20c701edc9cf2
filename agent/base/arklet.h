/* The arklet listener: POST /<command> with a JSON object, as Koupleless bases serve it (default port 1238), without their hangs. */
#ifndef BERTH_NATIVE_ARKLET_H
#define BERTH_NATIVE_ARKLET_H

#include <stdint.h>

struct arklet;
struct base;
struct err;

int arklet_new(struct base *base, struct arklet **ret, int *ret_port, struct err *err);
/* No new connections; pending answers go out. */
void arklet_drain(struct arklet *a, int64_t us, void (*done)(void *), void *arg);
void arklet_free(struct arklet *a);

#endif
