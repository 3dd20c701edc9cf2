/* Performs the brain's effects and brings it what happened. Effects are taken on a turn of their own, never from within an input, so
 * that nobody is called back from inside his own call. */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_int.h"
#include "base/err.h"
#include "base/faultpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "loop/fetch.h"

#define OUTPUT_LINES 8
#define OUTPUT_BYTES 2048

static mono_t now(void) {
	return clock_mono(&clock_real);
}

static void settle(struct agent *a) {
	deferred_schedule(&a->effects);
}

/* ---- what happened ---- */

static void on_persisted(void *arg, const struct err *err) {
	struct agent *a = arg;
	if (err != NULL)
		log_error("the agent's state cannot be written; no command is obeyed until it can", log_e(err));
	brain_persisted(a->brain, err == NULL, now());
	settle(a);
}

static void on_fetched(void *arg, int64_t id, const struct brain_fetched *f) {
	struct agent *a = arg;
	brain_fetched(a->brain, id, f, now());
	settle(a);
}

static void stage_name(const Berth__V1__WantedModule *m, char ret[192]) {
	static const char *const ends[] = { [BERTH__V1__RUNTIME__RUNTIME_NATIVE] = ".so",
		[BERTH__V1__RUNTIME__RUNTIME_ARK] = "-ark-biz.jar",
		[BERTH__V1__RUNTIME__RUNTIME_NODE] = ".tgz" };
	size_t kind = (size_t)m->runtime;
	snprintf(ret, 192, "%s-%s%s", m->module, m->version, kind < sizeof ends / sizeof *ends && ends[kind] != NULL ? ends[kind] : "");
}

static bool failed(const struct brain_answer *x) {
	return x->error != 0 || (x->reply != NULL && x->reply->verdict != ARKLET_OK);
}

static bool changes_base(enum arklet_command command) {
	return command == ARKLET_INSTALL || command == ARKLET_UNINSTALL || command == ARKLET_SWITCH;
}

static void on_answered(void *arg, const struct arklet_call_spec *spec, struct brain_answer *x) {
	struct agent *a = arg;
	char name[192], *tail = NULL;
	bool changes = changes_base(spec->command);
	struct err fault;
	if (changes && faultpoint_pass(FAULTPOINT_AGENT_CALLED, &fault) != 0)
		*x = (struct brain_answer){ .sent = true, .error = fault.code, .error_text = fault.text };
	if (spec->command == ARKLET_INSTALL) {
		stage_name(spec->module, name);
		cache_unstage(a->cache, name);
	}
	if (a->supervise != NULL)
		x->memory_bytes = supervise_memory(a->supervise), x->threads = supervise_threads(a->supervise);
	if (changes && failed(x) && a->output != NULL)
		x->output = tail = output_tail(a->output, OUTPUT_BYTES, OUTPUT_LINES);
	brain_answered(a->brain, spec->id, x, now());
	free(tail);
	settle(a);
}

static void on_hook(void *arg, int64_t id, const struct brain_hook *h) {
	struct agent *a = arg;
	brain_hook_ended(a->brain, id, h, now());
	settle(a);
}

static void on_started(void *arg, int64_t pid, int64_t pid_start, const struct err *err) {
	struct agent *a = arg;
	if (err != NULL) {
		brain_base_failed(a->brain, err->text, now());
	} else {
		log_info("started the base", log_i("pid", pid), log_i("arklet_port", supervise_arklet_port(a->supervise)),
		    log_i("http_port", supervise_http_port(a->supervise)));
		brain_base_started(a->brain, pid, pid_start, now());
	}
	settle(a);
}

static void on_exited(void *arg, const struct brain_exit *x) {
	struct agent *a = arg;
	brain_base_exited(a->brain, x, now());
	settle(a);
}

static void on_up(void *arg) {
	struct agent *a = arg;
	log_info("connected", log_s("server", link_server(a->link)));
	brain_link_up(a->brain, now());
	settle(a);
}

static void on_down(void *arg, const char *why) {
	struct agent *a = arg;
	log_warn("the connection to the server ended; modules keep running", log_s("why", why));
	logs_stop_all(a->logs);
	brain_link_down(a->brain, now());
	settle(a);
}

/* A fault that a test asked for: the stream breaks, and what was to pass is lost with it. */
static bool broken_at(struct agent *a, enum faultpoint p) {
	struct err fault;
	if (p == FAULTPOINTS || faultpoint_pass(p, &fault) == 0)
		return false;
	link_drop(a->link, false);
	return true;
}

static enum faultpoint point_of_message(const Berth__V1__ServerMessage *m) {
	switch (m->kind_case) {
	case BERTH__V1__SERVER_MESSAGE__KIND_WELCOME:
		return FAULTPOINT_AGENT_WELCOME;
	case BERTH__V1__SERVER_MESSAGE__KIND_COMMAND:
		return FAULTPOINT_AGENT_COMMAND;
	case BERTH__V1__SERVER_MESSAGE__KIND_ACK:
		return FAULTPOINT_AGENT_ACK;
	default:
		return FAULTPOINTS;
	}
}

static void on_message(void *arg, const Berth__V1__ServerMessage *m) {
	struct agent *a = arg;
	if (broken_at(a, point_of_message(m)))
		return;
	if (m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_LOG)
		logs_request(a->logs, m->log);
	else
		brain_message(a->brain, m, now());
	settle(a);
}

static void on_drained(void *arg) {
	struct agent *a = arg;
	logs_drained(a->logs);
}

static void on_timer(void *arg) {
	struct agent *a = arg;
	brain_tick(a->brain, now());
	settle(a);
}

/* ---- what is to be done ---- */

static void answer_unsent(struct agent *a, const struct brain_effect *e, int code, const char *text) {
	struct brain_answer x = { .error = code, .error_text = text };
	brain_answered(a->brain, e->id, &x, now());
}

static void base_url(struct agent *a) {
	char url[64];
	if (a->supervise == NULL)
		return;
	snprintf(url, sizeof url, "http://127.0.0.1:%d", supervise_arklet_port(a->supervise));
	arklet_url(a->arklet, url);
}

static void call(struct agent *a, const struct brain_effect *e) {
	char path[PATH_MAX], name[192];
	struct err err = ERR_INIT;
	if (changes_base(e->command) && faultpoint_pass(FAULTPOINT_AGENT_CALL, &err) != 0) {
		answer_unsent(a, e, err.code, err.text);
		return;
	}
	struct arklet_call_spec spec = { .id = e->id, .command = e->command, .module = e->module, .timeout_us = e->timeout_us };
	base_url(a);
	if (e->command == ARKLET_INSTALL) {
		stage_name(e->module, name);
		int rc = cache_stage(a->cache, e->module->sha256, name, path, &err);
		if (rc != 0) {
			answer_unsent(a, e, rc == E_NOT_FOUND ? E_NOT_FOUND : E_IO, err.text);
			return;
		}
		spec.file = path;
	}
	arklet_call(a->arklet, &spec);
}

static void joined(struct agent *a) {
	const Berth__V1__AgentState *s = brain_state(a->brain);
	link_joined(a->link);
	link_learn(a->link, s->servers, s->n_servers);
	cache_source(a->cache, s->artifacts, s->base_key);
}

static void link_done(void *arg) {
	struct agent *a = arg;
	loop_stop(a->loop);
}

static void leave(struct agent *a, int status) {
	a->status = status;
	if (a->leaving)
		return;
	a->leaving = true;
	logs_stop_all(a->logs);
	link_finish(a->link, link_done);
}

static void send(struct agent *a, const Berth__V1__AgentMessage *m) {
	enum faultpoint p = m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HELLO    ? FAULTPOINT_AGENT_HELLO
	                    : m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_REPORT ? FAULTPOINT_AGENT_REPORT
	                                                                            : FAULTPOINTS;
	if (!broken_at(a, p))
		link_send(a->link, m);
}

static void perform(struct agent *a, const struct brain_effect *e) {
	switch (e->kind) {
	case BRAIN_PERSIST:
		store_write(a->store, e->state, e->state_len, on_persisted, a);
		break;
	case BRAIN_SEND:
		send(a, e->message);
		break;
	case BRAIN_DROP_LINK:
		link_drop(a->link, e->slow);
		break;
	case BRAIN_JOINED:
		joined(a);
		break;
	case BRAIN_FETCH:
		cache_get(a->cache, e->id, e->module->sha256, e->module->size);
		break;
	case BRAIN_PINS:
		cache_trim(a->cache);
		break;
	case BRAIN_CALL:
		call(a, e);
		break;
	case BRAIN_HOOK:
		hook_run(a->hooks, e, on_hook, a);
		break;
	case BRAIN_BASE_START:
		supervise_start(a->supervise);
		break;
	case BRAIN_BASE_TERM:
		supervise_signal(a->supervise, SIGTERM);
		break;
	case BRAIN_BASE_KILL:
		log_warn("the base did not stop in time and is killed");
		supervise_signal(a->supervise, SIGKILL);
		break;
	case BRAIN_SAY:
		log_at(e->level, e->text);
		break;
	case BRAIN_EXIT:
		leave(a, e->status);
		break;
	}
}

static void run_effects(void *arg) {
	struct agent *a = arg;
	const struct brain_effect *e;
	while ((e = brain_next(a->brain)) != NULL)
		perform(a, e);
	mono_t at = brain_deadline(a->brain);
	if (at.us == INT64_MAX)
		timer_cancel(&a->timer);
	else
		timer_set(&a->timer, mono_diff(at, now()));
}

/* ---- putting it together ---- */

/* The base gets paths from us and has a working folder of its own. */
static int make_absolute(struct agent *a, struct err *err) {
	char *real = realpath(a->dir, NULL);
	int rc = 0;
	if (real == NULL)
		rc = err_errno(err, errno, "%s", a->dir);
	else if (strlen(real) >= sizeof a->dir)
		rc = err_set(err, E_INVALID, "the path of the data folder is too long");
	else
		snprintf(a->dir, sizeof a->dir, "%s", real);
	free(real);
	return rc;
}

static bool pinned(void *arg, const char *sha256) {
	const struct agent *a = arg;
	return brain_pinned(a->brain, sha256);
}

static void facts(void *arg, struct ready_facts *f) {
	struct agent *a = arg;
	const Berth__V1__AgentState *s = brain_state(a->brain);
	f->base = s->base;
	f->server = link_server(a->link);
	f->address = a->address;
	f->arklet = a->arklet_url;
	f->pid = a->supervise != NULL ? supervise_pid(a->supervise) : 0;
	if (a->supervise != NULL) {
		snprintf(a->arklet_url, sizeof a->arklet_url, "http://127.0.0.1:%d", supervise_arklet_port(a->supervise));
		f->arklet = a->arklet_url;
	}
}

static int make_cache(struct agent *a, const struct agent_options *o, struct err *err) {
	struct cache_config c = { .dir = a->dir,
		.cache_bytes = o->cache_size,
		.max_artifact = o->max_artifact,
		.reserve_bytes = o->reserve,
		.parallel = 4,
		.ca_file = o->tls_ca,
		.cert_file = o->tls_cert,
		.key_file = o->tls_key,
		.pinned = pinned,
		.arg = a };
	int rc = fetcher_new(a->loop, &a->fetcher, err);
	if (rc == 0)
		rc = cache_new(a->loop, a->fetcher, &c, on_fetched, &a->cache, err);
	a->arklet = arklet_new(a->fetcher, on_answered, a);
	return rc;
}

static int make_base(struct agent *a, const struct agent_options *o, char **command, int64_t pid, int64_t pid_start, struct err *err) {
	struct supervise_config c = { .command = command,
		.dir = a->dir,
		.base = a->id,
		.arklet_port = o->arklet_port,
		.http_port = o->http_port,
		.java = a->runtime == BERTH__V1__RUNTIME__RUNTIME_ARK };
	if (command == NULL) {
		snprintf(a->arklet_url, sizeof a->arklet_url, "%s", o->arklet != NULL ? o->arklet : o->base_url);
		for (size_t n = strlen(a->arklet_url); n > 0 && a->arklet_url[n - 1] == '/'; n--)
			a->arklet_url[n - 1] = '\0';
		arklet_url(a->arklet, a->arklet_url);
		return 0;
	}
	int rc = output_new(a->loop, a->dir, &a->output, err);
	if (rc == 0)
		rc = supervise_new(a->loop, a->output, &c, on_started, on_exited, a, &a->supervise, err);
	if (rc != 0)
		return rc;
	a->adopted = supervise_adopt(a->supervise, pid, pid_start);
	if (a->adopted)
		log_info(
		    "found the base alive and took it over", log_i("pid", pid), log_i("arklet_port", supervise_arklet_port(a->supervise)));
	else
		rc = supervise_prepare(a->supervise, err);
	return rc;
}

static int make_link(struct agent *a, const struct agent_options *o, struct err *err) {
	struct link_config c = { .servers = (const char *const *)o->server,
		.tls = o->tls || o->tls_ca != NULL || o->tls_cert != NULL,
		.ca_file = o->tls_ca,
		.cert_file = o->tls_cert,
		.key_file = o->tls_key,
		.agent_version = BERTH_VERSION };
	struct link_events events = { on_up, on_down, on_message, on_drained };
	random_bytes(&c.seed, sizeof c.seed);
	int rc = cq_new(a->loop, &a->cq, err);
	if (rc == 0)
		rc = link_new(a->loop, a->cq, &c, &events, a, &a->link, err);
	if (rc == 0)
		a->logs = logs_new(a->loop, a->output, a->link);
	return rc;
}

static int make_ready(struct agent *a, const struct agent_options *o, struct err *err) {
	char text[16];
	int port = 0;
	if (o->ready_listen == NULL)
		return 0;
	int rc = ready_new(a->loop, o->ready_listen, a->brain, facts, a, &a->ready, &port, err);
	if (rc != 0)
		return err_context(err, "--ready-listen");
	int n = snprintf(text, sizeof text, "%d\n", port);
	log_info("readiness is told", log_s("listen", o->ready_listen), log_i("port", port));
	return o->ready_port_file != NULL ? file_write(o->ready_port_file, text, (size_t)n, 0644, err) : 0;
}

int agent_new(struct loop *l, const struct agent_options *o, char **command, struct agent **ret, struct err *err) {
	struct agent *a = calloc(1, sizeof *a);
	bool damaged = false;
	if (a == NULL)
		abort();
	a->loop = l;
	snprintf(a->dir, sizeof a->dir, "%s", o->data);
	a->runtime = who_runtime(o, command);
	timer_init(&a->timer, l, on_timer, a);
	deferred_init(&a->effects, l, run_effects, a);
	uint8_t *state = NULL;
	size_t n = 0;
	struct who_state known = { 0 };
	int rc = store_open(l, a->dir, &a->store, err);
	if (rc == 0)
		rc = make_absolute(a, err);
	if (rc == 0)
		rc = store_load(a->store, &state, &n, &damaged, err);
	if (rc == 0 && damaged)
		log_error("agent.state was damaged and is set aside; the base joins as if its disk were new", log_s("folder", a->dir));
	if (rc == 0)
		rc = who_read_state(state, n, &known, err);
	if (rc == 0)
		rc = who_id(a, o, err);
	if (rc == 0)
		rc = make_cache(a, o, err);
	if (rc == 0)
		rc = make_base(a, o, command, known.pid, known.pid_start, err);
	if (rc == 0)
		rc = who_make_brain(a, o, command != NULL, state, n, err);
	if (rc == 0)
		rc = hooks_new(l, a->id, o->hook, &a->hooks, err);
	if (rc == 0)
		rc = make_link(a, o, err);
	if (rc == 0)
		rc = make_ready(a, o, err);
	free(state);
	if (rc != 0) {
		agent_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

void agent_start(struct agent *a) {
	const Berth__V1__AgentState *s = brain_state(a->brain);
	cache_source(a->cache, s->artifacts, s->base_key);
	link_learn(a->link, s->servers, s->n_servers);
	brain_start(a->brain, a->adopted, now());
	link_start(a->link);
	settle(a);
}

void agent_stop(struct agent *a, const char *reason) {
	if (a->stopping) { /* asked twice: somebody is in a hurry */
		if (a->supervise != NULL)
			supervise_signal(a->supervise, SIGKILL);
		return;
	}
	a->stopping = true;
	log_info("stopping", log_s("reason", reason));
	brain_stop(a->brain, reason, now());
	settle(a);
}

int agent_exit_status(const struct agent *a) {
	return a->status;
}

/* Those who may still call back go first: outbound HTTP, then gRPC, then what they call into. */
void agent_free(struct agent *a) {
	if (a == NULL)
		return;
	ready_free(a->ready);
	fetcher_free(a->fetcher);
	logs_free(a->logs);
	hooks_free(a->hooks);
	if (a->cq != NULL)
		cq_shutdown(a->cq);
	link_free(a->link);
	supervise_free(a->supervise);
	output_free(a->output);
	store_close(a->store);
	cache_free(a->cache);
	arklet_free(a->arklet);
	timer_deinit(&a->timer);
	deferred_deinit(&a->effects);
	brain_free(a->brain);
	free(a);
}
