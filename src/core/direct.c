/* Bases without an agent: how they come into the fleet, and the links by which they fetch artifacts. Who they are is row `boot`, as
 * "arklet/IDENTITY"; where they are, row `arklet_url`. Reaching them is the driver's business. */
#include "core/conductor.h"
#include "core/grant.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/secret.h"

static bool gone(const struct base *b) {
	return b->row.state == BASE_LOST || b->row.state == BASE_STOPPED;
}

static int moved(struct core *c, struct base *b, const struct direct_spec *s, struct err *err) {
	struct event_facts f = { .kind = "base.moved", .base = b };
	if (b->row.arklet_url == NULL && !gone(b))
		return err_field(
		    err, E_EXISTS, "/id", "base %s is joined with an agent; forget it first: berth base forget %s", s->name, s->name);
	core_event(c, &f, "base %s is now reached at %s", s->name, s->url);
	base_set_arklet(c->fleet, b, s->url);
	if (s->identity != NULL)
		text_set(&b->row.boot, s->identity);
	fleet_touch(c->fleet, &b->o);
	return 0;
}

int change_base_add(struct core *c, const struct core_who *who, const struct direct_spec *s, struct base **ret, struct err *err) {
	struct tenant *t = s->group->tenant;
	struct base *b = fleet_base(t, s->name);
	const struct base *there = fleet_base_by_arklet(t, s->url);
	(void)who;
	*ret = b;
	if (there != NULL && there != b)
		return err_field(err, E_EXISTS, "/arklet", "%s is base %s already", s->url, there->row.name);
	if (b != NULL)
		return text_same(b->row.arklet_url, s->url) ? 0 : moved(c, b, s, err);
	struct row_base row = {
		.name = UNCONST(s->name),
		.state = BASE_JOINING,
		.state_at = c->wall,
		.runtime = RUNTIME_ARK,
		.etag = 1,
		.joined_at = c->wall,
		.seen_at = c->wall,
		.install_limit = s->limit,
		.labels = UNCONST(s->labels),
		.taints = UNCONST(s->taints),
		.zone = UNCONST(s->zone),
		.arklet_url = UNCONST(s->url),
		.boot = UNCONST(s->identity),
	};
	*ret = b = fleet_base_add(c->fleet, s->group, &row);
	base_inherit(b);
	fleet_touch(c->fleet, &b->o);
	struct event_facts f = { .kind = "base.added", .base = b };
	core_event(c, &f, "base %s was added to group %s, reached at %s", b->row.name, s->group->row.name, s->url);
	base_heard(c, b);
	base_look(c, b, mono_add(c->mono, c->cfg.silent_us));
	return 0;
}

void change_base_farewell(struct core *c, struct base *b, const char *reason) {
	if (b->row.state == BASE_STOPPED)
		return;
	base_set_state(c->fleet, b, BASE_STOPPED, reason, c->wall);
	brake_base_settled(c, b);
	instances_lose_sight(c, b, INSTANCE_UNKNOWN, "its base was stopped");
	struct event_facts f = { .kind = "base.stopped", .base = b };
	core_event(c, &f, "base %s said goodbye: %s", b->row.name, reason);
	base_look(c, b, c->mono);
}

int change_leave(struct core *c, const struct core_who *who, struct base *b, struct err *err) {
	if (b->row.arklet_url == NULL && b->connected)
		return err_set(err, E_STATE,
		    "base %s is connected through its agent, which says goodbye when it is stopped; a restart is announced with: "
		    "berth base expect-restart %s --for 10m",
		    b->row.name, b->row.name);
	change_base_farewell(c, b, who->reason != NULL && *who->reason ? who->reason : "somebody said that it leaves");
	return 0;
}

/* ---- links ----------------------------------------------------------------------------------------------------------------------------
 */

/* The key is this process's and dies with it: links are made for one install at a time, and only the server that holds the lease makes
 * them. Their end is counted on the monotonic clock, which nobody sets. */
static const uint8_t *grant_key(struct core *c) {
	if (!c->has_grant_key)
		random_bytes(c->grant_key, sizeof c->grant_key);
	c->has_grant_key = true;
	return c->grant_key;
}

static void sign(struct core *c, int64_t tenant_id, const char *sha256, int64_t expires, char ret[SHA256_HEX]) {
	uint8_t mac[SHA256_BYTES];
	char text[160];
	int n = snprintf(text, sizeof text, "%" PRId64 "/%.64s/%" PRId64, tenant_id, sha256, expires);
	hmac_sha256_of(grant_key(c), sizeof c->grant_key, text, (size_t)n, mac);
	hex_encode(mac, sizeof mac, ret);
}

void core_grant_print(struct core *c, int64_t tenant_id, const char *sha256, int64_t us, struct buf *out) {
	char mac[SHA256_HEX];
	int64_t expires = clock_mono(&c->env.clock).us / US_PER_S + us / US_PER_S + 1;
	sign(c, tenant_id, sha256, expires, mac);
	buf_printf(out, "/v1/artifacts/%s/content?tenantId=%" PRId64 "&expires=%" PRId64 "&signature=%s", sha256, tenant_id, expires, mac);
}

bool core_grant_valid(struct core *c, int64_t tenant_id, const char *sha256, int64_t expires, const char *signature) {
	char mac[SHA256_HEX];
	if (signature == NULL || strlen(signature) != SHA256_HEX - 1 || expires < clock_mono(&c->env.clock).us / US_PER_S)
		return false;
	sign(c, tenant_id, sha256, expires, mac);
	return secret_equal(mac, signature, SHA256_HEX - 1);
}
