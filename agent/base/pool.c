/* Worker threads: one lock, one condition, one queue. Only the loop's thread submits and counts; workers only take, run and post. */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "crash.h"

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job *first, **last;
	unsigned queued, max_queued;
	bool stopping;
	unsigned pending; /* submitted and not yet done; loop thread only */
	struct mailbox *back;
	unsigned n_threads;
	pthread_t threads[];
};

static struct job *job_take(struct pool *p) {
	pthread_mutex_lock(&p->lock);
	while (!p->first && !p->stopping)
		pthread_cond_wait(&p->work, &p->lock);
	struct job *job = p->first;
	if (job) {
		p->first = job->next;
		if (!p->first)
			p->last = &p->first;
		p->queued--;
	}
	pthread_mutex_unlock(&p->lock);
	return job;
}

static void *worker_main(void *arg) {
	struct pool *p = arg;
	struct job *job;
	crash_thread_begin();
	while ((job = job_take(p))) {
		job->run(job);
		mailbox_post(p->back, &job->letter);
	}
	crash_thread_end();
	return NULL;
}

static void job_back(struct letter *letter, void *arg) {
	struct pool *p = arg;
	struct job *job = (struct job *)((char *)letter - offsetof(struct job, letter));
	p->pending--;
	job->done(job);
}

/* Signals belong to the loop's thread: a worker must never be the one that is interrupted by SIGTERM. */
static int thread_start(struct pool *p, const char *name, struct err *err) {
	sigset_t all, old;
	char text[16];
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&p->threads[p->n_threads], NULL, worker_main, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return err_errno(err, rc, "cannot start a %s thread", name);
	snprintf(text, sizeof text, "%.9s-%u", name, p->n_threads % 10000);
	pthread_setname_np(p->threads[p->n_threads++], text);
	return 0;
}

int pool_new(struct loop *l, const char *name, unsigned threads, unsigned max_queued, struct pool **ret, struct err *err) {
	struct pool *p = calloc(1, sizeof *p + threads * sizeof(pthread_t));
	if (!p)
		return err_set(err, E_NOMEM, "no memory for %u threads", threads);
	p->last = &p->first;
	p->max_queued = max_queued;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	int rc = mailbox_new(l, job_back, p, &p->back, err);
	while (!rc && p->n_threads < threads)
		rc = thread_start(p, name, err);
	if (rc)
		pool_free(p);
	else
		*ret = p;
	return rc;
}

int pool_submit(struct pool *p, struct job *job) {
	int rc = 0;
	job->next = NULL;
	pthread_mutex_lock(&p->lock);
	if (p->queued >= p->max_queued) {
		rc = E_TOO_MANY;
	} else {
		*p->last = job;
		p->last = &job->next;
		p->queued++;
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	if (!rc)
		p->pending++;
	return rc;
}

bool pool_idle(struct pool *p) {
	return p->pending == 0;
}

void pool_free(struct pool *p) {
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	mailbox_free(p->back);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
