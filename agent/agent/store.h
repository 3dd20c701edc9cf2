/* The agent's data folder: its lock, the base's id, and agent.state, which is replaced whole (temporary name, fsync, rename, fsync of
 * the folder) and carries its length and digest, so that damage is noticed and never believed. */
#ifndef BERTH_AGENT_STORE_H
#define BERTH_AGENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct err;
struct store;

#define STORE_MAX_STATE ((size_t)64 << 20)

/* Makes the folder and locks it. E_BUSY: another agent works in it. */
int store_open(struct loop *l, const char *dir, struct store **ret, struct err *err);
void store_close(struct store *s); /* a write that was begun is finished first */

/* *ret NULL: there is none yet. A damaged one is set aside as agent.state.damaged and counts as none; ret_damaged tells. */
int store_load(struct store *s, uint8_t **ret, size_t *ret_n, bool *ret_damaged, struct err *err);
/* One write at a time; done runs once, on a later turn. */
void store_write(struct store *s, const void *p, size_t n, void (*done)(void *arg, const struct err *err), void *arg);

/* A small text that is made once and kept: what make() writes the first time. E_MALFORMED when the file holds no valid name. */
int store_id(struct store *s, void (*make)(char buf[64]), char ret[64], struct err *err);

/* The frame, for tests: pack allocates; unpack points into p. */
uint8_t *frame_pack(const void *p, size_t n, size_t *ret_n);
int frame_unpack(const uint8_t *p, size_t n, const uint8_t **ret, size_t *ret_n, struct err *err);

#endif
