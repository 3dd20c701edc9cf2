/* The table of commands, and what they have in common: an argument, then options as the server takes them. */
#include "server/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "ledger/ledger.h"

enum { EXIT_USAGE = 2 };

static int init_dash_run(const struct server_options *o, const char *argument, struct err *err) {
	printf("-- Makes role berth_dash, which reads schema dash. For psql as an administrator, in the database of the server; may be run "
	       "again.\n");
	int r = dash_statements(stdout, err);
	if (r == 0)
		printf("-- It has no password yet: \\password berth_dash\n");
	return r;
}

const struct server_command server_commands[] = {
	{ "backup", "DIR|FILE", "Writes the database into one file, also while the server runs", backup_run },
	{ "restore", "FILE", "Makes the private database of a fresh data folder from a backup", restore_run },
	{ "init-dash", "", "Prints the statements that make the role for dashboards, for a database of your own", init_dash_run },
};
const size_t server_command_count = sizeof server_commands / sizeof *server_commands;

static const struct server_command *find(const char *name) {
	for (size_t i = 0; i < server_command_count; i++)
		if (strcmp(server_commands[i].name, name) == 0)
			return &server_commands[i];
	return NULL;
}

static int usage(const char *text, const char *what) {
	fprintf(stderr, "berthd: %s%s; see berthd --help\n", text, what);
	return EXIT_USAGE;
}

int server_command_run(int argc, char **argv) {
	struct server_options o;
	struct opts *handle;
	struct err err = ERR_INIT;
	const struct server_command *c = find(argv[1]);
	if (c == NULL)
		return usage("no such command: ", argv[1]);
	int taken = *c->argument != '\0' ? 2 : 1;
	if (taken == 2 && (argc < 3 || argv[2][0] == '-' || argv[2][0] == '\0'))
		return usage(c->name, " needs a path");
	const char *argument = taken == 2 ? argv[2] : "";
	argv[taken] = argv[0];
	if (options_read(argc - taken, argv + taken, &o, &handle, &err) != 0) {
		fprintf(stderr, "berthd: %s\n", err.text);
		return EXIT_USAGE;
	}
	log_setup("berthd", o.level > LOG_LEVEL_WARN ? o.level : LOG_LEVEL_WARN, o.format, STDERR_FILENO);
	int r = c->run(&o, argument, &err);
	opts_free(handle);
	if (r == 0 && fflush(stdout) != 0)
		r = err_errno(&err, errno, "standard output");
	if (r != 0)
		fprintf(stderr, "berthd: %s\n", err.text);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
