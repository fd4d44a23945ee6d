/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db restore: what its parts share. */
#ifndef SLUICE_TOOLS_RESTORE_H
#define SLUICE_TOOLS_RESTORE_H

#include <libpq-fe.h>

#include "tools/sluice-db/db.h"

struct restore {
	const struct options *options;
	PGconn *conn;
	char building[PATH_MAX]; /* ROOT/var/lib/sluice.restoring */
	char finished[PATH_MAX]; /* ROOT/var/lib/sluice */
	char deployment[65];
	uint32_t shard_count;
	struct ids_bucket_map buckets;
	uint64_t events, changes, state_hash;
	uint64_t until[LIMIT_SHARDS]; /* restore no more than up to this LSN */
	uint64_t cut[LIMIT_SHARDS];   /* events left out by it */
	uint64_t shard_events[LIMIT_SHARDS], shard_hash[LIMIT_SHARDS]; /* in the sums above */
	json_t *shards;
	int code; /* exit code of the failure */
	char message[512];
};

/* Notes the failure (what, where, what to do); returns -1. */
__attribute__((format(printf, 3, 4))) int restore_fail(
    struct restore *restore, int code, const char *format, ...);
/* Binary result of a query with up to four parameters in text form; NULL: failed, noted. */
PGresult *restore_query(
    struct restore *restore, const char *sql, int count, const char *const values[4]);
uint64_t restore_u64(const PGresult *result, int row, int column);

/* Each: 0, or -1 with the failure noted. */
int restore_shard(struct restore *restore, uint32_t shard);
/* The shards fit together, or are cut so that they do (--cut), or the restore is refused. */
int restore_pairs(struct restore *restore);
int restore_control(struct restore *restore);

#endif
