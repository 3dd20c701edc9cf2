/* After "not found": what there is. One quick request; when it fails, the error stands alone. */
#include "cli/suggest.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/opt.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/text.h"

#define MAX_SHOWN 12

static const struct {
	const char *noun, *path, *key, *name;
} sources[] = {
	{ "deployments", "/v1/deployments", "deployments", "name" },
	{ "bases", "/v1/bases", "bases", "id" },
	{ "groups", "/v1/groups", "groups", "name" },
	{ "modules", "/v1/modules", "modules", "name" },
	{ "tokens", "/v1/tokens", "tokens", "name" },
};

/* Appends the line unless `word` is among the names; true when it said something. */
static bool suggest_from(struct cli *c, const char *path, const char *key, const char *name, const char *word, struct buf *out) {
	struct err ignored = ERR_INIT;
	json_t *items = NULL;
	if (c->client == NULL || client_list(c->client, path, NULL, key, true, &items, &ignored) != 0)
		return false;
	JSON_AUTO owned = items;
	size_t n = json_array_size(items);
	const char **names = calloc(n + 1, sizeof *names);
	bool there = false;
	for (size_t i = 0; names != NULL && i < n; i++) {
		names[i] = field_str(json_array_get(items, i), name);
		there = there || strcmp(names[i], word) == 0;
	}
	if (names != NULL && !there) {
		const char *near = name_nearest(word, names, n);
		buf_add_str(out, near != NULL ? "  did you mean: " : n > 0 ? "  there is: " : "  there are no ");
		if (near != NULL)
			text_add_clean(out, near, false);
		for (size_t i = 0; near == NULL && i < n && i < MAX_SHOWN; i++) {
			buf_add_str(out, i > 0 ? ", " : "");
			text_add_clean(out, names[i], false);
		}
		buf_add_str(out, near == NULL && n > MAX_SHOWN ? ", …\n" : near == NULL && n == 0 ? key : "\n");
		if (near == NULL && n == 0)
			buf_add_str(out, " yet\n");
	}
	free(names);
	return !there;
}

static bool suggest_noun(struct cli *c, const char *noun, const char *word, struct buf *out) {
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		if (strcmp(sources[i].noun, noun) == 0)
			return suggest_from(c, sources[i].path, sources[i].key, sources[i].name, word, out);
	return false;
}

/* "hello:3.0.0": the module, else its versions. */
static bool suggest_version(struct cli *c, const char *word, struct buf *out) {
	const char *colon = strchr(word, ':');
	if (colon == NULL)
		return suggest_noun(c, "modules", word, out);
	const char *module = arena_strndup(c->arena, word, (size_t)(colon - word));
	if (suggest_noun(c, "modules", module, out))
		return true;
	return suggest_from(c, query_path(c->arena, "/v1/modules/%s/versions", module), "versions", "version", colon + 1, out);
}

void suggest_names(struct cli *c, struct buf *out) {
	bool said = false;
	if (c->argc > 0 && strspn(c->argv[0], "0123456789") == strlen(c->argv[0]))
		return; /* a number, of a plan say, is no name that was misspelt */
	if (c->opt.group != NULL)
		said = suggest_noun(c, "groups", c->opt.group, out);
	if (!said && c->argc > 0 && strcmp(c->cmd->complete, "versions") == 0)
		said = suggest_version(c, c->argv[0], out);
	else if (!said && c->argc > 0)
		said = suggest_noun(c, c->cmd->complete, c->argv[0], out);
	if (!said && c->opt.base != NULL)
		suggest_noun(c, "bases", c->opt.base, out);
}
