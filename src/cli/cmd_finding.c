/* Commands on findings: list, show, adopt, evict, ignore. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/clock.h"
#include "base/name.h"
#include "cli/change.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/resource.h"
#include "cli/upload.h"

#define MAX_MAP (16 * 1024 * 1024)

int cmd_finding_list(struct cli *c, struct err *err) {
	BUF_AUTO query = BUF_INIT;
	query_add(&query, "kind", c->opt.kind);
	query_add(&query, "base", c->opt.base);
	query_add(&query, "group", c->opt.group);
	query_add(&query, "module", c->opt.module);
	query_add(&query, "ignored", c->opt.all ? "true" : NULL);
	return resource_list(c, &view_findings, "/v1/findings", buf_str(&query), err);
}

static int finding_path(struct cli *c, const char *verb, const char **ret, struct err *err) {
	char *end;
	long long n = strtoll(c->argv[0], &end, 10);
	if (*end != '\0' || n <= 0)
		return cli_usage(c, err, "'%.40s' is no finding's number; `berth finding list` shows them", c->argv[0]);
	*ret = arena_printf(c->arena, "/v1/findings/%lld%s", n, verb);
	return 0;
}

int cmd_finding_show(struct cli *c, struct err *err) {
	const char *path;
	int r = finding_path(c, "", &path, err);
	return r != 0 ? r : resource_show(c, &view_findings, path, err);
}

static int ignore(struct cli *c, const char *verb, const char *said, struct err *err) {
	const char *path;
	JSON_AUTO body = json_object();
	int r = finding_path(c, verb, &path, err);
	return r != 0 ? r
	              : resource_changed(
	                    c, &view_findings, "POST", path, body, arena_printf(c->arena, "finding %s %s", c->argv[0], said), err);
}

int cmd_finding_ignore(struct cli *c, struct err *err) {
	if (c->opt.reason == NULL || *c->opt.reason == '\0')
		return cli_usage(c, err, "say why with --reason; it is shown to whoever finds it again");
	return ignore(c, ":ignore", "is let be; `berth finding list --all` still shows it", err);
}

int cmd_finding_unignore(struct cli *c, struct err *err) {
	return ignore(c, ":unignore", "is shown again", err);
}

int cmd_finding_evict(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	char d[48];
	struct change ch = {
		.method = "POST", .body = body, .done = arena_printf(c->arena, "finding %s is settled: the module is gone", c->argv[0])
	};
	int r = finding_path(c, ":evict", &ch.path, err);
	if (r != 0)
		return r;
	if (cli_given(c, "grace"))
		json_object_set_new(body, "grace", json_string(duration_format(c->opt.grace_us, d)));
	return change_run(c, &ch, err);
}

/* ---- adopt: the files of versions first, so that what is adopted can be put back ---------------------------------------------------- */

static int fetch_line(struct cli *c, const char *path, int number, char *line, struct err *err) {
	char *url = line, *title = strsep(&url, ","), module[64], version[64];
	struct upload u;
	if (*title == '\0' || *title == '#')
		return 0;
	if (url == NULL || *url == '\0')
		return err_set(err, E_INVALID, "line %d of %s: MODULE:VERSION,URL is expected", number, path);
	if (name_split(title, module, version, err) != 0)
		return err_context(err, "line %d of %s", number, path);
	int r = upload_from_url(c, url, NULL, &u, err);
	if (r == 0)
		r = upload_register(c, &u, module, version, err);
	if (r != 0)
		return err_context(err, "line %d of %s, %s", number, path, title);
	cli_say(c, "%s: its file is in Berth now", title);
	return 0;
}

static int fetch_map(struct cli *c, const char *path, struct err *err) {
	char *text = NULL, *rest, *line;
	int number = 0, r = file_read(path, MAX_MAP, &text, NULL, err);
	if (r != 0)
		return r;
	for (rest = text; r == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		line[strcspn(line, "\r")] = '\0';
		r = fetch_line(c, path, ++number, line, err);
	}
	free(text);
	return r;
}

static void print_behind(const json_t *x) {
	const json_t *list = json_object_get(x, "instances"), *i;
	size_t k;
	json_array_foreach(list, k, i) {
		if (field_true(i, "behind"))
			printf("  behind: %s at %s\n", field_str(i, "base"), field_str(i, "version"));
	}
}

static void print_texts(const char *what, const json_t *list) {
	const json_t *i;
	size_t k;
	json_array_foreach(list, k, i) {
		printf("  %s%s\n", what, json_string_value(i) != NULL ? json_string_value(i) : "");
	}
}

static void print_adoption(const json_t *x) {
	size_t bases = json_array_size(json_object_get(x, "instances"));
	if (bases > 0)
		printf("%s deployment %s: %s:%s on %zu %s of group %s\n", field_true(x, "created") ? "new" : "to",
		    field_str(x, "deployment"), field_str(x, "module"), field_str(x, "version"), bases, bases == 1 ? "base" : "bases",
		    field_str(x, "group"));
	else
		printf("module %s: nothing can be adopted\n", field_str(x, "module"));
	print_behind(x);
	print_texts("not restorable, Berth has no file of it: ", json_object_get(x, "notRestorable"));
	print_texts("", json_object_get(x, "notes"));
}

static void print_adoptions(struct cli *c, const json_t *reply) {
	const json_t *list = json_object_get(reply, "adoptions"), *x;
	size_t k;
	if (output_is_document(c)) {
		output_document(c, reply);
		return;
	}
	json_array_foreach(list, k, x) {
		print_adoption(x);
	}
	if (json_array_size(list) == 0)
		puts("nothing there runs unasked");
	else if (field_true(reply, "dryRun"))
		cli_say(c, "nothing was changed; without --dry-run this is recorded, and nothing is sent to any base");
	else
		cli_say(c, "recorded; nothing was sent to any base");
}

int cmd_finding_adopt(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	const char *path = "/v1/findings:adopt", *group = c->opt.group != NULL ? c->opt.group : c->ctx.group;
	json_t *reply = NULL;
	if (c->argc == 0 && group == NULL)
		return cli_usage(c, err, "say which: the number of a finding, or everything in a group with --group GROUP");
	int r = c->argc > 0 ? finding_path(c, ":adopt", &path, err) : 0;
	if (r == 0 && c->opt.artifacts != NULL && !c->opt.dry_run)
		r = fetch_map(c, c->opt.artifacts, err);
	if (r != 0)
		return r;
	if (c->argc == 0)
		json_object_set_new(body, "group", json_string(group));
	if (c->argc == 0 && c->opt.module != NULL)
		json_object_set_new(body, "module", json_string(c->opt.module));
	r = resource_change(c, "POST", path, body, &reply, err);
	JSON_AUTO owned = reply;
	if (r == 0)
		print_adoptions(c, reply);
	return r;
}
