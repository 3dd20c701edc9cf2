/* Reading the option, and the one question: may this secret go there. */
#include "api/credential.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define FORM "an --artifact-credential is NAME@HOST=HEADER: VALUE"

/* The hosts of `text`, which ends at n. */
static int hosts_read(struct arena *a, const char *text, size_t n, struct credential *c, struct err *err) {
	c->to = arena_alloc(a, (n / 2 + 1) * sizeof *c->to);
	for (size_t at = 0; at < n;) {
		size_t len = strcspn(text + at, " ");
		len = len > n - at ? n - at : len;
		if (len > 0) {
			int rc = origin_rule_parse(text + at, len, &c->to[c->n_to++], err);
			if (rc != 0)
				return rc;
		}
		at += len + 1;
	}
	return c->n_to > 0 ? 0 : err_set(err, E_INVALID, FORM ": it names no host");
}

static int credential_read(struct arena *a, const char *text, struct credential *c, struct err *err) {
	const char *eq = strchr(text, '='), *colon = eq != NULL ? strchr(eq, ':') : NULL;
	size_t name = strcspn(text, "@=");
	if (name == 0 || colon == NULL || colon == eq + 1)
		return err_set(err, E_INVALID, FORM);
	if (text[name] == '=')
		return err_set(err, E_INVALID,
		    "artifact-credential %.*s does not say which hosts it may be sent to, so it would go wherever a token's URL leads; "
		    "write "
		    "%.*s@repo.example.com=…, several hosts with a space between them",
		    (int)name, text, (int)name, text);
	c->name = arena_strndup(a, text, name);
	c->header = arena_strdup(a, eq + 1);
	int rc = hosts_read(a, text + name + 1, (size_t)(eq - text) - name - 1, c, err);
	if (rc != 0)
		err_context(err, "artifact-credential %s", c->name);
	return rc;
}

int credentials_read(struct arena *a, const char *const *texts, struct credentials *ret, struct err *err) {
	size_t n = 0;
	while (texts != NULL && texts[n] != NULL)
		n++;
	struct credentials c = { .list = arena_alloc(a, (n + 1) * sizeof *c.list), .n = n };
	for (size_t i = 0; i < n; i++) {
		int rc = credential_read(a, texts[i], &c.list[i], err);
		if (rc != 0)
			return rc;
	}
	*ret = c;
	return 0;
}

static int not_found(const struct credentials *c, const char *name, struct err *err) {
	BUF_AUTO all = BUF_INIT;
	for (size_t i = 0; i < c->n; i++)
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", c->list[i].name);
	return err_field(err, E_NOT_FOUND, "/credentials", "the server's configuration has no credential \"%.64s\"; there is: %s", name,
	    c->n > 0 ? buf_str(&all) : "none");
}

static int not_there(const struct credential *c, const struct origin *o, struct err *err) {
	BUF_AUTO all = BUF_INIT;
	for (size_t i = 0; i < c->n_to; i++) {
		buf_add_str(&all, i > 0 ? ", " : "");
		origin_rule_print(&c->to[i], &all);
	}
	return err_field(err, E_FORBIDDEN, "/credentials",
	    "credential \"%.64s\" may be sent to %.300s, not to %s://%.100s:%u; name another one, or have that host added to "
	    "--artifact-credential on the server",
	    c->name, buf_str(&all), o->scheme, o->host, o->port);
}

int credential_for(const struct credentials *c, const char *name, const char *url, const struct credential **ret, struct err *err) {
	struct origin o;
	size_t i = 0;
	*ret = NULL;
	if (name == NULL || *name == '\0')
		return 0;
	while (i < c->n && strcmp(c->list[i].name, name) != 0)
		i++;
	if (i == c->n)
		return not_found(c, name, err);
	int rc = origin_of(url, &o, err);
	if (rc != 0)
		return err_field(err, rc, "/url", "no credential can be sent there: its host is not one of plain letters");
	for (size_t k = 0; k < c->list[i].n_to; k++)
		if (origin_rule_allows(&c->list[i].to[k], &o)) {
			*ret = &c->list[i];
			return 0;
		}
	return not_there(&c->list[i], &o, err);
}
