/* Backup and restore of a database with PostgreSQL's own pg_dump and pg_restore, as child processes on the loop. A backup is one file in
 * pg_dump's custom format: consistent, taken while servers write, and good for later major versions too.
 *
 * For berthd backup and berthd restore. Owners and grants are not in it: the server grants anew what it needs. */
#ifndef BERTH_LEDGER_DUMP_H
#define BERTH_LEDGER_DUMP_H

#include "base/err.h"

struct loop;
struct dump;

typedef void (*dump_done)(void *arg, const struct err *err);

/* conninfo: keywords or URL; its password goes through the environment. dir: the data folder, whose cluster tells which release's programs
 * to take (of several); its words go to our stderr. done once, never from within.
 *
 * dump_write: the file appears whole or not at all, durable, mode 0600; E_EXISTS when there is one. dump_read: everything in one
 * transaction. */
int dump_write(
    struct loop *l, const char *conninfo, const char *dir, const char *file, dump_done done, void *arg, struct dump **ret, struct err *err);
int dump_read(
    struct loop *l, const char *conninfo, const char *dir, const char *file, dump_done done, void *arg, struct dump **ret, struct err *err);
void dump_cancel(struct dump *d); /* ends the program; done follows */
void dump_free(struct dump *d);   /* after done; NULL is fine */

#endif
