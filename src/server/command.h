/* berthd COMMAND …: what is done beside the server, in the foreground, to its end. */
#ifndef BERTH_SERVER_COMMAND_H
#define BERTH_SERVER_COMMAND_H

#include <stddef.h>

#include "server/options.h"

struct server_command {
	const char *name, *argument, *help;
	int (*run)(const struct server_options *o, const char *argument, struct err *err); /* argument: "" when the command takes none */
};
extern const struct server_command server_commands[];
extern const size_t server_command_count;

int server_command_run(int argc, char **argv); /* argv[1] is the command; the exit status */

/* backup.c */
int backup_run(const struct server_options *o, const char *path, struct err *err);
int restore_run(const struct server_options *o, const char *path, struct err *err);

#endif
