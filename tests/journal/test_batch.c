/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts: group commit, order of completions, header rules. */
#include "dataplane/journal/batch.h"
#include "dataplane/journal/order.h"
#include "tests/test.h"

#define KIB 1024u

static const struct {
	unsigned in_flight, depth;
	size_t size;
	int due;
} group_commit_cases[] = {
	{ 0, 2, 0, 0 },                                    /* 0: nothing open */
	{ 2, 2, 0, 0 },                                    /* 1 */
	{ 0, 2, 136, 1 },                                  /* 2: nothing in flight: at once */
	{ 1, 2, 136, 0 },                                  /* 3: one in flight: wait for more */
	{ 1, 2, 16 * KIB - 8, 0 },                         /* 4 */
	{ 1, 2, 16 * KIB, 1 },                             /* 5: below the depth and 16 KiB */
	{ 2, 2, 16 * KIB, 0 },                             /* 6: at the depth */
	{ 2, 2, 100 * KIB, 0 },                            /* 7 */
	{ 2, 2, 128 * KIB - LIMIT_EVENT_SIZE_MAX, 0 },     /* 8: the longest event fits */
	{ 2, 2, 128 * KIB - LIMIT_EVENT_SIZE_MAX + 8, 1 }, /* 9: it does not */
	{ 2, 2, 128 * KIB, 1 },                            /* 10: full */
	{ 9, 2, 128 * KIB, 1 },                            /* 11 */
	{ 9, 2, 126 * KIB, 0 },                            /* 12 */
	{ 1, 1, 64 * KIB, 0 },                             /* 13: depth 1 */
	{ 7, 8, 16 * KIB, 1 },                             /* 14 */
};

TEST(group_commit_rule)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(group_commit_cases); i++)
		assert_case_equal(i,
		    journal_group_commit_due(group_commit_cases[i].in_flight,
		        group_commit_cases[i].depth, LIMIT_JOURNAL_BATCH_CLOSE_SIZE,
		        group_commit_cases[i].size),
		    group_commit_cases[i].due);
}

/*
 * Steps: c close, s submit, digit: that ticket completes, Capital letter A..: that ticket fails.
 * After them: how many tickets are durable, how many in flight.
 */
static const struct {
	const char *steps;
	unsigned depth, durable, in_flight;
} order_cases[] = {
	{ "", 2, 0, 0 },
	{ "c", 2, 0, 1 },
	{ "cs", 2, 0, 1 },
	{ "cs0", 2, 1, 0 },
	{ "cscs0", 2, 1, 1 },
	{ "cscs1", 2, 0, 1 }, /* 5: the second first: nothing durable yet */
	{ "cscs10", 2, 2, 0 },
	{ "ccss10", 2, 2, 0 },
	{ "cccsss10", 2, 2, 1 },  /* 8: depth 2: the third waits */
	{ "cccsss1s2", 2, 0, 1 }, /* 9: it goes when the second is back */
	{ "cccsss1s20", 2, 3, 0 },
	{ "cscsA1", 2, 0, 0 }, /* 11: the first failed: the second is never durable */
	{ "cscs0B", 2, 1, 0 },
	{ "cscsB0", 2, 1, 0 },
	{ "cccsss0sBs2", 2, 1, 0 }, /* 14: nothing behind a failed one */
	{ "cccsss2A1", 3, 0, 0 },
	{ "cccsss210", 3, 3, 0 },
	{ "cs0cs1cs2cs3cs4cs5cs6cs7cs8cs9", 1, 10, 0 },
};

TEST(durable_is_the_contiguous_prefix_whatever_the_order_of_completions)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(order_cases); i++) {
		struct journal_order order;
		uint64_t ticket, durable = 0;

		assert_int_equal(journal_order_init(&order, 8), 0);
		for (const char *step = order_cases[i].steps; *step != '\0'; step++) {
			if (*step == 'c')
				(void)journal_order_close(&order);
			else if (*step == 's')
				(void)journal_order_submit(&order, order_cases[i].depth, &ticket);
			else if (*step <= '9')
				journal_order_complete(&order, (uint64_t)(*step - '0'), 1);
			else
				journal_order_complete(&order, (uint64_t)(*step - 'A'), 0);
			while (journal_order_durable(&order, &ticket))
				assert_case_equal(i, ticket, durable++);
		}
		assert_case_equal(i, durable, order_cases[i].durable);
		assert_case_equal(i, journal_order_in_flight(&order), order_cases[i].in_flight);
		free(order.state);
	}
}

TEST(random_orders_of_completion)
{
	uint64_t random = test_seed();
	uint64_t ticket, submitted[1000], durable = 0;
	struct journal_order order;
	uint32_t writing = 0;
	uint8_t complete[1000] = { 0 };

	assert_int_equal(journal_order_init(&order, 16), 0);
	while (durable < 1000) {
		if (order.tail < 1000 && order.tail - order.durable < 16 &&
		    test_random(&random) % 2)
			(void)journal_order_close(&order);
		if (journal_order_submit(&order, 8, &ticket))
			submitted[writing++] = ticket;
		if (writing > 0 && test_random(&random) % 2) {
			uint32_t pick = (uint32_t)(test_random(&random) % writing);

			ticket = submitted[pick];
			submitted[pick] = submitted[--writing];
			complete[ticket] = 1;
			journal_order_complete(&order, ticket, 1);
		}
		assert_true(writing <= 8);
		while (journal_order_durable(&order, &ticket)) {
			assert_int_equal(ticket, durable++);
			assert_true(complete[ticket]);
		}
		if (durable < order.tail)
			assert_false(complete[durable]);
	}
	free(order.state);
}

TEST(every_bit_of_a_header_is_covered_by_its_checksum)
{
	const struct journal_expect expect = { .shard = 3,
		.incarnation = 7,
		.generation = 2,
		.segment_size = 1u << 20,
		.boot_counter_max = 5,
		.next_lsn = 10,
		.previous_checksum = 99 };
	struct journal_batch_header header = { .shard = le16_make(3),
		.incarnation = le64_make(7),
		.boot_counter = le64_make(5),
		.segment_generation = le64_make(2),
		.first_lsn = le64_make(10),
		.event_count = le32_make(2),
		.body_length = le32_make(64),
		.previous_checksum = le64_make(99) };
	struct journal_batch_header out;
	uint8_t body[64] = { 1, 2, 3 }, bytes[JOURNAL_HEADER_SIZE];
	const char *why;

	journal_batch_seal(&header, body);
	memcpy(bytes, &header, sizeof(bytes));
	assert_int_equal(journal_header_check(bytes, &expect, &out, &why), JOURNAL_BATCH_VALID);
	assert_true(journal_body_check(&out, body));
	for (unsigned bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_case_equal(bit, journal_header_check(bytes, &expect, &out, &why),
		    bit < 64 ? JOURNAL_BATCH_NONE : JOURNAL_BATCH_BROKEN);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (unsigned bit = 0; bit < 8 * sizeof(body); bit++) {
		body[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_case_equal(bit, journal_body_check(&out, body), 0);
		body[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

TEST(batch_reaching_behind_the_segment_is_refused)
{
	struct journal_expect expect = { .generation = 1, .segment_size = 8192, .offset = 4096 };
	struct journal_batch_header header = { .segment_generation = le64_make(1),
		.segment_offset = le64_make(4096),
		.first_lsn = le64_make(1),
		.event_count = le32_make(1),
		.body_length = le32_make(3968) };
	static const uint8_t body[4000];
	struct journal_batch_header out;
	uint8_t bytes[JOURNAL_HEADER_SIZE];
	const char *why;

	journal_batch_seal(&header, body);
	memcpy(bytes, &header, sizeof(bytes));
	assert_int_equal(journal_header_check(bytes, &expect, &out, &why), JOURNAL_BATCH_VALID);
	header.body_length = le32_make(3976);
	journal_batch_seal(&header, body);
	memcpy(bytes, &header, sizeof(bytes));
	assert_int_equal(journal_header_check(bytes, &expect, &out, &why), JOURNAL_BATCH_BROKEN);
}

TEST_MAIN()
