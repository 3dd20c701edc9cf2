/* The base's two ports on loopback: given, or chosen once and kept in <data>/ports so that its address stays the same. */
#ifndef BERTH_AGENT_PORTS_H
#define BERTH_AGENT_PORTS_H

#include <stdbool.h>

struct err;

struct ports {
	int arklet, http;
};

bool ports_load(struct ports *p, const char *dir);
/* Keeps those of the file while they are free, else picks others and stores them. given: 0 = any. */
int ports_choose(struct ports *p, const char *dir, int given_arklet, int given_http, struct err *err);

#endif
