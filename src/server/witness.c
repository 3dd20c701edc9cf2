/* The loop notes what was committed and, at most once a second, hands it to the thread; the thread writes the newest it was handed. */
#include "server/witness.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "core/core.h"
#include "loop/loop.h"

#define HEAD "berth-witness 1"

struct witness {
	struct core *core;
	struct core_watch watch;
	struct timer timer;
	bool armed;
	char *path;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t news;
	struct witness_seen seen;
	bool dirty, closing;
};

int witness_read(const char *path, struct witness_seen *ret, struct err *err) {
	char *text, cell[37], end;
	long long epoch, event;
	*ret = (struct witness_seen){ 0 };
	int r = file_read(path, 4096, &text, NULL, err);
	if (r == E_NOT_FOUND)
		return 0;
	if (r != 0)
		return r;
	bool whole = sscanf(text, HEAD "\n%36s %lld %lld%c", cell, &epoch, &event, &end) == 4 && end == '\n' && epoch >= 0 && event >= 0;
	free(text);
	if (!whole)
		return err_set(
		    err, E_MALFORMED, "%s is not a witness file; if the database is known to be the right one, remove the file", path);
	memcpy(ret->cell, cell, sizeof cell);
	ret->epoch = epoch;
	ret->event = event;
	return 0;
}

static int seen_write(const char *path, const struct witness_seen *s, struct err *err) {
	char text[160];
	int n = snprintf(text, sizeof text, HEAD "\n%s %lld %lld\n", s->cell, (long long)s->epoch, (long long)s->event);
	return file_write(path, text, (size_t)n, 0600, err);
}

static void *write_news(void *arg) {
	struct witness *w = arg;
	bool failed = false;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->dirty && !w->closing)
			pthread_cond_wait(&w->news, &w->lock);
		if (!w->dirty)
			break;
		struct witness_seen s = w->seen;
		w->dirty = false;
		pthread_mutex_unlock(&w->lock);
		struct err err;
		bool fails = seen_write(w->path, &s, &err) != 0;
		if (fails && !failed)
			log_error("the witness file cannot be written", log_s("path", w->path), log_e(&err));
		failed = fails;
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* An older database does not replace what was seen: then that is kept, whoever saw it. */
static void hand_over(void *arg) {
	struct witness *w = arg;
	struct witness_seen seen;
	struct core_state s;
	core_state(w->core, &s);
	w->armed = false;
	memcpy(seen.cell, s.cell, sizeof seen.cell);
	seen.epoch = s.epoch;
	seen.event = s.last_event;
	if (s.mode == CORE_READ_ONLY)
		core_witnessed(w->core, seen.cell, &seen.epoch, &seen.event);
	if (seen.cell[0] == '\0')
		return;
	pthread_mutex_lock(&w->lock);
	w->seen = seen;
	w->dirty = true;
	pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->lock);
}

void witness_learn(struct witness *w) {
	if (w != NULL)
		hand_over(w);
}

static void on_events(void *arg, const struct row_event *const *events, size_t n) {
	struct witness *w = arg;
	if (w->armed)
		return;
	w->armed = true;
	timer_set(&w->timer, US_PER_S);
}

static int start_thread(struct witness *w) {
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int e = pthread_create(&w->thread, NULL, write_news, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return e;
}

int witness_new(struct loop *l, struct core *c, const char *path, struct witness **ret, struct err *err) {
	struct witness *w = calloc(1, sizeof *w);
	char *copy = strdup(path);
	if (w == NULL || copy == NULL)
		abort();
	w->core = c;
	w->path = copy;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->news, NULL);
	int e = start_thread(w);
	if (e != 0) {
		free(copy);
		free(w);
		return err_errno(err, e, "thread for the witness file");
	}
	timer_init(&w->timer, l, hand_over, w);
	w->watch.fn = on_events;
	w->watch.arg = w;
	core_watch_add(c, &w->watch);
	*ret = w;
	return 0;
}

void witness_free(struct witness *w) {
	if (w == NULL)
		return;
	if (w->armed)
		hand_over(w);
	core_watch_remove(w->core, &w->watch);
	timer_deinit(&w->timer);
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->news);
	free(w->path);
	free(w);
}
