/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/histogram.h"
#include "tests/test.h"

static struct histogram histogram;

TEST(small_values_are_exact)
{
	for (uint64_t value = 0; value < 256; value++) {
		histogram_reset(&histogram);
		histogram_record(&histogram, value);
		histogram.max = UINT64_MAX; /* so that the bucket's own end shows */
		assert_int_equal(histogram_quantile(&histogram, 1, 2), value);
	}
}

TEST(every_bucket_ends_where_the_next_begins)
{
	for (uint32_t bucket = 0; bucket + 1 < HISTOGRAM_BUCKETS; bucket++) {
		uint64_t last = histogram_bucket_last(bucket);

		assert_case_equal(bucket, histogram_bucket(last), bucket);
		assert_case_equal(bucket, histogram_bucket(last + 1), bucket + 1);
	}
	assert_true(histogram_bucket_last(HISTOGRAM_BUCKETS - 1) == HISTOGRAM_VALUE_MAX);
}

TEST(error_is_below_one_part_in_128)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 100000; i++) {
		uint64_t value = test_random(&random) >> (22 + test_random(&random) % 40);
		uint64_t last = histogram_bucket_last(histogram_bucket(value));

		assert_true(last >= value);
		assert_true((last - value) * 128 <= value);
	}
}

TEST(quantiles_of_1_to_1000)
{
	static const struct {
		uint32_t numerator, denominator;
		uint64_t least, most;
	} cases[] = {
		{ 0, 100, 1, 1 },
		{ 1, 2, 500, 503 },
		{ 9, 10, 900, 907 },
		{ 99, 100, 990, 997 },
		{ 999, 1000, 999, 1000 },
		{ 1, 1, 1000, 1000 },
	};

	histogram_reset(&histogram);
	for (uint64_t value = 1; value <= 1000; value++)
		histogram_record(&histogram, value);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t got =
		    histogram_quantile(&histogram, cases[i].numerator, cases[i].denominator);

		if (got < cases[i].least || got > cases[i].most)
			fail_msg("case %zu: got %llu", i, (unsigned long long)got);
	}
}

TEST(empty_gives_zero)
{
	histogram_reset(&histogram);
	assert_int_equal(histogram_quantile(&histogram, 99, 100), 0);
}

TEST(value_beyond_the_range_counts_and_keeps_the_exact_maximum)
{
	histogram_reset(&histogram);
	histogram_record(&histogram, UINT64_MAX - 1);
	histogram_record(&histogram, 1);
	assert_int_equal(histogram.count, 2);
	assert_true(histogram.max == UINT64_MAX - 1);
	assert_true(histogram_quantile(&histogram, 1, 1) == HISTOGRAM_VALUE_MAX);
}

TEST(quantile_never_passes_the_maximum)
{
	histogram_reset(&histogram);
	histogram_record(&histogram, 1000001);
	assert_int_equal(histogram_quantile(&histogram, 1, 1), 1000001);
}

TEST(adding_two_is_like_recording_in_one)
{
	static struct histogram one, other;
	uint64_t random = test_seed();

	histogram_reset(&histogram);
	histogram_reset(&one);
	histogram_reset(&other);
	for (int i = 0; i < 10000; i++) {
		uint64_t value = test_random(&random) >> 40;

		histogram_record(&histogram, value);
		histogram_record(i % 3 == 0 ? &one : &other, value);
	}
	histogram_add(&one, &other);
	assert_memory_equal(&one, &histogram, sizeof(one));
}

TEST_MAIN()
