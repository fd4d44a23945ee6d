/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids, buckets and shards. 1,024 virtual buckets; the bucket of an account, market or terminal is
 * the top 10 bits of XXH3-64 over its little-endian id. A printed id (bet) carries its bucket in
 * its own top 10 bits and a per-bucket-owner counter below, so it survives any change of shard
 * count.
 */
#ifndef SLUICE_WIRE_IDS_H
#define SLUICE_WIRE_IDS_H

#define XXH_INLINE_ALL
#include <stdint.h>
#include <xxhash.h>

#include "wire/bytes.h"
#include "wire/limits.h"

#define IDS_COUNTER_BITS (64 - LIMIT_BUCKET_BITS)
#define IDS_COUNTER_MAX  ((1ull << IDS_COUNTER_BITS) - 1)

static inline uint32_t ids_bucket_of_key(uint64_t id)
{
	struct le64 field = le64_make(id);

	return (uint32_t)(XXH3_64bits(&field, sizeof(field)) >> (64 - LIMIT_BUCKET_BITS));
}

static inline uint64_t ids_make(uint32_t bucket, uint64_t counter)
{
	return (uint64_t)bucket << IDS_COUNTER_BITS | counter;
}

static inline uint32_t ids_bucket_of_printed(uint64_t printed_id)
{
	return (uint32_t)(printed_id >> IDS_COUNTER_BITS);
}

/* The table every process starts from; re-sharding stores another one in `meta`. */
struct ids_bucket_map {
	uint8_t shard[LIMIT_BUCKETS];
};

/* Contiguous ranges: shard = bucket * shard_count / 1024. */
static inline void ids_bucket_map_default(struct ids_bucket_map *map, unsigned shard_count)
{
	for (unsigned bucket = 0; bucket < LIMIT_BUCKETS; bucket++)
		map->shard[bucket] = (uint8_t)(bucket * shard_count / LIMIT_BUCKETS);
}

#endif
