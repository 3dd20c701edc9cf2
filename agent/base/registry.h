/* The list of installed modules: who is there, who is active, who owns a path, and which operation works on what. Loop thread only.
 * All changes between activated and deactivated by a switch are made here. */
#ifndef BERTH_NATIVE_REGISTRY_H
#define BERTH_NATIVE_REGISTRY_H

#include "biz.h"

/* An operation's exclusive hold on name:version, also before the biz exists. In the operation's memory. */
struct claim {
	TAILQ_ENTRY(claim) link;
	const char *name, *version, *command; /* NULL name: not held */
};

TAILQ_HEAD(biz_list, biz);

struct registry {
	struct biz_list bizs; /* in order of priority, then installation */
	TAILQ_HEAD(, claim) claims;
	unsigned count;
	uint64_t serial;
	void (*released)(void *arg); /* runs after each end of a claim; must not change the registry itself. NULL: nobody listens */
	void *released_arg;
};

void registry_init(struct registry *r);
void registry_add(struct registry *r, struct biz *b);
void registry_remove(struct registry *r, struct biz *b);

struct biz *registry_find(const struct registry *r, const char *name, const char *version);
struct biz *registry_active(const struct registry *r, const char *name);
/* Another module (other name) that holds this context path, or NULL. */
struct biz *registry_path_owner(const struct registry *r, const char *context_path, const char *name);
/* The active module whose context path is the longest that path lies under; ret_subpath begins with '/'. */
struct biz *registry_route(const struct registry *r, const char *path, const char **ret_subpath);
/* b becomes the activated version of its name, all others of that name deactivated, between two requests. */
void registry_activate(struct registry *r, struct biz *b);

/* E_BUSY with ret_holder when another operation holds it. name and version must live as long as the claim is held. */
int registry_claim(
    struct registry *r, struct claim *c, const char *name, const char *version, const char *command, const struct claim **ret_holder);
void registry_unclaim(struct registry *r, struct claim *c); /* idempotent */

#endif
