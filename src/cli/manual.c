/* The manual page, written from the tables of commands and options. Called by cmd_meta.c. */
#include <string.h>

#include "cli/command.h"

static void roff(const char *s, size_t n, FILE *out) {
	if (n > 0 && (*s == '.' || *s == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '-')
			fputs("\\-", out);
		else if (s[i] == '\\')
			fputs("\\e", out);
		else
			fputc(s[i], out);
	}
}

static void roff_str(const char *s, FILE *out) {
	roff(s, strlen(s), out);
}

static void print_command(const struct command *cmd, FILE *out) {
	struct opt_def defs[COMMAND_MAX_OPTIONS];
	size_t n = command_options(cmd, defs), own = 0;
	fputs(".SS berth ", out);
	roff_str(cmd->name, out);
	fputc(' ', out);
	roff_str(cmd->args, out);
	fputc('\n', out);
	roff_str(cmd->summary, out);
	fputs(".\n", out);
	roff_str(cmd->more, out);
	fputs("\n.nf\n", out);
	for (const char *e = cmd->examples; *e != '\0';) {
		size_t len = strcspn(e, "\n");
		fputs("    ", out);
		roff(e, len, out);
		fputc('\n', out);
		e += len + (e[len] == '\n');
	}
	fputs(".fi\n", out);
	while (own < n && strcmp(defs[own].section, "common") != 0)
		own++;
	opt_print_man(defs, own, out);
}

static const struct {
	const char *title, *text;
} closing[] = {
	{ "EXIT STATUS", "0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 conflict, 6 time\\-out (the reasons are printed), "
	                 "7 no server answers, "
	                 "8 a person is needed (paused, waiting for confirmation), 9 stopped or superseded by another, 130 interrupted; "
	                 "what was asked goes on." },
	{ "ENVIRONMENT", "BERTH_ADDRESS, BERTH_TOKEN, BERTH_CONTEXT, BERTH_TENANT, BERTH_CA_FILE, BERTH_CLIENT_CERT, BERTH_CLIENT_KEY: "
	                 "before the context, behind the options. NO_COLOR: no colours." },
	{ "FILES",
	    "$XDG_CONFIG_HOME/berth/contexts.ini (~/.config/berth/contexts.ini): a section per context with address, token, group, tenant, "
	    "ca_file, client_cert, client_key, database, data; current in section [berth]." },
};

void command_print_man(FILE *out) {
	struct opt_def defs[COMMAND_MAX_OPTIONS];
	fputs(".TH BERTH 1 \"\" \"berth " BERTH_VERSION "\"\n.SH NAME\nberth \\- put modules onto running bases, and know how they are\n"
	      ".SH SYNOPSIS\n\\fBberth\\fR \\fICOMMAND\\fR [options]\n.SH COMMON OPTIONS\n",
	    out);
	size_t n = command_options(NULL, defs);
	opt_print_man(defs, n, out);
	fputs(".SH COMMANDS\n", out);
	for (size_t i = 0; i < n_commands; i++)
		print_command(&commands[i], out);
	for (size_t i = 0; i < sizeof closing / sizeof *closing; i++)
		fprintf(out, ".SH %s\n%s\n", closing[i].title, closing[i].text);
}
