/* berth deploy: from a file or a version to a running deployment. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"
#include "cli/change.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/resource.h"
#include "cli/strategy.h"
#include "cli/text.h"
#include "cli/upload.h"

struct deploy {
	const char *file, *url;       /* what to push, or NULL */
	char module[64], version[64]; /* "" while unknown */
	const char *name, *group;
	struct upload upload;
	struct change_step steps[4];
	size_t n_steps;
};

static bool looks_like_file(const char *word) {
	static const char *const ends[] = { ".so", ".jar", ".tgz" };
	size_t n = strlen(word);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (n > strlen(ends[i]) && strcmp(word + n - strlen(ends[i]), ends[i]) == 0)
			return true;
	return strchr(word, '/') != NULL || (strchr(word, ':') == NULL && access(word, R_OK) == 0);
}

static bool is_url(const char *s) {
	return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
}

static int read_words(struct cli *c, const char *word, struct deploy *d, struct err *err) {
	const char *artifact = c->opt.artifact;
	if (artifact == NULL && looks_like_file(word)) {
		d->file = word;
		return 0;
	}
	if (artifact != NULL && is_url(artifact))
		d->url = artifact;
	else
		d->file = artifact;
	int r = name_split(word, d->module, d->version, err);
	if (r != 0 && strchr(word, ':') == NULL)
		return cli_usage(c, err, "'%.80s' is neither MODULE:VERSION nor a file that is there", word);
	return r;
}

/* The file says what it is; what the person says must agree. */
static int read_file(struct cli *c, struct deploy *d, struct err *err) {
	int r = upload_open(c, d->file, &d->upload, err);
	if (r != 0)
		return r;
	const struct modfile *f = &d->upload.file;
	if (d->module[0] != '\0' && (strcmp(d->module, f->name) != 0 || strcmp(d->version, f->version) != 0))
		return err_set(err, E_INVALID, "%s says it is %s:%s, not %s:%s; deploy it under its own name, or build it again", d->file,
		    f->name, f->version, d->module, d->version);
	snprintf(d->module, sizeof d->module, "%s", f->name);
	snprintf(d->version, sizeof d->version, "%s", f->version);
	return 0;
}

/* Nothing said: where the deployment is, else the only group there is. */
static int choose_group(struct cli *c, struct deploy *d, struct err *err) {
	d->group = c->opt.group != NULL ? c->opt.group : c->ctx.group;
	if (d->group != NULL)
		return 0;
	json_t *known = NULL, *groups = NULL;
	int r = resource_get(c, query_path(c->arena, "/v1/deployments/%s", d->name), &known, err);
	json_decref(known);
	if (r != E_NOT_FOUND)
		return r;
	r = resource_items(c, &view_groups, "/v1/groups", NULL, &groups, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = groups;
	if (json_array_size(groups) == 1) {
		d->group = arena_strdup(c->arena, field_str(json_array_get(groups, 0), "name"));
		return 0;
	}
	if (json_array_size(groups) == 0)
		return err_set(err, E_NOT_FOUND, "there is no base group to deploy to; make one with: berth group create demo");
	BUF_AUTO names = BUF_INIT;
	buf_init(&names, 300);
	for (size_t i = 0; i < json_array_size(groups); i++)
		buf_printf(&names, "%s%s", i > 0 ? ", " : "", field_str(json_array_get(groups, i), "name"));
	return cli_usage(c, err, "which group? there is %s: give --group, or keep one with berth context set", buf_str(&names));
}

static void add_step(struct deploy *d, const char *name, const char *text, int64_t us) {
	d->steps[d->n_steps++] = (struct change_step){ name, text, us };
}

static int push(struct cli *c, struct deploy *d, struct err *err) {
	char size[32];
	int r = d->url != NULL ? upload_external(c, d->url, &d->upload, err) : upload_push(c, &d->upload, err);
	if (r != 0)
		return r;
	const char *text = d->url != NULL    ? "fetched by the server"
	                   : d->upload.known ? "bytes already there"
	                                     : arena_printf(c->arena, "pushed %s", text_bytes(d->upload.size, size));
	add_step(d, "pushed", text, d->upload.push_us);
	r = upload_register(c, &d->upload, d->module, d->version, err);
	add_step(d, "registered", "registered", d->upload.register_us);
	return r;
}

static int body_json(struct cli *c, const struct deploy *d, json_t **ret, struct err *err) {
	json_t *body = json_pack("{s:s, s:s, s:s, s:s*}", "name", d->name, "module", d->module, "version", d->version, "group", d->group);
	json_t *pairs, *strategy;
	int r = 0;
	if (c->opt.replicas != NULL)
		json_object_set_new(body, "replicas", amount_json(c->opt.replicas));
	if (cli_given(c, "arg"))
		json_object_set_new(body, "args", strings_json(c->opt.args));
	if (cli_given(c, "env") && (r = pairs_json(c, c->opt.env, "--env", &pairs, err)) == 0)
		json_object_set_new(body, "env", pairs);
	if (r == 0 && cli_given(c, "label") && (r = pairs_json(c, c->opt.labels, "--label", &pairs, err)) == 0)
		json_object_set_new(body, "labels", pairs);
	if (r == 0 && (r = strategy_json(c, &strategy, err)) == 0 && strategy != NULL)
		json_object_set_new(body, "strategy", strategy);
	if (r != 0) {
		json_decref(body);
		return r;
	}
	*ret = body;
	return 0;
}

/* Everything but asking for the plan: the file read and pushed, the group known. *ret: the deployment as the API takes it. */
static int prepare(struct cli *c, const char *word, struct deploy *d, json_t **ret, struct err *err) {
	struct client *client;
	int r = read_words(c, word, d, err);
	if (r == 0 && d->file != NULL)
		r = read_file(c, d, err);
	if (r == 0)
		r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	d->name = c->opt.name != NULL ? c->opt.name : arena_strdup(c->arena, d->module);
	r = choose_group(c, d, err);
	if (r == 0)
		r = body_json(c, d, ret, err);
	if (r != 0)
		return r;
	/* A preview needs the version to be known too: its bytes and its record are no deployment. */
	if (d->file != NULL || d->url != NULL)
		r = push(c, d, err);
	if (r != 0) {
		json_decref(*ret);
		*ret = NULL;
	}
	return r;
}

/* ---- several: one plan --------------------------------------------------------------------------------------------------------------- */
static int refuse_single_options(struct cli *c, struct err *err) {
	static const char *const single[] = { "name", "artifact", "sha256", "credentials", "arg", "env" };
	for (size_t i = 0; i < sizeof single / sizeof *single; i++)
		if (cli_given(c, single[i]))
			return cli_usage(
			    c, err, "--%s is about one module; for several write them into a file: berth apply -f FILE", single[i]);
	return 0;
}

static int deploy_several(struct cli *c, struct err *err) {
	JSON_AUTO body = json_pack("{s:[]}", "changes");
	BUF_AUTO names = BUF_INIT;
	int r = refuse_single_options(c, err);
	for (int k = 0; k < c->argc && r == 0; k++) {
		struct deploy d = { 0 };
		json_t *one = NULL;
		r = prepare(c, c->argv[k], &d, &one, err);
		if (r == 0) {
			json_array_append_new(json_object_get(body, "changes"), one);
			buf_printf(&names, "%s%s", k > 0 ? ", " : "", d.name);
		}
	}
	if (r != 0)
		return r;
	struct change ch = { .method = "POST", .path = "/v1/plans", .body = body, .deployment = arena_strdup(c->arena, buf_str(&names)) };
	return change_run(c, &ch, err);
}

int cmd_deploy(struct cli *c, struct err *err) {
	struct deploy d = { 0 };
	json_t *body = NULL;
	if (c->argc > 1)
		return deploy_several(c, err);
	int r = prepare(c, c->argv[0], &d, &body, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = body;
	struct change ch = { .method = "POST",
		.path = "/v1/deployments",
		.body = body,
		.deployment = d.name,
		.running = true,
		.steps = d.steps,
		.n_steps = d.n_steps };
	return change_run(c, &ch, err);
}
