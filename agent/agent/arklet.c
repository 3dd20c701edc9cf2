/* What stock arklets do on the wire and nobody expects: answers without any header, ended by EOF; no answer at all to what they cannot
 * read; a status of 200 for failures. So: one connection per request, strict JSON out, a time-out on everything. */
#include "arklet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "loop/fetch.h"
#include "state.h"

#define CONNECT_US (3 * US_PER_S)

struct arklet {
	struct fetcher *fetcher;
	char url[256];
	arklet_done_fn done;
	void *arg;
};

struct asked {
	struct arklet *arklet;
	struct arklet_call_spec spec;
};

struct arklet *arklet_new(struct fetcher *f, arklet_done_fn done, void *arg) {
	struct arklet *k = calloc(1, sizeof *k);
	if (k == NULL)
		abort();
	k->fetcher = f;
	k->done = done;
	k->arg = arg;
	return k;
}

void arklet_free(struct arklet *k) {
	free(k);
}

void arklet_url(struct arklet *k, const char *url) {
	snprintf(k->url, sizeof k->url, "%s", url);
}

/* Bytes of a path that may not stand in a URL as they are. */
static char *file_url(struct arena *a, const char *path) {
	char *out = arena_alloc(a, strlen(path) * 3 + 16), *p = out;
	p += snprintf(p, 8, "file://");
	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("/-._~+", c) != NULL;
		p += plain ? snprintf(p, 4, "%c", c) : snprintf(p, 4, "%%%02X", c);
	}
	return out;
}

static void print_install(struct arena *a, const struct arklet_call_spec *s, struct buf *body) {
	const Berth__V1__WantedModule *m = s->module;
	const char **names = arena_alloc(a, (m->n_env + 1) * sizeof *names), **values = arena_alloc(a, (m->n_env + 1) * sizeof *values);
	for (size_t i = 0; i < m->n_env; i++) {
		names[i] = m->env[i]->key != NULL ? m->env[i]->key : "";
		values[i] = m->env[i]->value != NULL ? m->env[i]->value : "";
	}
	struct arklet_install i = { .name = m->module,
		.version = m->version,
		.url = file_url(a, s->file),
		.sha256 = m->sha256,
		.args = (const char *const *)m->args,
		.n_args = m->n_args,
		.env_names = names,
		.env_values = values,
		.n_env = m->n_env };
	arklet_install_print(&i, body);
}

static void print_body(struct arena *a, const struct arklet_call_spec *s, struct buf *body) {
	if (s->command == ARKLET_INSTALL)
		print_install(a, s, body);
	else if (s->command == ARKLET_UNINSTALL || s->command == ARKLET_SWITCH)
		arklet_named_print(s->module->module, s->module->version, body);
	else
		buf_add_str(body, "{}");
}

static int parse(struct arena *a, const struct asked *q, const struct fetch_result *res, struct arklet_reply *reply,
    struct arklet_health *health, struct err *err) {
	switch (q->spec.command) {
	case ARKLET_QUERY_ALL:
		return arklet_list_parse(a, res->body, res->body_len, reply, err);
	case ARKLET_HEALTH:
		return arklet_health_parse(a, res->body, res->body_len, reply, health, err);
	default:
		return arklet_reply_parse(a, res->body, res->body_len, reply, err);
	}
}

static void on_done(void *arg, const struct fetch_result *res, const struct err *err) {
	struct asked *q = arg;
	ARENA_AUTO a = arena_new();
	struct arklet_reply reply;
	struct arklet_health health;
	struct err parse_err = ERR_INIT;
	struct brain_answer answer = { .sent = res->sent };
	if (err != NULL) {
		answer.error = err->code;
		answer.error_text = err->text;
	} else if ((answer.error = parse(a, q, res, &reply, &health, &parse_err)) != 0) {
		answer.error = E_PROTOCOL; /* the brain knows other meanings for the parser's codes */
		answer.error_text = parse_err.text;
	} else {
		answer.reply = &reply;
		answer.health = q->spec.command == ARKLET_HEALTH ? &health : NULL;
	}
	q->arklet->done(q->arklet->arg, &q->spec, &answer);
	drop((void *)(uintptr_t)q->spec.module);
	free(q);
}

void arklet_call(struct arklet *k, const struct arklet_call_spec *spec) {
	static const char *const headers[] = { "Content-Type: application/json", "Accept: application/json", NULL };
	ARENA_AUTO a = arena_new();
	BUF_AUTO body = BUF_INIT;
	char url[320];
	struct asked *q = calloc(1, sizeof *q);
	if (q == NULL)
		abort();
	q->arklet = k;
	q->spec = *spec;
	q->spec.file = NULL;
	q->spec.module = spec->module != NULL ? keep(spec->module) : NULL;
	print_body(a, spec, &body);
	snprintf(url, sizeof url, "%s/%s", k->url, arklet_command_name(spec->command));
	struct fetch_spec f = { .method = "POST",
		.url = url,
		.headers = headers,
		.body = buf_str(&body),
		.body_len = body.len,
		.connect_us = CONNECT_US,
		.total_us = spec->timeout_us,
		.answer_idle_us = ARKLET_ANSWER_IDLE_US,
		.max_body = ARKLET_MAX_REPLY,
		.fresh_connection = true,
		.no_redirect = true };
	fetch_start(k->fetcher, &f, on_done, q);
}
