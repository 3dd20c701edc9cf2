/* YAML documents to JSON and back (libyaml). Reading is guided by the message that is meant: where the API has a text, the scalar is taken
 * as written (`version: 1.10` stays "1.10", `env: {PORT: 8080}` gives "8080"); errors name file and line. */
#ifndef BERTH_CLI_YAML_H
#define BERTH_CLI_YAML_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "base/buf.h"

struct err;

/* Chooses the message for one document; kind is its `kind` ("" when not given). NULL with an error: unknown kind. */
typedef const ProtobufCMessageDescriptor *(*yaml_kind_fn)(const char *kind, struct err *err);

/* All documents of the text (JSON is YAML too) as an array of objects, with `kind` as given. where: file name for errors. */
int yaml_parse(const char *text, size_t n, const char *where, yaml_kind_fn kind, json_t **ret, struct err *err);
/* Appends block-style YAML; texts that YAML would read as something else are quoted. */
void yaml_print(const json_t *v, struct buf *out);

#endif
