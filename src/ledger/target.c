/* Splits host, hostaddr and port lists; keeps everything else as libpq parsed it. */
#include "ledger/target.h"

#include <arpa/inet.h>
#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct host {
	char *name, *addr, *port;
	bool lookup;
};

struct target {
	PQconninfoOption *options;
	struct host hosts[TARGET_HOSTS];
	size_t n;
	char shown[256];
};

static const char *option(const PQconninfoOption *o, const char *keyword) {
	for (; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val != NULL && *o->val != '\0' ? o->val : NULL;
	return NULL;
}

/* Item i of a comma-separated list; malloc'ed, NULL when the list is shorter. */
static char *list_item(const char *list, size_t i) {
	if (list == NULL)
		return NULL;
	for (; i > 0; i--) {
		list = strchr(list, ',');
		if (list == NULL)
			return NULL;
		list++;
	}
	char *item = strndup(list, strcspn(list, ","));
	if (item == NULL)
		abort();
	return item;
}

static size_t list_count(const char *list) {
	size_t n = list != NULL;
	for (; list != NULL && *list != '\0'; list++)
		n += *list == ',';
	return n;
}

static bool is_address(const char *s) {
	struct in6_addr scratch;
	return inet_pton(AF_INET, s, &scratch) == 1 || inet_pton(AF_INET6, s, &scratch) == 1;
}

/* libpq's own defaults (PGHOST, PGPORT, the compiled-in socket folder) count, as they do for psql. */
static int split_hosts(struct target *t, struct err *err) {
	PQconninfoOption *defaults = PQconndefaults();
	const char *host = option(t->options, "host"), *addr = option(t->options, "hostaddr"), *port = option(t->options, "port");
	if (host == NULL && addr == NULL && defaults != NULL) {
		host = option(defaults, "host");
		addr = option(defaults, "hostaddr");
	}
	if (port == NULL && defaults != NULL)
		port = option(defaults, "port");
	size_t n = list_count(addr) > list_count(host) ? list_count(addr) : list_count(host), ports = list_count(port);
	t->n = n == 0 ? 1 : n;
	if (t->n > TARGET_HOSTS) {
		PQconninfoFree(defaults);
		t->n = 0;
		return err_set(err, E_INVALID, "the database URL lists %zu hosts, more than %d", n, TARGET_HOSTS);
	}
	for (size_t i = 0; i < t->n; i++) {
		struct host *h = &t->hosts[i];
		h->name = list_item(host, i);
		h->addr = list_item(addr, i);
		h->port = list_item(port, ports == 1 ? 0 : i);
		bool socket = h->name == NULL || *h->name == '\0' || *h->name == '/' || *h->name == '@';
		bool has_addr = h->addr != NULL && *h->addr != '\0';
		if (!has_addr && !socket && is_address(h->name)) {
			free(h->addr);
			h->addr = list_item(h->name, 0);
			has_addr = true;
		}
		h->lookup = !has_addr && !socket;
	}
	PQconninfoFree(defaults);
	return 0;
}

static void show(struct target *t) {
	const char *db = option(t->options, "dbname"), *user = option(t->options, "user");
	size_t n = 0;
	for (size_t i = 0; i < t->n && n < sizeof t->shown; i++) {
		const struct host *h = &t->hosts[i];
		const char *name = h->name != NULL && *h->name != '\0' ? h->name : h->addr != NULL ? h->addr : "local socket";
		n += (size_t)snprintf(t->shown + n, sizeof t->shown - n, "%s%.80s%s%.10s", i > 0 ? "," : "", name, h->port ? ":" : "",
		    h->port ? h->port : "");
	}
	if (n < sizeof t->shown)
		snprintf(t->shown + n, sizeof t->shown - n, " database %.40s user %.40s", db ? db : "(default)", user ? user : "(default)");
}

int target_new(const char *conninfo, struct target **ret, struct err *err) {
	struct target *t = calloc(1, sizeof *t);
	if (t == NULL)
		return err_set(err, E_NOMEM, "no memory for the database URL");
	char *message = NULL;
	t->options = PQconninfoParse(conninfo, &message);
	if (t->options == NULL) {
		/* libpq's message may quote the whole string, password included: only its kind is told. */
		PQfreemem(message);
		free(t);
		return err_set(err, E_INVALID,
		    "the database URL cannot be read; write postgresql://user:password@host:port/database or host=… dbname=… user=…");
	}
	int r = 0;
	if (option(t->options, "service") != NULL)
		r = err_set(err, E_INVALID, "the database URL names a service file, which is not supported; give host, database and user");
	if (r == 0)
		r = split_hosts(t, err);
	if (r != 0) {
		target_free(t);
		return r;
	}
	show(t);
	*ret = t;
	return 0;
}

void target_free(struct target *t) {
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++) {
		free(t->hosts[i].name);
		free(t->hosts[i].addr);
		free(t->hosts[i].port);
	}
	PQconninfoFree(t->options);
	free(t);
}

const char *target_shown(const struct target *t) {
	return t->shown;
}

size_t target_n_hosts(const struct target *t) {
	return t->n;
}

const char *target_lookup(const struct target *t, size_t i) {
	return t->hosts[i].lookup ? t->hosts[i].name : NULL;
}

static void add_item(struct buf *b, bool first, const char *s) {
	if (!first)
		buf_add_char(b, ',');
	buf_add_str(b, s == NULL ? "" : s);
}

/* One entry per address: libpq wants the three lists to be of one length. */
static size_t spread(const struct target *t, const char *const *addresses, struct buf *host, struct buf *addr, struct buf *port) {
	size_t n = 0;
	for (size_t i = 0; i < t->n; i++) {
		const struct host *h = &t->hosts[i];
		const char *list = h->lookup ? addresses[i] : h->addr;
		if (h->lookup && list == NULL)
			continue;
		size_t k = 0;
		do {
			char *one = list_item(list, k);
			add_item(host, n == 0, h->name);
			add_item(addr, n == 0, one);
			add_item(port, n == 0, h->port);
			free(one);
			n++;
			k++;
		} while (h->lookup && k < list_count(list));
	}
	return n;
}

static void set(struct target_args *a, const char *keyword, const char *value) {
	size_t i = 0;
	for (; a->keywords[i] != NULL; i++)
		if (strcmp(a->keywords[i], keyword) == 0)
			break;
	assert(i + 1 < sizeof a->keywords / sizeof *a->keywords);
	a->keywords[i] = keyword;
	a->values[i] = value;
}

int target_args(const struct target *t, const char *const *addresses, const char *application, struct target_args *ret, struct err *err) {
	BUF_AUTO host, addr, port;
	buf_init(&host, 0);
	buf_init(&addr, 0);
	buf_init(&port, 0);
	if (spread(t, addresses, &host, &addr, &port) == 0)
		return err_set(err, E_UNAVAILABLE, "none of the database's hosts has an address now: %s", t->shown);
	memset(ret, 0, sizeof *ret);
	/* Before the person's own words: what they may replace. A standby cannot take commits, so read-write is the default. */
	set(ret, "target_session_attrs", "read-write");
	set(ret, "gssencmode", "disable");
	set(ret, "application_name", application);
	for (const PQconninfoOption *o = t->options; o->keyword != NULL; o++)
		if (o->val != NULL && *o->val != '\0')
			set(ret, o->keyword, o->val);
	set(ret, "client_encoding", "UTF8");
	ret->host = buf_take(&host, NULL);
	ret->hostaddr = buf_take(&addr, NULL);
	ret->port = buf_take(&port, NULL);
	if (ret->host != NULL && *ret->host != '\0')
		set(ret, "host", ret->host);
	if (ret->hostaddr != NULL && strspn(ret->hostaddr, ",") != strlen(ret->hostaddr))
		set(ret, "hostaddr", ret->hostaddr);
	if (ret->port != NULL && strspn(ret->port, ",") != strlen(ret->port))
		set(ret, "port", ret->port);
	return 0;
}

void target_args_clear(struct target_args *a) {
	free(a->host);
	free(a->hostaddr);
	free(a->port);
	memset(a, 0, sizeof *a);
}
