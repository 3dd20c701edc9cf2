/* The work folder: private copies of module files. One base per folder (a lock says so); what an earlier run left is removed. */
#ifndef BERTH_NATIVE_WORKDIR_H
#define BERTH_NATIVE_WORKDIR_H

#include <stdint.h>

struct err;
struct workdir;

/* path NULL: a temporary folder that goes with workdir_close(). Blocking; at start. */
int workdir_open(const char *path, struct workdir **ret, struct err *err);
void workdir_close(struct workdir *w);

/* Names for new files, malloc'ed; any thread. */
char *workdir_incoming(struct workdir *w); /* a file that is still arriving */
char *workdir_module(
    struct workdir *w, const char *digest); /* a checked one: its digest and a number, so that each load is of its own file */

#endif
