/* getaddrinfo cannot be cancelled and may take a minute: a job outlives its resolver, and finds out under the lock that nobody waits. */
#include "ledger/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "ledger/target.h"
#include "loop/mailbox.h"

#define MAX_ADDRESSES 8 /* per name */

struct job {
	struct letter letter; /* first: the mailbox gives it back */
	pthread_mutex_t lock;
	struct resolver *owner; /* NULL: nobody waits any more; under the lock */
	size_t n;
	char *names[TARGET_HOSTS], *lists[TARGET_HOSTS];
};

struct resolver {
	struct mailbox *box;
	struct job *job; /* the one whose answer counts */
	resolved_fn done;
	void *arg;
};

static void job_free(struct job *j) {
	for (size_t i = 0; i < j->n; i++) {
		free(j->names[i]);
		free(j->lists[i]);
	}
	pthread_mutex_destroy(&j->lock);
	free(j);
}

static char *look_up(const char *name) {
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *all = NULL;
	if (getaddrinfo(name, NULL, &hints, &all) != 0)
		return NULL;
	BUF_AUTO b;
	buf_init(&b, 0);
	int n = 0;
	for (struct addrinfo *a = all; a != NULL && n < MAX_ADDRESSES; a = a->ai_next) {
		char text[NI_MAXHOST];
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		if (n++ > 0)
			buf_add_char(&b, ',');
		buf_add_str(&b, text);
	}
	freeaddrinfo(all);
	return n == 0 ? NULL : buf_take(&b, NULL);
}

static void *run(void *arg) {
	struct job *j = arg;
	for (size_t i = 0; i < j->n; i++)
		if (j->names[i] != NULL)
			j->lists[i] = look_up(j->names[i]);
	pthread_mutex_lock(&j->lock);
	bool wanted = j->owner != NULL;
	if (wanted)
		mailbox_post(j->owner->box, &j->letter);
	pthread_mutex_unlock(&j->lock);
	if (!wanted)
		job_free(j);
	return NULL;
}

static void deliver(struct letter *letter, void *arg) {
	struct resolver *r = arg;
	struct job *j = (struct job *)letter;
	/* The thread may still hold the lock it posted under. */
	pthread_mutex_lock(&j->lock);
	bool current = r->job == j;
	pthread_mutex_unlock(&j->lock);
	if (current) {
		r->job = NULL;
		r->done(r->arg, (const char *const *)j->lists, j->n);
	}
	job_free(j);
}

int resolver_new(struct loop *l, resolved_fn done, void *arg, struct resolver **ret, struct err *err) {
	struct resolver *r = calloc(1, sizeof *r);
	if (r == NULL)
		return err_set(err, E_NOMEM, "no memory for a resolver");
	r->done = done;
	r->arg = arg;
	int e = mailbox_new(l, deliver, r, &r->box, err);
	if (e != 0) {
		free(r);
		return e;
	}
	*ret = r;
	return 0;
}

/* Leaves the job to its thread, or takes it back when the thread is done with it already (then its letter is in the mailbox). */
static void abandon(struct resolver *r) {
	struct job *j = r->job;
	if (j == NULL)
		return;
	r->job = NULL;
	pthread_mutex_lock(&j->lock);
	j->owner = NULL;
	pthread_mutex_unlock(&j->lock);
}

void resolver_free(struct resolver *r) {
	if (r == NULL)
		return;
	abandon(r);
	mailbox_free(r->box); /* frees a job whose letter was posted */
	free(r);
}

int resolver_start(struct resolver *r, const char *const *names, size_t n, struct err *err) {
	abandon(r);
	struct job *j = calloc(1, sizeof *j);
	if (j == NULL)
		return err_set(err, E_NOMEM, "no memory for a look-up");
	pthread_mutex_init(&j->lock, NULL);
	j->owner = r;
	j->n = n < TARGET_HOSTS ? n : TARGET_HOSTS;
	for (size_t i = 0; i < j->n; i++)
		if (names[i] != NULL && (j->names[i] = strdup(names[i])) == NULL)
			abort();
	pthread_t thread;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int e = pthread_create(&thread, &attr, run, j);
	pthread_attr_destroy(&attr);
	if (e != 0) {
		job_free(j);
		return err_errno(err, e, "thread for looking up the database's name");
	}
	r->job = j;
	return 0;
}
