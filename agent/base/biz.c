/* A biz: its states, its history, its JSON. */
#include "biz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

static const char *const state_names[] = {
	[BIZ_RESOLVED] = "resolved",
	[BIZ_ACTIVATED] = "activated",
	[BIZ_DEACTIVATED] = "deactivated",
	[BIZ_BROKEN] = "broken",
	[BIZ_STOPPED] = "stopped",
};
static const char *const reason_names[] = {
	[BIZ_CREATED] = "Created",
	[BIZ_STARTED] = "Started",
	[BIZ_INSTALL_FAILED] = "Install Failed",
	[BIZ_UNINSTALL_FAILED] = "Uninstall Failed",
	[BIZ_SWITCHED] = "Switched",
	[BIZ_KILLING] = "Killing",
	[BIZ_STOPPED_REASON] = "Stopped",
};

struct biz *biz_new(struct arena *arena, const struct modfile *info, const char *base_name) {
	struct biz *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	b->arena = arena;
	b->info = *info;
	b->key = arena_printf(arena, "%s:%s", info->name, info->version);
	b->base_name = base_name;
	b->code.range = -1;
	TAILQ_INIT(&b->queue);
	return b;
}

void biz_free(struct biz *b) {
	if (!b)
		return;
	if (b->path)
		unlink(b->path);
	for (unsigned i = 0; i < b->n_records; i++)
		free(b->records[i].message);
	free(b->path);
	arena_free(b->arena);
	free(b);
}

/* The history is bounded: the creation stays, the second oldest goes. */
static struct biz_record *record_add(struct biz *b) {
	if (b->n_records == BIZ_RECORDS) {
		free(b->records[1].message);
		memmove(&b->records[1], &b->records[2], (BIZ_RECORDS - 2) * sizeof b->records[0]);
		b->n_records--;
	}
	return &b->records[b->n_records++];
}

void biz_set_state(struct biz *b, enum biz_state state, enum biz_reason reason, const char *message) {
	b->state = state;
	*record_add(b) =
	    (struct biz_record){ .time = clock_wall(&clock_real), .state = state, .reason = reason, .message = strdup(message) };
	log_info("module state", log_s("module", b->info.name), log_s("version", b->info.version), log_s("state", state_names[state]),
	    log_s("reason", reason_names[reason]));
}

const char *biz_state_name(enum biz_state s) {
	return state_names[s];
}

json_t *json_clean(const char *s) {
	size_t n = strlen(s);
	json_t *j = json_stringn(s, n);
	if (j)
		return j;
	char *copy = strdup(s);
	for (size_t i = 0, k; copy && i < n; i += k ? k : 1)
		if (!(k = utf8_length(copy + i, n - i)))
			copy[i] = '?';
	j = json_string(copy ? copy : "");
	free(copy);
	return j;
}

json_t *biz_records_json(const struct biz *b) {
	json_t *list = json_array();
	for (unsigned i = 0; i < b->n_records; i++) {
		const struct biz_record *r = &b->records[i];
		json_array_append_new(
		    list, json_pack("{s:I, s:s, s:s, s:o}", "changeTime", (json_int_t)(r->time.us / US_PER_MS), "state",
		              state_names[r->state], "reason", reason_names[r->reason], "message", json_clean(r->message)));
	}
	return list;
}

json_t *biz_json(const struct biz *b) {
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "bizName", b->info.name, "bizVersion", b->info.version, "bizState",
	    state_names[b->state], "mainClass", BERTH_MODULE_SYMBOL, "webContextPath", b->info.context_path, "bizStateRecords",
	    biz_records_json(b));
}

json_t *biz_install_json(const struct biz *b) {
	json_t *j = biz_json(b);
	json_t *more = json_pack("{s:s, s:i, s:i, s:b, s:{}, s:s}", "identity", b->key, "priority", (int)b->info.priority, "units",
	    (int)b->info.units, "declaredMode", 0, "attributes", "sha256", b->digest);
	json_object_set_new(more, "description", json_clean(b->info.description));
	json_object_update(j, more);
	json_decref(more);
	return j;
}
