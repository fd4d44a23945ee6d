/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histogram of nanoseconds with log-linear buckets: every power of two from 1,024 ns to 2^34 ns
 * (17 s) in four parts, so a value is known to a quarter of itself. One writer, any number of
 * readers, as in stats.h: relaxed stores, no read-modify-write. A reader may see a value counted
 * and not yet summed; both only grow.
 *
 *   bucket 0                          value <= 1,024
 *   bucket i, 1 <= i < BUCKETS - 1    bound(i - 1) < value <= bound(i)
 *   the last one                      everything above, no bound
 */
#ifndef SLUICE_SHARD_HISTOGRAM_H
#define SLUICE_SHARD_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "dataplane/shard/stats.h"

#define HISTOGRAM_LOWEST_BITS  10
#define HISTOGRAM_HIGHEST_BITS 34
#define HISTOGRAM_BUCKETS      (2 + 4 * (HISTOGRAM_HIGHEST_BITS - HISTOGRAM_LOWEST_BITS))

struct histogram {
	_Atomic uint64_t counts[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_ns;
};

/* Largest value of bucket 0 <= index < HISTOGRAM_BUCKETS - 1. */
static inline uint64_t histogram_bound(unsigned index)
{
	unsigned power = HISTOGRAM_LOWEST_BITS + index / 4;

	return (1ull << power) + (uint64_t)(index % 4) * (1ull << (power - 2));
}

static inline unsigned histogram_index(uint64_t value)
{
	uint64_t below = value == 0 ? 0 : value - 1; /* bounds are inclusive */
	unsigned power;

	if (below >> HISTOGRAM_LOWEST_BITS == 0)
		return 0;
	if (below >> HISTOGRAM_HIGHEST_BITS != 0)
		return HISTOGRAM_BUCKETS - 1;
	power = 63 - (unsigned)__builtin_clzll(below);
	return 1 + 4 * (power - HISTOGRAM_LOWEST_BITS) + (unsigned)(below >> (power - 2) & 3);
}

/* Writer only: `count` observations of `value`. */
static inline void histogram_add(struct histogram *histogram, uint64_t value, uint64_t count)
{
	stats_add(&histogram->counts[histogram_index(value)], count);
	stats_add(&histogram->sum_ns, value * count);
}

#endif
