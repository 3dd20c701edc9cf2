/* Words against the API's enums (names and numbers), and the life-cycle table against itself. */
#include "../../suite.h"

#include "berth/v1/types.pb-c.h"
#include "model/word.h"

#include <ctype.h>
#include <string.h>

static const struct pair_of_sets {
	enum word_set set;
	const ProtobufCEnumDescriptor *d;
	const char *prefix;
} sets[] = {
	{ WORD_BASE, &berth__v1__base_state__descriptor, "BASE_STATE_" },
	{ WORD_DEPLOYMENT, &berth__v1__deployment_state__descriptor, "DEPLOYMENT_STATE_" },
	{ WORD_INSTANCE, &berth__v1__instance_state__descriptor, "INSTANCE_STATE_" },
	{ WORD_PLAN, &berth__v1__plan_state__descriptor, "PLAN_STATE_" },
	{ WORD_BATCH, &berth__v1__batch_state__descriptor, "BATCH_STATE_" },
	{ WORD_TASK, &berth__v1__task_state__descriptor, "TASK_STATE_" },
	{ WORD_RUNTIME, &berth__v1__runtime__descriptor, "RUNTIME_" },
	{ WORD_PLACEMENT, &berth__v1__placement__descriptor, "PLACEMENT_" },
	{ WORD_UPGRADE_POLICY, &berth__v1__upgrade_policy__descriptor, "UPGRADE_POLICY_" },
	{ WORD_ON_FAILURE, &berth__v1__on_failure__descriptor, "ON_FAILURE_" },
	{ WORD_CONFIRM, &berth__v1__confirm__descriptor, "CONFIRM_" },
	{ WORD_UNMANAGED, &berth__v1__unmanaged_policy__descriptor, "UNMANAGED_POLICY_" },
	{ WORD_ROLE, &berth__v1__role__descriptor, "ROLE_" },
	{ WORD_FAULT, &berth__v1__fault__descriptor, "FAULT_" },
	{ WORD_TASK_KIND, &berth__v1__task_kind__descriptor, "TASK_KIND_" },
	{ WORD_PLAN_KIND, &berth__v1__plan_kind__descriptor, "PLAN_KIND_" },
	{ WORD_FINDING, &berth__v1__finding_kind__descriptor, "FINDING_KIND_" },
	{ WORD_GROUP_MODE, &berth__v1__group_mode__descriptor, "GROUP_MODE_" },
};
#define N_SETS (sizeof sets / sizeof *sets)

static const char *lower_tail(const char *name, const char *prefix, char buf[64]) {
	ck_assert_msg(strncmp(name, prefix, strlen(prefix)) == 0, "%s does not begin with %s", name, prefix);
	size_t n = 0;
	for (const char *p = name + strlen(prefix); *p != '\0' && n < 63; p++)
		buf[n++] = (char)tolower((unsigned char)*p);
	buf[n] = '\0';
	return buf;
}

START_TEST(words_are_those_of_the_api) {
	ck_assert_uint_eq(N_SETS, WORD_SETS - 1);
	for (size_t k = 0; k < N_SETS; k++) {
		const struct pair_of_sets *s = &sets[k];
		ck_assert_msg((unsigned)word_count(s->set) + 1 == s->d->n_values, "%s has %u values, the words %d", s->d->name,
		    s->d->n_values - 1, word_count(s->set));
		for (unsigned i = 0; i < s->d->n_values; i++) {
			char buf[64];
			int v = s->d->values[i].value;
			if (v != 0)
				ck_assert_str_eq(word_text(s->set, v), lower_tail(s->d->values[i].name, s->prefix, buf));
		}
	}
}
END_TEST

START_TEST(texts_lead_back_to_values) {
	for (size_t k = 0; k < N_SETS; k++) {
		int v = -1;
		for (int i = 1; i <= word_count(sets[k].set); i++) {
			ck_assert(word_value(sets[k].set, word_text(sets[k].set, i), &v));
			ck_assert_int_eq(v, i);
		}
		ck_assert(word_value(sets[k].set, "", &v) && v == 0);
		ck_assert(word_value(sets[k].set, NULL, &v) && v == 0);
		v = 7;
		ck_assert(!word_value(sets[k].set, "nonsense", &v) && v == 7);
		ck_assert_str_eq(word_text(sets[k].set, 0), "");
		ck_assert_str_eq(word_text(sets[k].set, -1), "");
		ck_assert_str_eq(word_text(sets[k].set, 1000), "");
	}
	ck_assert_str_eq(word_text(WORD_NO_SET, 1), "");
	ck_assert_str_eq(word_text(WORD_SETS, 1), "");
}
END_TEST

START_TEST(life_cycles_end_and_say_so) {
	static const enum word_set ending[] = { WORD_PLAN, WORD_TASK };
	for (int set = WORD_BASE; set <= WORD_TASK; set++)
		for (int v = 1; v <= word_count((enum word_set)set); v++)
			ck_assert_msg(*word_sentence((enum word_set)set, v) != '\0', "set %d, value %d has no sentence", set, v);
	for (size_t k = 0; k < sizeof ending / sizeof *ending; k++) {
		bool ended = false;
		for (int v = 1; v <= word_count(ending[k]); v++) {
			ck_assert_msg(
			    !ended || word_terminal(ending[k], v), "set %d: a living state stands behind a terminal one", ending[k]);
			ended = word_terminal(ending[k], v);
		}
		ck_assert(ended);
	}
	ck_assert(!word_terminal(WORD_PLAN, PLAN_NONE));
	ck_assert_str_eq(word_sentence(WORD_ROLE, ROLE_ADMIN), "");
}
END_TEST

TEST_SUITE("model/word", words_are_those_of_the_api, texts_lead_back_to_values, life_cycles_end_and_say_so)
