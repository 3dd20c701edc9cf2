/* The INI file of the option table, through libinih. A key must stand in its option's section and be known: a file that is
 * half understood is refused. */
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/opt_impl.h"

#define MAX_FILE_BYTES (1024u * 1024u)

struct reading {
	struct opts *opts;
	const char *next; /* unread text */
	int line;
	bool too_long; /* the line just handed over was cut: libinih takes the rest for a line of its own */
	int result;
	struct err *err;
};

/* libinih 55 reads into a buffer of 200 bytes and silently splits longer lines, so the reader is ours and refuses them. */
static char *next_line(char *str, int num, void *arg) {
	struct reading *rd = arg;
	if (*rd->next == '\0' || rd->result != 0 || rd->too_long)
		return NULL;
	size_t n = strcspn(rd->next, "\n");
	rd->line++;
	if (n + 2 > (size_t)num) {
		rd->too_long = true;
		return NULL;
	}
	memcpy(str, rd->next, n);
	str[n] = '\0';
	rd->next += n + (rd->next[n] == '\n');
	return str;
}

static bool section_known(const struct opts *o, const char *section) {
	for (size_t i = 0; i < o->n; i++)
		if (o->defs[i].section != NULL && strcmp(o->defs[i].section, section) == 0)
			return true;
	return false;
}

static int unknown_section(const struct opts *o, const char *section, struct err *err) {
	const char **names = calloc(o->n, sizeof *names);
	size_t n = 0;
	for (size_t i = 0; names != NULL && i < o->n; i++)
		if (o->defs[i].section != NULL)
			names[n++] = o->defs[i].section;
	const char *near = name_nearest(section, names, n);
	free(names);
	if (near != NULL)
		return err_set(err, E_INVALID, "no section [%.80s]; did you mean [%s]?", section, near);
	return err_set(err, E_INVALID, "no section [%.80s]", section);
}

static int take_key(struct reading *rd, const char *section, const char *key, const char *value) {
	const struct opt_def *def = opt_find(rd->opts, key, strlen(key));
	if (*section == '\0')
		return err_set(rd->err, E_INVALID, "'%.80s' stands before any [section]", key);
	if (!section_known(rd->opts, section))
		return unknown_section(rd->opts, section, rd->err);
	if (def == NULL || def->section == NULL)
		return opt_unknown(rd->opts, "", key, rd->err);
	if (strcmp(def->section, section) != 0)
		return err_set(rd->err, E_INVALID, "'%s' belongs in section [%s], not in [%s]", key, def->section, section);
	return opt_apply(rd->opts, def, OPT_FROM_FILE, false, key, value, rd->err);
}

static int on_key(void *arg, const char *section, const char *key, const char *value) {
	struct reading *rd = arg;
	if (rd->result == 0)
		rd->result = take_key(rd, section, key, value);
	return rd->result == 0;
}

int opt_read_file(struct opts *o, const char *path, bool absent_ok, struct err *err) {
	char *text;
	size_t n;
	int r = file_read(path, MAX_FILE_BYTES, &text, &n, err);
	if (r == E_NOT_FOUND && absent_ok)
		return 0;
	if (r != 0)
		return r;
	struct reading rd = { .opts = o, .next = text, .err = err };
	int bad_line = 0;
	if (strlen(text) != n)
		r = err_set(err, E_INVALID, "%s holds a NUL byte; it has to be a text file", path);
	else
		bad_line = ini_parse_stream(next_line, &rd, on_key, &rd);
	if (rd.too_long) {
		r = err_set(err, E_INVALID, "%s:%d: the line is too long (at most 197 bytes)", path, rd.line);
	} else if (rd.result != 0) {
		err_context(err, "%s:%d", path, rd.line);
		r = rd.result;
	} else if (bad_line != 0) {
		r = err_set(err, E_INVALID, "%s:%d: neither a [section] nor 'key = value'", path, bad_line > 0 ? bad_line : rd.line);
	}
	free(text);
	return r;
}
