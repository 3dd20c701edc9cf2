/* Commands that only look: help, queryAllBiz, queryBizOps. */
#include "command.h"

#include "base.h"
#include "base/err.h"
#include "params.h"

static void help_begin(struct run *r) {
	json_t *list = json_array();
	for (const struct command *const *c = command_table; *c; c++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "id", (*c)->id, "desc", (*c)->desc));
	run_success(r, list);
}

const struct command command_help = { "help", "list all supported commands", false, NULL, help_begin };

static void query_begin(struct run *r) {
	json_t *list = json_array();
	const struct biz *b;
	TAILQ_FOREACH(b, &run_base(r)->registry.bizs, link)
		json_array_append_new(list, biz_json(b));
	run_success(r, list);
}

const struct command command_query = { "queryAllBiz", "query all ark biz(except master biz)", false, NULL, query_begin };

static int ops_check(struct run *r, struct err *err) {
	const char *id;
	int rc = param_text(run_arena(r), run_params(r), "requestId", &id, err);
	if (!rc && !id)
		rc = err_set(err, E_INVALID, "requestId should not be blank");
	run_set_data(r, (void *)(uintptr_t)id);
	return rc;
}

static void ops_begin(struct run *r) {
	json_t *record = run_find_record(r, run_data(r));
	if (record)
		run_success(r, record);
	else
		run_refuse(r, "Not found the corresponding ops record.", NULL);
}

const struct command command_ops = { "queryBizOps", "query the record of an asynchronous command", false, ops_check, ops_begin };
