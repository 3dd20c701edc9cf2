/* arklet's answers as they were seen on the wire, and as a hostile base might write them. */
#include "proto/arklet.h"

#include <string.h>

#include "../../suite.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

static const struct {
	const char *text;
	enum arklet_verdict verdict;
	const char *code, *cause;
} answers[] = {
	{ "{\"baseIdentity\":\"10.20.0.7\",\"code\":\"SUCCESS\",\"data\":{\"code\":\"SUCCESS\",\"message\":\"Switch biz: biz1:2.0.0 is "
	  "activated.\"}}",
	    ARKLET_OK, "SUCCESS", "" },
	{ "{\"code\":\"FAILED\",\"data\":{\"code\":\"REPEAT_BIZ\",\"elapsedSpace\":4360,\"message\":\"Biz: biz1:1.0.0 has been installed "
	  "or registered.\"},"
	  "\"message\":\"install biz not success!\"}",
	    ARKLET_REPEAT, "REPEAT_BIZ", "Biz: biz1:1.0.0 has been installed or registered." },
	{ "{\"code\":\"FAILED\",\"data\":{\"code\":\"NOT_FOUND_BIZ\",\"message\":\"no\"},\"message\":\"uninstall biz not success!\"}",
	    ARKLET_NOT_FOUND, "NOT_FOUND_BIZ", "no" },
	{ "{\"code\":\"FAILED\",\"data\":{\"code\":\"ILLEGAL_STATE_BIZ\"},\"message\":\"switch biz not success!\"}", ARKLET_ILLEGAL_STATE,
	    "ILLEGAL_STATE_BIZ", "switch biz not success!" },
	{ "{\"code\":\"FAILED\",\"message\":\"FAILED:orders:3.1.0 installBiz conflict, exist unfinished command(installBiz) for this "
	  "biz\"}",
	    ARKLET_BUSY, "FAILED", "FAILED:orders:3.1.0 installBiz conflict, exist unfinished command(installBiz) for this biz" },
	{ "{\"code\":\"FAILED\",\"message\":\"can not find biz: orders\"}", ARKLET_REFUSED, "FAILED", "can not find biz: orders" },
	{ "{\"code\":\"CMD_NOT_FOUND\",\"message\":\"please follow the doc\"}", ARKLET_NO_COMMAND, "CMD_NOT_FOUND",
	    "please follow the doc" },
	{ "{\"code\":\"CMD_PROCESS_INTERNAL_ERROR\",\"message\":\"Internal Error: "
	  "java.lang.reflect.InvocationTargetException\",\"errorStackTrace\":"
	  "\"java.lang.RuntimeException: java.lang.reflect.InvocationTargetException\\n\\tat a.b(C.java:1)\\nCaused by: "
	  "java.lang.reflect.InvocationTargetException\\n\\tat x\\n"
	  "Caused by: java.lang.IllegalStateException: this module refuses to start\\r\\n\\t... 12 more\\n\"}",
	    ARKLET_EXCEPTION, "CMD_PROCESS_INTERNAL_ERROR", "java.lang.IllegalStateException: this module refuses to start" },
	{ "{\"code\":\"CMD_PROCESS_INTERNAL_ERROR\",\"message\":\"Internal Error: bizUrl should not be blank\"}", ARKLET_EXCEPTION,
	    "CMD_PROCESS_INTERNAL_ERROR", "Internal Error: bizUrl should not be blank" },
	{ "{\"code\":\"success\"}", ARKLET_OK, "success", "" },
	{ "{\"code\":\"FAILED\",\"data\":{\"code\":\"SUCCESS\"}}", ARKLET_REFUSED, "SUCCESS", "SUCCESS" },
	{ "{\"code\":\"FAILED\",\"data\":[1,2],\"message\":7}", ARKLET_REFUSED, "FAILED", "FAILED" },
};

START_TEST(reads_two_level_results) {
	ARENA_AUTO a = arena_new();
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct arklet_reply r;
		struct err err = ERR_INIT;
		ck_assert_msg(arklet_reply_parse(a, answers[i].text, strlen(answers[i].text), &r, &err) == 0, "%s", err.text);
		ck_assert_int_eq(r.verdict, answers[i].verdict);
		ck_assert_str_eq(r.code, answers[i].code);
		ck_assert_str_eq(r.cause, answers[i].cause);
	}
}
END_TEST

START_TEST(reads_an_install) {
	static const char text[] = "{\"baseIdentity\":\"10.20.0.7\",\"code\":\"SUCCESS\",\"data\":{\"bizInfos\":[{\"$ref\":\"$.data\"},{"
	                           "\"attributes\":{},\"bizName\":\"orders\",\"bizState\":\"ACTIVATED\","
	                           "\"bizVersion\":\"3.1.0\",\"identity\":\"orders:3.1.0\",\"mainClass\":\"shop.Orders\","
	                           "\"webContextPath\":\"orders\",\"bizStateRecords\":[{},{\"changeTime\":1,"
	                           "\"message\":\"m\",\"reason\":\"Started\",\"state\":\"activated\"}]}],\"code\":\"SUCCESS\","
	                           "\"elapsedSpace\":-412000,\"message\":\"ok\"}}";
	ARENA_AUTO a = arena_new();
	struct arklet_reply r;
	ck_assert_int_eq(arklet_reply_parse(a, text, sizeof text - 1, &r, NULL), 0);
	ck_assert_uint_eq(r.n_biz, 1);
	ck_assert_int_eq(r.biz[0].state, ARKLET_ACTIVATED);
	ck_assert_str_eq(r.biz[0].reason, "Started");
	ck_assert_str_eq(r.biz[0].context_path, "orders");
	ck_assert(r.has_elapsed_space && r.elapsed_space == -412000);
	ck_assert_str_eq(r.base_identity, "10.20.0.7");
	ck_assert_ptr_nonnull(arklet_biz_find(&r, "orders", "3.1.0"));
	ck_assert_ptr_null(arklet_biz_find(&r, "orders", "3.1.1"));
}
END_TEST

START_TEST(states_in_any_case) {
	static const struct {
		const char *word;
		enum arklet_state state;
	} words[] = {
		{ "resolved", ARKLET_RESOLVED },
		{ "RESOLVED", ARKLET_RESOLVED },
		{ "Activated", ARKLET_ACTIVATED },
		{ "DEACTIVATED", ARKLET_DEACTIVATED },
		{ "stopped", ARKLET_STOPPED },
		{ "unresolved", ARKLET_UNRESOLVED },
		{ "broken", ARKLET_BROKEN },
		{ "whatever", ARKLET_BROKEN },
		{ "", ARKLET_BROKEN },
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		ck_assert_int_eq(arklet_state_parse(words[i].word), words[i].state);
	ck_assert_int_eq(arklet_state_parse(NULL), ARKLET_BROKEN);
}
END_TEST

START_TEST(reads_lists) {
	static const char text[] =
	    "{\"code\":\"SUCCESS\",\"data\":[{\"bizName\":\"a\",\"bizVersion\":\"1\",\"bizState\":\"resolved\"},{\"bizName\":\"\"},7,null,"
	    "{\"bizName\":\"b\",\"bizVersion\":2,\"bizState\":\"activated\"},{\"bizName\":\"c\",\"bizVersion\":\"3\",\"bizState\":{\"$"
	    "ref\":\"x\"}}]}";
	ARENA_AUTO a = arena_new();
	struct arklet_reply r;
	ck_assert_int_eq(arklet_list_parse(a, text, sizeof text - 1, &r, NULL), 0);
	ck_assert_uint_eq(r.n_biz, 2);
	ck_assert_int_eq(r.biz[1].state, ARKLET_BROKEN);
	ck_assert_int_eq(arklet_list_parse(a, "{\"code\":\"SUCCESS\",\"data\":[]}", 28, &r, NULL), 0);
	ck_assert_uint_eq(r.n_biz, 0);
	ck_assert_int_eq(arklet_list_parse(a, "{\"code\":\"SUCCESS\"}", 18, &r, NULL), E_MALFORMED);
}
END_TEST

START_TEST(reads_health_in_java_numbers) {
	static const char text[] = "{\"code\":\"SUCCESS\",\"data\":{\"healthData\":{\"masterBizInfo\":{\"bizName\":\"shop\",\"bizVersion\":"
	                           "\"1.0.0\",\"bizState\":\"activated\"},"
	                           "\"cpu\":{\"total used (%)\":1.234E10},\"jvm\":{\"java version\":\"17\",\"run time(s)\":12.5,\"used "
	                           "heap memory(M)\":64.5,\"max heap memory(M)\":-9.5367431640625E-7,"
	                           "\"java used metaspace\":58000000,\"java max metaspace\":-1,\"loaded class count\":\"11900\"}}}}";
	ARENA_AUTO a = arena_new();
	struct arklet_reply r;
	struct arklet_health h;
	ck_assert_int_eq(arklet_health_parse(a, text, sizeof text - 1, &r, &h, NULL), 0);
	ck_assert_str_eq(h.base_name, "shop");
	ck_assert_double_eq(h.run_time_s, 12.5);
	ck_assert_int_eq(h.heap_used, (int64_t)(64.5 * 1048576));
	ck_assert_int_eq(h.heap_max, -1);
	ck_assert_int_eq(h.metaspace_used, 58000000);
	ck_assert_int_eq(h.metaspace_max, -1);
	ck_assert_int_eq(h.classes, 11900);
	ck_assert_int_eq(arklet_health_parse(a, "{\"code\":\"SUCCESS\"}", 18, &r, &h, NULL), 0);
	ck_assert_double_eq(h.run_time_s, -1);
}
END_TEST

START_TEST(reads_commands_and_operations) {
	static const char help[] =
	    "{\"code\":\"SUCCESS\",\"data\":[{\"desc\":\"x\",\"id\":\"health\"},{\"id\":\"batchInstallBiz\"},{\"id\":\"own\"},3]}";
	static const char lost[] = "{\"code\":\"SUCCESS\",\"data\":{\"requestId\":\"r\",\"status\":\"INITIALIZED\",\"endTimestamp\":5,"
	                           "\"message\":\"command conflict\"}}";
	static const char deep[] = "{\"code\":\"SUCCESS\",\"data\":{\"requestId\":\"r\",\"status\":\"FAILED\",\"message\":\"outer\","
	                           "\"throwable\":{\"message\":\"a\",\"cause\":"
	                           "{\"cause\":{\"message\":\"this module refuses to start\"}}}}}";
	ARENA_AUTO a = arena_new();
	struct arklet_reply r;
	struct arklet_operation op;
	unsigned commands;
	ck_assert_int_eq(arklet_help_parse(a, help, sizeof help - 1, &commands, NULL), 0);
	ck_assert_uint_eq(commands, 1u << ARKLET_HEALTH | 1u << ARKLET_BATCH_INSTALL);
	ck_assert_int_eq(arklet_operation_parse(a, lost, sizeof lost - 1, &r, &op, NULL), 0);
	ck_assert(op.finished && !op.succeeded);
	ck_assert_str_eq(op.cause, "command conflict");
	ck_assert_int_eq(arklet_operation_parse(a, deep, sizeof deep - 1, &r, &op, NULL), 0);
	ck_assert_str_eq(op.cause, "this module refuses to start");
}
END_TEST

START_TEST(reads_a_batch) {
	static const char text[] =
	    "{\"code\":\"FAILED\",\"data\":{\"bizUrlToResponse\":{\"file://a.jar\":{\"code\":\"REPEAT_BIZ\",\"message\":\"twice\"},"
	    "\"file://b.jar\":{\"code\":\"FAILED\",\"message\":\"internal exception: "
	    "null\"},\"file://c.jar\":{\"code\":\"SUCCESS\"}},\"code\":\"FAILED\"}}";
	ARENA_AUTO a = arena_new();
	static const char *const urls[] = { "file://a.jar", "file://b.jar", "file://c.jar", "file://d.jar" };
	static const enum arklet_verdict verdicts[] = { ARKLET_REPEAT, ARKLET_REFUSED, ARKLET_OK, ARKLET_EXCEPTION };
	struct arklet_reply r, items[4];
	ck_assert_int_eq(arklet_batch_parse(a, text, sizeof text - 1, urls, 4, &r, items, NULL), 0);
	ck_assert_int_eq(r.verdict, ARKLET_REFUSED);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(items[i].verdict, verdicts[i]);
	ck_assert_str_eq(items[0].message, "twice");
	ck_assert_str_eq(items[3].message, "");
}
END_TEST

START_TEST(refuses_what_is_no_answer) {
	static const char *const bad[] = { "", "x", "[]", "{", "{}", "{\"code\":5}", "null", "{\"code\":\"SUCCESS\"",
		"{\"code\":\"SUCCESS\"} x", "{\"code\":\"\xff\"}", "POST http request only supported by arklet",
		"{\"code\":\"S\",\"n\":1e999999}" };
	ARENA_AUTO a = arena_new();
	struct arklet_reply r;
	struct arklet_health h;
	struct arklet_operation op;
	unsigned commands;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = ERR_INIT;
		size_t n = strlen(bad[i]);
		ck_assert_int_eq(arklet_reply_parse(a, bad[i], n, &r, &err), E_MALFORMED);
		ck_assert_int_eq(arklet_list_parse(a, bad[i], n, &r, &err), E_MALFORMED);
		ck_assert_int_eq(arklet_health_parse(a, bad[i], n, &r, &h, &err), E_MALFORMED);
		ck_assert_int_eq(arklet_operation_parse(a, bad[i], n, &r, &op, &err), E_MALFORMED);
		ck_assert_int_eq(arklet_help_parse(a, bad[i], n, &commands, &err), E_MALFORMED);
	}
}
END_TEST

START_TEST(survives_depth_and_cut_answers) {
	static const char text[] = "{\"code\":\"FAILED\",\"data\":{\"code\":\"REPEAT_BIZ\",\"message\":\"\\u0000x\\ud83d\\ude00\"},"
	                           "\"errorStackTrace\":\"Caused by:\"}";
	ARENA_AUTO a = arena_new();
	struct arklet_reply r;
	for (size_t n = 0; n < sizeof text - 1; n++)
		ck_assert_int_eq(arklet_reply_parse(a, text, n, &r, NULL), E_MALFORMED);
	ck_assert_int_eq(arklet_reply_parse(a, text, sizeof text - 1, &r, NULL), 0);
	BUF_AUTO deep = BUF_INIT;
	buf_add_str(&deep, "{\"code\":\"SUCCESS\",\"data\":");
	for (int i = 0; i < 100000; i++)
		buf_add_char(&deep, '[');
	ck_assert_int_eq(arklet_list_parse(a, deep.data, deep.len, &r, NULL), E_MALFORMED);
}
END_TEST

static int list_of(struct arena *a, int n, const char *item, struct arklet_reply *ret, struct err *err) {
	BUF_AUTO text = BUF_INIT;
	buf_add_str(&text, "{\"code\":\"SUCCESS\",\"data\":[");
	for (int i = 0; i < n; i++)
		buf_printf(&text, "%s%s", i > 0 ? "," : "", item);
	buf_add_str(&text, "]}");
	return arklet_list_parse(a, text.data, text.len, ret, err);
}

/* A part of a list would say that the rest is gone; and what is in an answer costs more than its bytes. */
START_TEST(refuses_lists_that_no_base_has) {
	static const char biz[] = "{\"bizName\":\"m\",\"bizVersion\":\"1\",\"bizState\":\"activated\"}";
	ARENA_AUTO a = arena_new();
	struct arklet_reply r;
	struct err err = ERR_INIT;
	ck_assert_int_eq(list_of(a, ARKLET_MAX_BIZ, biz, &r, &err), 0);
	ck_assert_uint_eq(r.n_biz, ARKLET_MAX_BIZ);
	ck_assert_int_eq(list_of(a, ARKLET_MAX_BIZ + 1, biz, &r, &err), E_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(err.text, "at most 1024"));
	ck_assert_int_eq(list_of(a, ARKLET_MAX_PARTS, "{}", &r, &err), E_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(err.text, "131072 values"));
	ck_assert_int_eq(list_of(a, ARKLET_MAX_PARTS, "\\\"[{,", &r, &err), E_MALFORMED);
	ck_assert_int_eq(
	    list_of(a, ARKLET_MAX_BIZ,
	        "{\"bizName\":\"[{,\\\"[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,[{,\"}",
	        &r, &err),
	    0); /* within strings they are no parts */
	ck_assert_uint_eq(r.n_biz, 0);
}
END_TEST

START_TEST(prints_requests) {
	static const char *const args[] = { "--a", "b \"c\"" }, *const names[] = { "K" }, *const values[] = { "v" };
	struct arklet_install i = { .name = "orders",
		.version = "3.1.0",
		.url = "file:///m/o.jar",
		.args = args,
		.n_args = 2,
		.env_names = names,
		.env_values = values,
		.n_env = 1 };
	BUF_AUTO b = BUF_INIT;
	arklet_install_print(&i, &b);
	ck_assert_str_eq(buf_str(&b), "{\"bizName\":\"orders\",\"bizVersion\":\"3.1.0\",\"bizUrl\":\"file:///m/"
	                              "o.jar\",\"args\":[\"--a\",\"b \\\"c\\\"\"],\"envs\":{\"K\":\"v\"}}");
	buf_clear(&b);
	struct arklet_install two[] = { { .name = "a", .version = "1", .url = "u" },
		{ .name = "b", .version = "2", .url = "w", .request_id = "no" } };
	arklet_batch_print(two, 2, "r1", &b);
	ck_assert_str_eq(buf_str(&b), "{\"bizList\":[{\"bizName\":\"a\",\"bizVersion\":\"1\",\"bizUrl\":\"u\"},{\"bizName\":\"b\","
	                              "\"bizVersion\":\"2\",\"bizUrl\":\"w\"}],\"async\":true,\"requestId\":\"r1\"}");
	buf_clear(&b);
	arklet_named_print("a", "1", &b);
	ck_assert_str_eq(buf_str(&b), "{\"bizName\":\"a\",\"bizVersion\":\"1\"}");
}
END_TEST

TEST_SUITE("proto/arklet", reads_two_level_results, reads_an_install, states_in_any_case, reads_lists, reads_health_in_java_numbers,
    reads_commands_and_operations, reads_a_batch, refuses_what_is_no_answer, survives_depth_and_cut_answers, refuses_lists_that_no_base_has,
    prints_requests)
