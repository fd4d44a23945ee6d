/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH3-64 of rows whose size, 129 to 240 bytes, is known when this is compiled: the library has a
 * loop for it behind a call. The same value, bit by bit (tests/ledger/test_ledger_hash.c); what is
 * always zero costs nothing.
 */
#ifndef SLUICE_LEDGER_HASH_H
#define SLUICE_LEDGER_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "wire/bytes.h"
#include "wire/ids.h" /* xxhash.h, inlined */

#define HASH_INLINE static inline __attribute__((always_inline))

HASH_INLINE uint64_t hash_word(const uint8_t *bytes)
{
	struct le64 word;

	memcpy(&word, bytes, sizeof(word));
	return le64_get(word);
}

/* 16 bytes against 16 of the secret: a product of 128 bits, its halves folded. */
HASH_INLINE uint64_t hash_pair(const uint8_t *bytes, const uint8_t *secret, uint64_t seed)
{
	unsigned __int128 product =
	    (unsigned __int128)(hash_word(bytes) ^ (hash_word(secret) + seed)) *
	    (hash_word(bytes + 8) ^ (hash_word(secret + 8) - seed));

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

HASH_INLINE uint64_t hash_end(uint64_t sum)
{
	sum = (sum ^ sum >> 37) * 0x165667919e3779f9ull;
	return sum ^ sum >> 32;
}

/* `size`: a constant of 129 to 240. Without a seed: 0. */
HASH_INLINE uint64_t hash_row(const void *row, size_t size, uint64_t seed)
{
	const uint8_t *bytes = row, *secret = XXH3_kSecret;
	uint64_t sum = size * 0x9e3779b185ebca87ull;

	/* Hidden from the compiler, which would load what it knows in more instructions than it
	 * takes to read it, when a seed is added to it. */
	if (!__builtin_constant_p(seed))
		__asm__("" : "+r"(secret));
#pragma GCC unroll 8
	for (size_t i = 0; i < 8; i++)
		sum += hash_pair(bytes + 16 * i, secret + 16 * i, seed);
	sum = hash_end(sum);
#pragma GCC unroll 8
	for (size_t i = 8; i < size / 16; i++)
		sum += hash_pair(bytes + 16 * i, secret + 16 * (i - 8) + 3, seed);
	sum += hash_pair(bytes + size - 16, secret + XXH3_SECRET_SIZE_MIN - 17, seed);
	return hash_end(sum);
}

#endif
