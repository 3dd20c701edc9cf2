/* berth apply, diff and export: groups and deployments as files. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/change.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/manifest.h"
#include "cli/query.h"
#include "cli/resource.h"
#include "cli/text.h"
#include "cli/yaml.h"

#define MAX_FILE (16u << 20)

static int read_stdin(struct buf *out, struct err *err) {
	char piece[16 << 10];
	size_t n;
	buf_init(out, MAX_FILE);
	while ((n = fread(piece, 1, sizeof piece, stdin)) > 0 && !out->overflow)
		buf_add(out, piece, n);
	if (ferror(stdin))
		return err_errno(err, errno, "standard input");
	return out->overflow ? err_set(err, E_TOO_LARGE, "standard input is larger than 16 MiB") : 0;
}

static int read_one(struct cli *c, const char *path, json_t *into, struct err *err) {
	bool in = strcmp(path, "-") == 0;
	BUF_AUTO piped = BUF_INIT;
	char *text = NULL;
	size_t n = 0;
	int r = in ? read_stdin(&piped, err) : file_read(path, MAX_FILE, &text, &n, err);
	json_t *docs, *checked;
	if (r == 0)
		r = yaml_parse(in ? buf_str(&piped) : text, in ? piped.len : n, in ? "standard input" : path, manifest_message, &docs, err);
	free(text);
	if (r != 0)
		return r;
	JSON_AUTO owned = docs;
	r = manifest_check(docs, in ? "standard input" : path, c->arena, &checked, err);
	if (r != 0)
		return r;
	json_array_extend(into, checked);
	json_decref(checked);
	return 0;
}

static int read_files(struct cli *c, json_t **ret, struct err *err) {
	json_t *docs = json_array();
	int r = 0;
	if (c->opt.files == NULL)
		r = cli_usage(c, err, "berth %s needs --file FILE, or -f - for standard input", c->cmd->name);
	for (char **f = c->opt.files; r == 0 && f != NULL && *f != NULL; f++)
		r = read_one(c, *f, docs, err);
	if (r == 0 && json_array_size(docs) == 0)
		r = err_set(err, E_INVALID, "there is no document in %s", c->opt.files[0]);
	if (r != 0) {
		json_decref(docs);
		return r;
	}
	*ret = docs;
	return 0;
}

/* The resource as it is; *ret NULL when it is not there. */
static int find(struct cli *c, const json_t *doc, json_t **ret, struct err *err) {
	const struct kind *k = manifest_kind(doc);
	const char *format = k == &kind_group ? "/v1/groups/%s" : "/v1/deployments/%s";
	*ret = NULL;
	int r = resource_get(c, query_path(c->arena, format, field_str(doc, "name")), ret, err);
	if (r != E_NOT_FOUND)
		return r;
	*err = ERR_INIT;
	return 0;
}

static json_t *body_of(const json_t *doc) {
	json_t *body = json_deep_copy(doc);
	json_object_del(body, "kind");
	return body;
}

static int apply_group(struct cli *c, const json_t *doc, struct err *err) {
	json_t *is;
	int r = find(c, doc, &is, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = is;
	JSON_AUTO body = body_of(doc);
	BUF_AUTO diff = BUF_INIT;
	const char *name = field_str(doc, "name");
	manifest_diff(doc, is, &diff);
	if (diff.len == 0) {
		cli_say(c, "group %s: it is so already", name);
		return 0;
	}
	if (c->opt.dry_run) {
		printf("%s", buf_str(&diff));
		return 0;
	}
	if (is == NULL) {
		r = resource_change(c, "POST", "/v1/groups", body, NULL, err);
	} else {
		json_object_del(body, "name");
		r = resource_change(c, "PATCH", query_path(c->arena, "/v1/groups/%s", name), body, NULL, err);
	}
	if (r == 0)
		cli_say(c, "group %s %s", name, is == NULL ? "created" : "changed");
	return r;
}

/* The deployment as the API takes it: in the context's group when it is new and says none. */
static int deployment_body(struct cli *c, const json_t *doc, json_t **ret, struct err *err) {
	json_t *is = NULL;
	*ret = body_of(doc);
	if (field_get(*ret, "group") != NULL || c->ctx.group == NULL)
		return 0;
	int r = find(c, doc, &is, err);
	if (r == 0 && is == NULL)
		json_object_set_new(*ret, "group", json_string(c->ctx.group));
	json_decref(is);
	return r;
}

static int apply_deployment(struct cli *c, const json_t *doc, struct err *err) {
	json_t *body;
	int r = deployment_body(c, doc, &body, err);
	JSON_AUTO owned = body;
	const char *name = arena_strdup(c->arena, field_str(doc, "name"));
	struct change ch = { .method = "POST", .path = "/v1/deployments", .body = body, .deployment = name, .running = true };
	return r != 0 ? r : change_run(c, &ch, err);
}

static int apply_one(struct cli *c, const json_t *doc, struct err *err) {
	int r = manifest_kind(doc) == &kind_group ? apply_group(c, doc, err) : apply_deployment(c, doc, err);
	if (r != 0)
		err_context(err, "%s %s", manifest_kind(doc)->name, field_str(doc, "name"));
	return r;
}

static int apply_together(struct cli *c, const json_t *docs, struct err *err) {
	JSON_AUTO body = json_pack("{s:[]}", "changes");
	BUF_AUTO names = BUF_INIT;
	int r = 0;
	for (size_t i = 0; i < json_array_size(docs) && r == 0; i++) {
		json_t *one;
		const json_t *doc = json_array_get(docs, i);
		if (manifest_kind(doc) == &kind_group)
			continue;
		r = deployment_body(c, doc, &one, err);
		json_array_append_new(json_object_get(body, "changes"), one);
		buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", field_str(doc, "name"));
	}
	struct change ch = { .method = "POST", .path = "/v1/plans", .body = body, .deployment = arena_strdup(c->arena, buf_str(&names)) };
	return r != 0 ? r : change_run(c, &ch, err);
}

static size_t deployments_in(const json_t *docs) {
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(docs); i++)
		n += manifest_kind(json_array_get(docs, i)) != &kind_group;
	return n;
}

/* One key stands for one request: with several documents each gets its own, and the plan of all the one that was given. */
static void use_key(struct cli *c, char *key, const json_t *docs, size_t i) {
	if (key != NULL && json_array_size(docs) > 1)
		c->opt.key = arena_printf(c->arena, "%s-%zu", key, i + 1);
}

int cmd_apply(struct cli *c, struct err *err) {
	json_t *docs;
	struct client *client;
	int r = read_files(c, &docs, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = docs;
	r = cli_client(c, &client, err);
	char *key = c->opt.key;
	bool together = !c->opt.separate && deployments_in(docs) > 1;
	for (size_t i = 0; r == 0 && i < json_array_size(docs) && c->exit != CLI_INTERRUPTED; i++) {
		use_key(c, key, docs, i);
		if (!together || manifest_kind(json_array_get(docs, i)) == &kind_group)
			r = apply_one(c, json_array_get(docs, i), err);
	}
	c->opt.key = key;
	return r == 0 && together && c->exit != CLI_INTERRUPTED ? apply_together(c, docs, err) : r;
}

int cmd_diff(struct cli *c, struct err *err) {
	json_t *docs;
	BUF_AUTO out = BUF_INIT;
	int r = read_files(c, &docs, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = docs;
	for (size_t i = 0; r == 0 && i < json_array_size(docs); i++) {
		json_t *is;
		r = find(c, json_array_get(docs, i), &is, err);
		if (r != 0)
			return r;
		manifest_diff(json_array_get(docs, i), is, &out);
		json_decref(is);
	}
	for (const char *p = buf_str(&out); *p != '\0';) {
		size_t n = strcspn(p, "\n");
		enum style s = !c->color ? STYLE_NONE : *p == '+' ? STYLE_GOOD : *p == '-' ? STYLE_BAD : STYLE_BOLD;
		printf("%s%.*s%s\n", text_style_on(s), (int)n, p, text_style_off(s));
		p += n + (p[n] == '\n');
	}
	if (out.len == 0)
		cli_say(c, "no difference");
	c->exit = out.len > 0 ? CLI_FAILED : CLI_OK;
	return r;
}

static int export_named(struct cli *c, json_t *docs, struct err *err) {
	for (int i = 0; i < c->argc; i++) {
		json_t *d;
		int r = resource_get(c, query_path(c->arena, "/v1/deployments/%s", c->argv[i]), &d, err);
		if (r != 0)
			return r;
		json_array_append_new(docs, manifest_export(&kind_deployment, d));
		json_decref(d);
	}
	return 0;
}

static int export_all(
    struct cli *c, const struct kind *k, const struct view *v, const char *path, const char *group, json_t *docs, struct err *err) {
	json_t *items;
	BUF_AUTO query = BUF_INIT;
	if (k == &kind_deployment)
		query_add(&query, "group", group);
	int r = resource_items(c, v, path, buf_str(&query), &items, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *item = json_array_get(items, i);
		if (k == &kind_deployment || group == NULL || strcmp(field_str(item, "name"), group) == 0)
			json_array_append_new(docs, manifest_export(k, item));
	}
	json_decref(items);
	return 0;
}

int cmd_export(struct cli *c, struct err *err) {
	JSON_AUTO docs = json_array();
	int r = 0;
	if (c->argc > 0) {
		r = export_named(c, docs, err);
	} else {
		r = export_all(c, &kind_group, &view_groups, "/v1/groups", c->opt.group, docs, err);
		if (r == 0)
			r = export_all(c, &kind_deployment, &view_deployments, "/v1/deployments", c->opt.group, docs, err);
	}
	if (r != 0)
		return r;
	if (c->format == FORMAT_JSON)
		output_document(c, docs);
	for (size_t i = 0; c->format != FORMAT_JSON && i < json_array_size(docs); i++) {
		BUF_AUTO out = BUF_INIT;
		yaml_print(json_array_get(docs, i), &out);
		printf("%s%s", i > 0 ? "---\n" : "", buf_str(&out));
	}
	return 0;
}
