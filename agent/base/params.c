/* Parameters of arklet commands. */
#include "params.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"

enum { MAX_LIST = 1024 };

static int text_of(struct arena *a, const json_t *j, const char *key, const char **ret, struct err *err) {
	const char *s = NULL;
	if (json_is_string(j))
		s = arena_strdup(a, json_string_value(j));
	else if (json_is_integer(j))
		s = arena_printf(a, "%lld", (long long)json_integer_value(j));
	else if (json_is_real(j))
		s = arena_printf(a, "%.15g", json_real_value(j));
	else if (json_is_boolean(j))
		s = json_is_true(j) ? "true" : "false";
	else if (j && !json_is_null(j))
		return err_set(err, E_INVALID, "%s should be a string", key);
	*ret = s;
	return 0;
}

int param_text(struct arena *a, const json_t *params, const char *key, const char **ret, struct err *err) {
	const char *s;
	int rc = text_of(a, json_object_get(params, key), key, &s, err);
	if (!rc)
		*ret = s && s[strspn(s, " \t\r\n")] ? s : NULL;
	return rc;
}

int param_bool(const json_t *params, const char *key, bool *ret, struct err *err) {
	const json_t *j = json_object_get(params, key);
	const char *s = json_string_value(j);
	if (!j || json_is_null(j) || json_is_false(j) || (s && (strcmp(s, "false") == 0 || !*s)))
		*ret = false;
	else if (json_is_true(j) || (s && strcmp(s, "true") == 0))
		*ret = true;
	else
		return err_set(err, E_INVALID, "%s should be true or false", key);
	return 0;
}

int param_list(struct arena *a, const json_t *params, const char *key, const char *const **ret, int *ret_n, struct err *err) {
	const json_t *j = json_object_get(params, key);
	size_t n = json_is_array(j) ? json_array_size(j) : j && !json_is_null(j) ? 1 : 0;
	if (n > MAX_LIST)
		return err_set(err, E_INVALID, "%s has %zu entries; at most %d are possible", key, n, MAX_LIST);
	const char **list = arena_alloc(a, (n + 1) * sizeof *list);
	for (size_t i = 0; i < n; i++) {
		int rc = text_of(a, json_is_array(j) ? json_array_get(j, i) : j, key, &list[i], err);
		if (rc)
			return rc;
		if (!list[i])
			list[i] = "";
	}
	*ret = list;
	*ret_n = (int)n;
	return 0;
}

/* {"NAME": "value"} → "NAME=value" */
static int param_env(struct arena *a, const json_t *params, const char *const **ret, struct err *err) {
	json_t *j = json_object_get(params, "envs"), *value;
	const char *key, *text;
	size_t n = 0;
	if (j && !json_is_null(j) && !json_is_object(j))
		return err_set(err, E_INVALID, "envs should be an object of strings");
	if (json_object_size(j) > MAX_LIST)
		return err_set(err, E_INVALID, "envs has %zu entries; at most %d are possible", json_object_size(j), MAX_LIST);
	const char **list = arena_alloc(a, (json_object_size(j) + 1) * sizeof *list);
	json_object_foreach(j, key, value) {
		int rc = text_of(a, value, "envs", &text, err);
		if (rc)
			return rc;
		if (!*key || strchr(key, '='))
			return err_set(err, E_INVALID, "envs has a name that is empty or holds '='");
		list[n++] = arena_printf(a, "%s=%s", key, text ? text : "");
	}
	*ret = list;
	return 0;
}

static int identity_check(const char *name, const char *version, struct err *err) {
	int rc = name_check(NAME_PLAIN, name, "", "bizName", err);
	return rc ? rc : name_check(NAME_VERSION, version, "", "bizVersion", err);
}

int param_identity(struct arena *a, const json_t *params, const char **ret_name, const char **ret_version, struct err *err) {
	int rc = param_text(a, params, "bizName", ret_name, err);
	if (!rc)
		rc = param_text(a, params, "bizVersion", ret_version, err);
	if (!rc && !*ret_name)
		rc = err_set(err, E_INVALID, "bizName should not be blank");
	if (!rc && !*ret_version)
		rc = err_set(err, E_INVALID, "bizVersion should not be blank");
	return rc ? rc : identity_check(*ret_name, *ret_version, err);
}

static int digest_check(const char *sha256, struct err *err) {
	if (sha256 && (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdefABCDEF") != 64))
		return err_set(err, E_INVALID, "sha256 should be 64 hexadecimal digits");
	return 0;
}

int param_install(struct arena *a, const json_t *params, struct install_spec *ret, struct err *err) {
	struct install_spec s = { 0 };
	const char *strategy = NULL;
	int rc;
	if ((rc = param_text(a, params, "bizUrl", &s.url, err)) || (rc = param_text(a, params, "bizName", &s.name, err)) ||
	    (rc = param_text(a, params, "bizVersion", &s.version, err)) || (rc = param_text(a, params, "sha256", &s.sha256, err)) ||
	    (rc = param_text(a, params, "installStrategy", &strategy, err)) ||
	    (rc = param_list(a, params, "args", &s.argv, &s.argc, err)) || (rc = param_env(a, params, &s.env, err)) ||
	    (rc = digest_check(s.sha256, err)))
		return rc;
	if (!s.url)
		return err_set(err, E_INVALID, "bizUrl should not be blank");
	if (!s.name != !s.version)
		return err_set(err, E_INVALID, "bizName and bizVersion should be both blank or both not blank.");
	if (s.name && (rc = identity_check(s.name, s.version, err)))
		return rc;
	s.replace = strategy && strcmp(strategy, "uninstallThenInstall") == 0;
	*ret = s;
	return 0;
}
