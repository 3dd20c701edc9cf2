/* The thread that blocks on the completion queue. It touches nothing but the queue, the tag's letter and the mailbox. What an operation
 * completes while it is started stays on the loop's thread: gRPC keeps one such event back, as its C++ library has it do. */
#include "loop/cq.h"

#include <dlfcn.h>
#include <grpc/grpc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/loop.h"

struct cq {
	grpc_completion_queue *queue;
	struct mailbox *mailbox;
	pthread_t thread;
};

static void *cq_main(void *arg) {
	struct cq *cq = arg;
	for (;;) {
		grpc_event ev = grpc_completion_queue_next(cq->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		if (ev.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		if (ev.type != GRPC_OP_COMPLETE)
			continue;
		struct cq_tag *tag = ev.tag;
		tag->ok = ev.success != 0;
		mailbox_post(cq->mailbox, &tag->letter);
	}
}

static void deliver(struct letter *letter, void *arg) {
	struct cq_tag *tag = (struct cq_tag *)(void *)((char *)letter - offsetof(struct cq_tag, letter));
	tag->fn(tag, tag->ok);
}

/* Signals are the loop's business: a thread that took one would only delay it. */
static int start_thread(struct cq *cq) {
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int e = pthread_create(&cq->thread, NULL, cq_main, cq);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return e;
}

/* Debian builds abseil, whose locks gRPC uses, with its debug checks on: each lock taken goes into a graph in which cycles are looked for,
 * a sixth of all CPU where connections come and go. abseil has a switch for it, in C++ only, its release in the name; where the name is
 * another one, the checks stay. */
static void check_no_lock_order(void) {
	enum { IGNORE = 0 }; /* absl::OnDeadlockCycle::kIgnore */
	union {
		void *found;
		void (*set)(int mode);
	} mode = { dlsym(RTLD_DEFAULT, "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE") };
	if (mode.found != NULL)
		mode.set(IGNORE);
}

int cq_new(struct loop *l, struct cq **ret, struct err *err) {
	struct cq *cq = calloc(1, sizeof *cq);
	if (cq == NULL)
		return err_set(err, E_NOMEM, "no memory for a completion queue");
	int r = mailbox_new(l, deliver, cq, &cq->mailbox, err);
	if (r != 0) {
		free(cq);
		return r;
	}
	check_no_lock_order();
	grpc_init();
	cq->queue = grpc_completion_queue_create_for_next(NULL);
	int e = start_thread(cq);
	if (e != 0) {
		grpc_completion_queue_shutdown(cq->queue);
		grpc_completion_queue_next(cq->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		grpc_completion_queue_destroy(cq->queue);
		grpc_shutdown();
		mailbox_free(cq->mailbox);
		free(cq);
		return err_errno(err, e, "thread for the gRPC completion queue");
	}
	*ret = cq;
	return 0;
}

struct grpc_completion_queue *cq_queue(struct cq *cq) {
	return cq->queue;
}

void cq_begin(struct cq *cq) {
	grpc_completion_queue_thread_local_cache_init(cq->queue);
}

void cq_end(struct cq *cq) {
	void *done;
	int ok;
	if (grpc_completion_queue_thread_local_cache_flush(cq->queue, &done, &ok) == 0)
		return;
	struct cq_tag *tag = done;
	tag->ok = ok != 0;
	mailbox_leave(cq->mailbox, &tag->letter);
}

void cq_shutdown(struct cq *cq) {
	if (cq == NULL)
		return;
	grpc_completion_queue_shutdown(cq->queue);
	pthread_join(cq->thread, NULL);
	mailbox_free(cq->mailbox); /* delivers what the thread posted last */
	grpc_completion_queue_destroy(cq->queue);
	grpc_shutdown();
	free(cq);
}
