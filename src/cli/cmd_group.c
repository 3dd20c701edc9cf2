/* Commands on base groups. */
#include "base/arena.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/resource.h"

int cmd_group_list(struct cli *c, struct err *err) {
	return resource_list(c, &view_groups, "/v1/groups", NULL, err);
}

int cmd_group_show(struct cli *c, struct err *err) {
	return resource_show(c, &view_groups, query_path(c->arena, "/v1/groups/%s", c->argv[0]), err);
}

static int body_json(struct cli *c, json_t **ret, struct err *err) {
	json_t *labels, *body = json_object();
	const struct {
		const char *option, *field, *text;
	} words[] = {
		{ "runtime", "runtime", c->opt.runtime },
		{ "zone-key", "zoneKey", c->opt.zone_key },
		{ "unmanaged-policy", "unmanagedPolicy", c->opt.unmanaged },
		{ "placement", "placement", c->opt.placement },
		{ "upgrade-policy", "upgradePolicy", c->opt.upgrade_policy },
		{ "mode", "mode", c->opt.mode },
		{ "before-swap", "beforeSwap", c->opt.before_swap },
		{ "after-swap", "afterSwap", c->opt.after_swap },
	};
	const struct {
		const char *option, *field;
		int64_t us;
	} spans[] = {
		{ "hook-timeout", "hookTimeout", c->opt.hook_timeout_us },
		{ "drain-wait", "drainWait", c->opt.drain_wait_us },
	};
	char span[48];
	const struct {
		const char *option, *field;
		bool on;
	} flags[] = {
		{ "mutable-versions", "mutableVersions", c->opt.mutable_versions },
		{ "open-join", "openJoin", c->opt.open_join },
		{ "origin-artifacts", "originArtifacts", c->opt.origin_artifacts },
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (cli_given(c, words[i].option))
			json_object_set_new(body, words[i].field, json_string(words[i].text));
	for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
		if (cli_given(c, spans[i].option))
			json_object_set_new(body, spans[i].field, json_string(duration_format(spans[i].us, span)));
	if (cli_given(c, "limit"))
		json_object_set_new(body, "installLimit", json_integer(c->opt.limit));
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (cli_given(c, flags[i].option))
			json_object_set_new(body, flags[i].field, json_boolean(flags[i].on));
	if (cli_given(c, "metaspace-limit"))
		json_object_set_new(body, "metaspaceLimit", json_integer(c->opt.metaspace_limit));
	if (cli_given(c, "cluster"))
		json_object_set_new(body, "clusters", strings_json(c->opt.clusters));
	int r = text_put(c, "hook-secret", c->opt.hook_secret, body, "hookSecret", err);
	if (r == 0 && cli_given(c, "label")) {
		r = pairs_json(c, c->opt.labels, "--label", &labels, err);
		if (r == 0)
			json_object_set_new(body, "labels", labels);
	}
	if (r != 0)
		json_decref(body);
	else
		*ret = body;
	return r;
}

int cmd_group_create(struct cli *c, struct err *err) {
	json_t *body;
	int r = body_json(c, &body, err);
	if (r != 0)
		return r;
	json_object_set_new(body, "name", json_string(c->argv[0]));
	r = resource_changed(c, &view_groups, "POST", "/v1/groups", body, arena_printf(c->arena, "group %s created", c->argv[0]), err);
	json_decref(body);
	return r;
}

int cmd_group_set(struct cli *c, struct err *err) {
	json_t *body;
	int r = body_json(c, &body, err);
	if (r != 0)
		return r;
	if (json_object_size(body) == 0)
		r = cli_usage(c, err, "nothing to set was given");
	else
		r = resource_changed(c, &view_groups, "PATCH", query_path(c->arena, "/v1/groups/%s", c->argv[0]), body,
		    arena_printf(c->arena, "group %s changed", c->argv[0]), err);
	json_decref(body);
	return r;
}

int cmd_group_delete(struct cli *c, struct err *err) {
	return resource_changed(c, &view_groups, "DELETE", query_path(c->arena, "/v1/groups/%s", c->argv[0]), NULL,
	    arena_printf(c->arena, "group %s deleted", c->argv[0]), err);
}

static int freeze(struct cli *c, const char *format, const char *said, struct err *err) {
	JSON_AUTO body = json_object();
	return resource_changed(c, &view_groups, "POST", query_path(c->arena, format, c->argv[0]), body,
	    arena_printf(c->arena, "group %s %s", c->argv[0], said), err);
}

int cmd_freeze(struct cli *c, struct err *err) {
	if (c->opt.reason == NULL || *c->opt.reason == '\0')
		return cli_usage(c, err, "say why with --reason; everybody whose plan waits will read it");
	return freeze(c, "/v1/groups/%s:freeze", "is frozen: no plan starts there, what runs goes on", err);
}

int cmd_unfreeze(struct cli *c, struct err *err) {
	return freeze(c, "/v1/groups/%s:unfreeze", "is not frozen any more", err);
}

int cmd_group_release_brake(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	if (cli_given(c, "zone"))
		json_object_set_new(body, "zone", json_string(c->opt.zone));
	return resource_changed(c, &view_groups, "POST", query_path(c->arena, "/v1/groups/%s:release-brake", c->argv[0]), body,
	    arena_printf(c->arena, "group %s: what is lost is replaced again", c->argv[0]), err);
}
