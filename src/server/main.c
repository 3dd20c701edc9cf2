/* berthd: options and the commands that only print; the others are command.c, and without one it is the server (berthd.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/faultpoint.h"
#include "model/lifecycle.h"
#include "server/berthd.h"
#include "server/command.h"

enum { EXIT_USAGE = 2 };

static void print_help(void) {
	printf("Usage: berthd [options]\n"
	       "       berthd COMMAND [ARGUMENT] [options]\n"
	       "The server of Berth: deploys modules onto running bases, with PostgreSQL as its ledger.\n\nCommands:\n");
	for (size_t i = 0; i < server_command_count; i++)
		printf("  %-9s %-10s %s\n", server_commands[i].name, server_commands[i].argument, server_commands[i].help);
	printf("\n");
	opt_print_help(server_option_table, server_option_count, stdout);
	printf("\nEach option is also a line of the configuration file and a variable: --log-level, log-level = … in [log], "
	       "BERTHD_LOG_LEVEL.\n"
	       "Signals: TERM and INT stop it in order, HUP reads certificates and the log level again.\n"
	       "\nExamples:\n"
	       "  berthd --data ./data                                    a server of its own, PostgreSQL included\n"
	       "  berthd --database-url postgresql://berth@db/berth       a second one on the same database stands by\n"
	       "  berthd --listen 0.0.0.0:7777 --tls-cert c.pem --tls-key k.pem\n"
	       "  berthd --print-config-file > berthd.conf\n");
}

static void print_man(void) {
	printf(".TH BERTHD 8 \"\" \"Berth %s\" \"Berth\"\n.SH NAME\nberthd \\- server of Berth\n.SH SYNOPSIS\n.B berthd\n[\\fICOMMAND\\fR "
	       "[\\fIARGUMENT\\fR]] [\\fIoptions\\fR]\n",
	    BERTH_VERSION);
	printf(".SH DESCRIPTION\nDeploys modules onto running bases. Decisions are made by one active server per database; others stand by "
	       "and take over.\n"
	       "Without \\fB\\-\\-database\\-url\\fR it runs a private PostgreSQL inside its data folder.\n.SH COMMANDS\n");
	for (size_t i = 0; i < server_command_count; i++)
		printf(".TP\n\\fB%s\\fR \\fI%s\\fR\n%s.\n", server_commands[i].name, server_commands[i].argument, server_commands[i].help);
	printf(".SH OPTIONS\n");
	opt_print_man(server_option_table, server_option_count, stdout);
	printf(
	    ".SH ENVIRONMENT\nEvery option as BERTHD_NAME in upper case, with _ for \\-; it goes before the file and after an argument.\n"
	    ".SH FILES\n.TP\n\\fIDATA\\fR/admin.token\nThe first admin token.\n.TP\n\\fIDATA\\fR/database.conninfo\nHow to reach the "
	    "database, with its password.\n"
	    ".TP\n\\fIDATA\\fR/witness\nWhat this server has seen of its cell.\n"
	    ".SH SIGNALS\nTERM, INT: stops in order. HUP: reads certificates and the log level again.\n.SH EXIT STATUS\n0 stopped, 1 "
	    "failed, 2 usage.\n");
}

#ifdef BERTH_FAULTS
static void print_faults(void) {
	faultpoint_print(stdout);
}
#endif

static void print_states(void) {
	lifecycle_print(stdout);
}

/* Commands that need no valid configuration come from the arguments alone: --help works whatever the file says. */
static bool print_only(int argc, char **argv) {
	static const struct {
		const char *name;
		void (*print)(void);
	} commands[] = {
		{ "--help", print_help },
		{ "-h", print_help },
		{ "--man", print_man },
		{ "--dump-states", print_states },
#ifdef BERTH_FAULTS
		{ "--dump-faults", print_faults },
#endif
	};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		for (size_t k = 0; k < sizeof commands / sizeof *commands; k++)
			if (strcmp(argv[i], commands[k].name) == 0) {
				commands[k].print();
				return true;
			}
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			printf("berthd %s\n", BERTH_VERSION);
			return true;
		}
		if (strcmp(argv[i], "--print-config-file") == 0) {
			opt_print_file(server_option_table, server_option_count, "Configuration of berthd.", stdout);
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv) {
	struct berthd server = { 0 };
	struct err err = ERR_INIT;
	if (print_only(argc, argv))
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	if (argc > 1 && argv[1][0] != '-')
		return server_command_run(argc, argv);
	server.argc = argc;
	server.argv = argv;
	if (options_read(argc, argv, &server.opt, &server.opts, &err) != 0) {
		fprintf(stderr, "berthd: %s\n", err.text);
		return EXIT_USAGE;
	}
	int status = EXIT_SUCCESS;
	if (server.opt.check_config)
		printf("berthd: the configuration is fine\n");
	else if (server.opt.show_config)
		opt_print_config(server.opts, stdout);
	else
		status = berthd_run(&server);
	opts_free(server.opts);
	return status;
}
