/* Last words: when the process dies inside a module, one line says which and in what, for the agent that reads our output:
 *
 *   berth-base: crashed in module crash:1.0.0 GET /crash/now (SIGSEGV)
 *
 * Then the signal takes its usual course (core dump, exit status). Never tries to go on. */
#ifndef BERTH_BASE_CRASH_H
#define BERTH_BASE_CRASH_H

void crash_setup(void);        /* once, first thing in main: handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT; a note on exit() */
void crash_thread_begin(void); /* first thing in a worker: a stack of its own for the handler, so that overflows are reported too */
void crash_thread_end(void);

/* Code of the module runs on this thread from now on. Copied (cut to fit): "crash:1.0.0", "GET /crash/now". */
void crash_enter(const char *name, const char *version, const char *what, const char *path);
void crash_leave(void);

#endif
