/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random streams of every message and command over four shards: parcels and receipts in any order
 * and twice, results and rollbacks, leases, time, crashes. After every event all that must hold is
 * checked (shards_check.c). SLUICE_TEST_STEPS=n makes the runs longer.
 */
#include <errno.h>

#include "tests/ledger/shards.h"
#include "tests/ledger/shards_stream.h"

#define STEPS 8000

static unsigned steps(void)
{
	const char *text = getenv("SLUICE_TEST_STEPS");

	return text == NULL ? STEPS : (unsigned)strtoul(text, NULL, 10);
}

/* What the streams must have met, or they are not worth much. */
static void assert_worth(const struct shards *shards)
{
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		printf(
		    " %s %llu", event_type_name(type), (unsigned long long)shards->by_type[type]);
	printf("\n ");
	for (unsigned i = 0; i < wire_code_count(); i++)
		printf(" %s %llu", wire_code_name(wire_code_at(i)),
		    (unsigned long long)shards->by_code[i]);
	printf("\n");
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
