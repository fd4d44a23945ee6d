/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's state and its ring. Private to the journal. */
#ifndef SLUICE_JOURNAL_WRITER_H
#define SLUICE_JOURNAL_WRITER_H

#include <liburing.h>

#include "dataplane/journal/batch.h"
#include "dataplane/journal/feed.h"
#include "dataplane/journal/keeper.h"
#include "dataplane/journal/order.h"

/* The segment written to, or the next one held in readiness. fd -1: none. */
struct writer_segment {
	struct journal_segment file;
	int32_t index; /* in the table of registered files, -1: not registered */
};

/* A closed batch, by ticket. */
struct writer_slot {
	uint32_t buffer;
	uint32_t size; /* padded */
	int32_t fd, index;
	uint64_t last_lsn;
	uint64_t generation, offset;
	uint64_t submitted_ns;
	/* The first batch of a segment: the one before is finished once this one is durable. */
	struct journal_segment finished; /* fd -1: none */
};

struct journal_writer {
	struct io_uring ring;
	struct journal_feed *feed;
	struct journal_keeper *keeper;
	unsigned depth;
	uint32_t close_size;
	int ring_ready;
	int taskrun_flag;     /* completions must be fetched by entering when the flag says so */
	int buffers_fixed;    /* the pool is registered */
	uint32_t files_fixed; /* size of the registered table, 0: none */
	int submit_again;     /* the kernel was short of memory; requests wait in the ring */
	int error;            /* positive errno of what failed; 0: alive */
	/* Identity, from recovery. */
	uint16_t shard;
	uint64_t incarnation, boot_counter;
	/* Where the next batch goes. */
	struct writer_segment segment, next;
	uint64_t offset, next_lsn, previous_checksum;
	uint64_t durable_lsn;
	/* The open batch: UINT32_MAX none. */
	uint32_t open_buffer;
	uint32_t open_count;
	size_t open_size; /* header included */
	size_t open_reserved;
	uint64_t open_time_ns;
	/* Closed ones. */
	struct journal_order order;
	struct writer_slot *slots; /* order.mask + 1 */
	struct journal_counters counters;
};

/*
 * Tests only: setup flags answered with EINVAL, as an older kernel would. They are behind a
 * pointer, where no seccomp filter sees them.
 */
extern unsigned writer_ring_flags_refused;
/* Sets the ring up, as good as the kernel allows. `message`: what is missing and what it costs. */
SLUICE_MUST_USE int writer_ring_open(
    struct journal_writer *writer, char *message, size_t message_size);
/* Puts a segment's descriptor into the registered table; without a table: index -1. */
void writer_ring_use_file(struct journal_writer *writer, struct writer_segment *segment);
/* Queues one write; writer_ring_submit starts what is queued. */
void writer_ring_write(struct journal_writer *writer, uint64_t ticket);
/* 0, or -errno that cannot be waited out. */
SLUICE_MUST_USE int writer_ring_submit(struct journal_writer *writer);

#endif
