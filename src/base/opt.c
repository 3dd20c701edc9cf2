/* Option table: looks names up, walks the origins in their order (default, file, environment, arguments).
 * Called by the programs at their start. Never exits and never prints: the program does. */
#include "base/opt.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/opt_impl.h"

const struct opt_def *opt_find(const struct opts *o, const char *name, size_t n) {
	for (size_t i = 0; i < o->n; i++)
		if (strncmp(o->defs[i].name, name, n) == 0 && o->defs[i].name[n] == '\0')
			return &o->defs[i];
	return NULL;
}

static const struct opt_def *letter_find(const struct opts *o, char letter) {
	for (size_t i = 0; i < o->n; i++)
		if (o->defs[i].letter == letter)
			return &o->defs[i];
	return NULL;
}

int opt_unknown(const struct opts *o, const char *prefix, const char *name, struct err *err) {
	const char **names = calloc(o->n, sizeof *names);
	for (size_t i = 0; names != NULL && i < o->n; i++)
		names[i] = o->defs[i].name;
	const char *near = names == NULL ? NULL : name_nearest(name, names, o->n);
	free(names);
	if (near != NULL)
		return err_set(err, E_INVALID, "no option '%s%.80s'; did you mean %s%s?", prefix, name, prefix, near);
	return err_set(err, E_INVALID, "no option '%s%.80s'", prefix, name);
}

static int apply_defaults(struct opts *o, struct err *err) {
	for (size_t i = 0; i < o->n; i++) {
		const struct opt_def *def = &o->defs[i];
		if (def->fallback == NULL)
			continue;
		int r = opt_apply(o, def, OPT_FROM_DEFAULT, false, def->name, def->fallback, err);
		if (r != 0)
			return r;
	}
	return 0;
}

static void env_name(const char *prefix, const char *name, char buf[128]) {
	size_t n = (size_t)snprintf(buf, 128, "%s%s", prefix, name);
	for (size_t i = strlen(prefix); i < n && i < 127; i++)
		buf[i] = buf[i] == '-' ? '_' : (char)toupper((unsigned char)buf[i]);
}

/* The environment cannot repeat a name, so there a comma separates the items of a list. */
static int apply_env_list(struct opts *o, const struct opt_def *def, const char *where, const char *text, struct err *err) {
	int r = 0;
	while (r == 0 && *text != '\0') {
		size_t n = strcspn(text, ",");
		char *item = strndup(text, n);
		if (item == NULL)
			abort();
		if (n > 0)
			r = opt_apply(o, def, OPT_FROM_ENV, true, where, item, err);
		free(item);
		text += n + (text[n] == ',');
	}
	return r;
}

static int apply_env(struct opts *o, const char *prefix, struct err *err) {
	for (size_t i = 0; prefix != NULL && i < o->n; i++) {
		char name[128];
		env_name(prefix, o->defs[i].name, name);
		const char *text = getenv(name);
		if (text == NULL)
			continue;
		int r = o->defs[i].kind == OPT_LIST ? apply_env_list(o, &o->defs[i], name, text, err)
		                                    : opt_apply(o, &o->defs[i], OPT_FROM_ENV, true, name, text, err);
		if (r != 0)
			return r;
	}
	return 0;
}

struct args {
	int argc, at;
	char **argv;
	bool file_only; /* first walk: only the option that names the file */
	const struct opt_def *file;
};

static int take(struct opts *o, struct args *a, const struct opt_def *def, const char *where, const char *text, struct err *err) {
	if (a->file_only && def != a->file)
		return 0;
	return opt_apply(o, def, OPT_FROM_ARG, true, where, text, err);
}

static int take_next(struct opts *o, struct args *a, const struct opt_def *def, const char *where, struct err *err) {
	if (a->at + 1 >= a->argc)
		return err_set(err, E_INVALID, "%s needs a value: %s %s", where, where, def->value != NULL ? def->value : "VALUE");
	return take(o, a, def, where, a->argv[++a->at], err);
}

static int take_long(struct opts *o, struct args *a, struct err *err) {
	const char *arg = a->argv[a->at], *name = arg + 2;
	size_t n = strcspn(name, "=");
	const char *value = name[n] == '=' ? name + n + 1 : NULL;
	char where[96];
	snprintf(where, sizeof where, "--%.*s", (int)(n > 80 ? 80 : n), name);
	const struct opt_def *def = opt_find(o, name, n);
	if (def == NULL && value == NULL && strncmp(name, "no-", 3) == 0) {
		def = opt_find(o, name + 3, n - 3);
		if (def != NULL && def->kind == OPT_BOOL)
			return take(o, a, def, where, "false", err);
		def = NULL;
	}
	if (def == NULL) {
		char *plain = strndup(name, n);
		int r = plain == NULL ? err_set(err, E_NOMEM, "out of memory") : opt_unknown(o, "--", plain, err);
		free(plain);
		return r;
	}
	if (value != NULL)
		return take(o, a, def, where, value, err);
	return def->kind == OPT_BOOL ? take(o, a, def, where, "true", err) : take_next(o, a, def, where, err);
}

/* "-v", "-vq", "-n5", "-n 5", "-n=5" */
static int take_short(struct opts *o, struct args *a, struct err *err) {
	const char *arg = a->argv[a->at];
	for (size_t i = 1; arg[i] != '\0'; i++) {
		char where[3] = { '-', arg[i], '\0' };
		const struct opt_def *def = letter_find(o, arg[i]);
		if (def == NULL && arg[2] == '\0')
			return err_set(err, E_INVALID, "no option '%s'", where);
		if (def == NULL)
			return err_set(err, E_INVALID, "no option '%s' in '%.80s'", where, arg);
		if (def->kind != OPT_BOOL) {
			const char *rest = arg + i + 1;
			return *rest == '\0' ? take_next(o, a, def, where, err) : take(o, a, def, where, rest + (*rest == '='), err);
		}
		int r = take(o, a, def, where, "true", err);
		if (r != 0)
			return r;
	}
	return 0;
}

/* Moves what are no options behind those that are, in their order, so that the caller finds them from *ret_rest on. */
static int walk_args(struct opts *o, struct args *a, int *ret_rest, struct err *err) {
	char **plain = calloc((size_t)a->argc + 1, sizeof *plain);
	int n_plain = 0, n_used = 1, r = 0;
	if (plain == NULL)
		return err_set(err, E_NOMEM, "out of memory");
	char **used = calloc((size_t)a->argc + 1, sizeof *used);
	for (a->at = 1; used != NULL && r == 0 && a->at < a->argc; a->at++) {
		char *arg = a->argv[a->at];
		int from = a->at;
		if (strcmp(arg, "--") == 0) {
			used[n_used++] = arg;
			while (++a->at < a->argc)
				plain[n_plain++] = a->argv[a->at];
			break;
		}
		if (arg[0] != '-' || arg[1] == '\0') {
			plain[n_plain++] = arg;
			continue;
		}
		r = arg[1] == '-' ? take_long(o, a, err) : take_short(o, a, err);
		while (r == 0 && from <= a->at)
			used[n_used++] = a->argv[from++];
	}
	if (r == 0 && used != NULL && !a->file_only) {
		for (int i = 1; i < n_used; i++)
			a->argv[i] = used[i];
		for (int i = 0; i < n_plain; i++)
			a->argv[n_used + i] = plain[i];
		*ret_rest = n_used;
	}
	if (used == NULL)
		r = err_set(err, E_NOMEM, "out of memory");
	free(used);
	free(plain);
	return r;
}

static struct opts *opts_new(const struct opt_def *defs, size_t n, void *target) {
	struct opts *o = calloc(1, sizeof *o);
	if (o == NULL || (o->slots = calloc(n == 0 ? 1 : n, sizeof *o->slots)) == NULL)
		abort();
	o->defs = defs;
	o->n = n;
	o->target = target;
	return o;
}

/* Which file: argument before environment before default, found by a first walk that touches no other option. A default path may be absent.
 */
static int apply_file(struct opts *o, struct args *a, const char *env_prefix, struct err *err) {
	if (a->file == NULL)
		return 0;
	a->file_only = true;
	int r = walk_args(o, a, NULL, err);
	a->file_only = false;
	if (r != 0)
		return r;
	struct opt_slot *slot = &o->slots[a->file - o->defs];
	char name[128];
	env_name(env_prefix != NULL ? env_prefix : "", a->file->name, name);
	const char *from_env = env_prefix != NULL && slot->origin != OPT_FROM_ARG ? getenv(name) : NULL;
	const char *path = from_env != NULL ? from_env : slot->text;
	if (path == NULL || *path == '\0')
		return 0;
	return opt_read_file(o, path, from_env == NULL && slot->origin == OPT_FROM_DEFAULT, err);
}

int opt_parse(const struct opt_def *defs, size_t n, const char *env_prefix, const char *file_option, int argc, char **argv, void *target,
    struct opts **ret, int *ret_rest, struct err *err) {
	struct opts *o = opts_new(defs, n, target);
	struct args a = { .argc = argc, .argv = argv };
	int rest = argc;
	if (file_option != NULL)
		a.file = opt_find(o, file_option, strlen(file_option));
	int r = apply_defaults(o, err);
	if (r == 0)
		r = apply_file(o, &a, env_prefix, err);
	if (r == 0)
		r = apply_env(o, env_prefix, err);
	if (r == 0)
		r = walk_args(o, &a, &rest, err);
	if (r != 0) {
		opts_free(o);
		return r;
	}
	*ret = o;
	*ret_rest = rest;
	return 0;
}

enum opt_origin opt_origin(const struct opts *o, const char *name) {
	const struct opt_def *def = opt_find(o, name, strlen(name));
	return def == NULL ? OPT_FROM_DEFAULT : o->slots[def - o->defs].origin;
}
