/* The state file: whole or set aside, never half believed; its messages survive the trip through it. */
#include "store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/err.h"
#include "base/file.h"
#include "loop/loop.h"
#include "state.h"

static char dir[] = "/tmp/berth-store-XXXXXX";

START_TEST(frame_notices_every_damage) {
	uint8_t payload[200];
	size_t n, back_n;
	const uint8_t *back;
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)i;
	uint8_t *f = frame_pack(payload, sizeof payload, &n);
	ck_assert_int_eq(frame_unpack(f, n, &back, &back_n, NULL), 0);
	ck_assert(back_n == sizeof payload && memcmp(back, payload, back_n) == 0);
	for (size_t i = 0; i < n; i++) /* torn anywhere */
		ck_assert_int_eq(frame_unpack(f, i, &back, &back_n, NULL), E_MALFORMED);
	for (size_t i = 0; i < n; i++) { /* any bit */
		f[i] ^= 0x10;
		ck_assert_int_eq(frame_unpack(f, n, &back, &back_n, NULL), E_MALFORMED);
		f[i] ^= 0x10;
	}
	free(f);
}
END_TEST

static struct loop *loop;
static int written, failed;

static void on_written(void *arg, const struct err *err) {
	written++;
	failed += err != NULL;
	loop_stop(loop);
}

static void write_now(struct store *s, const char *text) {
	store_write(s, text, strlen(text), on_written, NULL);
	loop_run(loop);
}

START_TEST(writes_reads_and_sets_aside) {
	struct store *s, *second;
	struct err err = ERR_INIT;
	uint8_t *p;
	size_t n;
	bool damaged;
	char path[64];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(loop_new(&loop, &err), 0);
	ck_assert_int_eq(store_open(loop, dir, &s, &err), 0);
	ck_assert_int_eq(store_open(loop, dir, &second, &err), E_BUSY);
	ck_assert_int_eq(store_load(s, &p, &n, &damaged, &err), 0);
	ck_assert(p == NULL && !damaged);
	write_now(s, "one");
	write_now(s, "two");
	ck_assert(written == 2 && failed == 0);
	ck_assert_int_eq(store_load(s, &p, &n, &damaged, &err), 0);
	ck_assert(n == 3 && memcmp(p, "two", 3) == 0);
	free(p);
	snprintf(path, sizeof path, "%s/agent.state", dir);
	ck_assert_int_eq(truncate(path, 20), 0);
	ck_assert_int_eq(store_load(s, &p, &n, &damaged, &err), 0);
	ck_assert(p == NULL && damaged);
	ck_assert_int_ne(access(path, F_OK), 0);
	store_close(s);
	loop_free(loop);
}
END_TEST

static void first_id(char buf[64]) {
	snprintf(buf, 64, "made-once");
}

static void second_id(char buf[64]) {
	snprintf(buf, 64, "never");
}

START_TEST(keeps_its_id) {
	struct store *s;
	struct err err = ERR_INIT;
	char id[64], folder[] = "/tmp/berth-store-XXXXXX", path[64];
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(loop_new(&loop, &err), 0);
	ck_assert_int_eq(store_open(loop, folder, &s, &err), 0);
	ck_assert_int_eq(store_id(s, first_id, id, &err), 0);
	ck_assert_int_eq(store_id(s, second_id, id, &err), 0);
	ck_assert_str_eq(id, "made-once");
	snprintf(path, sizeof path, "%s/base.id", folder);
	ck_assert_int_eq(file_write(path, "../x", 4, 0600, &err), 0);
	ck_assert_int_eq(store_id(s, second_id, id, &err), E_INVALID);
	store_close(s);
	loop_free(loop);
}
END_TEST

START_TEST(state_survives_hostile_bytes) {
	Berth__V1__AgentState *s;
	struct err err = ERR_INIT;
	uint8_t bytes[64];
	unsigned seed = 1;
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)(seed % sizeof bytes);
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245u + 12345u;
			bytes[i] = (uint8_t)(seed >> 16);
		}
		seed = seed * 1103515245u + 12345u;
		if (state_load(bytes, n, &s, &err) == 0)
			state_free(s);
	}
	static const uint8_t number_0[] = { 0x42, 4, 0x80, 0, 0x1a, 0 };
	ck_assert_int_eq(state_load(number_0, sizeof number_0, &s, &err), E_MALFORMED);
	ck_assert_int_eq(state_load(NULL, 0, &s, &err), 0);
	Berth__V1__WantedModule w = BERTH__V1__WANTED_MODULE__INIT;
	char name[] = "../evil", version[] = "1";
	w.module = name;
	w.version = version;
	state_wanted_put(s, &w);
	size_t n;
	uint8_t *packed = state_pack(s, &n);
	state_free(s);
	ck_assert_int_eq(state_load(packed, n, &s, &err), 0);
	ck_assert_uint_eq(s->n_wanted, 0);
	state_free(s);
	free(packed);
}
END_TEST

TEST_SUITE("agent/store", frame_notices_every_damage, writes_reads_and_sets_aside, keeps_its_id, state_survives_hostile_bytes)
