/* The handlers that commands.def names: one file cmd_NOUN.c per noun. */
#ifndef BERTH_CLI_COMMANDS_H
#define BERTH_CLI_COMMANDS_H

struct cli;
struct err;

#define C(name, args, min, max, complete, run, ...) int run(struct cli *c, struct err *err);
#include "cli/commands.def"
#undef C

#endif
