/* SPDX-License-Identifier: Apache-2.0 */
/* Batches from one thread to another. */
#include "dataplane/journal/ahead.h"

#include <errno.h>

#include "tests/test.h"

#define BATCHES    2000u
#define RING       (2u << 20) /* it comes round dozens of times */
#define RESULT_END (-EPROTO)

/* Any length a batch can have, and bytes, both known from the number. */
static uint32_t length_of(uint64_t number)
{
	return (uint32_t)(8 + number * 0x9e3779b97f4a7c15ull %
	                          (LIMIT_JOURNAL_BATCH_SIZE_MAX - JOURNAL_HEADER_SIZE - 8));
}

struct producer {
	uint32_t put; /* read after the thread's end */
};

static int produce(void *context, struct journal_ahead *ahead)
{
	static uint8_t bytes[LIMIT_JOURNAL_BATCH_SIZE_MAX];
	struct producer *producer = context;

	for (uint64_t i = 0; i < BATCHES; i++) {
		struct journal_batch batch = { .events = bytes, .generation = i, .offset = 2 * i };
		int result;

		batch.header.body_length = le32_make(length_of(i));
		memset(bytes, (int)(i & 0xff), length_of(i));
		result = journal_ahead_put(ahead, &batch);
		if (result != 0)
			return result;
		producer->put++;
	}
	return RESULT_END;
}

TEST(every_batch_comes_once_in_order_and_whole)
{
	struct producer producer = { 0 };
	struct journal_ahead *ahead;
	struct journal_batch batch;
	uint64_t count = 0;

	assert_int_equal(journal_ahead_start(&ahead, RING, produce, &producer), 0);
	while (journal_ahead_next(ahead, &batch) == 1) {
		uint32_t length = length_of(count);

		assert_int_equal(batch.generation, count);
		assert_int_equal(batch.offset, 2 * count);
		assert_int_equal(le32_get(batch.header.body_length), length);
		for (uint32_t i = 0; i<length; i += length> 64 ? 61 : 1)
			assert_int_equal(batch.events[i], count & 0xff);
		assert_int_equal(batch.events[length - 1], count & 0xff);
		count++;
	}
	assert_int_equal(count, BATCHES);
	assert_int_equal(journal_ahead_end(ahead), RESULT_END);
	assert_int_equal(producer.put, BATCHES);
}

/* A thread that waits for room ends when nothing is taken any more. */
TEST(who_takes_no_more_stops_the_thread)
{
	for (unsigned taken = 0; taken < 4; taken++) {
		struct producer producer = { 0 };
		struct journal_ahead *ahead;
		struct journal_batch batch;

		assert_int_equal(journal_ahead_start(&ahead, RING, produce, &producer), 0);
		for (unsigned i = 0; i < taken; i++)
			assert_int_equal(journal_ahead_next(ahead, &batch), 1);
		assert_int_equal(journal_ahead_end(ahead), -ECANCELED);
		assert_true(producer.put < BATCHES);
	}
}

static int produce_nothing(void *context, struct journal_ahead *ahead)
{
	(void)ahead;
	return *(int *)context;
}

TEST(a_thread_without_a_batch_is_the_end)
{
	int result = -EIO;
	struct journal_ahead *ahead;
	struct journal_batch batch;

	assert_int_equal(journal_ahead_start(&ahead, RING, produce_nothing, &result), 0);
	assert_int_equal(journal_ahead_next(ahead, &batch), 0);
	assert_int_equal(journal_ahead_end(ahead), -EIO);
}

TEST_MAIN()
