/* Commands that the owner of this base lets a server call by name: --hook NAME=COMMAND. The server sends a name and a context, never a
 * command line. */
#ifndef BERTH_AGENT_HOOK_H
#define BERTH_AGENT_HOOK_H

#include "brain.h"

struct loop;
struct hooks;

typedef void (*hook_done)(void *arg, int64_t id, const struct brain_hook *h);

/* list: "NAME=COMMAND", NULL-terminated, or NULL; kept by the caller for as long as the hooks live. E_INVALID for what is no such pair. */
int hooks_new(struct loop *l, const char *base, char *const *list, struct hooks **ret, struct err *err);
void hooks_free(struct hooks *h); /* what runs is killed, and nobody is told */
/* Runs it with /bin/sh: the context on its standard input; BERTH_HOOK, BERTH_HOOK_KEY and BERTH_BASE in its environment. Exit code 0 is
 * done. After timeout_us it is killed with all that it started. done runs exactly once, never before this returned. */
void hook_run(struct hooks *h, const struct brain_effect *e, hook_done done, void *arg);

#endif
