/* Finding things by the names people give, and saying well what is wrong with a name, a digest or an etag. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/buf.h"
#include "base/name.h"
#include "base/opt.h"
#include "base/secret.h"

#define MAX_MEDIA_TYPE 127
#define NAMES_SEEN 2000 /* looked at for a likeness */
#define NAMES_SHOWN 10

struct names {
	const char *v[NAMES_SEEN];
	size_t n;
};

static void *missing(const char *noun, const char *name, const char *pointer, const struct names *all, struct err *err) {
	const char *near = name_nearest(name, all->v, all->n);
	if (near != NULL) {
		err_field(err, E_NOT_FOUND, pointer, "there is no %s \"%s\"; did you mean \"%s\"?", noun, name, near);
		return NULL;
	}
	BUF_AUTO list = BUF_INIT;
	for (size_t i = 0; i < all->n && i < NAMES_SHOWN; i++)
		buf_printf(&list, "%s%s", i > 0 ? ", " : "", all->v[i]);
	if (all->n > NAMES_SHOWN)
		buf_add_str(&list, ", …");
	if (all->n == 0)
		err_field(err, E_NOT_FOUND, pointer, "there is no %s \"%s\"; there is none at all", noun, name);
	else
		err_field(err, E_NOT_FOUND, pointer, "there is no %s \"%s\"; there is: %s", noun, name, buf_str(&list));
	return NULL;
}

static bool plain(const char *name, const char *pointer, const char *what, struct err *err) {
	return name_check(NAME_PLAIN, name, pointer, what, err) == 0;
}

/* One finder per noun: the same steps over different hashes. */
#define FINDER(type, noun, head)                                                                                             \
	static struct type *missing_##type(const struct tenant *t, const char *name, const char *pointer, struct err *err) { \
		struct names all = { .n = 0 };                                                                               \
		for (struct type *x = t->head; x != NULL && all.n < NAMES_SEEN; x = x->hh_name.next)                         \
			all.v[all.n++] = x->row.name;                                                                        \
		return missing(noun, name, pointer, &all, err);                                                              \
	}
FINDER(module, "module", modules)
FINDER(group, "base group", groups)
FINDER(base, "base", bases)
FINDER(deployment, "deployment", deployments)
FINDER(token, "token", tokens)
FINDER(webhook, "webhook", webhooks)

struct module *find_module(struct api_op *op, const char *name, const char *pointer, struct err *err) {
	if (!plain(name, pointer, "module name", err))
		return NULL;
	struct module *x = fleet_module(op->tenant, name);
	return x != NULL ? x : missing_module(op->tenant, name, pointer, err);
}

struct group *find_group(struct api_op *op, const char *name, const char *pointer, struct err *err) {
	if (!plain(name, pointer, "base group name", err))
		return NULL;
	struct group *x = fleet_group(op->tenant, name);
	return x != NULL ? x : missing_group(op->tenant, name, pointer, err);
}

struct base *find_base(struct api_op *op, const char *name, const char *pointer, struct err *err) {
	if (!plain(name, pointer, "base name", err))
		return NULL;
	struct base *x = fleet_base(op->tenant, name);
	return x != NULL ? x : missing_base(op->tenant, name, pointer, err);
}

struct deployment *find_deployment(struct api_op *op, const char *name, const char *pointer, struct err *err) {
	if (!plain(name, pointer, "deployment name", err))
		return NULL;
	struct deployment *x = fleet_deployment(op->tenant, name);
	return x != NULL ? x : missing_deployment(op->tenant, name, pointer, err);
}

struct token *find_token(struct api_op *op, const char *name, struct err *err) {
	if (!plain(name, "", "token name", err))
		return NULL;
	struct token *x = fleet_token(op->tenant, name);
	return x != NULL ? x : missing_token(op->tenant, name, "", err);
}

struct webhook *find_webhook(struct api_op *op, const char *name, struct err *err) {
	if (!plain(name, "", "webhook name", err))
		return NULL;
	struct webhook *x = fleet_webhook(op->tenant, name);
	return x != NULL ? x : missing_webhook(op->tenant, name, "", err);
}

struct version *find_version(struct api_op *op, struct module *m, const char *name, const char *pointer, struct err *err) {
	(void)op;
	if (name_check(NAME_VERSION, name, pointer, "version name", err) != 0)
		return NULL;
	struct version *x = fleet_version(m, name);
	if (x != NULL)
		return x;
	struct names all = { .n = 0 };
	TAILQ_FOREACH(x, &m->versions, link)
		if (all.n < NAMES_SEEN)
			all.v[all.n++] = x->row.name;
	char noun[96];
	snprintf(noun, sizeof noun, "version of %s", m->row.name);
	return missing(noun, name, pointer, &all, err);
}

int check_sha256(const char *text, const char *pointer, struct err *err) {
	uint8_t digest[SHA256_BYTES];
	if (text != NULL && hex_decode(text, digest, sizeof digest) && strpbrk(text, "ABCDEF") == NULL)
		return 0;
	return err_field(err, E_INVALID, pointer, "a sha256 has 64 lower-case hexadecimal digits");
}

int check_media_type(const char *text, const char *pointer, struct err *err) {
	size_t n = 0;
	while (text != NULL && text[n] >= 0x20 && text[n] < 0x7f)
		n++;
	if (text == NULL || (text[n] == '\0' && n <= MAX_MEDIA_TYPE))
		return 0;
	return err_field(err, E_INVALID, pointer, "a media type has at most %d visible ASCII characters", MAX_MEDIA_TYPE);
}

int etag_wanted(const struct api_op *op, int64_t *ret, struct err *err) {
	const char *text = op->meta->if_match != NULL ? op->meta->if_match : op->call->if_match;
	*ret = 0;
	if (text == NULL || *text == '\0' || strcmp(text, "*") == 0)
		return 0;
	bool quoted = *text == '"';
	char *end;
	errno = 0;
	long long v = strtoll(text + quoted, &end, 10);
	if (v <= 0 || errno == ERANGE || strcmp(end, quoted ? "\"" : "") != 0)
		return err_field(err, E_INVALID, "/meta/ifMatch", "If-Match must be the etag of an earlier answer, or *");
	*ret = v;
	return 0;
}

int check_etag(const struct api_op *op, int64_t etag, const char *what, struct err *err) {
	int64_t wanted;
	int rc = etag_wanted(op, &wanted, err);
	if (rc != 0 || wanted == 0 || wanted == etag)
		return rc;
	return err_set(err, E_PRECONDITION, "%s changed since it was read: its etag is \"%" PRId64 "\", not \"%" PRId64 "\"; read it again",
	    what, etag, wanted);
}

int refuse_dry_run(const struct api_op *op, struct err *err) {
	if (!op->meta->has_dry_run || !op->meta->dry_run)
		return 0;
	return err_field(err, E_INVALID, "/meta/dryRun", "a dry run exists for deployments only; nothing was changed");
}

bool pairs_check(Berth__V1__Entry *const *v, size_t n, bool labels, const char *pointer, struct err *err) {
	for (size_t i = 0; i < n; i++) {
		char at[96];
		snprintf(at, sizeof at, "%s/%.60s", pointer, v[i]->key != NULL ? v[i]->key : "");
		if (labels && (name_check(NAME_LABEL_KEY, v[i]->key, at, "label name", err) != 0 ||
		                  name_check(NAME_LABEL_VALUE, v[i]->value, at, "label value", err) != 0))
			return false;
		if (!labels && (v[i]->key == NULL || *v[i]->key == '\0' || strchr(v[i]->key, '=') != NULL)) {
			err_field(err, E_INVALID, at, "the name of an environment variable is neither empty nor holds =");
			return false;
		}
	}
	return true;
}

char *entries_json(Berth__V1__Entry *const *v, size_t n, struct arena *a) {
	struct pair *pairs = arena_alloc(a, (n + 1) * sizeof *pairs);
	for (size_t i = 0; i < n; i++) {
		pairs[i].key = v[i]->key;
		pairs[i].value = v[i]->value != NULL ? v[i]->value : arena_strdup(a, "");
	}
	return pairs_print(pairs, n, a);
}
