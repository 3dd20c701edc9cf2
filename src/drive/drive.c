/* The driver: hands each call of the core to the link's kind, and walks all links where one call means all of them. */
#include "drive/drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "drive/link.h"
#include "drive/offer.h"
#include "drive/roster.h"
#include "loop/fetch.h"
#include "loop/worker.h"

#define SLICE 128             /* links per turn of a walk: well below 10 ms */
#define TICK_STALE (US_PER_S) /* a tick that is older must not extend anybody's trust */

/* ---- links ------------------------------------------------------------------------------------------------------------------------ */

void link_add(struct drive *d, struct driver_link *k, const struct link_ops *ops) {
	k->ops = ops;
	k->drive = d;
	TAILQ_INSERT_TAIL(&d->links, k, link);
	d->stats.links++;
}

static void walk_past(struct walk *w, struct driver_link *k) {
	if (w->at == k)
		w->at = TAILQ_NEXT(k, link);
}

void link_remove(struct driver_link *k) {
	struct drive *d = k->drive;
	walk_past(&d->tick, k);
	walk_past(&d->rehello, k);
	walk_past(&d->leave, k);
	TAILQ_REMOVE(&d->links, k, link);
	d->stats.links--;
	if (k->epoch != 0)
		d->stats.welcomed--;
}

bool link_in_core(const struct driver_link *k) {
	return k->model == k->drive->model;
}

/* ---- walks ------------------------------------------------------------------------------------------------------------------------- */

/* A server that was frozen in the middle must not go on telling what was true before. */
static bool walk_stale(const struct walk *w) {
	return w->us > 0 && mono_diff(clock_mono(&clock_real), w->started) > w->us;
}

static void on_walk(void *arg) {
	struct walk *w = arg;
	if (walk_stale(w))
		w->at = NULL;
	for (int i = 0; i < SLICE && w->at != NULL; i++) {
		struct driver_link *k = w->at;
		w->at = TAILQ_NEXT(k, link);
		w->visit(w->drive, k);
	}
	if (w->at != NULL)
		deferred_schedule(&w->turn);
}

static void walk_init(struct walk *w, struct drive *d, int64_t us, void (*visit)(struct drive *, struct driver_link *)) {
	*w = (struct walk){ .drive = d, .us = us, .visit = visit };
	deferred_init(&w->turn, d->loop, on_walk, w);
}

/* Starts from the first link; a pass under way starts over. */
static void walk_start(struct walk *w) {
	w->at = TAILQ_FIRST(&w->drive->links);
	w->started = clock_mono(&clock_real);
	deferred_schedule(&w->turn);
}

static void visit_tick(struct drive *d, struct driver_link *k) {
	if (k->epoch == d->tick_epoch && link_in_core(k))
		k->ops->tick(k, d->tick_epoch, d->tick_event);
}

static void visit_rehello(struct drive *d, struct driver_link *k) {
	if (!link_in_core(k))
		k->ops->hello(k);
}

static void visit_leave(struct drive *d, struct driver_link *k) {
	k->ops->leave(k, d->why);
}

/* ---- core/driver.h ----------------------------------------------------------------------------------------------------------------- */

static struct drive *of(struct driver *d) {
	return (struct drive *)(void *)d;
}

static void op_welcome(struct driver_link *k, const Berth__V1__Welcome *w) {
	k->ops->welcome(k, w);
}

static void op_refuse(struct driver_link *k, const char *code, const char *detail, bool final) {
	k->drive->stats.refused++;
	k->ops->refuse(k, code, detail, final);
}

static void op_command(struct driver_link *k, const Berth__V1__Command *c) {
	k->ops->command(k, c);
}

static void op_ack(struct driver_link *k, int64_t committed_seq) {
	k->ops->ack(k, committed_seq);
}

static void op_prefetch(struct driver_link *k, const Berth__V1__Prefetch *p) {
	k->ops->prefetch(k, p);
}

static void op_tick_all(struct driver *driver, int64_t epoch, int64_t last_event) {
	struct drive *d = of(driver);
	d->tick_epoch = epoch;
	d->tick_event = last_event;
	walk_start(&d->tick);
}

static void op_rehello_all(struct driver *driver) {
	struct drive *d = of(driver);
	d->model++;
	walk_start(&d->rehello);
	roster_due(d);
}

static void *op_logs(struct driver_link *k, int64_t bytes, bool follow, driver_logs_fn fn, void *arg) {
	return k->ops->logs(k, bytes, follow, fn, arg);
}

static const struct driver_ops driver_ops = {
	.welcome = op_welcome,
	.refuse = op_refuse,
	.command = op_command,
	.ack = op_ack,
	.prefetch = op_prefetch,
	.tick_all = op_tick_all,
	.rehello_all = op_rehello_all,
	.logs = op_logs,
	.logs_stop = agent_logs_stop,
};

/* ---- life -------------------------------------------------------------------------------------------------------------------------- */

static void limits_fill(struct drive_limits *l) {
#define DEFAULT(field, value) l->field = l->field != 0 ? l->field : (value)
	DEFAULT(hello_us, 10 * US_PER_S);
	DEFAULT(silence_us, 30 * US_PER_S);
	DEFAULT(max_hello, 512 * 1024);
	DEFAULT(max_held, 4096);
	DEFAULT(message_rate, 50);
	DEFAULT(message_burst, 2000);
	DEFAULT(byte_rate, 1024 * 1024);
	DEFAULT(byte_burst, 8 * 1024 * 1024);
	DEFAULT(hello_every_us, 2 * US_PER_S);
	DEFAULT(hello_burst, 20);
	DEFAULT(max_links, 200000);
	DEFAULT(max_greeting, 20000);
	DEFAULT(max_logs, 8);
#undef DEFAULT
}

static struct ration_rates rates_of(const struct drive_limits *l) {
	return (struct ration_rates){
		.message_us = US_PER_S / l->message_rate,
		.message_burst_us = US_PER_S / l->message_rate * l->message_burst,
		.byte_rate = (int64_t)l->byte_rate,
		.byte_burst_us = (int64_t)l->byte_burst * US_PER_S / (int64_t)l->byte_rate,
		.hello_us = l->hello_every_us,
		.hello_burst_us = l->hello_every_us * l->hello_burst,
	};
}

int drive_new(struct loop *l, const struct drive_limits *limits, struct drive **ret, struct err *err) {
	struct drive *d = calloc(1, sizeof *d);
	if (d == NULL)
		return err_set(err, E_NOMEM, "no memory for the driver");
	d->driver.ops = &driver_ops;
	d->loop = l;
	if (limits != NULL)
		d->limits = *limits;
	limits_fill(&d->limits);
	d->model = 1;
	d->next_log = 1;
	TAILQ_INIT(&d->links);
	walk_init(&d->tick, d, TICK_STALE, visit_tick);
	walk_init(&d->rehello, d, 0, visit_rehello);
	walk_init(&d->leave, d, 0, visit_leave);
	expiry_queue_init(&d->greetings, l, d->limits.hello_us, agent_greeting_expired, d);
	expiry_queue_init(&d->silences, l, d->limits.silence_us, agent_silence_expired, d);
	struct ration_rates rates = rates_of(&d->limits);
	rations_init(&d->rations, &rates, d->limits.max_links);
	d->roster = roster_new(d);
	int rc = fetcher_new(l, &d->fetcher, err);
	if (rc == 0)
		rc = worker_new(l, &d->reader, err);
	if (rc != 0) {
		drive_free(d);
		return rc;
	}
	d->offers = offers_new(d->fetcher);
	*ret = d;
	return 0;
}

void drive_free(struct drive *d) {
	if (d == NULL)
		return;
	d->core = NULL; /* it is gone already */
	roster_free(d->roster);
	offers_free(d->offers);
	worker_free(d->reader); /* what is being read is nobody's any more */
	fetcher_free(d->fetcher);
	deferred_deinit(&d->tick.turn);
	deferred_deinit(&d->rehello.turn);
	deferred_deinit(&d->leave.turn);
	expiry_queue_deinit(&d->greetings);
	expiry_queue_deinit(&d->silences);
	rations_deinit(&d->rations);
	free(d);
}

struct driver *drive_driver(struct drive *d) {
	return &d->driver;
}

void drive_attach(struct drive *d, struct core *c) {
	d->core = c;
	roster_attach(d->roster);
}

void drive_leave(struct drive *d, const char *why) {
	snprintf(d->why, sizeof d->why, "%s", why);
	walk_start(&d->leave);
}

void drive_stay(struct drive *d) {
	d->why[0] = '\0';
	d->leave.at = NULL;
	roster_due(d);
}

void drive_stats(const struct drive *d, struct drive_stats *ret) {
	*ret = d->stats;
}
