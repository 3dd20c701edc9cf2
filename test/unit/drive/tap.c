#include "../../suite.h"

#include <string.h>

#include "base/err.h"
#include "drive/tap.h"

struct reader {
	struct tap *tap;
	char text[64];
	int calls, errors;
	bool eof, stop_in_call;
};

static int64_t asked_id, stopped_id;

static void ask(void *arg, const Berth__V1__LogRequest *r) {
	if (r->stop)
		stopped_id = r->id;
	else
		asked_id = r->id;
}

static void on_piece(void *arg, const void *p, size_t n, bool eof, const struct err *err) {
	struct reader *x = arg;
	x->calls++;
	x->eof |= eof;
	x->errors += err != NULL;
	if (n > 0)
		strncat(x->text, p, n);
	if (x->stop_in_call)
		tap_stop(x->tap);
}

static void chunk(struct taps *ts, int64_t id, const char *text, bool eof) {
	Berth__V1__LogChunk c = BERTH__V1__LOG_CHUNK__INIT;
	c.id = id;
	c.data = (ProtobufCBinaryData){ strlen(text), (uint8_t *)(uintptr_t)text };
	c.eof = eof;
	taps_chunk(ts, &c);
}

START_TEST(pieces_go_to_their_reader) {
	struct taps ts;
	struct reader x = { 0 }, y = { 0 };
	taps_init(&ts, ask, NULL);
	x.tap = tap_open(&ts, 1, 100, false, on_piece, &x);
	y.tap = tap_open(&ts, 2, 100, true, on_piece, &y);
	ck_assert_int_eq(asked_id, 2);
	ck_assert_uint_eq(ts.n, 2);
	chunk(&ts, 1, "one", false);
	chunk(&ts, 2, "two", false);
	chunk(&ts, 9, "nobody's", false);
	chunk(&ts, 1, "!", true);
	ck_assert_str_eq(x.text, "one!");
	ck_assert(x.eof);
	ck_assert_str_eq(y.text, "two");
	ck_assert_uint_eq(ts.n, 1);
	chunk(&ts, 1, "late", false);
	ck_assert_str_eq(x.text, "one!");
	taps_end(&ts);
	ck_assert_int_eq(y.errors, 1);
	ck_assert_uint_eq(ts.n, 0);
}
END_TEST

START_TEST(stopping_is_told_and_final) {
	struct taps ts;
	struct reader x = { 0 };
	taps_init(&ts, ask, NULL);
	x.tap = tap_open(&ts, 5, 100, true, on_piece, &x);
	tap_stop(x.tap);
	ck_assert_int_eq(stopped_id, 5);
	chunk(&ts, 5, "late", false);
	taps_end(&ts);
	ck_assert_int_eq(x.calls, 0);
}
END_TEST

START_TEST(stopping_inside_the_callback_is_fine) {
	struct taps ts;
	struct reader x = { .stop_in_call = true }, y = { .stop_in_call = true }, z = { .stop_in_call = true };
	taps_init(&ts, ask, NULL);
	x.tap = tap_open(&ts, 1, 100, true, on_piece, &x);
	y.tap = tap_open(&ts, 2, 100, true, on_piece, &y);
	z.tap = tap_open(&ts, 3, 100, true, on_piece, &z);
	chunk(&ts, 1, "a", false);
	chunk(&ts, 2, "b", true); /* over already: the stop changes nothing */
	taps_end(&ts);
	ck_assert_int_eq(x.calls, 1);
	ck_assert_int_eq(y.calls, 1);
	ck_assert_int_eq(z.errors, 1);
	ck_assert_uint_eq(ts.n, 0);
}
END_TEST

TEST_SUITE("drive/tap", pieces_go_to_their_reader, stopping_is_told_and_final, stopping_inside_the_callback_is_fine)
