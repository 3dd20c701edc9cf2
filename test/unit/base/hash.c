/* Hash tables that grow by one bucket at a time: everything is found at every size, and no step touches more than a few elements. */
#include "../../suite.h"

#include "base/hash.h"

#include <stdint.h>
#include <stdlib.h>

#define MANY 100000

struct thing {
	int64_t id;
	UT_hash_handle hh;
};

static struct thing *find(struct thing *all, int64_t id) {
	struct thing *x;
	HASH_FIND(hh, all, &id, sizeof id, x);
	return x;
}

static struct thing *add(struct thing **all, struct thing *x, int64_t id) {
	x->id = id;
	HASH_ADD(hh, *all, id, sizeof x->id, x);
	return x;
}

/* What the last step of growth moved there. */
static unsigned in_last_bucket(const struct thing *all) {
	const UT_hash_table *t = all->hh.tbl;
	return t->buckets[t->num_buckets - 1].count;
}

START_TEST(all_are_found_at_every_size) {
	struct thing *v = calloc(2000, sizeof *v), *all = NULL;
	for (int i = 0; i < 2000; i++) {
		add(&all, &v[i], i);
		ck_assert_ptr_null(find(all, i + 1));
		for (int k = 0; k <= i; k++)
			ck_assert_ptr_eq(find(all, k), &v[k]);
	}
	for (int i = 0; i < 2000; i += 2)
		HASH_DEL(all, &v[i]);
	ck_assert_uint_eq(HASH_COUNT(all), 1000);
	for (int i = 0; i < 2000; i++)
		ck_assert_ptr_eq(find(all, i), i % 2 == 0 ? NULL : &v[i]);
	for (int i = 1; i < 2000; i += 2)
		HASH_DEL(all, &v[i]);
	ck_assert_ptr_null(all);
	free(v);
}
END_TEST

START_TEST(no_step_moves_more_than_one_bucket) {
	struct thing *v = calloc(MANY, sizeof *v), *all = NULL;
	unsigned buckets = HASH_INITIAL_NUM_BUCKETS, most = 0, longest = 0;
	for (int i = 0; i < MANY; i++) {
		add(&all, &v[i], (int64_t)i * 1000);
		unsigned n = all->hh.tbl->num_buckets;
		ck_assert_uint_le(n - buckets, 1);
		if (n > buckets && in_last_bucket(all) > most)
			most = in_last_bucket(all);
		buckets = n;
	}
	ck_assert_uint_ge(buckets, MANY / HASH_LOAD - 1);
	ck_assert_uint_lt(most, 24);
	for (unsigned k = 0; k < buckets; k++)
		if (all->hh.tbl->buckets[k].count > longest)
			longest = all->hh.tbl->buckets[k].count;
	ck_assert_uint_lt(longest, 24);
	HASH_CLEAR(hh, all);
	free(v);
}
END_TEST

START_TEST(the_order_of_arrival_stays) {
	struct thing *v = calloc(1000, sizeof *v), *all = NULL;
	for (int i = 0; i < 1000; i++)
		add(&all, &v[i], 1000 - i);
	int64_t n = 1000;
	for (const struct thing *x = all; x != NULL; x = x->hh.next)
		ck_assert_int_eq(x->id, n--);
	HASH_CLEAR(hh, all);
	free(v);
}
END_TEST

static unsigned longest_chain(int64_t stride) {
	struct thing *v = calloc(MANY, sizeof *v), *all = NULL;
	unsigned longest = 0;
	for (int i = 0; i < MANY; i++) {
		v[i].id = 1 + i * stride;
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, all, &v[i].id, sizeof v[i].id, hash_of_id(v[i].id), &v[i]);
	}
	for (unsigned k = 0; k < all->hh.tbl->num_buckets; k++)
		if (all->hh.tbl->buckets[k].count > longest)
			longest = all->hh.tbl->buckets[k].count;
	HASH_CLEAR(hh, all);
	free(v);
	return longest;
}

/* One deployment of sixteen on every base leaves every sixteenth id. */
START_TEST(ids_spread_whatever_lies_between_them) {
	static const int64_t strides[] = { 1, 2, 3, 10, 16, 32, 100, 1000, 4096, 65536, INT64_C(1) << 32 };
	for (size_t i = 0; i < sizeof strides / sizeof *strides; i++)
		ck_assert_uint_lt(longest_chain(strides[i]), 24);
}
END_TEST

START_TEST(sixteen_ids_in_a_row_are_neighbours) {
	for (int64_t id = 0; id < 10000; id++)
		ck_assert_uint_eq(hash_of_id(id) / 16, hash_of_id(id & ~INT64_C(15)) / 16);
}
END_TEST

TEST_SUITE("base/hash", ids_spread_whatever_lies_between_them, sixteen_ids_in_a_row_are_neighbours, all_are_found_at_every_size,
    no_step_moves_more_than_one_bucket, the_order_of_arrival_stays)
