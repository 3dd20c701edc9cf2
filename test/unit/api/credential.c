#include "../../suite.h"

#include <string.h>

#include "api/credential.h"
#include "base/arena.h"
#include "base/err.h"

START_TEST(a_credential_goes_to_its_hosts_only) {
	static const char *const texts[] = { "nexus@repo.example.com *.corp.example:8443=Authorization: Basic a=b,c",
		"token@http://10.0.0.5=X-Token: t", NULL };
	static const struct {
		const char *name, *url;
		int code;
		const char *pointer, *header;
	} rows[] = {
		{ NULL, "https://anywhere.example/", 0, "", NULL },
		{ "", "https://anywhere.example/", 0, "", NULL },
		{ "nexus", "https://repo.example.com/a.jar", 0, "", "Authorization: Basic a=b,c" },
		{ "nexus", "https://a.corp.example:8443/a.jar", 0, "", "Authorization: Basic a=b,c" },
		{ "token", "http://10.0.0.5/a.jar", 0, "", "X-Token: t" },
		{ "nexus", "https://evil.example/a.jar", E_FORBIDDEN, "/credentials", NULL },
		{ "nexus", "http://10.0.0.5/a.jar", E_FORBIDDEN, "/credentials", NULL },
		{ "nexus", "https://r\xc3\xa9po.example/a.jar", E_INVALID, "/url", NULL },
		{ "nexsu", "https://repo.example.com/a.jar", E_NOT_FOUND, "/credentials", NULL },
	};
	ARENA_AUTO a = arena_new();
	struct credentials all;
	ck_assert_int_eq(credentials_read(a, texts, &all, NULL), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err = ERR_INIT;
		const struct credential *c;
		ck_assert_msg(credential_for(&all, rows[i].name, rows[i].url, &c, &err) == rows[i].code, "row %zu: %s", i, err.text);
		ck_assert_str_eq(err.pointer, rows[i].pointer);
		ck_assert_ptr_null(strstr(err.text, "Basic"));
		ck_assert(rows[i].header == NULL ? c == NULL : strcmp(c->header, rows[i].header) == 0);
	}
}
END_TEST

START_TEST(what_is_wrong_with_one_is_said) {
	static const struct {
		const char *text, *told;
	} rows[] = {
		{ "nexus", "NAME@HOST=HEADER" },
		{ "nexus@a.example", "NAME@HOST=HEADER" },
		{ "nexus@a.example=Basic", "NAME@HOST=HEADER" },
		{ "nexus@a.example=:", "NAME@HOST=HEADER" },
		{ "@a.example=A: secret", "NAME@HOST=HEADER" },
		{ "=A: secret", "NAME@HOST=HEADER" },
		{ "nexus=A: secret", "nexus@repo.example.com=" },
		{ "nexus@=A: secret", "artifact-credential nexus" },
		{ "nexus@  =A: secret", "names no host" },
		{ "nexus@a.example *=A: secret", "\"*\" names no host" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ARENA_AUTO a = arena_new();
		const char *const texts[] = { rows[i].text, NULL };
		struct credentials all;
		struct err err = ERR_INIT;
		ck_assert_int_eq(credentials_read(a, texts, &all, &err), E_INVALID);
		ck_assert_msg(strstr(err.text, rows[i].told) != NULL, "%s: %s", rows[i].text, err.text);
		ck_assert_ptr_null(strstr(err.text, "secret"));
	}
}
END_TEST

TEST_SUITE("api/credential", a_credential_goes_to_its_hosts_only, what_is_wrong_with_one_is_said)
