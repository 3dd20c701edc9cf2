/* The table of commands and what can be read off it: the one that was meant, its options, its help.
 * Completion and manual are in complete.c and manual.c. Prints only what it is told to, where it is told to. */
#include "cli/command.h"

#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/commands.h"

const struct command commands[] = {
#define C(name_, args_, min_, max_, complete_, run_, summary_, more_, options_, examples_) \
	{ .name = name_,                                                                   \
		.args = args_,                                                             \
		.min_args = min_,                                                          \
		.max_args = max_,                                                          \
		.complete = complete_,                                                     \
		.run = run_,                                                               \
		.summary = summary_,                                                       \
		.more = more_,                                                             \
		.options = options_,                                                       \
		.examples = examples_ },
#include "cli/commands.def"
#undef C
};
const size_t n_commands = sizeof commands / sizeof *commands;

static const struct opt_def all_options[] = {
#define O(field, ctype, name_, letter_, section_, kind_, fallback_, min_, max_, value_, help_, secret_) \
	{ .name = name_,                                                                                \
		.letter = letter_,                                                                      \
		.section = section_,                                                                    \
		.kind = kind_,                                                                          \
		.offset = offsetof(struct options, field),                                              \
		.fallback = fallback_,                                                                  \
		.min = min_,                                                                            \
		.max = max_,                                                                            \
		.value = value_,                                                                        \
		.help = help_,                                                                          \
		.secret = secret_ },
#include "cli/options.def"
#undef O
};
#define N_OPTIONS (sizeof all_options / sizeof *all_options)

/* Is `word` (n bytes) one of the blank-separated words of `list`? */
static bool list_has(const char *list, const char *word, size_t n) {
	for (const char *p = list; *p != '\0'; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");
		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
	}
	return false;
}

size_t command_options(const struct command *cmd, struct opt_def ret_defs[COMMAND_MAX_OPTIONS]) {
	size_t n = 0;
	for (size_t i = 0; i < N_OPTIONS && n < COMMAND_MAX_OPTIONS; i++) {
		const struct opt_def *d = &all_options[i];
		if (strcmp(d->section, "common") != 0 && cmd != NULL && list_has(cmd->options, d->name, strlen(d->name)))
			ret_defs[n++] = *d;
	}
	for (size_t i = 0; i < N_OPTIONS && n < COMMAND_MAX_OPTIONS; i++)
		if (strcmp(all_options[i].section, "common") == 0)
			ret_defs[n++] = all_options[i];
	return n;
}

/* Before the command is known, any option of any command may stand: does this one take the next word? */
static bool takes_value(const char *arg) {
	if (strncmp(arg, "--", 2) == 0) {
		for (size_t i = 0; i < N_OPTIONS; i++)
			if (strcmp(arg + 2, all_options[i].name) == 0)
				return all_options[i].kind != OPT_BOOL;
		return false;
	}
	for (size_t i = 0; arg[1] != '\0' && arg[2] == '\0' && i < N_OPTIONS; i++)
		if (all_options[i].letter == arg[1])
			return all_options[i].kind != OPT_BOOL;
	return false;
}

/* Places of the first two plain words in argv; 0 = none. */
static void first_words(int argc, char **argv, int at[2]) {
	int n = 0;
	at[0] = at[1] = 0;
	for (int i = 1; i < argc && n < 2; i++) {
		if (strcmp(argv[i], "--") == 0)
			return;
		if (argv[i][0] == '-' && argv[i][1] != '\0') {
			if (takes_value(argv[i]))
				i++;
			continue;
		}
		at[n++] = i;
	}
}

static const struct command *find(const char *a, const char *b) {
	size_t n = strlen(a);
	for (size_t i = 0; i < n_commands; i++) {
		const char *name = commands[i].name;
		if (strncmp(name, a, n) != 0)
			continue;
		if (b == NULL ? name[n] == '\0' : name[n] == ' ' && strcmp(name + n + 1, b) == 0)
			return &commands[i];
	}
	return NULL;
}

bool command_is(const char *word) {
	return find(word, NULL) != NULL;
}

static void remove_word(int *argc, char **argv, int at) {
	memmove(&argv[at], &argv[at + 1], (size_t)(*argc - at) * sizeof *argv); /* with the closing NULL */
	(*argc)--;
}

static bool is_noun(const char *word) {
	size_t n = strlen(word);
	for (size_t i = 0; i < n_commands; i++)
		if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ')
			return true;
	return false;
}

static void add_once(const char **names, size_t *n, const char *name) {
	for (size_t i = 0; i < *n; i++)
		if (strcmp(names[i], name) == 0)
			return;
	names[(*n)++] = name;
}

/* What people are used to from other tools. */
static const struct {
	const char *said, *meant;
} habits[] = {
	{ "deployment", "list" },
	{ "deployments", "list" },
	{ "get", "list" },
	{ "ps", "list" },
	{ "describe", "show" },
	{ "logs", "base logs" },
	{ "undo", "plan undo" },
	{ "drain", "base drain" },
	{ "cordon", "base cordon" },
	{ "push", "module push" },
};

static const char *habit(const char *word) {
	for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
		if (strcmp(habits[i].said, word) == 0)
			return habits[i].meant;
	return NULL;
}

/* "berth depoly": the nearest first word; "berth base lst": the nearest verb of that noun. */
static int unknown(const char *a, const char *b, struct err *err) {
	const char *names[2 * sizeof commands / sizeof *commands];
	char firsts[sizeof commands / sizeof *commands][32];
	size_t n = 0, len = strlen(a);
	bool noun = is_noun(a);
	if (noun && b == NULL)
		return err_set(err, E_INVALID, "berth %s needs one more word; `berth help %s` lists them", a, a);
	for (size_t i = 0; i < n_commands; i++) {
		const char *name = commands[i].name;
		if (noun) {
			if (strncmp(name, a, len) == 0 && name[len] == ' ')
				add_once(names, &n, name + len + 1);
			continue;
		}
		snprintf(firsts[i], sizeof firsts[i], "%.*s", (int)strcspn(name, " "), name);
		add_once(names, &n, firsts[i]);
	}
	const char *near = !noun && habit(a) != NULL ? habit(a) : name_nearest(noun ? b : a, names, n);
	const char *lead = noun ? a : "", *gap = noun ? " " : "";
	if (near == NULL)
		return err_set(
		    err, E_INVALID, "no command 'berth %s%s%.60s'; `berth help%s%s` lists them", lead, gap, noun ? b : a, gap, lead);
	return err_set(
	    err, E_INVALID, "no command 'berth %s%s%.60s'; did you mean: berth %s%s%s", lead, gap, noun ? b : a, lead, gap, near);
}

int command_find(int *argc, char **argv, const struct command **ret, struct err *err) {
	int at[2];
	first_words(*argc, argv, at);
	*ret = NULL;
	if (at[0] == 0)
		return 0;
	const char *a = argv[at[0]], *b = at[1] != 0 ? argv[at[1]] : NULL;
	const struct command *two = b != NULL ? find(a, b) : NULL;
	const struct command *one = two == NULL ? find(a, NULL) : NULL;
	if (two == NULL && one == NULL)
		return unknown(a, b, err);
	if (two != NULL)
		remove_word(argc, argv, at[1]);
	remove_word(argc, argv, at[0]);
	*ret = two != NULL ? two : one;
	return 0;
}

static void print_sentences(const char *text, FILE *out) {
	size_t at = 0;
	while (*text != '\0') {
		size_t n = strcspn(text, " ");
		if (at > 0 && at + 1 + n > 100) {
			fputc('\n', out);
			at = 0;
		}
		at += (size_t)fprintf(out, "%s%.*s", at > 0 ? " " : "", (int)n, text);
		text += n + (text[n] == ' ');
	}
	fputc('\n', out);
}

static void print_examples(const char *examples, FILE *out) {
	while (*examples != '\0') {
		size_t n = strcspn(examples, "\n");
		fprintf(out, "  %.*s\n", (int)n, examples);
		examples += n + (examples[n] == '\n');
	}
}

void command_print_help(const struct command *cmd, FILE *out) {
	struct opt_def defs[COMMAND_MAX_OPTIONS];
	size_t n = command_options(cmd, defs);
	fprintf(out, "berth %s: %s.\n\nUsage: berth %s%s%s [options]\n\n", cmd->name, cmd->summary, cmd->name,
	    cmd->args[0] != '\0' ? " " : "", cmd->args);
	if (cmd->more[0] != '\0') {
		print_sentences(cmd->more, out);
		fputc('\n', out);
	}
	fputs("Examples:\n", out);
	print_examples(cmd->examples, out);
	fputc('\n', out);
	opt_print_help(defs, n, out);
}

static void print_row(const struct command *cmd, FILE *out) {
	char head[96];
	snprintf(head, sizeof head, "%s%s%s", cmd->name, cmd->args[0] != '\0' ? " " : "", cmd->args);
	fprintf(out, "  %-30s %s\n", head, cmd->summary);
}

size_t command_print_noun(const char *noun, FILE *out) {
	size_t n = 0, len = strlen(noun);
	for (size_t i = 0; i < n_commands; i++) {
		if (strncmp(commands[i].name, noun, len) != 0 || commands[i].name[len] != ' ')
			continue;
		if (n++ == 0)
			fprintf(out, "berth %s …\n\n", noun);
		print_row(&commands[i], out);
	}
	if (n > 0)
		fprintf(out, "\n`berth help %s COMMAND` shows options and examples.\n", noun);
	return n;
}

void command_print_overview(FILE *out) {
	fputs("berth: put modules onto running bases, and know how they are.\n\nUsage: berth COMMAND [options]\n\n"
	      "  berth deploy ./hello.so          push, place, follow until it runs\n"
	      "  berth status                     what is not as wanted, and what mends it\n"
	      "  berth why DEPLOYMENT             why it is not where it should be\n\nCommands:\n",
	    out);
	for (size_t i = 0; i < n_commands; i++)
		print_row(&commands[i], out);
	fputs("\n`berth help COMMAND` shows options and examples. Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 "
	      "conflict,\n"
	      "6 time-out, 7 server away, 8 a person is needed (paused, waiting for confirmation), 9 stopped or superseded.\n",
	    out);
}
