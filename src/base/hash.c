/* How a hash table grows: see hash.h. */
#include "base/hash.h"

#define AHEAD 16 /* buckets: some microseconds */

/* The number of buckets grows by one; room for them is made for twice as many each time it is used up, which a large table gets without
 * that anything is copied (realloc moves its pages). */
static UT_hash_bucket *bucket_new(UT_hash_table *t) {
	unsigned n = t->num_buckets;
	if ((n & (n - 1)) == 0)
		t->buckets = reallocarray(t->buckets, 2 * (size_t)n, sizeof *t->buckets);
	if (t->buckets == NULL)
		abort();
	t->num_buckets = n + 1;
	t->buckets[n] = (UT_hash_bucket){ 0 };
	return &t->buckets[n];
}

/* Buckets are split in their order, but what they hold lies anywhere: in a large table each look at an element is a wait for memory. So the
 * first, then the second element of those whose turn comes soon are asked for ahead. */
static void look_ahead(const UT_hash_bucket *b) {
	const UT_hash_handle *first = b[AHEAD / 2].hh_head;
	__builtin_prefetch(b[AHEAD].hh_head);
	if (first != NULL)
		__builtin_prefetch(first->hh_next);
}

void hash_grow(UT_hash_table *t) {
	if (t->num_items <= HASH_LOAD * t->num_buckets)
		return;
	unsigned at = t->num_buckets;
	UT_hash_bucket *fresh = bucket_new(t), *old = &t->buckets[at - (1u << (31 - __builtin_clz(at)))];
	if (old + AHEAD < fresh)
		look_ahead(old);
	for (UT_hash_handle *x = old->hh_head, *next; x != NULL; x = next) {
		next = x->hh_next;
		if (hash_bucket(x->hashv, t->num_buckets) != at)
			continue;
		HASH_DEL_IN_BKT(*old, x);
		hash_bucket_add(fresh, x);
	}
}
