/* Reading JSON answers by dotted path ("strategy.batches"). Answers are read leniently: a newer server may say more than we know. */
#ifndef BERTH_CLI_FIELD_H
#define BERTH_CLI_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"

const json_t *field_get(const json_t *o, const char *path); /* NULL when absent or null */
const char *field_str(const json_t *o, const char *path);   /* "" when absent or no string */
int64_t field_int(const json_t *o, const char *path, int64_t otherwise);
bool field_true(const json_t *o, const char *path);
bool field_time(const json_t *o, const char *path, wall_t *ret); /* RFC 3339 text */
/* Scalars, arrays ("a, b") and objects ("k=v, …") on one line, appended; nothing when absent. */
void field_add_text(const json_t *v, struct buf *out);

static inline void json_freep(json_t **j) {
	json_decref(*j);
}
#define JSON_AUTO __attribute__((cleanup(json_freep), unused)) json_t *

#endif
