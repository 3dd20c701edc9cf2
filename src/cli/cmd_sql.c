/* berth sql: psql on the server's database as role berth_dash, which reads schema dash and nothing else. The database is found through
 * --database, the context, or the data directory of a server on this machine. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/commands.h"

#define SOCKET_LINE 5 /* of postmaster.pid: the first socket directory */

/* PostgreSQL tells in its pid file where its socket is; the folder belongs to whom the cluster runs as. */
static int read_socket(struct cli *c, const char *data, char **ret, struct err *err) {
	const char *path = arena_printf(c->arena, "%s/pg/postmaster.pid", data);
	char *text;
	int r = file_read(path, 4096, &text, NULL, err);
	if (r == E_NOT_FOUND)
		return err_set(err, E_UNAVAILABLE, "no database runs in %s; start the server with: berthd --data %s", data, data);
	if (r != 0)
		return err_context(err, "the database's pid file (berth sql needs the rights of the user that runs it)");
	const char *line = text;
	for (int i = 1; line != NULL && i < SOCKET_LINE; i++) {
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	if (line != NULL && *line == '/')
		*ret = arena_strndup(c->arena, line, strcspn(line, "\n"));
	else
		r = err_set(err, E_UNAVAILABLE, "%s names no socket yet; the database is starting, try again in a moment", path);
	free(text);
	return r;
}

/* The password goes through the environment: arguments can be read by every user of the machine. */
static int read_secret(struct cli *c, const char *data, struct err *err) {
	char *text;
	int r = file_read(arena_printf(c->arena, "%s/pg.dash.secret", data), 4096, &text, NULL, err);
	if (r != 0)
		return err_context(err, "the password of role berth_dash");
	text[strcspn(text, "\r\n")] = '\0';
	if (setenv("PGPASSWORD", text, 1) != 0)
		r = err_errno(err, errno, "PGPASSWORD");
	free(text);
	return r;
}

/* A conninfo of somebody's may log in as another role: the session becomes berth_dash all the same, with that role's limits. */
static int become_dash(struct cli *c, struct err *err) {
	const char *given = getenv("PGOPTIONS");
	const char *options = arena_printf(c->arena,
	    "%s -c role=berth_dash -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s -c default_transaction_read_only=on "
	    "-c search_path=dash",
	    given != NULL ? given : "");
	return setenv("PGOPTIONS", options, 1) == 0 ? 0 : err_errno(err, errno, "PGOPTIONS");
}

static int conninfo(struct cli *c, const char **ret, struct err *err) {
	char *socket = NULL;
	if (c->ctx.database != NULL) {
		*ret = c->ctx.database;
		return become_dash(c, err);
	}
	if (c->ctx.data == NULL)
		return err_set(err, E_INVALID,
		    "no database is known here; give --data DIR of a server on this machine, or --database, or keep one with: "
		    "berth context set %s --database CONNINFO",
		    *c->ctx.name != '\0' ? c->ctx.name : "NAME");
	int r = read_socket(c, c->ctx.data, &socket, err);
	if (r == 0)
		r = read_secret(c, c->ctx.data, err);
	if (r == 0)
		*ret = arena_printf(c->arena, "host='%s' port=5432 dbname=berth user=berth_dash", socket);
	return r;
}

int cmd_sql(struct cli *c, struct err *err) {
	const char *info = NULL;
	int r = cli_context(c, err);
	if (r == 0)
		r = conninfo(c, &info, err);
	if (r != 0)
		return r;
	char **argv = arena_alloc(c->arena, ((size_t)c->argc + 5) * sizeof *argv);
	int n = 0;
	argv[n++] = arena_strdup(c->arena, "psql");
	argv[n++] = arena_strdup(c->arena, "-d");
	argv[n++] = arena_strdup(c->arena, info);
	for (int i = 0; i < c->argc; i++)
		argv[n++] = c->argv[i];
	setenv("PGAPPNAME", "berth sql", 0);
	execvp("psql", argv);
	if (errno == ENOENT)
		return err_set(err, E_NOT_FOUND, "psql is not installed; on Debian: apt-get install postgresql-client");
	return err_errno(err, errno, "psql");
}
