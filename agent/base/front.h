/* The HTTP front for modules: routes requests to the active version that owns the path, and a page for people at "/". */
#ifndef BERTH_NATIVE_FRONT_H
#define BERTH_NATIVE_FRONT_H

#include <stdint.h>

struct base;
struct err;
struct front;

int front_new(struct base *base, struct front **ret, int *ret_port, struct err *err);
void front_drain(struct front *f, int64_t us, void (*done)(void *), void *arg);
void front_free(struct front *f);

#endif
