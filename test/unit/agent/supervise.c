/* Placeholders, start times, adoption, the output ring: on real processes that end by themselves. */
#include "supervise.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/err.h"
#include "loop/loop.h"
#include "output.h"

START_TEST(fills_placeholders) {
	static const char *const names[] = { "http_port", "base", NULL };
	static const char *const values[] = { "8081", "b1" };
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "{http_port}", "8081" },
		{ "--p={http_port},{base}", "--p=8081,b1" },
		{ "{other}", "{other}" },
		{ "{http_port", "{http_port" },
		{ "{{base}}", "{b1}" },
		{ "${HOME}", "${HOME}" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *out = placeholders_fill(cases[i].in, names, values);
		ck_assert_str_eq(out, cases[i].out);
		free(out);
	}
}
END_TEST

START_TEST(start_time_tells_processes_apart) {
	ck_assert_int_gt(process_start_time(getpid()), 0);
	ck_assert_int_eq(process_start_time(getpid()), process_start_time(getpid()));
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	siginfo_t info;
	waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
	ck_assert_int_eq(process_start_time(child), 0); /* a zombie is nobody */
	waitpid(child, NULL, 0);
	ck_assert_int_eq(process_start_time(child), 0);
}
END_TEST

struct seen {
	struct loop *loop;
	int64_t pid, start;
	struct brain_exit exit;
	char output[256], blamed[64], text[64];
	int started, exited;
};

static void on_started(void *arg, int64_t pid, int64_t start, const struct err *err) {
	struct seen *s = arg;
	s->started++;
	s->pid = pid;
	s->start = start;
	if (err != NULL)
		loop_stop(s->loop);
}

static void on_exited(void *arg, const struct brain_exit *x) {
	struct seen *s = arg;
	s->exited++;
	s->exit = *x;
	snprintf(s->output, sizeof s->output, "%s", x->output);
	snprintf(s->blamed, sizeof s->blamed, "%s", x->blamed != NULL ? x->blamed : "");
	snprintf(s->text, sizeof s->text, "%s", x->text);
	loop_stop(s->loop);
}

static void run_one(char **command, struct seen *s) {
	static char folder[32];
	struct output *o;
	struct supervise *v;
	struct err err = ERR_INIT;
	snprintf(folder, sizeof folder, "/tmp/berth-sup-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(loop_new(&s->loop, &err), 0);
	ck_assert_int_eq(output_new(s->loop, folder, &o, &err), 0);
	struct supervise_config c = { .command = command, .dir = folder, .base = "b1" };
	ck_assert_int_eq(supervise_new(s->loop, o, &c, on_started, on_exited, s, &v, &err), 0);
	ck_assert_int_eq(supervise_prepare(v, &err), 0);
	supervise_start(v);
	loop_run(s->loop);
	supervise_free(v);
	output_free(o);
	loop_free(s->loop);
}

static char *words(const char *s) {
	return (char *)(uintptr_t)s;
}

START_TEST(tells_how_it_ended) {
	struct seen s = { 0 };
	char *sh[] = { words("sh"), words("-c"),
		words(
		    "echo port $BERTH_HTTP_PORT {base}; echo berth-base: crashed in module bad:1.2 GET /x '(SIGSEGV)' >&2; kill -SEGV $$"),
		NULL };
	run_one(sh, &s);
	ck_assert(s.started == 1 && s.exited == 1 && s.start > 0);
	ck_assert(s.exit.known && s.exit.signo == SIGSEGV);
	ck_assert_str_eq(s.text, "was killed by SIGSEGV");
	ck_assert_str_eq(s.blamed, "bad:1.2");
	ck_assert_ptr_nonnull(strstr(s.output, " b1\n"));
	struct seen e = { 0 };
	char *three[] = { words("sh"), words("-c"), words("exit 3"), NULL };
	run_one(three, &e);
	ck_assert(e.exit.known && e.exit.signo == 0 && e.exit.code == 3);
	struct seen none = { 0 };
	char *absent[] = { words("/no/such/program"), NULL };
	run_one(absent, &none);
	ck_assert(none.started == 1 && none.pid == 0 && none.exited == 0);
}
END_TEST

START_TEST(output_is_a_ring) {
	char folder[] = "/tmp/berth-out-XXXXXX", path[64], line[128];
	struct loop *l;
	struct output *o;
	struct err err = ERR_INIT;
	struct stat st;
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/base.log", folder);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	for (int i = 0; i < 30000; i++) {
		int n = snprintf(line, sizeof line, "line %d of the base's output, long enough to fill the ring\n", i);
		ck_assert_int_eq(write(fd, line, (size_t)n), n);
	}
	ck_assert_int_eq(loop_new(&l, &err), 0);
	ck_assert_int_eq(output_new(l, folder, &o, &err), 0); /* cuts what grew while nobody looked */
	ck_assert(stat(path, &st) == 0 && st.st_size == 0);
	ck_assert_int_eq(write(fd, "the end\n", 8), 8);
	char *tail = output_tail(o, 200, 2);
	ck_assert_str_eq(tail, "line 29999 of the base's output, long enough to fill the ring\nthe end");
	free(tail);
	close(fd);
	output_free(o);
	loop_free(l);
}
END_TEST

TEST_SUITE("agent/supervise", fills_placeholders, start_time_tells_processes_apart, tells_how_it_ended, output_is_a_ring)
