/* Finds the embedded files by name. The tables of bytes come from scripts/embed. */
#include "ledger/stmt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

struct file {
	const char *name;
	const unsigned char *bytes;
	size_t n;
};

static const struct file sql_files[] = {
#include "sql.inc"
};

static const struct file migration_files[] = {
#include "migrations.inc"
};

/* The server gets the statement without its head comment. */
static const char *skip_head(const char *text) {
	while (strncmp(text, "--", 2) == 0) {
		const char *end = strchr(text, '\n');
		if (end == NULL)
			break;
		text = end + 1;
	}
	return text;
}

static const char *file_text(const char *name) {
	char file[64];
	snprintf(file, sizeof file, "%s.sql", name);
	for (size_t i = 0; i < sizeof sql_files / sizeof *sql_files; i++)
		if (strcmp(sql_files[i].name, file) == 0)
			return skip_head((const char *)sql_files[i].bytes);
	return NULL;
}

static int find(struct stmt_def *def, struct err *err) {
	def->text = file_text(def->name);
	if (def->text == NULL)
		return err_set(
		    err, E_INTERNAL, "statement %s is not in this program; src/ledger/sql/%s.sql is missing", def->name, def->name);
	return 0;
}

/* Written once and never loaded into the fleet. */
static bool is_history(enum table t) {
	return t == TABLE_event || t == TABLE_base_history;
}

static int find_of_table(struct stmts *s, enum table t, struct err *err) {
	const char *name = table_defs[t].name;
	struct stmt_def *upsert = &s->def[STMT_UPSERT + t], *delete = &s->def[STMT_DELETE + t], *load = &s->def[STMT_LOAD + t];
	snprintf(upsert->name, sizeof upsert->name, "%s_%s", t == TABLE_event ? "insert" : "upsert", name);
	snprintf(delete->name, sizeof delete->name, "delete_%s", name);
	snprintf(load->name, sizeof load->name, "load_%s", name);
	int r = find(upsert, err);
	if (r == 0 && !is_history(t))
		r = find(load, err);
	if (r == 0 && !is_history(t) && t != TABLE_cell)
		r = find(delete, err);
	return r;
}

int stmts_init(struct stmts *s, struct err *err) {
	static const char *const names[] = {
#define S(name) #name,
		STATEMENTS(S)
#undef S
	};
	memset(s, 0, sizeof *s);
	for (int i = 0; i < STMT_NAMED; i++) {
		snprintf(s->def[i].name, sizeof s->def[i].name, "%s", names[i]);
		int r = find(&s->def[i], err);
		if (r != 0)
			return r;
	}
	for (int t = 0; t < TABLE_COUNT; t++) {
		int r = find_of_table(s, (enum table)t, err);
		if (r != 0)
			return r;
	}
	return 0;
}

static int migration_fill(struct migration *m, const struct file *f, struct err *err) {
	char *end;
	long number = strtol(f->name, &end, 10);
	if (end == f->name || *end != '_' || number < 0 || number > 99999)
		return err_set(err, E_INTERNAL, "migration %s does not begin with its number and an underscore", f->name);
	uint8_t digest[SHA256_BYTES];
	sha256_of(f->bytes, f->n, digest);
	m->number = (int)number;
	m->name = f->name;
	m->text = (const char *)f->bytes;
	hex_encode(digest, sizeof digest, m->sha256);
	return 0;
}

int migrations_load(struct migration **ret, size_t *ret_n, struct err *err) {
	size_t n = sizeof migration_files / sizeof *migration_files;
	struct migration *all = calloc(n, sizeof *all);
	if (all == NULL)
		return err_set(err, E_NOMEM, "no memory for %zu migrations", n);
	for (size_t i = 0; i < n; i++) {
		int r = migration_fill(&all[i], &migration_files[i], err);
		if (r == 0 && all[i].number != (int)i)
			r = err_set(err, E_INTERNAL, "migration %s should have number %zu: numbers have no gaps", all[i].name, i);
		if (r != 0) {
			free(all);
			return r;
		}
	}
	*ret = all;
	*ret_n = n;
	return 0;
}
