/* Floor of reload: all rows that a server loads, in binary, each column's value copied to memory of its own making.
 *
 * usage: floor_reload FROM
 * prints: reload ROWS US */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"

static const char *const tables[] = { "tenant", "token", "artifact", "module", "version", "base_group", "base", "deployment", "plan",
	"plan_change", "batch", "instance", "task", "finding" };

struct value {
	int length;
	char bytes[];
};

static void *keep(const char *bytes, int length) {
	struct value *v = malloc(sizeof *v + (size_t)length);
	if (v == NULL)
		die("row", "no memory");
	v->length = length;
	memcpy(v->bytes, bytes, (size_t)length);
	return v;
}

/* A row is one block: fixed columns as they are, longer ones behind a pointer. */
static void take_row(const PGresult *res) {
	int columns = PQnfields(res);
	struct {
		long long fixed;
		struct value *text;
	} *row = calloc((size_t)columns, sizeof *row);
	if (row == NULL)
		die("row", "no memory");
	for (int c = 0; c < columns; c++) {
		int n = PQgetlength(res, 0, c);
		if (n <= 8)
			memcpy(&row[c].fixed, PQgetvalue(res, 0, c), (size_t)n);
		else
			row[c].text = keep(PQgetvalue(res, 0, c), n);
	}
}

int main(int argc, char **argv) {
	if (argc != 2)
		die("usage", "floor_reload FROM");
	int64_t begun = now_us();
	PGconn *db = db_open(argv[1]);
	int rows = 0;
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		char name[64];
		snprintf(name, sizeof name, "load_%s", tables[i]);
		char *sql = db_statement(name);
		if (PQsendQueryParams(db, sql, 0, NULL, NULL, NULL, NULL, 1) != 1 || PQsetSingleRowMode(db) != 1)
			die(name, PQerrorMessage(db));
		for (PGresult *res; (res = PQgetResult(db)) != NULL; PQclear(res)) {
			if (PQresultStatus(res) == PGRES_SINGLE_TUPLE)
				take_row(res);
			else if (PQresultStatus(res) != PGRES_TUPLES_OK)
				die(name, PQerrorMessage(db));
			rows += PQntuples(res);
		}
		free(sql);
	}
	printf("reload %d %lld\n", rows, (long long)(now_us() - begun));
	return 0;
}
