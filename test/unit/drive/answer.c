#include "../../suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "drive/answer.h"
#include "loop/loop.h"

struct question {
	struct answer answer; /* first */
	struct loop *loop;
	int read;
};

static void on_read(struct job *job) {
	struct question *q = (struct question *)(void *)job;
	q->read++;
	loop_stop(q->loop);
}

static struct question ask(struct loop *l, enum arklet_command command) {
	return (struct question){ .answer = { .job.done = on_read, .command = command }, .loop = l };
}

static void list_of(int n, struct buf *ret) {
	buf_add_str(ret, "{\"code\":\"SUCCESS\",\"data\":[");
	for (int i = 0; i < n; i++)
		buf_printf(ret, "%s{\"bizName\":\"m%d\",\"bizVersion\":\"1\",\"bizState\":\"ACTIVATED\"}", i > 0 ? "," : "", i);
	buf_add_str(ret, "]}");
}

START_TEST(what_is_short_is_read_at_once_what_is_long_beside_the_loop) {
	static const int sizes[] = { 0, 100, 500, 1000, 2000 };
	struct loop *l;
	struct worker *w;
	ck_assert_int_eq(loop_new(&l, NULL), 0);
	ck_assert_int_eq(worker_new(l, &w, NULL), 0);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct question q = ask(l, ARKLET_QUERY_ALL);
		char *text;
		size_t n;
		BUF_AUTO list = BUF_INIT;
		list_of(sizes[i], &list);
		n = list.len;
		text = buf_take(&list, NULL);
		bool at_once = answer_take(&q.answer, w, text, n);
		ck_assert(at_once == (n <= 16384));
		if (!at_once) {
			free(text); /* it has its own copy */
			text = NULL;
			ck_assert_int_eq(q.read, 0);
			loop_run(l);
			ck_assert_int_eq(q.read, 1);
		}
		ck_assert_int_eq(q.answer.err.code, sizes[i] > ARKLET_MAX_BIZ ? E_TOO_LARGE : 0);
		if (q.answer.err.code == 0)
			ck_assert_uint_eq(q.answer.reply.n_biz, (size_t)sizes[i]);
		free(text);
		answer_deinit(&q.answer);
	}
	worker_free(w);
	loop_free(l);
}
END_TEST

/* The server stops while one is being read: its end comes all the same, once. */
START_TEST(a_thread_that_ends_reads_what_it_was_given) {
	struct loop *l;
	struct worker *w;
	BUF_AUTO list = BUF_INIT;
	ck_assert_int_eq(loop_new(&l, NULL), 0);
	ck_assert_int_eq(worker_new(l, &w, NULL), 0);
	struct question q[3];
	list_of(1000, &list);
	for (int i = 0; i < 3; i++) {
		q[i] = ask(l, ARKLET_QUERY_ALL);
		ck_assert(!answer_take(&q[i].answer, w, list.data, list.len));
	}
	worker_free(w);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(q[i].read, 1);
		ck_assert_uint_eq(q[i].answer.reply.n_biz, 1000);
		answer_deinit(&q[i].answer);
	}
	loop_free(l);
}
END_TEST

START_TEST(each_command_has_its_reading) {
	static const char health[] = "{\"code\":\"SUCCESS\",\"data\":{\"healthData\":{\"jvm\":{\"run time(s)\":5}}}}";
	static const char help[] = "{\"code\":\"SUCCESS\",\"data\":[{\"id\":\"batchInstallBiz\"}]}";
	static const char batch[] =
	    "{\"code\":\"FAILED\",\"data\":{\"bizUrlToResponse\":{\"u\":{\"code\":\"SUCCESS\"}},\"code\":\"FAILED\"}}";
	struct question q = ask(NULL, ARKLET_HEALTH);
	ck_assert(answer_take(&q.answer, NULL, health, sizeof health - 1));
	ck_assert(q.answer.err.code == 0 && q.answer.health.run_time_s == 5);
	answer_deinit(&q.answer);
	q = ask(NULL, ARKLET_HELP);
	ck_assert(answer_take(&q.answer, NULL, help, sizeof help - 1));
	ck_assert_uint_eq(q.answer.commands, 1u << ARKLET_BATCH_INSTALL);
	answer_deinit(&q.answer);
	q = ask(NULL, ARKLET_BATCH_INSTALL);
	q.answer.urls = calloc(2, sizeof *q.answer.urls);
	q.answer.urls[q.answer.n_urls++] = strdup("u");
	ck_assert(answer_take(&q.answer, NULL, batch, sizeof batch - 1));
	ck_assert_int_eq(q.answer.items[0].verdict, ARKLET_OK);
	answer_deinit(&q.answer);
	q = ask(NULL, ARKLET_INSTALL);
	ck_assert(answer_take(&q.answer, NULL, "<html>", 6));
	ck_assert_int_eq(q.answer.err.code, E_MALFORMED);
	answer_deinit(&q.answer);
}
END_TEST

TEST_SUITE("drive/answer", what_is_short_is_read_at_once_what_is_long_beside_the_loop, a_thread_that_ends_reads_what_it_was_given,
    each_command_has_its_reading)
