/* Commands on modules and their versions. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/resource.h"
#include "cli/text.h"
#include "cli/upload.h"

int cmd_module_list(struct cli *c, struct err *err) {
	return resource_list(c, &view_modules, "/v1/modules", NULL, err);
}

int cmd_module_show(struct cli *c, struct err *err) {
	json_t *versions;
	int r = resource_show(c, &view_modules, query_path(c->arena, "/v1/modules/%s", c->argv[0]), err);
	if (r != 0 || output_is_document(c) || c->format == FORMAT_NAME)
		return r;
	r = resource_items(c, &view_versions, query_path(c->arena, "/v1/modules/%s/versions", c->argv[0]), NULL, &versions, err);
	if (r != 0)
		return r;
	output_part(c, "Versions", &view_versions, versions);
	json_decref(versions);
	return 0;
}

int cmd_module_push(struct cli *c, struct err *err) {
	struct upload u;
	char module[64], version[64], size[32], span[32];
	int r = upload_open(c, c->argv[0], &u, err);
	if (r != 0)
		return r;
	snprintf(module, sizeof module, "%s", u.file.name);
	snprintf(version, sizeof version, "%s", u.file.version);
	if (c->argc > 1) {
		r = name_split(c->argv[1], module, version, err);
		if (r == 0 && (strcmp(module, u.file.name) != 0 || strcmp(version, u.file.version) != 0))
			r = err_set(err, E_INVALID, "%s says it is %s:%s, not %s; push it under its own name, or build it again",
			    c->argv[0], u.file.name, u.file.version, c->argv[1]);
	}
	if (r == 0)
		r = upload_push(c, &u, err);
	if (r == 0)
		r = upload_register(c, &u, module, version, err);
	if (r != 0)
		return r;
	if (output_is_document(c)) {
		JSON_AUTO doc = json_pack(
		    "{s:s, s:s, s:s, s:I}", "module", module, "version", version, "artifact", u.sha256, "size", (json_int_t)u.size);
		output_document(c, doc);
	} else if (c->format == FORMAT_NAME) {
		printf("%s:%s\n", module, version);
	} else {
		printf("%s:%s %s (%s in %s); deploy it with: berth deploy %s:%s\n", module, version, u.known ? "is there" : "pushed",
		    text_bytes(u.size, size), text_span(u.push_us + u.register_us, span), module, version);
	}
	return 0;
}

int cmd_module_delete(struct cli *c, struct err *err) {
	return resource_changed(c, &view_modules, "DELETE", query_path(c->arena, "/v1/modules/%s", c->argv[0]), NULL,
	    arena_printf(c->arena, "module %s deleted", c->argv[0]), err);
}

int cmd_version_list(struct cli *c, struct err *err) {
	return resource_list(c, &view_versions, query_path(c->arena, "/v1/modules/%s/versions", c->argv[0]), NULL, err);
}

static int version_path(struct cli *c, const char **ret, struct err *err) {
	char module[64], version[64];
	int r = name_split(c->argv[0], module, version, err);
	if (r == 0)
		*ret = query_path(c->arena, "/v1/modules/%s/versions/%s", module, version);
	return r;
}

int cmd_version_show(struct cli *c, struct err *err) {
	const char *path;
	int r = version_path(c, &path, err);
	return r != 0 ? r : resource_show(c, &view_versions, path, err);
}

int cmd_version_delete(struct cli *c, struct err *err) {
	const char *path;
	int r = version_path(c, &path, err);
	if (r != 0)
		return r;
	return resource_changed(c, &view_versions, "DELETE", path, NULL, arena_printf(c->arena, "version %s deleted", c->argv[0]), err);
}
