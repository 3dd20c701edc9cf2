/* The table of commands, and those that change one module: installBiz, uninstallBiz, switchBiz. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "base/arena.h"
#include "base/err.h"
#include "install.h"
#include "params.h"
#include "uninstall.h"

const struct command *const command_table[] = {
	&command_help,
	&command_install,
	&command_batch,
	&command_uninstall,
	&command_switch,
	&command_query,
	&command_health,
	&command_ops,
	NULL,
};

const struct command *command_find(const char *id) {
	for (const struct command *const *c = command_table; *c; c++)
		if (strcmp((*c)->id, id) == 0)
			return *c;
	return NULL;
}

/* ---- installBiz ---- */

static int params_present(struct run *r, struct err *err) {
	return run_params(r) ? 0 : err_set(err, E_INVALID, "the command needs parameters: send a JSON object as the body");
}

static int install_check(struct run *r, struct err *err) {
	struct install_spec *spec = arena_alloc(run_arena(r), sizeof *spec);
	run_set_data(r, spec);
	int rc = params_present(r, err);
	return rc ? rc : param_install(run_arena(r), run_params(r), spec, err);
}

static void install_done(void *arg, const struct outcome *o) {
	run_outcome(arg, "install", true, o);
}

static void install_begin(struct run *r) {
	install_start(run_base(r), run_data(r), NULL, install_done, r);
}

const struct command command_install = { "installBiz", "install one ark biz", true, install_check, install_begin };

/* ---- uninstallBiz, switchBiz ---- */

struct target {
	const char *name, *version;
	struct claim claim;
};

static int target_check(struct run *r, struct err *err) {
	struct target *t = arena_alloc(run_arena(r), sizeof *t);
	run_set_data(r, t);
	int rc = params_present(r, err);
	return rc ? rc : param_identity(run_arena(r), run_params(r), &t->name, &t->version, err);
}

static bool target_is_base(struct run *r, const struct target *t) {
	return strcmp(t->name, run_base(r)->opt.name) == 0 && strcmp(t->version, "1.0.0") == 0;
}

/* NULL: the run has ended. Else the claim is held. */
static struct biz *target_take(struct run *r, const char *command, const char *what) {
	struct target *t = run_data(r);
	struct outcome o = { .name = t->name, .version = t->version };
	struct registry *registry = &run_base(r)->registry;
	const struct claim *holder;
	struct biz *b = NULL;
	if (target_is_base(r, t) && !registry_find(registry, t->name, t->version))
		outcome_set(&o, OUTCOME_FAILED, "Master biz: %s:%s must not be touched by %s.", t->name, t->version, command);
	else if (registry_claim(registry, &t->claim, t->name, t->version, command, &holder) != 0)
		outcome_set(&o, OUTCOME_CONFLICT, "FAILED:%s:%s %s conflict, exist unfinished command(%s) for this biz", t->name,
		    t->version, command, holder->command);
	else if (!(b = registry_find(registry, t->name, t->version)))
		outcome_set(&o, OUTCOME_NOT_FOUND, "Biz: %s:%s not found.", t->name, t->version);
	if (b)
		return b;
	registry_unclaim(registry, &t->claim);
	run_outcome(r, what, false, &o);
	return NULL;
}

static void uninstall_done(void *arg, const struct outcome *o) {
	struct run *r = arg;
	struct target *t = run_data(r);
	registry_unclaim(&run_base(r)->registry, &t->claim);
	run_outcome(r, "uninstall", false, o);
}

static void uninstall_begin(struct run *r) {
	struct biz *b = target_take(r, "uninstallBiz", "uninstall");
	if (b)
		uninstall_start(run_base(r), b, run_base(r)->opt.uninstall_wait, uninstall_done, r);
}

const struct command command_uninstall = { "uninstallBiz", "uninstall one ark biz", true, target_check, uninstall_begin };

static void switch_begin(struct run *r) {
	struct target *t = run_data(r);
	struct biz *b = target_take(r, "switchBiz", "switch");
	struct outcome o;
	if (!b)
		return;
	switch_to(run_base(r), b, &o);
	registry_unclaim(&run_base(r)->registry, &t->claim);
	run_outcome(r, "switch", false, &o);
}

const struct command command_switch = { "switchBiz", "make one version of an ark biz the active one", true, target_check, switch_begin };
