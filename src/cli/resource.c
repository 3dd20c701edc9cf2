/* The plain ways of a command. */
#include "cli/resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/query.h"

#define MAX_TEXT 65536 /* of an option that is a file; the server has closer limits */

int resource_items(struct cli *c, const struct view *v, const char *path, const char *query, json_t **ret, struct err *err) {
	struct client *client;
	int r = cli_client(c, &client, err);
	return r != 0 ? r : client_list(client, path, query, v->key, !v->whole, ret, err);
}

int resource_list(struct cli *c, const struct view *v, const char *path, const char *query, struct err *err) {
	json_t *items;
	int r = resource_items(c, v, path, query, &items, err);
	if (r != 0)
		return r;
	output_list(c, v, items);
	json_decref(items);
	return 0;
}

int resource_get(struct cli *c, const char *path, json_t **ret, struct err *err) {
	struct client *client;
	REPLY_AUTO reply = { 0 };
	struct request q = { .method = "GET", .path = path };
	int r = cli_client(c, &client, err);
	if (r == 0)
		r = client_call(client, &q, &reply, err);
	if (r != 0)
		return r;
	if (!json_is_object(reply.json))
		return err_set(err, E_PROTOCOL, "%s%s answered with something that is no JSON object; is that address a Berth server?",
		    client_address(client), path);
	*ret = json_incref(reply.json);
	return 0;
}

int resource_show(struct cli *c, const struct view *v, const char *path, struct err *err) {
	json_t *item;
	int r = resource_get(c, path, &item, err);
	if (r != 0)
		return r;
	output_one(c, v, item);
	json_decref(item);
	return 0;
}

static int send_change(struct cli *c, const char *method, const char *path, const json_t *body, struct reply *ret, struct err *err) {
	struct client *client;
	BUF_AUTO query = BUF_INIT;
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	query_add_meta(&query, c);
	struct request q = { .method = method, .path = path, .query = buf_str(&query), .body = body, .key = c->opt.key };
	return client_call(client, &q, ret, err);
}

int resource_change(struct cli *c, const char *method, const char *path, const json_t *body, json_t **ret, struct err *err) {
	REPLY_AUTO reply = { 0 };
	int r = send_change(c, method, path, body, &reply, err);
	if (r == 0 && ret != NULL)
		*ret = json_incref(reply.json);
	return r;
}

int resource_changed(
    struct cli *c, const struct view *v, const char *method, const char *path, const json_t *body, const char *said, struct err *err) {
	REPLY_AUTO reply = { 0 };
	int r = send_change(c, method, path, body, &reply, err);
	if (r != 0)
		return r;
	bool whole = field_get(reply.json, v->name) != NULL;
	bool was_there = reply.status == 200 && field_get(body, v->name) != NULL && strcmp(method, "POST") == 0; /* asked to make it */
	if (output_is_document(c)) {
		if (reply.json != NULL)
			output_document(c, reply.json);
	} else if (c->format == FORMAT_NAME && whole) {
		output_one(c, v, reply.json);
	} else if (was_there) {
		printf("%s is there already\n", field_str(reply.json, v->name));
	} else {
		printf("%s\n", said);
	}
	return 0;
}

json_t *amount_json(const char *text) {
	char *end;
	if (text == NULL)
		return NULL;
	long long n = strtoll(text, &end, 10);
	return end != text && *end == '\0' ? json_integer(n) : json_string(text);
}

/* --label '' and the like: none at all. */
static bool takes_all_away(char *const *texts) {
	return texts != NULL && texts[0] != NULL && texts[0][0] == '\0' && texts[1] == NULL;
}

int pairs_json(struct cli *c, char *const *pairs, const char *what, json_t **ret, struct err *err) {
	json_t *o = json_object();
	if (takes_all_away(pairs))
		pairs = NULL;
	for (; pairs != NULL && *pairs != NULL; pairs++) {
		const char *eq = strchr(*pairs, '=');
		if (eq == NULL || eq == *pairs) {
			json_decref(o);
			return cli_usage(c, err, "%s '%.80s' is not KEY=VALUE", what, *pairs);
		}
		char *key = strndup(*pairs, (size_t)(eq - *pairs));
		json_t *value = json_string(eq + 1);
		int bad = key == NULL || value == NULL || json_object_set_new(o, key, value) != 0;
		free(key);
		if (bad) {
			json_decref(o);
			return cli_usage(c, err, "%s '%.80s' is no UTF-8", what, *pairs);
		}
	}
	*ret = o;
	return 0;
}

json_t *strings_json(char *const *texts) {
	json_t *a = json_array();
	if (takes_all_away(texts))
		texts = NULL;
	for (; texts != NULL && *texts != NULL; texts++)
		json_array_append_new(a, json_string(*texts));
	return a;
}

int text_put(struct cli *c, const char *option, const char *given, json_t *body, const char *field, struct err *err) {
	char *file = NULL;
	size_t n;
	if (!cli_given(c, option))
		return 0;
	int r = *given == '@' ? file_read(given + 1, MAX_TEXT, &file, &n, err) : 0;
	if (r != 0)
		return err_context(err, "--%s", option);
	json_object_set_new(body, field, file == NULL ? json_string(given) : json_stringn(file, n > 0 && file[n - 1] == '\n' ? n - 1 : n));
	free(file);
	return 0;
}

json_t *words_json(const char *list) {
	json_t *words = json_array();
	for (const char *p = list; *p != '\0';) {
		size_t n = strcspn(p, ",");
		if (n > 0)
			json_array_append_new(words, json_stringn(p, n));
		p += n + (p[n] == ',');
	}
	return words;
}
