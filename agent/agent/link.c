/* Addresses, pauses, the outbound queue; link_stream.c has the gRPC call itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "link_int.h"

#define PAUSE_US (100 * US_PER_MS)
#define PAUSE_MAX_US (10 * US_PER_S)
#define SLOW_US (30 * US_PER_S)
#define FINISH_US US_PER_S
#define MAX_QUEUED ((size_t)16 << 20) /* a server that takes nothing: better to start over with a Hello */
#define MAX_SERVERS 64
#define MAX_PEM (256 * 1024)

static void add_server(struct link *k, const char *address) {
	if (address == NULL || *address == '\0' || k->n_servers == MAX_SERVERS)
		return;
	for (size_t i = 0; i < k->n_servers; i++)
		if (strcmp(k->servers[i], address) == 0)
			return;
	char *copy = strdup(address);
	if (copy == NULL)
		abort();
	k->servers[k->n_servers++] = copy;
}

static void queue_clear(struct link *k) {
	struct parcel *p;
	while ((p = STAILQ_FIRST(&k->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&k->queue, link);
		free(p);
	}
	k->queued = 0;
}

static void dial(void *arg) {
	struct link *k = arg;
	if (k->finishing || k->stream != NULL)
		return;
	k->server = k->servers[k->next % k->n_servers];
	stream_open(k, k->server);
}

/* A whole round of addresses is tried before the pause grows. */
void link_stream_over(struct link *k, const char *why) {
	bool was_up = k->up;
	k->stream = NULL;
	k->up = false;
	queue_clear(k);
	if (k->finishing) {
		deferred_schedule(&k->finished);
		return;
	}
	k->next++;
	if (k->next % k->n_servers == 0 || was_up)
		k->pause_us = k->pause_us == 0 ? PAUSE_US : k->pause_us * 2 > PAUSE_MAX_US ? PAUSE_MAX_US : k->pause_us * 2;
	int64_t wait = k->slow ? SLOW_US : k->next % k->n_servers == 0 || was_up ? k->pause_us : 0;
	k->slow = false;
	timer_set(&k->again, rng_jitter(&k->rng, wait));
	if (was_up)
		k->events.down(k->arg, why);
	else
		log_at(k->said ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "cannot reach the server; trying on", log_s("server", k->server),
		    log_s("why", why));
	k->said = true;
}

void link_stream_up(struct link *k) {
	k->up = true;
	k->said = false;
	k->events.up(k->arg);
}

void link_stream_message(struct link *k, const Berth__V1__ServerMessage *m) {
	k->events.message(k->arg, m);
}

/* ---- outbound ---- */

struct parcel *link_next(struct link *k) {
	struct parcel *p = STAILQ_FIRST(&k->queue);
	if (p != NULL)
		STAILQ_REMOVE_HEAD(&k->queue, link);
	return p;
}

void link_sent(struct link *k, size_t n) {
	bool high = k->high;
	k->queued -= n;
	k->high = high && k->queued > LINK_HIGH / 4;
	if (high && !k->high)
		k->events.drained(k->arg);
	if (k->finishing && k->queued == 0 && k->stream != NULL)
		stream_end(k->stream);
}

bool link_send(struct link *k, const Berth__V1__AgentMessage *m) {
	if (!k->up)
		return false;
	size_t n = berth__v1__agent_message__get_packed_size(m);
	struct parcel *p = malloc(sizeof *p + n);
	if (p == NULL)
		abort();
	p->n = berth__v1__agent_message__pack(m, p->data);
	STAILQ_INSERT_TAIL(&k->queue, p, link);
	k->queued += n;
	k->high = k->high || k->queued > LINK_HIGH;
	if (k->queued > MAX_QUEUED) {
		log_warn("the server takes no messages; starting over", log_s("server", k->server), log_i("queued_bytes", k->queued));
		link_drop(k, false);
		return false;
	}
	stream_pump(k->stream);
	return true;
}

size_t link_queued(const struct link *k) {
	return k->queued;
}

void link_drop(struct link *k, bool slow) {
	k->slow = k->slow || slow;
	if (k->stream != NULL)
		stream_cancel(k->stream);
}

void link_joined(struct link *k) {
	k->pause_us = 0;
	for (size_t i = 0; i < k->n_servers; i++) /* a lost stream is dialled at the same server first */
		if (k->servers[i] == k->server)
			k->next = i + k->n_servers - 1;
}

void link_learn(struct link *k, char *const *servers, size_t n) {
	for (size_t i = 0; i < n; i++)
		add_server(k, servers[i]);
}

const char *link_server(const struct link *k) {
	return k->up ? k->server : "";
}

/* ---- life ---- */

static void finish_late(void *arg) {
	struct link *k = arg;
	if (k->stream != NULL)
		stream_cancel(k->stream);
}

static void finished(void *arg) {
	struct link *k = arg;
	k->done(k->arg);
}

void link_finish(struct link *k, void (*done)(void *)) {
	k->finishing = true;
	k->done = done;
	timer_cancel(&k->again);
	if (k->stream == NULL) {
		deferred_schedule(&k->finished);
		return;
	}
	timer_set(&k->late, FINISH_US);
	if (!k->up)
		stream_cancel(k->stream);
	else if (k->queued == 0)
		stream_end(k->stream);
}

void link_start(struct link *k) {
	timer_set(&k->again, 0);
}

static int read_pems(struct link *k, const struct link_config *cfg, struct err *err) {
	const struct {
		const char *file;
		char **to;
	} rows[] = { { cfg->ca_file, &k->ca }, { cfg->cert_file, &k->cert }, { cfg->key_file, &k->key } };
	int rc = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows && rc == 0; i++)
		if (rows[i].file != NULL)
			rc = file_read(rows[i].file, MAX_PEM, rows[i].to, NULL, err);
	return rc;
}

static void memory_free(struct link *k) {
	for (size_t i = 0; i < k->n_servers; i++)
		free(k->servers[i]);
	free(k->servers);
	free(k->ca);
	free(k->cert);
	free(k->key);
	free(k);
}

int link_new(struct loop *l, struct cq *cq, const struct link_config *cfg, const struct link_events *events, void *arg, struct link **ret,
    struct err *err) {
	struct link *k = calloc(1, sizeof *k);
	if (k == NULL || (k->servers = calloc(MAX_SERVERS, sizeof *k->servers)) == NULL)
		abort();
	k->loop = l;
	k->cq = cq;
	k->tls = cfg->tls;
	k->events = *events;
	k->arg = arg;
	STAILQ_INIT(&k->queue);
	rng_init(&k->rng, cfg->seed);
	for (size_t i = 0; cfg->servers[i] != NULL; i++)
		add_server(k, cfg->servers[i]);
	int rc = k->n_servers == 0 ? err_set(err, E_INVALID, "no server address; give --server HOST:PORT") : 0;
	if (rc == 0)
		rc = read_pems(k, cfg, err);
	if (rc != 0) {
		memory_free(k);
		return rc;
	}
	timer_init(&k->again, l, dial, k);
	timer_init(&k->late, l, finish_late, k);
	deferred_init(&k->finished, l, finished, k);
	*ret = k;
	return 0;
}

void link_free(struct link *k) {
	if (k == NULL)
		return;
	queue_clear(k);
	timer_deinit(&k->again);
	timer_deinit(&k->late);
	deferred_deinit(&k->finished);
	memory_free(k);
}
