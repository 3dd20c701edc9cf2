/* How a base joins: who may say that it is this base, on which link it is reached, and what it is told to hold. A hello is checked,
 * recorded and answered with what is wanted (design section 5, rules 6, 8, 13). */
#include "core/conductor.h"
#include "base/name.h"
#include "base/secret.h"
#include "core/baseline.h"
#include "model/spec.h"
#include "proto/json.h"

#define WITNESS_EPOCHS 1000000 /* further ahead is a lie */
#define WITNESS_EVENTS INT64_C(100000000000)

#define GENERATIONS_AHEAD INT64_C(1000000000)

/* ---- links ----------------------------------------------------------------------------------------------------------------------------
 */
void links_clear(struct core *c) {
	struct linked *x, *t;
	HASH_ITER(hh, c->links, x, t) {
		HASH_DEL(c->links, x);
		free(x);
	}
}

static struct linked *linked_find(struct core *c, const struct driver_link *k) {
	struct linked *x;
	HASH_FIND_PTR(c->links, &k, x);
	return x;
}

struct base *link_base(struct core *c, const struct driver_link *k) {
	struct linked *x = linked_find(c, k);
	struct base *b = x == NULL || c->fleet == NULL ? NULL : fleet_base_by_id(c->fleet, x->base_id);
	return b != NULL && b->drive == k ? b : NULL;
}

void link_drop(struct core *c, struct driver_link *k) {
	struct linked *x = linked_find(c, k);
	if (x == NULL)
		return;
	HASH_DEL(c->links, x);
	free(x);
}

static void link_set(struct core *c, struct base *b, struct driver_link *k) {
	link_drop(c, k);
	struct linked *x = calloc(1, sizeof *x);
	if (x == NULL)
		abort();
	x->link = k;
	x->base_id = b->row.id;
	HASH_ADD_PTR(c->links, link, x);
	b->drive = k;
	b->connected = true;
	b->lost_since = (mono_t){ 0 };
}

static void refuse(struct core *c, struct driver_link *k, const char *code, bool final, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
static void refuse(struct core *c, struct driver_link *k, const char *code, bool final, const char *fmt, ...) {
	struct effect *x = effect_add(c, EFFECT_REFUSE, k);
	va_list ap;
	va_start(ap, fmt);
	x->detail = arena_vprintf(c->open->arena, fmt, ap);
	va_end(ap);
	x->code = code;
	x->final = final;
	core_wake(c);
}

/* ---- hello ------------------------------------------------------------------------------------------------------------------------------
 */
static bool has_key(const struct base *b) {
	static const uint8_t none[SHA256_BYTES];
	return memcmp(b->row.key_hash, none, sizeof none) != 0;
}

/* The Welcome that brought its key was lost, or the agent died before it had stored it: nobody has this key. An agent reports only once
 * the key is on its disk, and sequences start over with each key. Its own process (the boot id tells) need not wait for the end of the
 * connection on which that happened: it may be half open. */
static bool key_unused(const struct base *b) {
	return has_key(b) && b->row.report_seq == 0;
}

static bool key_matches(const struct base *b, const char *key) {
	uint8_t h[SHA256_BYTES];
	if (key == NULL || *key == '\0' || !has_key(b))
		return false;
	sha256_of(key, strlen(key), h);
	return secret_equal(h, b->row.key_hash, sizeof h);
}

static struct token *join_token(struct core *c, const char *text) {
	uint8_t h[SHA256_BYTES];
	if (text == NULL || *text == '\0')
		return NULL;
	sha256_of(text, strlen(text), h);
	struct token *t = fleet_token_by_hash(c->fleet, h);
	bool expired = t != NULL && t->row.expires_at.us != 0 && t->row.expires_at.us <= c->wall.us;
	return t == NULL || expired || (t->row.role != ROLE_JOIN && t->row.role != ROLE_ADMIN) ? NULL : t;
}

static struct group *group_for(struct core *c, struct tenant *t, const Berth__V1__Hello *h, const struct token *tok) {
	const char *name = tok != NULL && tok->row.group_name != NULL && *tok->row.group_name ? tok->row.group_name : h->group;
	if (name == NULL || *name == '\0')
		name = "default";
	struct group *g = fleet_group(t, name);
	if (g != NULL || !name_valid(NAME_PLAIN, name))
		return g;
	struct row_base_group row = {
		.name = UNCONST(name),
		.runtime = h->has_runtime ? (int)h->runtime : RUNTIME_NATIVE,
		.install_limit = 10,
		.zone_key = UNCONST("zone"),
		.unmanaged_policy = UNMANAGED_REPORT,
		.placement = PLACEMENT_SPREAD,
		.upgrade_policy = UPGRADE_POLICY_AUTO,
		.mode = GROUP_MODE_MANAGE,
		.etag = 1,
		.created_at = c->wall,
		.updated_at = c->wall,
	};
	struct event_facts f = { .kind = "group.created" };
	g = fleet_group_add(c->fleet, t, &row);
	core_event(c, &f, "group %s was made by the first base that joined it", name);
	return g;
}

static char *labels_of(const Berth__V1__Hello *h, struct arena *a) {
	struct pair *v = arena_alloc(a, (h->n_labels + 1) * sizeof *v);
	for (size_t i = 0; i < h->n_labels; i++)
		v[i] = (struct pair){ h->labels[i]->key == NULL ? UNCONST("") : h->labels[i]->key,
			h->labels[i]->value == NULL ? UNCONST("") : h->labels[i]->value };
	return pairs_print(v, h->n_labels, a);
}

static void base_describe(struct core *c, struct base *b, const Berth__V1__Hello *h) {
	b->prefetches = h->prefetches;
	struct arena *a = arena_new();
	text_set(&b->row.labels, labels_of(h, a));
	text_set(&b->row.taints, strings_print(h->taints, h->n_taints, a));
	text_set(&b->row.zone, h->zone);
	text_set(&b->row.address, h->address);
	text_set(&b->row.agent_version, h->agent_version);
	if (h->has_runtime && h->runtime != BERTH__V1__RUNTIME__RUNTIME_NONE)
		b->row.runtime = (int)h->runtime;
	base_inherit(b);
	fleet_touch(c->fleet, &b->o);
	arena_free(a);
}

static struct base *base_new(struct core *c, struct tenant *t, const Berth__V1__Hello *h, const struct token *tok) {
	struct group *g = group_for(c, t, h, tok);
	if (g == NULL)
		return NULL;
	struct row_base row = {
		.name = h->base,
		.state = BASE_JOINING,
		.state_at = c->wall,
		.runtime = g->row.runtime,
		.etag = 1,
		.joined_at = c->wall,
		.seen_at = c->wall,
		.install_limit = h->has_install_limit && h->install_limit > 0 ? h->install_limit : 0,
	};
	struct base *b = fleet_base_add(c->fleet, g, &row);
	struct event_facts f = { .kind = "base.joined", .base = b };
	core_event(c, &f, "base %s joined group %s", b->row.name, g->row.name);
	base_look(c, b, mono_add(c->mono, c->cfg.silent_us));
	return b;
}

/* It showed its key on this very stream before: a reload or a raised epoch asks it again. */
static bool known_link(struct core *c, const struct driver_link *k, const struct base *b) {
	const struct linked *x = linked_find(c, k);
	return x != NULL && x->base_id == b->row.id;
}

/* Rule 13: the base's own key, or a join token where there is no live process of that name that has one. NULL: refused. */
static struct base *hello_admit(struct core *c, struct driver_link *k, const Berth__V1__Hello *h, bool *ret_new_key) {
	const char *tenant = h->tenant == NULL || *h->tenant == '\0' ? "default" : h->tenant;
	struct tenant *t = fleet_tenant(c->fleet, tenant);
	struct token *tok = join_token(c, h->join_token);
	struct base *b = t == NULL || h->base == NULL ? NULL : fleet_base(t, h->base);
	*ret_new_key = false;
	if (h->base == NULL || !name_valid(NAME_PLAIN, h->base)) {
		refuse(c, k, "invalid_argument", true, "base id \"%.64s\" is not a name: letters, digits, . _ - and at most 63",
		    h->base == NULL ? "" : h->base);
	} else if (hello_wrong(h) != NULL) {
		refuse(c, k, "invalid_argument", true, "base %s: %s", h->base, hello_wrong(h));
	} else if (b != NULL && (known_link(c, k, b) || key_matches(b, h->base_key))) {
		return b;
	} else if (tok == NULL || t == NULL || tok->tenant != t) {
		refuse(c, k, "unauthenticated", true,
		    "the join token is unknown, revoked or expired; make one with: berth token create --role join");
	} else if (b != NULL && key_unused(b) && b->connected && !text_same(b->row.boot, h->boot)) {
		refuse(c, k, "already_exists", false,
		    "base %s joined just now on another connection, which has told nothing yet; this one may have its turn when that one "
		    "ends",
		    b->row.name);
	} else if (b != NULL && !key_unused(b) && b->row.state != BASE_LOST && b->row.state != BASE_STOPPED) {
		refuse(c, k, "already_exists", true,
		    "base %s is already joined by another process%s and this one does not have its key; choose another --id, stop the "
		    "other one, or: berth base forget %s",
		    b->row.name, b->connected ? ", which is connected" : "", b->row.name);
	} else {
		*ret_new_key = true;
		if (b == NULL)
			b = base_new(c, t, h, tok);
		if (b == NULL)
			refuse(c, k, "invalid_argument", true, "group name \"%.64s\" is not a name", h->group == NULL ? "" : h->group);
		return b;
	}
	return NULL;
}

static void welcome(struct core *c, struct base *b, struct driver_link *k, const char *new_key) {
	struct arena *a = arena_new();
	Berth__V1__Welcome w = BERTH__V1__WELCOME__INIT;
	w.cell = c->cell;
	w.has_epoch = w.has_incarnation = w.has_committed_seq = w.has_last_event = true;
	w.epoch = c->epoch;
	w.incarnation = b->row.incarnation;
	w.base_key = UNCONST(new_key);
	w.committed_seq = b->row.report_seq;
	w.last_event = fleet_last_event(c->fleet);
	w.base = b->row.name;
	w.artifacts = UNCONST(c->cfg.artifacts);
	Google__Protobuf__Duration lease = GOOGLE__PROTOBUF__DURATION__INIT, beat = GOOGLE__PROTOBUF__DURATION__INIT;
	lease.seconds = c->cfg.lease_us / US_PER_S;
	lease.nanos = (int32_t)(c->cfg.lease_us % US_PER_S) * 1000;
	beat.seconds = c->cfg.heartbeat_us / US_PER_S;
	beat.nanos = (int32_t)(c->cfg.heartbeat_us % US_PER_S) * 1000;
	w.lease = &lease;
	w.heartbeat = &beat;
	while (c->cfg.servers != NULL && c->cfg.servers[w.n_servers] != NULL)
		w.n_servers++;
	w.servers = (char **)(uintptr_t)c->cfg.servers;
	const struct instance **held;
	size_t n = baseline_of(b, a, &held);
	w.wanted = arena_alloc(a, (n + 1) * sizeof *w.wanted);
	for (; w.n_wanted < n; w.n_wanted++) {
		Berth__V1__WantedModule *m = PB_NEW(Berth__V1__WantedModule, berth__v1__wanted_module, a);
		wanted_fill(c, held[w.n_wanted], m, a);
		w.wanted[w.n_wanted] = m;
	}
	effect_add(c, EFFECT_WELCOME, k)->message = pb_copy(&w.pb, c->open->arena);
	c->open->joins = true;
	arena_free(a);
}

/* What is wanted of it is another set now. */
void base_welcome(struct core *c, struct base *b) {
	if (b->drive == NULL)
		return;
	welcome(c, b, b->drive, NULL);
	core_wake(c);
}

bool core_hears(struct core *c) {
	if (c->fleet == NULL || (c->mode != CORE_ACTIVE && c->mode != CORE_AWAY && c->mode != CORE_READ_ONLY))
		return false; /* away: what is heard is recorded when the ledger answers again, and acknowledged then */
	core_look_at_clock(c);
	return true;
}

static void link_supersede(struct core *c, struct base *b, struct driver_link *k) {
	struct driver_link *old = b->drive;
	if (old == NULL || old == k)
		return;
	link_drop(c, old);
	effects_forget_link(c, old);
	refuse(c, old, "superseded", false, "base %s connected again", b->row.name);
}

/* An older database was accepted: what the agent obeyed under these numbers was something else. Commands go on above them. */
static void commands_anew(struct core *c, struct base *b, int64_t high) {
	struct instance *i;
	b->row.generation = high;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (i->task == NULL || i->task->row.state != TASK_SENT)
			continue;
		i->task->row.generation = ++b->row.generation;
		if (!task_is_hook(i->task))
			i->row.generation = b->row.generation;
		fleet_touch(c->fleet, &i->o);
		fleet_touch(c->fleet, &i->task->o);
	}
	fleet_touch(c->fleet, &b->o);
}

/* It is who it says. */
static void hello_take(struct core *c, struct driver_link *k, struct base *b, const Berth__V1__Hello *h, const char *new_key) {
	c->culprit = (struct culprit){ CULPRIT_BASE, b->row.id };
	c->hearing = b;
	bool again = b->drive == k && text_same(b->row.boot, h->boot);
	link_supersede(c, b, k);
	link_set(c, b, k);
	base_heard(c, b);
	base_look(c, b, mono_add(c->mono, c->cfg.silent_us));
	if (!text_same(b->row.boot, h->boot) || b->row.process_start != h->base_start) {
		text_set(&b->row.boot, h->boot);
		b->row.process_start = h->base_start;
		b->row.incarnation++;
	}
	b->row.seen_at = c->wall;
	if (h->memory != NULL)
		memory_told(c, b, h->memory);
	fleet_touch(c->fleet, &b->o);
	if (h->high_generation > b->row.generation && h->high_generation < b->row.generation + GENERATIONS_AHEAD)
		commands_anew(c, b, h->high_generation);
	base_set_state(c->fleet, b, b->row.state == BASE_READY ? BASE_READY : BASE_RESTORING, NULL, c->wall);
	struct event_facts f = { .kind = "base.connected", .base = b };
	if (!again)
		core_event(c, &f, "base %s connected", b->row.name);
	if (b->row.state != BASE_READY)
		peer_join(c, b); /* what every base is to have is its baseline, too */
	welcome(c, b, k, new_key);
	if (h->base_running && h->report_seq <= b->row.report_seq)
		held_apply(c, b, h->held, h->n_held, true);
	dispatch_again(c, b, k);
	c->hearing = NULL;
	if (b->row.state == BASE_READY) { /* what became due while its link was away */
		repair_base(c, b);
		evictions_due(c, b);
	}
	core_wake(c);
}

/* A stranger's word, or a number out of this world, does not stop the cell. */
static bool witness_believed(struct core *c, const struct driver_link *k, const Berth__V1__Hello *h) {
	const struct tenant *t = fleet_tenant(c->fleet, h->tenant == NULL || *h->tenant == '\0' ? "default" : h->tenant);
	const struct base *b = t == NULL || h->base == NULL ? NULL : fleet_base(t, h->base);
	bool ours = b != NULL && (known_link(c, k, b) || key_matches(b, h->base_key));
	bool possible = h->witness_epoch < c->epoch + WITNESS_EPOCHS && h->witness_event < c->committed_event + WITNESS_EVENTS;
	return possible && (ours || join_token(c, h->join_token) != NULL);
}

/* P13. True: this ledger is older than what a base was told; it is loaded again, and read only. */
static bool older_noticed(struct core *c, const struct driver_link *k, const Berth__V1__Hello *h) {
	if (!witness_newer(c, h->witness_cell, h->witness_epoch, h->witness_event) || !witness_believed(c, k, h))
		return false;
	log_error("the database is older than what a base was told", log_s("base", h->base), log_i("epoch", h->witness_epoch),
	    log_i("event", h->witness_event));
	core_witness(c, h->witness_cell, h->witness_epoch, h->witness_event);
	if (c->mode == CORE_READ_ONLY)
		return true;
	commit_drop(c, NULL, true);
	core_load(c);
	return true;
}

/* A base whose doing the database refused is not heard. */
static bool kept_out(struct core *c, struct driver_link *k, const struct base *b) {
	if (series_aside(c, b))
		refuse(
		    c, k, "set_aside", false, "the database refused what base %s told; forget the base and let it join anew", b->row.name);
	return series_aside(c, b);
}

static void hear_agent(struct core *c, struct driver_link *k, const Berth__V1__Hello *h) {
	char key[64] = "";
	bool new_key;
	struct base *b = hello_admit(c, k, h, &new_key);
	if (b == NULL || kept_out(c, k, b))
		return;
	if (new_key) {
		token_make("bk", key, sizeof key);
		sha256_of(key, strlen(key), b->row.key_hash);
		b->row.report_seq = 0;
	}
	base_set_arklet(c->fleet, b, NULL); /* from now on it is reached through its agent */
	base_describe(c, b, h);
	hello_take(c, k, b, h, new_key ? key : NULL);
}

static void hear_direct(struct core *c, struct driver_link *k, int64_t base_id, const Berth__V1__Hello *h) {
	struct base *b = fleet_base_by_id(c->fleet, base_id);
	if (b == NULL || b->row.arklet_url == NULL) {
		refuse(c, k, "not_found", true, "this base was forgotten, or is reached through an agent now");
		return;
	}
	c->who.actor = b->row.name;
	if (!kept_out(c, k, b))
		hello_take(c, k, b, h, NULL);
}

void hello_hear(struct core *c, struct driver_link *k, int64_t base_id, const Berth__V1__Hello *h, const char *peer) {
	c->who = (struct core_who){ .actor = h->base, .address = peer };
	if (base_id == 0)
		hear_agent(c, k, h);
	else
		hear_direct(c, k, base_id, h);
	c->who = (struct core_who){ 0 };
}

void core_base_hello(struct core *c, struct driver_link *k, const Berth__V1__Hello *h, const char *peer) {
	if (core_hears(c) && !older_noticed(c, k, h) && !c->older && !series_hold(c, k, 0, &h->pb, peer))
		hello_hear(c, k, 0, h, peer);
}

void core_base_hello_direct(struct core *c, struct driver_link *k, int64_t base_id, const Berth__V1__Hello *h, const char *peer) {
	if (core_hears(c) && !c->older && !series_hold(c, k, base_id, &h->pb, peer))
		hello_hear(c, k, base_id, h, peer);
}
