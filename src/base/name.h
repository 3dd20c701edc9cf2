/* The names people give: what is allowed is the same everywhere, and each refusal says so. */
#ifndef BERTH_BASE_NAME_H
#define BERTH_BASE_NAME_H

#include <stdbool.h>

struct err;

enum name_kind {
	NAME_PLAIN,       /* tenants, groups, bases, modules, deployments, tokens: [A-Za-z0-9][A-Za-z0-9._-]{0,62} */
	NAME_VERSION,     /* the same and '+' */
	NAME_LABEL_KEY,   /* [A-Za-z0-9][A-Za-z0-9._/-]{0,62} */
	NAME_LABEL_VALUE, /* empty, or like a version */
};

bool name_valid(enum name_kind kind, const char *s); /* NULL is not valid */
bool name_is_url(const char *s);                     /* begins with http:// or https:// */

/* E_INVALID naming the field (JSON pointer, "" when not one) and what is allowed. `what` is the noun: "module name". */
int name_check(enum name_kind kind, const char *s, const char *pointer, const char *what, struct err *err);

/* "orders:3.1.0" → name, version (both checked). E_INVALID when the colon or a part is missing. Buffers hold 64 bytes each. */
int name_split(const char *s, char name[64], char version[64], struct err *err);

#endif
