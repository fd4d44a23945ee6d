/* SPDX-License-Identifier: Apache-2.0 */
/* One root of a random stream, and the names of what is made of it. */
#ifndef SLUICE_TESTS_SLUICE_DB_BED_H
#define SLUICE_TESTS_SLUICE_DB_BED_H

#include "tests/sluice-db/backup.h"

#define BED_STEPS 1500

struct bed {
	struct shards *shards;
	char top[64], root[96], backup[96], restored[96];
	uint64_t last[SHARDS];
};

static inline void bed_make(struct bed *bed, uint64_t seed, unsigned every)
{
	memset(bed, 0, sizeof(*bed));
	bed->shards = stream_make(seed, BED_STEPS);
	root_make(bed->top);
	snprintf(bed->root, sizeof(bed->root), "%s/root", bed->top);
	snprintf(bed->backup, sizeof(bed->backup), "%s/backup", bed->top);
	snprintf(bed->restored, sizeof(bed->restored), "%s/restored", bed->top);
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		bed->last[shard] = root_last(bed->shards, shard);
		(void)root_shard_write(
		    bed->shards, shard, bed->root, bed->last[shard], every, NULL);
	}
}

static inline void bed_remove(struct bed *bed)
{
	root_remove(bed->top);
	shards_free(bed->shards);
}

static inline void again(const struct bed *bed)
{
	root_remove(bed->restored);
}

#endif
