/* Module files to the server. The digest is the address: bytes that the server has are not sent again, and a broken upload changes nothing.
 */
#include "cli/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/query.h"
#include "cli/text.h"

#define PROGRESS_GAP (100 * US_PER_MS)
#define PROGRESS_FROM (4 << 20) /* smaller files are there before anybody could read a line about it */

static int digest_file(int fd, const char *path, struct upload *u, struct err *err) {
	struct sha256 *d = sha256_new();
	uint8_t sum[SHA256_BYTES];
	char buf[64 << 10];
	ssize_t n;
	u->size = 0;
	while ((n = read(fd, buf, sizeof buf)) > 0) {
		sha256_add(d, buf, (size_t)n);
		u->size += n;
	}
	int e = errno;
	sha256_end(d, sum);
	sha256_free(d);
	hex_encode(sum, sizeof sum, u->sha256);
	return n < 0 ? err_errno(err, e, "%s", path) : 0;
}

int upload_open(struct cli *c, const char *path, struct upload *ret, struct err *err) {
	struct upload u = { .path = path };
	int r = modfile_read_path(c->arena, path, &u.file, err);
	if (r != 0)
		return r;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	r = digest_file(fd, path, &u, err);
	close(fd);
	if (r == 0)
		*ret = u;
	return r;
}

struct pusher {
	const struct cli *cli;
	const struct upload *upload;
	int fd;
	int64_t sent;
	mono_t shown;
	bool drawn;
};

static void show_progress(struct pusher *p) {
	char done[32], all[32];
	mono_t now = clock_mono(&clock_real);
	if (!p->cli->live || p->cli->opt.quiet || p->upload->size < PROGRESS_FROM || mono_diff(now, p->shown) < PROGRESS_GAP)
		return;
	p->shown = now;
	p->drawn = true;
	fprintf(stderr, "\r\033[Kpushing %s of %s (%" PRId64 " %%)", text_bytes(p->sent, done), text_bytes(p->upload->size, all),
	    p->sent * 100 / p->upload->size);
	fflush(stderr);
}

static int push_read(void *arg, char *buf, size_t n) {
	struct pusher *p = arg;
	ssize_t got = read(p->fd, buf, n > 1 << 20 ? 1 << 20 : n);
	if (got > 0)
		p->sent += got;
	show_progress(p);
	return (int)got;
}

static int push_rewind(void *arg) {
	struct pusher *p = arg;
	p->sent = 0;
	return lseek(p->fd, 0, SEEK_SET) == 0 ? 0 : -1;
}

/* Does the server have these bytes? An error here is left to the upload itself. */
static bool is_stored(struct client *client, const char *path) {
	struct err ignored = ERR_INIT;
	REPLY_AUTO r = { 0 };
	struct request q = { .method = "GET", .path = path };
	return client_call(client, &q, &r, &ignored) == 0 && field_true(r.json, "stored");
}

int upload_push(struct cli *c, struct upload *u, struct err *err) {
	struct client *client;
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	mono_t start = clock_mono(&clock_real);
	const char *path = query_path(c->arena, "/v1/artifacts/%s", u->sha256);
	u->known = is_stored(client, path);
	if (!u->known) {
		struct pusher p = { .cli = c, .upload = u, .fd = open(u->path, O_RDONLY | O_CLOEXEC) };
		if (p.fd < 0)
			return err_errno(err, errno, "%s", u->path);
		struct request q = {
			.method = "PUT", .path = path, .read = push_read, .rewind = push_rewind, .read_arg = &p, .size = u->size
		};
		r = client_call(client, &q, NULL, err);
		close(p.fd);
		if (p.drawn)
			fputs("\r\033[K", stderr);
	}
	u->push_us = mono_diff(clock_mono(&clock_real), start);
	return r == 0 ? 0 : err_context(err, "pushing %s", u->path);
}

int upload_external(struct cli *c, const char *url, struct upload *ret, struct err *err) {
	if (c->opt.sha256 == NULL)
		return cli_usage(c, err, "an artifact URL needs its digest: --sha256 HEX (sha256sum FILE prints it)");
	return upload_from_url(c, url, c->opt.sha256, ret, err);
}

int upload_from_url(struct cli *c, const char *url, const char *sha256, struct upload *ret, struct err *err) {
	struct client *client;
	REPLY_AUTO reply = { 0 };
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	mono_t start = clock_mono(&clock_real);
	JSON_AUTO body = json_pack("{s:s, s:s*, s:s*}", "url", url, "sha256", sha256, "credentials", c->opt.credentials);
	struct request q = { .method = "POST", .path = "/v1/artifacts", .body = body, .total_us = 600 * US_PER_S };
	struct upload u = { .path = url, .file = { .name = "", .version = "" } };
	r = client_call(client, &q, &reply, err);
	if (r != 0)
		return r;
	snprintf(u.sha256, sizeof u.sha256, "%s", sha256 != NULL ? sha256 : field_str(reply.json, "sha256"));
	u.push_us = mono_diff(clock_mono(&clock_real), start);
	*ret = u;
	return 0;
}

static json_t *version_body(const struct cli *c, const struct upload *u, const char *version) {
	const struct modfile *f = &u->file;
	bool file = *f->name != '\0';
	json_t *body = json_pack("{s:s, s:s}", "version", version, "artifact", u->sha256);
	const char *runtime = c->opt.runtime != NULL ? c->opt.runtime : file ? modfile_kind_name(f->kind) : NULL;
	if (runtime != NULL)
		json_object_set_new(body, "runtime", json_string(runtime));
	if (cli_given(c, "units") || file)
		json_object_set_new(body, "units", json_integer(cli_given(c, "units") ? c->opt.units : f->units));
	if (f->context_path != NULL)
		json_object_set_new(body, "contextPath", json_string(f->context_path));
	if (file)
		json_object_set_new(body, "priority", json_integer(f->priority));
	json_t *needs = json_array();
	for (size_t i = 0; i < f->n_needs; i++)
		json_array_append_new(needs, json_pack("{s:s, s:s}", "module", f->needs[i].module, "range", f->needs[i].range));
	if (json_array_size(needs) > 0)
		json_object_set(body, "requires", needs);
	json_decref(needs);
	return body;
}

/* The first version brings its module; what the file says about itself is told once it is new. */
static int describe_module(struct client *client, const struct upload *u, const char *module, struct err *err) {
	JSON_AUTO body = json_pack("{s:s, s:s}", "name", module, "description", u->file.description);
	struct request q = { .method = "POST", .path = "/v1/modules", .body = body };
	return client_call(client, &q, NULL, err);
}

int upload_register(struct cli *c, struct upload *u, const char *module, const char *version, struct err *err) {
	struct client *client;
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	mono_t start = clock_mono(&clock_real);
	JSON_AUTO body = version_body(c, u, version);
	BUF_AUTO query = BUF_INIT;
	query_add(&query, "group", c->opt.group != NULL ? c->opt.group : c->ctx.group);
	query_add(&query, "reason", c->opt.reason);
	query_add(&query, "link", c->opt.link);
	struct request q = {
		.method = "POST", .path = query_path(c->arena, "/v1/modules/%s/versions", module), .query = buf_str(&query), .body = body
	};
	REPLY_AUTO reply = { 0 };
	r = client_call(client, &q, &reply, err);
	if (r == 0 && reply.status == 201 && u->file.description != NULL && *u->file.description != '\0')
		r = describe_module(client, u, module, err);
	u->register_us = mono_diff(clock_mono(&clock_real), start);
	return r;
}
