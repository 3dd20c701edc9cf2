/* What webhooks are sent: which events, and the body. Pure. */
#ifndef BERTH_API_WEBHOOK_H
#define BERTH_API_WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/v1/types.pb-c.h"

struct buf;
struct err;

/* Kinds of a webhook that names none: what needs a person. JSON, as in row_webhook.kinds. */
extern const char webhook_default_kinds[];
/* Does one of the patterns take this kind? "*" stands for any text. */
bool webhook_takes(char *const *patterns, size_t n, const char *kind);

/* E_INVALID with pointer /template: a {word} in it is no field of an event, or it is too long. */
int webhook_template_check(const char *template, struct err *err);
/* The event as JSON; or the template with each {field} replaced by the event's, escaped as inside a JSON string; "" for what it lacks. */
void webhook_body(const Berth__V1__Event *e, const char *template, struct buf *out);

#endif
