/* Commands about the program itself: completion, man, version, help. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/output.h"

int cmd_completion(struct cli *c, struct err *err) {
	return command_print_completion(c->argv[0], stdout, err);
}

int cmd_man(struct cli *c, struct err *err) {
	command_print_man(stdout);
	return 0;
}

int cmd_version(struct cli *c, struct err *err) {
	struct client *client;
	REPLY_AUTO r = { 0 };
	struct err away = ERR_INIT;
	struct request q = { .method = "GET", .path = "/v1/status", .total_us = 3 * US_PER_S };
	int e = cli_client(c, &client, &away);
	if (e == 0)
		e = client_call(client, &q, &r, &away);
	const char *server = e == 0 ? field_str(r.json, "version") : "";
	if (output_is_document(c)) {
		JSON_AUTO doc = json_pack("{s:s, s:s}", "client", BERTH_VERSION, "server", server);
		output_document(c, doc);
		return 0;
	}
	printf("berth %s\n", BERTH_VERSION);
	if (*server != '\0')
		printf("server %s at %s\n", server, client_address(client));
	else
		cli_say(c, "no server to ask: %s", away.text);
	return 0;
}

int cmd_help(struct cli *c, struct err *err) {
	if (c->argc == 0) {
		command_print_overview(stdout);
		return 0;
	}
	char first[64], second[64], program[] = "berth";
	snprintf(first, sizeof first, "%s", c->argv[0]);
	snprintf(second, sizeof second, "%s", c->argc > 1 ? c->argv[1] : "");
	if (c->argc == 1 && !command_is(first) && command_print_noun(first, stdout) > 0)
		return 0;
	char *argv[] = { program, first, c->argc > 1 ? second : NULL, NULL };
	int argc = c->argc > 1 ? 3 : 2;
	const struct command *cmd;
	int r = command_find(&argc, argv, &cmd, err);
	if (r == 0)
		command_print_help(cmd, stdout);
	return r;
}
