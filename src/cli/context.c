/* Contexts in an INI file: read with inih, kept in order, written whole and atomically. Called by main and cmd_context.c. */
#include "cli/context.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/name.h"
#include "cli/cli.h"

#define MAX_CONTEXTS 256
#define MAX_KEYS 16

struct entry {
	const char *key, *value;
};
struct section {
	const char *name;
	size_t n;
	struct entry entries[MAX_KEYS];
};
struct context_file {
	struct arena *arena;
	const char *current;
	size_t n;
	struct section *sections[MAX_CONTEXTS];
	bool full; /* while reading: more than fits */
};

const char *context_path(struct arena *a) {
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	if (xdg != NULL && *xdg == '/')
		return arena_printf(a, "%s/berth/contexts.ini", xdg);
	return arena_printf(a, "%s/.config/berth/contexts.ini", home != NULL && *home == '/' ? home : "");
}

static struct section *section_find(const struct context_file *f, const char *name) {
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->sections[i]->name, name) == 0)
			return f->sections[i];
	return NULL;
}

static struct section *section_make(struct context_file *f, const char *name) {
	struct section *s = section_find(f, name);
	if (s != NULL)
		return s;
	if (f->n == MAX_CONTEXTS) {
		f->full = true;
		return NULL;
	}
	s = arena_alloc(f->arena, sizeof *s);
	s->name = arena_strdup(f->arena, name);
	f->sections[f->n++] = s;
	return s;
}

static struct entry *entry_find(struct section *s, const char *key) {
	for (size_t i = 0; s != NULL && i < s->n; i++)
		if (strcmp(s->entries[i].key, key) == 0)
			return &s->entries[i];
	return NULL;
}

void context_set(struct context_file *f, const char *name, const char *key, const char *value) {
	struct section *s = section_make(f, name);
	struct entry *e = entry_find(s, key);
	if (s == NULL)
		return;
	if (value == NULL || *value == '\0') {
		if (e != NULL)
			*e = s->entries[--s->n];
		return;
	}
	if (e == NULL) {
		if (s->n == MAX_KEYS) {
			f->full = true;
			return;
		}
		e = &s->entries[s->n++];
		e->key = arena_strdup(f->arena, key);
	}
	e->value = arena_strdup(f->arena, value);
}

static int on_entry(void *arg, const char *section, const char *key, const char *value) {
	struct context_file *f = arg;
	if (strcmp(section, "berth") == 0) {
		if (strcmp(key, "current") == 0)
			f->current = arena_strdup(f->arena, value);
		return 1;
	}
	if (*section != '\0')
		context_set(f, section, key, value);
	return !f->full;
}

int context_load(const char *path, struct arena *a, struct context_file **ret, struct err *err) {
	struct context_file *f = arena_alloc(a, sizeof *f);
	f->arena = a;
	f->current = "";
	char *text;
	int r = file_read(path, 1 << 20, &text, NULL, err);
	if (r == E_NOT_FOUND) {
		*err = ERR_INIT;
		*ret = f;
		return 0;
	}
	if (r != 0)
		return r;
	int line = ini_parse_string(text, on_entry, f);
	free(text);
	if (line != 0)
		return err_set(err, E_MALFORMED,
		    "%s, line %d: not 'key = value' or '[context]'; correct it, or move it away and use: berth context set", path, line);
	*ret = f;
	return 0;
}

int context_save(const struct context_file *f, const char *path, struct err *err) {
	BUF_AUTO out = BUF_INIT;
	buf_add_str(&out, "# Servers that berth knows; `berth context set` changes it. It holds tokens: keep it to yourself.\n");
	if (*f->current != '\0')
		buf_printf(&out, "[berth]\ncurrent = %s\n", f->current);
	for (size_t i = 0; i < f->n; i++) {
		const struct section *s = f->sections[i];
		buf_printf(&out, "\n[%s]\n", s->name);
		for (size_t k = 0; k < s->n; k++)
			buf_printf(&out, "%s = %s\n", s->entries[k].key, s->entries[k].value);
	}
	char *dir = strndup(path, (size_t)(strrchr(path, '/') - path));
	if (dir == NULL)
		abort();
	int r = dir_make(dir, 0700, err);
	free(dir);
	return r != 0 ? r : file_write(path, buf_str(&out), out.len, 0600, err);
}

size_t context_count(const struct context_file *f) {
	return f->n;
}

const char *context_name(const struct context_file *f, size_t i) {
	return f->sections[i]->name;
}

const char *context_current(const struct context_file *f) {
	return f->current;
}

const char *context_get(const struct context_file *f, const char *name, const char *key) {
	const struct entry *e = entry_find(section_find(f, name), key);
	return e != NULL ? e->value : NULL;
}

void context_use(struct context_file *f, const char *name) {
	f->current = arena_strdup(f->arena, name);
}

int context_check(const struct context_file *f, const char *name, struct err *err) {
	if (section_find(f, name) != NULL)
		return 0;
	const char *names[MAX_CONTEXTS];
	BUF_AUTO list = BUF_INIT;
	buf_init(&list, 300);
	for (size_t i = 0; i < f->n; i++) {
		names[i] = f->sections[i]->name;
		buf_printf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	const char *near = name_nearest(name, names, f->n);
	if (near != NULL)
		return err_set(err, E_NOT_FOUND, "no context '%s'; did you mean %s?", name, near);
	if (f->n == 0)
		return err_set(err, E_NOT_FOUND,
		    "no context '%s', there is none yet; make it with: berth context set %s --address HOST:PORT --token TOKEN", name, name);
	return err_set(err, E_NOT_FOUND, "no context '%s'; there is %s", name, buf_str(&list));
}

int context_delete(struct context_file *f, const char *name, struct err *err) {
	int r = context_check(f, name, err);
	for (size_t i = 0; r == 0 && i < f->n; i++) {
		if (strcmp(f->sections[i]->name, name) != 0)
			continue;
		memmove(&f->sections[i], &f->sections[i + 1], (f->n - i - 1) * sizeof *f->sections);
		f->n--;
		if (strcmp(f->current, name) == 0)
			f->current = "";
		return 0;
	}
	return r;
}

/* The first that says something: the flag, the environment, the context. */
static char *pick(const char *flag, const char *env, const char *stored, struct arena *a) {
	const char *from_env = env != NULL ? getenv(env) : NULL;
	const char *s = flag != NULL ? flag : from_env != NULL && *from_env != '\0' ? from_env : stored;
	return arena_strdup(a, s);
}

static int read_token(const char *path, struct arena *a, char **ret, struct err *err) {
	char *text;
	int r = file_read(path, 4096, &text, NULL, err);
	if (r != 0)
		return err_context(err, "token file");
	*ret = arena_strndup(a, text, strcspn(text, " \t\r\n"));
	free(text);
	return 0;
}

int context_resolve(const struct options *opt, struct arena *a, struct context *ret, struct err *err) {
	struct context_file *f;
	int r = context_load(context_path(a), a, &f, err);
	if (r != 0)
		return r;
	char *named = pick(opt->context, "BERTH_CONTEXT", NULL, a);
	const char *name = named != NULL ? named : f->current;
	if (*name != '\0' && (r = context_check(f, name, err)) != 0)
		return r;
	*ret = (struct context){
		.name = arena_strdup(a, name),
		.address = pick(opt->address, "BERTH_ADDRESS", context_get(f, name, "address"), a),
		.token = pick(opt->token, "BERTH_TOKEN", context_get(f, name, "token"), a),
		.tenant = pick(opt->tenant, "BERTH_TENANT", context_get(f, name, "tenant"), a),
		.group = pick(NULL, NULL, context_get(f, name, "group"), a),
		.ca_file = pick(opt->ca_file, "BERTH_CA_FILE", context_get(f, name, "ca_file"), a),
		.client_cert = pick(opt->client_cert, "BERTH_CLIENT_CERT", context_get(f, name, "client_cert"), a),
		.client_key = pick(opt->client_key, "BERTH_CLIENT_KEY", context_get(f, name, "client_key"), a),
		.database = pick(opt->database, NULL, context_get(f, name, "database"), a),
		.data = pick(opt->data, NULL, context_get(f, name, "data"), a),
	};
	const char *file = context_get(f, name, "token_file");
	if (ret->token == NULL && file != NULL && (r = read_token(file, a, &ret->token, err)) != 0)
		return r;
	if (ret->address == NULL || *ret->address == '\0')
		ret->address = arena_strdup(a, CONTEXT_DEFAULT_ADDRESS);
	return 0;
}
