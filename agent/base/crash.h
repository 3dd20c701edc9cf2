/* Last words: when the process dies inside a module, one line says which and in what, for the agent that reads our output:
 *
 *   berth-base: crashed in module crash:1.0.0 GET /crash/now (SIGSEGV)
 *
 * Then the signal takes its usual course (core dump, exit status). Never tries to go on. */
#ifndef BERTH_NATIVE_CRASH_H
#define BERTH_NATIVE_CRASH_H

#include <stdint.h>

void crash_setup(void);        /* once, first thing in main: handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT; a note on exit() */
void crash_thread_begin(void); /* first thing in a worker: a stack of its own for the handler, so that overflows are reported too */
void crash_thread_end(void);

/* Code of the module runs on this thread from now on. Copied (cut to fit): "crash:1.0.0", "GET /crash/now". */
void crash_enter(const char *name, const char *version, const char *what, const char *path);
void crash_leave(void);

/* Where the code of a module lies, so that a crash in a thread of its own is reported as its too ("crash:1.0.0 thread of its own").
 * Returns a slot for crash_range_remove(), -1 when there is none left. */
int crash_range_add(const char *name, const char *version, uintptr_t start, uintptr_t end);
void crash_range_remove(int slot);

#endif
