/* A process that the agent starts: its base, or the command of a hook. */
#ifndef BERTH_AGENT_CHILD_H
#define BERTH_AGENT_CHILD_H

#include <sys/types.h>

/* Starts argv[0], found through PATH, with exactly `env`, in a process group of its own (so that kill(-pid) reaches all that it starts), no
 * signal blocked or ignored. `in`: its standard input, -1: /dev/null; `out`: its standard output and error. Both stay the caller's. 0, and
 * *ret_pid; else an errno value, and nothing runs. */
int child_start(char *const argv[], char *const env[], int in, int out, pid_t *ret_pid);

#endif
