/* Outbound HTTP: one libcurl multi handle driven by the loop's descriptors and one timer (fetch_easy.c prepares a transfer).
 *
 * libcurl must not be called from inside its own callbacks, and on_body may well cancel or start a fetch. So starting and
 * cancelling only mark the fetch and schedule `attend`, which runs outside of libcurl. */
#include "loop/fetch.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/fetch_impl.h"
#include "loop/loop.h"

#define MAX_IDLE_CONNECTIONS 256L
#define MAX_CONNECTIONS 1024L

struct fetcher {
	struct loop *loop;
	CURLM *multi;
	struct timer timer; /* libcurl's one time-out */
	struct deferred attend;
	LIST_HEAD(, fetch) all;
	TAILQ_HEAD(, fetch) due; /* to start, cancel or time out, in that order of asking */
	bool busy;               /* inside attend or a completion: fetcher_free would pull the rug */
};

struct socket_watch {
	struct watch watch;
	struct fetcher *fetcher;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void) {
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The end of every fetch. The handle leaves libcurl first, so that done may start the next request on its connection. */
static void finish(struct fetch *x, const struct err *failed) {
	struct fetch_result res;
	timer_deinit(&x->idle);
	fetch_easy_result(x, &res);
	if (x->added)
		curl_multi_remove_handle(x->fetcher->multi, x->easy);
	LIST_REMOVE(x, link);
	if (x->is_due)
		TAILQ_REMOVE(&x->fetcher->due, x, due);
	x->finished = true;
	x->done(x->done_arg, &res, failed);
	fetch_easy_free(x);
}

static void fail_here(struct fetch *x, int code, const char *text) {
	struct err e = ERR_INIT;
	err_set(&e, code, "%s %s: %s", x->method, x->shown_url, text);
	finish(x, &e);
}

static void finish_curl(struct fetch *x, CURLcode code) {
	struct err e = ERR_INIT;
	if (x->cancelled) /* even when the answer came first: the caller was promised E_CANCELLED */
		fail_here(x, E_CANCELLED, "cancelled");
	else
		finish(x, fetch_easy_error(x, code, &e) == 0 ? NULL : &e);
}

/* Takes finished transfers out of libcurl. The queue is read again after each one: done may have changed it. */
static void reap(struct fetcher *f) {
	CURLMsg *msg;
	int left;
	while ((msg = curl_multi_info_read(f->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		struct fetch *x = NULL;
		CURLcode code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&x);
		finish_curl(x, code);
	}
}

static void socket_action(struct fetcher *f, curl_socket_t fd, int what) {
	int running;
	f->busy = true;
	curl_multi_socket_action(f->multi, fd, what, &running);
	reap(f);
	f->busy = false;
}

static void on_socket(int fd, bool readable, bool writable, void *arg) {
	struct socket_watch *sw = arg; /* may be freed by libcurl inside the action */
	socket_action(sw->fetcher, fd, (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0));
}

static int curl_wants_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg) {
	struct fetcher *f = arg;
	struct socket_watch *sw = socket_arg;
	if (sw != NULL)
		watch_deinit(&sw->watch);
	if (what == CURL_POLL_REMOVE) {
		free(sw);
		return 0;
	}
	if (sw == NULL) {
		sw = calloc(1, sizeof *sw);
		if (sw == NULL)
			abort();
		sw->fetcher = f;
		curl_multi_assign(f->multi, fd, sw);
	}
	watch_init(&sw->watch, f->loop, fd, (what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0, on_socket, sw);
	return 0;
}

static void on_timer(void *arg) {
	socket_action(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int curl_wants_timer(CURLM *multi, long timeout_ms, void *arg) {
	struct fetcher *f = arg;
	if (timeout_ms < 0)
		timer_cancel(&f->timer);
	else
		timer_set(&f->timer, (int64_t)timeout_ms * US_PER_MS);
	return 0;
}

static void attend_one(struct fetch *x) {
	if (x->cancelled) {
		fail_here(x, E_CANCELLED, "cancelled");
	} else if (x->idle_expired) {
		fail_here(x, E_TIMEOUT, "no byte came or went within the idle time-out");
	} else if (!x->added) {
		if (x->setup != CURLE_OK) {
			finish_curl(x, x->setup);
			return;
		}
		CURLMcode m = curl_multi_add_handle(x->fetcher->multi, x->easy);
		if (m != CURLM_OK)
			fail_here(x, E_IO, curl_multi_strerror(m));
		else
			x->added = true;
	}
}

static void attend(void *arg) {
	struct fetcher *f = arg;
	struct fetch *x;
	f->busy = true;
	while ((x = TAILQ_FIRST(&f->due)) != NULL) {
		TAILQ_REMOVE(&f->due, x, due);
		x->is_due = false;
		attend_one(x);
	}
	f->busy = false;
}

static void make_due(struct fetch *x) {
	if (!x->is_due)
		TAILQ_INSERT_TAIL(&x->fetcher->due, x, due);
	x->is_due = true;
	deferred_schedule(&x->fetcher->attend);
}

static void on_idle(void *arg) {
	struct fetch *x = arg;
	int64_t quiet = mono_diff(clock_mono(&clock_real), x->last_byte);
	if (quiet < x->idle_us) {
		timer_set(&x->idle, x->idle_us - quiet);
		return;
	}
	x->idle_expired = true;
	make_due(x);
}

struct fetch *fetch_start(struct fetcher *f, const struct fetch_spec *spec, fetch_done_fn done, void *arg) {
	struct fetch *x = fetch_easy_new(spec);
	x->fetcher = f;
	x->done = done;
	x->done_arg = arg;
	LIST_INSERT_HEAD(&f->all, x, link);
	timer_init(&x->idle, f->loop, on_idle, x);
	if (x->idle_us > 0)
		timer_set(&x->idle, x->idle_us);
	make_due(x);
	return x;
}

void fetch_cancel(struct fetch *x) {
	if (x->cancelled || x->finished)
		return;
	x->cancelled = true;
	make_due(x);
}

static int multi_setup(struct fetcher *f) {
	f->multi = curl_multi_init();
	if (f->multi == NULL)
		return -1;
	bool ok = curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, curl_wants_socket) == CURLM_OK &&
	          curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f) == CURLM_OK &&
	          curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, curl_wants_timer) == CURLM_OK &&
	          curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f) == CURLM_OK &&
	          curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS) == CURLM_OK &&
	          curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, MAX_CONNECTIONS) == CURLM_OK;
	return ok ? 0 : -1;
}

int fetcher_new(struct loop *l, struct fetcher **ret, struct err *err) {
	pthread_once(&curl_once, curl_start);
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	if ((v->features & CURL_VERSION_ASYNCHDNS) == 0)
		return err_set(err, E_UNSUPPORTED,
		    "libcurl %s resolves names on the calling thread; use a build with the threaded resolver", v->version);
	struct fetcher *f = calloc(1, sizeof *f);
	if (f == NULL)
		return err_set(err, E_NOMEM, "no memory for outbound HTTP");
	f->loop = l;
	LIST_INIT(&f->all);
	TAILQ_INIT(&f->due);
	timer_init(&f->timer, l, on_timer, f);
	deferred_init(&f->attend, l, attend, f);
	if (multi_setup(f) != 0) {
		fetcher_free(f);
		return err_set(err, E_INTERNAL, "libcurl %s could not be set up", v->version);
	}
	*ret = f;
	return 0;
}

void fetcher_free(struct fetcher *f) {
	if (f == NULL)
		return;
	assert(!f->busy);
	while (!LIST_EMPTY(&f->all))
		fail_here(LIST_FIRST(&f->all), E_CANCELLED, "cancelled, the program is stopping");
	curl_multi_cleanup(f->multi);
	timer_deinit(&f->timer);
	deferred_deinit(&f->attend);
	free(f);
}
