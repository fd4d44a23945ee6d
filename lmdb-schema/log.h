/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log blocks: events one behind the other behind a header with their count and a checksum; at most
 * LIMIT_LOG_BLOCK_SIZE bytes, which fill 16 overflow pages of LMDB exactly. An event never spans
 * two blocks. The key is the LSN of the first event.
 *
 * A block that is not full yet may be committed (nothing waits longer than 100 ms); it is written
 * again, longer, under the same key when more events have come. Only the last block ever changes.
 */
#ifndef SLUICE_LMDB_SCHEMA_LOG_H
#define SLUICE_LMDB_SCHEMA_LOG_H

#include "lmdb-schema/db.h"
#include "lmdb-schema/event.h"
#include "wire/bytes.h"

struct log_block_header {
	struct le32 count;
	struct le32 length;   /* of the events behind this header */
	struct le64 checksum; /* XXH3-64 over the events */
};
ASSERT_SIZE(struct log_block_header, 16);

#define LOG_BLOCK_ROOM (LIMIT_LOG_BLOCK_SIZE - sizeof(struct log_block_header))

/* Walks the events of a block, checking lengths and LSNs; content is event_check's business. */
struct log_walk {
	const uint8_t *at, *end;
	uint64_t next_lsn;
	uint32_t left;
};

/*
 * Begins a walk over a block of any origin. 0; -EBADMSG: too short, too long, lengths do not fit or
 * (with check_sum) the checksum is wrong.
 */
SLUICE_MUST_USE int log_walk_begin(
    struct log_walk *walk, struct db_bytes key, struct db_bytes value, int check_sum);
/* 1 and the event; 0 at the end; -EBADMSG: length or LSN wrong, or bytes left over. */
SLUICE_MUST_USE int log_walk_next(struct log_walk *walk, struct db_bytes *event);

/* Writes header and checksum for `length` bytes of events that lie behind it already. */
void log_block_seal(uint8_t *block, uint32_t count, uint32_t length);

/* The block that holds `lsn` (or the last before it). Sets key and value of the cursor. */
SLUICE_MUST_USE int log_block_find(struct db_cursor *cursor, uint64_t lsn);
/* LSN of the last event in the environment. 0; -ENOENT: it holds none; -EBADMSG. */
SLUICE_MUST_USE int log_last_lsn(struct db_txn *txn, uint64_t *lsn);
/*
 * The same of an environment that begins at `first_lsn`, in a transaction of its own; without an
 * event it ends at first_lsn - 1. 0 with *last_lsn; -EBADMSG; other -errno.
 */
SLUICE_MUST_USE int log_env_last(struct db_env *env, uint64_t first_lsn, uint64_t *last_lsn);

#endif
