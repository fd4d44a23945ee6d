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

/* Of all runs. */
static uint64_t types_met[EVENT_TYPE_MAX + 1], codes_met[256];

static void met(const struct shards *shards)
{
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		types_met[type] += shards->by_type[type];
	for (unsigned i = 0; i < wire_code_count(); i++)
		codes_met[i] += shards->by_code[i];
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
	met(shards);
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

/* What the streams must have met, or they are not worth much. */
TEST(every_type_of_event_was_met)
{
	static const uint16_t codes[] = { WIRE_CODE_OK, WIRE_CODE_PENDING, WIRE_CODE_REPEATED,
		WIRE_CODE_ACCOUNT_FROZEN, WIRE_CODE_FUNDS_INSUFFICIENT, WIRE_CODE_CURRENCY_MISMATCH,
		WIRE_CODE_EXPOSURE_SELECTION, WIRE_CODE_CLAIMED_BEFORE, WIRE_CODE_SPRINKLE_EMPTY };

	if (steps() < STEPS)
		return;
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		if (types_met[type] == 0)
			fail_msg("no event of type %s", event_type_name(type));
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(codes); i++)
		if (codes_met[wire_code_index(codes[i])] == 0)
			fail_msg("no answer %s", wire_code_name(codes[i]));
}

TEST_MAIN()
