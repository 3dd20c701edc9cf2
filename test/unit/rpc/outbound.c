#include "../../suite.h"

#include <stdlib.h>
#include <string.h>

#include "rpc/outbound.h"

#define COST(n) ((n) + sizeof(struct piece))

static void put(struct outbound *o, const char *s) {
	unsigned char *room = outbound_add(o, strlen(s));
	ck_assert_ptr_nonnull(room);
	memcpy(room, s, strlen(s));
}

START_TEST(it_keeps_the_order) {
	struct outbound o;
	outbound_init(&o, 1000);
	put(&o, "one");
	put(&o, "three");
	struct piece *p = outbound_take(&o);
	ck_assert_mem_eq(p->data, "one", 3);
	ck_assert_uint_eq(o.bytes, COST(3) + COST(5)); /* counted until it is on the wire */
	outbound_sent(&o, p->n);
	free(p);
	p = outbound_take(&o);
	ck_assert_mem_eq(p->data, "three", 5);
	outbound_sent(&o, p->n);
	free(p);
	ck_assert(outbound_empty(&o));
	ck_assert_uint_eq(o.bytes, 0);
	ck_assert_ptr_null(outbound_take(&o));
}
END_TEST

START_TEST(it_refuses_over_the_cap) {
	struct outbound o;
	outbound_init(&o, 2 * COST(10));
	ck_assert_ptr_nonnull(outbound_add(&o, 10));
	ck_assert_ptr_nonnull(outbound_add(&o, 10));
	ck_assert_ptr_null(outbound_add(&o, 0));
	ck_assert_uint_eq(o.bytes, 2 * COST(10));
	struct piece *p = outbound_take(&o);
	ck_assert_ptr_null(outbound_add(&o, 10)); /* still being sent */
	outbound_sent(&o, 10);
	free(p);
	ck_assert_ptr_nonnull(outbound_add(&o, 10));
	outbound_deinit(&o);
	ck_assert(outbound_empty(&o));
}
END_TEST

START_TEST(a_single_large_message_goes) {
	struct outbound o;
	outbound_init(&o, 100);
	ck_assert_ptr_nonnull(outbound_add(&o, 5000));
	ck_assert_ptr_null(outbound_add(&o, 1));
	outbound_deinit(&o);
	ck_assert_uint_eq(o.bytes, 0);
}
END_TEST

START_TEST(empty_messages_are_not_free) {
	struct outbound o;
	outbound_init(&o, 10 * COST(0));
	for (int i = 0; i < 10; i++)
		ck_assert_ptr_nonnull(outbound_add(&o, 0));
	ck_assert_ptr_null(outbound_add(&o, 0));
	outbound_deinit(&o);
}
END_TEST

TEST_SUITE("rpc/outbound", it_keeps_the_order, it_refuses_over_the_cap, a_single_large_message_goes, empty_messages_are_not_free)
