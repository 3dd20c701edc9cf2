/* What a plan document says about the plan's end. Unknown states of a newer server count as going on. */
#include "cli/progress.h"

#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/field.h"

static const struct {
	const char *state;
	int exit;
} ends[] = {
	{ "succeeded", CLI_OK },
	{ "succeeded_with_failures", CLI_FAILED },
	{ "failed", CLI_FAILED },
	{ "paused", CLI_PERSON },
	{ "confirming", CLI_PERSON },
	{ "stopped", CLI_ENDED },
	{ "undone", CLI_ENDED },
	{ "superseded", CLI_ENDED },
};

int progress_exit(const json_t *plan) {
	const char *state = field_str(plan, "state");
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		if (strcmp(ends[i].state, state) != 0)
			continue;
		/* Taken back because tasks failed is a failure; taken back by a person is an end. */
		if (strcmp(state, "undone") == 0 && field_int(plan, "tasksFailed", 0) > 0)
			return CLI_FAILED;
		return ends[i].exit;
	}
	return PROGRESS_GOING;
}

static void add_change(const json_t *plan, const json_t *change, bool utf8, struct buf *out) {
	const char *deployment = field_str(change, "deployment"), *module = field_str(change, "module");
	const char *from = field_str(change, "fromVersion"), *to = field_str(change, "toVersion");
	const json_t *a = field_get(change, "fromReplicas"), *b = field_get(change, "toReplicas");
	buf_add_str(out, deployment);
	if (*module != '\0' && strcmp(module, deployment) != 0)
		buf_printf(out, " (%s)", module);
	if (*from != '\0' && *to != '\0' && strcmp(from, to) != 0)
		buf_printf(out, " %s %s %s", from, utf8 ? "→" : "->", to);
	else if (*to != '\0' || *from != '\0')
		buf_printf(out, " %s", *to != '\0' ? to : from);
	if (a != NULL && b != NULL && !json_equal(a, b)) {
		buf_add_str(out, ", ");
		field_add_text(a, out);
		buf_add_str(out, utf8 ? " → " : " -> ");
		field_add_text(b, out);
		buf_add_str(out, " bases");
	}
}

void progress_title(const json_t *plan, bool utf8, struct buf *out) {
	const json_t *changes = field_get(plan, "changes");
	size_t shown = 0, more = 0;
	buf_add_str(out, *field_str(plan, "kind") != '\0' ? field_str(plan, "kind") : "plan");
	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *change = json_array_get(changes, i);
		if (json_is_true(field_get(change, "accompanies")))
			continue;
		more += shown == 3;
		if (shown == 3)
			continue;
		buf_add_str(out, shown++ == 0 ? " of " : ", ");
		add_change(plan, change, utf8, out);
	}
	if (more > 0)
		buf_printf(out, " and %zu more", more);
}

void progress_line(const json_t *plan, struct buf *out) {
	size_t batches = json_array_size(field_get(plan, "batches"));
	int64_t batch = field_int(plan, "currentBatch", 0), total = field_int(plan, "basesTotal", 0),
	        done = field_int(plan, "basesDone", 0);
	buf_printf(out, "plan %" PRId64 ": %s", field_int(plan, "id", 0), field_str(plan, "state"));
	if (batches > 1 && batch > 0)
		buf_printf(out, ", batch %" PRId64 " of %zu", batch, batches);
	if (total > 0)
		buf_printf(out, ", %" PRId64 " of %" PRId64 " bases done", done, total);
	if (field_int(plan, "basesFailed", 0) > 0)
		buf_printf(out, ", %" PRId64 " failed", field_int(plan, "basesFailed", 0));
	if (*field_str(plan, "stateReason") != '\0')
		buf_printf(out, " (%s)", field_str(plan, "stateReason"));
}

json_t *progress_failed(const json_t *plan) {
	static const char *const keys[] = { "base", "deployment", "module", "version", "kind", "attempt", "fault", "retryable", "cause",
		"output" };
	json_t *failed = json_array();
	const json_t *tasks = field_get(plan, "tasks");
	for (size_t i = 0; i < json_array_size(tasks); i++) {
		const json_t *task = json_array_get(tasks, i);
		if (strcmp(field_str(task, "state"), "failed") != 0)
			continue;
		json_t *one = json_object();
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
			json_t *v = json_object_get(task, keys[k]);
			if (v != NULL)
				json_object_set(one, keys[k], v);
		}
		json_array_append_new(failed, one);
	}
	return failed;
}

static const struct {
	const char *verb, *why;
} verbs[] = {
	{ "confirm", "go on with the next batch" },
	{ "resume", "go on" },
	{ "retry", "try what failed again" },
	{ "ignore", "let one base be and go on" },
	{ "pause", "hold it" },
	{ "undo", "take back what it did" },
	{ "stop", "end it and keep what is done" },
};

void progress_commands(const json_t *plan, const char *indent, struct buf *out) {
	const json_t *allowed = field_get(plan, "verbs");
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		for (size_t k = 0; k < json_array_size(allowed); k++) {
			const char *verb = json_string_value(json_array_get(allowed, k));
			if (verb == NULL || strcmp(verb, verbs[i].verb) != 0)
				continue;
			bool healthy = field_int(plan, "basesFailed", 0) == 0 && strcmp(field_str(plan, "state"), "paused") != 0;
			if (healthy && strcmp(verb, "ignore") == 0)
				continue; /* possible, and nothing a person looks for while all goes well */
			char command[96];
			if (strcmp(verb, "confirm") == 0 && field_int(plan, "currentBatch", 0) > 0)
				snprintf(command, sizeof command, "berth plan confirm %" PRId64 " %" PRId64, field_int(plan, "id", 0),
				    field_int(plan, "currentBatch", 0));
			else
				snprintf(command, sizeof command, "berth plan %s %" PRId64 "%s", verb, field_int(plan, "id", 0),
				    strcmp(verb, "ignore") == 0 ? " --base BASE --reason WHY" : "");
			buf_printf(out, "%s%-30s %s\n", indent, command, verbs[i].why);
		}
	}
}

int64_t progress_left(const json_t *plan, int64_t now_us) {
	const json_t *batches = field_get(plan, "batches");
	const char *state = field_str(plan, "state");
	int64_t done = 0, left = 0, spent = 0;
	if (strcmp(state, "running") != 0 && strcmp(state, "soaking") != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(batches); i++) {
		const json_t *b = json_array_get(batches, i);
		int64_t over = field_int(b, "done", 0) + field_int(b, "failed", 0);
		wall_t start, end = { now_us };
		done += over;
		left += field_int(b, "size", 0) - over;
		if (!field_time(b, "startTime", &start))
			continue;
		field_time(b, "endTime", &end);
		spent += end.us - start.us;
	}
	return done == 0 || left == 0 || spent <= 0 ? -1 : spent / done * left;
}

int64_t progress_elapsed(const json_t *plan, int64_t now_us) {
	wall_t start, end = { now_us };
	if (!field_time(plan, "startTime", &start) && !field_time(plan, "createTime", &start))
		return -1;
	field_time(plan, "endTime", &end);
	return end.us > start.us ? end.us - start.us : 0;
}
