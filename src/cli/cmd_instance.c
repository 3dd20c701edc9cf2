/* Lists of what is where. */
#include "base/err.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/resource.h"

int cmd_instance_list(struct cli *c, struct err *err) {
	BUF_AUTO query = BUF_INIT;
	query_add(&query, "module", c->opt.module);
	query_add(&query, "base", c->opt.base);
	query_add(&query, "deployment", c->opt.deployment);
	query_add(&query, "state", c->opt.state);
	return resource_list(c, &view_instances, "/v1/instances", buf_str(&query), err);
}

int cmd_endpoints(struct cli *c, struct err *err) {
	BUF_AUTO query = BUF_INIT;
	query_add(&query, "module", c->argc > 0 ? c->argv[0] : NULL);
	query_add(&query, "base", c->opt.base);
	query_add(&query, "deployment", c->opt.deployment);
	query_add(&query, "ready", c->opt.ready ? "true" : NULL);
	return resource_list(c, &view_endpoints, "/v1/endpoints", buf_str(&query), err);
}
