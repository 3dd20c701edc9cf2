/* The base's process: starts it in a group of its own, watches it by pidfd, finds it again after the agent's own death by pid and
 * start time, picks its ports and fills in its command line. It decides nothing: when to start and to stop is the brain's. */
#ifndef BERTH_AGENT_SUPERVISE_H
#define BERTH_AGENT_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#include "brain.h"

struct loop;
struct err;
struct output;
struct supervise;
struct worker;

struct supervise_config {
	char **command;  /* NULL-terminated; placeholders {arklet_port} {http_port} {work_dir} {data} {base} */
	const char *dir; /* data folder; the work folder is <dir>/work */
	const char *base;
	int64_t arklet_port, http_port; /* 0: any free one, kept over restarts */
	bool java;                      /* a JVM: options for port, telnet and work folder go in by JAVA_TOOL_OPTIONS */
};

typedef void (*supervise_started_fn)(void *arg, int64_t pid, int64_t pid_start, const struct err *err);
typedef void (*supervise_exited_fn)(void *arg, const struct brain_exit *x);

int supervise_new(struct loop *l, struct output *o, const struct supervise_config *cfg, supervise_started_fn started,
    supervise_exited_fn exited, void *arg, struct supervise **ret, struct err *err);
void supervise_free(struct supervise *s); /* the process lives on */

/* True when that very process is alive: it is watched from now on. */
bool supervise_adopt(struct supervise *s, int64_t pid, int64_t pid_start);
/* Otherwise: chooses the ports, which adopting found in the folder (they are the living process's own). */
int supervise_prepare(struct supervise *s, struct err *err);
void supervise_start(struct supervise *s); /* clears the work folder first; started runs on a later turn */
void supervise_signal(struct supervise *s, int signo);
int64_t supervise_pid(const struct supervise *s); /* 0: none */
int supervise_arklet_port(const struct supervise *s);
int supervise_http_port(const struct supervise *s);
int64_t supervise_memory(const struct supervise *s);  /* resident bytes, 0 unknown */
int64_t supervise_threads(const struct supervise *s); /* 0 unknown */

/* Field 22 of /proc/PID/stat, 0 when there is no such process or it is a zombie. */
int64_t process_start_time(int64_t pid);
/* Placeholders filled in; malloc'ed. Unknown ones stay as they are. */
char *placeholders_fill(const char *text, const char *const *names, const char *const *values);

#endif
