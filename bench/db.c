#include "db.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *what, const char *why) {
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

PGconn *db_open(const char *conninfo) {
	PGconn *db = PQconnectdb(conninfo);
	if (PQstatus(db) != CONNECTION_OK)
		die("connect", PQerrorMessage(db));
	return db;
}

PGresult *db_query(PGconn *db, const char *sql) {
	PGresult *res = PQexecParams(db, sql, 0, NULL, NULL, NULL, NULL, 1);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		die(sql, PQerrorMessage(db));
	return res;
}

char *db_statement(const char *name) {
	char path[128];
	snprintf(path, sizeof path, "src/ledger/sql/%s.sql", name);
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 16384);
	if (f == NULL || text == NULL || fread(text, 1, 16383, f) == 0)
		die(path, "cannot be read; run in the source's folder");
	fclose(f);
	return text;
}

void rows_load(PGconn *from, struct rows *r, const char *table, const char *tail) {
	char sql[512];
	snprintf(sql, sizeof sql, "select * from %s %s", table, tail);
	r->table = table;
	r->res = db_query(from, sql);
	r->n = PQntuples(r->res);
	if (PQnfields(r->res) > ROWS_COLUMNS)
		die(sql, "too many columns");
	for (int c = 0; c < PQnfields(r->res); c++)
		r->element[c] = PQftype(r->res, c);
}

void rows_prepare(PGconn *to, const struct rows *r) {
	char name[64];
	snprintf(name, sizeof name, "%s_%s", strcmp(r->table, "event") == 0 ? "insert" : "upsert", r->table);
	char *text = db_statement(name);
	PGresult *res = PQprepare(to, r->table, text, 0, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die(name, PQerrorMessage(to));
	PQclear(res);
	free(text);
}

static char *put32(char *at, uint32_t v) {
	uint32_t be = htonl(v);
	memcpy(at, &be, sizeof be);
	return at + sizeof be;
}

/* One column of n rows as array_recv reads it. */
static char *column_array(const struct rows *r, int column, int first, int n, int *ret_size) {
	size_t size = 20;
	for (int i = 0; i < n; i++)
		size += 4 + (size_t)PQgetlength(r->res, (first + i) % r->n, column);
	char *array = malloc(size), *at = array;
	if (array == NULL)
		die("column", "no memory");
	at = put32(put32(put32(at, 1), 1), r->element[column]);
	at = put32(put32(at, (uint32_t)n), 1);
	for (int i = 0; i < n; i++) {
		int row = (first + i) % r->n, len = PQgetlength(r->res, row, column);
		bool null = PQgetisnull(r->res, row, column);
		at = put32(at, null ? UINT32_MAX : (uint32_t)len);
		memcpy(at, PQgetvalue(r->res, row, column), (size_t)len);
		at += len;
	}
	*ret_size = (int)size;
	return array;
}

void rows_send(PGconn *to, const struct rows *r, int first, int n) {
	char *values[ROWS_COLUMNS];
	int lengths[ROWS_COLUMNS], formats[ROWS_COLUMNS], columns = PQnfields(r->res);
	for (int c = 0; c < columns; c++) {
		formats[c] = 1;
		values[c] = column_array(r, c, first, n, &lengths[c]);
	}
	if (PQpipelineStatus(to) == PQ_PIPELINE_OFF && PQenterPipelineMode(to) != 1)
		die("pipeline", PQerrorMessage(to));
	if (PQsendQueryPrepared(to, r->table, columns, (const char *const *)values, lengths, formats, 1) != 1)
		die(r->table, PQerrorMessage(to));
	for (int c = 0; c < columns; c++)
		free(values[c]);
}

void db_commit_begin(PGconn *to) {
	if (PQpipelineSync(to) != 1 || PQflush(to) < 0)
		die("sync", PQerrorMessage(to));
}

static bool take_results(PGconn *to, bool wait) {
	static int nulls;
	while (wait || !PQisBusy(to)) {
		PGresult *res = PQgetResult(to);
		if (res == NULL && ++nulls > 10000)
			die("commit", "no end of it");
		ExecStatusType s = res == NULL ? PGRES_COMMAND_OK : PQresultStatus(res);
		if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && s != PGRES_PIPELINE_SYNC)
			die("commit", PQerrorMessage(to));
		PQclear(res);
		if (s == PGRES_PIPELINE_SYNC) {
			nulls = 0;
			return true;
		}
	}
	return false;
}

void db_commit(PGconn *to) {
	db_commit_begin(to);
	take_results(to, true);
}

bool db_commit_done(PGconn *to) {
	if (PQflush(to) < 0 || PQconsumeInput(to) != 1)
		die("commit", PQerrorMessage(to));
	return take_results(to, false);
}
