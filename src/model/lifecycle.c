/* The tables of lifecycle.def as one array and one index. A second row for the same two states does not compile (-Woverride-init). */
#include "model/lifecycle.h"

#include <stdint.h>

#define STATES 16 /* more than any object has */
#define ANY 15

enum {
#define R(obj, no, from, to, event, condition, text) ROW_##obj##_##no,
#include "model/lifecycle.def"
#undef R
	ROWS
};

enum { BASE_ANY = ANY, DEPLOYMENT_ANY = ANY, INSTANCE_ANY = ANY, PLAN_ANY = ANY, BATCH_ANY = ANY, TASK_ANY = ANY };

static const struct transition rows[] = {
#define R(obj, no, a, b, ev, cond, text)                                    \
	[ROW_##obj##_##no] = {                                              \
		.set = WORD_##obj,                                          \
		.number = no,                                               \
		.from = obj##_##a == ANY ? TRANSITION_ANY : (int)obj##_##a, \
		.to = obj##_##b,                                            \
		.event = ev,                                                \
		.condition = cond,                                          \
		.sentence = text,                                           \
	},
#include "model/lifecycle.def"
#undef R
};

/* [set][from][to] = row + 1 */
static const uint8_t index_of[WORD_TASK + 1][STATES][STATES] = {
#define R(obj, no, a, b, ev, cond, text) [WORD_##obj][obj##_##a][obj##_##b] = ROW_##obj##_##no + 1,
#include "model/lifecycle.def"
#undef R
};
_Static_assert(ROWS < UINT8_MAX, "the index counts in bytes");

size_t transition_count(void) {
	return ROWS;
}

const struct transition *transition_at(size_t row) {
	return &rows[row];
}

size_t transition_row(enum word_set set, int from, int to) {
	if (set > WORD_TASK || from < 0 || from >= ANY || to <= 0 || to >= ANY)
		return ROWS;
	uint8_t own = index_of[set][from][to], any = from == 0 || word_terminal(set, from) ? 0 : index_of[set][ANY][to];
	uint8_t found = own != 0 ? own : any;
	return found == 0 ? ROWS : (size_t)found - 1;
}

const char *lifecycle_object(enum word_set set) {
	static const char *const names[] = { [WORD_BASE] = "base",
		[WORD_DEPLOYMENT] = "deployment",
		[WORD_INSTANCE] = "instance",
		[WORD_PLAN] = "plan",
		[WORD_BATCH] = "batch",
		[WORD_TASK] = "task" };
	return names[set];
}

static const char *from_text(const struct transition *t) {
	return t->from == TRANSITION_ANY ? "(any)" : t->from == 0 ? "(new)" : word_text(t->set, t->from);
}

static void print_states(enum word_set set, FILE *out) {
	fprintf(out, "\n## %s\n\n| state | final | |\n| --- | --- | --- |\n", lifecycle_object(set));
	for (int v = 1; v <= word_count(set); v++)
		fprintf(out, "| %s | %s | %s |\n", word_text(set, v), word_terminal(set, v) ? "yes" : "", word_sentence(set, v));
}

void lifecycle_print(FILE *out) {
	fprintf(out, "# Life cycles\n\nWhat `berthd --dump-states` prints. The server changes no state but by one of these rows.\n");
	for (int set = WORD_BASE; set <= WORD_TASK; set++) {
		print_states((enum word_set)set, out);
		fprintf(out, "\n| row | from | to | event | condition | |\n| --- | --- | --- | --- | --- | --- |\n");
		for (size_t i = 0; i < ROWS; i++)
			if (rows[i].set == (enum word_set)set)
				fprintf(out, "| %s %d | %s | %s | %s | %s | %s |\n", lifecycle_object(rows[i].set), rows[i].number,
				    from_text(&rows[i]), word_text(rows[i].set, rows[i].to), rows[i].event, rows[i].condition,
				    rows[i].sentence);
	}
}
