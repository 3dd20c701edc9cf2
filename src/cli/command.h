/* The table of commands (commands.def): finding one by its words, its options, its help. Used by main, completion and the manual. */
#ifndef BERTH_CLI_COMMAND_H
#define BERTH_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/opt.h"

struct cli;
struct err;

struct command {
	const char *name;       /* "base list" */
	const char *args;       /* "BASE", "" */
	int min_args, max_args; /* words after the name */
	const char *complete;   /* nouns whose names complete the first word: "bases", or "" */
	const char *summary;
	const char *more;     /* further sentences for help and manual, or "" */
	const char *options;  /* their names, separated by blanks */
	const char *examples; /* lines, each "command  # why" */
	int (*run)(struct cli *c, struct err *err);
};

extern const struct command commands[];
extern const size_t n_commands;

/* Finds the command in argv[1…], whatever options stand before or between its words, and takes its words out of argv (argc shrinks).
 * *ret NULL: no word at all. E_INVALID names the nearest command. */
int command_find(int *argc, char **argv, const struct command **ret, struct err *err);

/* Is this one word a command by itself? */
bool command_is(const char *word);

#define COMMAND_MAX_OPTIONS 64
/* The option table of one command (NULL: the common options only) in ret_defs; returns how many. Offsets are into struct options. */
size_t command_options(const struct command *cmd, struct opt_def ret_defs[COMMAND_MAX_OPTIONS]);

void command_print_help(const struct command *cmd, FILE *out);
void command_print_overview(FILE *out);
/* "base": the commands below a first word, for `berth base --help`. Returns how many there are. */
size_t command_print_noun(const char *noun, FILE *out);
/* "berth help for DEPLOYMENT", the man page, the completion script of a shell (bash, zsh, fish). */
void command_print_man(FILE *out);
int command_print_completion(const char *shell, FILE *out, struct err *err);

#endif
