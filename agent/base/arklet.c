/* The arklet listener: requests into runs, runs into the envelope. What a command does is in command_*.c.
 *
 * It has no authentication, like the original, so it stays on loopback unless told otherwise, and refuses what a browser sends on
 * behalf of a web page (Origin), since such a page could otherwise install code here. */
#include "arklet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "command.h"
#include "http/server.h"
#include "params.h"
#include "record.h"

enum { FIRST_PORT = 1238, LAST_PORT = 1337, MAX_BODY = 1024 * 1024, MAX_RUNS = 1024, MAX_RUN_BYTES = 64 * 1024 * 1024 };

struct arklet {
	struct base *base;
	struct http_server *server;
	struct records records;
	unsigned runs;
	size_t run_bytes; /* bodies of unfinished runs: one outlives its connection when the client leaves */
};

struct run {
	struct arklet *arklet;
	const struct command *command;
	struct arena *arena;
	json_t *params;
	size_t bytes;          /* of the body */
	struct http_req *req;  /* NULL once answered */
	struct record *record; /* of an asynchronous run */
	void *data;
};

/* ---- answers ---- */

static void envelope_reply(struct http_req *r, json_t *envelope) {
	char *text = json_dumps(envelope, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(envelope);
	http_reply(r, 200, "application/json", text ? text : "", text ? strlen(text) : 0);
	free(text);
}

static json_t *envelope(struct arklet *a, const char *code, const char *message, json_t *data, bool identity) {
	json_t *e = json_pack("{s:s}", "code", code);
	if (message)
		json_object_set_new(e, "message", json_clean(message));
	if (data)
		json_object_set_new(e, "data", data);
	if (identity)
		json_object_set_new(e, "baseIdentity", json_clean(a->base->identity));
	return e;
}

/* Clients show the last "Caused by:" line of the trace to people. */
static json_t *envelope_internal(struct arklet *a, struct arena *arena, const char *message, const char *cause) {
	const char *text = arena_printf(arena, "Internal Error: %s", message);
	json_t *e = envelope(a, "CMD_PROCESS_INTERNAL_ERROR", text, NULL, false);
	json_object_set_new(
	    e, "errorStackTrace", json_clean(arena_printf(arena, "berth-base: %s\nCaused by: %s\n", message, cause ? cause : message)));
	return e;
}

static void run_end(struct run *r) {
	r->arklet->runs--;
	r->arklet->run_bytes -= r->bytes;
	json_decref(r->params);
	arena_free(r->arena);
	free(r);
}

void run_success(struct run *r, json_t *data) {
	if (r->record)
		record_finish(r->record, true, NULL, NULL);
	if (r->req)
		envelope_reply(r->req, envelope(r->arklet, "SUCCESS", NULL, data, true));
	else
		json_decref(data);
	run_end(r);
}

void run_refuse(struct run *r, const char *message, json_t *data) {
	if (r->record)
		record_finish(r->record, false, message, NULL);
	if (r->req)
		envelope_reply(r->req, envelope(r->arklet, "FAILED", message, data, true));
	else
		json_decref(data);
	run_end(r);
}

void run_fail(struct run *r, const char *message, const char *cause) {
	log_warn("arklet command failed", log_s("command", r->command->id), log_s("why", message));
	if (r->record)
		record_finish(r->record, false, message, cause ? cause : message);
	if (r->req)
		envelope_reply(r->req, envelope_internal(r->arklet, r->arena, message, cause));
	run_end(r);
}

static const char *inner_code(enum outcome_kind kind) {
	static const char *const codes[] = {
		[OUTCOME_SUCCESS] = "SUCCESS",
		[OUTCOME_REPEAT] = "REPEAT_BIZ",
		[OUTCOME_NOT_FOUND] = "NOT_FOUND_BIZ",
		[OUTCOME_ILLEGAL_STATE] = "ILLEGAL_STATE_BIZ",
		[OUTCOME_FAILED] = "FAILED",
		[OUTCOME_CONFLICT] = "FAILED",
		[OUTCOME_INTERNAL] = "FAILED",
	};
	return codes[kind];
}

json_t *outcome_json(const struct outcome *o, bool with_space) {
	json_t *j = json_pack("{s:s, s:o}", "code", inner_code(o->kind), "message", json_clean(o->message));
	if (with_space)
		json_object_set_new(j, "elapsedSpace", json_integer(o->space));
	if (with_space && o->kind == OUTCOME_SUCCESS && o->biz)
		json_object_set_new(j, "bizInfos", json_pack("[o]", biz_install_json(o->biz)));
	return j;
}

void run_outcome(struct run *r, const char *what, bool with_space, const struct outcome *o) {
	const char *outer = arena_printf(r->arena, "%s biz not success!", what);
	if (o->kind == OUTCOME_SUCCESS) {
		run_success(r, outcome_json(o, with_space));
	} else if (o->kind == OUTCOME_CONFLICT) {
		run_refuse(r, r->record ? "command conflict, exist unfinished command for this biz" : o->message, NULL);
	} else if (o->kind == OUTCOME_INTERNAL) {
		run_fail(r, o->message, o->cause);
	} else {
		/* A record keeps no inner code: then the text has to carry it. */
		if (r->record)
			outer = arena_printf(r->arena, "%s %s: %s", outer, inner_code(o->kind), o->message);
		run_refuse(r, outer, outcome_json(o, with_space));
	}
}

struct base *run_base(struct run *r) {
	return r->arklet->base;
}

struct arena *run_arena(struct run *r) {
	return r->arena;
}

const json_t *run_params(struct run *r) {
	return r->params;
}

void run_set_data(struct run *r, void *data) {
	r->data = data;
}

void *run_data(struct run *r) {
	return r->data;
}

json_t *run_find_record(struct run *r, const char *request_id) {
	struct record *rec = records_find(&r->arklet->records, request_id);
	return rec ? record_json(rec) : NULL;
}

/* ---- requests ---- */

/* An asynchronous run gets its record and its client the answer now. *ret_refused: that was all. */
static int run_accept(struct run *r, bool *ret_refused, struct err *err) {
	bool async = false;
	const char *id = NULL;
	int rc = param_bool(r->params, "async", &async, err);
	if (!rc)
		rc = param_text(r->arena, r->params, "requestId", &id, err);
	if (rc || !async || !r->command->async)
		return rc;
	if (!id)
		return err_set(err, E_INVALID, "requestId should not be blank when async is true");
	*ret_refused = true;
	if (records_find(&r->arklet->records, id)) {
		run_refuse(r, arena_printf(r->arena, "The request corresponding to the requestId(%s) has been executed.", id), NULL);
	} else if (!(r->record = records_add(&r->arklet->records, id, r->params, r->bytes))) {
		run_refuse(r, "too many asynchronous operations are unfinished on this base; try again later", NULL);
	} else {
		*ret_refused = false;
		envelope_reply(r->req, envelope(r->arklet, "SUCCESS", NULL, record_json(r->record), true));
		r->req = NULL;
	}
	return 0;
}

static void run_start(struct run *r) {
	struct err err = ERR_INIT;
	bool refused = false;
	int rc = r->command->check ? r->command->check(r, &err) : 0;
	if (!rc)
		rc = run_accept(r, &refused, &err);
	if (rc)
		run_fail(r, err.text, NULL);
	else if (!refused)
		r->command->start(r);
}

static int body_parse(struct http_req *req, json_t **ret, struct err *err) {
	size_t n;
	json_error_t je;
	const char *body = http_req_body(req, &n);
	*ret = NULL;
	if (!n || (n == 4 && memcmp(body, "null", 4) == 0))
		return 0;
	json_t *j = json_loadb(body, n, 0, &je);
	if (!j)
		return err_set(err, E_MALFORMED, "the request body is not JSON: %s (line %d, column %d)", je.text, je.line, je.column);
	if (!json_is_object(j)) {
		json_decref(j);
		return err_set(err, E_MALFORMED, "the request body is not a JSON object");
	}
	*ret = j;
	return 0;
}

static void request_run(struct arklet *a, struct http_req *req, const struct command *command) {
	struct err err = ERR_INIT;
	json_t *params;
	size_t bytes;
	http_req_body(req, &bytes);
	if (body_parse(req, &params, &err) != 0) {
		envelope_reply(req, envelope_internal(a, http_req_arena(req), err.text, NULL));
		return;
	}
	struct run *r = a->runs < MAX_RUNS && a->run_bytes + bytes <= MAX_RUN_BYTES ? calloc(1, sizeof *r) : NULL;
	if (!r) {
		json_decref(params);
		envelope_reply(req, envelope(a, "FAILED", "too many commands are running on this base; try again later", NULL, true));
		return;
	}
	a->runs++;
	a->run_bytes += bytes;
	*r = (struct run){ .arklet = a, .command = command, .arena = arena_new(), .params = params, .bytes = bytes, .req = req };
	run_start(r);
}

static enum http_body_mode on_head(struct http_req *r, size_t *ret_max_body, void *arg) {
	*ret_max_body = MAX_BODY;
	return HTTP_BODY_BUFFER;
}

static void on_request(struct http_req *r, void *arg) {
	struct arklet *a = arg;
	static const char not_post[] = "POST http request only supported by arklet";
	static const char from_page[] = "arklet commands are not taken from web pages (the request has an Origin header)\n";
	/* As the original does: one command per connection, for clients that read to the end. */
	http_req_add_header(r, "Connection", "close");
	if (strcmp(http_req_method(r), "POST") != 0) {
		http_reply(r, 500, "text/plain", not_post, sizeof not_post - 1);
		return;
	}
	if (http_req_header(r, "Origin")) {
		http_reply(r, 403, "text/plain", from_page, sizeof from_page - 1);
		return;
	}
	const struct command *command = command_find(http_req_path(r) + 1);
	if (!command)
		envelope_reply(r, envelope(a, "CMD_NOT_FOUND", "please follow the doc", NULL, false));
	else
		request_run(a, r, command);
}

/* ---- listening ---- */

static bool address_loopback(const char *address) {
	char host[INET_ADDRSTRLEN];
	struct in_addr in;
	size_t n = strcspn(address, ":");
	if (strncmp(address, "unix:", 5) == 0 || strcmp(address, "[::1]") == 0 || strncmp(address, "[::1]:", 6) == 0)
		return true;
	if (n == strlen("localhost") && strncmp(address, "localhost", n) == 0)
		return true;
	/* As a number only: a name that begins like one ("127.example.org") may lead anywhere. */
	snprintf(host, sizeof host, "%.*s", (int)n, address);
	return n < sizeof host && inet_pton(AF_INET, host, &in) == 1 && ntohl(in.s_addr) >> 24 == 127;
}

/* "1.2.3.4", "[::1]": no port given. */
static bool port_missing(const char *address) {
	const char *bracket = strrchr(address, ']');
	return strncmp(address, "unix:", 5) != 0 && !strchr(bracket ? bracket : address, ':');
}

static int arklet_listen(struct arklet *a, int *ret_port, struct err *err) {
	const char *address = a->base->opt.listen_arklet;
	ARENA_AUTO arena = arena_new();
	if (!address_loopback(address) && !a->base->opt.insecure_listen)
		return err_set(err, E_INVALID,
		    "--listen-arklet %s is not loopback: whoever reaches it can run code in this process. Say --insecure-listen if the "
		    "network in front protects it",
		    address);
	if (!port_missing(address))
		return http_server_listen(a->server, address, NULL, 0, ret_port, err);
	int rc = E_IO;
	for (int port = FIRST_PORT; rc && port <= LAST_PORT; port++) {
		*err = ERR_INIT;
		rc = http_server_listen(a->server, arena_printf(arena, "%s:%d", address, port), NULL, 0, ret_port, err);
	}
	if (rc)
		err_context(err, "no port from %d to %d is free for arklet", FIRST_PORT, LAST_PORT);
	return rc;
}

int arklet_new(struct base *base, struct arklet **ret, int *ret_port, struct err *err) {
	static const struct http_handler handler = { .head = on_head, .request = on_request };
	static const struct http_limits limits = { .max_connections = 512, .max_per_address = 512 };
	struct arklet *a = calloc(1, sizeof *a);
	if (!a)
		return err_set(err, E_NOMEM, "no memory for the arklet listener");
	a->base = base;
	records_init(&a->records);
	int rc = http_server_new(base->loop, &handler, a, &limits, &a->server, err);
	if (!rc)
		rc = arklet_listen(a, ret_port, err);
	if (rc)
		arklet_free(a);
	else
		*ret = a;
	return rc;
}

void arklet_drain(struct arklet *a, int64_t us, void (*done)(void *), void *arg) {
	http_server_drain(a->server, us, done, arg);
}

void arklet_free(struct arklet *a) {
	if (!a)
		return;
	http_server_free(a->server);
	records_deinit(&a->records);
	free(a);
}
