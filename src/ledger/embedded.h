/* The private cluster: a real PostgreSQL inside the server's data folder, for whoever gives no database URL.
 *
 *   <dir>/pg          the cluster (checksums, scram, UTF-8, no TCP)
 *   <dir>/pg.secret   the password, mode 0600
 *   <dir>/pg.dash.secret  that of role berth_dash, which reads schema dash
 *   <dir>/pg.conninfo how to reach it, mode 0600: psql "$(cat <dir>/pg.conninfo)"
 *   <dir>/pg.log      what it says
 *   a short folder in /run, $XDG_RUNTIME_DIR or /tmp holds its socket: a socket path has 107 bytes
 *
 * As root it runs as another user through setpriv. A postmaster of this folder that lives already is adopted. One that dies is started
 * again. Blocks the loop only for small file operations. */
#ifndef BERTH_LEDGER_EMBEDDED_H
#define BERTH_LEDGER_EMBEDDED_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/err.h"

struct loop;
struct embedded;

struct embedded_options {
	const char
	    *bindir;      /* NULL: the highest /usr/lib/postgresql/N/bin, or the one the data is of; else the folder of postgres in PATH */
	const char *user; /* as root: whom it runs as; NULL: postgres */
	/* After the first start: it died (err) or is back (NULL). May be NULL. */
	void (*changed)(void *arg, const struct err *err);
	void *arg;
};

/* done once: with the conninfo (valid during the call; it has the password in it: never log it), or why not:
 *   E_UNSUPPORTED no PostgreSQL ≥ 14 here, or the data is of another major version (the text says the way out)
 *   E_FORBIDDEN   the user cannot reach the folder
 *   E_UNAVAILABLE it did not start within 15 s (with the end of its log) */
typedef void (*embedded_done)(void *arg, const char *conninfo, const struct err *err);
int embedded_start(struct loop *l, const struct clock *clock, const char *dir, const struct embedded_options *o, embedded_done done,
    void *arg, struct embedded **ret, struct err *err);
/* Fast shutdown (SIGINT), immediate after 30 s; err when it still lives 10 s later. A start under way is given up: its done is not called.
 */
void embedded_stop(struct embedded *e, void (*done)(void *arg, const struct err *err), void *arg);
void embedded_free(struct embedded *e);     /* leaves a running one alone; not from a callback of its own; NULL is fine */
int embedded_pid(const struct embedded *e); /* of the postmaster; 0 without one */

#endif
