/* What PostgreSQL's errors mean for Berth (rule 4). */
#ifndef BERTH_LEDGER_PGERR_H
#define BERTH_LEDGER_PGERR_H

#include <libpq-fe.h>

#include "base/err.h"

/* Fills err from a failed result: code by class of its SQLSTATE, sqlstate, constraint name in pointer, text with detail.
 *   E_DB_RETRY     40001 40P01 55P03 57014: the same again may pass
 *   E_DB_LOST      08xxx 57P01 57P02 57P03, or no SQLSTATE at all (libpq made the result)
 *   E_UNAVAILABLE  53xxx 58030 25006: no room, or not a primary any more; nothing happened
 *   E_DB_REFUSED   everything else: it would fail again */
int pgerr_result(const PGresult *res, const char *what, struct err *err);
/* From a connection that failed; one line, without libpq's line breaks. */
int pgerr_conn(const PGconn *pg, int code, const char *what, struct err *err);

#endif
