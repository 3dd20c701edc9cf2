/* A process of the private cluster: started here, or found alive and adopted. Its end is seen through a pidfd; signals go through it, too,
 * so that a number that was given to another process is never hit. */
#ifndef BERTH_LEDGER_PROCESS_H
#define BERTH_LEDGER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"

struct process {
	pid_t pid; /* 0: none */
	int pidfd;
	bool child;
	struct watch watch;
	void (*died)(void *arg, bool known, int status); /* once; known: status is that of waitpid */
	void *arg;
};

struct process_spec {
	const char *const *argv; /* argv[0] is a path */
	const char *const *env;  /* NAME=value, beside PATH, LC_ALL and HOME; NULL: none */
	const char *user;        /* runs as this user (we are root), NULL: as we are */
	int out;                 /* its stdout and stderr */
};

/* A session of its own, so that a Ctrl-C at the terminal is not for it; nothing but 0, 1 and 2 open; working folder /. */
int process_start(
    struct process *p, struct loop *l, const struct process_spec *spec, void (*died)(void *, bool, int), void *arg, struct err *err);
int process_adopt(
    struct process *p, struct loop *l, pid_t pid, void (*died)(void *, bool, int), void *arg, struct err *err); /* E_NOT_FOUND: gone */
void process_signal(struct process *p, int signo);
void process_forget(struct process *p); /* leaves it running; died is not called any more */

#endif
