/* Columns and options name fields of the API by text: here they are held against its messages. */
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/arena.h"
#include "base/err.h"
#include "berth/v1/types.pb-c.h"
#include "cli/context.h"
#include "cli/cli.h"
#include "cli/manifest.h"
#include "cli/query.h"
#include "proto/json.h"

static const struct {
	const struct view *view;
	const ProtobufCMessageDescriptor *message;
} views[] = {
	{ &view_deployments, &berth__v1__deployment__descriptor },
	{ &view_revisions, &berth__v1__revision__descriptor },
	{ &view_modules, &berth__v1__module__descriptor },
	{ &view_versions, &berth__v1__version__descriptor },
	{ &view_bases, &berth__v1__base__descriptor },
	{ &view_groups, &berth__v1__base_group__descriptor },
	{ &view_plans, &berth__v1__plan__descriptor },
	{ &view_tasks, &berth__v1__task__descriptor },
	{ &view_instances, &berth__v1__instance__descriptor },
	{ &view_findings, &berth__v1__finding__descriptor },
	{ &view_events, &berth__v1__event__descriptor },
	{ &view_tokens, &berth__v1__token__descriptor },
	{ &view_webhooks, &berth__v1__webhook__descriptor },
};

/* One dotted path of n bytes; digits pick an item of a list. */
static void check_path(const ProtobufCMessageDescriptor *d, const char *path, size_t n) {
	char copy[96], *save = NULL;
	snprintf(copy, sizeof copy, "%.*s", (int)n, path);
	for (char *part = strtok_r(copy, ".", &save); part != NULL; part = strtok_r(NULL, ".", &save)) {
		if (part[0] >= '0' && part[0] <= '9')
			continue;
		const ProtobufCFieldDescriptor *f = d != NULL ? json_field(d, part) : NULL;
		ck_assert_msg(f != NULL, "%.*s: no field %s in %s", (int)n, path, part, d != NULL ? d->short_name : "a scalar");
		d = f->type == PROTOBUF_C_TYPE_MESSAGE ? f->descriptor : NULL;
	}
}

START_TEST(every_column_is_a_field) {
	for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
		const struct view *v = views[i].view;
		ck_assert_str_eq(v->message, views[i].message->short_name);
		check_path(views[i].message, v->name, strlen(v->name));
		for (size_t k = 0; k < v->n; k++) {
			for (const char *p = v->columns[k].path; *p != '\0';) {
				size_t n = strcspn(p, "/|");
				check_path(views[i].message, p, n);
				p += n + (p[n] != '\0');
			}
		}
	}
}
END_TEST

START_TEST(every_field_of_a_file_is_a_field) {
	const struct kind *kinds[] = { &kind_group, &kind_deployment };
	for (size_t i = 0; i < 2; i++)
		for (const char *const *f = kinds[i]->own; *f != NULL; f++)
			ck_assert_msg(json_field(kinds[i]->message, *f) != NULL, "%s.%s", kinds[i]->name, *f);
}
END_TEST

START_TEST(cells_read_what_is_there_and_stand_what_is_not) {
	json_t *plan = json_loads(
	    "{\"id\":7,\"changes\":[{\"deployment\":\"a\"}],\"basesDone\":2,\"basesTotal\":3,\"reason\":\"why\",\"took\":\"0.009794s\"}", 0,
	    NULL);
	static const struct {
		struct column column;
		const char *text;
	} cases[] = {
		{ { "", "changes.0.deployment", CELL_TEXT, false }, "a" },
		{ { "", "changes.1.deployment", CELL_TEXT, false }, "" },
		{ { "", "basesDone/basesTotal", CELL_OF, false }, "2/3" },
		{ { "", "a/b", CELL_OF, false }, "" },
		{ { "", "stateReason|reason", CELL_FIRST, false }, "why" },
		{ { "", "createTime", CELL_AGE, false }, "" },
		{ { "", "id", CELL_NUMBER, false }, "7" },
		{ { "", "took", CELL_SPAN, false }, "9 ms" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		BUF_AUTO out = BUF_INIT;
		output_cell(&cases[i].column, plan, 0, &out);
		ck_assert_str_eq(buf_str(&out), cases[i].text);
	}
	json_decref(plan);
}
END_TEST

START_TEST(names_cannot_leave_their_place_in_a_path) {
	ARENA_AUTO a = arena_new();
	BUF_AUTO q = BUF_INIT;
	ck_assert_str_eq(query_path(a, "/v1/bases/%s:cordon", "../x y?z#%"), "/v1/bases/..%2Fx%20y%3Fz%23%25:cordon");
	query_add(&q, "a", "1&b=2");
	query_add(&q, "none", NULL);
	query_add_int(&q, "n", 5);
	ck_assert_str_eq(buf_str(&q), "a=1%26b%3D2&n=5");
}
END_TEST

START_TEST(contexts_survive_writing_and_reading) {
	ARENA_AUTO a = arena_new();
	struct context_file *f;
	struct err err = ERR_INIT;
	char dir[] = "/tmp/berth-context-XXXXXX";
	ck_assert_ptr_nonnull(mkdtemp(dir));
	const char *path = arena_printf(a, "%s/sub/contexts.ini", dir);
	ck_assert_int_eq(context_load(path, a, &f, &err), 0);
	ck_assert_uint_eq(context_count(f), 0);
	context_set(f, "prod", "address", "a:1,b:2");
	context_set(f, "prod", "token", "t=; #x");
	context_set(f, "old", "group", "g");
	context_use(f, "prod");
	ck_assert_int_eq(context_save(f, path, &err), 0);
	ck_assert_int_eq(context_load(path, a, &f, &err), 0);
	ck_assert_str_eq(context_current(f), "prod");
	ck_assert_str_eq(context_get(f, "prod", "address"), "a:1,b:2");
	ck_assert_ptr_null(context_get(f, "prod", "group"));
	ck_assert_int_eq(context_check(f, "prd", &err), E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.text, "did you mean prod"));
	context_set(f, "prod", "address", "");
	ck_assert_ptr_null(context_get(f, "prod", "address"));
	ck_assert_int_eq(context_delete(f, "prod", &err), 0);
	ck_assert_str_eq(context_current(f), "");
	ck_assert_uint_eq(context_count(f), 1);
	unlink(path);
	rmdir(arena_printf(a, "%s/sub", dir));
	rmdir(dir);
}
END_TEST

START_TEST(flags_go_before_environment_before_context) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	struct context ctx;
	char dir[] = "/tmp/berth-context-XXXXXX", address[] = "flag:1";
	ck_assert_ptr_nonnull(mkdtemp(dir));
	setenv("XDG_CONFIG_HOME", dir, 1);
	unsetenv("BERTH_ADDRESS");
	unsetenv("BERTH_CONTEXT");
	struct options opt = { 0 };
	ck_assert_int_eq(context_resolve(&opt, a, &ctx, &err), 0);
	ck_assert_str_eq(ctx.address, CONTEXT_DEFAULT_ADDRESS);
	struct context_file *f;
	ck_assert_int_eq(context_load(context_path(a), a, &f, &err), 0);
	context_set(f, "c", "address", "stored:1");
	context_set(f, "c", "tenant", "stored");
	context_use(f, "c");
	ck_assert_int_eq(context_save(f, context_path(a), &err), 0);
	ck_assert_int_eq(context_resolve(&opt, a, &ctx, &err), 0);
	ck_assert_str_eq(ctx.address, "stored:1");
	setenv("BERTH_ADDRESS", "env:1", 1);
	ck_assert_int_eq(context_resolve(&opt, a, &ctx, &err), 0);
	ck_assert_str_eq(ctx.address, "env:1");
	opt.address = address;
	ck_assert_int_eq(context_resolve(&opt, a, &ctx, &err), 0);
	ck_assert_str_eq(ctx.address, "flag:1");
	ck_assert_str_eq(ctx.tenant, "stored");
	setenv("BERTH_CONTEXT", "none", 1);
	ck_assert_int_eq(context_resolve(&opt, a, &ctx, &err), E_NOT_FOUND);
	unlink(context_path(a));
	rmdir(arena_printf(a, "%s/berth", dir));
	rmdir(dir);
}
END_TEST

TEST_SUITE("cli/views", every_column_is_a_field, every_field_of_a_file_is_a_field, cells_read_what_is_there_and_stand_what_is_not,
    names_cannot_leave_their_place_in_a_path, contexts_survive_writing_and_reading, flags_go_before_environment_before_context)
