/* Paths: the operations' and the few that are none, in one table; what a path means, and what was probably meant. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "rest/inside.h"

#define MAX_ROUTES 128

static const struct route own[] = {
	{ "PUT", "/v1/artifacts/{sha256}", ROUTE_UPLOAD, NULL },
	{ "POST", "/v1/artifacts:upload", ROUTE_UPLOAD, NULL },
	{ "GET", "/v1/artifacts/{sha256}/content", ROUTE_DOWNLOAD, NULL },
	{ "POST", "/heartbeat", ROUTE_HEARTBEAT, NULL },
	{ "POST", "//heartbeat", ROUTE_HEARTBEAT, NULL }, /* of an endpoint that ends with a slash */
	{ "POST", "/join/{token}/heartbeat", ROUTE_HEARTBEAT, NULL },
	{ "POST", "/join/{token}//heartbeat", ROUTE_HEARTBEAT, NULL },
	{ "POST", "/queryBaseline", ROUTE_BASELINE, NULL },
	{ "POST", "/join/{token}/queryBaseline", ROUTE_BASELINE, NULL },
	{ "GET", "/livez", ROUTE_LIVEZ, NULL },
	{ "GET", "/readyz", ROUTE_READYZ, NULL },
	{ "GET", "/metrics", ROUTE_METRICS, NULL },
	{ "GET", "/openapi.json", ROUTE_OPENAPI, NULL },
	{ "GET", "/", ROUTE_PAGE, NULL },
	{ "GET", "/ui", ROUTE_PAGE, NULL },
	{ "GET", "/ui/{file}", ROUTE_PAGE, NULL },
};
#define N_OWN (sizeof own / sizeof *own)

static struct route route_at(size_t i) {
	if (i < N_OWN)
		return own[i];
	const struct op_def *op = &op_defs[i - N_OWN];
	return (struct route){ op->http, op->path, ROUTE_OP, op };
}

/* One segment of a pattern against one of the path; both end at a slash or the end. A value never holds a colon: those begin verbs. */
static bool segment_matches(const char *pattern, size_t n, const char *path, size_t m, struct route_match *ret, struct arena *a) {
	if (*pattern != '{')
		return n == m && memcmp(pattern, path, n) == 0;
	const char *close = memchr(pattern, '}', n);
	size_t verb = n - (size_t)(close + 1 - pattern);
	if (m <= verb || memcmp(close + 1, path + m - verb, verb) != 0 || memchr(path, ':', m - verb) != NULL || ret->n == ROUTE_PARAMS)
		return false;
	ret->params[ret->n].name = pattern + 1;
	ret->params[ret->n].name_len = (size_t)(close - pattern - 1);
	ret->params[ret->n++].value = arena_strndup(a, path, m - verb);
	return true;
}

static bool path_matches(const char *pattern, const char *path, struct route_match *ret, struct arena *a) {
	ret->n = 0;
	while (*pattern == '/' && *path == '/') {
		pattern++;
		path++;
		size_t n = strcspn(pattern, "/"), m = strcspn(path, "/");
		if (!segment_matches(pattern, n, path, m, ret, a))
			return false;
		pattern += n;
		path += m;
	}
	return *pattern == '\0' && *path == '\0';
}

/* Cheap test that spares most of the work: the literal start must be the same. */
static bool may_match(const char *pattern, const char *path) {
	size_t n = strcspn(pattern, "{");
	return strncmp(pattern, path, n) == 0;
}

static int not_found(const char *path, struct err *err) {
	const char *names[MAX_ROUTES] = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < N_OWN + n_op_defs && n < MAX_ROUTES; i++)
		names[n++] = route_at(i).path;
	const char *near = strlen(path) <= 64 ? name_nearest(path, names, n) : NULL;
	if (near != NULL)
		return err_set(err, E_NOT_FOUND, "there is nothing at this path; did you mean %s? /openapi.json lists all", near);
	return err_set(err, E_NOT_FOUND, "there is nothing at this path; /openapi.json lists all");
}

int route_find(const char *method, const char *path, struct arena *a, struct route_match *ret, const char **ret_allow, struct err *err) {
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
	BUF_AUTO allow = BUF_INIT;
	struct route_match m;
	for (size_t i = 0; i < N_OWN + n_op_defs && i < MAX_ROUTES; i++) {
		struct route r = route_at(i);
		if (!may_match(r.path, path) || !path_matches(r.path, path, &m, a))
			continue;
		if (strcmp(r.method, wanted) == 0) {
			m.route = r;
			*ret = m;
			return 0;
		}
		if (strstr(buf_str(&allow), r.method) == NULL)
			buf_printf(&allow, "%s%s", allow.len > 0 ? ", " : "", r.method);
	}
	if (allow.len == 0)
		return not_found(path, err);
	*ret_allow = arena_strdup(a, buf_str(&allow));
	return err_set(err, E_METHOD, "%s is not possible here; allowed: %s", method, buf_str(&allow));
}

const char *route_param(const struct route_match *m, const char *name) {
	for (size_t i = 0; i < m->n; i++)
		if (strlen(name) == m->params[i].name_len && memcmp(name, m->params[i].name, m->params[i].name_len) == 0)
			return m->params[i].value;
	return NULL;
}
