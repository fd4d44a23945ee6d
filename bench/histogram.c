/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/histogram.h"

#include <string.h>

void histogram_reset(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
}

uint64_t histogram_bucket_last(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < (2u << HISTOGRAM_SUB_BITS))
		return bucket;
	shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
	return (((uint64_t)bucket - ((uint64_t)shift << HISTOGRAM_SUB_BITS) + 1) << shift) - 1;
}

uint64_t histogram_quantile(
    const struct histogram *histogram, uint32_t numerator, uint32_t denominator)
{
	/* Rank of the value looked for, from 1, rounded up. 128 bits: counts may be large. */
	__uint128_t product = (__uint128_t)histogram->count * numerator + denominator - 1;
	uint64_t rank = (uint64_t)(product / denominator), seen = 0;

	if (histogram->count == 0)
		return 0;
	if (rank == 0)
		rank = 1;
	for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		seen += histogram->buckets[bucket];
		if (seen >= rank) {
			uint64_t last = histogram_bucket_last(bucket);

			return last < histogram->max ? last : histogram->max;
		}
	}
	return histogram->max;
}

void histogram_add(struct histogram *to, const struct histogram *from)
{
	to->count += from->count;
	if (from->max > to->max)
		to->max = from->max;
	for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
		to->buckets[bucket] += from->buckets[bucket];
}
