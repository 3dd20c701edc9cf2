/* Records of asynchronous commands, found by request id. Bounded: beyond the limit the oldest finished one goes. */
#ifndef BERTH_NATIVE_RECORD_H
#define BERTH_NATIVE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include <jansson.h>

#include "base/clock.h"

enum record_status { RECORD_INITIALIZED, RECORD_EXECUTING, RECORD_SUCCEEDED, RECORD_FAILED };

struct record {
	TAILQ_ENTRY(record) link;
	char *request_id;
	enum record_status status;
	json_t *meta;      /* echo of the request */
	size_t bytes;      /* of the request */
	json_t *throwable; /* of an internal failure, or NULL */
	char *message;
	wall_t start, end; /* end 0 until finished */
	mono_t start_mono;
	int64_t elapsed_us;
};

struct records {
	TAILQ_HEAD(, record) list; /* oldest first */
	unsigned count;
	size_t bytes;
};

void records_init(struct records *rs);
void records_deinit(struct records *rs);
struct record *records_find(const struct records *rs, const char *request_id);
/* NULL: a limit (of records or of their bytes) is reached and the rest is unfinished. The id must be new; bytes: size of the request. */
struct record *records_add(struct records *rs, const char *request_id, const json_t *params, size_t bytes);
/* cause NULL: no exception. */
void record_finish(struct record *r, bool ok, const char *message, const char *cause);
json_t *record_json(const struct record *r);

#endif
