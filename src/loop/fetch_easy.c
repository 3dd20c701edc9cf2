/* One transfer: from the spec to libcurl's options, its callbacks, and from libcurl's outcome to our result and error. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/fetch_impl.h"

#define DEFAULT_MAX_BODY (16u * 1024u * 1024u)
#define MAX_REDIRECTS 5L

/* done's argument serves the body callbacks too. */
static size_t on_write(char *p, size_t size, size_t n, void *arg) {
	struct fetch *x = arg;
	n *= size;
	x->last_byte = clock_mono(&clock_real);
	if (x->cancelled)
		return CURL_WRITEFUNC_ERROR;
	if (x->max_body > 0 && n > x->max_body - x->bytes) {
		x->too_large = true;
		return CURL_WRITEFUNC_ERROR;
	}
	x->bytes += n;
	if (x->on_body == NULL) {
		buf_add(&x->body, p, n);
		return n;
	}
	long status = 0;
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	x->aborted = x->on_body(x->done_arg, (int)status, p, n) != 0;
	return x->aborted ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg) {
	struct fetch *x = arg;
	x->last_byte = clock_mono(&clock_real);
	if (x->answer_idle_us > 0) { /* its first line: from now on it is read in one go */
		x->idle_us = x->answer_idle_us;
		x->answer_idle_us = 0;
		timer_set(&x->idle, x->idle_us);
	}
	return size * n;
}

static size_t on_read(char *buf, size_t size, size_t n, void *arg) {
	struct fetch *x = arg;
	x->last_byte = clock_mono(&clock_real);
	int got = x->cancelled ? -1 : x->read_body(x->done_arg, buf, size * n);
	x->aborted = got < 0;
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* Counts what libcurl sent of a body that it owns: the only sign of life of an upload from memory. */
static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up) {
	struct fetch *x = arg;
	if ((uint64_t)up != x->uploaded) {
		x->uploaded = (uint64_t)up;
		x->last_byte = clock_mono(&clock_real);
	}
	return x->cancelled ? 1 : 0;
}

#define SET(x, option, value)                                                        \
	do {                                                                         \
		if ((x)->setup == CURLE_OK)                                          \
			(x)->setup = curl_easy_setopt((x)->easy, (option), (value)); \
	} while (0)

static long whole_ms(int64_t us) {
	int64_t ms = (us + US_PER_MS - 1) / US_PER_MS;
	return ms > INT32_MAX ? INT32_MAX : (long)ms;
}

static void set_connection(struct fetch *x, const struct fetch_spec *spec) {
	SET(x, CURLOPT_URL, spec->url);
	SET(x, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(x, CURLOPT_REDIR_PROTOCOLS_STR, strncasecmp(spec->url, "https:", 6) == 0 ? "https" : "http");
	SET(x, CURLOPT_FOLLOWLOCATION, spec->no_redirect ? 0L : 1L);
	SET(x, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
	SET(x, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
	SET(x, CURLOPT_PROXY, spec->proxy != NULL ? spec->proxy : ""); /* "" also switches the environment's proxies off */
	SET(x, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(x, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(x, CURLOPT_NOSIGNAL, 1L);
	SET(x, CURLOPT_QUICK_EXIT, 1L); /* removing a transfer whose name is still being resolved must not wait for that thread */
	SET(x, CURLOPT_CONNECTTIMEOUT_MS, spec->connect_us > 0 ? whole_ms(spec->connect_us) : (long)INT32_MAX);
	if (spec->total_us > 0)
		SET(x, CURLOPT_TIMEOUT_MS, whole_ms(spec->total_us));
	if (spec->fresh_connection) {
		SET(x, CURLOPT_FRESH_CONNECT, 1L);
		SET(x, CURLOPT_FORBID_REUSE, 1L);
	}
	if (spec->unix_socket != NULL)
		SET(x, CURLOPT_UNIX_SOCKET_PATH, spec->unix_socket);
	if (spec->ca_file != NULL)
		SET(x, CURLOPT_CAINFO, spec->ca_file);
	if (spec->cert_file != NULL) {
		SET(x, CURLOPT_SSLCERT, spec->cert_file);
		SET(x, CURLOPT_SSLKEY, spec->key_file);
	}
	SET(x, CURLOPT_SSL_VERIFYPEER, spec->insecure ? 0L : 1L);
	SET(x, CURLOPT_SSL_VERIFYHOST, spec->insecure ? 0L : 2L);
}

static void add_header(struct fetch *x, const char *line) {
	struct curl_slist *more = curl_slist_append(x->headers, line);
	if (more == NULL)
		x->setup = CURLE_OUT_OF_MEMORY;
	else
		x->headers = more;
}

static void set_body(struct fetch *x, const struct fetch_spec *spec) {
	bool post = strcmp(spec->method, "POST") == 0;
	if (spec->read_body != NULL) {
		SET(x, CURLOPT_UPLOAD, 1L);
		SET(x, CURLOPT_READFUNCTION, on_read);
		SET(x, CURLOPT_READDATA, x);
		SET(x, CURLOPT_INFILESIZE_LARGE, spec->body_len == SIZE_MAX ? (curl_off_t)-1 : (curl_off_t)spec->body_len);
		if (spec->body_len == SIZE_MAX)
			add_header(x, "Transfer-Encoding: chunked");
		SET(x, CURLOPT_CUSTOMREQUEST, spec->method);
	} else if (spec->body != NULL || post) {
		SET(x, CURLOPT_POST, 1L);
		SET(x, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(spec->body != NULL ? spec->body_len : 0));
		SET(x, CURLOPT_COPYPOSTFIELDS, spec->body != NULL ? spec->body : "");
		add_header(x, "Expect:"); /* the body is in memory: nothing is saved by asking first, and stock bases answer late */
		if (!post)
			SET(x, CURLOPT_CUSTOMREQUEST, spec->method);
	} else if (strcmp(spec->method, "HEAD") == 0) {
		SET(x, CURLOPT_NOBODY, 1L);
	} else {
		SET(x, CURLOPT_HTTPGET, 1L);
		if (strcmp(spec->method, "GET") != 0)
			SET(x, CURLOPT_CUSTOMREQUEST, spec->method);
	}
}

static bool header_given(const struct fetch_spec *spec, const char *name) {
	size_t n = strlen(name);
	for (const char *const *h = spec->headers; h != NULL && *h != NULL; h++)
		if (strncasecmp(*h, name, n) == 0 && (*h)[n] == ':')
			return true;
	return false;
}

static void set_headers(struct fetch *x, const struct fetch_spec *spec) {
	for (const char *const *h = spec->headers; h != NULL && *h != NULL; h++) {
		if (strpbrk(*h, "\r\n") != NULL) /* libcurl would send it as two */
			x->setup = CURLE_BAD_FUNCTION_ARGUMENT;
		else
			add_header(x, *h);
	}
	if (!header_given(spec, "Content-Type"))
		add_header(x, "Content-Type:"); /* libcurl would claim a form */
	if (!header_given(spec, "User-Agent"))
		add_header(x, "User-Agent: berth/" BERTH_VERSION);
	if (spec->fresh_connection && !header_given(spec, "Connection"))
		add_header(x, "Connection: close");
	SET(x, CURLOPT_HTTPHEADER, x->headers);
	if (spec->resume_from > 0) {
		char range[32];
		snprintf(range, sizeof range, "%llu-", (unsigned long long)spec->resume_from);
		SET(x, CURLOPT_RANGE, range);
	}
}

static void set_callbacks(struct fetch *x) {
	SET(x, CURLOPT_PRIVATE, x);
	SET(x, CURLOPT_ERRORBUFFER, x->message);
	SET(x, CURLOPT_WRITEFUNCTION, on_write);
	SET(x, CURLOPT_WRITEDATA, x);
	SET(x, CURLOPT_HEADERFUNCTION, on_header);
	SET(x, CURLOPT_HEADERDATA, x);
	SET(x, CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(x, CURLOPT_XFERINFODATA, x);
	SET(x, CURLOPT_NOPROGRESS, 0L);
}

/* What logs and errors may show: neither "user:password@" nor a query, which may carry a signature. */
static char *shown_url(const char *url) {
	size_t n = strcspn(url, "?#");
	const char *host = strstr(url, "://");
	host = host != NULL && host < url + n ? host + 3 : url;
	size_t authority = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', authority);
	const char *from = at != NULL ? at + 1 : host;
	struct buf b;
	buf_init(&b, 512);
	buf_add(&b, url, (size_t)(host - url));
	buf_add(&b, from, n - (size_t)(from - url));
	return buf_take(&b, NULL);
}

struct fetch *fetch_easy_new(const struct fetch_spec *spec) {
	struct fetch *x = calloc(1, sizeof *x);
	if (x == NULL || (x->method = strdup(spec->method)) == NULL || (x->easy = curl_easy_init()) == NULL)
		abort();
	x->shown_url = shown_url(spec->url);
	x->max_body = spec->max_body == 0 && spec->on_body == NULL ? DEFAULT_MAX_BODY : spec->max_body;
	x->read_body = spec->read_body;
	x->on_body = spec->on_body;
	x->idle_us = spec->idle_us;
	x->answer_idle_us = spec->answer_idle_us;
	x->started = x->last_byte = clock_mono(&clock_real);
	set_callbacks(x);
	set_connection(x, spec);
	set_body(x, spec);
	set_headers(x, spec);
	return x;
}

void fetch_easy_free(struct fetch *x) {
	curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	buf_deinit(&x->body);
	free(x->method);
	free(x->shown_url);
	free(x);
}

static const char *answer_header(struct fetch *x, const char *name) {
	struct curl_header *h;
	return curl_easy_header(x->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

void fetch_easy_result(struct fetch *x, struct fetch_result *ret) {
	long status = 0, request_bytes = 0;
	char *redirect = NULL;
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &redirect);
	curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	*ret = (struct fetch_result){
		.status = (int)status,
		.body = buf_str(&x->body),
		.body_len = x->body.len,
		.content_type = answer_header(x, "Content-Type"),
		.etag = answer_header(x, "ETag"),
		.location = answer_header(x, "Location"),
		.retry_after = answer_header(x, "Retry-After"),
		.date = answer_header(x, "Date"),
		.redirect = redirect,
		.bytes = x->bytes,
		.elapsed_us = mono_diff(clock_mono(&clock_real), x->started),
		.sent = request_bytes > 0,
	};
}

static int error_code(const struct fetch *x, CURLcode code) {
	if (x->cancelled || x->aborted)
		return E_CANCELLED;
	if (x->too_large)
		return E_TOO_LARGE;
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return E_TIMEOUT;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_TOO_MANY_REDIRECTS:
	case CURLE_HTTP2:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_BAD_CONTENT_ENCODING:
		return E_PROTOCOL;
	default:
		return E_IO;
	}
}

int fetch_easy_error(const struct fetch *x, CURLcode code, struct err *err) {
	if (code == CURLE_OK)
		return 0;
	int e = error_code(x, code);
	if (e == E_TOO_LARGE)
		return err_set(err, e, "%s %s: the answer is larger than %zu bytes", x->method, x->shown_url, x->max_body);
	if (e == E_CANCELLED)
		return err_set(err, e, "%s %s: cancelled", x->method, x->shown_url);
	const char *text = x->message[0] != '\0' ? x->message : curl_easy_strerror(code);
	return err_set(err, e, "%s %s: %s", x->method, x->shown_url, text);
}
