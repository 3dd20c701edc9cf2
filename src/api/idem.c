/* Idempotency (rule 11): the answer of a change is stored in the same commit as the change, under a hash of (tenant, token, operation,
 * key). A duplicate in flight needs no table of its own: apply runs in order on one thread, so it finds the first one's stored answer in
 * the model, and its reply hangs on the commit that makes both true. */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/buf.h"
#include "base/secret.h"

#define EXPIRED_AT_ONCE 32 /* more than one per new key, so that the old ones always lose */

/* How many answers each tenant has stored. Counted again after each load: the fleet keeps no such sum. */
struct idem_counts {
	int64_t epoch;
	struct tenant_count {
		int64_t tenant_id, n;
		UT_hash_handle hh;
	} * tenants;
};

struct idem_counts *idem_counts_new(void) {
	struct idem_counts *k = calloc(1, sizeof *k);
	if (k == NULL)
		abort();
	return k;
}

static void counts_clear(struct idem_counts *k) {
	struct tenant_count *t, *next;
	HASH_ITER(hh, k->tenants, t, next) {
		HASH_DEL(k->tenants, t);
		free(t);
	}
}

void idem_counts_free(struct idem_counts *k) {
	if (k != NULL)
		counts_clear(k);
	free(k);
}

static struct tenant_count *count_of(struct idem_counts *k, int64_t tenant_id) {
	struct tenant_count *t;
	HASH_FIND(hh, k->tenants, &tenant_id, sizeof tenant_id, t);
	if (t != NULL)
		return t;
	t = calloc(1, sizeof *t);
	if (t == NULL)
		abort();
	t->tenant_id = tenant_id;
	HASH_ADD(hh, k->tenants, tenant_id, sizeof t->tenant_id, t);
	return t;
}

static void counts_follow(const struct api_op *op) {
	struct idem_counts *k = op->api->idem;
	struct core_state s;
	core_state(op->api->core, &s);
	if (s.epoch == k->epoch)
		return;
	counts_clear(k);
	k->epoch = s.epoch;
	for (struct idem *x = fleet_idem_oldest(op->fleet); x != NULL; x = TAILQ_NEXT(x, link))
		count_of(k, x->row.tenant_id)->n++;
}

static void forget(const struct api_op *op, struct idem *x) {
	count_of(op->api->idem, x->row.tenant_id)->n--;
	fleet_idem_remove(op->fleet, x);
}

static bool expired(const struct api_op *op, const struct idem *x) {
	return x->row.created_at.us < core_now(op->api->core).us - core_cfg(op->api->core)->idempotency_us;
}

/* Keeps what is stored within its age and each tenant's share; a tenant that fills its share loses its own oldest answers. */
static void make_room(const struct api_op *op) {
	struct idem *x;
	for (int i = 0; i < EXPIRED_AT_ONCE && (x = fleet_idem_oldest(op->fleet)) != NULL && expired(op, x); i++)
		forget(op, x);
	if (count_of(op->api->idem, op->who.tenant_id)->n < core_cfg(op->api->core)->max_idempotency)
		return;
	for (x = fleet_idem_oldest(op->fleet); x != NULL && x->row.tenant_id != op->who.tenant_id; x = TAILQ_NEXT(x, link))
		continue;
	if (x != NULL)
		forget(op, x);
}

static const char *key_of(const struct api_op *op) {
	const char *key = op->meta->idempotency_key != NULL ? op->meta->idempotency_key : op->call->idempotency_key;
	bool taken = op->call->op->flags & (OP_READ | OP_NO_IDEMPOTENCY);
	bool dry = op->meta->has_dry_run && op->meta->dry_run; /* a dry run is no change */
	return key == NULL || *key == '\0' || taken || dry ? NULL : key;
}

static void half_digest(struct sha256 *d, uint8_t ret[16]) {
	uint8_t whole[SHA256_BYTES];
	sha256_end(d, whole);
	sha256_free(d);
	memcpy(ret, whole, 16);
}

static void scope_hash(const struct api_op *op, const char *key, uint8_t ret[16]) {
	struct sha256 *d = sha256_new();
	sha256_add(d, &op->who.tenant_id, sizeof op->who.tenant_id);
	sha256_add(d, &op->who.token_id, sizeof op->who.token_id);
	sha256_add(d, op->call->op->name, strlen(op->call->op->name) + 1);
	sha256_add(d, key, strlen(key));
	half_digest(d, ret);
}

static void body_hash(const struct api_op *op, uint8_t ret[16]) {
	const ProtobufCMessage *m = op->call->request;
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = malloc(n + 1);
	if (bytes == NULL)
		abort();
	protobuf_c_message_pack(m, bytes);
	struct sha256 *d = sha256_new();
	sha256_add(d, bytes, n);
	empty_digest(op->call, d);
	half_digest(d, ret);
	free(bytes);
}

int idem_replay(struct api_op *op, bool *ret_found, struct err *err) {
	const char *key = key_of(op);
	if (key == NULL)
		return 0;
	uint8_t hash[16], body[16];
	scope_hash(op, key, hash);
	struct idem *x = fleet_idem(op->fleet, hash);
	if (x == NULL || expired(op, x))
		return 0;
	body_hash(op, body);
	if (memcmp(x->row.body_hash, body, sizeof body) != 0)
		return err_set(
		    err, E_IDEMPOTENCY, "Idempotency-Key \"%.64s\" was used for another request; take a new key for a new request", key);
	const char *text = x->row.result != NULL ? x->row.result : "{}";
	int rc = json_parse(op->call->op->reply, text, strlen(text), op->arena, &op->reply, err);
	if (rc != 0)
		return err_set(err, E_INTERNAL, "the stored answer of Idempotency-Key \"%.64s\" cannot be read", key);
	op->status = (int)x->row.status;
	op->location = arena_strdup(op->arena, x->row.location);
	if (op->reply->descriptor == &berth__v1__plan__descriptor) { /* a retry of a waiting call waits again, on the plan of now */
		const struct plan *p = fleet_plan(op->fleet, ((Berth__V1__Plan *)op->reply)->id);
		if (p != NULL && !word_terminal(WORD_PLAN, p->row.state))
			op->wait_plan = p->row.id;
	}
	*ret_found = true;
	return 0;
}

void idem_store(struct api_op *op) {
	const char *key = key_of(op);
	if (key == NULL)
		return;
	BUF_AUTO text = BUF_INIT;
	char *secret = NULL;
	bool token = op->reply->descriptor == &berth__v1__token__descriptor;
	if (token) { /* only hashes of tokens are ever stored: a repeated create is told the token's name, not its secret */
		secret = ((Berth__V1__Token *)op->reply)->secret;
		((Berth__V1__Token *)op->reply)->secret = NULL;
	}
	json_print(op->reply, false, &text);
	if (token)
		((Berth__V1__Token *)op->reply)->secret = secret;
	struct row_idempotency row = { .tenant_id = op->who.tenant_id,
		.location = arena_strdup(op->arena, op->location),
		.result = arena_strdup(op->arena, buf_str(&text)),
		.created_at = core_now(op->api->core) };
	unsigned flags = op->call->op->flags;
	row.status = op->status != 0 ? op->status : (flags & OP_PLAN) && op->wait_plan != 0 ? 202 : flags & OP_CREATE ? 201 : 200;
	scope_hash(op, key, row.hash);
	body_hash(op, row.body_hash);
	counts_follow(op);
	struct idem *old = fleet_idem(op->fleet, row.hash);
	if (old != NULL) /* expired, or idem_replay would have answered */
		forget(op, old);
	make_room(op);
	fleet_idem_add(op->fleet, &row);
	count_of(op->api->idem, row.tenant_id)->n++;
}
