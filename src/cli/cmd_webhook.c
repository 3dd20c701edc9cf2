/* Commands on webhooks. The secret is printed alone on standard output, as a token's is. */
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/resource.h"

static int body_json(struct cli *c, json_t **ret, struct err *err) {
	json_t *body = json_object();
	if (cli_given(c, "url"))
		json_object_set_new(body, "url", json_string(c->opt.url));
	if (cli_given(c, "event"))
		json_object_set_new(body, "kinds", strings_json(c->opt.event_kinds));
	int r = text_put(c, "template", c->opt.template, body, "template", err);
	if (r != 0)
		json_decref(body);
	else
		*ret = body;
	return r;
}

static const char *path(const struct cli *c, const char *format) {
	return query_path(c->arena, format, c->argv[0]);
}

int cmd_webhook_create(struct cli *c, struct err *err) {
	json_t *body, *made = NULL;
	if (!cli_given(c, "url"))
		return cli_usage(c, err, "where are events to be sent? --url https://HOST/PATH");
	int r = body_json(c, &body, err);
	if (r != 0)
		return r;
	json_object_set_new(body, "name", json_string(c->argv[0]));
	r = resource_change(c, "POST", "/v1/webhooks", body, &made, err);
	json_decref(body);
	if (r != 0)
		return r;
	JSON_AUTO owned = made;
	if (output_is_document(c)) {
		output_document(c, made);
		return 0;
	}
	printf("%s\n", field_str(made, "secret"));
	cli_say(c, "webhook %s is told from now on; its secret signs what is sent and is shown this once. Try it: berth webhook test %s",
	    c->argv[0], c->argv[0]);
	return 0;
}

int cmd_webhook_list(struct cli *c, struct err *err) {
	return resource_list(c, &view_webhooks, "/v1/webhooks", NULL, err);
}

int cmd_webhook_show(struct cli *c, struct err *err) {
	return resource_show(c, &view_webhooks, path(c, "/v1/webhooks/%s"), err);
}

int cmd_webhook_set(struct cli *c, struct err *err) {
	json_t *body;
	int r = body_json(c, &body, err);
	if (r != 0)
		return r;
	if (json_object_size(body) == 0)
		r = cli_usage(c, err, "nothing to set was given");
	else
		r = resource_changed(c, &view_webhooks, "PATCH", path(c, "/v1/webhooks/%s"), body,
		    arena_printf(c->arena, "webhook %s changed", c->argv[0]), err);
	json_decref(body);
	return r;
}

int cmd_webhook_replay(struct cli *c, struct err *err) {
	if (!cli_given(c, "after"))
		return cli_usage(c, err, "after which event? --after NUMBER; berth events lists them");
	JSON_AUTO body = json_pack("{s:I}", "after", (json_int_t)c->opt.after);
	return resource_changed(c, &view_webhooks, "POST", path(c, "/v1/webhooks/%s:replay"), body,
	    arena_printf(c->arena, "webhook %s is told once more of what came after event %lld", c->argv[0], (long long)c->opt.after), err);
}

int cmd_webhook_test(struct cli *c, struct err *err) {
	JSON_AUTO body = json_object();
	return resource_changed(c, &view_webhooks, "POST", path(c, "/v1/webhooks/%s:test"), body,
	    arena_printf(c->arena, "made an event of kind webhook.test; whether it arrived: berth webhook show %s", c->argv[0]), err);
}

int cmd_webhook_delete(struct cli *c, struct err *err) {
	return resource_changed(
	    c, &view_webhooks, "DELETE", path(c, "/v1/webhooks/%s"), NULL, arena_printf(c->arena, "webhook %s deleted", c->argv[0]), err);
}
