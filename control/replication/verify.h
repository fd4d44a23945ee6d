/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison of one shard's log with PostgreSQL. Private to control/replication. */
#ifndef SLUICE_CONTROL_REPLICATION_VERIFY_H
#define SLUICE_CONTROL_REPLICATION_VERIFY_H

#include "control/replication/replication_internal.h"

/* Events in memory: at most this many LSNs, and their bytes. */
#define VERIFY_STRETCH      32768u
#define VERIFY_STRETCH_SIZE (VERIFY_STRETCH * (size_t)LIMIT_EVENT_SIZE_MAX)

struct verify_stretch {
	uint64_t first, last;
	size_t size;
	size_t offsets[VERIFY_STRETCH + 1];
	uint8_t bytes[VERIFY_STRETCH_SIZE];
};

struct verify {
	uint64_t events, rows, missing, doubled, surplus, differing;
	uint64_t blocks, block_errors;
	uint64_t retired; /* events the log does not hold any more: not compared */
	__int128 sum;     /* of amounts: PostgreSQL's less the log's */
	uint64_t block_next;
	/* The first thing found wrong. */
	char what[64];
	uint32_t what_shard;
	uint64_t what_lsn;
};

SLUICE_MUST_USE int verify_prepare(struct session *session);
/* All events of a shard up to `through`. Errors of the session, or of the log with its message. */
SLUICE_MUST_USE int verify_shard(struct verify *verify, struct session *session, const char *path,
    uint32_t shard, uint64_t through);

#endif
