/* The smallest useful module: one route. Two versions come from this one source (see the Makefile). */
#include <berth/module.h>

#ifndef HELLO_VERSION
#define HELLO_VERSION "1.0.0"
#endif

static void hello(struct berth_call *c) {
	berth_printf(c, 200, "hello " HELLO_VERSION " from %s\n", c->host->base_name);
}

static const struct berth_route routes[] = { { "GET", "/", hello }, { 0 } };

BERTH_MODULE("hello", HELLO_VERSION, .description = "says hello and which version it is", .routes = routes);
