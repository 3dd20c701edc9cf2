/* The health command. Keys, types and spelling are arklet's (controllers decode them strictly); where the original means a JVM, the
 * nearest figure of this process stands, or 0 and -1 where there is none. Additions of ours: healthy and healthMessage per module. */
#include "command.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base.h"
#include "base/arena.h"
#include "base/err.h"
#include "memory.h"
#include "params.h"

struct health_query {
	const char *type, *name, *version;
	const char *const *metrics;
	int n_metrics;
};

static int health_check(struct run *r, struct err *err) {
	struct arena *a = run_arena(r);
	const json_t *p = run_params(r);
	struct health_query *q = arena_alloc(a, sizeof *q);
	int rc;
	run_set_data(r, q);
	if ((rc = param_text(a, p, "type", &q->type, err)) || (rc = param_text(a, p, "bizName", &q->name, err)) ||
	    (rc = param_text(a, p, "bizVersion", &q->version, err)) || (rc = param_list(a, p, "metrics", &q->metrics, &q->n_metrics, err)))
		return rc;
	/* spelling of releases up to 1.3.0 */
	if (!q->name && (rc = param_text(a, p, "moduleName", &q->name, err)))
		return rc;
	if (!q->version && (rc = param_text(a, p, "moduleVersion", &q->version, err)))
		return rc;
	if (q->type && strcmp(q->type, "system") != 0 && strcmp(q->type, "biz") != 0 && strcmp(q->type, "plugin") != 0)
		return err_set(err, E_INVALID, "unknown type %s; system, biz and plugin are possible", q->type);
	return 0;
}

static json_t *master_json(struct base *base) {
	return json_pack("{s:o, s:s, s:s, s:s}", "bizName", json_clean(base->opt.name), "bizVersion", "1.0.0", "bizState",
	    base->stopping ? "deactivated" : "activated", "webContextPath", "/");
}

static json_t *module_json(const struct biz *b) {
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "bizName", b->info.name, "bizVersion", b->info.version, "bizState",
	    biz_state_name(b->state), "webContextPath", b->info.context_path, "healthy", b->health == 0 && b->state != BIZ_BROKEN,
	    "healthMessage", json_clean(b->health_text));
}

static json_t *cpu_json(void) {
	struct cpu_ticks c = cpu_now();
	double all = (double)(c.user + c.system + c.idle);
	if (all <= 0)
		all = 1;
	struct utsname u;
	return json_pack("{s:i, s:s, s:f, s:f, s:f, s:f}", "count", (int)sysconf(_SC_NPROCESSORS_ONLN), "type",
	    uname(&u) == 0 ? u.machine : "", "total used (%)", 100.0 * (double)(c.user + c.system) / all, "user used (%)",
	    100.0 * (double)c.user / all, "system used (%)", 100.0 * (double)c.system / all, "free (%)", 100.0 * (double)c.idle / all);
}

static void set_mib(json_t *j, const char *key, int64_t bytes) {
	json_object_set_new(j, key, json_real((double)bytes / (1024 * 1024)));
}

static json_t *jvm_json(struct base *base) {
	struct memory m = memory_now();
	json_t *j = json_pack("{s:s, s:s, s:f, s:i, s:i, s:i, s:i, s:i, s:i}", "java version", "berth-base " BERTH_VERSION, "java home", "",
	    "run time(s)", (double)mono_diff(clock_mono(&clock_real), base->started) / (double)US_PER_S, "loaded class count", 0,
	    "unload class count", 0, "total class count", 0, "java used metaspace", 0, "java committed metaspace", 0, "java max metaspace",
	    -1);
	set_mib(j, "total memory(M)", m.resident);
	set_mib(j, "max memory(M)", m.machine_total);
	set_mib(j, "free memory(M)", m.machine_available);
	set_mib(j, "init heap memory(M)", 0);
	set_mib(j, "used heap memory(M)", m.heap_used);
	set_mib(j, "committed heap memory(M)", m.heap_total);
	set_mib(j, "max heap memory(M)", m.machine_total);
	set_mib(j, "init non heap memory(M)", 0);
	set_mib(j, "used non heap memory(M)", m.resident > m.heap_used ? m.resident - m.heap_used : 0);
	set_mib(j, "committed non heap memory(M)", m.virtual);
	set_mib(j, "max non heap memory(M)", -1);
	return j;
}

static bool metric_wanted(const struct health_query *q, const char *metric) {
	for (int i = 0; i < q->n_metrics; i++)
		if (strcmp(q->metrics[i], metric) == 0)
			return true;
	return q->n_metrics == 0;
}

static const char *metric_unknown(const struct health_query *q) {
	for (int i = 0; i < q->n_metrics; i++)
		if (strcmp(q->metrics[i], "cpu") != 0 && strcmp(q->metrics[i], "jvm") != 0)
			return q->metrics[i];
	return NULL;
}

static void add_system(struct run *r, const struct health_query *q, json_t *data) {
	if (metric_wanted(q, "cpu"))
		json_object_set_new(data, "cpu", cpu_json());
	if (metric_wanted(q, "jvm"))
		json_object_set_new(data, "jvm", jvm_json(run_base(r)));
}

static json_t *module_list(struct base *base, const char *name) {
	json_t *list = json_array();
	const struct biz *b;
	if (!name || strcmp(name, base->opt.name) == 0)
		json_array_append_new(list, master_json(base));
	TAILQ_FOREACH(b, &base->registry.bizs, link)
		if (!name || strcmp(name, b->info.name) == 0)
			json_array_append_new(list, module_json(b));
	return list;
}

/* false: what was asked for is not here. */
static bool add_modules(struct run *r, const struct health_query *q, json_t *data) {
	struct base *base = run_base(r);
	if (q->name && q->version) {
		const struct biz *b = registry_find(&base->registry, q->name, q->version);
		bool master = !b && strcmp(q->name, base->opt.name) == 0 && strcmp(q->version, "1.0.0") == 0;
		if (b || master)
			json_object_set_new(data, "bizInfo", b ? module_json(b) : master_json(base));
		return b || master;
	}
	json_t *list = module_list(base, q->name);
	json_object_set_new(data, "bizListInfo", list);
	return json_array_size(list) > 0;
}

static void health_reply(struct run *r, json_t *data) {
	run_success(r, json_pack("{s:o}", "healthData", data));
}

static void health_refuse(struct run *r, json_t *data, const char *what, const char *name) {
	json_decref(data);
	run_refuse(r, arena_printf(run_arena(r), "can not find %s: %s", what, name), NULL);
}

static void health_begin(struct run *r) {
	const struct health_query *q = run_data(r);
	const char *type = q->type ? q->type : "", *unknown = metric_unknown(q);
	json_t *data = json_object();
	bool all = !*type;
	if (unknown && (all || strcmp(type, "system") == 0)) {
		health_refuse(r, data, "metric", unknown);
		return;
	}
	if (strcmp(type, "plugin") == 0 && q->name) {
		health_refuse(r, data, "plugin", q->name);
		return;
	}
	if (all)
		json_object_set_new(data, "masterBizInfo", master_json(run_base(r)));
	if (all || strcmp(type, "system") == 0)
		add_system(r, q, data);
	if ((all || strcmp(type, "biz") == 0) && !add_modules(r, q, data)) {
		health_refuse(r, data, "biz", q->version ? arena_printf(run_arena(r), "%s:%s", q->name, q->version) : q->name);
		return;
	}
	if (all || strcmp(type, "plugin") == 0)
		json_object_set_new(data, "pluginListInfo", json_array());
	health_reply(r, data);
}

const struct command command_health = { "health", "get all health info", false, health_check, health_begin };
