/* Where fault points are armed and take effect. Contract in the header. */
#include "base/faultpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

#ifdef BERTH_FAULTS

enum action { ACTION_NONE, ACTION_CRASH, ACTION_STALL, ACTION_FAIL, ACTIONS };

struct arm {
	enum faultpoint point;
	enum action action;
	long at; /* effect at this pass, counted from 1 */
};

static const char *const action_names[ACTIONS] = { "", "crash", "stall", "fail" };
static const struct {
	const char *name, *program, *sentence;
	int failure;
} points[FAULTPOINTS] = {
#define FAULTPOINT(sym, name, program, failure, sentence) { name, program, sentence, failure },
#include "base/faultpoints.def"
#undef FAULTPOINT
};

/* The process's own: a point may be passed on any thread. */
static struct {
	pthread_mutex_t lock;
	bool begun;
	const char *file;
	char text[128];      /* the file's entry as read last; with it the count starts over */
	long passed;         /* since then, at the file's point */
	struct arm arms[16]; /* of the environment */
	size_t n_arms;
	long passes[FAULTPOINTS];
} faults = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void unclear(const char *entry) {
	log_error("no such fault; berthd --dump-faults lists the points", log_s("entry", entry));
	_exit(EXIT_FAILURE);
}

/* "POINT=ACTION[@N]" */
static struct arm parse(const char *entry) {
	struct arm a = { .point = FAULTPOINTS, .at = 1 };
	size_t n = strcspn(entry, "=");
	const char *action = entry[n] == '=' ? entry + n + 1 : "", *at = strchr(action, '@');
	size_t action_n = at != NULL ? (size_t)(at - action) : strlen(action);
	for (int i = 0; i < FAULTPOINTS; i++)
		if (strlen(points[i].name) == n && strncmp(points[i].name, entry, n) == 0)
			a.point = (enum faultpoint)i;
	for (int i = ACTION_CRASH; i < ACTIONS; i++)
		if (strlen(action_names[i]) == action_n && strncmp(action_names[i], action, action_n) == 0)
			a.action = (enum action)i;
	if (at != NULL)
		a.at = strtol(at + 1, NULL, 10);
	if (a.point == FAULTPOINTS || a.action == ACTION_NONE || a.at < 1 || (a.action == ACTION_FAIL && points[a.point].failure == 0))
		unclear(entry);
	return a;
}

static void begin(void) {
	const char *list = getenv("BERTH_FAULTS");
	char *copy = strdup(list != NULL ? list : ""), *rest = copy, *entry;
	if (copy == NULL)
		abort();
	while ((entry = strsep(&rest, ",")) != NULL) {
		if (*entry == '\0')
			continue;
		if (faults.n_arms == sizeof faults.arms / sizeof *faults.arms)
			unclear(entry);
		faults.arms[faults.n_arms++] = parse(entry);
	}
	free(copy);
	faults.file = getenv("BERTH_FAULTS_FILE");
	faults.begun = true;
}

/* The file's entry as it is now; a point of FAULTPOINTS: none. */
static struct arm file_arm(void) {
	char text[sizeof faults.text] = "";
	FILE *f = faults.file != NULL ? fopen(faults.file, "re") : NULL;
	if (f != NULL) {
		size_t n = fread(text, 1, sizeof text - 1, f);
		text[n] = '\0';
		text[strcspn(text, "\r\n")] = '\0';
		fclose(f);
	}
	if (strcmp(text, faults.text) != 0) {
		memcpy(faults.text, text, sizeof text);
		faults.passed = 0;
	}
	return text[0] != '\0' ? parse(text) : (struct arm){ .point = FAULTPOINTS };
}

/* What the next pass of p will do. The lock is held. */
static enum action next(enum faultpoint p, bool *ret_by_file) {
	if (!faults.begun)
		begin();
	for (size_t i = 0; i < faults.n_arms; i++)
		if (faults.arms[i].point == p && faults.passes[p] + 1 == faults.arms[i].at)
			return faults.arms[i].action;
	struct arm a = file_arm();
	*ret_by_file = a.point == p;
	return a.point == p && faults.passed + 1 == a.at ? a.action : ACTION_NONE;
}

bool faultpoint_due(enum faultpoint p) {
	bool by_file = false;
	pthread_mutex_lock(&faults.lock);
	enum action a = next(p, &by_file);
	pthread_mutex_unlock(&faults.lock);
	return a != ACTION_NONE;
}

static enum action pass(enum faultpoint p) {
	bool by_file = false;
	pthread_mutex_lock(&faults.lock);
	enum action a = next(p, &by_file);
	faults.passes[p]++;
	faults.passed += by_file;
	if (a != ACTION_NONE && by_file) {
		unlink(faults.file);
		faults.text[0] = '\0';
	}
	pthread_mutex_unlock(&faults.lock);
	return a;
}

int faultpoint_pass(enum faultpoint p, struct err *err) {
	enum action a = pass(p);
	if (a == ACTION_NONE)
		return 0;
	log_warn("a fault that was asked for", log_s("point", points[p].name), log_s("action", action_names[a]));
	if (a == ACTION_FAIL)
		return err_set(err, points[p].failure, "a fault that was asked for at %s: %s", points[p].name, points[p].sentence);
	kill(getpid(), a == ACTION_CRASH ? SIGKILL : SIGSTOP);
	return 0;
}

void faultpoint_print(FILE *to) {
	for (size_t i = 0; i < FAULTPOINTS; i++)
		fprintf(to, "%-17s %-12s %-14s %s\n", points[i].name, points[i].program,
		    points[i].failure == 0 ? "-" : err_name(points[i].failure), points[i].sentence);
}

#else

void faultpoint_print(FILE *to) {}

#endif
