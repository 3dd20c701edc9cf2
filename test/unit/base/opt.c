#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/err.h"
#include "base/file.h"
#include "base/opt.h"

struct target {
	char *config, *listen, *token;
	int64_t port, wait_us, cache_bytes;
	bool verbose;
	char **server;
};

static const struct opt_def defs[] = {
	{ "config", 'c', "general", OPT_STRING, offsetof(struct target, config), NULL, 0, 0, "FILE", "Options from this file.", false },
	{ "listen", 'l', "server", OPT_STRING, offsetof(struct target, listen), "127.0.0.1:7777", 0, 0, "ADDR", "Address to listen on.",
	    false },
	{ "port", 'p', "server", OPT_INT, offsetof(struct target, port), "80", 1, 65535, "N", "Port.", false },
	{ "wait", 0, "server", OPT_DURATION, offsetof(struct target, wait_us), "30s", 1000, 60000000, "TIME", "How long to wait.", false },
	{ "cache-size", 0, "server", OPT_SIZE, offsetof(struct target, cache_bytes), "10M", 0, 0, "SIZE", "Cache.", false },
	{ "verbose", 'v', "log", OPT_BOOL, offsetof(struct target, verbose), "false", 0, 0, NULL, "Say more.", false },
	{ "server", 's', "agent", OPT_LIST, offsetof(struct target, server), NULL, 0, 0, "URL", "A server.", false },
	{ "token", 0, "agent", OPT_STRING, offsetof(struct target, token), NULL, 0, 0, "TOKEN", "The token.", true },
};
#define N_DEFS (sizeof defs / sizeof *defs)

static int parse(struct target *t, struct opts **o, int *rest, struct err *e, int argc, char **argv) {
	memset(t, 0, sizeof *t);
	*o = NULL;
	return opt_parse(defs, N_DEFS, "OPTTEST_", "config", argc, argv, t, o, rest, e);
}

#define PARSE(...)                                          \
	char *argv[] = { (char[]){ "prog" }, __VA_ARGS__ }; \
	int argc = sizeof argv / sizeof *argv;              \
	struct target t;                                    \
	struct opts *o;                                     \
	int rest = 0;                                       \
	struct err e = ERR_INIT;                            \
	int r = parse(&t, &o, &rest, &e, argc, argv)
#define A(s) ((char[]){ s })

START_TEST(defaults_apply) {
	PARSE(A("x"));
	ck_assert_msg(r == 0, "%s", e.text);
	ck_assert_str_eq(t.listen, "127.0.0.1:7777");
	ck_assert_int_eq(t.port, 80);
	ck_assert_int_eq(t.wait_us, 30000000);
	ck_assert_int_eq(t.cache_bytes, 10 << 20);
	ck_assert_ptr_null(t.server);
	ck_assert_int_eq(rest, 1);
	opts_free(o);
}
END_TEST

START_TEST(arguments_in_every_form) {
	PARSE(A("one"), A("--listen=a:1"), A("-p"), A("5"), A("-vs"), A("u1"), A("two"), A("--server"), A("u2"), A("--cache-size"),
	    A("64K"), A("--"), A("--three"));
	ck_assert_msg(r == 0, "%s", e.text);
	ck_assert_str_eq(t.listen, "a:1");
	ck_assert_int_eq(t.port, 5);
	ck_assert(t.verbose);
	ck_assert_str_eq(t.server[0], "u1");
	ck_assert_str_eq(t.server[1], "u2");
	ck_assert_ptr_null(t.server[2]);
	ck_assert_int_eq(t.cache_bytes, 65536);
	ck_assert_int_eq(argc - rest, 3);
	ck_assert_str_eq(argv[rest], "one");
	ck_assert_str_eq(argv[rest + 1], "two");
	ck_assert_str_eq(argv[rest + 2], "--three");
	ck_assert_int_eq(opt_origin(o, "port"), OPT_FROM_ARG);
	ck_assert_int_eq(opt_origin(o, "wait"), OPT_FROM_DEFAULT);
	opts_free(o);
}
END_TEST

static const struct {
	const char *arg, *says;
} wrong[] = {
	{ "--lisen=x", "did you mean --listen?" },
	{ "--port=abc", "is not a whole number" },
	{ "--port=0", "give 1 to 65535" },
	{ "--port= 5", "is not a whole number" },
	{ "--port=99999999999999999999", "is not a whole number" },
	{ "--wait=5", "is not a duration" },
	{ "--wait=2m", "give 1ms to 1m" },
	{ "--cache-size=1Q", "is not a size" },
	{ "--verbose=perhaps", "neither true nor false" },
	{ "--listen", "needs a value: --listen ADDR" },
	{ "-x", "no option '-x'" },
	{ "--no-listen", "no option" },
	{ "--completely-other", "no option '--completely-other'" },
};

START_TEST(errors_say_what_to_do) {
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char arg[64];
		snprintf(arg, sizeof arg, "%s", wrong[i].arg);
		PARSE(arg);
		ck_assert_msg(r == E_INVALID, "%s", wrong[i].arg);
		ck_assert_msg(strstr(e.text, wrong[i].says) != NULL, "%s: %s", wrong[i].arg, e.text);
	}
}
END_TEST

static char *temp_file(const char *text) {
	static char path[64];
	snprintf(path, sizeof path, "/tmp/berth-opt-%d.conf", (int)getpid());
	ck_assert_int_eq(file_write(path, text, strlen(text), 0600, NULL), 0);
	return path;
}

START_TEST(later_origins_replace_earlier_ones) {
	char *path = temp_file(
	    "# comment\n[server]\nlisten = file:1\nport = 81 ; why\nwait = 1s\n[agent]\nserver = f1\nserver = f2\ntoken = secret\n");
	setenv("OPTTEST_PORT", "82", 1);
	setenv("OPTTEST_WAIT", "2s", 1);
	setenv("OPTTEST_SERVER", "e1,e2,e3", 1);
	PARSE(A("--config"), path, A("--wait=3s"), A("--no-verbose"));
	ck_assert_msg(r == 0, "%s", e.text);
	ck_assert_str_eq(t.listen, "file:1");
	ck_assert_int_eq(t.port, 82);
	ck_assert_int_eq(t.wait_us, 3000000);
	ck_assert_str_eq(t.server[0], "e1");
	ck_assert_str_eq(t.server[2], "e3");
	ck_assert_ptr_null(t.server[3]);
	ck_assert_int_eq(opt_origin(o, "listen"), OPT_FROM_FILE);
	ck_assert_int_eq(opt_origin(o, "port"), OPT_FROM_ENV);
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	opt_print_config(o, out);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text, "listen = file:1  (file)"));
	ck_assert_ptr_nonnull(strstr(text, "token = (set)  (file)"));
	ck_assert_ptr_nonnull(strstr(text, "server = e1, e2, e3  (environment)"));
	ck_assert_ptr_null(strstr(text, "secret"));
	free(text);
	opts_free(o);
	unlink(path);
}
END_TEST

static const struct {
	const char *text, *says;
} bad_files[] = {
	{ "[server]\nlisen = x\n", ":2: no option 'lisen'; did you mean listen?" },
	{ "[sever]\nlisten = x\n", ":2: no section [sever]; did you mean [server]?" },
	{ "[agent]\nlisten = x\n", ":2: 'listen' belongs in section [server]" },
	{ "listen = x\n", ":1: 'listen' stands before any [section]" },
	{ "[server]\n\nport = many\n", ":3: port: 'many' is not a whole number" },
	{ "[server]\nport = 1\nport = 2\n", ":3: port is given twice" },
	{ "[server]\nnonsense\n", ":2: neither" },
	{ "[server]\nlisten = "
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
	    ":2: the line is too long" },
};

START_TEST(a_bad_file_names_its_line) {
	for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
		char *path = temp_file(bad_files[i].text);
		PARSE(A("--config"), path);
		ck_assert_msg(r == E_INVALID, "%s", bad_files[i].text);
		ck_assert_msg(strstr(e.text, bad_files[i].says) != NULL, "%s", e.text);
		unlink(path);
	}
	PARSE(A("--config=/nonexistent/berth.conf"));
	ck_assert_int_eq(r, E_NOT_FOUND);
}
END_TEST

START_TEST(what_it_prints_it_reads) {
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	opt_print_file(defs, N_DEFS, "A title", out);
	opt_print_help(defs, N_DEFS, out);
	opt_print_man(defs, N_DEFS, out);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text, "\n[server]\n"));
	ck_assert_ptr_nonnull(strstr(text, "# Address to listen on.\n#listen = 127.0.0.1:7777\n"));
	ck_assert_ptr_nonnull(strstr(text, "  -l, --listen ADDR"));
	ck_assert_ptr_nonnull(strstr(text, "Cache. (default: 10M)"));
	ck_assert_ptr_nonnull(strstr(text, "\\fB\\-\\-cache\\-size\\fR \\fISIZE\\fR"));
	free(text);
	out = open_memstream(&text, &n);
	opt_print_file(defs, N_DEFS, "A title", out);
	fclose(out);
	char *path = temp_file(text);
	PARSE(A("--config"), path);
	ck_assert_msg(r == 0, "%s", e.text);
	opts_free(o);
	unlink(path);
	free(text);
}
END_TEST

TEST_SUITE("base/opt", defaults_apply, arguments_in_every_form, errors_say_what_to_do, later_origins_replace_earlier_ones,
    a_bad_file_names_its_line, what_it_prints_it_reads)
