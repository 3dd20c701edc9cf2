/* Contexts: which server, with which token, and what is meant when nothing is said. One INI file, a section per context:
 *
 *   [berth]
 *   current = local
 *   [local]
 *   address = 127.0.0.1:7777
 *   token = …            (or token_file = PATH)
 *   group = demo
 *
 * Keys: address (comma list), token, token_file, group, tenant, ca_file, client_cert, client_key, database, data. Kept at mode 0600: it
 * holds tokens. */
#ifndef BERTH_CLI_CONTEXT_H
#define BERTH_CLI_CONTEXT_H

#include <stddef.h>

struct arena;
struct context;
struct err;
struct options;

struct context_file;

#define CONTEXT_DEFAULT_ADDRESS "127.0.0.1:7777"

/* $XDG_CONFIG_HOME/berth/contexts.ini or ~/.config/…; in the arena. */
const char *context_path(struct arena *a);
/* An absent file is an empty one. Everything lives in the arena. */
int context_load(const char *path, struct arena *a, struct context_file **ret, struct err *err);
int context_save(const struct context_file *f, const char *path, struct err *err);

size_t context_count(const struct context_file *f);
const char *context_name(const struct context_file *f, size_t i);
const char *context_current(const struct context_file *f);                                /* "" when none is */
const char *context_get(const struct context_file *f, const char *name, const char *key); /* NULL when not set */
/* Makes the context when it is new; value NULL or "" removes the key. */
void context_set(struct context_file *f, const char *name, const char *key, const char *value);
void context_use(struct context_file *f, const char *name);
int context_delete(struct context_file *f, const char *name, struct err *err);
/* E_NOT_FOUND, with the nearest name or those there are. */
int context_check(const struct context_file *f, const char *name, struct err *err);

/* Flags before environment before context. */
int context_resolve(const struct options *opt, struct arena *a, struct context *ret, struct err *err);

#endif
