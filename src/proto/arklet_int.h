/* Inside arklet*.c only. */
#ifndef BERTH_PROTO_ARKLET_INT_H
#define BERTH_PROTO_ARKLET_INT_H

#include <jansson.h>

#include "proto/arklet.h"

int arklet_load(const char *text, size_t n, json_t **ret, struct err *err); /* the caller drops *ret */
void arklet_result_fill(struct arena *a, const json_t *root, struct arklet_reply *r);
void arklet_biz_fill(struct arena *a, const json_t *list, struct arklet_reply *r);
const char *arklet_text(struct arena *a, const json_t *object, const char *key); /* NULL unless a string */
bool arklet_number(const json_t *object, const char *key, double *ret);

#endif
