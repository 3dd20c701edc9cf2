/* The end in order: waits are answered and streams told to come back, the lease is handed over, then connections drain, then the
 * database stops. What does not end within --stop-timeout is cut off. */
#include <systemd/sd-daemon.h>

#include "api/api.h"
#include "base/err.h"
#include "base/log.h"
#include "drive/drive.h"
#include "http/server.h"
#include "ledger/embedded.h"
#include "rpc/rpc.h"
#include "server/berthd.h"

static void on_database_stopped(void *arg, const struct err *err) {
	struct berthd *s = arg;
	if (err != NULL)
		log_error("PostgreSQL did not stop", log_e(err));
	loop_stop(s->loop);
}

static void stop_database(struct berthd *s) {
	if (s->embedded == NULL)
		loop_stop(s->loop);
	else
		embedded_stop(s->embedded, on_database_stopped, s);
}

static void on_drained(void *arg) {
	struct berthd *s = arg;
	if (--s->draining > 0)
		return;
	log_info("drained");
	deferred_schedule(&s->after);
}

/* Later than on_drained(), which is a callback of what is freed here. */
void stop_after_drain(struct berthd *s) {
	parts_free(s); /* they hold connections to the database: they go first */
	stop_database(s);
}

/* The lease is free: another server takes over now, so agents and clients may go there. */
static void on_core_stopped(void *arg) {
	struct berthd *s = arg;
	log_info("lease released");
	drive_leave(s->drive, "this server is stopping; go to another, or come back in a second");
	rpc_drain(s->rpc, s->opt.stop_timeout, on_drained, s);
	http_server_drain(s->http, s->opt.stop_timeout, on_drained, s);
}

void stop_begin(struct berthd *s) {
	if (s->stopping)
		return;
	s->stopping = true;
	sd_notify(0, "STOPPING=1");
	log_info("stopping");
	if (!s->running) {
		stop_database(s);
		return;
	}
	s->draining = 2;
	api_drain(s->api);
	core_stop(s->core, on_core_stopped, s);
}
