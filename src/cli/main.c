/* berth: the command line. Finds the command, parses, runs it, shows its error, returns its exit code. Everything else is in the
 * commands (cmd_*.c) and what they stand on. */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/problem.h"
#include "cli/suggest.h"
#include "loop/loop.h"

static void print_error(struct cli *c, const struct err *err) {
	BUF_AUTO out = BUF_INIT;
	const json_t *problem = c->client != NULL ? client_problem(c->client) : NULL;
	bool from_server = problem != NULL;
	problem_print(err, problem, c->color_err, &out);
	const char *list = strstr(err->text, "there is: ");
	bool told = strstr(err->text, "did you mean") != NULL || strstr(err->text, "there is none") != NULL ||
	            (list != NULL && strstr(list, "berth ") == NULL);
	if (err->code == E_NOT_FOUND && from_server && !told && c->cmd != NULL)
		suggest_names(c, &out);
	fputs(buf_str(&out), stderr);
}

static int check_words(const struct cli *c, struct err *err) {
	const struct command *cmd = c->cmd;
	if (c->argc >= cmd->min_args && c->argc <= cmd->max_args)
		return 0;
	if (c->argc > cmd->max_args)
		return cli_usage(c, err, "berth %s takes no '%s'", cmd->name, c->argv[cmd->max_args]);
	return cli_usage(c, err, "berth %s needs %s", cmd->name, cmd->args);
}

/* What was meant for psql gets a hint of its own; the rest learns how help is asked for. */
static int bad_option(const struct cli *c, const struct err *first, struct err *err) {
	if (c->cmd->run == cmd_sql)
		return err_set(
		    err, E_INVALID, "%.300s; psql's own options come after --: berth sql -- -c 'table dash.plan_progress'", first->text);
	return cli_usage(c, err, "%.500s", first->text);
}

static int run(struct cli *c, int argc, char **argv, struct opts **ret_opts, struct err *err) {
	struct opt_def *defs =
	    arena_alloc(c->arena, COMMAND_MAX_OPTIONS * sizeof *defs); /* c->given looks at them as long as the command runs */
	int rest;
	int r = opt_parse(defs, command_options(c->cmd, defs), NULL, NULL, argc, argv, &c->opt, ret_opts, &rest, err);
	if (r != 0) {
		if (c->cmd != NULL && strstr(err->text, "did you mean") == NULL && strstr(err->text, "; ") == NULL) {
			struct err first = *err;
			return bad_option(c, &first, err);
		}
		return r;
	}
	c->given = *ret_opts;
	c->argc = argc - rest;
	c->argv = argv + rest;
	if (c->opt.help) {
		if (c->cmd != NULL)
			command_print_help(c->cmd, stdout);
		else
			command_print_overview(stdout);
		return 0;
	}
	if (c->cmd == NULL) {
		command_print_overview(stdout);
		c->exit = CLI_USAGE;
		return 0;
	}
	r = check_words(c, err);
	if (r == 0)
		r = cli_setup(c, err);
	return r != 0 ? r : c->cmd->run(c, err);
}

/* `berth base` and `berth base --help`: what can be said after the noun. */
static bool noun_alone(int argc, char **argv) {
	if (argc < 2 || command_is(argv[1]))
		return false; /* `berth version` is a command and a noun */
	bool help = argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
	return (argc == 2 || help) && argv[1][0] != '-' && command_print_noun(argv[1], help ? stdout : stderr) > 0;
}

int main(int argc, char **argv) {
	struct cli c = { .arena = arena_new() };
	struct opts *opts = NULL;
	struct err err = ERR_INIT;
	setlocale(LC_CTYPE, "");
	c.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	signal(SIGPIPE, SIG_IGN);
	c.color_err = isatty(STDERR_FILENO) != 0;
	char version[] = "version";
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		argv[1] = version;
	int exit = CLI_OK;
	if (noun_alone(argc, argv)) {
		exit = argc == 3 ? CLI_OK : CLI_USAGE;
	} else {
		int r = command_find(&argc, argv, &c.cmd, &err);
		if (r == 0)
			r = run(&c, argc, argv, &opts, &err);
		if (r != 0)
			print_error(&c, &err);
		exit = r != 0 ? problem_exit(r) : c.exit;
	}
	if (fflush(stdout) != 0 && exit == CLI_OK)
		exit = CLI_FAILED; /* a full disk behind a redirection is no success */
	client_free(c.client);
	loop_free(c.loop);
	opts_free(opts); /* before the arena: it holds their table */
	arena_free(c.arena);
	return exit;
}
