/* String lists (arguments, taints) and string maps (environment, labels) as they are stored: canonical JSON. */
#include "model/spec.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

char *strings_print(char *const *v, size_t n, struct arena *a) {
	BUF_AUTO b = BUF_INIT;
	buf_add_char(&b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(&b, ',');
		buf_add_json(&b, v[i] == NULL ? "" : v[i]);
	}
	buf_add_char(&b, ']');
	return arena_strndup(a, buf_str(&b), b.len);
}

static json_t *document(const char *json, struct err *err) {
	json_error_t je;
	json_t *doc = json_loads(json, JSON_REJECT_DUPLICATES, &je);
	if (doc == NULL)
		err_set(err, E_MALFORMED, "not JSON: %s (at byte %d)", je.text, je.position);
	return doc;
}

static bool empty(const char *json) {
	return json == NULL || *json == '\0';
}

int strings_parse(const char *json, struct arena *a, char ***ret, size_t *ret_n, struct err *err) {
	json_t *doc = empty(json) ? json_array() : document(json, err);
	if (doc == NULL)
		return E_MALFORMED;
	size_t n = json_array_size(doc);
	char **v = arena_alloc(a, (n + 1) * sizeof *v); /* NULL-terminated as well */
	bool fits = json_is_array(doc);
	for (size_t i = 0; i < n && fits; i++) {
		const char *s = json_string_value(json_array_get(doc, i));
		fits = s != NULL;
		v[i] = arena_strdup(a, s);
	}
	json_decref(doc);
	if (!fits)
		return err_set(err, E_INVALID, "a list of texts is needed");
	*ret = v;
	*ret_n = n;
	return 0;
}

static int pair_cmp(const void *a, const void *b) {
	return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

char *pairs_print(const struct pair *v, size_t n, struct arena *a) {
	BUF_AUTO b = BUF_INIT;
	struct pair *sorted = arena_alloc(a, (n + 1) * sizeof *sorted);
	if (n > 0)
		memcpy(sorted, v, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, pair_cmp);
	buf_add_char(&b, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(&b, ',');
		buf_add_json(&b, sorted[i].key);
		buf_add_char(&b, ':');
		buf_add_json(&b, sorted[i].value == NULL ? "" : sorted[i].value);
	}
	buf_add_char(&b, '}');
	return arena_strndup(a, buf_str(&b), b.len);
}

int pairs_parse(const char *json, struct arena *a, struct pair **ret, size_t *ret_n, struct err *err) {
	json_t *doc = empty(json) ? json_object() : document(json, err), *j;
	if (doc == NULL)
		return E_MALFORMED;
	size_t n = json_object_size(doc), i = 0;
	struct pair *v = arena_alloc(a, (n + 1) * sizeof *v);
	bool fits = json_is_object(doc);
	const char *key;
	json_object_foreach(doc, key, j) {
		fits = fits && json_is_string(j);
		v[i++] = (struct pair){ arena_strdup(a, key), arena_strdup(a, json_string_value(j)) };
	}
	json_decref(doc);
	if (!fits)
		return err_set(err, E_INVALID, "an object of texts is needed");
	qsort(v, n, sizeof *v, pair_cmp);
	*ret = v;
	*ret_n = n;
	return 0;
}
