/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's memory, and its two halves. Private to this folder. */
#ifndef SLUICE_CONTROL_ALERTS_READER_H
#define SLUICE_CONTROL_ALERTS_READER_H

#include <limits.h>

#include "control/alerts/alerts.h"
#include "control/alerts/follow.h"
#include "lmdb-schema/log_tail.h"

#define READER_EVENTS_MAX 1024u
#define READER_SEEN_MAX   4096u
#define READER_SLOTS      16384u /* of the hash of accounts; a power of two */
/* What one piece of a log (one block) can add at most. */
#define READER_PIECE_MAX (LIMIT_LOG_BLOCK_SIZE / sizeof(struct event_record) + 1)

struct reader_shard {
	struct log_tail *tail; /* NULL: not opened, or no log yet */
	uint64_t lsn, hash;    /* read to, in memory */
	uint64_t written_lsn;  /* as the cursor in the database has it */
	uint32_t line;
	uint64_t alerts_after; /* events up to it raise nothing: they have their alerts */
};

/* What was found since it was last written. */
struct reader_batch {
	unsigned event_count, seen_count;
	uint64_t skipped;
	struct alert_event events[READER_EVENTS_MAX];
	struct profile_seen seen[READER_SEEN_MAX];
	uint16_t slots[READER_SLOTS]; /* account -> place in seen + 1; 0: free */
};

struct alerts_reader {
	const char *root;
	struct database *database;
	uint64_t suppress_ns;
	uint64_t written_ns; /* monotonic, when the batch was last written */
	struct reader_shard shards[LIMIT_SHARDS];
	struct reader_batch batch;
};

/* reader_batch.c: takes what matters of one piece. There must be room for READER_PIECE_MAX. */
void reader_piece(struct alerts_reader *reader, uint32_t shard, const struct log_tail_piece *piece);
/* Writes the batch and the cursors, and empties it. */
SLUICE_MUST_USE int reader_write(struct alerts_reader *reader);
/* reader_begin.c: where to begin with a shard; `shard->tail` is open. 1; 0: there is no log yet. */
SLUICE_MUST_USE int reader_begin(struct alerts_reader *reader, uint32_t shard);

#endif
