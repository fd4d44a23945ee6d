/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random streams of every message and command over four shards: parcels and receipts in any order
 * and twice, results and rollbacks, leases, time, crashes. After every event all that must hold is
 * checked (shards_check.c). SLUICE_TEST_STEPS=n makes the runs longer.
 */
#include <errno.h>

#include "tests/ledger/shards.h"
#include "tests/ledger/shards_stream.h"

#define STEPS 12000

static unsigned steps(void)
{
	const char *text = getenv("SLUICE_TEST_STEPS");

	return text == NULL ? STEPS : (unsigned)strtoul(text, NULL, 10);
}

/* What the streams must have met, or they are not worth much. */
static void assert_worth(const struct shards *shards)
{
	static const uint16_t codes[] = { WIRE_CODE_OK, WIRE_CODE_PENDING, WIRE_CODE_REPEATED,
		WIRE_CODE_ACCOUNT_FROZEN, WIRE_CODE_FUNDS_INSUFFICIENT, WIRE_CODE_CURRENCY_MISMATCH,
		WIRE_CODE_EXPOSURE_SELECTION, WIRE_CODE_CLAIMED_BEFORE, WIRE_CODE_SPRINKLE_EMPTY };

	if (steps() < STEPS)
		return;
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		if (shards->by_type[type] < 3)
			fail_msg("%llu events of type %s",
			    (unsigned long long)shards->by_type[type], event_type_name(type));
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(codes); i++)
		if (shards->by_code[wire_code_index(codes[i])] < 3)
			fail_msg("only %llu answers %s",
			    (unsigned long long)shards->by_code[wire_code_index(codes[i])],
			    wire_code_name(codes[i]));
}

static void run(uint64_t seed, unsigned options)
{
	struct shards *shards = shards_new(seed);
	struct shards_stream *stream = shards_stream_new(shards, options);
	unsigned count = steps();

	for (unsigned i = 0; i < count; i++)
		shards_stream_step(stream);
	shards_check_replay(shards);
	shards_stream_finish(stream);
	shards_check_replay(shards);
	printf("  %u events\n", shards->events);
	assert_worth(shards);
	shards_stream_free(stream);
	shards_free(shards);
}

/* Limits never change and no result is taken back: then no limit is ever passed, over all shards.
 */
TEST(limits_hold_over_all_shards)
{
	run(test_seed(), STREAM_LIMITS_FIXED);
}

TEST(everything_at_once)
{
	run(test_seed() + 1, 0);
}

TEST(everything_with_many_crashes)
{
	run(test_seed() + 2, STREAM_CRASHES);
}

TEST_MAIN()
