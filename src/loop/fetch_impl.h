/* Inside of outbound HTTP: fetch.c drives libcurl on the loop, fetch_easy.c knows one transfer. */
#ifndef BERTH_LOOP_FETCH_IMPL_H
#define BERTH_LOOP_FETCH_IMPL_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/clock.h"
#include "loop/fetch.h"
#include "loop/loop.h"

struct fetch {
	struct fetcher *fetcher;
	LIST_ENTRY(fetch) link; /* all of the fetcher */
	TAILQ_ENTRY(fetch) due; /* those that attend() has to look at */
	bool is_due;
	CURL *easy;
	CURLcode setup; /* first option that libcurl refused */
	struct curl_slist *headers;
	char *method, *shown_url; /* for messages: without user, password and query */
	char message[CURL_ERROR_SIZE];
	bool added, cancelled, idle_expired, too_large, aborted, finished;
	struct buf body;
	uint64_t bytes, uploaded;
	size_t max_body;
	int64_t idle_us, answer_idle_us; /* the latter 0 once it counts */
	mono_t started, last_byte;
	struct timer idle;
	int (*read_body)(void *arg, char *buf, size_t n);
	int (*on_body)(void *arg, int status, const void *p, size_t n);
	fetch_done_fn done;
	void *done_arg;
};

struct fetch *fetch_easy_new(const struct fetch_spec *spec); /* never NULL; a refused option is left in setup */
void fetch_easy_free(struct fetch *x);
void fetch_easy_result(struct fetch *x, struct fetch_result *ret);           /* before the handle is removed; points into x */
int fetch_easy_error(const struct fetch *x, CURLcode code, struct err *err); /* 0 for CURLE_OK */

#endif
