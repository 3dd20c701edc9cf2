/* Secrets of the server's configuration that go with the request for an artifact's URL, each with the hosts it may be sent to. Whoever may
 * register artifacts chooses both URL and credential: without that list a token could have any secret sent to a host of its own. */
#ifndef BERTH_API_CREDENTIAL_H
#define BERTH_API_CREDENTIAL_H

#include <stddef.h>

#include "loop/origin.h"

struct arena;
struct err;

struct credential {
	const char *name, *header; /* "nexus", "Authorization: Basic …" */
	struct origin_rule *to;    /* at least one */
	size_t n_to;
};

struct credentials {
	struct credential *list;
	size_t n;
};

/* Of "NAME@HOST…=HEADER: VALUE", the hosts (origin_rule_parse) separated by spaces; texts NULL or NULL-terminated. Everything is in the
 * arena. E_INVALID never shows a value. */
int credentials_read(struct arena *a, const char *const *texts, struct credentials *ret, struct err *err);

/* *ret NULL without a name. E_NOT_FOUND: none has it. E_FORBIDDEN: it may not be sent to where this URL leads. Both name /credentials. */
int credential_for(const struct credentials *c, const char *name, const char *url, const struct credential **ret, struct err *err);

#endif
