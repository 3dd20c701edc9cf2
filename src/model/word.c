/* The word tables, built from states.def and names.def. The enums in word.h are checked against them here, at compile time. */
#include "model/word.h"

#include <assert.h>
#include <string.h>

enum word_index {
#define S(obj, sym, text, terminal, sentence) IDX_##obj##_##sym,
#define N(set, sym, text) IDX_##set##_##sym,
#include "model/states.def"
#include "model/names.def"
#undef S
#undef N
	WORDS
};

static const struct word {
	enum word_set set;
	int value;
	const char *text;
	bool terminal;
	const char *sentence;
} words[] = {
#define S(obj, sym, txt, term, sent) { .set = WORD_##obj, .value = obj##_##sym, .text = txt, .terminal = term, .sentence = sent },
#define N(s, sym, txt) { .set = WORD_##s, .value = s##_##sym, .text = txt, .sentence = "" },
#include "model/states.def"
#include "model/names.def"
#undef S
#undef N
};

/* Rows of one set stand together, in the order of their enum: the row of (set, value) is first row of set + value - 1. */
static int set_first(enum word_set set) {
	static const int first[WORD_SETS] = {
		[WORD_NO_SET] = -1,
		[WORD_BASE] = IDX_BASE_JOINING,
		[WORD_DEPLOYMENT] = IDX_DEPLOYMENT_WAITING,
		[WORD_INSTANCE] = IDX_INSTANCE_PENDING,
		[WORD_PLAN] = IDX_PLAN_QUEUED,
		[WORD_BATCH] = IDX_BATCH_PENDING,
		[WORD_TASK] = IDX_TASK_PENDING,
		[WORD_RUNTIME] = IDX_RUNTIME_NATIVE,
		[WORD_PLACEMENT] = IDX_PLACEMENT_SPREAD,
		[WORD_UPGRADE_POLICY] = IDX_UPGRADE_POLICY_AUTO,
		[WORD_ON_FAILURE] = IDX_ON_FAILURE_PAUSE,
		[WORD_CONFIRM] = IDX_CONFIRM_NONE,
		[WORD_UNMANAGED] = IDX_UNMANAGED_REPORT,
		[WORD_ROLE] = IDX_ROLE_READ,
		[WORD_FAULT] = IDX_FAULT_MODULE,
		[WORD_TASK_KIND] = IDX_TASK_KIND_INSTALL,
		[WORD_PLAN_KIND] = IDX_PLAN_KIND_RELEASE,
		[WORD_FINDING] = IDX_FINDING_UNMANAGED,
		[WORD_GROUP_MODE] = IDX_GROUP_MODE_MANAGE,
	};
	return first[set];
}

static const struct word *word_find(enum word_set set, int value) {
	if (set <= WORD_NO_SET || set >= WORD_SETS || value <= 0)
		return NULL;
	int i = set_first(set) + value - 1;
	if (i >= WORDS || words[i].set != set)
		return NULL;
	assert(words[i].value == value);
	return &words[i];
}

const char *word_text(enum word_set set, int value) {
	const struct word *w = word_find(set, value);
	return w == NULL ? "" : w->text;
}

const char *word_sentence(enum word_set set, int value) {
	const struct word *w = word_find(set, value);
	return w == NULL ? "" : w->sentence;
}

bool word_terminal(enum word_set set, int value) {
	const struct word *w = word_find(set, value);
	return w != NULL && w->terminal;
}

int word_count(enum word_set set) {
	int n = 0;
	while (word_find(set, n + 1) != NULL)
		n++;
	return n;
}

bool word_value(enum word_set set, const char *text, int *ret) {
	if (text == NULL || *text == '\0') {
		*ret = 0;
		return true;
	}
	const struct word *w;
	for (int v = 1; (w = word_find(set, v)) != NULL; v++) {
		if (strcmp(w->text, text) == 0) {
			*ret = v;
			return true;
		}
	}
	return false;
}
