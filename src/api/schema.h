/* JSON Schema of messages, for the OpenAPI document. */
#ifndef BERTH_API_SCHEMA_H
#define BERTH_API_SCHEMA_H

#include <protobuf-c/protobuf-c.h>

struct buf;

void schema_name(struct buf *b, const char *proto_name);             /* lowerCamelCase */
void schema_field(struct buf *b, const ProtobufCFieldDescriptor *f); /* schema object of one field */
void schemas_print(struct buf *b);                                   /* "schemas":{…}: every message the operations reach */
void openapi_print(struct buf *b, const char *version);              /* the whole document */

#endif
