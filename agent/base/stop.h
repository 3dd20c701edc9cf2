/* The orderly end: no new work, last heartbeat, requests finish, modules stop in reverse order of their installation. */
#ifndef BERTH_NATIVE_STOP_H
#define BERTH_NATIVE_STOP_H

#include <stdbool.h>

struct base;
struct stop;

struct stop *stop_new(struct base *base);
void stop_begin(struct stop *s);       /* the loop stops when it is done, or after --stop-wait; a second time: at once */
bool stop_clean(const struct stop *s); /* everything ended in time */
void stop_free(struct stop *s);

#endif
