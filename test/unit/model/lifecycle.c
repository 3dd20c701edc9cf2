/* The tables of lifecycle.def: well formed by themselves, obeyed by the setters, and the same in the manual. */
#include "../../suite.h"

#include "model/fleet.h"
#include "model/lifecycle.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SET WORD_BASE
#define LAST_SET WORD_TASK

START_TEST(rows_are_numbered_and_say_what_they_are) {
	int next[LAST_SET + 1] = { 0 };
	for (size_t i = 0; i < transition_count(); i++) {
		const struct transition *t = transition_at(i);
		ck_assert_msg(t->number == ++next[t->set], "%s %d stands at place %d", lifecycle_object(t->set), t->number, next[t->set]);
		ck_assert_msg(*t->event != '\0' && *t->sentence != '\0', "%s %d", lifecycle_object(t->set), t->number);
		ck_assert(t->to > 0 && t->to <= word_count(t->set) && t->from != t->to);
		ck_assert(t->from == TRANSITION_ANY || (t->from >= 0 && t->from <= word_count(t->set)));
		ck_assert(t->from == TRANSITION_ANY || transition_row(t->set, t->from, t->to) == i);
	}
	for (int set = FIRST_SET; set <= LAST_SET; set++)
		ck_assert_int_gt(next[set], 0);
}
END_TEST

/* Every state is reached from nothing, and goes on unless it is final. */
START_TEST(no_state_is_unreachable_or_a_trap) {
	for (int s = FIRST_SET; s <= LAST_SET; s++) {
		enum word_set set = (enum word_set)s;
		bool reached[32] = { true };
		int n = word_count(set);
		for (int round = 0; round <= n; round++)
			for (int from = 0; from <= n; from++)
				for (int to = 1; to <= n; to++)
					reached[to] |= reached[from] && transition_row(set, from, to) < transition_count();
		for (int v = 1; v <= n; v++) {
			int out = 0;
			for (int to = 1; to <= n; to++)
				out += to != v && transition_row(set, v, to) < transition_count();
			ck_assert_msg(reached[v], "%s: nothing leads to %s", lifecycle_object(set), word_text(set, v));
			ck_assert_msg((out == 0) == word_terminal(set, v), "%s: %s is %sfinal and %d rows lead out of it",
			    lifecycle_object(set), word_text(set, v), word_terminal(set, v) ? "" : "not ", out);
		}
	}
}
END_TEST

START_TEST(what_is_no_row_has_none) {
	static const struct {
		enum word_set set;
		int from, to;
	} cases[] = {
		{ WORD_PLAN, PLAN_SUCCEEDED, PLAN_RUNNING },
		{ WORD_PLAN, PLAN_QUEUED, PLAN_PAUSED },
		{ WORD_TASK, TASK_SUCCEEDED, TASK_SENT },
		{ WORD_TASK, TASK_PENDING, TASK_SUCCEEDED },
		{ WORD_BATCH, BATCH_DONE, BATCH_RUNNING },
		{ WORD_BASE, BASE_READY, BASE_LOST },
		{ WORD_INSTANCE, INSTANCE_NONE, INSTANCE_READY },
		{ WORD_INSTANCE, INSTANCE_FAILED, INSTANCE_PENDING },
		{ WORD_ROLE, ROLE_READ, ROLE_ADMIN },
		{ WORD_BASE, BASE_READY, 99 },
		{ WORD_BASE, -1, BASE_READY },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_msg(transition_row(cases[i].set, cases[i].from, cases[i].to) == transition_count(), "case %zu", i);
}
END_TEST

START_TEST(a_row_of_its_own_goes_before_any) {
	size_t own = transition_row(WORD_INSTANCE, INSTANCE_INSTALLING, INSTANCE_READY),
	       any = transition_row(WORD_INSTANCE, INSTANCE_UNKNOWN, INSTANCE_READY);
	ck_assert_int_eq(transition_at(own)->from, INSTANCE_INSTALLING);
	ck_assert_int_eq(transition_at(any)->from, TRANSITION_ANY);
}
END_TEST

static struct task *task_made(struct fleet *f) {
	wall_t now = { US_PER_S };
	struct row_instance row = { .wanted = true, .units = 1 };
	struct instance *i;
	struct tenant *t = fleet_tenant_add(f, "default", now);
	struct group *g = fleet_group_add(f, t, &(struct row_base_group){ .name = (char[]){ "g" }, .install_limit = 5 });
	struct base *b = fleet_base_add(f, g, &(struct row_base){ .name = (char[]){ "n1" } });
	struct module *m = fleet_module_add(f, t, &(struct row_module){ .name = (char[]){ "orders" } });
	struct artifact *a = fleet_artifact_add(f, t, &(struct row_artifact){ .sha256 = (char[]){ "00" } });
	struct version *v = fleet_version_add(f, m, a, &(struct row_version){ .name = (char[]){ "1" }, .units = 1 });
	ck_assert_int_eq(fleet_instance_add(f, b, NULL, v, &row, &i, NULL), 0);
	return fleet_task_add(f, NULL, i, &(struct row_task){ .kind = TASK_KIND_INSTALL });
}

START_TEST(setters_count_the_rows) {
	uint64_t *counts = calloc(transition_count(), sizeof *counts);
	struct fleet *f = fleet_new();
	fleet_count_transitions(f, counts);
	struct task *t = task_made(f);
	task_set_state(f, t, TASK_SENT, (wall_t){ 2 });
	task_set_state(f, t, TASK_SENT, (wall_t){ 3 });
	ck_assert_uint_eq(counts[transition_row(WORD_TASK, TASK_NONE, TASK_PENDING)], 1);
	ck_assert_uint_eq(counts[transition_row(WORD_TASK, TASK_PENDING, TASK_SENT)], 1);
	ck_assert_uint_eq(counts[transition_row(WORD_BASE, BASE_NONE, BASE_JOINING)], 1);
	fleet_free(f);
	free(counts);
}
END_TEST

START_TEST(a_setter_refuses_what_is_no_row) {
	struct fleet *f = fleet_new();
	struct task *t = task_made(f);
	task_set_state(f, t, TASK_SUCCEEDED, (wall_t){ 2 }); /* it was never sent */
}
END_TEST

START_TEST(the_manual_has_the_same_rows) {
	char *printed = NULL, manual[65536];
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size), *in = fopen("docs/states.md", "re");
	ck_assert_msg(in != NULL, "docs/states.md: berthd --dump-states writes it");
	lifecycle_print(out);
	fclose(out);
	size_t n = fread(manual, 1, sizeof manual - 1, in);
	manual[n] = '\0';
	fclose(in);
	ck_assert_msg(strcmp(printed, manual) == 0, "docs/states.md is not what berthd --dump-states prints");
	free(printed);
}
END_TEST

TEST_SUITE("model/lifecycle", rows_are_numbered_and_say_what_they_are, no_state_is_unreachable_or_a_trap, what_is_no_row_has_none,
    a_row_of_its_own_goes_before_any, setters_count_the_rows, the_manual_has_the_same_rows)

__attribute__((constructor)) static void suite_of_refusals(void) {
	Suite *s = suite_create("model/lifecycle, refused");
	TCase *c = tcase_create("refused");
	tcase_add_test_raise_signal(c, a_setter_refuses_what_is_no_row, SIGABRT);
	suite_add_tcase(s, c);
	suite_register(s);
}
