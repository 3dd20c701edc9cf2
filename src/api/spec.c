/* Wishes from messages: strategies and deployments as people give them, checked as far as that goes without the fleet. */
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "base/name.h"

#define MAX_ARGS 256
#define MAX_ENV 256

static struct amount amount_read(const Berth__V1__Amount *m) {
	if (m == NULL)
		return (struct amount){ AMOUNT_UNSET, 0 };
	if (m->has_all && m->all)
		return (struct amount){ AMOUNT_ALL, 0 };
	if (m->has_percent)
		return (struct amount){ AMOUNT_PERCENT, m->percent };
	return (struct amount){ AMOUNT_COUNT, m->has_count ? m->count : 0 };
}

/* gRPC carries any numbers in an Amount; JSON was checked when it was read. */
static int amount_check(struct amount v, int64_t least, const char *pointer, const char *field, struct err *err) {
	char at[96];
	snprintf(at, sizeof at, "%s/%s", pointer, field);
	bool bad = (v.kind == AMOUNT_PERCENT && (v.n < 0 || v.n > 100)) || (v.kind == AMOUNT_COUNT && (v.n < least || v.n > 100000000));
	return bad ? err_field(err, E_INVALID, at, "must be a number from %d on, a percentage from 0%% to 100%%, or \"all\"", (int)least)
	           : 0;
}

static int batches_read(const Berth__V1__Strategy *m, const char *pointer, struct strategy *s, struct err *err) {
	if (m->n_batches > STRATEGY_MAX_BATCHES) {
		char at[96];
		snprintf(at, sizeof at, "%s/batches", pointer);
		return err_field(err, E_INVALID, at, "at most %d batches", STRATEGY_MAX_BATCHES);
	}
	for (size_t i = 0; i < m->n_batches; i++) {
		char field[32];
		snprintf(field, sizeof field, "batches/%zu", i);
		s->batches[i] = amount_read(m->batches[i]);
		int rc = amount_check(s->batches[i], 1, pointer, field, err);
		if (rc != 0)
			return rc;
	}
	s->n_batches = (int)m->n_batches;
	return 0;
}

static int number_read(
    bool has, int32_t v, int32_t least, int32_t most, const char *pointer, const char *field, int64_t *ret, struct err *err) {
	if (!has)
		return 0;
	*ret = v;
	if (v >= least && v <= most)
		return 0;
	char at[96];
	snprintf(at, sizeof at, "%s/%s", pointer, field);
	return err_field(err, E_INVALID, at, "must be between %d and %d", least, most);
}

static int text_read(const char *v, enum name_kind kind, const char *pointer, const char *field, char ret[STRATEGY_NAME], struct err *err) {
	if (v == NULL || *v == '\0')
		return 0;
	char at[96];
	snprintf(at, sizeof at, "%s/%s", pointer, field);
	if (strlen(v) >= STRATEGY_NAME)
		return err_field(err, E_INVALID, at, "at most %d characters", STRATEGY_NAME - 1);
	snprintf(ret, STRATEGY_NAME, "%s", v);
	return name_check(kind, v, at, "name", err);
}

/* How to cut: one way of the three, and a first one alone. */
static int cut_read(const Berth__V1__Strategy *m, const char *pointer, struct strategy *s, struct err *err) {
	char at[96];
	size_t len = 0;
	if (m->has_batch_count + (m->n_batches > 0) + (m->batches_by != NULL && *m->batches_by != '\0') > 1) {
		snprintf(at, sizeof at, "%s/batches", pointer);
		return err_field(err, E_INVALID, at, "batches, batchCount and batchesBy are three ways to cut a plan; give one");
	}
	int rc = number_read(m->has_batch_count, m->batch_count, 1, STRATEGY_MAX_BATCHES, pointer, "batchCount", &s->batch_count, err);
	if (rc == 0)
		rc = text_read(m->batches_by, NAME_LABEL_KEY, pointer, "batchesBy", s->batches_by, err);
	if (rc == 0 && m->beta != NULL && strcmp(m->beta, "*") == 0)
		snprintf(s->beta, sizeof s->beta, "*");
	else if (rc == 0)
		rc = text_read(m->beta, NAME_PLAIN, pointer, "beta", s->beta, err);
	for (size_t i = 0; rc == 0 && i < m->n_batch_order; i++) {
		const char *v = m->batch_order[i];
		snprintf(at, sizeof at, "%s/batchOrder/%zu", pointer, i);
		if (*v == '\0' || strpbrk(v, ",\"\\") != NULL || len + strlen(v) + 2 > sizeof s->batch_order)
			return err_field(
			    err, E_INVALID, at, "must be a label's value without commas; %d characters in all", STRATEGY_TEXT - 1);
		len += (size_t)snprintf(s->batch_order + len, sizeof s->batch_order - len, "%s%s", len == 0 ? "" : ",", v);
	}
	if (rc == 0 && m->n_batch_order > 0 && s->batches_by[0] == '\0') {
		snprintf(at, sizeof at, "%s/batchOrder", pointer);
		return err_field(err, E_INVALID, at, "is the order of the values of batchesBy, which is not given");
	}
	return rc;
}

int called_url_check(const char *v, int most, bool whole, const char *pointer, struct err *err) {
	if (strlen(v) > (size_t)most)
		return err_field(err, E_INVALID, pointer, "at most %d characters", most);
	for (const char *p = v; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("\"\\<>^`{|}", *p) != NULL)
			return err_field(err, E_INVALID, pointer, "may hold only characters of a URL; write others as %%XX");
	if (whole && strchr(v, '@') != NULL)
		return err_field(err, E_INVALID, pointer, "a URL here may hold no user or password: everybody who may read sees it");
	return 0;
}

static int place_read(const char *v, const char *pointer, const char *field, char ret[STRATEGY_TEXT], bool url, struct err *err) {
	char at[96];
	snprintf(at, sizeof at, "%s/%s", pointer, field);
	if (v == NULL || *v == '\0')
		return 0;
	bool starts = url ? name_is_url(v) : *v == '/';
	if (!starts)
		return err_field(err, E_INVALID, at, url ? "must be an http or https URL" : "must be a path that begins with /");
	int rc = called_url_check(v, STRATEGY_TEXT - 1, url, at, err);
	if (rc == 0)
		snprintf(ret, STRATEGY_TEXT, "%s", v);
	return rc;
}

static int gates_read(const Berth__V1__Strategy *m, const char *pointer, struct strategy *s, struct err *err) {
	s->gate_state = !m->has_gate_state ? CHOICE_UNSET : m->gate_state ? CHOICE_YES : CHOICE_NO;
	s->gate_failed = amount_read(m->gate_failed);
	int rc = amount_check(s->gate_failed, 0, pointer, "gateFailed", err);
	if (rc == 0)
		rc = place_read(m->gate_probe, pointer, "gateProbe", s->gate_probe, false, err);
	if (rc == 0)
		rc = place_read(m->gate_url, pointer, "gateUrl", s->gate_url, true, err);
	if (rc == 0)
		rc = number_read(
		    m->has_gate_probe_status, m->gate_probe_status, 100, 599, pointer, "gateProbeStatus", &s->gate_probe_status, err);
	if (rc == 0)
		rc = number_read(m->has_gate_retries, m->gate_retries, 0, 1000, pointer, "gateRetries", &s->gate_retries, err);
	return rc;
}

static int times_read(const Berth__V1__Strategy *m, const char *pointer, struct strategy *s, struct err *err) {
	const struct {
		const Google__Protobuf__Duration *from;
		int64_t *to;
		const char *field;
	} rows[] = {
		{ m->min_ready, &s->min_ready_us, "minReady" },
		{ m->progress_deadline, &s->progress_us, "progressDeadline" },
		{ m->soak, &s->soak_us, "soak" },
		{ m->task_timeout, &s->task_timeout_us, "taskTimeout" },
		{ m->prefetch, &s->prefetch_us, "prefetch" },
		{ m->gate_every, &s->gate_every_us, "gateEvery" },
		{ m->gate_timeout, &s->gate_timeout_us, "gateTimeout" },
		{ m->install_timeout, &s->install_timeout_us, "installTimeout" },
		{ m->uninstall_timeout, &s->uninstall_timeout_us, "uninstallTimeout" },
		{ m->switch_timeout, &s->switch_timeout_us, "switchTimeout" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].from == NULL)
			continue;
		*rows[i].to = pb_duration_us(rows[i].from);
		if (*rows[i].to < 0 || *rows[i].to > INT64_C(30) * 86400 * US_PER_S) {
			char at[96];
			snprintf(at, sizeof at, "%s/%s", pointer, rows[i].field);
			return err_field(err, E_INVALID, at, "must be between 0s and 30d");
		}
	}
	return 0;
}

int strategy_read(const Berth__V1__Strategy *m, const char *pointer, struct strategy *ret, struct err *err) {
	*ret = strategy_unset;
	int rc = batches_read(m, pointer, ret, err);
	if (rc == 0)
		rc = cut_read(m, pointer, ret, err);
	if (rc == 0)
		rc = gates_read(m, pointer, ret, err);
	if (rc == 0)
		rc = times_read(m, pointer, ret, err);
	if (rc == 0)
		rc = number_read(m->has_max_in_flight, m->max_in_flight, 1, 100000, pointer, "maxInFlight", &ret->max_in_flight, err);
	if (rc == 0)
		rc = number_read(m->has_retries, m->retries, 0, 100, pointer, "retries", &ret->retries, err);
	if (rc != 0)
		return rc;
	ret->max_unavailable = amount_read(m->max_unavailable);
	ret->max_surge = amount_read(m->max_surge);
	ret->failure_threshold = amount_read(m->failure_threshold);
	ret->batch_failure_threshold = amount_read(m->batch_failure_threshold);
	ret->retry_elsewhere = !m->has_retry_elsewhere ? CHOICE_UNSET : m->retry_elsewhere ? CHOICE_YES : CHOICE_NO;
	rc = amount_check(ret->max_unavailable, 0, pointer, "maxUnavailable", err);
	if (rc == 0)
		rc = amount_check(ret->max_surge, 0, pointer, "maxSurge", err);
	if (rc == 0)
		rc = amount_check(ret->failure_threshold, 1, pointer, "failureThreshold", err);
	if (rc == 0)
		rc = amount_check(ret->batch_failure_threshold, 1, pointer, "batchFailureThreshold", err);
	ret->upgrade_policy = m->has_upgrade_policy ? (enum upgrade_policy)m->upgrade_policy : UPGRADE_POLICY_NONE;
	ret->placement = m->has_placement ? (enum placement)m->placement : PLACEMENT_NONE;
	ret->on_failure = m->has_on_failure ? (enum on_failure)m->on_failure : ON_FAILURE_NONE;
	ret->confirm = m->has_confirm ? (enum confirm)m->confirm : CONFIRM_UNSET;
	return rc;
}

static int names_check(const Berth__V1__Deployment *m, struct err *err) {
	int rc = 0;
	if (m->name != NULL)
		rc = name_check(NAME_PLAIN, m->name, "/name", "deployment name", err);
	if (rc == 0 && m->module != NULL)
		rc = name_check(NAME_PLAIN, m->module, "/module", "module name", err);
	if (rc == 0 && m->version != NULL)
		rc = name_check(NAME_VERSION, m->version, "/version", "version name", err);
	if (rc == 0 && m->group != NULL)
		rc = name_check(NAME_PLAIN, m->group, "/group", "base group name", err);
	if (rc == 0 && m->n_args > MAX_ARGS)
		rc = err_field(err, E_INVALID, "/args", "at most %d arguments", MAX_ARGS);
	if (rc == 0 && m->n_env > MAX_ENV)
		rc = err_field(err, E_INVALID, "/env", "at most %d variables", MAX_ENV);
	if (rc == 0 && !pairs_check(m->labels, m->n_labels, true, "/labels", err))
		rc = E_INVALID;
	if (rc == 0 && !pairs_check(m->env, m->n_env, false, "/env", err))
		rc = E_INVALID;
	return rc;
}

static int replicas_read(const Berth__V1__Deployment *m, struct deploy_spec *s, struct err *err) {
	struct amount v = amount_read(m->replicas);
	s->has_replicas = v.kind != AMOUNT_UNSET;
	s->replicas = v.kind == AMOUNT_ALL ? -1 : v.n;
	if (v.kind == AMOUNT_PERCENT)
		return err_field(err, E_INVALID, "/replicas", "replicas is a number of bases or \"all\"; a percentage of what?");
	return v.kind == AMOUNT_COUNT ? amount_check(v, 0, "", "replicas", err) : 0;
}

int if_busy_read(const struct api_op *op, enum if_busy *ret, struct err *err) {
	const char *word = op->meta->if_busy;
	if (word == NULL || *word == '\0' || strcmp(word, "wait") == 0)
		*ret = IF_BUSY_WAIT;
	else if (strcmp(word, "supersede") == 0)
		*ret = IF_BUSY_SUPERSEDE;
	else if (strcmp(word, "refuse") == 0)
		*ret = IF_BUSY_REFUSE;
	else
		return err_field(err, E_INVALID, "/meta/ifBusy", "must be one of wait, supersede, refuse");
	return 0;
}

int deploy_read(struct api_op *op, const Berth__V1__Deployment *m, struct deploy_spec *ret, struct err *err) {
	*ret = (struct deploy_spec){ .name = m->name, .module = m->module, .version = m->version, .group = m->group };
	int rc = names_check(m, err);
	if (rc == 0)
		rc = replicas_read(m, ret, err);
	if (rc == 0)
		rc = if_busy_read(op, &ret->if_busy, err);
	if (rc == 0)
		rc = etag_wanted(op, &ret->if_match, err);
	if (rc != 0)
		return rc;
	ret->victims = m->victims;
	ret->n_victims = m->n_victims;
	ret->has_args = GIVEN(m->args);
	ret->args = strings_print(m->args, m->n_args, op->arena);
	ret->has_env = GIVEN(m->env);
	ret->env = entries_json(m->env, m->n_env, op->arena);
	ret->has_labels = GIVEN(m->labels);
	ret->labels = entries_json(m->labels, m->n_labels, op->arena);
	if (m->strategy == NULL)
		return 0;
	struct strategy *s = arena_alloc(op->arena, sizeof *s);
	ret->strategy = s;
	return strategy_read(m->strategy, "/strategy", s, err);
}
