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

#define HEAD 19 /* bytes before the first row: signature, flags, length of nothing */

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

static int take(const char **at, int bytes) {
	unsigned v = 0;
	for (int i = 0; i < bytes; i++)
		v = v << 8 | (unsigned char)*(*at)++;
	return bytes == 2 ? (short)v : (int)v;
}

/* A row is one block: fixed columns as they are, longer ones behind a pointer. */
static void take_row(const char *at, int columns) {
	struct {
		long long fixed;
		struct value *text;
	} *row = calloc((size_t)columns, sizeof *row);
	if (row == NULL)
		die("row", "no memory");
	for (int c = 0; c < columns; c++) {
		int n = take(&at, 4);
		if (n < 0)
			continue;
		if (n <= 8)
			memcpy(&row[c].fixed, at, (size_t)n);
		else
			row[c].text = keep(at, n);
		at += n;
	}
}

/* How many rows there are. */
static int take_table(PGconn *db, const char *name) {
	char *sql = db_statement(name), *message;
	PGresult *res = PQexec(db, sql);
	if (PQresultStatus(res) != PGRES_COPY_OUT)
		die(name, PQerrorMessage(db));
	PQclear(res);
	int rows = 0;
	while (PQgetCopyData(db, &message, 0) > 0) {
		const char *at = message + (memcmp(message, "PGCOPY", 6) == 0 ? HEAD : 0);
		int columns = take(&at, 2);
		if (columns >= 0) {
			take_row(at, columns);
			rows++;
		}
		PQfreemem(message);
	}
	for (; (res = PQgetResult(db)) != NULL; PQclear(res))
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			die(name, PQerrorMessage(db));
	free(sql);
	return rows;
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
		rows += take_table(db, name);
	}
	printf("reload %d %lld\n", rows, (long long)(now_us() - begun));
	return 0;
}
