#include <grpc/grpc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/clock.h"
#include "base/err.h"
#include "loop/cq.h"
#include "loop/loop.h"
#include "loop/mailbox.h"

static struct loop *loop;
static char trace[64];

static void start(void) {
	ck_assert_int_eq(loop_new(&loop, NULL), 0);
	trace[0] = '\0';
}

static void note(char c) {
	size_t n = strlen(trace);
	ck_assert_uint_lt(n + 1, sizeof trace);
	trace[n] = c;
	trace[n + 1] = '\0';
}

static void stop(void *arg) {
	loop_stop(loop);
}

static void note_a(void *arg) {
	note('a');
}

static void note_b(void *arg) {
	note('b');
}

START_TEST(timers_fire_in_their_order) {
	start();
	struct timer a, b, end, never;
	timer_init(&a, loop, note_a, NULL);
	timer_init(&b, loop, note_b, NULL);
	timer_init(&never, loop, note_b, NULL);
	timer_init(&end, loop, stop, NULL);
	mono_t from = clock_mono(&clock_real);
	timer_set(&end, 30 * US_PER_MS);
	timer_set(&a, 20 * US_PER_MS);
	timer_set(&b, 5 * US_PER_MS);
	timer_set(&never, 1 * US_PER_MS);
	timer_cancel(&never);
	timer_cancel(&never);
	loop_run(loop);
	ck_assert_str_eq(trace, "ba");
	ck_assert_int_ge(mono_diff(clock_mono(&clock_real), from), 29 * US_PER_MS);
	timer_set(&a, -5); /* as now */
	timer_set(&b, INT64_MAX);
	timer_set(&end, 1000);
	loop_run(loop);
	ck_assert_str_eq(trace, "baa");
	timer_deinit(&a);
	timer_deinit(&b);
	timer_deinit(&end);
	timer_deinit(&never);
	loop_free(loop);
}
END_TEST

START_TEST(a_millisecond_is_a_millisecond) {
	start();
	struct timer end;
	timer_init(&end, loop, stop, NULL);
	int64_t best = INT64_MAX;
	for (int i = 0; i < 5; i++) {
		mono_t from = clock_mono(&clock_real);
		timer_set(&end, US_PER_MS);
		loop_run(loop);
		int64_t took = mono_diff(clock_mono(&clock_real), from);
		best = took < best ? took : best;
	}
	ck_assert_int_lt(best, 3 * US_PER_MS); /* the coarse clock makes it 4 */
	timer_deinit(&end);
	loop_free(loop);
}
END_TEST

static struct deferred d1, d2;

static void schedule_both(void *arg) {
	deferred_schedule(&d1);
	deferred_schedule(&d2);
	deferred_schedule(&d1);
	note('.');
}

static int rounds;

static void again(void *arg) {
	rounds++;
	deferred_schedule(&d1);
}

START_TEST(deferred_calls_run_once_after_the_callback) {
	start();
	struct timer t, end;
	timer_init(&t, loop, schedule_both, NULL);
	timer_init(&end, loop, stop, NULL);
	deferred_init(&d1, loop, note_a, NULL);
	deferred_init(&d2, loop, note_b, NULL);
	timer_set(&t, 0);
	timer_set(&end, 5 * US_PER_MS);
	loop_run(loop);
	ck_assert_str_eq(trace, ".ab");
	deferred_deinit(&d1);
	deferred_deinit(&d2);
	timer_deinit(&t);
	timer_deinit(&end);
	loop_free(loop);
}
END_TEST

START_TEST(a_call_that_feeds_itself_starves_nobody) {
	start();
	struct timer end;
	timer_init(&end, loop, stop, NULL);
	deferred_init(&d1, loop, again, NULL);
	rounds = 0;
	deferred_schedule(&d1);
	timer_set(&end, 20 * US_PER_MS);
	loop_run(loop);
	ck_assert_int_gt(rounds, 100);
	deferred_deinit(&d1);
	timer_deinit(&end);
	loop_free(loop);
}
END_TEST

START_TEST(what_is_ready_runs_before_the_loop_returns) {
	start();
	deferred_init(&d1, loop, note_a, NULL);
	deferred_schedule(&d1);
	loop_stop(loop);
	loop_run(loop);
	ck_assert_str_eq(trace, "a");
	deferred_deinit(&d1);
	loop_free(loop);
}
END_TEST

static void on_pipe(int fd, bool readable, bool writable, void *arg) {
	char c;
	ck_assert(readable && !writable);
	ck_assert_int_eq(read(fd, &c, 1), 1);
	note(c);
	if (c == 'z')
		loop_stop(loop);
}

START_TEST(descriptors_and_signals_are_watched) {
	start();
	int fds[2];
	struct watch w;
	ck_assert_int_eq(pipe(fds), 0);
	watch_init(&w, loop, fds[0], true, false, on_pipe, NULL);
	ck_assert_int_eq(write(fds[1], "xyz", 3), 3);
	loop_run(loop);
	ck_assert_str_eq(trace, "xyz");
	watch_deinit(&w);
	close(fds[0]);
	close(fds[1]);
	loop_free(loop);
}
END_TEST

static void on_signal(int signo, void *arg) {
	ck_assert_int_eq(signo, SIGUSR1);
	note('s');
	loop_stop(loop);
}

START_TEST(signals_arrive_on_the_loop) {
	start();
	loop_on_signal(loop, SIGUSR1, on_signal, NULL);
	raise(SIGUSR1);
	ck_assert_str_eq(trace, "");
	loop_run(loop);
	ck_assert_str_eq(trace, "s");
	loop_free(loop);
}
END_TEST

#define LETTERS 20000

struct parcel {
	struct letter letter;
	int from, number;
};

static struct mailbox *mailbox;
static int last[3], delivered; /* two threads, and the loop's own */
static struct deferred leaver;

static void deliver(struct letter *letter, void *arg) {
	struct parcel *p = (struct parcel *)letter;
	ck_assert_int_eq(p->number, ++last[p->from]);
	free(p);
	if (++delivered == 3 * LETTERS)
		loop_stop(loop);
}

static struct letter *letter_new(int from, int number) {
	struct parcel *p = calloc(1, sizeof *p);
	p->from = from;
	p->number = number;
	return &p->letter;
}

static void *post_all(void *arg) {
	for (int i = 1; i <= LETTERS; i++)
		mailbox_post(mailbox, letter_new(*(int *)arg, i));
	return NULL;
}

static void leave_one(void *arg) {
	int *n = arg;
	mailbox_leave(mailbox, letter_new(2, ++*n));
	if (*n < LETTERS)
		deferred_schedule(&leaver);
}

#define BURST 300 /* more than one turn of the loop delivers */

/* The last letter of the first turn leaves one more, while the rest of the burst waits. */
static void deliver_burst(struct letter *letter, void *arg) {
	struct parcel *p = (struct parcel *)letter;
	ck_assert_int_eq(p->number, ++delivered);
	if (p->number == 256)
		mailbox_leave(mailbox, letter_new(0, BURST + 1));
	if (p->number == BURST + 1)
		loop_stop(loop);
	free(p);
}

START_TEST(what_is_left_while_a_burst_waits_is_delivered) {
	start();
	delivered = 0;
	ck_assert_int_eq(mailbox_new(loop, deliver_burst, NULL, &mailbox, NULL), 0);
	for (int i = 1; i <= BURST; i++)
		mailbox_post(mailbox, letter_new(0, i));
	loop_run(loop);
	ck_assert_int_eq(delivered, BURST + 1);
	mailbox_free(mailbox);
	loop_free(loop);
}
END_TEST

START_TEST(letters_of_all_threads_arrive_in_order) {
	start();
	pthread_t t[2];
	int who[2] = { 0, 1 }, left = 0;
	ck_assert_int_eq(mailbox_new(loop, deliver, NULL, &mailbox, NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, post_all, &who[i]);
	deferred_init(&leaver, loop, leave_one, &left);
	deferred_schedule(&leaver);
	loop_run(loop);
	ck_assert_int_eq(delivered, 3 * LETTERS);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	mailbox_post(mailbox, letter_new(0, LETTERS + 1));
	mailbox_leave(mailbox, letter_new(2, LETTERS + 1));
	mailbox_free(mailbox);
	deferred_deinit(&leaver);
	ck_assert_int_eq(delivered, 3 * LETTERS + 2);
	loop_free(loop);
}
END_TEST

static void stop_at_letter(struct letter *letter, void *arg) {
	loop_stop(loop);
}

static void hold(void *arg) {
	mono_t end = mono_add(clock_mono(&clock_real), *(int64_t *)arg);
	while (mono_before(clock_mono(&clock_real), end))
		continue;
}

/* What is due while a call holds the loop is served late, and that is told; what nothing was due in is not. */
START_TEST(the_lag_of_the_loop_is_told) {
	struct loop_lag lag;
	struct timer due, end;
	struct deferred holder;
	int64_t us = 2 * LOOP_LATE_US;
	start();
	timer_init(&due, loop, note_a, NULL);
	timer_init(&end, loop, stop, NULL);
	deferred_init(&holder, loop, hold, &us);
	hold(&us); /* before it runs nothing counts */
	deferred_schedule(&holder);
	timer_set(&due, US_PER_MS);
	timer_set(&end, us + LOOP_LATE_US / 2);
	loop_run(loop);
	loop_lag(loop, &lag);
	ck_assert_str_eq(trace, "a");
	ck_assert_int_ge(lag.max_us, LOOP_LATE_US);
	ck_assert_uint_ge(lag.late, 1);
	timer_deinit(&due);
	timer_deinit(&end);
	deferred_deinit(&holder);
	loop_free(loop);
}
END_TEST

START_TEST(a_letter_that_waited_is_lag_of_the_loop) {
	struct loop_lag lag;
	struct deferred holder;
	struct mailbox *m;
	int64_t us = 2 * LOOP_LATE_US;
	start();
	ck_assert_int_eq(mailbox_new(loop, stop_at_letter, NULL, &m, NULL), 0);
	deferred_init(&holder, loop, hold, &us);
	deferred_schedule(&holder);
	struct letter letter;
	mailbox_post(m, &letter);
	loop_run(loop);
	loop_lag(loop, &lag);
	ck_assert_uint_eq(lag.late, 1);
	mailbox_free(m);
	deferred_deinit(&holder);
	loop_free(loop);
}
END_TEST

static struct cq_tag call_tag, shutdown_tag;
static int outcomes;

static void on_call(struct cq_tag *tag, bool ok) {
	ck_assert(!ok); /* no call came; the server's shutdown ended the wait */
	outcomes |= 1;
	if (outcomes == 3)
		loop_stop(loop);
}

static void on_shutdown(struct cq_tag *tag, bool ok) {
	ck_assert(ok);
	outcomes |= 2;
	if (outcomes == 3)
		loop_stop(loop);
}

START_TEST(completions_arrive_on_the_loop) {
	start();
	struct cq *cq;
	struct err e = ERR_INIT;
	ck_assert_msg(cq_new(loop, &cq, &e) == 0, "%s", e.text);
	grpc_server *server = grpc_server_create(NULL, NULL);
	grpc_server_register_completion_queue(server, cq_queue(cq), NULL);
	grpc_server_start(server);
	call_tag.fn = on_call;
	shutdown_tag.fn = on_shutdown;
	grpc_call *call = NULL;
	grpc_call_details details;
	grpc_metadata_array metadata;
	grpc_call_details_init(&details);
	grpc_metadata_array_init(&metadata);
	ck_assert_int_eq(grpc_server_request_call(server, &call, &details, &metadata, cq_queue(cq), cq_queue(cq), &call_tag), GRPC_CALL_OK);
	grpc_server_shutdown_and_notify(server, cq_queue(cq), &shutdown_tag);
	loop_run(loop);
	ck_assert_int_eq(outcomes, 3);
	grpc_server_destroy(server);
	grpc_call_details_destroy(&details);
	grpc_metadata_array_destroy(&metadata);
	cq_shutdown(cq);
	loop_free(loop);
}
END_TEST

TEST_SUITE("loop/loop", timers_fire_in_their_order, a_millisecond_is_a_millisecond, deferred_calls_run_once_after_the_callback,
    a_call_that_feeds_itself_starves_nobody, what_is_ready_runs_before_the_loop_returns, descriptors_and_signals_are_watched,
    signals_arrive_on_the_loop, what_is_left_while_a_burst_waits_is_delivered, letters_of_all_threads_arrive_in_order,
    the_lag_of_the_loop_is_told, a_letter_that_waited_is_lag_of_the_loop, completions_arrive_on_the_loop)
