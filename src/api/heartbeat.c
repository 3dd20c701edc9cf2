/* Heartbeats need a join token in their path to bring a base in, or a group that the operator opened to all; a base that is known needs
 * none, so that renewing tokens throws nobody out. Who answers at the address is found out by asking it (drive), not believed here. */
#include "api/heartbeat.h"

#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/buf.h"
#include "base/name.h"
#include "base/secret.h"
#include "core/grant.h"
#include "model/spec.h"
#include "proto/beat.h"
#include "sched/requires.h"

#define BOOT "arklet/"
#define BASELINE_LINK_US (600 * US_PER_S)

struct beat_op {
	struct core_op core; /* first */
	struct api *api;
	struct api_beat in;
	struct beat beat;
	struct err err; /* of the body */
	const char *name, *url, *answer;
	api_beat_fn done;
	void *arg;
};

/* ---- whose ------------------------------------------------------------------------------------------------------------------------- */

static const struct token *token_of(const struct beat_op *o) {
	uint8_t hash[SHA256_BYTES];
	if (o->in.token == NULL)
		return NULL;
	sha256_of(o->in.token, strlen(o->in.token), hash);
	const struct token *t = fleet_token_by_hash(core_fleet(o->api->core), hash);
	bool fine = t != NULL && (t->row.role == ROLE_JOIN || t->row.role == ROLE_ADMIN) && t->row.revoked_at.us == 0 &&
	            (t->row.expires_at.us == 0 || t->row.expires_at.us > core_now(o->api->core).us);
	return fine ? t : NULL;
}

static struct base *asker(const struct beat_op *o, const struct tenant *t) {
	const char *boot = arena_printf(o->in.arena, BOOT "%s", o->beat.identity);
	struct base *found = NULL;
	if (o->beat.port != 0)
		return fleet_base(t, o->name);
	for (struct base *b = t->bases; b != NULL; b = b->hh_name.next) {
		bool fits = b->row.boot != NULL && strcmp(b->row.boot, boot) == 0;
		if (fits && found != NULL)
			return NULL; /* two of that name and no port: better none than the other's */
		found = fits ? b : found;
	}
	return found;
}

/* The base that says of itself that it is there, where it is known to be there. */
static struct base *beater(const struct beat_op *o, const struct tenant *t) {
	return fleet_base_by_arklet(t, o->url); /* also when it was added by its address under another name */
}

static const char *peer_ip(const struct beat_op *o) {
	const char *peer = o->in.peer != NULL ? o->in.peer : "", *colon = strrchr(peer, ':');
	return arena_strndup(o->in.arena, peer, colon != NULL ? (size_t)(colon - peer) : strlen(peer));
}

/* A base that is in needs no token that is still valid: renewing one throws nobody out. But links to its modules are not for everybody who
 * guesses its name: the question comes from the address at which it was found. */
static bool asks_itself(const struct beat_op *o, const struct base *b) {
	const char *ip = peer_ip(o), *from;
	if (b == NULL || b->row.arklet_url == NULL || *ip == '\0')
		return false;
	from = arena_printf(o->in.arena, strchr(ip, ':') != NULL && *ip != '[' ? "http://[%s]:" : "http://%s:", ip);
	return strncmp(b->row.arklet_url, from, strlen(from)) == 0;
}

/* Its token says whose it is. One that was revoked, or is missing, says nothing: then that tenant counts in which a base stands at the
 * address the call comes from; where there is none, or several have one, "default". */
static struct tenant *tenant_of(
    const struct beat_op *o, const struct token *tok, struct base *(*look)(const struct beat_op *, const struct tenant *)) {
	struct fleet *f = core_fleet(o->api->core);
	struct tenant *usual = fleet_tenant(f, "default"), *found = NULL;
	if (tok != NULL)
		return tok->tenant;
	for (struct tenant *t = fleet_tenants(f); t != NULL; t = t->hh_name.next) {
		if (!asks_itself(o, look(o, t)))
			continue;
		if (found != NULL)
			return usual;
		found = t;
	}
	return found != NULL ? found : usual;
}

static struct group *group_make(struct beat_op *o, struct tenant *t, const char *name) {
	wall_t now = core_now(o->api->core);
	struct row_base_group row = { .tenant_id = t->row.id,
		.name = arena_strdup(o->in.arena, name),
		.runtime = RUNTIME_ARK,
		.install_limit = 10,
		.labels = arena_strdup(o->in.arena, "{}"),
		.zone_key = arena_strdup(o->in.arena, "zone"),
		.unmanaged_policy = UNMANAGED_REPORT,
		.placement = PLACEMENT_SPREAD,
		.upgrade_policy = UPGRADE_POLICY_AUTO,
		.mode = GROUP_MODE_MANAGE,
		.etag = 1,
		.created_at = now,
		.updated_at = now };
	struct event_facts facts = { .kind = "group.created" };
	struct group *g = fleet_group_add(core_fleet(o->api->core), t, &row);
	core_event(o->api->core, &facts, "group %s was made by the first base that joined it", name);
	return g;
}

static bool lists_cluster(const struct group *g, const char *cluster, struct arena *a) {
	char **names;
	size_t n;
	if (strings_parse(g->row.clusters, a, &names, &n, NULL) != 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], cluster) == 0)
			return true;
	return false;
}

/* The group that lists the base's cluster, else the one that is named so. */
static struct group *group_of_cluster(struct beat_op *o, struct tenant *t) {
	for (struct group *g = t->groups; o->beat.cluster != NULL && g != NULL; g = g->hh_name.next)
		if (lists_cluster(g, o->beat.cluster, o->in.arena))
			return g;
	return o->beat.cluster != NULL ? fleet_group(t, o->beat.cluster) : NULL;
}

/* The token's group; else its cluster's; else "default". */
static struct group *group_by_token(struct beat_op *o, struct tenant *t, const struct token *tok) {
	bool bound = tok->row.group_name != NULL && *tok->row.group_name != '\0';
	struct group *g = bound ? fleet_group(t, tok->row.group_name) : group_of_cluster(o, t);
	if (g != NULL)
		return g;
	if (bound)
		return group_make(o, t, tok->row.group_name);
	const char *name = o->beat.cluster != NULL && name_valid(NAME_PLAIN, o->beat.cluster) ? o->beat.cluster : "default";
	g = fleet_group(t, name);
	return g != NULL ? g : group_make(o, t, name);
}

/* Without a token: its cluster's group where that is open, else the only open one there is. */
static struct group *group_open(struct beat_op *o, struct tenant *t) {
	struct group *g = group_of_cluster(o, t), *only = NULL;
	int n = 0;
	if (g != NULL && g->row.open_join)
		return g;
	for (struct group *x = t->groups; x != NULL; x = x->hh_name.next) {
		n += x->row.open_join;
		only = x->row.open_join ? x : only;
	}
	return n == 1 ? only : NULL;
}

static bool any_open(const struct tenant *t) {
	const struct group *g = t->groups;
	while (g != NULL && !g->row.open_join)
		g = g->hh_name.next;
	return g != NULL;
}

static int not_let_in(const struct beat_op *o, struct err *err) {
	if (o->in.token != NULL)
		return err_set(err, E_UNAUTHENTICATED,
		    "the join token in the path is unknown, revoked or expired; make one with: berth token create NAME --role join");
	return err_set(err, E_UNAUTHENTICATED,
	    "a base joins at /join/TOKEN/heartbeat: give it http://HOST:PORT/join/TOKEN as its heartbeat endpoint, or open the group of "
	    "its cluster to all: berth group set GROUP --open-join");
}

/* ---- heartbeat --------------------------------------------------------------------------------------------------------------------- */

static int join(struct beat_op *o, struct tenant *t, const struct token *tok, struct err *err) {
	const struct base *known = fleet_base(t, o->name);
	bool bad = o->in.token != NULL && tok == NULL; /* a wrong token is no missing one */
	struct group *g = bad ? NULL : tok == NULL ? group_open(o, t) : known != NULL ? known->group : group_by_token(o, t, tok);
	if (g == NULL)
		return not_let_in(o, err);
	struct arena *a = o->in.arena;
	struct pair application = { arena_strdup(a, "application"), arena_strdup(a, o->beat.name != NULL ? o->beat.name : "") };
	struct direct_spec s = { .name = o->name,
		.labels = name_valid(NAME_PLAIN, application.value) ? pairs_print(&application, 1, a) : NULL,
		.url = o->url,
		.identity = arena_printf(a, BOOT "%s", o->beat.identity),
		.group = known != NULL ? known->group : g };
	struct base *b;
	return change_base_add(o->api->core, &o->core.who, &s, &b, err);
}

static int beat_apply(struct core *c, struct core_op *op, struct err *err) {
	struct beat_op *o = (struct beat_op *)op;
	if (o->err.code != 0) {
		*err = o->err;
		return err->code;
	}
	const struct token *tok = token_of(o);
	struct tenant *t = tenant_of(o, tok, beater);
	if (t == NULL)
		return not_let_in(o, err);
	struct base *b = beater(o, t);
	if (b != NULL && !o->beat.activated)
		change_base_farewell(c, b, "its heartbeat said that it is going");
	return b != NULL || !o->beat.activated ? 0 : join(o, t, tok, err);
}

/* ---- baseline ---------------------------------------------------------------------------------------------------------------------- */

static int by_priority(const void *x, const void *y) {
	const struct instance *a = *(const struct instance *const *)x, *b = *(const struct instance *const *)y;
	int64_t p = a->version->row.priority, q = b->version->row.priority;
	return p != q ? (p > q) - (p < q) : (a->row.id > b->row.id) - (a->row.id < b->row.id);
}

static void print_biz(struct beat_op *o, const struct instance *i, struct buf *out) {
	const struct core_config *c = core_cfg(o->api->core);
	BUF_AUTO url = BUF_INIT;
	const struct artifact *art = i->version->artifact;
	if (i->base->group->row.origin_artifacts && art->row.url != NULL) {
		buf_add_str(&url, art->row.url);
	} else {
		buf_add_str(&url, c->plain_artifacts != NULL ? c->plain_artifacts : c->artifacts);
		core_grant_print(o->api->core, i->base->tenant->row.id, art->row.sha256, BASELINE_LINK_US, &url);
	}
	buf_add_str(out, out->len > 1 ? ",{\"bizName\":" : "{\"bizName\":");
	buf_add_json(out, i->version->module->row.name);
	buf_add_str(out, ",\"bizVersion\":");
	buf_add_json(out, i->version->row.name);
	buf_add_str(out, ",\"bizUrl\":");
	buf_add_json(out, buf_str(&url));
	buf_add_char(out, '}');
}

static int baseline_apply(struct core *c, struct core_op *op, struct err *err) {
	struct beat_op *o = (struct beat_op *)op;
	if (o->err.code != 0) {
		*err = o->err;
		return err->code;
	}
	const struct token *tok = token_of(o);
	const struct tenant *t = tenant_of(o, tok, asker);
	const struct base *b = t == NULL ? NULL : asker(o, t);
	bool open = t != NULL && tok == NULL && o->in.token == NULL && any_open(t);
	if (t == NULL || (tok == NULL && !open && !asks_itself(o, b)))
		return not_let_in(o, err);
	const struct instance **list = arena_alloc(o->in.arena, ((size_t)(b != NULL ? b->n_instances : 0) + 1) * sizeof *list), *i;
	size_t n = 0;
	BUF_AUTO out = BUF_INIT;
	if (b != NULL)
		TAILQ_FOREACH(i, &b->instances, base_link)
			if (i->row.wanted && i->row.generation > 0 && i->task == NULL && i->row.state != INSTANCE_FAILED &&
			    i->row.state != INSTANCE_QUARANTINED)
				list[n++] = i;
	qsort(list, n, sizeof *list, by_priority);
	requires_sort(list, n);
	buf_add_char(&out, '[');
	for (size_t k = 0; k < n; k++)
		print_biz(o, list[k], &out);
	buf_add_char(&out, ']');
	o->answer = arena_strdup(o->in.arena, buf_str(&out));
	return 0;
}

/* ---- both -------------------------------------------------------------------------------------------------------------------------- */

static void beat_done(struct core_op *op, const struct err *err) {
	struct beat_op *o = (struct beat_op *)op;
	o->done(o->arg, err == NULL ? o->answer : NULL, err);
}

static bool loopback(const char *ip) {
	return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
}

/* The address it gives for itself, as the original controller has it; where that can only be meant on its own machine, the one it called
 * from. */
static const char *url_of(struct beat_op *o) {
	const char *ip = o->beat.ip, *from = peer_ip(o);
	if ((ip == NULL || (loopback(ip) && !loopback(from))) && *from != '\0')
		ip = from;
	bool v6 = ip != NULL && strchr(ip, ':') != NULL && *ip != '[';
	return arena_printf(o->in.arena, v6 ? "http://[%s]:%d" : "http://%s:%d", ip != NULL ? ip : "127.0.0.1", o->beat.port);
}

static void start(struct api *a, const struct api_beat *b, bool question, api_beat_fn done, void *arg) {
	struct beat_op *o = arena_alloc(b->arena, sizeof *o);
	*o = (struct beat_op){ .api = a, .in = *b, .answer = "SUCCESS", .done = done, .arg = arg, .err = ERR_INIT };
	o->core.apply = question ? baseline_apply : beat_apply;
	o->core.done = beat_done;
	o->core.read = question;
	o->core.who = (struct core_who){ .actor = "heartbeat", .address = b->peer };
	int rc = question ? beat_question_parse(b->arena, b->body, b->n, &o->beat, &o->err)
	                  : beat_parse(b->arena, b->body, b->n, &o->beat, &o->err);
	if (rc == 0) {
		o->name = beat_base_name(b->arena, o->beat.identity, o->beat.port);
		o->url = url_of(o);
	}
	core_submit(a->core, &o->core);
}

void api_heartbeat(struct api *a, const struct api_beat *b, api_beat_fn done, void *arg) {
	start(a, b, false, done, arg);
}

void api_baseline(struct api *a, const struct api_beat *b, api_beat_fn done, void *arg) {
	start(a, b, true, done, arg);
}
