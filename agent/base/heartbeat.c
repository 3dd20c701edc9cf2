/* Heartbeats: one request at a time, on a fixed beat. */
#include "heartbeat.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "base/err.h"
#include "base/log.h"
#include "loop/fetch.h"
#include "loop/loop.h"

enum { LAST_BEAT_US = 2000000, MAX_ANSWER = 64 * 1024 };

struct heartbeat {
	struct base *base;
	int port;
	char *url;
	char *server; /* without the path, which may hold a secret */
	char address[INET_ADDRSTRLEN], host[256];
	struct timer tick;
	struct fetch *flying;
	bool failing;  /* the last one was not answered: say so once, not each time */
	bool last_due; /* the last one goes out when the flying one is gone */
	bool last;
	void (*done)(void *);
	void *arg;
};

/* As the original: the last interface's IPv4 address that is not loopback. */
static void address_find(char ret[INET_ADDRSTRLEN]) {
	struct ifaddrs *all = NULL;
	snprintf(ret, INET_ADDRSTRLEN, "127.0.0.1");
	if (getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct sockaddr_in in;
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK))
			continue;
		memcpy(&in, i->ifa_addr, sizeof in);
		inet_ntop(AF_INET, &in.sin_addr, ret, INET_ADDRSTRLEN);
	}
	freeifaddrs(all);
}

/* Where arklet is reached: the address it listens on, unless that is "any". */
static void address_choose(struct heartbeat *h) {
	struct in_addr in;
	char text[INET_ADDRSTRLEN];
	snprintf(text, sizeof text, "%.*s", (int)strcspn(h->base->opt.listen_arklet, ":"), h->base->opt.listen_arklet);
	if (inet_pton(AF_INET, text, &in) == 1 && in.s_addr != INADDR_ANY)
		snprintf(h->address, sizeof h->address, "%s", text);
	else
		address_find(h->address);
}

static char *body_make(struct heartbeat *h, const char *state) {
	json_t *j = json_pack("{s:{s:s, s:o, s:o, s:s}, s:s, s:s, s:i, s:s}", "baseMetadata", "clusterName", "default", "identity",
	    json_clean(h->base->identity), "name", json_clean(h->base->opt.name), "version", "1.0.0", "localHostName", h->host, "localIP",
	    h->address, "port", h->port, "state", state);
	char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	return text;
}

static void beat_send(struct heartbeat *h, const char *state, int64_t total_us);

/* The URL may hold a token in its path, and a failed fetch names it: only what follows is for the log. */
static const char *reason(const struct err *err) {
	static const char end[] = "/heartbeat: ";
	const char *p = err ? strstr(err->text, end) : NULL;
	return p ? p + sizeof end - 1 : err ? err_name(err->code) : "";
}

static void beat_done(void *arg, const struct fetch_result *res, const struct err *err) {
	struct heartbeat *h = arg;
	bool failed = err || res->status != 200;
	h->flying = NULL;
	if (failed && !h->failing && !h->last && !h->last_due)
		log_warn(
		    "heartbeat not taken", log_s("server", h->server), log_i("status", res ? res->status : 0), log_s("why", reason(err)));
	if (!failed && h->failing)
		log_info("heartbeat taken again");
	h->failing = failed;
	if (h->last) {
		if (h->done)
			h->done(h->arg);
	} else if (h->last_due) {
		h->last = true;
		beat_send(h, "deactivated", LAST_BEAT_US);
	}
}

static void beat_send(struct heartbeat *h, const char *state, int64_t total_us) {
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	char *body = body_make(h, state);
	struct fetch_spec spec = {
		.method = "POST",
		.url = h->url,
		.headers = headers,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.connect_us = total_us,
		.total_us = total_us,
		.max_body = MAX_ANSWER,
	};
	h->flying = fetch_start(h->base->fetcher, &spec, beat_done, h);
	free(body);
}

static void beat_tick(void *arg) {
	struct heartbeat *h = arg;
	int64_t interval = h->base->opt.heartbeat_interval;
	if (!h->flying)
		beat_send(h, "activated", interval);
	timer_set(&h->tick, interval);
}

int heartbeat_new(struct base *base, int port, struct heartbeat **ret, struct err *err) {
	const char *prefix = base->opt.heartbeat;
	size_t n = strlen(prefix);
	if (strncmp(prefix, "http://", 7) != 0 && strncmp(prefix, "https://", 8) != 0)
		return err_set(err, E_INVALID, "--heartbeat %s is no http or https URL", prefix);
	struct heartbeat *h = calloc(1, sizeof *h);
	if (!h)
		return err_set(err, E_NOMEM, "no memory for heartbeats");
	while (n && prefix[n - 1] == '/')
		n--;
	h->base = base;
	h->port = port;
	if (asprintf(&h->url, "%.*s/heartbeat", (int)n, prefix) < 0)
		abort();
	const char *rest = strstr(prefix, "://") + 3;
	h->server = strndup(prefix, (size_t)(rest - prefix) + strcspn(rest, "/?#"));
	address_choose(h);
	if (gethostname(h->host, sizeof h->host - 1) != 0)
		snprintf(h->host, sizeof h->host, "%s", h->address);
	timer_init(&h->tick, base->loop, beat_tick, h);
	timer_set(&h->tick, 0);
	*ret = h;
	return 0;
}

void heartbeat_stop(struct heartbeat *h, void (*done)(void *), void *arg) {
	h->done = done;
	h->arg = arg;
	timer_cancel(&h->tick);
	if (h->flying) {
		h->last_due = true;
		fetch_cancel(h->flying);
	} else {
		h->last = true;
		beat_send(h, "deactivated", LAST_BEAT_US);
	}
}

void heartbeat_free(struct heartbeat *h) {
	if (!h)
		return;
	timer_deinit(&h->tick);
	h->done = NULL;
	free(h->url);
	free(h->server);
	free(h);
}
