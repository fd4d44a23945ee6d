/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one shard's log forwards, from an LSN on, while its owner goes on writing it: for
 * replication. Each call is one short read transaction that copies what it hands out; between calls
 * no snapshot is held, so the writer can use its freed pages again. Follows rotation. One owning
 * thread per handle.
 */
#ifndef SLUICE_LMDB_SCHEMA_LOG_TAIL_H
#define SLUICE_LMDB_SCHEMA_LOG_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

struct log_tail;

/* Whole events one behind the other, all of one block. */
struct log_tail_piece {
	uint64_t first_lsn, last_lsn;
	const uint8_t *events; /* valid until the next call */
	size_t size;
};

/* `directory` is the shard's; the next event wanted is `next_lsn`. 0 or -ENOMEM. */
SLUICE_MUST_USE int log_tail_open(struct log_tail **out, const char *directory, uint64_t next_lsn);
void log_tail_seek(struct log_tail *tail, uint64_t next_lsn);
/*
 * The next events, up to the end of their block. 1; 0: nothing newer yet; -ENODATA: the log begins
 * behind next_lsn (what came before was retired) or has a hole there; -EBADMSG: a block is damaged;
 * others: an environment cannot be read. After an error the same place is tried again.
 */
SLUICE_MUST_USE int log_tail_next(struct log_tail *tail, struct log_tail_piece *piece);
/* First and last LSN the log holds now. 0; -ENOENT: it holds none; others. */
SLUICE_MUST_USE int log_tail_range(struct log_tail *tail, uint64_t *first_lsn, uint64_t *last_lsn);
/* Gives the environment back, so that a retired one's space is freed. Opened again when needed. */
void log_tail_release(struct log_tail *tail);
void log_tail_close(struct log_tail *tail);

#endif
