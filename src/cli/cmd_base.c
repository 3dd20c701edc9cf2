/* Commands on bases: list, add, show, set, cordon, uncordon, forget, wait, logs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/change.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/resource.h"
#include "cli/tail.h"
#include "cli/text.h"
#include "loop/loop.h"

#define WAIT_LOOK (5 * US_PER_S) /* a base that is no more told of by events is looked at now and then */

int cmd_base_list(struct cli *c, struct err *err) {
	BUF_AUTO query = BUF_INIT;
	query_add(&query, "group", c->opt.group);
	query_add(&query, "state", c->opt.state);
	if (c->opt.labels != NULL && c->opt.labels[0] != NULL && c->opt.labels[1] != NULL)
		return cli_usage(c, err, "one --label selects; for more, pick from -o json");
	query_add(&query, "label", c->opt.labels != NULL ? c->opt.labels[0] : NULL);
	return resource_list(c, &view_bases, "/v1/bases", buf_str(&query), err);
}

int cmd_base_show(struct cli *c, struct err *err) {
	BUF_AUTO query = BUF_INIT;
	json_t *instances, *findings;
	int r = resource_show(c, &view_bases, query_path(c->arena, "/v1/bases/%s", c->argv[0]), err);
	if (r != 0 || output_is_document(c) || c->format == FORMAT_NAME)
		return r;
	query_add(&query, "base", c->argv[0]);
	r = resource_items(c, &view_instances, "/v1/instances", buf_str(&query), &instances, err);
	if (r != 0)
		return r;
	output_part(c, "Modules", &view_instances, instances);
	json_decref(instances);
	r = resource_items(c, &view_findings, "/v1/findings", buf_str(&query), &findings, err);
	if (r != 0)
		return r;
	output_part(c, "Findings", &view_findings, findings);
	json_decref(findings);
	return 0;
}

int cmd_base_set(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	json_t *labels;
	if (cli_given(c, "limit"))
		json_object_set_new(body, "installLimit", json_integer(c->opt.limit));
	if (cli_given(c, "taint"))
		json_object_set_new(body, "taints", strings_json(c->opt.taints));
	if (cli_given(c, "label")) {
		int r = pairs_json(c, c->opt.labels, "--label", &labels, err);
		if (r != 0)
			return r;
		json_object_set_new(body, "labels", labels);
	}
	if (json_object_size(body) == 0)
		return cli_usage(c, err, "nothing to set was given");
	return resource_changed(c, &view_bases, "PATCH", query_path(c->arena, "/v1/bases/%s", c->argv[0]), body,
	    arena_printf(c->arena, "base %s changed", c->argv[0]), err);
}

/* ---- add: one from the arguments, or many from a file of NAME,URL[,GROUP] lines ---- */

static int add_one(struct cli *c, const char *name, const char *group, const char *url, struct err *err) {
	JSON_AUTO body = json_object();
	json_t *labels;
	json_object_set_new(body, "id", json_string(name));
	json_object_set_new(body, "arklet", json_string(url));
	if (group != NULL && *group != '\0')
		json_object_set_new(body, "group", json_string(group));
	if (cli_given(c, "limit"))
		json_object_set_new(body, "installLimit", json_integer(c->opt.limit));
	if (cli_given(c, "taint"))
		json_object_set_new(body, "taints", strings_json(c->opt.taints));
	if (cli_given(c, "zone"))
		json_object_set_new(body, "zone", json_string(c->opt.zone));
	if (cli_given(c, "label")) {
		int r = pairs_json(c, c->opt.labels, "--label", &labels, err);
		if (r != 0)
			return r;
		json_object_set_new(body, "labels", labels);
	}
	return resource_changed(c, &view_bases, "POST", "/v1/bases", body,
	    arena_printf(c->arena, "base %s added: its arklet at %s is asked for now", name, url), err);
}

static int add_line(struct cli *c, const char *path, int number, char *line, struct err *err) {
	char *rest = line, *name = strsep(&rest, ","), *url = rest != NULL ? strsep(&rest, ",") : NULL;
	if (*name == '\0' || *name == '#')
		return 0;
	if (url == NULL || *url == '\0')
		return err_set(err, E_INVALID, "line %d of %s: NAME,URL or NAME,URL,GROUP is expected", number, path);
	return add_one(c, name, rest != NULL ? rest : c->opt.group, url, err);
}

static int add_file(struct cli *c, const char *path, struct err *err) {
	char *text = NULL, *rest, *line;
	int number = 0, r = file_read(path, 16 * 1024 * 1024, &text, NULL, err);
	if (r != 0)
		return r;
	for (rest = text; r == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		line[strcspn(line, "\r")] = '\0';
		r = add_line(c, path, ++number, line, err);
	}
	free(text);
	return r;
}

int cmd_base_add(struct cli *c, struct err *err) {
	int r = 0;
	if (cli_given(c, "file") && c->argv[0] != NULL)
		return cli_usage(c, err, "with --file, names and addresses are in the file");
	for (size_t i = 0; r == 0 && c->opt.files != NULL && c->opt.files[i] != NULL; i++)
		r = add_file(c, c->opt.files[i], err);
	if (cli_given(c, "file"))
		return r;
	if (c->argv[0] == NULL || !cli_given(c, "arklet"))
		return cli_usage(c, err, "a base has a name and an address: berth base add NAME --arklet http://HOST:1238");
	return add_one(c, c->argv[0], c->opt.group, c->opt.arklet, err);
}

static int verb(struct cli *c, const char *format, const char *said, struct err *err) {
	JSON_AUTO body = json_object();
	return resource_changed(c, &view_bases, "POST", query_path(c->arena, format, c->argv[0]), body,
	    arena_printf(c->arena, "base %s %s", c->argv[0], said), err);
}

int cmd_base_cordon(struct cli *c, struct err *err) {
	return verb(c, "/v1/bases/%s:cordon", "cordoned: nothing more is placed on it, what it has stays", err);
}

int cmd_base_uncordon(struct cli *c, struct err *err) {
	return verb(c, "/v1/bases/%s:uncordon", "takes placements again", err);
}

static int drain_several(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	if (c->argc == 0 && (c->opt.labels == NULL || c->opt.labels[0] == NULL))
		return cli_usage(c, err, "which base? give its name, or a label: -l zone=a");
	if (c->opt.labels != NULL && c->opt.labels[0] != NULL)
		json_object_set_new(body, "label", json_string(c->opt.labels[0]));
	if (c->opt.group != NULL)
		json_object_set_new(body, "group", json_string(c->opt.group));
	json_t *bases = json_array();
	for (int k = 0; k < c->argc; k++)
		json_array_append_new(bases, json_string(c->argv[k]));
	json_object_set_new(body, "bases", bases);
	struct change ch = { .method = "POST",
		.path = "/v1/bases:drain",
		.body = body,
		.done = "the bases are empty and stay so; `berth base undrain BASE` ends that" };
	return change_run(c, &ch, err);
}

int cmd_base_drain(struct cli *c, struct err *err) {
	if (c->argc != 1 || c->opt.labels != NULL)
		return drain_several(c, err);
	JSON_AUTO body = json_object();
	struct change ch = { .method = "POST",
		.path = query_path(c->arena, "/v1/bases/%s:drain", c->argv[0]),
		.body = body,
		.deployment = c->argv[0],
		.done =
		    arena_printf(c->arena, "base %s is empty and stays so; `berth base undrain %s` ends that", c->argv[0], c->argv[0]) };
	return change_run(c, &ch, err);
}

int cmd_base_undrain(struct cli *c, struct err *err) {
	return verb(c, "/v1/bases/%s:undrain", "takes placements again", err);
}

int cmd_base_expect_restart(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	if (!cli_given(c, "for"))
		return cli_usage(c, err, "--for says how long it may be away");
	json_object_set_new(body, "within", json_string(arena_printf(c->arena, "%.3fs", (double)c->opt.within_us / US_PER_S)));
	return resource_changed(c, &view_bases, "POST", query_path(c->arena, "/v1/bases/%s:expect-restart", c->argv[0]), body,
	    arena_printf(c->arena, "base %s may be away: no alarm, and nothing of it is placed elsewhere meanwhile", c->argv[0]), err);
}

int cmd_base_leave(struct cli *c, struct err *err) {
	return verb(c, "/v1/bases/%s:leave", "has left; it is back when it is heard of again", err);
}

int cmd_base_forget(struct cli *c, struct err *err) {
	return verb(c, "/v1/bases/%s:forget", "forgotten; what runs there was left alone", err);
}

/* "base n3 is restoring: 2 of 3 modules are in" */
static void add_state(const char *name, const json_t *base, struct buf *out) {
	if (base == NULL) {
		buf_printf(out, "base %s has not joined", name);
		return;
	}
	buf_printf(out, "base %s is %s", name, field_str(base, "state"));
	if (*field_str(base, "stateReason") != '\0')
		buf_printf(out, ": %s", field_str(base, "stateReason"));
}

static int look(struct cli *c, const char *path, json_t **ret, struct err *err) {
	*ret = NULL;
	int r = resource_get(c, path, ret, err);
	if (r == E_NOT_FOUND) { /* it may be starting just now: that is what this command is for */
		*err = ERR_INIT;
		return 0;
	}
	return r;
}

static int wait_ready(struct cli *c, struct tail *t, const char *path, struct err *err) {
	mono_t deadline = c->opt.timeout_us > 0 ? mono_add(clock_mono(&clock_real), c->opt.timeout_us) : MONO_NEVER;
	char said[256] = "";
	for (;;) {
		json_t *base, *event;
		BUF_AUTO state = BUF_INIT;
		int r = look(c, path, &base, err);
		if (r != 0)
			return r;
		JSON_AUTO owned = base;
		add_state(c->argv[0], base, &state);
		if (field_true(base, "ready")) {
			if (output_is_document(c))
				output_document(c, base);
			else
				printf("base %s is ready\n", c->argv[0]);
			return 0;
		}
		if (strcmp(said, buf_str(&state)) != 0)
			cli_say(c, "%s; waiting", buf_str(&state));
		snprintf(said, sizeof said, "%s", buf_str(&state));
		int64_t left = mono_diff(deadline, clock_mono(&clock_real));
		if (left <= 0)
			return err_set(err, E_TIMEOUT, "%s; see what it is missing with: berth base show %s", buf_str(&state), c->argv[0]);
		r = tail_next(t, left < WAIT_LOOK ? left : WAIT_LOOK, &event, err);
		if (r != 0)
			return r;
		json_decref(event);
	}
}

int cmd_base_wait(struct cli *c, struct err *err) {
	BUF_AUTO query = BUF_INIT;
	struct tail *t;
	query_add(&query, "base", c->argv[0]);
	int r = tail_open(c, buf_str(&query), 0, &t, err);
	if (r != 0)
		return r;
	r = wait_ready(c, t, query_path(c->arena, "/v1/bases/%s", c->argv[0]), err);
	tail_close(t);
	return r;
}

struct log_reader {
	struct cli *c;
	struct err *err;
};

static void print_output(const char *p, size_t n) {
	if (!isatty(STDOUT_FILENO)) {
		fwrite(p, 1, n, stdout);
		fflush(stdout);
		return;
	}
	/* A base's output is a stranger's text: on a terminal only what cannot drive it. */
	BUF_AUTO raw = BUF_INIT;
	BUF_AUTO clean = BUF_INIT;
	buf_add(&raw, p, n);
	text_add_clean(&clean, buf_str(&raw), true);
	fputs(buf_str(&clean), stdout);
	fflush(stdout);
}

static int on_log(void *arg, const char *p, size_t n) {
	print_output(p, n);
	return 0;
}

static void on_log_end(void *arg, const struct err *err) {
	struct log_reader *l = arg;
	if (err != NULL)
		*l->err = *err;
	loop_stop(l->c->loop);
}

int cmd_base_logs(struct cli *c, struct err *err) {
	struct client *client;
	BUF_AUTO query = BUF_INIT;
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	query_add_int(&query, "bytes", c->opt.bytes);
	struct request q = {
		.method = "GET", .path = query_path(c->arena, "/v1/bases/%s/logs", c->argv[0]), .accept = "text/plain", .quiet = true
	};
	if (c->opt.follow) {
		struct log_reader l = { c, err };
		query_add(&query, "follow", "true");
		q.query = buf_str(&query);
		*err = ERR_INIT;
		client_stream(client, &q, on_log, on_log_end, &l);
		loop_run(c->loop);
		return err->code;
	}
	REPLY_AUTO reply = { 0 };
	q.query = buf_str(&query);
	r = client_call(client, &q, &reply, err);
	if (r != 0)
		return r;
	if (output_is_document(c) && reply.json != NULL) {
		output_document(c, reply.json);
		return 0;
	}
	const char *text = reply.json != NULL ? field_str(reply.json, "text") : buf_str(&reply.text);
	print_output(text, strlen(text));
	if (field_true(reply.json, "truncated"))
		cli_say(c, "(older output is not kept or not shown; more with --bytes 1M)");
	return 0;
}
