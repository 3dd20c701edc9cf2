/* Letters wait in a list under a mutex; the eventfd is written only when the list was empty, so a burst wakes the loop once. What the
 * loop's own thread leaves stands in the same list, so that the order is one, and is fetched by a deferred call. */
#include "loop/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/loop.h"

#define MAX_PER_TURN 256

struct mailbox {
	pthread_mutex_t lock;
	struct letter *head, **tail; /* posted; under the lock */
	mono_t since;                /* of the first of them */
	struct loop *loop;
	struct letter *taken; /* fetched but not delivered; the loop's thread only */
	int fd;
	struct watch watch;
	struct deferred again;
	void (*deliver)(struct letter *letter, void *arg);
	void *arg;
};

static struct letter *take_posted(struct mailbox *m) {
	pthread_mutex_lock(&m->lock);
	struct letter *list = m->head;
	m->head = NULL;
	m->tail = &m->head;
	mono_t since = m->since;
	pthread_mutex_unlock(&m->lock);
	if (list != NULL)
		loop_served(m->loop, since);
	return list;
}

/* One batch. Returns whether letters may be left: the next batch runs after everybody else had a turn. */
static bool deliver_some(struct mailbox *m) {
	if (m->taken == NULL)
		m->taken = take_posted(m);
	for (int i = 0; i < MAX_PER_TURN && m->taken != NULL; i++) {
		struct letter *letter = m->taken;
		m->taken = letter->next;
		letter->next = NULL;
		m->deliver(letter, m->arg);
	}
	return m->taken != NULL;
}

static bool more_posted(struct mailbox *m) {
	pthread_mutex_lock(&m->lock);
	bool more = m->head != NULL;
	pthread_mutex_unlock(&m->lock);
	return more;
}

/* What was left while a cut batch waited has no eventfd to wake anybody: it is looked for, too. */
static void on_again(void *arg) {
	struct mailbox *m = arg;
	if (deliver_some(m) || more_posted(m))
		deferred_schedule(&m->again);
}

static void on_wake(int fd, bool readable, bool writable, void *arg) {
	struct mailbox *m = arg;
	/* Older letters of a cut batch go first: leave the eventfd readable and come back. */
	if (m->taken != NULL)
		return;
	uint64_t n;
	while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
		;
	on_again(m);
}

int mailbox_new(struct loop *l, void (*deliver)(struct letter *, void *), void *arg, struct mailbox **ret, struct err *err) {
	struct mailbox *m = calloc(1, sizeof *m);
	if (m == NULL)
		return err_set(err, E_NOMEM, "no memory for a mailbox");
	m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->fd < 0) {
		int e = errno;
		free(m);
		return err_errno(err, e, "eventfd");
	}
	pthread_mutex_init(&m->lock, NULL);
	m->tail = &m->head;
	m->loop = l;
	m->deliver = deliver;
	m->arg = arg;
	deferred_init(&m->again, l, on_again, m);
	watch_init(&m->watch, l, m->fd, true, false, on_wake, m);
	*ret = m;
	return 0;
}

void mailbox_flush(struct mailbox *m) {
	do {
		while (deliver_some(m))
			;
		m->taken = take_posted(m);
	} while (m->taken != NULL);
}

void mailbox_free(struct mailbox *m) {
	if (m == NULL)
		return;
	mailbox_flush(m);
	watch_deinit(&m->watch);
	deferred_deinit(&m->again);
	close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static bool append(struct mailbox *m, struct letter *letter) {
	letter->next = NULL;
	pthread_mutex_lock(&m->lock);
	bool was_empty = m->head == NULL;
	if (was_empty)
		m->since = clock_mono(&clock_real);
	*m->tail = letter;
	m->tail = &letter->next;
	pthread_mutex_unlock(&m->lock);
	return was_empty;
}

void mailbox_post(struct mailbox *m, struct letter *letter) {
	if (append(m, letter)) {
		uint64_t one = 1;
		while (write(m->fd, &one, sizeof one) < 0 && errno == EINTR)
			;
	}
}

void mailbox_leave(struct mailbox *m, struct letter *letter) {
	append(m, letter);
	deferred_schedule(&m->again);
}
