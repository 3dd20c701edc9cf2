#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

static char dir[64];

static void make_dir(void) {
	snprintf(dir, sizeof dir, "/tmp/berth-file-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static const char *in_dir(const char *name) {
	static char path[128];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static int count_entries(void) {
	DIR *d = opendir(dir);
	int n = 0;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

START_TEST(a_write_replaces_whole) {
	make_dir();
	char *text;
	size_t n;
	struct stat st;
	umask(0077);
	ck_assert_int_eq(file_write(in_dir("state"), "one", 3, 0640, NULL), 0);
	ck_assert_int_eq(file_write(in_dir("state"), "second", 6, 0640, NULL), 0);
	ck_assert_int_eq(file_read(in_dir("state"), 100, &text, &n, NULL), 0);
	ck_assert_uint_eq(n, 6);
	ck_assert_str_eq(text, "second");
	free(text);
	ck_assert_int_eq(stat(in_dir("state"), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0640);
	ck_assert_int_eq(count_entries(), 1);
	ck_assert_int_eq(file_remove(in_dir("state"), NULL), 0);
	ck_assert_int_eq(file_remove(in_dir("state"), NULL), 0);
	rmdir(dir);
}
END_TEST

START_TEST(a_failed_write_leaves_nothing) {
	make_dir();
	struct err e = ERR_INIT;
	ck_assert_int_eq(mkdir(in_dir("state"), 0700), 0);
	ck_assert_int_ne(file_write(in_dir("state"), "x", 1, 0600, &e), 0); /* a folder cannot be renamed over */
	ck_assert_int_eq(count_entries(), 1);
	ck_assert_int_ne(file_write(in_dir("none/state"), "x", 1, 0600, &e), 0);
	rmdir(in_dir("state"));
	rmdir(dir);
}
END_TEST

START_TEST(reads_are_capped) {
	make_dir();
	char *text = NULL;
	struct err e = ERR_INIT;
	char big[9000];
	memset(big, 'x', sizeof big);
	ck_assert_int_eq(file_write(in_dir("f"), big, sizeof big, 0600, NULL), 0);
	ck_assert_int_eq(file_read(in_dir("f"), 8999, &text, NULL, &e), E_TOO_LARGE);
	ck_assert_int_eq(file_read(in_dir("f"), 9000, &text, NULL, &e), 0);
	ck_assert_uint_eq(strlen(text), 9000);
	free(text);
	ck_assert_int_eq(file_read(in_dir("absent"), 10, &text, NULL, &e), E_NOT_FOUND);
	unlink(in_dir("f"));
	rmdir(dir);
}
END_TEST

START_TEST(folders_are_made_with_their_parents) {
	make_dir();
	struct stat st;
	umask(0077);
	ck_assert_int_eq(dir_make(in_dir("a/b/c"), 0755, NULL), 0);
	ck_assert_int_eq(dir_make(in_dir("a/b/c"), 0700, NULL), 0);
	ck_assert_int_eq(stat(in_dir("a/b"), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0755);
	ck_assert_int_eq(file_write(in_dir("a/file"), "", 0, 0600, NULL), 0);
	struct err e = ERR_INIT;
	ck_assert_int_ne(dir_make(in_dir("a/file/x"), 0755, &e), 0);
	ck_assert_int_eq(dir_make("", 0755, &e), E_INVALID);
	unlink(in_dir("a/file"));
	rmdir(in_dir("a/b/c"));
	rmdir(in_dir("a/b"));
	rmdir(in_dir("a"));
	rmdir(dir);
}
END_TEST

static char *logged(enum log_format format, void (*emit)(void)) {
	static char text[70000];
	char path[] = "/tmp/berth-log-XXXXXX";
	int fd = mkstemp(path);
	unlink(path);
	log_setup("tester", LOG_LEVEL_INFO, format, fd);
	emit();
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	close(fd);
	return text;
}

static void emit_all(void) {
	struct err e = ERR_INIT;
	err_set(&e, E_BUSY, "no \"room\"");
	log_debug("not shown");
	log_warn("two words", log_s("name", "n3"), log_s("empty", NULL), log_i("count", -5), log_b("ok", true), log_s("tricky", "a=b\nc"),
	    log_e(&e));
}

static void emit_huge(void) {
	static char huge[60000];
	memset(huge, 'x', sizeof huge - 1);
	log_info("large", log_s("huge", huge));
}

START_TEST(log_lines_are_one_line_each) {
	char *s = logged(LOG_FORMAT_LOGFMT, emit_all);
	ck_assert_ptr_nonnull(
	    strstr(s, " level=warn program=tester msg=\"two words\" name=n3 empty=\"\" count=-5 ok=true tricky=\"a=b\\nc\" "
	              "error=\"no \\\"room\\\"\" code=busy at="));
	ck_assert_ptr_eq(strchr(s, '\n'), s + strlen(s) - 1);
	s = logged(LOG_FORMAT_JSON, emit_all);
	ck_assert_int_eq(s[0], '{');
	ck_assert_ptr_nonnull(
	    strstr(s, ",\"msg\":\"two words\",\"name\":\"n3\",\"empty\":\"\",\"count\":-5,\"ok\":true,\"tricky\":\"a=b\\nc\""));
	ck_assert_str_eq(s + strlen(s) - 2, "}\n");
	s = logged(LOG_FORMAT_JSON, emit_huge);
	ck_assert_ptr_nonnull(strstr(s, "\"msg\":\"large\",\"cut\":true}\n"));
	enum log_level level;
	ck_assert(log_level_parse("debug", &level) && level == LOG_LEVEL_DEBUG);
	ck_assert(!log_level_parse("loud", &level));
}
END_TEST

TEST_SUITE("base/file", a_write_replaces_whole, a_failed_write_leaves_nothing, reads_are_capped, folders_are_made_with_their_parents,
    log_lines_are_one_line_each)
