/* Completion scripts for bash, zsh and fish, written from the tables of commands and options. Names of what exists come from the server
 * at the moment of completion (`berth … list -o name`), quickly and silently. Called by cmd_meta.c. */
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "cli/command.h"

/* Nouns in commands.def → the command that prints their names. */
static const struct {
	const char *noun, *command;
} sources[] = {
	{ "deployments", "list" },
	{ "bases", "base list" },
	{ "groups", "group list" },
	{ "modules", "module list" },
	{ "plans", "plan list" },
	{ "tokens", "token list" },
	{ "webhooks", "webhook list" },
	{ "contexts", "context list" },
	{ "versions", "module list" },
};

static const char *source_of(const char *noun) {
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		if (strcmp(sources[i].noun, noun) == 0)
			return sources[i].command;
	return NULL;
}

/* First words once each, in the table's order. */
static bool first_of_noun(size_t i) {
	size_t n = strcspn(commands[i].name, " ");
	for (size_t k = 0; k < i; k++)
		if (strcspn(commands[k].name, " ") == n && strncmp(commands[k].name, commands[i].name, n) == 0)
			return false;
	return true;
}

static void print_flags(const struct command *cmd, FILE *out) {
	struct opt_def defs[COMMAND_MAX_OPTIONS];
	size_t n = command_options(cmd, defs);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s--%s", i > 0 ? " " : "", defs[i].name);
}

static void bash_rows(FILE *out) {
	for (size_t i = 0; i < n_commands; i++) {
		const char *source = source_of(commands[i].complete);
		fprintf(out, "    '%s') flags='", commands[i].name);
		print_flags(&commands[i], out);
		fprintf(out, "'; names='%s' ;;\n", source != NULL ? source : "");
	}
}

static void bash_verbs(FILE *out) {
	for (size_t i = 0; i < n_commands; i++) {
		const char *name = commands[i].name;
		size_t n = strcspn(name, " ");
		if (name[n] != ' ' || !first_of_noun(i))
			continue;
		fprintf(out, "    %.*s) verbs='", (int)n, name);
		for (size_t k = i; k < n_commands; k++)
			if (strncmp(commands[k].name, name, n + 1) == 0)
				fprintf(out, "%s%s", k > i ? " " : "", commands[k].name + n + 1);
		fputs("' ;;\n", out);
	}
}

static void print_bash(FILE *out) {
	fputs("# berth completion for bash: source <(berth completion bash)\n_berth() {\n"
	      "  local cur=${COMP_WORDS[COMP_CWORD]} a=${COMP_WORDS[1]} b=${COMP_WORDS[2]} verbs= flags= names= at=2\n"
	      "  COMPREPLY=()\n  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W '",
	    out);
	for (size_t i = 0; i < n_commands; i++)
		if (first_of_noun(i))
			fprintf(out, "%.*s ", (int)strcspn(commands[i].name, " "), commands[i].name);
	fputs("' -- \"$cur\")); return\n  fi\n  case $a in\n", out);
	bash_verbs(out);
	fputs("  esac\n  if [ -n \"$verbs\" ]; then\n    if [ \"$COMP_CWORD\" -eq 2 ]; then COMPREPLY=($(compgen -W \"$verbs\" -- "
	      "\"$cur\")); return; fi\n"
	      "    a=\"$a $b\" at=3\n  fi\n  case $a in\n",
	    out);
	bash_rows(out);
	fputs("  esac\n  case $cur in\n  -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\")) ;;\n"
	      "  *) [ -n \"$names\" ] && [ \"$COMP_CWORD\" -eq \"$at\" ] && COMPREPLY=($(compgen -W \"$(berth $names -o name --retry-for "
	      "0s 2>/dev/null)\" -- \"$cur\"))\n"
	      "     [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n  esac\n}\ncomplete -F _berth berth\n",
	    out);
}

static void print_zsh(FILE *out) {
	fputs("#compdef berth\n# berth completion for zsh: source <(berth completion zsh)\nautoload -U +X bashcompinit && bashcompinit\n",
	    out);
	print_bash(out);
}

/* Single quotes of fish: only ' and \ are special. */
static void fish_quote(const char *s, FILE *out) {
	fputc('\'', out);
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('\'', out);
}

static void fish_when(const char *name, size_t n, FILE *out) {
	const char *gap = memchr(name, ' ', n);
	size_t first = gap != NULL ? (size_t)(gap - name) : n;
	fprintf(out, " -n '__fish_seen_subcommand_from %.*s", (int)first, name);
	if (gap != NULL)
		fprintf(out, "; and __fish_seen_subcommand_from %.*s", (int)(n - first - 1), gap + 1);
	fputc('\'', out);
}

static void fish_command(const struct command *cmd, FILE *out) {
	const char *name = cmd->name, *gap = strchr(name, ' ');
	if (gap == NULL) {
		fprintf(out, "complete -c berth -f -n __fish_use_subcommand -a %s -d ", name);
	} else {
		fputs("complete -c berth -f", out);
		fish_when(name, (size_t)(gap - name), out);
		fprintf(out, " -a %s -d ", gap + 1);
	}
	fish_quote(cmd->summary, out);
	fputc('\n', out);
	const char *source = source_of(cmd->complete);
	if (source != NULL) {
		fputs("complete -c berth -f", out);
		fish_when(name, strlen(name), out);
		fprintf(out, " -a '(berth %s -o name --retry-for 0s 2>/dev/null)'\n", source);
	}
	struct opt_def defs[COMMAND_MAX_OPTIONS];
	size_t n = command_options(cmd, defs);
	for (size_t i = 0; i < n; i++) {
		fputs("complete -c berth", out);
		fish_when(name, strlen(name), out);
		if (defs[i].letter != 0)
			fprintf(out, " -s %c", defs[i].letter);
		fprintf(out, " -l %s%s -d ", defs[i].name, defs[i].kind == OPT_BOOL ? "" : " -r");
		fish_quote(defs[i].help, out);
		fputc('\n', out);
	}
}

static void print_fish(FILE *out) {
	fputs("# berth completion for fish\n", out);
	for (size_t i = 0; i < n_commands; i++) {
		size_t n = strcspn(commands[i].name, " ");
		if (commands[i].name[n] == ' ' && first_of_noun(i))
			fprintf(out, "complete -c berth -f -n __fish_use_subcommand -a %.*s -d '%.*s …'\n", (int)n, commands[i].name,
			    (int)n, commands[i].name);
	}
	for (size_t i = 0; i < n_commands; i++)
		fish_command(&commands[i], out);
}

int command_print_completion(const char *shell, FILE *out, struct err *err) {
	static const struct {
		const char *shell;
		void (*print)(FILE *out);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };
	for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
		if (strcmp(shells[i].shell, shell) != 0)
			continue;
		shells[i].print(out);
		return 0;
	}
	return err_set(err, E_INVALID, "no completion for '%.40s'; there is bash, zsh and fish", shell);
}
