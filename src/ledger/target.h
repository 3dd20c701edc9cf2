/* Where the database is: a libpq conninfo string or URL, taken apart so that libpq never has to look a name up (it would block).
 *
 * Made once from the configuration; conn.c asks for the libpq arguments before each attempt, after the names were resolved. */
#ifndef BERTH_LEDGER_TARGET_H
#define BERTH_LEDGER_TARGET_H

#include "base/err.h"

#include <stddef.h>

#define TARGET_HOSTS 16

struct target;

/* E_INVALID when libpq cannot parse it, when it lists more than TARGET_HOSTS hosts, or when it names a service file. */
int target_new(const char *conninfo, struct target **ret, struct err *err);
void target_free(struct target *t);
const char *target_shown(const struct target *t); /* hosts and database for messages: never the password */

size_t target_n_hosts(const struct target *t);
/* The name to look up for host i, or NULL when it is a socket folder or an address already. */
const char *target_lookup(const struct target *t, size_t i);

/* Keyword and value arrays for PQconnectStartParams, NULL-terminated. addresses[i]: comma-separated addresses that host i was resolved to
 * (NULL where target_lookup was NULL). Hosts that resolved to nothing are left out; E_UNAVAILABLE when none is left. */
struct target_args {
	const char *keywords[64], *values[64];
	char *host, *hostaddr, *port;
};
int target_args(const struct target *t, const char *const *addresses, const char *application, struct target_args *ret, struct err *err);
void target_args_clear(struct target_args *a);

#endif
