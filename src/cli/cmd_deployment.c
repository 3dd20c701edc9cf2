/* Commands on one deployment: list, show, why, scale, rollback, revisions, offline, delete. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/change.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/resource.h"
#include "cli/text.h"

int cmd_deployment_list(struct cli *c, struct err *err) {
	BUF_AUTO query = BUF_INIT;
	query_add(&query, "group", c->opt.group);
	query_add(&query, "module", c->opt.module);
	query_add(&query, "state", c->opt.state);
	return resource_list(c, &view_deployments, "/v1/deployments", buf_str(&query), err);
}

int cmd_deployment_show(struct cli *c, struct err *err) {
	int r = resource_show(c, &view_deployments, query_path(c->arena, "/v1/deployments/%s", c->argv[0]), err);
	if (r != 0 || output_is_document(c))
		return r;
	BUF_AUTO query = BUF_INIT;
	json_t *instances;
	query_add(&query, "deployment", c->argv[0]);
	r = resource_items(c, &view_instances, "/v1/instances", buf_str(&query), &instances, err);
	if (r != 0)
		return r;
	output_part(c, "Instances", &view_instances, instances);
	json_decref(instances);
	return 0;
}

int cmd_revisions(struct cli *c, struct err *err) {
	return resource_list(c, &view_revisions, query_path(c->arena, "/v1/deployments/%s/revisions", c->argv[0]), NULL, err);
}

int cmd_scale(struct cli *c, struct err *err) {
	JSON_AUTO replicas = amount_json(c->argv[1]);
	if (!json_is_integer(replicas) && strcmp(c->argv[1], "all") != 0)
		return cli_usage(c, err, "'%.40s' is neither a number of bases nor all", c->argv[1]);
	JSON_AUTO body = json_object();
	json_object_set(body, "replicas", replicas);
	if (c->opt.victims != NULL)
		json_object_set_new(body, "victims", words_json(c->opt.victims));
	struct change ch = { .method = "PATCH",
		.path = query_path(c->arena, "/v1/deployments/%s", c->argv[0]),
		.body = body,
		.deployment = c->argv[0],
		.running = true };
	return change_run(c, &ch, err);
}

int cmd_rollback(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	if (cli_given(c, "to"))
		json_object_set_new(body, "to", json_integer(c->opt.to));
	if (c->opt.now)
		json_object_set_new(body, "now", json_true());
	struct change ch = { .method = "POST",
		.path = query_path(c->arena, "/v1/deployments/%s:rollback", c->argv[0]),
		.body = body,
		.deployment = c->argv[0],
		.running = true };
	return change_run(c, &ch, err);
}

int cmd_offline(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	struct change ch = { .method = "POST",
		.path = query_path(c->arena, "/v1/deployments/%s:offline", c->argv[0]),
		.body = body,
		.deployment = c->argv[0],
		.done = arena_printf(c->arena, "%s is offline; `berth rollback %s` or a deploy brings it back", c->argv[0], c->argv[0]) };
	return change_run(c, &ch, err);
}

static int anew_on_base(struct cli *c, const char *verb, const char *said, struct err *err) {
	JSON_AUTO body = json_object();
	if (c->opt.base == NULL)
		return cli_usage(c, err, "berth %s needs a DEPLOYMENT, or --base BASE for everything there", verb);
	struct change ch = { .method = "POST",
		.path = query_path(c->arena, strcmp(verb, "restart") == 0 ? "/v1/bases/%s:restart" : "/v1/bases/%s:replace", c->opt.base),
		.body = body,
		.deployment = c->opt.base,
		.done = arena_printf(c->arena, "everything on %s %s", c->opt.base, said) };
	return change_run(c, &ch, err);
}

static int anew(struct cli *c, const char *format, const char *said, struct err *err) {
	JSON_AUTO body = json_object();
	if (c->opt.base != NULL)
		json_object_set_new(body, "base", json_string(c->opt.base));
	struct change ch = { .method = "POST",
		.path = query_path(c->arena, format, c->argv[0]),
		.body = body,
		.deployment = c->argv[0],
		.done = arena_printf(c->arena, "%s %s", c->argv[0], said) };
	return change_run(c, &ch, err);
}

int cmd_replace(struct cli *c, struct err *err) {
	if (c->argc == 0)
		return anew_on_base(c, "replace", "runs on other bases now", err);
	return anew(c, "/v1/deployments/%s:replace", "runs on other bases now", err);
}

int cmd_retry(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	struct change ch = { .method = "POST",
		.path = query_path(c->arena, "/v1/deployments/%s:retry", c->argv[0]),
		.body = body,
		.deployment = c->argv[0],
		.running = true };
	return change_run(c, &ch, err);
}

int cmd_restart(struct cli *c, struct err *err) {
	if (c->argc == 0)
		return anew_on_base(c, "restart", "was restarted", err);
	return anew(c, "/v1/deployments/%s:restart", "was restarted", err);
}

int cmd_deployment_delete(struct cli *c, struct err *err) {
	struct change ch = { .method = "DELETE",
		.path = query_path(c->arena, "/v1/deployments/%s", c->argv[0]),
		.deployment = c->argv[0],
		.done = arena_printf(c->arena, "%s is deleted", c->argv[0]) };
	return change_run(c, &ch, err);
}

static void add_wait(const json_t *w, struct buf *out) {
	wall_t since;
	char span[32];
	buf_add_str(out, "  waits: ");
	text_add_clean(out, *field_str(w, "text") != '\0' ? field_str(w, "text") : field_str(w, "rule"), false);
	if (field_time(w, "since", &since))
		buf_printf(out, " (since %s)", text_span(clock_wall(&clock_real).us - since.us, span));
	buf_add_char(out, '\n');
	if (*field_str(w, "command") != '\0') {
		buf_add_str(out, "  next:  ");
		text_add_clean(out, field_str(w, "command"), false);
		buf_add_char(out, '\n');
	}
}

/* "  12 bases full, as n1, n2: 5 of 5 units      berth base set n1 --limit 6" */
static void add_refusal(const json_t *r, struct buf *out) {
	BUF_AUTO line = BUF_INIT;
	const json_t *examples = field_get(r, "examples");
	buf_printf(
	    &line, "%" PRId64 " %s: %s", field_int(r, "bases", 0), field_int(r, "bases", 0) == 1 ? "base" : "bases", field_str(r, "text"));
	if (json_array_size(examples) > 0) {
		buf_add_str(&line, " (");
		field_add_text(examples, &line);
		buf_add_str(&line, field_int(r, "bases", 0) > (int64_t)json_array_size(examples) ? ", …)" : ")");
	}
	buf_add_str(out, "  ");
	text_add_clean(out, buf_str(&line), false);
	buf_add_char(out, '\n');
	if (*field_str(r, "command") != '\0') {
		buf_add_str(out, "    next: ");
		text_add_clean(out, field_str(r, "command"), false);
		buf_add_char(out, '\n');
	}
}

int cmd_why(struct cli *c, struct err *err) {
	struct client *client;
	REPLY_AUTO reply = { 0 };
	BUF_AUTO query = BUF_INIT;
	BUF_AUTO out = BUF_INIT;
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	query_add(&query, "base", c->opt.base);
	struct request q = {
		.method = "GET", .path = query_path(c->arena, "/v1/deployments/%s:explain", c->argv[0]), .query = buf_str(&query)
	};
	r = client_call(client, &q, &reply, err);
	if (r != 0)
		return r;
	if (output_is_document(c)) {
		output_document(c, reply.json);
		return 0;
	}
	text_add_clean(&out, field_str(reply.json, "summary"), false);
	buf_add_char(&out, '\n');
	const json_t *waits = field_get(reply.json, "waitingFor"), *refusals = field_get(reply.json, "refusals");
	for (size_t i = 0; i < json_array_size(waits); i++)
		add_wait(json_array_get(waits, i), &out);
	if (json_array_size(refusals) > 0)
		buf_add_str(&out, "Bases that cannot take it:\n");
	for (size_t i = 0; i < json_array_size(refusals); i++)
		add_refusal(json_array_get(refusals, i), &out);
	fputs(buf_str(&out), stdout);
	output_part(c, "Bases that could take it", &view_bases, field_get(reply.json, "candidates"));
	output_part(c, "Instances", &view_instances, field_get(reply.json, "instances"));
	return 0;
}
