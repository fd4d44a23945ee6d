/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a root is whole: what is not there cannot be found by reading what is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/sluice-db/backup.h"

#define REMEDY "put it back, or restore all (sluice-db backup restore, restore --from-postgres)"

int root_shards_check(const struct options *options, struct damage *damage)
{
	struct options all = *options;
	uint32_t shards[LIMIT_SHARDS], wanted = 0, said_by = 0;
	uint64_t there = 0;
	int count;

	_Static_assert(LIMIT_SHARDS <= 64, "a bit each");
	all.shard = -1;
	count = shards_find(&all, shards);
	for (int i = 0; i < count; i++) {
		struct schema_rows_meta meta;
		char path[PATH_MAX];

		there |= UINT64_C(1) << shards[i];
		shard_path(&all, shards[i], path);
		/* Rows that cannot be read are found by those who need them. */
		if (schema_rows_meta_read(path, &meta) == 0 &&
		    le16_get(meta.identity.shard_count) > wanted) {
			wanted = le16_get(meta.identity.shard_count);
			said_by = shards[i];
		}
	}
	for (uint32_t shard = 0; shard < wanted && shard < LIMIT_SHARDS; shard++) {
		if ((there >> shard & 1) != 0)
			continue;
		damage->shard = shard;
		damage_note(damage, 0,
		    "var/lib/sluice/shard-%u is missing: shard %u knows of %u shards; " REMEDY,
		    shard, said_by, wanted);
		return -EBADMSG;
	}
	return 0;
}
