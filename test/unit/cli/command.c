#include "cli/command.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../suite.h"
#include "base/err.h"
#include "cli/cli.h"

/* argv as main gets it: a mutable array of words. */
#define FIND(...)                                             \
	const char *words[] = { "berth", __VA_ARGS__, NULL }; \
	char *argv[sizeof words / sizeof *words];             \
	memcpy(argv, words, sizeof words);                    \
	int argc = (int)(sizeof words / sizeof *words) - 1;   \
	const struct command *cmd = NULL;                     \
	struct err err = ERR_INIT;                            \
	int r = command_find(&argc, argv, &cmd, &err)

START_TEST(one_word_is_found_and_taken_out) {
	FIND("deploy", "hello:1.0.0", "--replicas", "3");
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(cmd->name, "deploy");
	ck_assert_int_eq(argc, 4);
	ck_assert_str_eq(argv[1], "hello:1.0.0");
	ck_assert_ptr_null(argv[4]);
}
END_TEST

START_TEST(two_words_with_options_before_and_between) {
	FIND("--context", "base", "base", "-o", "json", "set", "n3", "--limit=6");
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(cmd->name, "base set");
	ck_assert_int_eq(argc, 7);
	ck_assert_str_eq(argv[1], "--context");
	ck_assert_str_eq(argv[2], "base");
	ck_assert_str_eq(argv[5], "n3");
}
END_TEST

START_TEST(no_word_is_no_command) {
	FIND("--help");
	ck_assert_int_eq(r, 0);
	ck_assert_ptr_null(cmd);
}
END_TEST

START_TEST(typos_name_the_nearest) {
	{
		FIND("depoly");
		ck_assert_int_eq(r, E_INVALID);
		ck_assert_ptr_nonnull(strstr(err.text, "did you mean: berth deploy"));
	}
	{
		FIND("base", "lits");
		ck_assert_int_eq(r, E_INVALID);
		ck_assert_ptr_nonnull(strstr(err.text, "did you mean: berth base list"));
	}
	{
		FIND("plan");
		ck_assert_int_eq(r, E_INVALID);
		ck_assert_ptr_nonnull(strstr(err.text, "berth help plan"));
	}
}
END_TEST

/* Parses what is left after command_find, as main does. */
static int parse(const struct command *cmd, int argc, char **argv, struct options *opt, struct opts **ret, int *rest, struct err *err) {
	struct opt_def defs[COMMAND_MAX_OPTIONS];
	return opt_parse(defs, command_options(cmd, defs), NULL, NULL, argc, argv, opt, ret, rest, err);
}

START_TEST(options_stand_anywhere) {
	FIND("--quiet", "deploy", "--replicas", "all", "hello:1.0.0", "-e", "A=1", "--no-wait", "-e", "B=2");
	struct options opt = { 0 };
	struct opts *opts;
	int rest;
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(parse(cmd, argc, argv, &opt, &opts, &rest, &err), 0);
	ck_assert(opt.quiet);
	ck_assert(!opt.wait);
	ck_assert_str_eq(opt.replicas, "all");
	ck_assert_str_eq(opt.env[1], "B=2");
	ck_assert_ptr_null(opt.env[2]);
	ck_assert_int_eq(argc - rest, 1);
	ck_assert_str_eq(argv[rest], "hello:1.0.0");
	opts_free(opts);
}
END_TEST

START_TEST(an_unknown_option_names_the_nearest_of_this_command) {
	FIND("deploy", "x:1", "--replcas", "3");
	struct options opt = { 0 };
	struct opts *opts;
	int rest;
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(parse(cmd, argc, argv, &opt, &opts, &rest, &err), E_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "did you mean --replicas"));
}
END_TEST

/* The table itself: every option a command names exists, no letter stands for two, every command explains itself. */
START_TEST(the_table_is_sound) {
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *cmd = &commands[i];
		struct opt_def defs[COMMAND_MAX_OPTIONS];
		size_t n = command_options(cmd, defs), named = 0, common = 0;
		for (const char *p = cmd->options; *p != '\0'; p += strspn(p, " ")) {
			size_t len = strcspn(p, " ");
			bool found = false;
			for (size_t k = 0; k < n; k++)
				found = found || (strlen(defs[k].name) == len && memcmp(defs[k].name, p, len) == 0);
			ck_assert_msg(found, "%s names option %.*s, which does not exist", cmd->name, (int)len, p);
			named++;
			p += len;
		}
		for (size_t k = 0; k < n; k++) {
			common += strcmp(defs[k].section, "common") == 0;
			for (size_t m = k + 1; m < n; m++)
				ck_assert_msg(defs[k].letter == 0 || defs[k].letter != defs[m].letter, "%s: -%c stands for --%s and --%s",
				    cmd->name, defs[k].letter, defs[k].name, defs[m].name);
		}
		ck_assert_uint_eq(named + common, n);
		ck_assert_msg(
		    strncmp(cmd->examples, "berth ", 6) == 0 || strncmp(cmd->examples, "source ", 7) == 0, "%s has no example", cmd->name);
		ck_assert(cmd->summary[0] != '\0' && cmd->min_args <= cmd->max_args);
	}
}
END_TEST

START_TEST(every_shell_gets_a_script) {
	static const char *const shells[] = { "bash", "zsh", "fish" };
	struct err err = ERR_INIT;
	for (size_t i = 0; i < 3; i++) {
		char *text = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&text, &n);
		ck_assert_int_eq(command_print_completion(shells[i], f, &err), 0);
		fclose(f);
		ck_assert_ptr_nonnull(strstr(text, "deploy"));
		ck_assert_ptr_nonnull(strstr(text, "max-unavailable"));
		free(text);
	}
	ck_assert_int_eq(command_print_completion("tcsh", stderr, &err), E_INVALID);
}
END_TEST

TEST_SUITE("cli/command", one_word_is_found_and_taken_out, two_words_with_options_before_and_between, no_word_is_no_command,
    typos_name_the_nearest, options_stand_anywhere, an_unknown_option_names_the_nearest_of_this_command, the_table_is_sound,
    every_shell_gets_a_script)
