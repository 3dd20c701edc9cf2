/* A list under a mutex and a condition; finished jobs come back through the loop's mailbox. */
#include "loop/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/err.h"

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *head, **tail;
	bool stop;
	struct mailbox *mailbox;
};

static struct job *next_job(struct worker *w) {
	pthread_mutex_lock(&w->lock);
	while (w->head == NULL && !w->stop)
		pthread_cond_wait(&w->more, &w->lock);
	struct job *job = w->head;
	if (job != NULL) {
		w->head = job->next;
		if (w->head == NULL)
			w->tail = &w->head;
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void *work(void *arg) {
	struct worker *w = arg;
	struct job *job;
	while ((job = next_job(w)) != NULL) {
		job->run(job);
		mailbox_post(w->mailbox, &job->letter);
	}
	return NULL;
}

static void deliver(struct letter *letter, void *arg) {
	struct job *job = (struct job *)(void *)((char *)letter - offsetof(struct job, letter));
	job->done(job);
}

int worker_new(struct loop *l, struct worker **ret, struct err *err) {
	struct worker *w = calloc(1, sizeof *w);
	if (w == NULL)
		abort();
	int rc = mailbox_new(l, deliver, w, &w->mailbox, err);
	if (rc != 0) {
		free(w);
		return rc;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	w->tail = &w->head;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the loop's business */
	int e = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e != 0) {
		mailbox_free(w->mailbox);
		free(w);
		return err_errno(err, e, "worker thread");
	}
	*ret = w;
	return 0;
}

void worker_submit(struct worker *w, struct job *job) {
	job->next = NULL;
	pthread_mutex_lock(&w->lock);
	*w->tail = job;
	w->tail = &job->next;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

void worker_free(struct worker *w) {
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	mailbox_free(w->mailbox);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
