/* The base: what its parts share. Made and torn down by main.c, on the loop's thread; parts keep a pointer to it. */
#ifndef BERTH_NATIVE_BASE_H
#define BERTH_NATIVE_BASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "dispatch.h"
#include "options.h"
#include "registry.h"

struct loop;
struct fetcher;
struct heartbeat;
struct front;
struct arklet;
struct check;
struct stop;
struct workdir;

struct base {
	struct base_options opt;
	struct loop *loop;
	struct fetcher *fetcher;
	struct pool *operations; /* start, stop, copying: may block for long */
	struct pool *handlers;   /* requests */
	struct registry registry;
	struct dispatch dispatch;
	struct workdir *workdir;
	struct front *front;
	struct arklet *arklet;
	struct heartbeat *heartbeat;
	struct check *check;
	struct stop *stop;
	char identity[128];
	mono_t started;
	bool stopping; /* nothing new is taken */
};

#endif
