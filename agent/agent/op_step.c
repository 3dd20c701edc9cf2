/* One operation on the base, step by step. Nothing is sent twice blind: whenever the effect of a call is unknown, or what is there may
 * differ from what we believe, the base is asked first, and the answer decides. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "brain_int.h"

#define ASK_TIMEOUT_US (15 * US_PER_S)
#define MIN_CALL_US (1 * US_PER_S)
#define PAUSE_US (50 * US_PER_MS)
#define PAUSE_MAX_US (2 * US_PER_S)
#define RESTORE_TIMEOUT_US (300 * US_PER_S)
#define MAX_ATTEMPTS 2
#define MAX_CODE 64
#define MAX_CAUSE 2048
#define MAX_OUTPUT 16384 /* last lines of a base, or a stack trace */

static const char *const kind_names[] = { [OP_INSTALL] = "install",
	[OP_UNINSTALL] = "uninstall",
	[OP_SWITCH] = "switch",
	[OP_BEFORE_SWAP] = "before_swap",
	[OP_AFTER_SWAP] = "after_swap" };

static Berth__V1__TaskKind task_kind(enum op_kind k) {
	static const Berth__V1__TaskKind of[] = { [OP_INSTALL] = BERTH__V1__TASK_KIND__TASK_KIND_INSTALL,
		[OP_UNINSTALL] = BERTH__V1__TASK_KIND__TASK_KIND_UNINSTALL,
		[OP_SWITCH] = BERTH__V1__TASK_KIND__TASK_KIND_SWITCH,
		[OP_BEFORE_SWAP] = BERTH__V1__TASK_KIND__TASK_KIND_BEFORE_SWAP,
		[OP_AFTER_SWAP] = BERTH__V1__TASK_KIND__TASK_KIND_AFTER_SWAP };
	return of[k];
}

/* ---- the end of an operation ---- */

static void tell_outcome(struct brain *b, struct op *op, bool ok, const char *code, const char *state, const struct failure *f) {
	ARENA_AUTO a = arena_new();
	Berth__V1__Outcome o = BERTH__V1__OUTCOME__INIT;
	keep_int(&o, generation, op->generation);
	keep_int(&o, task, op->task);
	keep_int(&o, instance, op->module->instance);
	keep_int(&o, kind, task_kind(op->kind));
	keep_int(&o, ok, ok);
	keep_int(&o, duration_us, op->began ? mono_diff(b->now, op->since) : 0);
	keep_int(&o, fetch_us, op->fetch_us);
	keep_int(&o, memory_bytes, op->memory_bytes);
	if (op->kind == OP_INSTALL && op->metaspace_growth >= 0)
		keep_int(&o, metaspace_growth, op->metaspace_growth);
	o.code = clean_text(a, code, MAX_CODE);
	o.state = arena_strdup(a, state);
	o.module = op->module->module;
	o.version = op->module->version;
	if (f != NULL) {
		keep_int(&o, fault, f->fault);
		keep_int(&o, retryable, f->retryable);
		o.cause = clean_text(a, f->cause, MAX_CAUSE);
		o.output = clean_text(a, op->output, MAX_OUTPUT);
	}
	report_outcome(b, &o);
}

/* A later item of the same command on the same module builds on this one. */
static void skip_followers(struct brain *b, const struct op *failed, const struct failure *f) {
	struct op *op = TAILQ_NEXT(failed, link), *next;
	for (; op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		if (op->restore || failed->restore || op->command != failed->command ||
		    strcmp(op->module->module, failed->module->module) != 0)
			continue;
		bool own = op->fetch == FETCH_FAILED;
		tell_outcome(b, op, false, own ? op->fetch_failure.code : "skipped", "", own ? &op->fetch_failure : f);
		op_free(b, op);
	}
}

static void remember_failure(struct brain *b, const struct op *op, const struct failure *f) {
	struct held *h = held_find(b, op->module->module, op->module->version);
	bool absent = h == NULL || h->absent;
	int64_t failures = h == NULL ? 0 : h->failures;
	h = held_set(b, op->module->module, op->module->version, h == NULL || absent ? ARKLET_BROKEN : h->state, f->cause);
	h->absent = absent;
	h->failures = failures + 1;
	h->dirty = true;
}

void op_fail(struct brain *b, struct op *op, const char *code, Berth__V1__Fault fault, bool retryable, const char *cause) {
	struct failure f = { 0 };
	failure_set(&f, code, fault, retryable, cause); /* the arguments may live in op */
	const struct held *h = held_find(b, op->module->module, op->module->version);
	say(b, LOG_LEVEL_WARN, "%s of %s:%s failed: %s%s%s", op->restore ? "restore" : kind_names[op->kind], op->module->module,
	    op->module->version, f.code, *f.cause != '\0' ? ": " : "", f.cause);
	if (op->restore) {
		remember_failure(b, op, &f);
	} else {
		tell_outcome(b, op, false, f.code, h != NULL && !h->absent ? arklet_state_name(h->state) : "", &f);
		skip_followers(b, op, &f);
	}
	op_free(b, op);
	failure_clear(&f);
	ops_run(b);
}

/* A version that went in takes the place of those of its name that were set aside before it. */
static void quarantine_outdated(struct brain *b, const struct op *op) {
	for (size_t i = b->state->n_quarantine; i-- > 0;) {
		const Berth__V1__HeldModule *q = b->state->quarantine[i];
		if (strcmp(q->module, op->module->module) != 0)
			continue;
		struct held *h = held_find(b, q->module, q->version);
		if (h != NULL && h->absent)
			held_drop(b, h, false);
		state_quarantine_drop(b->state, q->module, q->version);
	}
}

/* Another version of it is the active one now: one that is being put back beside it does not take the requests away again. */
static void restores_demote(struct brain *b, const struct op *active) {
	struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		if (op != active && op->restore && strcmp(op->module->module, active->module->module) == 0 &&
		    strcmp(op->module->version, active->module->version) != 0)
			op->activate = false;
}

/* What is wanted changes with the outcome, in the same write. */
static void wanted_change(struct brain *b, struct op *op) {
	if (op->kind == OP_UNINSTALL) {
		state_wanted_drop(b->state, op->module->module, op->module->version);
		state_quarantine_drop(b->state, op->module->module, op->module->version);
		return;
	}
	if (op->kind == OP_INSTALL) {
		keep_int(op->module, generation, op->generation);
		if (op->activate)
			keep_int(op->module, standby, 0);
		state_wanted_put(b->state, op->module);
		quarantine_outdated(b, op);
		if (op->activate)
			restores_demote(b, op);
	}
	for (size_t i = 0; (op->kind == OP_SWITCH || op->activate) && i < b->state->n_wanted; i++) {
		Berth__V1__WantedModule *w = b->state->wanted[i];
		if (strcmp(w->module, op->module->module) == 0)
			keep_int(w, standby, strcmp(w->version, op->module->version) != 0);
	}
}

void op_succeed(struct brain *b, struct op *op, const char *code, const char *state) {
	if (op->restore) {
		say(b, LOG_LEVEL_INFO, "restored %s:%s", op->module->module, op->module->version);
	} else {
		say(b, LOG_LEVEL_INFO, "%s of %s:%s done in %.3f s", kind_names[op->kind], op->module->module, op->module->version,
		    op->began ? (double)mono_diff(b->now, op->since) / US_PER_S : 0.0);
		wanted_change(b, op);
		tell_outcome(b, op, true, code, state, NULL);
		effect_simple(b, BRAIN_PINS);
	}
	struct held *h = held_find(b, op->module->module, op->module->version);
	if (op->kind == OP_UNINSTALL && h != NULL)
		held_drop(b, h, false);
	if (op->kind == OP_INSTALL && !op->restore) {
		keep_text(&b->fresh_module, op->module->module);
		keep_text(&b->fresh_version, op->module->version);
		b->fresh_at = b->now;
	}
	op_free(b, op);
	ops_run(b);
}

/* ---- steps ---- */

/* What could not be taken out again is told beside the outcome: the server knows of nothing left when an install failed. */
static void fail_as_remembered(struct brain *b, struct op *op) {
	struct held *h = op->undoing ? held_find(b, op->module->module, op->module->version) : NULL;
	if (h != NULL)
		h->dirty = true;
	op_fail(b, op, op->failure.code, op->failure.fault, op->failure.retryable, op->failure.cause);
}

/* A version that a command put in and that cannot take over goes out again: the server frees its room. One that was wanted here before, or
 * is being put back, stays: the server counts it. */
static void switch_failed(struct brain *b, struct op *op) {
	if (op->kind != OP_INSTALL || op->restore || state_wanted(b->state, op->module->module, op->module->version) != NULL) {
		fail_as_remembered(b, op);
		return;
	}
	op->undoing = true;
	op_go(b, op, OP_REMOVING);
}

static void op_overdue(struct brain *b, struct op *op, enum op_step step, Berth__V1__Fault fault, const char *why) {
	if (op->undoing && step == OP_ASKING) {
		fail_as_remembered(b, op);
	} else if (op->undoing) {
		op_go(b, op, OP_ASKING);
	} else if (step == OP_SWITCHING) {
		failure_set(&op->failure, "timeout", fault, true, why);
		switch_failed(b, op);
	} else {
		op_fail(b, op, "timeout", fault, true, why);
	}
}

static void op_pause(struct brain *b, struct op *op, enum op_step resume, const char *why) {
	if (due(op->deadline, b->now)) {
		op_overdue(b, op, resume, op->kind == OP_INSTALL ? BERTH__V1__FAULT__FAULT_MODULE : BERTH__V1__FAULT__FAULT_BASE, why);
		return;
	}
	op->pause_us = op->pause_us == 0 ? PAUSE_US : op->pause_us * 2;
	if (op->pause_us > PAUSE_MAX_US)
		op->pause_us = PAUSE_MAX_US;
	op->step = OP_PAUSED;
	op->resume = resume;
	op->at = mono_min(mono_add(b->now, rng_jitter(&b->rng, op->pause_us)), mono_add(op->deadline, 0));
}

static int64_t time_left(const struct brain *b, const struct op *op) {
	int64_t left = mono_diff(op->deadline, b->now);
	return left < MIN_CALL_US ? MIN_CALL_US : left;
}

static int64_t call_remove(struct brain *b, struct op *op) {
	if (op->remove_module == NULL)
		return effect_call(b, ARKLET_UNINSTALL, op->module, time_left(b, op));
	Berth__V1__WantedModule other = BERTH__V1__WANTED_MODULE__INIT;
	other.module = op->remove_module;
	other.version = op->remove_version;
	return effect_call(b, ARKLET_UNINSTALL, &other, time_left(b, op));
}

static bool changing(const struct op *op) {
	return op->step == OP_INSTALLING || op->step == OP_REMOVING;
}

bool ops_changing(const struct brain *b) {
	const struct op *op;
	TAILQ_FOREACH(op, &b->ops, link)
		if (changing(op))
			return true;
	return false;
}

/* The metaspace that an install took can be told only when nothing else changed the base meanwhile. */
static void note_company(struct brain *b, struct op *op) {
	struct op *x;
	op->alone = true;
	base_changes(b);
	TAILQ_FOREACH(x, &b->ops, link)
		if (x != op && changing(x))
			x->alone = op->alone = false;
}

void op_go(struct brain *b, struct op *op, enum op_step step) {
	if (step != OP_ASKING && !op->undoing && due(op->deadline, b->now)) {
		op_overdue(b, op, step, BERTH__V1__FAULT__FAULT_BASE, "the time given to this command is over");
		return;
	}
	op->step = step;
	op->at = MONO_NEVER;
	if (step == OP_INSTALLING || step == OP_REMOVING)
		note_company(b, op);
	switch (step) {
	case OP_ASKING:
		op->call = effect_call(b, ARKLET_QUERY_ALL, NULL, ASK_TIMEOUT_US);
		break;
	case OP_INSTALLING:
		op->attempts++;
		op->call = effect_call(b, ARKLET_INSTALL, op->module, time_left(b, op));
		break;
	case OP_REMOVING:
		op->attempts++;
		op->call = call_remove(b, op);
		break;
	case OP_SWITCHING:
		op->attempts++;
		op->call = effect_call(b, ARKLET_SWITCH, op->module, time_left(b, op));
		break;
	case OP_HOOKING:
		op->call = effect_hook(b, op, kind_names[op->kind], time_left(b, op));
		break;
	case OP_QUEUED:
	case OP_BATCHED:
	case OP_PAUSED:
		break;
	}
}

void op_begin(struct brain *b, struct op *op) {
	static const enum op_step first[] = { [OP_INSTALL] = OP_INSTALLING,
		[OP_UNINSTALL] = OP_REMOVING,
		[OP_SWITCH] = OP_SWITCHING,
		[OP_BEFORE_SWAP] = OP_HOOKING,
		[OP_AFTER_SWAP] = OP_HOOKING };
	const struct held *h = held_find(b, op->module->module, op->module->version);
	if (!op->began || op->restore) {
		op->began = true;
		op->since = b->now;
		op->deadline = mono_add(b->now, op->restore ? RESTORE_TIMEOUT_US : op->timeout_us);
	}
	bool there = h != NULL && !h->absent;
	bool asks = (op->doubtful && first[op->kind] != OP_HOOKING) || (op->kind == OP_INSTALL && there);
	op_go(b, op, asks ? OP_ASKING : first[op->kind]);
}

/* Whether the bytes on the base are known to be others than those asked for. What is wanted holds the digest that was installed. */
static bool bytes_differ(const struct brain *b, const struct op *op) {
	const Berth__V1__WantedModule *w = state_wanted(b->state, op->module->module, op->module->version);
	return !op->restore && w != NULL && w->sha256 != NULL && op->module->sha256 != NULL && strcmp(w->sha256, op->module->sha256) != 0;
}

static void started(struct brain *b, struct op *op, enum arklet_state state, const char *code) {
	if (state == ARKLET_ACTIVATED)
		held_switched(b, op->module->module, op->module->version);
	if (op->activate && state != ARKLET_ACTIVATED) {
		op->attempts = 0;
		op_go(b, op, OP_SWITCHING);
		return;
	}
	struct held *h = held_set(b, op->module->module, op->module->version, state, NULL);
	h->failures = 0;
	h->dirty = op->restore; /* an outcome tells by itself */
	op_succeed(b, op, code, arklet_state_name(state));
}

/* ---- what queryAllBiz says ---- */

static void found_for_install(struct brain *b, struct op *op, const struct arklet_biz *biz) {
	bool failed = op->failure.code != NULL;
	if (biz == NULL && op->remove_refused) { /* it went all the same */
		op->remove_refused = false;
		failure_clear(&op->failure);
		op_go(b, op, OP_INSTALLING);
	} else if (biz == NULL && failed) {
		fail_as_remembered(b, op);
	} else if (biz == NULL && op->attempts >= MAX_ATTEMPTS) {
		op_fail(b, op, "lost", BERTH__V1__FAULT__FAULT_BASE, true, "arklet's answer was lost twice and the module is not there");
	} else if (biz == NULL) {
		op_go(b, op, OP_INSTALLING);
	} else if (biz->state == ARKLET_RESOLVED || biz->state == ARKLET_UNRESOLVED) {
		op_pause(b, op, OP_ASKING, "the module is still starting; it cannot be stopped meanwhile");
	} else if (arklet_state_started(biz->state) && !failed && (op->removed_first || !bytes_differ(b, op))) {
		started(b, op, biz->state, op->attempts == 0 || op->repeated ? "REPEAT_BIZ" : "SUCCESS");
	} else if (failed) {
		fail_as_remembered(b, op);
	} else if (op->removed_first) {
		op_fail(b, op, "FAILED", BERTH__V1__FAULT__FAULT_MODULE, true,
		    biz->message != NULL && *biz->message != '\0' ? biz->message : "the module is broken");
	} else {
		op_go(b, op, OP_REMOVING);
	}
}

static void found_for_uninstall(struct brain *b, struct op *op, const struct arklet_biz *biz) {
	if (biz == NULL)
		op_succeed(b, op, op->attempts > 0 ? "SUCCESS" : "NOT_FOUND_BIZ", "");
	else if (biz->state == ARKLET_RESOLVED)
		op_pause(b, op, OP_ASKING, "the module is still starting; it cannot be removed meanwhile");
	else if (op->attempts >= MAX_ATTEMPTS && op->failure.code != NULL)
		fail_as_remembered(b, op);
	else if (op->attempts >= MAX_ATTEMPTS)
		op_fail(b, op, "lost", BERTH__V1__FAULT__FAULT_BASE, true, "arklet's answer was lost twice and the module is still there");
	else
		op_go(b, op, OP_REMOVING);
}

static void found_for_switch(struct brain *b, struct op *op, const struct arklet_biz *biz) {
	if (biz == NULL)
		op_fail(b, op, "NOT_FOUND_BIZ", BERTH__V1__FAULT__FAULT_BASE, false, "this version is not on the base");
	else if (biz->state == ARKLET_ACTIVATED)
		started(b, op, ARKLET_ACTIVATED, "SUCCESS");
	else if (biz->state == ARKLET_RESOLVED)
		op_pause(b, op, OP_ASKING, "the module is still starting");
	else if (biz->state != ARKLET_DEACTIVATED || op->attempts >= MAX_ATTEMPTS)
		op_fail(b, op, "ILLEGAL_STATE_BIZ", BERTH__V1__FAULT__FAULT_MODULE, true, "this version cannot be activated");
	else
		op_go(b, op, OP_SWITCHING);
}

static void on_asked(struct brain *b, struct op *op, const struct brain_answer *a) {
	if (a->error != 0 || a->reply->verdict != ARKLET_OK) {
		op_pause(b, op, OP_ASKING, a->error != 0 ? a->error_text : a->reply->cause);
		return;
	}
	held_take(b, a->reply);
	const struct arklet_biz *biz = arklet_biz_find(a->reply, op->module->module, op->module->version);
	if (op->kind == OP_INSTALL)
		found_for_install(b, op, biz);
	else if (op->kind == OP_UNINSTALL)
		found_for_uninstall(b, op, biz);
	else
		found_for_switch(b, op, biz);
}

/* ---- what commands answer ---- */

/* True when the call itself went wrong; then the next step is chosen. */
static bool call_failed(struct brain *b, struct op *op, const struct brain_answer *a, enum op_step same) {
	if (a->error == 0)
		return false;
	if (a->error == E_NOT_FOUND && same == OP_INSTALLING && !op->lost_artifact) { /* the cache lost it: nothing was sent */
		op->lost_artifact = true;
		op->step = OP_QUEUED;
		op->attempts--;
		op_fetch(b, op);
		ops_run(b);
	} else if (!a->sent) {
		op->attempts--;
		op_pause(b, op, same, a->error_text);
	} else {
		op_go(b, op, OP_ASKING);
	}
	return true;
}

static Berth__V1__Fault install_fault(const struct arklet_reply *r) {
	static const char *const artifact[] = { "ZipException", "FileNotFoundException", "NoSuchFileException", "sha256", "digest" };
	for (size_t i = 0; i < sizeof artifact / sizeof *artifact; i++)
		if (strstr(r->cause, artifact[i]) != NULL || strstr(r->message, artifact[i]) != NULL)
			return BERTH__V1__FAULT__FAULT_ARTIFACT;
	return BERTH__V1__FAULT__FAULT_MODULE;
}

/* The base took name and version from the file's own manifest: what came in by a wrong name goes out again. */
static void installed_other(struct brain *b, struct op *op, const struct arklet_biz *biz) {
	ARENA_AUTO a = arena_new();
	failure_set(&op->failure, "mismatch", BERTH__V1__FAULT__FAULT_ARTIFACT, false,
	    arena_printf(a, "the artifact says it is %s:%s, not %s:%s", biz->name, biz->version, op->module->module, op->module->version));
	keep_text(&op->remove_module, biz->name);
	keep_text(&op->remove_version, biz->version);
	op->undoing = true;
	op_go(b, op, OP_REMOVING);
}

void op_installed(struct brain *b, struct op *op, const struct arklet_reply *r) {
	if (op->alone && r->has_elapsed_space)
		op->metaspace_growth = r->elapsed_space;
	const struct arklet_biz *biz = arklet_biz_find(r, op->module->module, op->module->version);
	if (biz == NULL && r->n_biz > 0)
		installed_other(b, op, &r->biz[0]);
	else if (biz == NULL || !arklet_state_started(biz->state))
		op_go(b, op, OP_ASKING);
	else
		started(b, op, biz->state, "SUCCESS");
}

static void on_installed(struct brain *b, struct op *op, const struct brain_answer *a) {
	if (call_failed(b, op, a, OP_INSTALLING))
		return;
	const struct arklet_reply *r = a->reply;
	switch (r->verdict) {
	case ARKLET_OK:
		op_installed(b, op, r);
		break;
	case ARKLET_REPEAT:
		op->repeated = true;
		op_go(b, op, OP_ASKING);
		break;
	case ARKLET_BUSY:
		op->attempts--;
		op_pause(b, op, OP_ASKING, r->cause);
		break;
	case ARKLET_NO_COMMAND:
		op_fail(b, op, r->code, BERTH__V1__FAULT__FAULT_BASE, false, "the base knows no installBiz");
		break;
	default: {
		Berth__V1__Fault fault = install_fault(r);
		failure_set(&op->failure, r->code, fault, fault == BERTH__V1__FAULT__FAULT_MODULE, r->cause);
		if (r->trace != NULL && op->output == NULL) /* where nobody reads the base's own output */
			keep_text(&op->output, r->trace);
		op_go(b, op, OP_ASKING);
	}
	}
}

static void on_removed(struct brain *b, struct op *op, const struct brain_answer *a) {
	if (call_failed(b, op, a, OP_REMOVING))
		return;
	const struct arklet_reply *r = a->reply;
	if (r->verdict == ARKLET_BUSY) {
		op->attempts--;
		op_pause(b, op, OP_REMOVING, r->cause);
		return;
	}
	if (op->undoing) { /* whatever came of it, the operation has failed; the base says what is left */
		op_go(b, op, OP_ASKING);
		return;
	}
	if (r->verdict != ARKLET_OK && r->verdict != ARKLET_NOT_FOUND) {
		/* A stop handler that threw: the module is usually gone all the same. */
		failure_set(&op->failure, r->code, BERTH__V1__FAULT__FAULT_MODULE, true, r->cause);
		op->removed_first = op->remove_refused = op->kind == OP_INSTALL;
		op_go(b, op, OP_ASKING);
		return;
	}
	struct held *h = held_find(b, op->module->module, op->module->version);
	if (h != NULL)
		held_drop(b, h, op->kind != OP_UNINSTALL);
	if (op->kind == OP_UNINSTALL) {
		op_succeed(b, op, r->code, "");
	} else {
		op->removed_first = true;
		op->attempts = 0;
		op_go(b, op, OP_INSTALLING);
	}
}

static void on_switched(struct brain *b, struct op *op, const struct brain_answer *a) {
	if (call_failed(b, op, a, OP_SWITCHING))
		return;
	const struct arklet_reply *r = a->reply;
	if (r->verdict == ARKLET_OK) {
		started(b, op, ARKLET_ACTIVATED, "SUCCESS");
	} else if (r->verdict == ARKLET_BUSY) {
		op->attempts--;
		op_pause(b, op, OP_SWITCHING, r->cause);
	} else {
		bool absent = r->verdict == ARKLET_NOT_FOUND;
		Berth__V1__Fault fault = absent ? BERTH__V1__FAULT__FAULT_BASE : BERTH__V1__FAULT__FAULT_MODULE;
		failure_set(&op->failure, r->code, fault, !absent, r->cause);
		switch_failed(b, op);
	}
}

void op_answered(struct brain *b, struct op *op, const struct brain_answer *a) {
	op->call = 0;
	if (a->memory_bytes > 0)
		op->memory_bytes = b->memory_bytes = a->memory_bytes;
	if (a->output != NULL)
		keep_text(&op->output, a->output);
	switch (op->step) {
	case OP_ASKING:
		on_asked(b, op, a);
		break;
	case OP_INSTALLING:
		on_installed(b, op, a);
		break;
	case OP_REMOVING:
		on_removed(b, op, a);
		break;
	case OP_SWITCHING:
		on_switched(b, op, a);
		break;
	case OP_HOOKING: /* brain_hook_ended */
	case OP_QUEUED:
	case OP_BATCHED:
	case OP_PAUSED:
		break;
	}
}

void brain_hook_ended(struct brain *b, int64_t id, const struct brain_hook *h, mono_t now) {
	struct op *op;
	b->now = now;
	TAILQ_FOREACH(op, &b->ops, link)
		if (op->step == OP_HOOKING && op->call == id)
			break;
	if (op == NULL)
		return; /* its base died meanwhile, and it is called once more */
	op->call = 0;
	if (h->output != NULL)
		keep_text(&op->output, h->output);
	if (h->ok)
		op_succeed(b, op, "SUCCESS", "");
	else
		op_fail(b, op, h->known ? "hook" : "no_hook", BERTH__V1__FAULT__FAULT_HOOK, h->known, h->cause);
	report_seal(b);
}
