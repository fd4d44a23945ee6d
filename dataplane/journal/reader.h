/* SPDX-License-Identifier: Apache-2.0 */
/* What recovery and the keeper need of the reader beyond journal.h. Private to the journal. */
#ifndef SLUICE_JOURNAL_READER_H
#define SLUICE_JOURNAL_READER_H

#include "dataplane/journal/batch.h"
#include "dataplane/journal/journal.h"
#include "dataplane/journal/segment.h"

#define JOURNAL_WINDOW_SIZE (1024u * 1024u)

struct journal_reader {
	int directory_fd;
	int buffered_too; /* a file system without O_DIRECT is accepted */
	uint32_t shard;
	uint64_t incarnation;
	uint64_t boot_counter_max; /* no limit except in recovery */
	/* The place of the next batch and what it must continue. */
	struct journal_position at; /* next_lsn 0: any */
	uint64_t boot_counter;      /* of the batch before */
	/* The open segment and what of it is in memory. */
	int fd; /* -1: none */
	uint64_t generation, size;
	uint8_t *window; /* JOURNAL_WINDOW_SIZE bytes, block-aligned */
	uint64_t window_offset;
	size_t window_length;
};

/* With the identity given instead of read from journal.meta. Takes a duplicate of directory_fd. */
SLUICE_MUST_USE int journal_reader_open_at(struct journal_reader **out, int directory_fd,
    uint32_t shard, uint64_t incarnation, int buffered_too);
/* Opens the segment `generation` (0 when it is open already). -ENOENT, -errno. */
SLUICE_MUST_USE int journal_reader_use(struct journal_reader *reader, uint64_t generation);
/*
 * `size` bytes at `offset` of the open segment: NULL at the end of the file or with *error set.
 * `fresh`: from the device, not from the window.
 */
const uint8_t *journal_reader_load(
    struct journal_reader *reader, uint64_t offset, size_t size, int fresh, int *error);
/*
 * LSN of the batch at the start of a segment, its header valid by itself. 0 and *lsn; -ENOENT no
 * such segment or no valid header there; -errno.
 */
SLUICE_MUST_USE int journal_reader_first_lsn(
    struct journal_reader *reader, uint64_t generation, uint64_t *lsn);
/* As journal_reader_next; -EPROTO for a batch of a newer version. The position moves only on 1. */
SLUICE_MUST_USE int journal_reader_step(
    struct journal_reader *reader, struct journal_batch *batch, int with_body, const char **why);

#endif
