/* Fault points: what arms them, when they take effect. */
#include "base/faultpoint.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/err.h"

#ifdef BERTH_FAULTS

/* Check runs each test in a process of its own: what it arms dies with it. */
START_TEST(it_fails_at_the_nth_pass_and_only_there) {
	struct err err = ERR_INIT;
	setenv("BERTH_FAULTS", "commit.answered=fail@3,upload.piece=fail", 1);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_COMMIT_ANSWERED, &err), 0);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_UPLOAD_PIECE, &err), E_UNAVAILABLE);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_COMMIT_ANSWERED, &err), 0);
	ck_assert(faultpoint_due(FAULTPOINT_COMMIT_ANSWERED));
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_COMMIT_ANSWERED, &err), E_DB_LOST);
	ck_assert(!faultpoint_due(FAULTPOINT_COMMIT_ANSWERED));
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_COMMIT_ANSWERED, &err), 0);
}
END_TEST

static void write_entry(const char *path, const char *entry) {
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(entry, f);
	fclose(f);
}

START_TEST(a_file_arms_a_process_that_runs) {
	char path[] = "/tmp/berth-fault-XXXXXX";
	close(mkstemp(path));
	setenv("BERTH_FAULTS_FILE", path, 1);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_REPORT_IN, NULL), 0);
	write_entry(path, "report.in=fail@2\n");
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_REPORT_IN, NULL), 0);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_REPORT_ACK, NULL), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_REPORT_IN, NULL), E_UNAVAILABLE);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_REPORT_IN, NULL), 0);
	write_entry(path, "report.in=fail@2\n");
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_REPORT_IN, NULL), 0);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_REPORT_IN, NULL), E_UNAVAILABLE);
}
END_TEST

/* How a process ends that passes commit.told with this in its environment. */
static int end_with(const char *faults) {
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		setenv("BERTH_FAULTS", faults, 1);
		faultpoint_pass(FAULTPOINT_COMMIT_TOLD, NULL);
		_exit(42);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(it_crashes_where_it_was_asked_to) {
	int status = end_with("commit.told=crash");
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	status = end_with("commit.begin=crash");
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}
END_TEST

START_TEST(what_it_does_not_understand_ends_the_process) {
	static const char *const unclear[] = { "commit.halve=crash", "commit.half", "commit.half=explode", "commit.half=crash@0",
		"commit.half=crash,commit.told=fail" };
	for (size_t i = 0; i < sizeof unclear / sizeof *unclear; i++) {
		int status = end_with(unclear[i]);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE, "%s", unclear[i]);
	}
}
END_TEST

TEST_SUITE("base/faultpoint", it_fails_at_the_nth_pass_and_only_there, a_file_arms_a_process_that_runs, it_crashes_where_it_was_asked_to,
    what_it_does_not_understand_ends_the_process)

#else

START_TEST(there_are_none_in_this_build) {
	setenv("BERTH_FAULTS", "commit.told=crash", 1);
	ck_assert_int_eq(faultpoint_pass(FAULTPOINT_COMMIT_TOLD, NULL), 0);
}
END_TEST

TEST_SUITE("base/faultpoint", there_are_none_in_this_build)

#endif
