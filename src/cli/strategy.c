/* The strategy options as JSON: a table of option, field and form. */
#include "cli/strategy.h"

#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/resource.h"

enum form { FORM_WORD, FORM_AMOUNT, FORM_NUMBER, FORM_SPAN, FORM_YES };

static const struct {
	const char *option, *field;
	size_t offset;
	enum form form;
} fields[] = {
	{ "max-unavailable", "maxUnavailable", offsetof(struct options, max_unavailable), FORM_AMOUNT },
	{ "max-surge", "maxSurge", offsetof(struct options, max_surge), FORM_AMOUNT },
	{ "batch-failure-threshold", "batchFailureThreshold", offsetof(struct options, batch_failure_threshold), FORM_AMOUNT },
	{ "batch-count", "batchCount", offsetof(struct options, batch_count), FORM_NUMBER },
	{ "batches-by", "batchesBy", offsetof(struct options, batches_by), FORM_WORD },
	{ "beta", "beta", offsetof(struct options, beta), FORM_WORD },
	{ "retry-elsewhere", "retryElsewhere", offsetof(struct options, retry_elsewhere), FORM_YES },
	{ "failure-threshold", "failureThreshold", offsetof(struct options, failure_threshold), FORM_AMOUNT },
	{ "max-in-flight", "maxInFlight", offsetof(struct options, max_in_flight), FORM_NUMBER },
	{ "retries", "retries", offsetof(struct options, retries), FORM_NUMBER },
	{ "min-ready", "minReady", offsetof(struct options, min_ready_us), FORM_SPAN },
	{ "progress-deadline", "progressDeadline", offsetof(struct options, progress_us), FORM_SPAN },
	{ "task-timeout", "taskTimeout", offsetof(struct options, task_timeout_us), FORM_SPAN },
	{ "prefetch", "prefetch", offsetof(struct options, prefetch_us), FORM_SPAN },
	{ "gate-state", "gateState", offsetof(struct options, gate_state), FORM_YES },
	{ "gate-failed", "gateFailed", offsetof(struct options, gate_failed), FORM_AMOUNT },
	{ "gate-probe", "gateProbe", offsetof(struct options, gate_probe), FORM_WORD },
	{ "gate-probe-status", "gateProbeStatus", offsetof(struct options, gate_probe_status), FORM_NUMBER },
	{ "gate-retries", "gateRetries", offsetof(struct options, gate_retries), FORM_NUMBER },
	{ "gate-url", "gateUrl", offsetof(struct options, gate_url), FORM_WORD },
	{ "gate-every", "gateEvery", offsetof(struct options, gate_every_us), FORM_SPAN },
	{ "gate-timeout", "gateTimeout", offsetof(struct options, gate_timeout_us), FORM_SPAN },
	{ "install-timeout", "installTimeout", offsetof(struct options, install_timeout_us), FORM_SPAN },
	{ "uninstall-timeout", "uninstallTimeout", offsetof(struct options, uninstall_timeout_us), FORM_SPAN },
	{ "switch-timeout", "switchTimeout", offsetof(struct options, switch_timeout_us), FORM_SPAN },
	{ "soak", "soak", offsetof(struct options, soak_us), FORM_SPAN },
	{ "on-failure", "onFailure", offsetof(struct options, on_failure), FORM_WORD },
	{ "confirm", "confirm", offsetof(struct options, confirm), FORM_WORD },
	{ "upgrade-policy", "upgradePolicy", offsetof(struct options, upgrade_policy), FORM_WORD },
	{ "placement", "placement", offsetof(struct options, placement), FORM_WORD },
};

static json_t *value_json(const struct cli *c, size_t i) {
	const char *at = (const char *)&c->opt + fields[i].offset;
	char *text;
	int64_t number;
	char span[48];
	bool yes;
	if (fields[i].form == FORM_YES) {
		memcpy(&yes, at, sizeof yes);
		return json_boolean(yes);
	}
	if (fields[i].form == FORM_WORD || fields[i].form == FORM_AMOUNT) {
		memcpy(&text, at, sizeof text);
		return fields[i].form == FORM_WORD ? json_string(text) : amount_json(text);
	}
	memcpy(&number, at, sizeof number);
	return fields[i].form == FORM_NUMBER ? json_integer(number) : json_string(duration_format(number, span));
}

/* "1,25%,100%" as amounts, "a,b,c" as names. */
static int list_json(struct cli *c, const char *option, const char *text, bool amounts, json_t **ret, struct err *err) {
	json_t *list = json_array();
	for (const char *p = text; *p != '\0';) {
		char one[64];
		while (*p == ' ')
			p++;
		size_t n = strcspn(p, ",");
		if (n == 0 || n >= sizeof one) {
			json_decref(list);
			return cli_usage(c, err, "--%s '%.60s' is no list such as %s", option, text, amounts ? "1,25%,100%" : "a,b,c");
		}
		memcpy(one, p, n);
		one[n] = '\0';
		json_array_append_new(list, amounts ? amount_json(one) : json_string(one));
		p += n + (p[n] == ',');
	}
	*ret = list;
	return 0;
}

static int lists_json(struct cli *c, json_t *o, struct err *err) {
	const struct {
		const char *option, *field, *text;
		bool amounts;
	} rows[] = {
		{ "batches", "batches", c->opt.batches, true },
		{ "batch-order", "batchOrder", c->opt.batch_order, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		json_t *list = NULL;
		if (!cli_given(c, rows[i].option))
			continue;
		int r = list_json(c, rows[i].option, rows[i].text, rows[i].amounts, &list, err);
		if (r != 0)
			return r;
		json_object_set_new(o, rows[i].field, list);
	}
	return 0;
}

int strategy_json(struct cli *c, json_t **ret, struct err *err) {
	json_t *o = json_object();
	int r = lists_json(c, o, err);
	if (r != 0) {
		json_decref(o);
		return r;
	}
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (cli_given(c, fields[i].option))
			json_object_set_new(o, fields[i].field, value_json(c, i));
	if (json_object_size(o) == 0) {
		json_decref(o);
		o = NULL;
	}
	*ret = o;
	return 0;
}
