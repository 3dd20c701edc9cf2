/* Documents of apply, diff and export: kinds, checks against the API's messages, and what of a resource belongs in a file. Pure. */
#ifndef BERTH_CLI_MANIFEST_H
#define BERTH_CLI_MANIFEST_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/buf.h"

struct arena;
struct err;

struct kind {
	const char *name;   /* "Deployment" */
	const char *plural; /* "deployments": path and list key */
	const ProtobufCMessageDescriptor *message;
	const char *const *own; /* fields that a person gives, in the order of a file; NULL-terminated */
};

extern const struct kind kind_group, kind_deployment;

const ProtobufCMessageDescriptor *manifest_message(const char *kind, struct err *err); /* a yaml_kind_fn */
const struct kind *manifest_kind(const json_t *doc);

/* Checks each document against its message (unknown fields name the nearest one) and leaves in *ret what a person may give, in the API's
 * own spelling ("60s" → "1m"). Groups come first, so that deployments find them. where: for errors. */
int manifest_check(const json_t *docs, const char *where, struct arena *a, json_t **ret, struct err *err);
/* What apply would send to get this resource again: kind and the fields of its kind. */
json_t *manifest_export(const struct kind *k, const json_t *resource);
/* Lines "- field: is" and "+ field: wanted" for every given field that differs; nothing when it is so already. is NULL: it is new. */
void manifest_diff(const json_t *wanted, const json_t *is, struct buf *out);

#endif
