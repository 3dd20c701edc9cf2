/* Commands on contexts: the only ones that write a file of ours. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/field.h"
#include "cli/output.h"

static const char *shown(const char *s) {
	return s != NULL ? s : "";
}

int cmd_context_list(struct cli *c, struct err *err) {
	static const struct column columns[] = {
		{ "CURRENT", "current", CELL_MARK, false },
		{ "NAME", "name", CELL_TEXT, false },
		{ "ADDRESS", "address", CELL_TEXT, false },
		{ "GROUP", "group", CELL_TEXT, false },
		{ "TENANT", "tenant", CELL_TEXT, false },
		{ "TOKEN", "token", CELL_TEXT, false },
	};
	static const struct view view = { .key = "contexts",
		.name = "name",
		.columns = columns,
		.n = 6,
		.none = "no contexts yet; make one with: berth context set local --address 127.0.0.1:7777 --token TOKEN" };
	struct context_file *f;
	int r = context_load(context_path(c->arena), c->arena, &f, err);
	if (r != 0)
		return r;
	JSON_AUTO list = json_array();
	for (size_t i = 0; i < context_count(f); i++) {
		const char *name = context_name(f, i);
		bool token = context_get(f, name, "token") != NULL || context_get(f, name, "token_file") != NULL;
		json_array_append_new(
		    list, json_pack("{s:b, s:s, s:s, s:s, s:s, s:s}", "current", strcmp(name, context_current(f)) == 0, "name", name,
		              "address", shown(context_get(f, name, "address")), "group", shown(context_get(f, name, "group")), "tenant",
		              shown(context_get(f, name, "tenant")), "token", token ? "set" : ""));
	}
	output_list(c, &view, list);
	return 0;
}

static int change(struct cli *c, int (*fn)(struct cli *c, struct context_file *f, struct err *err), struct err *err) {
	const char *path = context_path(c->arena);
	struct context_file *f;
	int r = context_load(path, c->arena, &f, err);
	if (r == 0)
		r = fn(c, f, err);
	return r != 0 ? r : context_save(f, path, err);
}

static int use(struct cli *c, struct context_file *f, struct err *err) {
	int r = context_check(f, c->argv[0], err);
	if (r == 0)
		context_use(f, c->argv[0]);
	return r;
}

int cmd_context_use(struct cli *c, struct err *err) {
	int r = change(c, use, err);
	if (r == 0)
		cli_say(c, "context %s is the current one", c->argv[0]);
	return r;
}

static int set(struct cli *c, struct context_file *f, struct err *err) {
	const struct {
		const char *option, *key, *value;
	} keys[] = {
		{ "address", "address", c->opt.address },
		{ "token", "token", c->opt.token },
		{ "tenant", "tenant", c->opt.tenant },
		{ "group", "group", c->opt.group },
		{ "ca-file", "ca_file", c->opt.ca_file },
		{ "client-cert", "client_cert", c->opt.client_cert },
		{ "client-key", "client_key", c->opt.client_key },
		{ "database", "database", c->opt.database },
		{ "data", "data", c->opt.data },
	};
	int n = 0, r = name_check(NAME_PLAIN, c->argv[0], "", "context name", err);
	if (r == 0 && strcmp(c->argv[0], "berth") == 0)
		r = err_set(err, E_INVALID, "'berth' is a section of the file itself; choose another name for the context");
	for (size_t i = 0; r == 0 && i < sizeof keys / sizeof *keys; i++) {
		if (!cli_given(c, keys[i].option))
			continue;
		if (strpbrk(keys[i].value, "\r\n") != NULL)
			return cli_usage(c, err, "--%s holds a line break", keys[i].option);
		context_set(f, c->argv[0], keys[i].key, keys[i].value);
		n++;
	}
	if (r == 0 && n == 0)
		return cli_usage(c, err, "nothing to set was given");
	if (r == 0 && *context_current(f) == '\0')
		context_use(f, c->argv[0]);
	return r;
}

int cmd_context_set(struct cli *c, struct err *err) {
	int r = change(c, set, err);
	if (r == 0)
		cli_say(c, "context %s kept in %s", c->argv[0], context_path(c->arena));
	return r;
}

static int drop(struct cli *c, struct context_file *f, struct err *err) {
	return context_delete(f, c->argv[0], err);
}

int cmd_context_delete(struct cli *c, struct err *err) {
	int r = change(c, drop, err);
	if (r == 0)
		cli_say(c, "context %s forgotten", c->argv[0]);
	return r;
}
