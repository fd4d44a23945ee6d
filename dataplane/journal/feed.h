/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of the feed: the pool of batch buffers. Private to the journal. */
#ifndef SLUICE_JOURNAL_FEED_H
#define SLUICE_JOURNAL_FEED_H

#include <stdatomic.h>

#include "dataplane/journal/journal.h"
#include "wire/spsc.h"

/* Never lent beyond what leaves the worker one open batch, depth in flight and one to spare. */
#define JOURNAL_FEED_RESERVE(depth) ((depth) + 2u)
#define JOURNAL_FEED_BUFFERS_MAX    4096u

struct journal_lent {
	uint32_t buffer;
	uint32_t reserved;
	uint64_t generation, offset;
};

struct journal_feed {
	/* Read-only after creation. */
	uint8_t *pool; /* buffers x LIMIT_JOURNAL_BATCH_SIZE_MAX, 2 MiB aligned */
	size_t pool_size;
	uint32_t buffers, depth;
	struct spsc_ring *lent;     /* worker -> store: journal_lent */
	struct spsc_ring *returned; /* store -> worker: uint32_t buffer */
	/* Worker's. */
	SLUICE_CACHE_ALIGNED uint32_t *free_stack;
	uint32_t free_count, lent_count;
	/* Written by the worker after the lending (release, D1), read by the store (acquire). */
	SLUICE_CACHE_ALIGNED _Atomic uint64_t durable_lsn;
	/* Store's. */
	SLUICE_CACHE_ALIGNED uint32_t taken; /* buffer of the last take, or UINT32_MAX */
};

static inline uint8_t *journal_feed_buffer(const struct journal_feed *feed, uint32_t buffer)
{
	return feed->pool + (size_t)buffer * LIMIT_JOURNAL_BATCH_SIZE_MAX;
}

/* Worker: a free buffer, or UINT32_MAX. */
uint32_t journal_feed_obtain(struct journal_feed *feed);
/* Worker: gives a buffer back unused. */
void journal_feed_release(struct journal_feed *feed, uint32_t buffer);
/* Worker: lends a durable batch; 0 when too few would be left (the buffer is free again). */
int journal_feed_lend(
    struct journal_feed *feed, uint32_t buffer, uint64_t generation, uint64_t offset);
/* Worker: after the lending of everything up to `lsn`. */
void journal_feed_publish(struct journal_feed *feed, uint64_t lsn);

#endif
