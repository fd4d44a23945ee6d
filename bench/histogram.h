/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log-linear histogram of nanoseconds: every power of two is cut into 128 buckets of equal width,
 * so a value read back is at most 1/128 (0.8 %) above the value recorded; values below 256 are
 * exact. Fixed size, no allocation, one owning thread.
 */
#ifndef SLUICE_BENCH_HISTOGRAM_H
#define SLUICE_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS   7
#define HISTOGRAM_VALUE_BITS 42 /* up to 4,398 s; longer ones count as that */
#define HISTOGRAM_BUCKETS    ((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_VALUE_MAX  ((1ull << HISTOGRAM_VALUE_BITS) - 1)

struct histogram {
	uint64_t count;
	uint64_t max; /* exact */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *histogram);

/* Index of the bucket that holds `value` (at most HISTOGRAM_VALUE_MAX). */
static inline uint32_t histogram_bucket(uint64_t value)
{
	uint32_t shift;

	if (value < (2u << HISTOGRAM_SUB_BITS))
		return (uint32_t)value;
	shift = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return (shift << HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

/* Largest value of a bucket. */
uint64_t histogram_bucket_last(uint32_t bucket);

static inline void histogram_record(struct histogram *histogram, uint64_t value)
{
	if (value > histogram->max)
		histogram->max = value;
	if (value > HISTOGRAM_VALUE_MAX)
		value = HISTOGRAM_VALUE_MAX;
	histogram->buckets[histogram_bucket(value)]++;
	histogram->count++;
}

/*
 * The smallest bucket end that at least numerator/denominator of the values do not pass, never
 * above the exact maximum; 0 when empty. histogram_quantile(h, 999, 1000) is p99.9.
 */
uint64_t histogram_quantile(
    const struct histogram *histogram, uint32_t numerator, uint32_t denominator);

void histogram_add(struct histogram *to, const struct histogram *from);

#endif
