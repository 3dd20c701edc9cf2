/* The agent's decisions: what a base should hold, what was commanded, what is reported, when it is restarted, who is to blame when it
 * dies. A pure state machine: inputs with the time handed in → effects that the caller performs. No I/O, no clock, no threads, so the
 * server's simulation runs it on virtual time.
 *
 * The caller feeds inputs, then takes effects with brain_next() until there is none, and calls brain_tick() when brain_deadline() is
 * reached. Everything that arrives may be wrong, late or hostile; nothing in it makes the brain forget what it promised. */
#ifndef BERTH_AGENT_BRAIN_H
#define BERTH_AGENT_BRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "berth/v1/agent.pb-c.h"
#include "proto/arklet.h"

struct brain;
struct err;

struct brain_config {
	const Berth__V1__Hello *hello; /* who we are: base, tenant, boot, group, labels, …, join token; copied. What is held, the key and
	                                  the witness are filled in by the brain */
	bool supervised;               /* false: something else starts the base */
	bool batch;                    /* put a baseline in by batchInstallBiz where the base lists it */
	bool health;                   /* ask for its health at each poll: a JVM's memory. Without a supervisor that is done anyway */
	unsigned parallel;             /* operations on the base at a time; 0 = 4 */
	int64_t min_ready_us;          /* 0 = 5 s: dying so soon after an install is that module's fault */
	int64_t crash_window_us;       /* 0 = 5 min */
	unsigned crash_limit;          /* 0 = 3 deaths in the window */
	int64_t stop_us;               /* 0 = 30 s from SIGTERM to SIGKILL */
	int64_t probe_note_us;         /* 0 = 60 s without an answer from arklet are worth a note */
	uint64_t seed;                 /* of the jitter */
};

enum brain_effect_kind {
	BRAIN_PERSIST, /* make `state` durable, then brain_persisted(); only BRAIN_SEND of heartbeats, fetches and notes come out before */
	BRAIN_SEND,    /* `message` to the server, in order; dropped when there is no stream */
	BRAIN_DROP_LINK,  /* end the stream and dial again; `slow`: not before 30 s */
	BRAIN_JOINED,     /* welcomed: base key, servers and artifact prefix of brain_state() are in force */
	BRAIN_FETCH,      /* have `module`'s artifact in the cache, verified, then brain_fetched(id) */
	BRAIN_PINS,       /* the wanted set changed: brain_pinned() tells what the cache must keep */
	BRAIN_CALL,       /* `command` to arklet about `module` within `timeout_us`, then brain_answered(id) */
	BRAIN_HOOK,       /* run the command called `hook` within `timeout_us`, then brain_hook_ended(id) */
	BRAIN_BASE_START, /* then brain_base_started() or brain_base_failed() */
	BRAIN_BASE_TERM,
	BRAIN_BASE_KILL,
	BRAIN_SAY,  /* a line for people */
	BRAIN_EXIT, /* the end: leave with `status` */
};

struct brain_effect {
	enum brain_effect_kind kind;
	int64_t id;
	const Berth__V1__AgentMessage *message;
	const uint8_t *state;
	size_t state_len;
	enum arklet_command command;
	const Berth__V1__WantedModule *module;         /* of a call: NULL for those about no module */
	const Berth__V1__WantedModule *const *modules; /* of a batch */
	size_t n_modules;
	const char *hook, *hook_context, *hook_key, *hook_kind; /* kind: "before_swap" or "after_swap"; texts are never NULL */
	int64_t timeout_us;
	bool slow;
	int status;
	enum log_level level;
	const char *text;
};

/* state: what was made durable last (may be NULL: a new agent). E_MALFORMED when it is none. */
int brain_new(const struct brain_config *cfg, const uint8_t *state, size_t n, mono_t now, struct brain **ret, struct err *err);
void brain_free(struct brain *b);

/* The next effect, valid until the following call, or NULL. Performing one may feed inputs from within. */
const struct brain_effect *brain_next(struct brain *b);
mono_t brain_deadline(const struct brain *b);
void brain_tick(struct brain *b, mono_t now);

/* ---- inputs ---- */
void brain_start(struct brain *b, bool adopted, mono_t now); /* once; adopted: the base of brain_state() is still alive */
void brain_stop(struct brain *b, const char *reason, mono_t now);
void brain_persisted(struct brain *b, bool ok, mono_t now); /* !ok: comes again after a while */
void brain_link_up(struct brain *b, mono_t now);            /* the stream is open: says Hello */
void brain_link_down(struct brain *b, mono_t now);
void brain_message(struct brain *b, const Berth__V1__ServerMessage *m, mono_t now); /* log requests are not for the brain */

struct brain_fetched {
	bool ok;
	const char *code; /* "download", "digest", "too_large", "no_space", … */
	const char *cause;
	bool retryable;
	int64_t elapsed_us; /* 0: it was there */
};
void brain_fetched(struct brain *b, int64_t id, const struct brain_fetched *f, mono_t now);

struct brain_answer {
	int error; /* 0: *reply is what arklet said; E_NOT_FOUND: the artifact is not in the cache any more */
	bool sent; /* false: surely nothing reached the base */
	const char *error_text;
	const struct arklet_reply *reply;
	const struct arklet_health *health; /* of ARKLET_HEALTH */
	unsigned commands;                  /* of ARKLET_HELP: bits */
	const struct arklet_reply *items;   /* of ARKLET_BATCH_INSTALL, in the order of its modules */
	size_t n_items;
	int64_t memory_bytes; /* of the base now; 0 unknown */
	int64_t threads;      /* of it; 0 unknown */
	const char *output;   /* its last lines, when something failed; or NULL */
};
void brain_answered(struct brain *b, int64_t id, const struct brain_answer *a, mono_t now);

struct brain_hook {
	bool ok;
	bool known;         /* false: there is no command of that name, so no retry helps */
	const char *cause;  /* why not ok */
	const char *output; /* its last lines, or NULL */
};
void brain_hook_ended(struct brain *b, int64_t id, const struct brain_hook *h, mono_t now);

void brain_base_started(struct brain *b, int64_t pid, int64_t pid_start, mono_t now);
void brain_base_failed(struct brain *b, const char *why, mono_t now); /* it could not even be started */
struct brain_exit {
	bool known; /* false: not our child, so nobody told how it ended */
	int code, signo;
	const char *text;   /* "killed by SIGSEGV" */
	const char *output; /* last lines, or NULL */
	const char *blamed; /* "name:version" that the last words name, or NULL */
};
void brain_base_exited(struct brain *b, const struct brain_exit *x, mono_t now);

/* ---- for the caller and for people ---- */
const Berth__V1__AgentState *brain_state(const struct brain *b);
bool brain_pinned(const struct brain *b, const char *sha256); /* wanted, or about to be installed */
bool brain_ready(const struct brain *b);                      /* the baseline is in */

struct brain_view {
	const char *phase; /* "starting", "restoring", "up", "backoff", "unreachable", "stopping" */
	const char *note;  /* why it is not up; "" */
	bool linked, joined, ready, crash_loop;
	size_t held, wanted, operations, unacked, quarantined;
	int64_t epoch, incarnation;
};
void brain_view(const struct brain *b, struct brain_view *ret);
/* Walks what the base holds; false at the end. Valid until the next input. */
struct brain_held {
	const char *module, *version, *state, *cause;
	bool wanted, standby, quarantined;
};
bool brain_held_at(const struct brain *b, size_t i, struct brain_held *ret);

#endif
