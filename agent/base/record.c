/* Records of asynchronous commands. */
#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "biz.h"

enum { MAX_RECORDS = 1024, MAX_BYTES = 32 * 1024 * 1024 };

static const char *const status_names[] = {
	[RECORD_INITIALIZED] = "INITIALIZED",
	[RECORD_EXECUTING] = "EXECUTING",
	[RECORD_SUCCEEDED] = "SUCCEEDED",
	[RECORD_FAILED] = "FAILED",
};

static void record_free(struct record *r) {
	json_decref(r->meta);
	json_decref(r->throwable);
	free(r->request_id);
	free(r->message);
	free(r);
}

void records_init(struct records *rs) {
	*rs = (struct records){ 0 };
	TAILQ_INIT(&rs->list);
}

static void records_remove(struct records *rs, struct record *r) {
	TAILQ_REMOVE(&rs->list, r, link);
	rs->count--;
	rs->bytes -= r->bytes;
	record_free(r);
}

void records_deinit(struct records *rs) {
	struct record *r;
	while ((r = TAILQ_FIRST(&rs->list)))
		records_remove(rs, r);
}

struct record *records_find(const struct records *rs, const char *request_id) {
	struct record *r;
	TAILQ_FOREACH(r, &rs->list, link)
		if (strcmp(r->request_id, request_id) == 0)
			return r;
	return NULL;
}

static bool room_make(struct records *rs, size_t bytes) {
	struct record *r = TAILQ_FIRST(&rs->list), *next;
	for (; r && (rs->count >= MAX_RECORDS || rs->bytes + bytes > MAX_BYTES); r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->end.us)
			records_remove(rs, r);
	}
	return rs->count < MAX_RECORDS && rs->bytes + bytes <= MAX_BYTES;
}

struct record *records_add(struct records *rs, const char *request_id, const json_t *params, size_t bytes) {
	struct record *r = room_make(rs, bytes) ? calloc(1, sizeof *r) : NULL;
	if (!r)
		return NULL;
	r->request_id = strdup(request_id);
	r->status = RECORD_EXECUTING;
	r->meta = json_deep_copy(params);
	json_object_set_new(r->meta, "async", json_true());
	r->start = clock_wall(&clock_real);
	r->start_mono = clock_mono(&clock_real);
	TAILQ_INSERT_TAIL(&rs->list, r, link);
	rs->count++;
	rs->bytes += r->bytes = bytes;
	return r;
}

void record_finish(struct record *r, bool ok, const char *message, const char *cause) {
	r->status = ok ? RECORD_SUCCEEDED : RECORD_FAILED;
	r->end = clock_wall(&clock_real);
	r->elapsed_us = mono_diff(clock_mono(&clock_real), r->start_mono);
	if (!ok && message)
		r->message = strdup(message);
	if (cause)
		r->throwable = json_pack("{s:s, s:o, s:o, s:{s:s, s:o}, s:[]}", "@type", "berth.ModuleException", "message",
		    json_clean(message), "localizedMessage", json_clean(message), "cause", "@type", "berth.Cause", "message",
		    json_clean(cause), "stackTrace");
}

json_t *record_json(const struct record *r) {
	json_int_t start = r->start.us / US_PER_MS, end = r->end.us / US_PER_MS;
	json_t *j = json_pack("{s:s, s:s, s:O, s:s, s:I, s:I, s:I, s:I}", "requestId", r->request_id, "status", status_names[r->status],
	    "arkBizMeta", r->meta, "threadName", "berth-base-operation", "startTime", start, "startTimestamp", start, "endTimestamp", end,
	    "elapsedTime", (json_int_t)(r->elapsed_us / US_PER_MS));
	if (end)
		json_object_set_new(j, "endTime", json_integer(end));
	if (r->message)
		json_object_set_new(j, "message", json_clean(r->message));
	if (r->throwable)
		json_object_set(j, "throwable", r->throwable);
	return j;
}
