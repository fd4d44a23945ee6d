/* SPDX-License-Identifier: Apache-2.0 */
/* The single-producer single-consumer ring, alone and between two threads. */
#include "tests/test.h"

#include <pthread.h>
#include <sched.h>

#include "wire/spsc.h"

struct element {
	uint64_t sequence;
	uint64_t check[3]; /* functions of the sequence: a torn element shows */
};

static struct element element_make(uint64_t sequence)
{
	return (struct element){ sequence, { ~sequence, sequence * 3, sequence ^ 0x55 } };
}

static int element_ok(const struct element *element, uint64_t sequence)
{
	struct element want = element_make(sequence);

	return memcmp(element, &want, sizeof(want)) == 0;
}

static struct spsc_ring *ring_make(uint32_t count, uint32_t element_size)
{
	struct spsc_ring *ring = spsc_ring_create(count, element_size);

	SLUICE_REQUIRE(ring != NULL); /* cmocka's assertions do not tell the compiler */
	return ring;
}

TEST(holds_exactly_count_elements)
{
	struct spsc_ring *ring = ring_make(8, sizeof(uint64_t));
	uint64_t value;

	assert_int_equal(spsc_ring_pop(ring, &value), 0);
	assert_null(spsc_ring_peek(ring));
	for (uint64_t i = 0; i < 8; i++) {
		assert_case_equal(i, spsc_ring_count(ring), i);
		assert_case_equal(i, spsc_ring_push(ring, &i), 1);
	}
	assert_int_equal(spsc_ring_count(ring), 8);
	value = 99;
	assert_int_equal(spsc_ring_push(ring, &value), 0);
	assert_null(spsc_ring_reserve(ring));
	for (uint64_t i = 0; i < 8; i++) {
		assert_int_equal(spsc_ring_pop(ring, &value), 1);
		assert_case_equal(i, value, i);
	}
	assert_int_equal(spsc_ring_pop(ring, &value), 0);
	spsc_ring_free(ring);
}

TEST(ring_of_one)
{
	struct spsc_ring *ring = ring_make(1, 1);
	uint8_t value = 7;

	for (int i = 0; i < 300; i++) {
		assert_int_equal(spsc_ring_push(ring, &value), 1);
		assert_int_equal(spsc_ring_push(ring, &value), 0);
		assert_int_equal(spsc_ring_pop(ring, &value), 1);
		assert_int_equal(spsc_ring_pop(ring, &value), 0);
	}
	spsc_ring_free(ring);
}

TEST(reserve_without_publish_is_not_seen)
{
	struct spsc_ring *ring = ring_make(4, sizeof(uint32_t));
	uint32_t *slot;

	slot = spsc_ring_reserve(ring);
	assert_non_null(slot);
	*slot = 5;
	assert_null(spsc_ring_peek(ring));
	assert_ptr_equal(spsc_ring_reserve(ring), slot);
	spsc_ring_publish(ring);
	assert_ptr_equal(spsc_ring_peek(ring), slot);
	assert_ptr_equal(spsc_ring_peek(ring), slot); /* stays until released */
	spsc_ring_release(ring);
	assert_null(spsc_ring_peek(ring));
	spsc_ring_free(ring);
}

/* Positions are 32 bits and wrap: start just below. */
TEST(positions_wrap)
{
	struct spsc_ring *ring = ring_make(4, sizeof(uint64_t));
	uint32_t start = UINT32_MAX - 5;
	uint64_t value;

	atomic_store(&ring->head, start);
	atomic_store(&ring->tail, start);
	ring->head_cached = start;
	ring->tail_cached = start;
	for (uint64_t i = 0; i < 40; i += 4) {
		for (uint64_t k = i; k < i + 4; k++)
			assert_int_equal(spsc_ring_push(ring, &k), 1);
		assert_int_equal(spsc_ring_push(ring, &i), 0);
		for (uint64_t k = i; k < i + 4; k++) {
			assert_int_equal(spsc_ring_pop(ring, &value), 1);
			assert_case_equal(k, value, k);
		}
	}
	spsc_ring_free(ring);
}

TEST(free_of_nothing)
{
	spsc_ring_free(NULL);
}

#define TRANSFERS 300000ull

static void *produce(void *argument)
{
	struct spsc_ring *ring = argument;

	for (uint64_t i = 0; i < TRANSFERS;) {
		struct element element = element_make(i);
		struct element *slot;

		/* Both ways in. */
		if (i % 2 == 0) {
			if (!spsc_ring_push(ring, &element)) {
				sched_yield();
				continue;
			}
		} else {
			slot = spsc_ring_reserve(ring);
			if (slot == NULL) {
				sched_yield();
				continue;
			}
			*slot = element;
			spsc_ring_publish(ring);
		}
		i++;
	}
	return NULL;
}

TEST(two_threads_keep_the_sequence)
{
	struct spsc_ring *ring = ring_make(64, sizeof(struct element));
	pthread_t producer;

	assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
	for (uint64_t i = 0; i < TRANSFERS;) {
		struct element element;

		if (i % 3 == 0) {
			const struct element *slot = spsc_ring_peek(ring);

			if (slot == NULL) {
				sched_yield();
				continue;
			}
			element = *slot;
			spsc_ring_release(ring);
		} else if (!spsc_ring_pop(ring, &element)) {
			sched_yield();
			continue;
		}
		if (!element_ok(&element, i))
			fail_msg("element %llu came as %llu", (unsigned long long)i,
			    (unsigned long long)element.sequence);
		i++;
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_null(spsc_ring_peek(ring));
	spsc_ring_free(ring);
}

TEST_MAIN()
