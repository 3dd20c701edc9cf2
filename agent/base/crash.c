/* Last words. Texts are made when a module is entered or loaded, so the handler only writes them: nothing else would be
 * async-signal-safe. Thread-local marks and the table of ranges are mutable globals because a signal handler reaches nothing else. */
#include "crash.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { STACK_BYTES = 64 * 1024, RANGES = 1024 };

static __thread char mark[512];
static __thread volatile sig_atomic_t mark_length;
static __thread void *stack;

static struct range {
	atomic_uintptr_t start, end; /* start 0: free. Set last, cleared first */
	char name[140];
} ranges[RANGES];
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER; /* writers only */

/* One line, one write: other threads still log, and a line that theirs falls into names nobody to the agent that reads it. */
struct words {
	char text[1024];
	size_t n;
};

static void add(struct words *w, const char *s, size_t n) {
	if (n > sizeof w->text - w->n)
		n = sizeof w->text - w->n;
	memcpy(w->text + w->n, s, n);
	w->n += n;
}
#define ADD(w, literal) add((w), (literal), sizeof(literal) - 1)

static void say(const struct words *w) {
	ssize_t done = write(STDERR_FILENO, w->text, w->n);
	(void)done; /* nobody left to tell */
}

static void add_signal(struct words *w, int signo) {
	switch (signo) {
	case SIGSEGV:
		ADD(w, " (SIGSEGV)\n");
		break;
	case SIGBUS:
		ADD(w, " (SIGBUS)\n");
		break;
	case SIGFPE:
		ADD(w, " (SIGFPE)\n");
		break;
	case SIGILL:
		ADD(w, " (SIGILL)\n");
		break;
	case SIGABRT:
		ADD(w, " (SIGABRT)\n");
		break;
	default:
		ADD(w, "\n");
		break;
	}
}

static uintptr_t program_counter(const void *context) {
	const ucontext_t *uc = context;
#if defined(__x86_64__)
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)uc->uc_mcontext.pc;
#elif defined(__riscv)
	return (uintptr_t)uc->uc_mcontext.__gregs[REG_PC];
#elif defined(__loongarch64)
	return (uintptr_t)uc->uc_mcontext.__pc;
#endif
}

static const char *range_name(uintptr_t pc) {
	for (size_t i = 0; i < RANGES; i++) {
		uintptr_t start = atomic_load(&ranges[i].start);
		if (start && pc >= start && pc < atomic_load(&ranges[i].end))
			return ranges[i].name;
	}
	return NULL;
}

static void on_fatal(int signo, siginfo_t *info, void *context) {
	const char *owner = NULL;
	struct words w = { .n = 0 };
	if (mark_length) {
		ADD(&w, "berth-base: crashed in module ");
		add(&w, mark, (size_t)mark_length);
	} else if ((owner = range_name(program_counter(context)))) {
		ADD(&w, "berth-base: crashed in module ");
		add(&w, owner, strlen(owner));
		ADD(&w, " thread of its own");
	} else {
		ADD(&w, "berth-base: crashed outside of any module call, perhaps in a thread that a module started");
	}
	add_signal(&w, signo);
	say(&w);
	raise(signo); /* SA_RESETHAND: the default action now, once this handler returns */
}

static void on_exit_note(void) {
	if (!mark_length)
		return;
	struct words w = { .n = 0 };
	ADD(&w, "berth-base: exit() called by module ");
	add(&w, mark, (size_t)mark_length);
	ADD(&w, "\n");
	say(&w);
}

void crash_setup(void) {
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction sa = { .sa_sigaction = on_fatal, .sa_flags = SA_RESETHAND | SA_ONSTACK | SA_SIGINFO };
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

int crash_range_add(const char *name, const char *version, uintptr_t start, uintptr_t end) {
	int slot = -1;
	pthread_mutex_lock(&ranges_lock);
	for (int i = 0; i < RANGES && slot < 0; i++)
		if (!atomic_load(&ranges[i].start))
			slot = i;
	if (slot >= 0) {
		snprintf(ranges[slot].name, sizeof ranges[slot].name, "%s:%s", name, version);
		atomic_store(&ranges[slot].end, end);
		atomic_store(&ranges[slot].start, start);
	}
	pthread_mutex_unlock(&ranges_lock);
	return slot;
}

void crash_range_remove(int slot) {
	if (slot >= 0)
		atomic_store(&ranges[slot].start, 0);
}
