/* What load balancers, monitors and generators read: liveness, readiness, Prometheus metrics, the OpenAPI document. No token: counts only.
 */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "rest/inside.h"

#define TEXT "text/plain; charset=utf-8"

static void answer_text(struct exchange *x, int status, const char *text) {
	http_req_add_header(x->req, "Cache-Control", "no-store");
	answer_bytes(x, status, TEXT, text, strlen(text));
}

void livez(struct exchange *x) {
	answer_text(x, 200, "alive\n");
}

static const char *mode_name(enum core_mode m) {
	static const char *const names[] = { "starting", "standby", "loading", "active", "away", "read_only", "stopping" };
	return (size_t)m < sizeof names / sizeof *names ? names[m] : "unknown";
}

void readyz(struct exchange *x) {
	struct core_state s;
	BUF_AUTO b = BUF_INIT;
	core_state(x->rest->core, &s);
	bool by_peer = s.mode == CORE_STANDBY && s.peer_rest[0] != '\0' && s.peer_age_us < 1000000;
	if (by_peer)
		buf_printf(&b, "ready: standing by, the active server is %s\n", s.peer_rest);
	else
		buf_printf(
		    &b, "%s: %s%s%s\n", s.ready ? "ready" : "not ready", mode_name(s.mode), s.reason[0] != '\0' ? ", " : "", s.reason);
	if (!s.ready && !by_peer)
		http_req_add_header(x->req, "Retry-After", "1");
	answer_text(x, s.ready || by_peer ? 200 : 503, buf_str(&b));
}

static void metric(struct buf *b, const char *name, const char *type, const char *help, double value) {
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}

static void core_metrics(struct buf *b, const struct core *c, const struct core_state *s) {
	struct core_stats t;
	core_stats(c, &t);
	const struct {
		const char *name, *help;
		double v;
	} rows[] = {
		{ "berth_commits_total", "Commits to the ledger.", (double)t.commits },
		{ "berth_rows_total", "Rows written to the ledger.", (double)t.rows },
		{ "berth_operations_total", "Operations applied.", (double)t.ops },
		{ "berth_commit_retries_total", "Commits sent again after a transient failure.", (double)t.retries },
		{ "berth_commits_refused_total", "Commits refused by a constraint or the fence.", (double)t.refused },
		{ "berth_reloads_total", "Loads of the model from the ledger.", (double)t.reloads },
		{ "berth_commands_total", "Commands sent to bases.", (double)t.commands },
		{ "berth_reports_total", "Reports received from bases.", (double)t.reports },
		{ "berth_turns_over_total", "Turns of the core that took longer than 10 ms.", (double)t.turns_over },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		metric(b, rows[i].name, "counter", rows[i].help, rows[i].v);
	metric(b, "berth_commit_seconds_total", "counter", "Time that all commits took together.", (double)t.commit_us / 1e6);
	metric(b, "berth_commit_seconds_last", "gauge", "Duration of the last commit.", (double)t.last_commit_us / 1e6);
	metric(b, "berth_commit_seconds_max", "gauge", "Longest commit since the start.", (double)t.max_commit_us / 1e6);
	metric(b, "berth_turn_seconds_max", "gauge", "Longest turn of the core since the start.", (double)t.max_turn_us / 1e6);
	metric(b, "berth_turn_cpu_seconds_max", "gauge", "Most CPU that a turn of the core took since the start.",
	    (double)t.max_turn_cpu_us / 1e6);
	metric(b, "berth_fleets_discarded", "gauge", "Old models and copies of dry runs that are being freed, a piece per turn.", t.buried);
	metric(b, "berth_ready", "gauge", "1 while this server answers writes.", s->ready);
	metric(b, "berth_epoch", "gauge", "Epoch of the cell.", (double)s->epoch);
	metric(b, "berth_last_event", "gauge", "Number of the last event.", (double)s->last_event);
	buf_add_str(b, "# HELP berth_mode 1 for the mode this server is in.\n# TYPE berth_mode gauge\n");
	for (int m = CORE_STARTING; m <= CORE_STOPPING; m++)
		buf_printf(b, "berth_mode{mode=\"%s\"} %d\n", mode_name((enum core_mode)m), m == (int)s->mode);
}

static void fleet_metrics(struct buf *b, const struct fleet *f) {
	struct fleet_counts n;
	fleet_counts(f, NULL, &n);
	const struct {
		const char *name, *help;
		int64_t v;
	} rows[] = {
		{ "berth_bases", "Bases known.", n.bases },
		{ "berth_bases_ready", "Bases that are ready.", n.ready_bases },
		{ "berth_modules", "Modules registered.", n.modules },
		{ "berth_deployments", "Deployments.", n.deployments },
		{ "berth_instances", "Instances.", n.instances },
		{ "berth_instances_ready", "Instances that are ready.", n.ready_instances },
		{ "berth_plans_running", "Plans that are not finished.", n.plans_running },
		{ "berth_units_used", "Units in use.", n.units_used },
		{ "berth_units_limit", "Units that bases may be given.", n.units_limit },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		metric(b, rows[i].name, "gauge", rows[i].help, (double)rows[i].v);
	int64_t age_us = n.oldest_sent.us == 0 ? 0 : clock_wall(&clock_real).us - n.oldest_sent.us;
	metric(b, "berth_task_sent_oldest_seconds", "gauge", "Age of the command that waits longest for its outcome; 0: none does.",
	    age_us > 0 ? (double)age_us / 1e6 : 0);
}

static void http_metrics(struct buf *b, const struct rest *r) {
	struct http_stats h;
	http_server_stats(r->http, &h);
	metric(b, "berth_http_connections", "gauge", "Open HTTP connections.", h.connections);
	metric(b, "berth_http_accepted_total", "counter", "HTTP connections accepted.", (double)h.accepted);
	metric(b, "berth_http_requests_total", "counter", "HTTP requests begun.", (double)h.requests);
	metric(b, "berth_http_malformed_total", "counter", "HTTP requests refused as malformed.", (double)h.malformed);
	metric(b, "berth_http_timed_out_total", "counter", "HTTP requests that came too slowly.", (double)h.timed_out);
	metric(b, "berth_http_over_limit_total", "counter", "HTTP connections refused by a limit.", (double)h.over_limit);
	metric(b, "berth_http_refused_total", "counter", "HTTP requests without a token that is known.", (double)h.refused);
	metric(b, "berth_http_held_back_total", "counter", "Refusals held back, because their address asks for too many.",
	    (double)h.held_back);
	metric(b, "berth_http_evicted_total", "counter", "HTTP connections closed because nobody read.", (double)h.evicted);
}

static void loop_metrics(struct buf *b, const struct loop *l) {
	struct loop_lag lag;
	loop_lag(l, &lag);
	metric(b, "berth_loop_lag_seconds_max", "gauge", "Longest time that an event waited for the loop since the start.",
	    (double)lag.max_us / 1e6);
	metric(b, "berth_loop_late_total", "counter", "Events that waited longer than 100 ms for the loop.", (double)lag.late);
}

void metrics(struct exchange *x) {
	struct core_state s;
	BUF_AUTO b = BUF_INIT;
	core_state(x->rest->core, &s);
	core_metrics(&b, x->rest->core, &s);
	if (s.mode == CORE_ACTIVE)
		fleet_metrics(&b, core_fleet(x->rest->core));
	if (x->rest->http != NULL)
		http_metrics(&b, x->rest);
	buf_add_str(&b, "# HELP berth_http_answers_total Answers by class of status.\n# TYPE berth_http_answers_total counter\n");
	for (int i = 1; i <= 5; i++)
		buf_printf(&b, "berth_http_answers_total{class=\"%dxx\"} %" PRIu64 "\n", i, x->rest->answers[i]);
	loop_metrics(&b, x->rest->loop);
	metric(&b, "berth_http_forwarded", "gauge", "Requests being forwarded to the active server.", x->rest->n_proxied);
	answer_bytes(x, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&b), b.len);
}

void openapi(struct exchange *x) {
	size_t n;
	const char *text = api_openapi(x->rest->api, &n);
	answer_bytes(x, 200, "application/json", text, n);
}
