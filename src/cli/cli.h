/* The command line `berth`: what every command gets, and what it may answer.
 *
 * main.c parses, makes a struct cli and runs one handler of commands.def. A handler prints its data on standard output through output.h,
 * talks on standard error through cli_say(), and returns 0 (with cli->exit for the outcomes that are no errors) or an error that main
 * shows. Commands never exit, never print errors, never reach the network but through client.h. */
#ifndef BERTH_CLI_CLI_H
#define BERTH_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/opt.h"

struct arena;
struct client;
struct command;
struct loop;

/* What scripts rely on; documented in the man page. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NOT_FOUND = 3,
	CLI_DENIED = 4,
	CLI_CONFLICT = 5,
	CLI_TIMEOUT = 6,
	CLI_AWAY = 7,
	CLI_PERSON = 8, /* paused or waiting for a confirmation */
	CLI_ENDED = 9,  /* stopped, or superseded by another */
	CLI_INTERRUPTED = 130,
};

enum cli_format { FORMAT_TABLE, FORMAT_WIDE, FORMAT_JSON, FORMAT_YAML, FORMAT_NAME };

struct options {
#define O(field, ctype, ...) ctype field;
#include "cli/options.def"
#undef O
};

/* Where commands go and with what: flags before environment before context. */
struct context {
	char *name;                                                                          /* "" when there is none */
	char *address;                                                                       /* comma list; never NULL once resolved */
	char *token, *group, *tenant, *ca_file, *client_cert, *client_key, *database, *data; /* NULL: not set */
};

struct cli {
	struct options opt;
	const struct opts *given; /* which of them came from where */
	const struct command *cmd;
	int argc; /* what is left of the words */
	char **argv;
	struct arena *arena; /* for the whole command */
	struct context ctx;  /* filled by cli_context() */
	bool has_context;
	struct loop *loop;
	struct client *client; /* use cli_client() */
	enum cli_format format;
	bool color, color_err; /* of standard output and standard error */
	bool live;             /* standard error is a terminal that can be redrawn, and standard output is read by a person */
	bool utf8;
	int columns; /* width of the terminal; 0 = no terminal */
	int exit;    /* enum cli_exit of a command that returned 0 */
};

/* Format, colours and terminal from options and environment; once, before the command runs. */
int cli_setup(struct cli *c, struct err *err);
/* Resolves the context; needed before ctx is read. */
int cli_context(struct cli *c, struct err *err);
/* The client, connected to nothing yet; made at the first use; resolves the context. */
int cli_client(struct cli *c, struct client **ret, struct err *err);
/* Was the option given at all (argument, not default)? */
bool cli_given(const struct cli *c, const char *option);
/* One line of talk on standard error; nothing with --quiet. Control characters are made harmless. */
void cli_say(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* E_INVALID with a pointer to the command's help. */
int cli_usage(const struct cli *c, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
