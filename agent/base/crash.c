/* Last words. The text is made when a module is entered, so the handler only writes it: nothing else would be async-signal-safe.
 * Thread-local marks are the one kind of mutable global a signal handler can reach. */
#include "crash.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK_BYTES = 64 * 1024 };

static __thread char mark[512];
static __thread volatile sig_atomic_t mark_length;
static __thread void *stack;

static void put(const char *s, size_t n) {
	ssize_t done = write(STDERR_FILENO, s, n);
	(void)done; /* nobody left to tell */
}
#define PUT(literal) put((literal), sizeof(literal) - 1)

static void put_signal(int signo) {
	switch (signo) {
	case SIGSEGV: PUT(" (SIGSEGV)\n"); break;
	case SIGBUS: PUT(" (SIGBUS)\n"); break;
	case SIGFPE: PUT(" (SIGFPE)\n"); break;
	case SIGILL: PUT(" (SIGILL)\n"); break;
	case SIGABRT: PUT(" (SIGABRT)\n"); break;
	default: PUT("\n"); break;
	}
}

static void on_fatal(int signo) {
	if (mark_length) {
		PUT("berth-base: crashed in module ");
		put(mark, (size_t)mark_length);
	} else {
		PUT("berth-base: crashed outside of any module call, perhaps in a thread that a module started");
	}
	put_signal(signo);
	raise(signo); /* SA_RESETHAND: the default action now, once this handler returns */
}

static void on_exit_note(void) {
	if (!mark_length)
		return;
	PUT("berth-base: exit() called by module ");
	put(mark, (size_t)mark_length);
	PUT("\n");
}

void crash_setup(void) {
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction sa = { .sa_handler = on_fatal, .sa_flags = SA_RESETHAND | SA_ONSTACK };
	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		sigaction(fatal[i], &sa, NULL);
	atexit(on_exit_note);
	crash_thread_begin();
}

void crash_thread_begin(void) {
	stack_t current, ours = { .ss_size = STACK_BYTES };
	/* A sanitizer's runtime brings an alternate stack of its own and frees it itself. */
	if (sigaltstack(NULL, &current) == 0 && !(current.ss_flags & SS_DISABLE))
		return;
	ours.ss_sp = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (ours.ss_sp == MAP_FAILED)
		return; /* without it only stack overflows go unreported */
	if (sigaltstack(&ours, NULL) == 0)
		stack = ours.ss_sp;
	else
		munmap(ours.ss_sp, STACK_BYTES);
}

void crash_thread_end(void) {
	if (!stack)
		return;
	stack_t off = { .ss_flags = SS_DISABLE };
	sigaltstack(&off, NULL);
	munmap(stack, STACK_BYTES);
	stack = NULL;
}

/* One line, whatever the path holds. */
static void mark_clean(void) {
	for (char *s = mark; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

void crash_enter(const char *name, const char *version, const char *what, const char *path) {
	mark_length = 0;
	snprintf(mark, sizeof mark, "%s:%s %s%s%s", name, version, what, *path ? " " : "", path);
	mark_clean();
	mark_length = (sig_atomic_t)strlen(mark);
}

void crash_leave(void) {
	mark_length = 0;
}
