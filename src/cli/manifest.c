/* Documents of apply, diff and export. What the server says of a resource (state, counts, times) never goes into a file and is dropped
 * from one, so that the output of `berth show -o yaml` can be applied too. */
#include "cli/manifest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/opt.h"
#include "berth/v1/types.pb-c.h"
#include "cli/field.h"
#include "cli/yaml.h"
#include "proto/json.h"

static const char *const group_fields[] = { "name", "runtime", "installLimit", "labels", "zoneKey", "mutableVersions", "unmanagedPolicy",
	"placement", "upgradePolicy", "mode", "clusters", "openJoin", "originArtifacts", "metaspaceLimit", "beforeSwap", "afterSwap",
	"hookTimeout", "drainWait", NULL };
static const char *const deployment_fields[] = { "name", "module", "version", "group", "replicas", "args", "env", "labels", "strategy",
	NULL };

const struct kind kind_group = { "Group", "groups", &berth__v1__base_group__descriptor, group_fields };
const struct kind kind_deployment = { "Deployment", "deployments", &berth__v1__deployment__descriptor, deployment_fields };

static const struct kind *find(const char *name) {
	if (*name == '\0' || strcmp(name, kind_deployment.name) == 0)
		return &kind_deployment;
	return strcmp(name, kind_group.name) == 0 ? &kind_group : NULL;
}

const ProtobufCMessageDescriptor *manifest_message(const char *kind, struct err *err) {
	static const char *const names[] = { "Deployment", "Group" };
	const struct kind *k = find(kind);
	if (k != NULL)
		return k->message;
	const char *near = name_nearest(kind, names, 2);
	err_field(err, E_INVALID, "/kind", "no kind '%.40s'%s%s; there is Deployment and Group", kind,
	    near != NULL ? ", did you mean " : "", near != NULL ? near : "");
	return NULL;
}

const struct kind *manifest_kind(const json_t *doc) {
	return find(field_str(doc, "kind"));
}

static bool is_empty(const json_t *v) {
	return (json_is_object(v) && json_object_size(v) == 0) || (json_is_array(v) && json_array_size(v) == 0);
}

json_t *manifest_export(const struct kind *k, const json_t *resource) {
	json_t *doc = json_object();
	json_object_set_new(doc, "kind", json_string(k->name));
	for (const char *const *f = k->own; *f != NULL; f++) {
		json_t *v = json_object_get(resource, *f);
		if (v != NULL && !json_is_null(v) && !is_empty(v))
			json_object_set(doc, *f, v);
	}
	return doc;
}

/* Through the message and back: checks every field and settles the spelling. */
static int normalise(const struct kind *k, const json_t *doc, struct arena *a, json_t **ret, struct err *err) {
	if (json_object_get(doc, "hookSecret") != NULL) /* the server never shows it: there is nothing to compare it with, either */
		return err_field(err, E_INVALID, "/hookSecret",
		    "a secret does not belong into such a file: berth group set %s --hook-secret @FILE", field_str(doc, "name"));
	json_t *bare = json_deep_copy(doc);
	json_object_del(bare, "kind");
	char *text = json_dumps(bare, JSON_COMPACT);
	json_decref(bare);
	ProtobufCMessage *m;
	int r = json_parse(k->message, text != NULL ? text : "", text != NULL ? strlen(text) : 0, a, &m, err);
	free(text);
	if (r != 0)
		return r;
	BUF_AUTO out = BUF_INIT;
	json_print(m, false, &out);
	JSON_AUTO whole = json_loadb(buf_str(&out), out.len, 0, NULL);
	*ret = manifest_export(k, whole);
	/* Printing leaves empty lists and maps out; in a file `args: []` is a wish. */
	for (const char *const *f = k->own; *f != NULL; f++) {
		json_t *v = json_object_get(doc, *f);
		if (is_empty(v))
			json_object_set(*ret, *f, v);
	}
	return 0;
}

static int check_name(const struct kind *k, json_t *doc, struct err *err) {
	if (*field_str(doc, "name") == '\0' && k == &kind_deployment && *field_str(doc, "module") != '\0')
		json_object_set(doc, "name", json_object_get(doc, "module"));
	if (*field_str(doc, "name") == '\0')
		return err_field(err, E_INVALID, "/name", "a %s needs a name", k->name);
	return 0;
}

int manifest_check(const json_t *docs, const char *where, struct arena *a, json_t **ret, struct err *err) {
	json_t *groups = json_array(), *rest = json_array();
	int r = 0;
	for (size_t i = 0; r == 0 && i < json_array_size(docs); i++) {
		const json_t *doc = json_array_get(docs, i);
		const struct kind *k = manifest_kind(doc);
		json_t *one = NULL;
		r = normalise(k, doc, a, &one, err);
		if (r == 0)
			r = check_name(k, one, err);
		if (r == 0)
			json_array_append(k == &kind_group ? groups : rest, one);
		else
			err_context(err, "%s, document %zu (%s %s)", where, i + 1, k->name,
			    *field_str(doc, "name") != '\0' ? field_str(doc, "name") : field_str(doc, "module"));
		json_decref(one);
	}
	json_array_extend(groups, rest);
	json_decref(rest);
	if (r != 0) {
		json_decref(groups);
		return r;
	}
	*ret = groups;
	return 0;
}

static void add_side(char sign, const char *key, const json_t *v, struct buf *out) {
	BUF_AUTO text = BUF_INIT;
	JSON_AUTO pair = json_object();
	json_object_set_new(pair, key, json_deep_copy(v));
	yaml_print(pair, &text);
	for (const char *p = buf_str(&text); *p != '\0';) {
		size_t n = strcspn(p, "\n");
		buf_printf(out, "%c   %.*s\n", sign, (int)n, p);
		p += n + (p[n] == '\n');
	}
}

/* A given object (strategy) is compared field by field: those not given keep their value. Maps of a person's own keys are whole. */
static bool covers(const char *key, const json_t *is, const json_t *wanted) {
	bool whole = strcmp(key, "env") == 0 || strcmp(key, "labels") == 0;
	if (is == NULL || whole || !json_is_object(wanted))
		return json_equal(is, wanted) || (is == NULL && is_empty(wanted));
	union {
		const json_t *in;
		json_t *out;
	} u = { .in = wanted }; /* jansson's iterator wants it mutable */
	for (void *it = json_object_iter(u.out); it != NULL; it = json_object_iter_next(u.out, it))
		if (!json_equal(json_object_get(is, json_object_iter_key(it)), json_object_iter_value(it)))
			return false;
	return true;
}

void manifest_diff(const json_t *wanted, const json_t *is, struct buf *out) {
	const struct kind *k = manifest_kind(wanted);
	size_t start = out->len;
	BUF_AUTO lines = BUF_INIT;
	for (const char *const *f = k->own; *f != NULL; f++) {
		const json_t *a = field_get(is, *f), *b = field_get(wanted, *f);
		if (b == NULL || (is != NULL && covers(*f, a, b)))
			continue;
		if (a != NULL)
			add_side('-', *f, a, &lines);
		add_side('+', *f, b, &lines);
	}
	if (lines.len == 0 && is != NULL)
		return;
	buf_printf(
	    out, "%s%s %s%s\n%s", start > 0 ? "\n" : "", k->name, field_str(wanted, "name"), is == NULL ? " (new)" : "", buf_str(&lines));
}
