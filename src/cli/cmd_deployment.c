/* Commands on one deployment: list, show, scale, rollback, revisions, offline, delete. */
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
