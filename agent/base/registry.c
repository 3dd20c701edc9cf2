/* The list of installed modules. A base holds tens of them: lists, no index. */
#include "registry.h"

#include <string.h>

#include "base/err.h"

void registry_init(struct registry *r) {
	*r = (struct registry){ 0 };
	TAILQ_INIT(&r->bizs);
	TAILQ_INIT(&r->claims);
}

void registry_add(struct registry *r, struct biz *b) {
	struct biz *at;
	b->serial = ++r->serial;
	r->count++;
	TAILQ_FOREACH(at, &r->bizs, link)
		if (at->info.priority > b->info.priority)
			break;
	if (at)
		TAILQ_INSERT_BEFORE(at, b, link);
	else
		TAILQ_INSERT_TAIL(&r->bizs, b, link);
}

void registry_remove(struct registry *r, struct biz *b) {
	TAILQ_REMOVE(&r->bizs, b, link);
	r->count--;
}

struct biz *registry_find(const struct registry *r, const char *name, const char *version) {
	struct biz *b;
	TAILQ_FOREACH(b, &r->bizs, link)
		if (strcmp(b->info.name, name) == 0 && strcmp(b->info.version, version) == 0)
			return b;
	return NULL;
}

struct biz *registry_active(const struct registry *r, const char *name) {
	struct biz *b;
	TAILQ_FOREACH(b, &r->bizs, link)
		if (b->state == BIZ_ACTIVATED && strcmp(b->info.name, name) == 0)
			return b;
	return NULL;
}

struct biz *registry_path_owner(const struct registry *r, const char *context_path, const char *name) {
	struct biz *b;
	TAILQ_FOREACH(b, &r->bizs, link)
		if (strcmp(b->info.context_path, context_path) == 0 && strcmp(b->info.name, name) != 0)
			return b;
	return NULL;
}

struct biz *registry_route(const struct registry *r, const char *path, const char **ret_subpath) {
	struct biz *b, *best = NULL;
	size_t best_n = 0;
	TAILQ_FOREACH(b, &r->bizs, link) {
		size_t n = strcmp(b->info.context_path, "/") == 0 ? 0 : strlen(b->info.context_path);
		if (b->state != BIZ_ACTIVATED || (best && n <= best_n))
			continue;
		if (strncmp(path, b->info.context_path, n) != 0 || (path[n] != '/' && path[n] != '\0'))
			continue;
		best = b;
		best_n = n;
	}
	if (best)
		*ret_subpath = path[best_n] ? path + best_n : "/";
	return best;
}

void registry_activate(struct registry *r, struct biz *b) {
	struct biz *other;
	if (b->state == BIZ_ACTIVATED)
		return;
	TAILQ_FOREACH(other, &r->bizs, link)
		if (other != b && other->state == BIZ_ACTIVATED && strcmp(other->info.name, b->info.name) == 0)
			biz_set_state(other, BIZ_DEACTIVATED, BIZ_SWITCHED, b->key);
	biz_set_state(b, BIZ_ACTIVATED, b->state == BIZ_RESOLVED ? BIZ_STARTED : BIZ_SWITCHED, "");
}

int registry_claim(
    struct registry *r, struct claim *c, const char *name, const char *version, const char *command, const struct claim **ret_holder) {
	struct claim *other;
	TAILQ_FOREACH(other, &r->claims, link)
		if (strcmp(other->name, name) == 0 && strcmp(other->version, version) == 0) {
			*ret_holder = other;
			return E_BUSY;
		}
	*c = (struct claim){ .name = name, .version = version, .command = command };
	TAILQ_INSERT_TAIL(&r->claims, c, link);
	return 0;
}

void registry_unclaim(struct registry *r, struct claim *c) {
	if (!c->name)
		return;
	TAILQ_REMOVE(&r->claims, c, link);
	c->name = NULL;
	if (r->released)
		r->released(r->released_arg);
}
