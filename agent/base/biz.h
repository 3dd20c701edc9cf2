/* A biz: one module version that is installed on this base. State, history, loaded code and the requests inside.
 *
 * Fields belong to the loop's thread, with one exception: load, start, stop, health and unload run on a worker, one at a time
 * (health beside handlers), and touch only `code` and what is constant. Made by install.c, listed by registry.c. */
#ifndef BERTH_NATIVE_BIZ_H
#define BERTH_NATIVE_BIZ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <berth/module.h>
#include <jansson.h>

#include "base/clock.h"
#include "proto/modfile.h"

struct arena;
struct err;
struct call;

enum biz_state { BIZ_RESOLVED, BIZ_ACTIVATED, BIZ_DEACTIVATED, BIZ_BROKEN, BIZ_STOPPED };
enum biz_reason { BIZ_CREATED, BIZ_STARTED, BIZ_INSTALL_FAILED, BIZ_UNINSTALL_FAILED, BIZ_SWITCHED, BIZ_KILLING, BIZ_STOPPED_REASON };

enum { BIZ_RECORDS = 32 };

struct biz_record {
	wall_t time;
	enum biz_state state;
	enum biz_reason reason;
	char *message; /* own memory */
};

struct biz {
	TAILQ_ENTRY(biz) link;
	struct arena *arena; /* of all texts here */
	struct modfile info;
	const char *key; /* "name:version" */
	const char *url; /* as it was asked for */
	char *path;      /* private copy of the file */
	char digest[65];
	const char *base_name;

	enum biz_state state;
	struct biz_record records[BIZ_RECORDS];
	unsigned n_records;
	uint64_t serial; /* order of installation */

	struct { /* workers, see above */
		void *handle;
		const struct berth_module *module;
		struct berth_host host;
		void *state;
		bool started;
		int range; /* of crash.h; -1: none */
	} code;
	int argc;
	const char *const *argv, *const *env;

	/* requests; dispatch.c alone changes these */
	unsigned inside; /* queued or running */
	unsigned running;
	uint64_t served;
	TAILQ_HEAD(, call) queue;
	TAILQ_ENTRY(biz) ready;     /* in the dispatcher's ring while queue is not empty */
	void (*emptied)(void *arg); /* runs once when inside falls to 0 */
	void *emptied_arg;

	bool health_running; /* check.c alone changes these */
	int health;          /* 0 = fine */
	char health_text[256];
	mono_t health_since;
	void (*health_idle)(void *arg);
	void *health_idle_arg;
	bool stopping; /* an uninstall has begun to end it: no further health calls */
};

/* Owns the arena of the artifact from now on, and the file at path. */
struct biz *biz_new(struct arena *arena, const struct modfile *info, const char *base_name);
void biz_free(struct biz *b); /* removes the private copy; the code must be unloaded */

void biz_set_state(struct biz *b, enum biz_state state, enum biz_reason reason, const char *message);
const char *biz_state_name(enum biz_state s); /* "activated" */
json_t *json_clean(const char *s);            /* a JSON string; bytes that are not UTF-8 become '?' (modules may say anything) */
json_t *biz_records_json(const struct biz *b);
json_t *biz_json(const struct biz *b);         /* a queryAllBiz object */
json_t *biz_install_json(const struct biz *b); /* a bizInfos object */

/* On a worker. Each names module and cause in its error. */
int biz_load(struct biz *b, struct err *err); /* dlopen of the private copy, record compared with what the file said */
int biz_start(struct biz *b, struct err *err);
int biz_stop(struct biz *b, struct err *err);
int biz_health(struct biz *b, char *text, size_t size); /* 0 = fine */
void biz_unload(struct biz *b);

#endif
