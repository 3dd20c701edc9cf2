/* Commands on plans: list, show, watch and the verbs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/change.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/progress.h"
#include "cli/query.h"
#include "cli/render.h"
#include "cli/report.h"
#include "cli/resource.h"
#include "cli/text.h"

static int check_number(struct cli *c, const char *word, const char *what, int64_t *ret, struct err *err) {
	char *end;
	long long n = strtoll(word, &end, 10);
	if (end == word || *end != '\0' || n <= 0)
		return cli_usage(c, err, "'%.40s' is no %s; `berth plan list --all` shows plans with their numbers", word, what);
	*ret = n;
	return 0;
}

static int plan_path(struct cli *c, const char *verb, const char **ret, struct err *err) {
	int64_t id = 0;
	int r = check_number(c, c->argv[0], "plan number", &id, err);
	if (r == 0)
		*ret = arena_printf(c->arena, "/v1/plans/%" PRId64 "%s", id, verb);
	return r;
}

static int plan_read(struct cli *c, json_t **ret, struct err *err) {
	const char *path;
	int r = plan_path(c, "", &path, err);
	return r != 0 ? r : resource_get(c, path, ret, err);
}

int cmd_plan_list(struct cli *c, struct err *err) {
	BUF_AUTO query = BUF_INIT;
	query_add(&query, "deployment", c->opt.deployment);
	query_add(&query, "state", c->opt.state);
	if (!c->opt.all && c->opt.state == NULL)
		query_add(&query, "unfinished", "true");
	int r = resource_list(c, &view_plans, "/v1/plans", buf_str(&query), err);
	return r;
}

/* Of very many the answer has the first; the heading says so. */
static void print_tasks(const struct cli *c, const json_t *plan) {
	const json_t *tasks = field_get(plan, "tasks");
	int64_t total = field_int(plan, "tasksTotal", 0);
	char title[96] = "Tasks";
	if (total > (int64_t)json_array_size(tasks))
		snprintf(title, sizeof title, "Tasks (showing %zu of %" PRId64 ", failed ones first)", json_array_size(tasks), total);
	output_part(c, title, &view_tasks, tasks);
}

int cmd_plan_show(struct cli *c, struct err *err) {
	json_t *plan;
	BUF_AUTO out = BUF_INIT;
	int r = plan_read(c, &plan, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = plan;
	if (output_is_document(c) || c->format == FORMAT_NAME) {
		output_one(c, &view_plans, plan);
		return 0;
	}
	struct render_look look = { .color = c->color, .utf8 = c->utf8, .columns = c->columns > 0 ? (size_t)c->columns : 120, .bases = 0 };
	render_plan(plan, &look, clock_wall(&clock_real).us, &out);
	const char *const notes[][2] = { { "by", field_str(plan, "actor") }, { "reason", field_str(plan, "reason") },
		{ "link", field_str(plan, "link") }, { "state", field_str(plan, "stateReason") } };
	for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
		if (*notes[i][1] == '\0')
			continue;
		buf_printf(&out, "  %s: ", notes[i][0]);
		text_add_clean(&out, notes[i][1], false);
		buf_add_char(&out, '\n');
	}
	const json_t *said = field_get(plan, "notes");
	for (size_t i = 0; i < json_array_size(said); i++) {
		buf_add_str(&out, "  note: ");
		text_add_clean(&out, json_string_value(json_array_get(said, i)), false);
		buf_add_char(&out, '\n');
	}
	report_add(plan, &out);
	progress_commands(plan, "  ", &out);
	fputs(buf_str(&out), stdout);
	print_tasks(c, plan);
	return 0;
}

int cmd_plan_report(struct cli *c, struct err *err) {
	json_t *plan;
	BUF_AUTO out = BUF_INIT;
	int r = plan_read(c, &plan, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = plan;
	if (output_is_document(c)) {
		output_document(c, field_get(plan, "report"));
		return 0;
	}
	progress_line(plan, &out);
	buf_add_char(&out, '\n');
	if (field_get(plan, "report") == NULL)
		buf_add_str(&out, "  it has not ended yet; `berth plan watch` follows it\n");
	report_add(plan, &out);
	fputs(buf_str(&out), stdout);
	return 0;
}

int cmd_plan_watch(struct cli *c, struct err *err) {
	json_t *plan;
	int r = plan_read(c, &plan, err);
	if (r != 0)
		return r;
	struct change ch = { 0 };
	r = change_follow(c, plan, &ch, err);
	json_decref(plan);
	return r;
}

static void print_plan(const struct cli *c, const json_t *plan) {
	BUF_AUTO line = BUF_INIT;
	BUF_AUTO out = BUF_INIT;
	if (output_is_document(c) || c->format == FORMAT_NAME) {
		output_one(c, &view_plans, plan);
		return;
	}
	progress_line(plan, &line);
	text_add_clean(&out, buf_str(&line), false);
	buf_add_char(&out, '\n');
	progress_commands(plan, "  ", &out);
	fputs(buf_str(&out), stdout);
}

static int verb(struct cli *c, const char *name, const json_t *body, bool follow, struct err *err) {
	const char *path;
	json_t *plan = NULL;
	int r = plan_path(c, name, &path, err);
	if (r == 0)
		r = resource_change(c, "POST", path, body, &plan, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = plan;
	if (!follow || !c->opt.wait) {
		print_plan(c, plan);
		return 0;
	}
	struct change ch = { 0 };
	return change_follow(c, plan, &ch, err);
}

int cmd_plan_pause(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	return verb(c, ":pause", body, false, err);
}

int cmd_plan_resume(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	return verb(c, ":resume", body, true, err);
}

/* The server wants the number, so that nobody confirms a batch that was not looked at; without one, it is the batch of this moment. */
static int waiting_batch(struct cli *c, int64_t *ret, struct err *err) {
	const char *path;
	json_t *plan;
	int r = plan_path(c, "", &path, err);
	if (r == 0)
		r = resource_get(c, path, &plan, err);
	if (r != 0)
		return r;
	*ret = field_int(plan, "currentBatch", 0);
	json_decref(plan);
	return 0;
}

int cmd_plan_confirm(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	int64_t batch = 0;
	int r = c->argc > 1 ? check_number(c, c->argv[1], "batch number", &batch, err) : waiting_batch(c, &batch, err);
	if (r != 0)
		return r;
	json_object_set_new(body, "batch", json_integer(batch));
	return verb(c, ":confirm", body, true, err);
}

static json_t *scope_json(struct cli *c) {
	json_t *body = json_object();
	if (cli_given(c, "task"))
		json_object_set_new(body, "task", json_integer(c->opt.task));
	if (cli_given(c, "batch"))
		json_object_set_new(body, "batch", json_integer(c->opt.batch));
	if (c->opt.base != NULL)
		json_object_set_new(body, "base", json_string(c->opt.base));
	return body;
}

int cmd_plan_retry(struct cli *c, struct err *err) {
	JSON_AUTO body = scope_json(c);
	return verb(c, ":retry", body, true, err);
}

int cmd_plan_ignore(struct cli *c, struct err *err) {
	JSON_AUTO body = scope_json(c);
	if (json_object_size(body) == 0)
		return cli_usage(c, err, "say which one: --base BASE or --task ID");
	if (c->opt.reason == NULL || *c->opt.reason == '\0')
		return cli_usage(c, err, "say why with --reason; it stays with the plan");
	return verb(c, ":ignore", body, true, err);
}

int cmd_plan_undo(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	if (c->opt.now)
		json_object_set_new(body, "now", json_true());
	return verb(c, ":undo", body, true, err);
}

int cmd_plan_stop(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	return verb(c, ":stop", body, false, err);
}
