/* The first way in: where the default tenant has no admin token, one is made, its secret kept in <data>/admin.token (0600), and on wish
 * a context for the command line points there. */
#ifndef BERTH_SERVER_ADMIN_H
#define BERTH_SERVER_ADMIN_H

struct admin;
struct core;
struct err;
struct loop;

/* Strings must outlive it. context: name of the context to write, or NULL; address: of the REST API, filled before admin_ensure. */
struct admin *admin_new(struct loop *l, struct core *c, const char *data_dir, const char *address, const char *context);
void admin_free(struct admin *a);   /* after core_stop's done; NULL is fine */
void admin_ensure(struct admin *a); /* the core became active; does nothing once it is done */

/* Writes the context into $XDG_CONFIG_HOME/berth/contexts.ini and makes it the current one; others stay. */
int admin_write_context(const char *name, const char *address, const char *data_dir, struct err *err);

#endif
