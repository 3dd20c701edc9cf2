/* Installing, as steps:
 *
 *   claim (when the name is known) → artifact → claim, identity, repeat, path → (replace: other versions go, one by one)
 *   → worker: load, start → state → done
 *
 * Everything that can be refused is refused before anything running is touched. */
#include "install.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "loop/loop.h"
#include "memory.h"
#include "pool.h"
#include "uninstall.h"

enum { MAX_MODULES = 1000 };

struct installing {
	struct job job;
	struct base *base;
	struct arena *arena;
	struct install_spec spec;
	struct artifact *a;
	struct biz *biz;
	struct claim claim, old_claim;
	struct deferred begin;
	struct err err;
	const char *phase; /* of a failure on the worker: "load", "start" */
	mono_t started;
	wall_t started_at;
	int64_t memory;
	struct outcome o;
	outcome_fn done;
	void *arg;
};

static void installing_end(struct installing *i) {
	/* Released first: who reacts to the outcome with the next operation on this module must not meet our claim. */
	registry_unclaim(&i->base->registry, &i->old_claim);
	registry_unclaim(&i->base->registry, &i->claim);
	i->o.biz = i->biz;
	i->o.space = memory_resident() - i->memory;
	i->done(i->arg, &i->o);
	artifact_free(i->a);
	deferred_deinit(&i->begin);
	arena_free(i->arena);
	free(i);
}

static void installing_fail(struct installing *i, enum outcome_kind kind, const char *message) {
	outcome_set(&i->o, kind, "%s", message);
	installing_end(i);
}

/* arklet's exceptions: the message and what is behind it. */
static void installing_fail_err(struct installing *i, const struct err *err) {
	snprintf(i->o.cause, sizeof i->o.cause, "%s", err->text);
	installing_fail(i, OUTCOME_INTERNAL, err->text);
}

static bool claim_or_fail(struct installing *i, struct claim *c, const char *name, const char *version, const char *command) {
	const struct claim *holder;
	if (registry_claim(&i->base->registry, c, name, version, command, &holder) == 0)
		return true;
	outcome_set(&i->o, OUTCOME_CONFLICT, "FAILED:%s:%s %s conflict, exist unfinished command(%s) for this biz", name, version, command,
	    holder->command);
	installing_end(i);
	return false;
}

static void repeat_fail(struct installing *i, struct biz *there) {
	outcome_set(&i->o, OUTCOME_REPEAT, "Biz: %s has been installed or registered.", there->key);
	installing_end(i);
}

/* ---- load and start ---- */

static void code_begin(struct job *job) {
	struct installing *i = (struct installing *)((char *)job - offsetof(struct installing, job));
	i->phase = "load";
	if (biz_load(i->biz, &i->err) != 0)
		return;
	i->phase = "start";
	if (biz_start(i->biz, &i->err) != 0)
		biz_unload(i->biz);
}

static void start_failed(struct installing *i) {
	struct biz *b = i->biz;
	char message[sizeof i->o.message];
	snprintf(message, sizeof message, "module %s did not %s: %s", b->key, i->phase, i->err.text);
	snprintf(i->o.cause, sizeof i->o.cause, "%s", i->err.text);
	biz_set_state(b, BIZ_BROKEN, BIZ_INSTALL_FAILED, message);
	if (!i->base->opt.keep_broken) {
		biz_set_state(b, BIZ_STOPPED, BIZ_STOPPED_REASON, "");
		registry_remove(&i->base->registry, b);
		i->biz = NULL;
	}
	installing_fail(i, OUTCOME_INTERNAL, message);
	if (b->state == BIZ_STOPPED)
		biz_free(b);
}

static void code_began(struct job *job) {
	struct installing *i = (struct installing *)((char *)job - offsetof(struct installing, job));
	struct base *base = i->base;
	struct biz *b = i->biz;
	char at[32];
	if (i->err.code) {
		start_failed(i);
		return;
	}
	if (base->opt.activate_new || !registry_active(&base->registry, b->info.name))
		registry_activate(&base->registry, b);
	else
		biz_set_state(b, BIZ_DEACTIVATED, BIZ_STARTED, "");
	outcome_set(&i->o, OUTCOME_SUCCESS, "Install Biz: %s success, cost: %lld ms, started at: %s", b->key,
	    (long long)(mono_diff(clock_mono(&clock_real), i->started) / US_PER_MS), wall_format(i->started_at, at));
	installing_end(i);
}

static void biz_make(struct installing *i) {
	struct artifact *a = i->a;
	struct biz *b = biz_new(a->arena, &a->info, i->base->opt.name);
	b->path = a->path;
	b->url = a->url;
	memcpy(b->digest, a->digest, sizeof b->digest);
	free(a);
	i->a = NULL;
	char **argv = arena_alloc(b->arena, ((size_t)i->spec.argc + 1) * sizeof *argv);
	for (int k = 0; k < i->spec.argc; k++)
		argv[k] = arena_strdup(b->arena, i->spec.argv[k]);
	size_t n = 0;
	while (i->spec.env && i->spec.env[n])
		n++;
	char **env = arena_alloc(b->arena, (n + 1) * sizeof *env);
	for (size_t k = 0; k < n; k++)
		env[k] = arena_strdup(b->arena, i->spec.env[k]);
	b->argc = i->spec.argc;
	b->argv = (const char *const *)argv;
	b->env = (const char *const *)env;
	i->biz = b;
}

static void code_submit(struct installing *i) {
	biz_make(i);
	/* The artifact's texts are the biz's now; what we hold on to must not go with a failed one before we are done. */
	i->o.name = arena_strdup(i->arena, i->biz->info.name);
	i->o.version = arena_strdup(i->arena, i->biz->info.version);
	registry_add(&i->base->registry, i->biz);
	biz_set_state(i->biz, BIZ_RESOLVED, BIZ_CREATED, "");
	i->job.run = code_begin;
	i->job.done = code_began;
	if (pool_submit(i->base->operations, &i->job) == 0)
		return;
	i->phase = "load";
	err_set(&i->err, E_TOO_MANY, "too many operations are waiting on this base; try again later");
	start_failed(i);
}

/* ---- replace ---- */

static void replace_next(struct installing *i);

static void replaced(void *arg, const struct outcome *o) {
	struct installing *i = arg;
	registry_unclaim(&i->base->registry, &i->old_claim);
	/* A stop that failed is not in the way: the module is gone. */
	if (o->kind == OUTCOME_SUCCESS || o->kind == OUTCOME_INTERNAL)
		replace_next(i);
	else
		installing_fail(i, o->kind, o->message);
}

static void replace_next(struct installing *i) {
	struct biz *b;
	TAILQ_FOREACH(b, &i->base->registry.bizs, link)
		if (strcmp(b->info.name, i->a->info.name) == 0)
			break;
	if (!b) {
		code_submit(i);
		return;
	}
	/* The same version is under our own claim already. */
	bool same = strcmp(b->info.version, i->a->info.version) == 0;
	if (same || claim_or_fail(i, &i->old_claim, b->info.name, b->info.version, "uninstallBiz"))
		uninstall_start(i->base, b, i->base->opt.uninstall_wait, replaced, i);
}

/* ---- the file is here ---- */

static bool identity_fits(struct installing *i) {
	const struct modfile *m = &i->a->info;
	if (!i->spec.name || (strcmp(i->spec.name, m->name) == 0 && strcmp(i->spec.version, m->version) == 0))
		return true;
	struct err err = ERR_INIT;
	err_set(&err, E_INVALID, "the file at %s is module %s:%s, not %s:%s as was asked for", i->a->shown, m->name, m->version,
	    i->spec.name, i->spec.version);
	installing_fail_err(i, &err);
	return false;
}

static void artifact_ready(struct installing *i) {
	struct registry *r = &i->base->registry;
	const struct modfile *m = &i->a->info;
	struct biz *other;
	struct err err = ERR_INIT;
	i->o.name = m->name;
	i->o.version = m->version;
	if (!identity_fits(i))
		return;
	/* The claim outlives the artifact. */
	if (!i->claim.name &&
	    !claim_or_fail(i, &i->claim, arena_strdup(i->arena, m->name), arena_strdup(i->arena, m->version), "installBiz"))
		return;
	if (!i->spec.replace && (other = registry_find(r, m->name, m->version))) {
		repeat_fail(i, other);
	} else if ((other = registry_path_owner(r, m->context_path, m->name)) != NULL) {
		err_set(&err, E_CONFLICT, "context path %s of module %s:%s belongs to module %s on this base", m->context_path, m->name,
		    m->version, other->key);
		installing_fail_err(i, &err);
	} else if (r->count >= MAX_MODULES) {
		err_set(&err, E_TOO_MANY, "this base holds %u modules, which is the most it takes", r->count);
		installing_fail_err(i, &err);
	} else if (i->base->stopping) {
		installing_fail(i, OUTCOME_FAILED, "this base is stopping");
	} else if (i->spec.replace) {
		replace_next(i);
	} else {
		code_submit(i);
	}
}

static void artifact_done(void *arg, struct artifact *a, const struct err *err) {
	struct installing *i = arg;
	i->a = a;
	if (err)
		installing_fail_err(i, err);
	else
		artifact_ready(i);
}

static void installing_begin(void *arg) {
	struct installing *i = arg;
	const struct install_spec *s = &i->spec;
	struct biz *there;
	if (s->name && !claim_or_fail(i, &i->claim, s->name, s->version, "installBiz"))
		return;
	if (s->name && !s->replace && (there = registry_find(&i->base->registry, s->name, s->version)))
		repeat_fail(i, there);
	else if (i->a)
		artifact_ready(i);
	else
		artifact_get(i->base, s->url, s->sha256, artifact_done, i);
}

static const char *const *texts_copy(struct arena *a, const char *const *texts) {
	size_t n = 0;
	while (texts && texts[n])
		n++;
	const char **copy = arena_alloc(a, (n + 1) * sizeof *copy);
	for (size_t k = 0; k < n; k++)
		copy[k] = arena_strdup(a, texts[k]);
	return copy;
}

void install_start(struct base *base, const struct install_spec *spec, struct artifact *a, outcome_fn done, void *arg) {
	struct installing *i = calloc(1, sizeof *i);
	if (!i)
		abort();
	i->base = base;
	i->arena = arena_new();
	i->spec = *spec;
	i->spec.name = arena_strdup(i->arena, spec->name);
	i->spec.version = arena_strdup(i->arena, spec->version);
	i->spec.url = arena_strdup(i->arena, spec->url);
	i->spec.sha256 = arena_strdup(i->arena, spec->sha256);
	i->spec.argv = texts_copy(i->arena, spec->argv);
	i->spec.env = texts_copy(i->arena, spec->env);
	i->a = a;
	i->o.name = i->spec.name;
	i->o.version = i->spec.version;
	i->started = clock_mono(&clock_real);
	i->started_at = clock_wall(&clock_real);
	i->memory = memory_resident();
	i->done = done;
	i->arg = arg;
	deferred_init(&i->begin, base->loop, installing_begin, i);
	deferred_schedule(&i->begin);
}
