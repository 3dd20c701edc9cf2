/* berth-agent: reads options, runs the agent until it is told to stop.
 *
 * Exit codes: 0 stopped as asked; 1 failed to start or to go on; 2 usage; 3 refused by the server for good before it ever joined. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "base/err.h"
#include "base/log.h"
#include "loop/loop.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "berth-agent [options] -- COMMAND…         start and look after a base\n"
    "berth-agent [options] --arklet URL        look after a base that something else starts\n"
    "\n"
    "Joins the base to a cell, installs what the cell wants on it, restores it after a restart, with or without a server.\n"
    "In COMMAND {arklet_port}, {http_port}, {work_dir}, {data} and {base} are filled in; the base also finds them in\n"
    "BERTH_ARKLET_PORT, BERTH_HTTP_PORT, BERTH_WORK_DIR and BERTH_BASE. berth-base and java need no arguments for them.\n"
    "\n"
    "  berth-agent --server 127.0.0.1:7778 --token-file join.token --data n1 -- berth-base\n"
    "  berth-agent --server cell:7778 --tls --group shop -- java -Xmx512m -jar base.jar --server.port={http_port}\n"
    "\n"
    "SIGTERM and SIGINT stop agent and base. After kill -9 the base lives on, and the next agent takes it over.\n"
    "Exit codes: 0 stopped as asked, 1 failed, 2 usage, 3 refused by the server before it ever joined.\n";

static void on_signal(int signo, void *arg) {
	agent_stop(arg, signo == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* "a:1,b:1" counts as two, wherever it was written. */
static char **split_commas(char **list) {
	char **out = NULL;
	size_t n = 0;
	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		char *rest = list[i], *item;
		while ((item = strsep(&rest, ", ")) != NULL) {
			char **more = realloc(out, (n + 2) * sizeof *more);
			if (more == NULL)
				abort();
			out = more;
			if (*item != '\0')
				out[n++] = item;
			out[n] = NULL;
		}
	}
	return out;
}

static int check(const struct agent_options *o, bool has_command, struct err *err) {
	bool has_url = o->arklet != NULL || o->base_url != NULL;
	if (o->server == NULL || o->server[0] == NULL)
		return err_set(err, E_INVALID, "no server address; give --server HOST:PORT");
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return err_set(err, E_INVALID, "--tls-cert and --tls-key belong together");
	if (has_command == has_url)
		return err_set(err, E_INVALID, "%s",
		    has_command ? "a command and --arklet exclude each other"
		                : "give the base's command after --, or --arklet URL of one that something else starts");
	const char *url = o->arklet != NULL ? o->arklet : o->base_url;
	if (has_url && strncmp(url, "http://", 7) != 0)
		return err_set(err, E_INVALID, "--arklet %s: give http://HOST:PORT", url);
	return 0;
}

static int set_up_log(const struct agent_options *o, struct err *err) {
	enum log_level level;
	if (!log_level_parse(o->log_level, &level))
		return err_set(err, E_INVALID, "--log-level %s: give debug, info, warn or error", o->log_level);
	if (strcmp(o->log_format, "json") != 0 && strcmp(o->log_format, "logfmt") != 0)
		return err_set(err, E_INVALID, "--log-format %s: give logfmt or json", o->log_format);
	log_setup("berth-agent", level, *o->log_format == 'j' ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, 2);
	return 0;
}

static int run(const struct agent_options *o, char **command) {
	struct err err = ERR_INIT;
	struct loop *l = NULL;
	struct agent *a;
	if (loop_new(&l, &err) != 0 || agent_new(l, o, command, &a, &err) != 0) {
		loop_free(l);
		if (err.code == E_INVALID) { /* what was asked for: told as any other wrong argument */
			fprintf(stderr, "berth-agent: %s\n", err.text);
			return EXIT_USAGE;
		}
		log_error("cannot start", log_e(&err));
		return EXIT_FAILURE;
	}
	loop_on_signal(l, SIGTERM, on_signal, a);
	loop_on_signal(l, SIGINT, on_signal, a);
	agent_start(a);
	loop_run(l);
	int status = agent_exit_status(a);
	agent_free(a);
	loop_free(l);
	return status;
}

int main(int argc, char **argv) {
	struct agent_options o = { 0 };
	struct err err = ERR_INIT;
	struct opts *opts;
	int rest;
	if (opt_parse(agent_option_table, agent_option_count, "BERTH_AGENT_", NULL, argc, argv, &o, &opts, &rest, &err) != 0) {
		fprintf(stderr, "berth-agent: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (o.help) {
		fputs(usage, stdout);
		opt_print_help(agent_option_table, agent_option_count, stdout);
	} else if (o.version) {
		puts("berth-agent " BERTH_VERSION);
	} else if (o.show_config) {
		opt_print_config(opts, stdout);
	}
	if (o.help || o.version || o.show_config) {
		opts_free(opts);
		return EXIT_SUCCESS;
	}
	char **servers = split_commas(o.server), **command = rest < argc ? argv + rest : NULL;
	o.server = servers;
	int status = EXIT_USAGE;
	if (set_up_log(&o, &err) != 0 || check(&o, command != NULL, &err) != 0)
		fprintf(stderr, "berth-agent: %s\n", err.text);
	else
		status = run(&o, command);
	free(servers);
	opts_free(opts);
	return status;
}
