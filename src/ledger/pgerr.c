/* The table of SQLSTATE classes. */
#include "ledger/pgerr.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *prefix;
	int code;
} classes[] = {
	{ "40001", E_DB_RETRY },
	{ "40P01", E_DB_RETRY },
	{ "55P03", E_DB_RETRY },
	{ "57014", E_DB_RETRY },
	{ "57P", E_DB_LOST },
	{ "08", E_DB_LOST },
	{ "53", E_UNAVAILABLE },
	{ "58030", E_UNAVAILABLE },
	{ "25006", E_UNAVAILABLE },
};

static int class_of(const char *state) {
	if (state == NULL || *state == '\0')
		return E_DB_LOST;
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strncmp(state, classes[i].prefix, strlen(classes[i].prefix)) == 0)
			return classes[i].code;
	return E_DB_REFUSED;
}

/* Copies the first lines as one: people read errors in logs of one line each. */
static void one_line(char *to, size_t size, const char *from) {
	size_t n = 0;
	for (; *from != '\0' && n + 1 < size; from++) {
		char c = *from == '\n' || *from == '\t' || *from == '\r' ? ' ' : *from;
		if (c == ' ' && (n == 0 || to[n - 1] == ' '))
			continue;
		to[n++] = c;
	}
	while (n > 0 && to[n - 1] == ' ')
		n--;
	to[n] = '\0';
}

int pgerr_result(const PGresult *res, const char *what, struct err *err) {
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	char text[400];
	one_line(text, sizeof text, message != NULL ? message : PQresultErrorMessage(res));
	if (detail != NULL) {
		char more[200];
		one_line(more, sizeof more, detail);
		size_t n = strlen(text);
		snprintf(text + n, sizeof text - n, " (%s)", more);
	}
	int code = err_field(err, class_of(state), constraint == NULL ? "" : constraint, "%s: PostgreSQL says %s", what, text);
	if (err != NULL && state != NULL)
		snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state);
	return code;
}

int pgerr_conn(const PGconn *pg, int code, const char *what, struct err *err) {
	char text[500];
	one_line(text, sizeof text, PQerrorMessage(pg));
	return err_set(err, code, "%s: %s", what, *text == '\0' ? "the connection ended" : text);
}
