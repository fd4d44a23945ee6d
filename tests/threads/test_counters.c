/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and histograms of a worker while others read them. */
#include <pthread.h>

#include "dataplane/shard/histogram.h"
#include "tests/test.h"

#define ROUNDS  200000u
#define READERS 2

struct shared {
	struct histogram histogram;
	_Atomic uint64_t counter;
	_Atomic uint32_t readers; /* that have seen the worker at work */
	_Atomic uint8_t ended;
};

static struct shared shared;

/* Every figure only grows, and no value is one that was never there. */
static void *reader_run(void *context)
{
	uint64_t count = 0, sum = 0, counter = 0;
	int told = 0, ended;

	(void)context;
	do {
		uint64_t seen = 0, now;

		/* Pairs with the release at the worker's end. */
		ended = atomic_load_explicit(&shared.ended, memory_order_acquire);
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
			seen += stats_get(&shared.histogram.counts[i]);
		SLUICE_REQUIRE(seen >= count && seen <= 2ull * ROUNDS);
		count = seen;
		now = stats_get(&shared.histogram.sum_ns);
		SLUICE_REQUIRE(now >= sum);
		sum = now;
		now = stats_get(&shared.counter);
		SLUICE_REQUIRE(now >= counter && now <= ROUNDS);
		counter = now;
		if (!told)
			atomic_fetch_add(&shared.readers, 1);
		told = 1;
	} while (!ended);
	SLUICE_REQUIRE(counter == ROUNDS && count == 2ull * ROUNDS);
	return NULL;
}

TEST(readers_see_figures_that_only_grow)
{
	pthread_t readers[READERS];
	uint64_t random = test_seed(), sum = 0;

	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader_run, NULL), 0);
	while (atomic_load(&shared.readers) < READERS)
		; /* both at work, so that it is a race */
	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t value = test_random(&random) >> (test_random(&random) % 60);

		value &= (1ull << 40) - 1;
		histogram_add(&shared.histogram, value, 2);
		stats_add(&shared.counter, 1);
		sum += 2 * value;
	}
	/* Pairs with the readers' acquire. */
	atomic_store_explicit(&shared.ended, 1, memory_order_release);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	assert_true(stats_get(&shared.histogram.sum_ns) == sum);
}

TEST_MAIN()
