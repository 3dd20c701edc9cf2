/* What agent and server make of arklet's words for a module. */
#include "../../suite.h"

#include "proto/arklet.h"
#include "proto/held.h"

#include <stdbool.h>

START_TEST(every_word_that_an_agent_can_say_has_one_meaning) {
	static const struct {
		enum arklet_state state;
		enum held_meaning meaning;
		bool counts;
	} cases[ARKLET_STATES] = {
		{ ARKLET_UNRESOLVED, HELD_ON_ITS_WAY, false },
		{ ARKLET_RESOLVED, HELD_ON_ITS_WAY, false },
		{ ARKLET_ACTIVATED, HELD_ACTIVE, true },
		{ ARKLET_DEACTIVATED, HELD_BESIDE, true },
		{ ARKLET_BROKEN, HELD_BROKEN, true },
		{ ARKLET_STOPPED, HELD_STOPPED, false },
	};
	for (int i = 0; i < ARKLET_STATES; i++) {
		const char *word = arklet_state_name(cases[i].state);
		ck_assert_int_eq(cases[i].state, i);
		ck_assert_int_eq(held_meaning(word), cases[i].meaning);
		ck_assert_msg((held_digest("orders", "1", word) != 0) == cases[i].counts, "%s", word);
	}
}
END_TEST

START_TEST(foreign_words_mean_broken) {
	ck_assert_int_eq(held_meaning("ACTIVATED"), HELD_ACTIVE);
	ck_assert_int_eq(held_meaning("dancing"), HELD_BROKEN);
	ck_assert_int_eq(held_meaning(NULL), HELD_BROKEN);
}
END_TEST

START_TEST(the_digest_tells_modules_apart) {
	ck_assert(held_digest("ab", "c", "activated") != held_digest("a", "bc", "activated"));
	ck_assert(held_digest("a", "1", "activated") != held_digest("a", "1", "deactivated"));
}
END_TEST

TEST_SUITE("proto/held", every_word_that_an_agent_can_say_has_one_meaning, foreign_words_mean_broken, the_digest_tells_modules_apart)
