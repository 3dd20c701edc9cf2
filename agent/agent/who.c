/* Who this base is: from options, token, data folder and command line to the Hello that the brain sends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_int.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/name.h"
#include "base/secret.h"
#include "proto/json.h"
#include "state.h"

static const char *base_name_of(const char *path) {
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

Berth__V1__Runtime who_runtime(const struct agent_options *o, char **command) {
	int value;
	if (o->runtime != NULL)
		return json_enum_value(&berth__v1__runtime__descriptor, o->runtime, &value) ? (Berth__V1__Runtime)value
		                                                                            : BERTH__V1__RUNTIME__RUNTIME_NONE;
	if (command == NULL) /* beside a base that something else starts: those are JVMs */
		return BERTH__V1__RUNTIME__RUNTIME_ARK;
	const char *program = base_name_of(command[0]);
	return strcmp(program, "java") == 0   ? BERTH__V1__RUNTIME__RUNTIME_ARK
	       : strcmp(program, "node") == 0 ? BERTH__V1__RUNTIME__RUNTIME_NODE
	                                      : BERTH__V1__RUNTIME__RUNTIME_NATIVE;
}

int who_read_state(const uint8_t *p, size_t n, struct who_state *ret, struct err *err) {
	Berth__V1__AgentState *s;
	int rc = state_load(p, n, &s, err);
	if (rc != 0)
		return rc;
	ret->pid = s->base_pid;
	ret->pid_start = s->base_pid_start;
	state_free(s);
	return 0;
}

/* "web1-3f9a02c1": the host's name helps people, the rest keeps two agents on one host apart. */
static void make_id(char buf[64]) {
	char host[256] = "", plain[48];
	uint32_t unique;
	size_t n = 0;
	gethostname(host, sizeof host - 1);
	for (const char *p = host; *p != '\0' && *p != '.' && n < sizeof plain - 1; p++)
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || (n > 0 && *p == '-'))
			plain[n++] = *p;
	plain[n] = '\0';
	random_bytes(&unique, sizeof unique);
	snprintf(buf, 64, "%s-%08x", n > 0 ? plain : "base", unique);
}

int who_id(struct agent *a, const struct agent_options *o, struct err *err) {
	if (o->id == NULL)
		return store_id(a->store, make_id, a->id, err);
	int rc = name_check(NAME_PLAIN, o->id, "", "base id", err);
	if (rc == 0)
		snprintf(a->id, sizeof a->id, "%s", o->id);
	return rc;
}

static int read_token(struct arena *mem, const struct agent_options *o, char **ret, struct err *err) {
	char *text;
	*ret = o->token != NULL && *o->token != '\0' ? arena_strdup(mem, o->token) : NULL;
	if (o->token_file == NULL)
		return 0;
	int rc = file_read(o->token_file, 4096, &text, NULL, err);
	if (rc != 0)
		return err_context(err, "--token-file");
	text[strcspn(text, " \t\r\n")] = '\0';
	*ret = arena_strdup(mem, text);
	free(text);
	return **ret == '\0' ? err_set(err, E_INVALID, "%s holds no token", o->token_file) : 0;
}

static int add_labels(struct arena *mem, char **labels, Berth__V1__Hello *h, struct err *err) {
	size_t n = 0;
	while (labels != NULL && labels[n] != NULL)
		n++;
	h->labels = arena_alloc(mem, (n + 1) * sizeof *h->labels);
	for (size_t i = 0; i < n; i++) {
		char *eq = strchr(labels[i], '=');
		if (eq == NULL)
			return err_set(err, E_INVALID, "--label %s: give KEY=VALUE", labels[i]);
		Berth__V1__Entry *e = PB_NEW(Berth__V1__Entry, berth__v1__entry, mem);
		e->key = arena_strndup(mem, labels[i], (size_t)(eq - labels[i]));
		e->value = arena_strdup(mem, eq + 1);
		int rc = name_check(NAME_LABEL_KEY, e->key, "", "label key", err);
		if (rc == 0)
			rc = name_check(NAME_LABEL_VALUE, e->value, "", "label value", err);
		if (rc != 0)
			return rc;
		h->labels[h->n_labels++] = e;
	}
	return 0;
}

static int check_words(const struct agent_options *o, struct err *err) {
	int rc = o->group == NULL ? 0 : name_check(NAME_PLAIN, o->group, "", "group name", err);
	if (rc == 0 && o->tenant != NULL)
		rc = name_check(NAME_PLAIN, o->tenant, "", "tenant name", err);
	if (rc == 0 && o->zone != NULL)
		rc = name_check(NAME_LABEL_VALUE, o->zone, "", "zone", err);
	for (size_t i = 0; rc == 0 && o->taint != NULL && o->taint[i] != NULL; i++)
		rc = name_check(NAME_LABEL_KEY, o->taint[i], "", "taint", err);
	return rc;
}

static void find_address(struct agent *a, const struct agent_options *o) {
	if (o->address != NULL)
		snprintf(a->address, sizeof a->address, "%s", o->address);
	else if (a->supervise != NULL)
		snprintf(a->address, sizeof a->address, "127.0.0.1:%d", supervise_http_port(a->supervise));
}

static int make_hello(struct arena *mem, struct agent *a, const struct agent_options *o, Berth__V1__Hello *h, struct err *err) {
	char boot[37];
	int rc = read_token(mem, o, &h->join_token, err);
	if (rc == 0)
		rc = add_labels(mem, o->label, h, err);
	if (rc == 0 && o->runtime != NULL && a->runtime == BERTH__V1__RUNTIME__RUNTIME_NONE)
		rc = err_set(err, E_INVALID, "--runtime %s: give native, ark or node", o->runtime);
	if (rc == 0)
		rc = check_words(o, err);
	if (rc != 0)
		return rc;
	find_address(a, o);
	h->boot = arena_strdup(mem, uuid_make(boot));
	h->base = a->id;
	h->tenant = o->tenant;
	h->group = o->group;
	h->zone = o->zone;
	h->address = a->address[0] != '\0' ? a->address : NULL;
	h->agent_version = arena_strdup(mem, BERTH_VERSION);
	h->taints = o->taint;
	while (o->taint != NULL && o->taint[h->n_taints] != NULL)
		h->n_taints++;
	keep_int(h, runtime, a->runtime);
	if (o->limit > 0)
		keep_int(h, install_limit, (int32_t)o->limit);
	return 0;
}

/* arklet installs on its network threads, of which there are two per core: one has to stay free for questions. */
static unsigned parallel_of(const struct agent *a, const struct agent_options *o) {
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (o->parallel > 0)
		return (unsigned)o->parallel;
	if (a->runtime != BERTH__V1__RUNTIME__RUNTIME_ARK)
		return 4;
	return cores >= 3 ? 4 : cores == 2 ? 3 : 1;
}

int who_make_brain(struct agent *a, const struct agent_options *o, bool supervised, const uint8_t *state, size_t n, struct err *err) {
	ARENA_AUTO mem = arena_new();
	Berth__V1__Hello *h = PB_NEW(Berth__V1__Hello, berth__v1__hello, mem);
	int rc = make_hello(mem, a, o, h, err);
	if (rc != 0)
		return rc;
	struct brain_config cfg = {
		.hello = h, .supervised = supervised, .parallel = parallel_of(a, o), .min_ready_us = o->min_ready, .stop_us = o->stop_wait
	};
	cfg.health = a->runtime == BERTH__V1__RUNTIME__RUNTIME_ARK;
	random_bytes(&cfg.seed, sizeof cfg.seed);
	return brain_new(&cfg, state, n, clock_mono(&clock_real), &a->brain, err);
}
