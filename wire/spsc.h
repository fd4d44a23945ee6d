/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single-producer single-consumer ring of fixed-size elements: the only way two threads of the data
 * plane talk. Lamport's queue with each side's cached copy of the other's position, so that a
 * position's cache line moves only when the cached copy is used up.
 *
 *   producer:  space? -> copy elements in -> publish tail   (release, T1)
 *   consumer:  tail (acquire, pairs with T1) -> copy out -> publish head   (release, H1)
 *   producer:  head (acquire, pairs with H1) before it overwrites a slot
 */
#ifndef SLUICE_WIRE_SPSC_H
#define SLUICE_WIRE_SPSC_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/assert.h"

struct spsc_ring {
	/* Read-only after creation. */
	SLUICE_CACHE_ALIGNED uint8_t *slots;
	uint32_t element_size;
	uint32_t mask;
	/* Producer's line. */
	SLUICE_CACHE_ALIGNED _Atomic uint32_t tail; /* T1: release here, acquire in the consumer */
	uint32_t head_cached;
	/* Consumer's line. */
	SLUICE_CACHE_ALIGNED _Atomic uint32_t head; /* H1: release here, acquire in the producer */
	uint32_t tail_cached;
};

/* `count` is a power of two. NULL when out of memory. Freed by spsc_ring_free. */
static inline struct spsc_ring *spsc_ring_create(uint32_t count, uint32_t element_size)
{
	struct spsc_ring *ring = aligned_alloc(SLUICE_CACHE_LINE_SIZE, sizeof(*ring));
	size_t size = ((size_t)count * element_size + 63u) & ~(size_t)63;

	SLUICE_REQUIRE(count != 0 && (count & (count - 1)) == 0);
	if (ring == NULL)
		return NULL;
	memset(ring, 0, sizeof(*ring));
	ring->slots = aligned_alloc(SLUICE_CACHE_LINE_SIZE, size);
	if (ring->slots == NULL) {
		free(ring);
		return NULL;
	}
	memset(ring->slots, 0, size);
	ring->element_size = element_size;
	ring->mask = count - 1;
	return ring;
}

static inline void spsc_ring_free(struct spsc_ring *ring)
{
	if (ring == NULL)
		return;
	free(ring->slots);
	free(ring);
}

/* Producer: the next free slot, or NULL when full. Fill it, then call spsc_ring_publish once. */
static inline void *spsc_ring_reserve(struct spsc_ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own line */

	if (tail - ring->head_cached > ring->mask) {
		/* Pairs with H1: the consumer has copied the slot out. */
		ring->head_cached = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail - ring->head_cached > ring->mask)
			return NULL;
	}
	return ring->slots + (size_t)(tail & ring->mask) * ring->element_size;
}

static inline void spsc_ring_publish(struct spsc_ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own line */

	/* T1: the slot's bytes are visible before the new tail. */
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

/* Producer: copies one element in. 1, or 0 when full. */
static inline int spsc_ring_push(struct spsc_ring *ring, const void *element)
{
	void *slot = spsc_ring_reserve(ring);

	if (slot == NULL)
		return 0;
	memcpy(slot, element, ring->element_size);
	spsc_ring_publish(ring);
	return 1;
}

/* Consumer: the oldest element in place, or NULL when empty. Valid until spsc_ring_release. */
static inline void *spsc_ring_peek(struct spsc_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* own line */

	if (head == ring->tail_cached) {
		/* Pairs with T1. */
		ring->tail_cached = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head == ring->tail_cached)
			return NULL;
	}
	return ring->slots + (size_t)(head & ring->mask) * ring->element_size;
}

/* Consumer: the element `ahead` places behind the oldest, or NULL when there is none yet. */
static inline void *spsc_ring_peek_at(struct spsc_ring *ring, uint32_t ahead)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* own line */

	if (ahead >= ring->tail_cached - head) {
		/* Pairs with T1. */
		ring->tail_cached = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (ahead >= ring->tail_cached - head)
			return NULL;
	}
	return ring->slots + (size_t)((head + ahead) & ring->mask) * ring->element_size;
}

static inline void spsc_ring_release(struct spsc_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* own line */

	/* H1: our reads of the slot are done before the producer may overwrite it. */
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* Any thread: about how many elements wait. */
static inline uint32_t spsc_ring_count(const struct spsc_ring *ring)
{
	/* The head first, which never passes the tail; H1's acquire keeps the two loads in order.
	 */
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t count = tail - head;

	return count > ring->mask + 1 ? ring->mask + 1 : count;
}

/* Consumer: copies one element out. 1, or 0 when empty. */
static inline int spsc_ring_pop(struct spsc_ring *ring, void *element)
{
	void *slot = spsc_ring_peek(ring);

	if (slot == NULL)
		return 0;
	memcpy(element, slot, ring->element_size);
	spsc_ring_release(ring);
	return 1;
}

#endif
