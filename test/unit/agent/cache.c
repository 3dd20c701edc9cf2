/* The artifact cache against a server of a few lines on the same loop: resume, digests, caps, eviction, names for the base. */
#include "cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/err.h"
#include "base/file.h"
#include "base/secret.h"
#include "http/server.h"
#include "loop/fetch.h"
#include "loop/loop.h"

enum { SIZE = 100000 };

static char bytes[SIZE];
static char sha[SHA256_HEX];

struct world {
	struct loop *loop;
	struct fetcher *fetcher;
	struct cache *cache;
	struct http_server *server;
	char folder[40];
	int requests, done, status;
	size_t cut; /* the first answer ends after so many bytes */
	bool no_ranges, pin;
	uint64_t from[8];
	struct brain_fetched last;
	char code[32];
	int64_t id;
};

static enum http_body_mode on_head(struct http_req *r, size_t *max, void *arg) {
	return HTTP_BODY_BUFFER;
}

static void on_request(struct http_req *r, void *arg) {
	struct world *w = arg;
	const char *range = http_req_header(r, "Range");
	uint64_t from = range == NULL || w->no_ranges ? 0 : strtoull(range + strlen("bytes="), NULL, 10);
	w->from[w->requests++ % 8] = range == NULL ? 0 : strtoull(range + strlen("bytes="), NULL, 10);
	ck_assert_str_eq(http_req_header(r, "Authorization"), "Bearer key");
	if (w->status != 0) {
		http_reply(r, w->status, "text/plain", "no", 2);
		return;
	}
	http_reply_begin(r, from > 0 ? 206 : 200, "application/octet-stream", (int64_t)(SIZE - from));
	if (w->cut > 0) {
		http_reply_write(r, bytes, w->cut);
		w->cut = 0;
		http_req_release(r);
		return;
	}
	http_reply_write(r, bytes + from, SIZE - from);
	http_reply_end(r);
}

static bool is_pinned(void *arg, const char *digest) {
	return ((struct world *)arg)->pin;
}

static void on_done(void *arg, int64_t id, const struct brain_fetched *f) {
	struct world *w = arg;
	w->done++;
	w->last = *f;
	w->id = id;
	snprintf(w->code, sizeof w->code, "%s", f->code);
	loop_stop(w->loop);
}

static void open_cache(struct world *w) {
	struct err err = ERR_INIT;
	struct cache_config c = {
		.dir = w->folder, .cache_bytes = 1 << 20, .max_artifact = 1 << 20, .parallel = 2, .pinned = is_pinned, .arg = w
	};
	ck_assert_int_eq(fetcher_new(w->loop, &w->fetcher, &err), 0);
	ck_assert_int_eq(cache_new(w->loop, w->fetcher, &c, on_done, &w->cache, &err), 0);
}

static void start(struct world *w) {
	static const struct http_handler handler = { .head = on_head, .request = on_request };
	struct err err = ERR_INIT;
	uint8_t digest[SHA256_BYTES];
	char url[64];
	int port;
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	sha256_of(bytes, SIZE, digest);
	hex_encode(digest, sizeof digest, sha);
	snprintf(w->folder, sizeof w->folder, "/tmp/berth-cache-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(w->folder));
	ck_assert_int_eq(loop_new(&w->loop, &err), 0);
	ck_assert_int_eq(http_server_new(w->loop, &handler, w, NULL, &w->server, &err), 0);
	ck_assert_int_eq(http_server_listen(w->server, "127.0.0.1:0", NULL, 0, &port, &err), 0);
	open_cache(w);
	snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
	cache_source(w->cache, url, "key");
}

static void stop(struct world *w) {
	fetcher_free(w->fetcher);
	cache_free(w->cache);
	http_server_free(w->server);
	loop_free(w->loop);
}

static void get(struct world *w, const char *digest, int64_t size) {
	cache_get(w->cache, 7, digest, size);
	loop_run(w->loop);
}

START_TEST(fetches_once_and_verifies_after_a_restart) {
	struct world w = { 0 };
	char path[PATH_MAX];
	struct stat a, b;
	struct err err = ERR_INIT;
	start(&w);
	get(&w, sha, SIZE);
	ck_assert(w.last.ok && w.id == 7);
	get(&w, sha, SIZE);
	ck_assert(w.last.ok && w.last.elapsed_us == 0);
	ck_assert_int_eq(w.requests, 1);
	ck_assert_int_eq(cache_stage(w.cache, sha, "hello-1.0.0.so", path, &err), 0);
	ck_assert_int_eq(stat(path, &a), 0);
	ck_assert_int_eq(a.st_size, SIZE);
	cache_unstage(w.cache, "hello-1.0.0.so");
	ck_assert_int_ne(stat(path, &b), 0);
	snprintf(path, sizeof path, "%s/artifacts/%s", w.folder, sha); /* the disk loses a bit while nobody runs */
	int fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "X", 1, 500), 1);
	close(fd);
	fetcher_free(w.fetcher);
	cache_free(w.cache);
	open_cache(&w);
	ck_assert_int_eq(cache_stage(w.cache, sha, "hello-1.0.0.so", path, &err), E_NOT_FOUND); /* not verified by this process */
	get(&w, sha, SIZE);
	ck_assert(!w.last.ok); /* no server known, and the damaged one does not count */
	ck_assert_str_eq(w.code, "download");
	stop(&w);
}
END_TEST

START_TEST(goes_on_after_a_cut) {
	struct world w = { .cut = 40000 };
	start(&w);
	get(&w, sha, SIZE);
	ck_assert(w.last.ok);
	ck_assert_int_eq(w.requests, 2);
	stop(&w);
}
END_TEST

START_TEST(goes_on_with_what_an_earlier_life_left) {
	struct world w = { 0 };
	char path[PATH_MAX];
	start(&w);
	snprintf(path, sizeof path, "%s/artifacts/%s.part", w.folder, sha);
	ck_assert_int_eq(file_write(path, bytes, 60000, 0600, NULL), 0);
	get(&w, sha, SIZE);
	ck_assert(w.last.ok);
	ck_assert_int_eq(w.requests, 1);
	ck_assert_uint_eq(w.from[0], 60000);
	stop(&w);
}
END_TEST

START_TEST(starts_over_where_ranges_are_unknown) {
	struct world w = { .cut = 40000, .no_ranges = true };
	start(&w);
	get(&w, sha, SIZE);
	ck_assert(w.last.ok);
	stop(&w);
}
END_TEST

START_TEST(hands_out_nothing_with_another_digest) {
	struct world w = { 0 };
	char other[SHA256_HEX], path[PATH_MAX];
	struct err err = ERR_INIT;
	memset(other, '0', 64);
	other[64] = '\0';
	start(&w);
	get(&w, other, SIZE);
	ck_assert(!w.last.ok && !w.last.retryable);
	ck_assert_str_eq(w.code, "digest");
	ck_assert_int_eq(cache_stage(w.cache, other, "x", path, &err), E_NOT_FOUND);
	get(&w, sha, SIZE - 1); /* more comes than was said */
	ck_assert_str_eq(w.code, "too_large");
	get(&w, sha, (int64_t)2 << 20); /* above the cap: not even asked for */
	ck_assert_str_eq(w.code, "too_large");
	stop(&w);
}
END_TEST

START_TEST(a_bad_beginning_is_fetched_again) {
	struct world w = { 0 };
	char path[PATH_MAX], junk[5000] = "";
	start(&w);
	snprintf(path, sizeof path, "%s/artifacts/%s.part", w.folder, sha);
	ck_assert_int_eq(file_write(path, junk, sizeof junk, 0600, NULL), 0);
	get(&w, sha, SIZE);
	ck_assert(w.last.ok);
	ck_assert_uint_eq(w.from[0], sizeof junk);
	ck_assert_uint_eq(w.from[1], 0);
	stop(&w);
}
END_TEST

START_TEST(gives_up_where_nothing_is) {
	struct world w = { .status = 404 };
	start(&w);
	get(&w, sha, SIZE);
	ck_assert(!w.last.ok && !w.last.retryable);
	ck_assert_int_eq(w.requests, 1);
	w.status = 503;
	get(&w, sha, SIZE);
	ck_assert(!w.last.ok && w.last.retryable);
	ck_assert_int_gt(w.requests, 2);
	stop(&w);
}
END_TEST

START_TEST(evicts_what_is_not_pinned) {
	struct world w = { 0 };
	char path[PATH_MAX], old[PATH_MAX], *junk = calloc(1, 1 << 20);
	start(&w);
	snprintf(old, sizeof old, "%s/artifacts/%064d", w.folder, 1);
	ck_assert_int_eq(file_write(old, junk, 1 << 20, 0600, NULL), 0);
	w.pin = true;
	get(&w, sha, SIZE);
	ck_assert_int_eq(access(old, F_OK), 0); /* over the size, but wanted */
	w.pin = false;
	struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	utimensat(AT_FDCWD, old, long_ago, 0);
	cache_trim(w.cache);
	ck_assert_int_ne(access(old, F_OK), 0);
	snprintf(path, sizeof path, "%s/artifacts/%s", w.folder, sha);
	ck_assert_int_eq(access(path, F_OK), 0);
	free(junk);
	stop(&w);
}
END_TEST

TEST_SUITE("agent/cache", fetches_once_and_verifies_after_a_restart, goes_on_after_a_cut, goes_on_with_what_an_earlier_life_left,
    starts_over_where_ranges_are_unknown, hands_out_nothing_with_another_digest, a_bad_beginning_is_fetched_again,
    gives_up_where_nothing_is, evicts_what_is_not_pinned)
