/* Paths: every operation is found at its own path, and what is not found is explained. */
#include "../../suite.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "rest/inside.h"

/* A real path of a pattern: each {x} becomes "v1.2". */
static void example(const char *pattern, struct buf *out) {
	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p != '{') {
			buf_add_char(out, *p);
			continue;
		}
		buf_add_str(out, "v1.2+3");
		p = strchr(p, '}');
	}
}

START_TEST(every_operation_is_found) {
	for (size_t i = 0; i < n_op_defs; i++) {
		ARENA_AUTO a = arena_new();
		BUF_AUTO path = BUF_INIT;
		struct err err = ERR_INIT;
		struct route_match m;
		const char *allow = NULL;
		example(op_defs[i].path, &path);
		ck_assert_msg(route_find(op_defs[i].http, buf_str(&path), a, &m, &allow, &err) == 0, "%s: %s", buf_str(&path), err.text);
		ck_assert_msg(
		    m.route.op == &op_defs[i], "%s leads to %s", buf_str(&path), m.route.op != NULL ? m.route.op->name : "no operation");
		for (size_t k = 0; k < m.n; k++)
			ck_assert_str_eq(m.params[k].value, "v1.2+3");
	}
}
END_TEST

static int find(const char *method, const char *path, struct route_match *m, const char **allow, struct err *err, struct arena *a) {
	*allow = NULL;
	return route_find(method, path, a, m, allow, err);
}

START_TEST(others_are_told_apart) {
	static const struct {
		const char *method, *path;
		int code;
		enum route_kind kind;
	} rows[] = {
		{ "PUT", "/v1/artifacts/abc", 0, ROUTE_UPLOAD },
		{ "POST", "/v1/artifacts:upload", 0, ROUTE_UPLOAD },
		{ "POST", "/v1/artifacts", 0, ROUTE_OP },
		{ "GET", "/v1/artifacts/abc/content", 0, ROUTE_DOWNLOAD },
		{ "HEAD", "/v1/artifacts/abc/content", 0, ROUTE_DOWNLOAD },
		{ "GET", "/", 0, ROUTE_PAGE },
		{ "GET", "/ui/page.js", 0, ROUTE_PAGE },
		{ "GET", "/livez", 0, ROUTE_LIVEZ },
		{ "GET", "/v1/deployments/", E_NOT_FOUND, 0 },
		{ "GET", "/v1/deployments/a/b", E_NOT_FOUND, 0 },
		{ "GET", "/v1/deployments/a:nonsense", E_NOT_FOUND, 0 },
		{ "POST", "/v1/deployments/:offline", E_NOT_FOUND, 0 },
		{ "GET", "/v1//deployments", E_NOT_FOUND, 0 },
		{ "GET", "/v1/deployment", E_NOT_FOUND, 0 },
		{ "GET", "/v2/deployments", E_NOT_FOUND, 0 },
		{ "PUT", "/v1/deployments/a", E_METHOD, 0 },
		{ "DELETE", "/livez", E_METHOD, 0 },
		{ "OPTIONS", "/v1/deployments", E_METHOD, 0 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ARENA_AUTO a = arena_new();
		struct err err = ERR_INIT;
		struct route_match m;
		const char *allow;
		int rc = find(rows[i].method, rows[i].path, &m, &allow, &err, a);
		ck_assert_msg(rc == rows[i].code, "%s %s gave %d: %s", rows[i].method, rows[i].path, rc, err.text);
		if (rc == 0)
			ck_assert_int_eq(m.route.kind, rows[i].kind);
		ck_assert_int_eq(allow != NULL, rc == E_METHOD);
	}
}
END_TEST

START_TEST(it_explains) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	struct route_match m;
	const char *allow;
	ck_assert_int_eq(find("GET", "/v1/deploymets", &m, &allow, &err, a), E_NOT_FOUND);
	ck_assert_msg(strstr(err.text, "did you mean /v1/deployments") != NULL, "%s", err.text);
	ck_assert_int_eq(find("PUT", "/v1/deployments/a", &m, &allow, &err, a), E_METHOD);
	ck_assert_str_eq(allow, "GET, PATCH, DELETE");
}
END_TEST

TEST_SUITE("rest/route", every_operation_is_found, others_are_told_apart, it_explains)
