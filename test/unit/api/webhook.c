/* Webhooks: which events, what is sent, how it is signed. */
#include <string.h>

#include "api/webhook.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/json.h"
#include "../../suite.h"

START_TEST(patterns_take_kinds) {
	static const struct {
		const char *pattern, *kind;
		bool takes;
	} rows[] = {
		{ "plan.failed", "plan.failed", true },
		{ "plan.failed", "plan.fail", false },
		{ "plan.fail", "plan.failed", false },
		{ "plan.*", "plan.paused", true },
		{ "plan.*", "plan.", true },
		{ "plan.*", "task.plan.x", false },
		{ "*", "base.lost", true },
		{ "*.failed", "task.failed", true },
		{ "*.failed", "task.failed.not", false },
		{ "*a*b", "xaxxb", true },
		{ "*a*b", "xaxxbc", false },
		{ "", "plan.failed", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *const one[] = { (char *)(uintptr_t)rows[i].pattern };
		ck_assert_msg(webhook_takes(one, 1, rows[i].kind) == rows[i].takes, "%s takes %s", rows[i].pattern, rows[i].kind);
	}
	ck_assert(!webhook_takes(NULL, 0, "plan.failed"));
}
END_TEST

static Berth__V1__Event *event(struct arena *a) {
	Berth__V1__Event *e = pb_new(&berth__v1__event__descriptor, a);
	e->has_number = 1;
	e->number = 42;
	e->kind = (char *)(uintptr_t) "plan.failed";
	e->text = (char *)(uintptr_t) "2 of 3 bases failed: \"n1\", \\n2";
	e->deployment = (char *)(uintptr_t) "orders";
	return e;
}

START_TEST(templates_are_filled_as_inside_a_string) {
	static const struct {
		const char *template, *body;
	} rows[] = {
		{ "{\"text\":\"{text}\"}", "{\"text\":\"2 of 3 bases failed: \\\"n1\\\", \\\\n2\"}" },
		{ "{\"msgtype\":\"text\",\"text\":{\"content\":\"{kind} of {deployment}{module}, event {number}\"}}",
		    "{\"msgtype\":\"text\",\"text\":{\"content\":\"plan.failed of orders, event 42\"}}" },
		{ "{number}{number}", "4242" },
		{ "{}{ text}{text", "{}{ text}{text" },
		{ "plain", "plain" },
	};
	struct arena *a = arena_new();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		BUF_AUTO out = BUF_INIT;
		webhook_body(event(a), rows[i].template, &out);
		ck_assert_str_eq(buf_str(&out), rows[i].body);
	}
	BUF_AUTO out = BUF_INIT;
	webhook_body(event(a), NULL, &out);
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "\"number\":42"));
	arena_free(a);
}
END_TEST

START_TEST(unknown_fields_of_a_template_are_refused) {
	struct err err = ERR_INIT;
	ck_assert_int_eq(webhook_template_check("{\"a\":\"{text} {kind} {plan}\"}", &err), 0);
	ck_assert_int_eq(webhook_template_check("{texts}", &err), E_INVALID);
	ck_assert_str_eq(err.pointer, "/template");
	ck_assert_ptr_nonnull(strstr(err.text, "{texts} is no field"));
	char large[9000];
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	ck_assert_int_eq(webhook_template_check(large, &err), E_INVALID);
}
END_TEST

TEST_SUITE("api/webhook", patterns_take_kinds, templates_are_filled_as_inside_a_string, unknown_fields_of_a_template_are_refused)
