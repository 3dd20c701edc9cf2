#include "cli/progress.h"

#include <string.h>

#include "../../suite.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/field.h"
#include "cli/render.h"
#include "cli/sse.h"

START_TEST(each_state_ends_or_goes_on) {
	static const struct {
		const char *plan;
		int exit;
	} cases[] = {
		{ "{\"state\":\"queued\"}", PROGRESS_GOING },
		{ "{\"state\":\"running\"}", PROGRESS_GOING },
		{ "{\"state\":\"soaking\"}", PROGRESS_GOING },
		{ "{\"state\":\"from_the_future\"}", PROGRESS_GOING },
		{ "{}", PROGRESS_GOING },
		{ "{\"state\":\"succeeded\"}", CLI_OK },
		{ "{\"state\":\"succeeded_with_failures\"}", CLI_FAILED },
		{ "{\"state\":\"failed\"}", CLI_FAILED },
		{ "{\"state\":\"paused\"}", CLI_PERSON },
		{ "{\"state\":\"confirming\"}", CLI_PERSON },
		{ "{\"state\":\"stopped\"}", CLI_ENDED },
		{ "{\"state\":\"superseded\"}", CLI_ENDED },
		{ "{\"state\":\"undone\"}", CLI_ENDED },
		{ "{\"state\":\"undone\",\"tasksFailed\":1}", CLI_FAILED },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		JSON_AUTO plan = json_loads(cases[i].plan, 0, NULL);
		ck_assert_msg(progress_exit(plan) == cases[i].exit, "%s gives %d", cases[i].plan, progress_exit(plan));
	}
}
END_TEST

static const char upgrade[] =
    "{\"id\":1042,\"kind\":\"upgrade\",\"state\":\"paused\",\"stateReason\":\"1 base failed\",\"currentBatch\":2,\"basesDone\":3,"
    "\"basesTotal\":9,\"basesFailed\":1,\"tasksFailed\":1,\"verbs\":[\"stop\",\"confirm\",\"someday\"],\"startTime\":\"2026-11-23T10:00:"
    "00Z\","
    "\"changes\":[{\"deployment\":\"hello\",\"module\":\"hello\",\"fromVersion\":\"1.0.0\",\"toVersion\":\"2.0.0\",\"fromReplicas\":3,"
    "\"toReplicas\":5}],"
    "\"batches\":[{\"number\":1,\"state\":\"done\",\"size\":1,\"done\":1},{\"number\":2,\"state\":\"failed\",\"size\":4,\"done\":2,"
    "\"failed\":1}],"
    "\"waitingFor\":[{\"text\":\"a person must decide\",\"command\":\"berth plan resume 1042\"}],"
    "\"tasks\":[{\"base\":\"n3\",\"kind\":\"install\",\"module\":\"hello\",\"version\":\"2.0.0\",\"state\":\"failed\",\"fault\":\"module\","
    "\"cause\":\"start failed\\u001b[31m\",\"secret\":\"x\"},{\"base\":\"n1\",\"state\":\"succeeded\"}]}";

START_TEST(a_plan_in_words) {
	JSON_AUTO plan = json_loads(upgrade, 0, NULL);
	BUF_AUTO out = BUF_INIT;
	progress_title(plan, true, &out);
	ck_assert_str_eq(buf_str(&out), "upgrade of hello 1.0.0 → 2.0.0, 3 → 5 bases");
	buf_clear(&out);
	progress_line(plan, &out);
	ck_assert_str_eq(buf_str(&out), "plan 1042: paused, batch 2 of 2, 3 of 9 bases done, 1 failed (1 base failed)");
	buf_clear(&out);
	progress_commands(plan, "", &out);
	ck_assert_str_eq(buf_str(&out), "berth plan confirm 1042 2      go on with the next batch\n"
	                                "berth plan stop 1042           end it and keep what is done\n");
	wall_t t;
	ck_assert(wall_parse("2026-11-23T10:00:12Z", &t));
	ck_assert_int_eq(progress_elapsed(plan, t.us), 12 * US_PER_S);
}
END_TEST

START_TEST(failed_tasks_keep_fault_and_cause) {
	JSON_AUTO plan = json_loads(upgrade, 0, NULL);
	JSON_AUTO failed = progress_failed(plan);
	ck_assert_uint_eq(json_array_size(failed), 1);
	ck_assert_str_eq(field_str(json_array_get(failed, 0), "fault"), "module");
	ck_assert_ptr_null(field_get(json_array_get(failed, 0), "secret"));
}
END_TEST

START_TEST(the_picture_shows_bars_failures_and_the_way_on) {
	JSON_AUTO plan = json_loads(upgrade, 0, NULL);
	BUF_AUTO out = BUF_INIT;
	wall_t now;
	ck_assert(wall_parse("2026-11-23T10:00:12Z", &now));
	struct render_look look = { .columns = 100, .bases = 8 };
	render_plan(plan, &look, now.us, &out);
	ck_assert_str_eq(buf_str(&out), "plan 1042  upgrade of hello 1.0.0 -> 2.0.0, 3 -> 5 bases  paused  12.0 s\n"
	                                "  batch 1   ####################   1/1   done\n"
	                                "  batch 2   ##########xxxxx.....   2/4   failed\n"
	                                "    x n3               install hello:2.0.0  module: start failed?[31m\n"
	                                "  waits: a person must decide\n"
	                                "  next:  berth plan resume 1042\n");
}
END_TEST

struct seen {
	char text[512];
	size_t n;
};

static int see(void *arg, const char *id, const char *event, const char *data, size_t n) {
	struct seen *s = arg;
	s->n += (size_t)snprintf(s->text + s->n, sizeof s->text - s->n, "[%s|%s|%s]", id, event, data);
	return strcmp(data, "stop") == 0 ? E_CANCELLED : 0;
}

/* However the bytes are cut, the events are the same. */
START_TEST(events_come_out_whole) {
	static const char stream[] = ": hello\n\nid: 7\nevent: plan.started\ndata: {\"a\":1}\n\nid:8\r\ndata: x\r\ndata: y\r\n\r\nretry: "
	                             "5\ndata\n\nid: 9\n\ndata: cut";
	for (size_t piece = 1; piece < sizeof stream; piece++) {
		struct sse s;
		struct seen seen = { 0 };
		sse_init(&s, see, &seen);
		for (size_t at = 0; at < sizeof stream - 1; at += piece)
			ck_assert_int_eq(sse_feed(&s, stream + at, at + piece < sizeof stream - 1 ? piece : sizeof stream - 1 - at), 0);
		ck_assert_str_eq(seen.text, "[7|plan.started|{\"a\":1}][8|message|x\ny][|message|]");
		ck_assert_str_eq(s.last_id, "9");
		sse_restart(&s);
		seen = (struct seen){ 0 };
		ck_assert_int_eq(sse_feed(&s, "data: new\n\ndata: stop\n\ndata: z\n\n", 32), E_CANCELLED);
		ck_assert_str_eq(seen.text, "[|message|new][|message|stop]");
		sse_deinit(&s);
	}
}
END_TEST

START_TEST(an_endless_event_is_refused) {
	struct sse s;
	struct seen seen = { 0 };
	char piece[4096];
	int r = 0;
	memset(piece, 'x', sizeof piece);
	sse_init(&s, see, &seen);
	for (int i = 0; i < 300 && r == 0; i++)
		r = sse_feed(&s, piece, sizeof piece);
	ck_assert_int_eq(r, E_TOO_LARGE);
	sse_deinit(&s);
}
END_TEST

START_TEST(what_is_left_goes_by_the_pace_so_far) {
	static const struct {
		const char *plan;
		int64_t left_s;
	} cases[] = {
		{ "{\"state\":\"running\",\"batches\":[{\"size\":2,\"done\":2,\"startTime\":\"2026-01-01T00:00:00Z\",\"endTime\":\"2026-01-"
		  "01T00:00:10Z\"},"
		  "{\"size\":6}]}",
		    30 },
		{ "{\"state\":\"running\",\"batches\":[{\"size\":4,\"done\":1,\"failed\":1,\"startTime\":\"2026-01-01T00:00:50Z\"}]}", 10 },
		{ "{\"state\":\"running\",\"batches\":[{\"size\":4,\"startTime\":\"2026-01-01T00:00:50Z\"}]}", -1 },
		{ "{\"state\":\"paused\",\"batches\":[{\"size\":4,\"done\":1,\"startTime\":\"2026-01-01T00:00:50Z\"}]}", -1 },
		{ "{}", -1 },
	};
	JSON_AUTO now = json_loads("{\"at\":\"2026-01-01T00:01:00Z\"}", 0, NULL);
	wall_t t;
	ck_assert(field_time(now, "at", &t));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		JSON_AUTO plan = json_loads(cases[i].plan, 0, NULL);
		int64_t left = progress_left(plan, t.us);
		ck_assert_msg(left == (cases[i].left_s < 0 ? -1 : cases[i].left_s * US_PER_S), "case %zu: %lld", i, (long long)left);
	}
}
END_TEST

TEST_SUITE("cli/progress", each_state_ends_or_goes_on, a_plan_in_words, failed_tasks_keep_fault_and_cause,
    the_picture_shows_bars_failures_and_the_way_on, events_come_out_whole, an_endless_event_is_refused,
    what_is_left_goes_by_the_pace_so_far)
