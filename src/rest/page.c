/* The status page: a few embedded files, which speak to the REST API with the token that the person gives once. */
#include <string.h>

#include "base/err.h"
#include "rest/inside.h"

static const struct file {
	const char *name;
	const unsigned char *bytes;
	size_t n;
} files[] = {
#include "web.inc"
};

static const char *type_of(const char *name) {
	static const struct {
		const char *end, *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
	};
	const char *dot = strrchr(name, '.');
	for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++)
		if (strcmp(dot, types[i].end) == 0)
			return types[i].type;
	return "application/octet-stream";
}

void page(struct exchange *x) {
	const char *name = route_param(&x->match, "file");
	if (name == NULL)
		name = "index.html";
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (strcmp(files[i].name, name) != 0)
			continue;
		http_req_add_header(x->req, "Content-Security-Policy",
		    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; "
		    "base-uri 'none'; form-action 'none'");
		http_req_add_header(x->req, "Referrer-Policy", "no-referrer");
		http_req_add_header(x->req, "Cache-Control", "no-cache");
		answer_bytes(x, 200, type_of(name), files[i].bytes, files[i].n);
		return;
	}
	struct err err = ERR_INIT;
	err_set(&err, E_NOT_FOUND, "the page has no file of this name");
	answer_error(x, &err);
}
