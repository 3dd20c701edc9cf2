/* berth-base, the native base: a process that loads modules (include/berth/module.h), serves their routes and takes arklet commands.
 * Here: options, making the parts, signals, taking the parts down again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arklet.h"
#include "base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/name.h"
#include "check.h"
#include "crash.h"
#include "front.h"
#include "heartbeat.h"
#include "loop/fetch.h"
#include "loop/loop.h"
#include "stop.h"
#include "workdir.h"

enum { EXIT_USAGE = 2 };

static void print_help(void) {
	printf("Usage: berth-base [options]\n"
	       "The native base of Berth: loads modules (.so) on command, serves their routes, speaks arklet's HTTP API.\n\n");
	opt_print_help(base_option_table, base_option_count, stdout);
	printf("\nExamples:\n"
	       "  berth-base --name shop --listen 127.0.0.1:8080\n"
	       "  curl -d '{\"bizUrl\":\"file:///srv/modules/hello.so\"}' 127.0.0.1:1238/installBiz\n"
	       "  curl 127.0.0.1:8080/hello\n");
}

static int options_check(struct base_options *o, struct err *err) {
	enum log_level level;
	if (!log_level_parse(o->log_level, &level))
		return err_set(err, E_INVALID, "--log-level %s: debug, info, warn and error are possible", o->log_level);
	if (strcmp(o->log_format, "logfmt") != 0 && strcmp(o->log_format, "json") != 0)
		return err_set(err, E_INVALID, "--log-format %s: logfmt and json are possible", o->log_format);
	log_setup("berth-base", level, strcmp(o->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, STDERR_FILENO);
	return name_check(NAME_PLAIN, o->name, "", "--name", err);
}

/* 0: go on. Else the exit status is in *ret_status. */
static int options_read(struct base *base, int argc, char **argv, struct opts **ret, int *ret_status) {
	struct err err = ERR_INIT;
	int rest = argc;
	*ret_status = EXIT_USAGE;
	int rc = opt_parse(base_option_table, base_option_count, "BERTH_BASE_", NULL, argc, argv, &base->opt, ret, &rest, &err);
	if (!rc && (base->opt.help || base->opt.version || base->opt.show_config)) {
		*ret_status = EXIT_SUCCESS;
		if (base->opt.help)
			print_help();
		else if (base->opt.version)
			printf("berth-base %s\n", BERTH_VERSION);
		else
			opt_print_config(*ret, stdout);
		return 1;
	}
	if (!rc && rest < argc)
		rc = err_set(&err, E_INVALID, "unexpected argument %s; berth-base takes options only, see --help", argv[rest]);
	if (!rc)
		rc = options_check(&base->opt, &err);
	if (rc)
		fprintf(stderr, "berth-base: %s\n", err.text);
	return rc;
}

static int parts_make(struct base *base, int *ret_port, int *ret_arklet, struct err *err) {
	int rc;
	unsigned workers = (unsigned)base->opt.workers;
	registry_init(&base->registry);
	if ((rc = workdir_open(base->opt.work_dir, &base->workdir, err)) || (rc = loop_new(&base->loop, err)) ||
	    (rc = fetcher_new(base->loop, &base->fetcher, err)) ||
	    (rc = pool_new(base->loop, "operation", (unsigned)base->opt.operations, 1024, &base->operations, err)) ||
	    (rc = pool_new(base->loop, "handler", workers, workers, &base->handlers, err)) || (rc = check_new(base, &base->check, err)))
		return rc;
	dispatch_init(&base->dispatch, base->handlers, workers, (unsigned)base->opt.queue);
	if ((rc = front_new(base, &base->front, ret_port, err)) || (rc = arklet_new(base, &base->arklet, ret_arklet, err)))
		return rc;
	return 0;
}

static void identity_choose(struct base *base, int port) {
	char host[96] = "localhost";
	if (base->opt.identity) {
		snprintf(base->identity, sizeof base->identity, "%s", base->opt.identity);
		return;
	}
	gethostname(host, sizeof host - 1);
	snprintf(base->identity, sizeof base->identity, "%s-%d", host, port);
}

/* "127.0.0.1:0" and 8080 → "127.0.0.1:8080" */
static void add_address(struct buf *b, const char *key, const char *listen, int port) {
	BUF_AUTO text = BUF_INIT;
	const char *bracket = strrchr(listen, ']');
	size_t host = bracket ? (size_t)(bracket - listen) + 1 : strcspn(listen, ":");
	if (strncmp(listen, "unix:", 5) == 0)
		buf_add_str(&text, listen);
	else
		buf_printf(&text, "%.*s:%d", (int)host, listen, port);
	buf_printf(b, ",\"%s\":", key);
	buf_add_json(b, buf_str(&text));
}

static int port_file_write(const struct base *base, int port, int arklet, struct err *err) {
	BUF_AUTO b = BUF_INIT;
	if (!base->opt.port_file)
		return 0;
	buf_printf(&b, "{\"pid\":%ld,\"http\":%d,\"arklet\":%d", (long)getpid(), port, arklet);
	add_address(&b, "httpAddress", base->opt.listen, port);
	add_address(&b, "arkletAddress", base->opt.listen_arklet, arklet);
	buf_add_str(&b, ",\"identity\":");
	buf_add_json(&b, base->identity);
	buf_add_str(&b, "}\n");
	return file_write(base->opt.port_file, b.data, b.len, 0644, err);
}

static void on_stop_signal(int signo, void *arg) {
	stop_begin(arg);
}

/* What is still in a module when the time is up cannot be taken down under it: then only the process can end. */
static bool parts_busy(const struct base *base) {
	return (base->operations && !pool_idle(base->operations)) || (base->handlers && !pool_idle(base->handlers)) ||
	       base->registry.count > 0;
}

static void parts_free(struct base *base) {
	fetcher_free(base->fetcher); /* first: what it cancels still answers its request */
	front_free(base->front);
	arklet_free(base->arklet);
	heartbeat_free(base->heartbeat);
	check_free(base->check);
	pool_free(base->handlers);
	pool_free(base->operations);
	stop_free(base->stop); /* late: what the others give up while they go still reports to it */
	loop_free(base->loop);
}

static int serve(struct base *base, struct err *err) {
	int port = 0, arklet = 0;
	int rc = parts_make(base, &port, &arklet, err);
	if (rc)
		return rc;
	identity_choose(base, arklet);
	if (base->opt.heartbeat && (rc = heartbeat_new(base, arklet, &base->heartbeat, err)))
		return rc;
	base->stop = stop_new(base);
	loop_on_signal(base->loop, SIGTERM, on_stop_signal, base->stop);
	loop_on_signal(base->loop, SIGINT, on_stop_signal, base->stop);
	rc = port_file_write(base, port, arklet, err);
	if (!rc) {
		log_info("ready", log_s("name", base->opt.name), log_s("identity", base->identity), log_i("http", port),
		    log_i("arklet", arklet), log_i("pid", getpid()));
		loop_run(base->loop);
		rc = stop_clean(base->stop) ? 0 : err_set(err, E_TIMEOUT, "not everything stopped in time (--stop-wait)");
	}
	return rc;
}

int main(int argc, char **argv) {
	struct base base = { .started = clock_mono(&clock_real) };
	struct opts *opts = NULL;
	struct err err = ERR_INIT;
	int status;
	crash_setup();
	if (options_read(&base, argc, argv, &opts, &status) == 0) {
		status = serve(&base, &err) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
		if (err.code)
			log_error("berth-base ends", log_e(&err));
		else
			log_info("stopped");
		if (parts_busy(&base)) {
			workdir_close(base.workdir);
			_exit(status);
		}
		parts_free(&base);
		workdir_close(base.workdir);
	}
	opts_free(opts);
	return status;
}
