/* Commands on tokens. The secret is printed alone on standard output, so that TOKEN=$(berth token create …) works. */
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/resource.h"

int cmd_token_create(struct cli *c, struct err *err) {
	json_t *token = NULL;
	if (c->opt.role == NULL)
		return cli_usage(c, err, "which role? --role read, deploy, admin or join");
	JSON_AUTO body = json_pack("{s:s, s:s, s:s*}", "name", c->argv[0], "role", c->opt.role, "group", c->opt.group);
	if (cli_given(c, "expires")) {
		char at[32];
		json_object_set_new(
		    body, "expireTime", json_string(wall_format((wall_t){ clock_wall(&clock_real).us + c->opt.expires_us }, at)));
	}
	int r = resource_change(c, "POST", "/v1/tokens", body, &token, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = token;
	if (output_is_document(c)) {
		output_document(c, token);
		return 0;
	}
	printf("%s\n", field_str(token, "secret"));
	cli_say(c, "token %s with role %s; it is shown this once", c->argv[0], c->opt.role);
	return 0;
}

int cmd_token_list(struct cli *c, struct err *err) {
	return resource_list(c, &view_tokens, "/v1/tokens", NULL, err);
}

int cmd_token_revoke(struct cli *c, struct err *err) {
	return resource_changed(c, &view_tokens, "DELETE", query_path(c->arena, "/v1/tokens/%s", c->argv[0]), NULL,
	    arena_printf(c->arena, "token %s revoked", c->argv[0]), err);
}
