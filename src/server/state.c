/* What follows from the core's mode: health watchers hear of it, agents move with the lease, systemd and the log are told. */
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "base/err.h"
#include "base/log.h"
#include "api/api.h"
#include "drive/drive.h"
#include "rest/rest.h"
#include "rpc/rpc.h"
#include "server/admin.h"
#include "server/berthd.h"
#include "server/witness.h"

static const char *const mode_names[] = {
	[CORE_STARTING] = "starting",
	[CORE_STANDBY] = "standby",
	[CORE_LOADING] = "loading",
	[CORE_ACTIVE] = "active",
	[CORE_AWAY] = "away",
	[CORE_READ_ONLY] = "read-only",
	[CORE_STOPPING] = "stopping",
};

static void tell(const struct berthd *s, const struct core_state *st) {
	const char *name = mode_names[st->mode];
	sd_notifyf(0, "STATUS=%s", name);
	switch (st->mode) {
	case CORE_STANDBY:
		log_info("standing by", log_s("active", st->peer_rest));
		break;
	case CORE_AWAY:
		log_error("the database does not answer: writes are refused until it does", log_s("reason", st->reason));
		break;
	case CORE_READ_ONLY:
		log_error("read-only: the database is older than what was seen", log_s("reason", st->reason));
		break;
	default:
		log_debug("mode", log_s("mode", name));
	}
}

/* Rule 6: streams outlive a reload and a short loss of the lease. They end only when another server is the one to talk to. */
static void move_agents(struct berthd *s, const struct core_state *st) {
	char why[256];
	if (st->mode != CORE_STANDBY) {
		drive_stay(s->drive);
		return;
	}
	snprintf(why, sizeof why, "this server stands by%s%s", st->peer_rpc[0] != '\0' ? "; the active one is at " : "", st->peer_rpc);
	drive_leave(s->drive, why);
}

static void on_accepted(void *arg, const struct err *err) {
	if (err != NULL)
		log_error("the older database could not be accepted", log_e(err));
	else
		log_warn("the older database was accepted: epoch and generations go on above all that was seen");
}

static void accept_older(struct berthd *s) {
	if (!s->opt.accept_older || s->accepted_older)
		return;
	s->accepted_older = true;
	core_accept_older(s->core, on_accepted, s);
}

void state_changed(void *arg, const struct core_state *st) {
	struct berthd *s = arg;
	if (st->mode != s->mode)
		tell(s, st);
	s->mode = st->mode;
	rpc_health_changed(s->rpc);
	if (s->stopping)
		return;
	move_agents(s, st);
	api_state(s->api, st);
	if (st->mode == CORE_STANDBY)
		api_leave(s->api);
	if (st->mode == CORE_LOADING && s->rest != NULL)
		rest_took_over(s->rest);
	if (st->mode == CORE_ACTIVE)
		admin_ensure(s->admin);
	if (st->mode == CORE_READ_ONLY) {
		witness_learn(s->witness);
		accept_older(s);
	}
}
