/* uthash with XXH3, and with tables that grow by one bucket at a time.
 *
 * XXH3: faster than uthash's own Jenkins hash, and free of the unmarked fall-throughs that clang refuses. Growth: uthash doubles a table at
 * once, with a look at every element; with 100,000 elements that alone takes longer than a turn of the loop may. Here (linear hashing) each
 * element that is added moves those of one bucket at most, whatever the size of the table.
 *
 * Include this, never <uthash.h>: one program must not mix two hash functions, or two ways of growing, over one table. */
#ifndef BERTH_BASE_HASH_H
#define BERTH_BASE_HASH_H

#include <stdint.h>
#include <xxhash.h>

#ifdef UTHASH_H
#error "include base/hash.h instead of uthash.h"
#endif

#define HASH_FUNCTION(keyptr, keylen, hashv)                         \
	do {                                                         \
		(hashv) = (unsigned)XXH3_64bits((keyptr), (keylen)); \
	} while (0)

#include <uthash.h>

/* What of uthash (2.3.0) decides which bucket an element is in, and when there are more of them. */
#undef HASH_TO_BKT
#undef HASH_ADD_TO_BKT
#undef HASH_EXPAND_BUCKETS

#define HASH_TO_BKT(hashv, num_bkts, bkt)                 \
	do {                                              \
		(bkt) = hash_bucket((hashv), (num_bkts)); \
	} while (0)

#define HASH_ADD_TO_BKT(head, hh, addhh, oomed)    \
	do {                                       \
		hash_bucket_add(&(head), (addhh)); \
		hash_grow((addhh)->tbl);           \
	} while (0)

/* Of n buckets, which need not be a power of two: those that were not split yet are found by one bit less. */
static inline unsigned hash_bucket(unsigned hashv, unsigned n) {
	unsigned top = 1u << (31 - __builtin_clz(n)), at = hashv & (2 * top - 1);
	return at >= n ? at - top : at;
}

static inline void hash_bucket_add(UT_hash_bucket *b, UT_hash_handle *x) {
	b->count++;
	x->hh_prev = NULL;
	x->hh_next = b->hh_head;
	if (b->hh_head != NULL)
		b->hh_head->hh_prev = x;
	b->hh_head = x;
}

/* Of a number that is given out in sequence (an id): sixteen in a row lie in neighbouring buckets. Whoever goes through objects in their
 * order, as a load does, finds buckets and elements in its cache. The runs themselves are spread like anything else (two rounds of a
 * multiplication). */
static inline unsigned hash_of_id(int64_t id) {
	uint64_t run = ((uint64_t)id >> 4) * UINT64_C(0x9e3779b97f4a7c15);
	run = (run ^ run >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(run >> 32) ^ (unsigned)(id & 15);
}

/* After an element was added: splits one bucket where there are more than HASH_LOAD elements for each. */
#define HASH_LOAD 2
void hash_grow(UT_hash_table *t);

#endif
