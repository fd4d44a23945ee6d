/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/journal/feed.h"

#include <errno.h>
#include <sys/mman.h>

#define HUGE_PAGE_SIZE ((size_t)2 * 1024 * 1024)

static uint32_t power_of_two(uint32_t count)
{
	uint32_t power = 1;

	while (power < count)
		power *= 2;
	return power;
}

/* 2 MiB aligned, so that the kernel can back it with huge pages: fewer TLB misses, fewer pins. */
static uint8_t *pool_map(size_t size)
{
	uint8_t *map = mmap(NULL, size + HUGE_PAGE_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (map == MAP_FAILED)
		return NULL;
	before = (HUGE_PAGE_SIZE - (uintptr_t)map % HUGE_PAGE_SIZE) % HUGE_PAGE_SIZE;
	if (before > 0)
		munmap(map, before);
	if (before < HUGE_PAGE_SIZE)
		munmap(map + before + size, HUGE_PAGE_SIZE - before);
	(void)madvise(map + before, size, MADV_HUGEPAGE); /* an improvement, not a need */
	memset(map + before, 0, size);
	return map + before;
}

int journal_feed_create(struct journal_feed **out, uint32_t buffers, uint32_t depth)
{
	struct journal_feed *feed;

	if (depth == 0 || depth > LIMIT_JOURNAL_DEPTH_MAX ||
	    buffers < JOURNAL_FEED_RESERVE(depth) || buffers > JOURNAL_FEED_BUFFERS_MAX)
		return -EINVAL;
	feed = aligned_alloc(SLUICE_CACHE_LINE_SIZE, sizeof(*feed));
	if (feed == NULL)
		return -ENOMEM;
	memset(feed, 0, sizeof(*feed));
	feed->buffers = buffers;
	feed->depth = depth;
	feed->taken = UINT32_MAX;
	feed->pool_size = ((size_t)buffers * LIMIT_JOURNAL_BATCH_SIZE_MAX + HUGE_PAGE_SIZE - 1) &
	                  ~(HUGE_PAGE_SIZE - 1);
	feed->pool = pool_map(feed->pool_size);
	feed->free_stack = calloc(buffers, sizeof(*feed->free_stack));
	feed->lent = spsc_ring_create(power_of_two(buffers), sizeof(struct journal_lent));
	feed->returned = spsc_ring_create(power_of_two(buffers), sizeof(uint32_t));
	if (feed->pool == NULL || feed->free_stack == NULL || feed->lent == NULL ||
	    feed->returned == NULL) {
		journal_feed_free(feed);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < buffers; i++)
		feed->free_stack[feed->free_count++] = buffers - 1 - i;
	*out = feed;
	return 0;
}

void journal_feed_free(struct journal_feed *feed)
{
	if (feed == NULL)
		return;
	if (feed->pool != NULL)
		munmap(feed->pool, feed->pool_size);
	free(feed->free_stack);
	spsc_ring_free(feed->lent);
	spsc_ring_free(feed->returned);
	free(feed);
}

int journal_feed_take(struct journal_feed *feed, struct journal_batch *batch, uint64_t *durable_lsn)
{
	const struct journal_lent *lent;
	const uint8_t *bytes;

	SLUICE_REQUIRE(feed->taken == UINT32_MAX);
	/*
	 * Pairs with D1. Read before the ring: what was lent up to this LSN is then in the ring, so
	 * an empty ring means it was not lent.
	 */
	*durable_lsn = atomic_load_explicit(&feed->durable_lsn, memory_order_acquire);
	lent = spsc_ring_peek(feed->lent);
	if (lent == NULL)
		return 0;
	bytes = journal_feed_buffer(feed, lent->buffer);
	memcpy(&batch->header, bytes, sizeof(batch->header));
	batch->events = bytes + JOURNAL_HEADER_SIZE;
	batch->generation = lent->generation;
	batch->offset = lent->offset;
	feed->taken = lent->buffer;
	spsc_ring_release(feed->lent);
	/* Lent between the two reads: it is durable all the same. */
	if (*durable_lsn < le64_get(batch->header.first_lsn))
		*durable_lsn =
		    le64_get(batch->header.first_lsn) + le32_get(batch->header.event_count) - 1;
	return 1;
}

void journal_feed_return(struct journal_feed *feed)
{
	SLUICE_REQUIRE(feed->taken != UINT32_MAX);
	/* As many slots as buffers: there is always room. */
	SLUICE_REQUIRE(spsc_ring_push(feed->returned, &feed->taken));
	feed->taken = UINT32_MAX;
}

uint64_t journal_feed_durable_lsn(const struct journal_feed *feed)
{
	/* pairs with D1 */
	return atomic_load_explicit(&feed->durable_lsn, memory_order_acquire);
}

static void reclaim(struct journal_feed *feed)
{
	uint32_t buffer;

	while (spsc_ring_pop(feed->returned, &buffer)) {
		SLUICE_REQUIRE(feed->lent_count > 0);
		feed->lent_count--;
		journal_feed_release(feed, buffer);
	}
}

uint32_t journal_feed_obtain(struct journal_feed *feed)
{
	if (feed->free_count == 0)
		reclaim(feed);
	return feed->free_count == 0 ? UINT32_MAX : feed->free_stack[--feed->free_count];
}

void journal_feed_release(struct journal_feed *feed, uint32_t buffer)
{
	SLUICE_REQUIRE(buffer < feed->buffers && feed->free_count < feed->buffers);
	feed->free_stack[feed->free_count++] = buffer;
}

int journal_feed_lend(
    struct journal_feed *feed, uint32_t buffer, uint64_t generation, uint64_t offset)
{
	struct journal_lent lent = { .buffer = buffer, .generation = generation, .offset = offset };
	uint32_t lent_max = feed->buffers - JOURNAL_FEED_RESERVE(feed->depth);

	if (feed->lent_count >= lent_max)
		reclaim(feed);
	if (feed->lent_count >= lent_max) {
		journal_feed_release(feed, buffer);
		return 0;
	}
	SLUICE_REQUIRE(spsc_ring_push(feed->lent, &lent));
	feed->lent_count++;
	return 1;
}

void journal_feed_publish(struct journal_feed *feed, uint64_t lsn)
{
	/* D1: the lendings up to `lsn` are visible before it. */
	atomic_store_explicit(&feed->durable_lsn, lsn, memory_order_release);
}
