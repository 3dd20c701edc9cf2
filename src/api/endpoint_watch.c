/* Watching endpoints: first all that match, then every change of them, from the state that is committed. Nothing is queued: a slow reader,
 * a burst and a reload of the model are one case, in which the next look finds more differences. A look is cut into turns (rule 10). */
#include "api/call.h"
#include "base/buf.h"
#include "proto/json.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define PER_TURN 2000 /* instances looked at */
#define PER_SEND 200  /* changes told at a time */

struct known {
	int64_t instance;
	uint64_t print; /* of everything that is told */
	uint64_t round; /* in which it was seen last */
	UT_hash_handle hh;
};

struct endpoint_watch {
	struct api_op *op;
	struct endpoint_filter filter;
	struct known *known;
	int64_t at; /* instances up to this number were looked at in this round */
	uint64_t round;
	bool looking, again, synced, began, over;
	struct arena *arena; /* of what is being told */
	Berth__V1__EndpointChange **told;
	size_t n_told;
	TAILQ_ENTRY(endpoint_watch) link;
};

static void watch_drop(struct api_op *op) {
	struct endpoint_watch *w = op->state;
	struct known *k, *next;
	HASH_ITER(hh, w->known, k, next) {
		HASH_DEL(w->known, k);
		free(k);
	}
	TAILQ_REMOVE(&op->api->endpoint_watches, w, link);
	op->api->n_streams--;
	arena_free(w->arena);
	op->state = NULL;
	free(w);
}

static Berth__V1__EndpointChange *change_add(struct endpoint_watch *w) {
	Berth__V1__EndpointChange *m = PB_NEW(Berth__V1__EndpointChange, berth__v1__endpoint_change, w->arena);
	if (w->told == NULL)
		w->told = arena_alloc(w->arena, (PER_SEND + 2) * sizeof(Berth__V1__EndpointChange *));
	w->told[w->n_told++] = m;
	return m;
}

static void synced_tell(struct endpoint_watch *w) {
	Berth__V1__EndpointChange *m = change_add(w);
	PUT(m, synced, 1);
}

static void look_at(struct endpoint_watch *w, struct instance *i) {
	Berth__V1__Endpoint *e = view_endpoint(i, w->arena);
	BUF_AUTO packed = BUF_INIT;
	json_print(&e->pb, false, &packed);
	uint64_t print = XXH3_64bits(buf_str(&packed), packed.len);
	struct known *k;
	HASH_FIND(hh, w->known, &i->row.id, sizeof i->row.id, k);
	if (k == NULL) {
		k = calloc(1, sizeof *k);
		if (k == NULL)
			abort();
		k->instance = i->row.id;
		HASH_ADD(hh, w->known, instance, sizeof k->instance, k);
	} else if (k->print == print) {
		k->round = w->round;
		return;
	}
	k->print = print;
	k->round = w->round;
	change_add(w)->endpoint = e;
}

static bool gone_tell(struct endpoint_watch *w) {
	struct known *k, *next;
	HASH_ITER(hh, w->known, k, next) {
		if (k->round == w->round)
			continue;
		if (w->n_told >= PER_SEND)
			return false;
		Berth__V1__EndpointChange *m = change_add(w);
		PUT(m, gone, 1);
		m->endpoint = PB_NEW(Berth__V1__Endpoint, berth__v1__endpoint, w->arena);
		PUT(m->endpoint, instance, k->instance);
		HASH_DEL(w->known, k);
		free(k);
	}
	return true;
}

/* One turn of a round. True: the round is over. */
static bool round_go(struct endpoint_watch *w) {
	struct api_op *op = w->op;
	struct instance *last = w->at == 0 ? NULL : fleet_instance(op->fleet, w->at);
	struct instance *i = last != NULL ? last->hh_id.next : fleet_instances(op->fleet);
	int n = 0;
	for (; i != NULL && n < PER_TURN && w->n_told < PER_SEND; i = i->hh_id.next) {
		if (i->row.id <= w->at)
			continue;
		n++;
		w->at = i->row.id;
		if (endpoint_selected(op, &w->filter, i))
			look_at(w, i);
	}
	return i == NULL && gone_tell(w);
}

static void look(struct endpoint_watch *w) {
	w->looking = true;
	op_again(w->op);
}

static void tell(struct api_op *op) {
	struct endpoint_watch *w = op->state;
	struct api_call *call = op->call;
	if (!w->began && call->began != NULL)
		call->began(call);
	w->began = true;
	for (size_t k = 0; k < w->n_told && !op->cancelled; k++)
		call->done(call, &w->told[k]->pb, 200, NULL, true, NULL);
	if (op->cancelled)
		return;
	if (w->over) {
		op_answer(op);
		return;
	}
	w->looking = false;
	if (w->again && !call->paused)
		look(w);
}

int op_endpoint_watch(struct api_op *op, struct err *err) {
	const Berth__V1__ListEndpointsRequest *r = (const Berth__V1__ListEndpointsRequest *)op->call->request;
	struct endpoint_watch *w = op->state;
	struct endpoint_filter f;
	int rc = endpoint_filter_read(op, r, &f, err);
	if (rc == 0) /* a watch tells all, without pages; a wrong one is wrong all the same */
		rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	if (w == NULL && op->api->n_streams >= op->api->config.max_streams)
		return err_set(err, E_TOO_MANY, "%u event streams are open, which is the most this server keeps", op->api->n_streams);
	if (w == NULL) {
		w = op->state = calloc(1, sizeof *w);
		if (w == NULL)
			abort();
		w->op = op;
		w->arena = arena_new();
		w->looking = true;
		op->api->n_streams++;
		TAILQ_INSERT_TAIL(&op->api->endpoint_watches, w, link);
		op->abort = watch_drop;
	}
	w->filter = f; /* its objects are of this fleet */
	arena_reset(w->arena);
	w->told = NULL;
	w->n_told = 0;
	if (w->at == 0)
		w->round++;
	bool over = round_go(w);
	if (over) {
		w->at = 0;
		if (!w->synced)
			synced_tell(w);
		w->synced = true;
	}
	w->again = !over;
	op->then = tell;
	return 0;
}

void endpoint_watch_more(struct api_op *op) {
	struct endpoint_watch *w = op->state;
	if (!w->looking && !op->cancelled)
		look(w);
}

void endpoint_watches_notify(struct api *a) {
	struct endpoint_watch *w;
	TAILQ_FOREACH(w, &a->endpoint_watches, link) {
		if (w->looking || (w->op->call != NULL && w->op->call->paused))
			w->again = true;
		else
			look(w);
	}
}

void endpoint_watches_end(struct api *a) {
	for (struct endpoint_watch *w = TAILQ_FIRST(&a->endpoint_watches), *next; w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->looking)
			w->over = true; /* it is in the core's hands; tell() ends it */
		else
			op_answer(w->op);
	}
}
