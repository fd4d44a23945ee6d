/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches in memory: the sealing of a header, the rule "valid if and only if", the rule of group
 * commit. Pure functions over bytes; no file is touched here. Private to the journal and its tests.
 */
#ifndef SLUICE_JOURNAL_BATCH_H
#define SLUICE_JOURNAL_BATCH_H

#include "dataplane/journal/journal.h"

enum journal_batch_kind {
	JOURNAL_BATCH_VALID,
	JOURNAL_BATCH_NONE,   /* nothing of this generation begins here */
	JOURNAL_BATCH_BROKEN, /* something does, and it is not what belongs here */
	JOURNAL_BATCH_NEWER,  /* intact, written by a newer version of the format */
};

/* What the batch at one place must say. */
struct journal_expect {
	uint32_t shard;
	uint64_t incarnation;
	uint64_t generation, offset, segment_size;
	uint64_t next_lsn;          /* 0: not known, any */
	uint64_t previous_checksum; /* compared only when next_lsn is known */
	uint64_t boot_counter_min, boot_counter_max;
};

/* Bytes the batch takes on disk: header and body, rounded up to whole blocks. */
static inline uint64_t journal_batch_padded(uint32_t body_length)
{
	uint64_t size = (uint64_t)JOURNAL_HEADER_SIZE + body_length;

	return (size + LIMIT_JOURNAL_BLOCK_SIZE - 1) & ~(uint64_t)(LIMIT_JOURNAL_BLOCK_SIZE - 1);
}

static inline uint64_t journal_batch_last_lsn(const struct journal_batch_header *header)
{
	return le64_get(header->first_lsn) + le32_get(header->event_count) - 1;
}

/* Fills magic, version, sizes and the three checksums; every other field is the caller's. */
void journal_batch_seal(struct journal_batch_header *header, const uint8_t *body);

/*
 * Rules 1 to 5 of the format over the first 128 bytes of a block. On VALID `header` is filled;
 * `why` names the first rule broken otherwise. On NEWER `header` is filled as far as version 1
 * knows it.
 */
enum journal_batch_kind journal_header_check(const uint8_t *bytes,
    const struct journal_expect *expect, struct journal_batch_header *header, const char **why);

/* Rule 6. 1 when the body matches both halves of its checksum. */
int journal_body_check(const struct journal_batch_header *header, const uint8_t *body);

/*
 * The rule of group commit. `in_flight`: batches closed and not yet complete. `size`: of the open
 * batch with its header, 0 when none is open or it is empty. `close_size`: from which on it does
 * not wait for those in flight.
 */
int journal_group_commit_due(unsigned in_flight, unsigned depth, size_t close_size, size_t size);

#endif
