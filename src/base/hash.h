/* uthash with XXH3: faster than its own Jenkins hash, and free of the unmarked fall-throughs that clang refuses.
 * Include this, never <uthash.h>: one program must not mix two hash functions over one table. */
#ifndef BERTH_BASE_HASH_H
#define BERTH_BASE_HASH_H

#include <xxhash.h>

#ifdef UTHASH_H
#error "include base/hash.h instead of uthash.h"
#endif

#define HASH_FUNCTION(keyptr, keylen, hashv)                         \
	do {                                                         \
		(hashv) = (unsigned)XXH3_64bits((keyptr), (keylen)); \
	} while (0)

#include <uthash.h>

#endif
