#include "cli/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "../../suite.h"
#include "base/arena.h"
#include "base/err.h"
#include "cli/field.h"
#include "cli/yaml.h"

static int read_text(const char *text, json_t **ret, struct err *err) {
	ARENA_AUTO a = arena_new();
	json_t *docs;
	*err = ERR_INIT;
	int r = yaml_parse(text, strlen(text), "shop.yaml", manifest_message, &docs, err);
	if (r != 0)
		return r;
	r = manifest_check(docs, "shop.yaml", a, ret, err);
	json_decref(docs);
	return r;
}

static void expect(const char *yaml, const char *json) {
	json_t *docs = NULL;
	struct err err;
	int r = read_text(yaml, &docs, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	JSON_AUTO want = json_loads(json, 0, NULL);
	char *have = json_dumps(docs, JSON_COMPACT);
	ck_assert_msg(json_equal(docs, want), "%s", have);
	free(have);
	json_decref(docs);
}

START_TEST(texts_stay_as_written) {
	expect("name: orders\nmodule: orders\nversion: 1.10\ngroup: shop\nreplicas: 3\nenv: {PORT: 8080, DEBUG: yes, EMPTY: , X: "
	       "1.0}\nargs: [1, true, \"x\"]\n",
	    "[{\"kind\":\"Deployment\",\"name\":\"orders\",\"module\":\"orders\",\"version\":\"1.10\",\"group\":\"shop\",\"replicas\":3,"
	    "\"args\":[\"1\",\"true\",\"x\"],\"env\":{\"PORT\":\"8080\",\"DEBUG\":\"yes\",\"EMPTY\":\"\",\"X\":\"1.0\"}}]");
}
END_TEST

START_TEST(amounts_and_strategies) {
	expect("module: m\nversion: 1.0.0\nreplicas: all\nstrategy:\n  batches: [1, 25%, 100%]\n  maxUnavailable: 10%\n  soak: 60s\n  "
	       "confirm: beta\n",
	    "[{\"kind\":\"Deployment\",\"name\":\"m\",\"module\":\"m\",\"version\":\"1.0.0\",\"replicas\":\"all\","
	    "\"strategy\":{\"batches\":[1,\"25%\",\"100%\"],\"maxUnavailable\":\"10%\",\"soak\":\"1m\",\"confirm\":\"beta\"}}]");
}
END_TEST

START_TEST(groups_come_first_and_what_the_server_says_is_dropped) {
	expect("name: a\nstate: running\nready: 3\n---\nkind: Group\nname: g\ninstallLimit: 5\nbases: 9\n---\n",
	    "[{\"kind\":\"Group\",\"name\":\"g\",\"installLimit\":5},{\"kind\":\"Deployment\",\"name\":\"a\"}]");
}
END_TEST

START_TEST(json_is_read_too_single_and_as_a_list) {
	expect("{\"kind\": \"Deployment\", \"name\": \"a\", \"replicas\": 2}", "[{\"kind\":\"Deployment\",\"name\":\"a\",\"replicas\":2}]");
	expect("[{\"name\": \"a\"}, {\"kind\": \"Group\", \"name\": \"g\"}]",
	    "[{\"kind\":\"Group\",\"name\":\"g\"},{\"kind\":\"Deployment\",\"name\":\"a\"}]");
}
END_TEST

START_TEST(every_mistake_has_its_own_words) {
	static const struct {
		const char *yaml;
		int code;
		const char *says;
	} cases[] = {
		{ "name: a\nreplcas: 3\n", E_INVALID, "replicas" },
		{ "kind: Deploymnet\nname: a\n", E_INVALID, "did you mean Deployment" },
		{ "name: a\nname: b\n", E_MALFORMED, "line 2: this key stands twice: name" },
		{ "name: [a\n", E_MALFORMED, "shop.yaml, line" },
		{ "- a\n- b\n", E_MALFORMED, "a document must be a mapping" },
		{ "just text\n", E_MALFORMED, "a document must be a mapping" },
		{ "version: 1.0.0\n", E_INVALID, "needs a name" },
		{ "name: a\nreplicas: many\n", E_INVALID, "document 1 (Deployment a)" },
		{ "name: a\nstrategy: {confirm: perhaps}\n", E_INVALID, "confirm" },
		{ "name: a\n? [x]\n: y\n", E_MALFORMED, "a key must be a plain word" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *docs = NULL;
		struct err err;
		int r = read_text(cases[i].yaml, &docs, &err);
		ck_assert_msg(r == cases[i].code, "case %zu: %d %s", i, r, err.text);
		ck_assert_msg(strstr(err.text, cases[i].says) != NULL || strstr(err.pointer, cases[i].says) != NULL, "case %zu: %s (%s)", i,
		    err.text, err.pointer);
	}
}
END_TEST

START_TEST(aliases_cannot_explode) {
	BUF_AUTO bomb = BUF_INIT;
	json_t *docs = NULL;
	struct err err;
	buf_add_str(&bomb, "args: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 9; i++)
		buf_printf(&bomb, "k%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1,
		    i - 1, i - 1, i - 1, i - 1, i - 1);
	ck_assert_int_eq(read_text(buf_str(&bomb), &docs, &err), E_MALFORMED);
	ck_assert_ptr_nonnull(strstr(err.text, "too deep or too large"));
	ck_assert_int_eq(read_text("args: &a [*a]\n", &docs, &err), E_MALFORMED);
}
END_TEST

START_TEST(what_is_printed_reads_back_the_same) {
	static const char *const docs[] = {
		"{\"kind\":\"Deployment\",\"name\":\"orders\",\"version\":\"1.10\",\"replicas\":3,\"args\":[\"-x\",\"yes\",\"a: "
		"b\",\"\",\"# no\",\"é\",\"line\\nbreak\",\"a #b\"],"
		"\"env\":{\"A\":\"1\",\"B\":\"true\",\"C\":\"null\",\"D\":\"plain "
		"text\"},\"strategy\":{\"batches\":[1,\"25%\"],\"minReady\":\"5s\"}}",
		"{\"kind\":\"Group\",\"name\":\"007\",\"installLimit\":5,\"labels\":{\"zone\":\"~\"},\"mutableVersions\":true}",
	};
	for (size_t i = 0; i < 2; i++) {
		JSON_AUTO doc = json_loads(docs[i], 0, NULL);
		BUF_AUTO out = BUF_INIT;
		json_t *back = NULL;
		struct err err = ERR_INIT;
		yaml_print(doc, &out);
		ck_assert_msg(
		    yaml_parse(buf_str(&out), out.len, "x", manifest_message, &back, &err) == 0, "%s in\n%s", err.text, buf_str(&out));
		ck_assert_msg(json_equal(json_array_get(back, 0), doc), "%s", buf_str(&out));
		json_decref(back);
	}
}
END_TEST

START_TEST(only_given_fields_that_differ_are_shown) {
	JSON_AUTO want = json_loads(
	    "{\"kind\":\"Deployment\",\"name\":\"a\",\"replicas\":5,\"env\":{\"A\":\"1\"},\"strategy\":{\"soak\":\"1m\"},\"args\":[]}", 0,
	    NULL);
	JSON_AUTO is = json_loads(
	    "{\"name\":\"a\",\"replicas\":3,\"env\":{\"A\":\"1\"},\"strategy\":{\"soak\":\"1m\",\"confirm\":\"beta\"},\"version\":\"1\"}",
	    0, NULL);
	BUF_AUTO out = BUF_INIT;
	manifest_diff(want, is, &out);
	ck_assert_str_eq(buf_str(&out), "Deployment a\n-   replicas: 3\n+   replicas: 5\n");
	buf_clear(&out);
	json_object_set_new(is, "replicas", json_integer(5));
	manifest_diff(want, is, &out);
	ck_assert_str_eq(buf_str(&out), "");
	json_object_set_new(want, "env", json_pack("{s:s}", "B", "2"));
	manifest_diff(want, is, &out);
	ck_assert_str_eq(buf_str(&out), "Deployment a\n-   env:\n-     A: \"1\"\n+   env:\n+     B: \"2\"\n");
	buf_clear(&out);
	manifest_diff(want, NULL, &out);
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "Deployment a (new)\n+   name: a\n"));
}
END_TEST

TEST_SUITE("cli/manifest", texts_stay_as_written, amounts_and_strategies, groups_come_first_and_what_the_server_says_is_dropped,
    json_is_read_too_single_and_as_a_list, every_mistake_has_its_own_words, aliases_cannot_explode, what_is_printed_reads_back_the_same,
    only_given_fields_that_differ_are_shown)
