/* Data on standard output: lists and single resources as table, wide, JSON, YAML or names. Views are declared in views.c. */
#ifndef BERTH_CLI_OUTPUT_H
#define BERTH_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct cli;

enum cell_kind {
	CELL_TEXT,
	CELL_NUMBER,
	CELL_STATE, /* coloured by its word */
	CELL_AGE,   /* of a timestamp: "5m" */
	CELL_TIME,  /* local time */
	CELL_BYTES,
	CELL_SPAN,  /* of a duration: "9 ms" */
	CELL_OF,    /* two paths "ready/wanted": "2/3" */
	CELL_MARK,  /* a boolean: "yes", else empty */
	CELL_FIRST, /* first of two paths that says something: "stateReason|cordonReason" */
};

struct column {
	const char *head, *path;
	enum cell_kind kind;
	bool wide; /* only with -o wide */
};

struct view {
	const char *message; /* of proto/berth/v1/types.proto; a test holds the paths against it */
	const char *key;     /* of the list in JSON: "bases" */
	const char *name;    /* path of the name */
	const char *none;    /* what is said of an empty list */
	bool whole;          /* the list comes in one piece: no limit, no cursor */
	const struct column *columns;
	size_t n;
};

extern const struct view view_deployments, view_revisions, view_modules, view_versions, view_bases, view_groups, view_plans, view_tasks,
    view_instances, view_endpoints, view_findings, view_events, view_tokens, view_webhooks;

void output_list(const struct cli *c, const struct view *v, const json_t *items);
/* All fields of one resource, one per line; JSON and YAML as they are; its name. */
void output_one(const struct cli *c, const struct view *v, const json_t *item);
/* A table of items under a heading, as a part of output_one()'s page; nothing when empty or when the format is not for people. */
void output_part(const struct cli *c, const char *heading, const struct view *v, const json_t *items);
/* Any document, in JSON or YAML as asked. */
void output_document(const struct cli *c, const json_t *doc);
bool output_is_document(const struct cli *c); /* -o json or yaml */
void output_cell(const struct column *col, const json_t *item, int64_t now_us, struct buf *out);

#endif
