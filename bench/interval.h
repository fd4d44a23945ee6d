/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a long run sees in each interval: a JSON object a line. The load loop only closes an
 * interval; a thread of its own writes the line, so that a slow disk never stalls the loop.
 */
#ifndef SLUICE_BENCH_INTERVAL_H
#define SLUICE_BENCH_INTERVAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/histogram.h"
#include "wire/assert.h"

struct interval_counts {
	uint64_t acked, accepted, resent, busy, failed;
	uint64_t begin_ns, end_ns;
};

struct interval {
	uint64_t length_ns; /* 0: none are kept */
	FILE *out;
	struct histogram latency[2]; /* of the open interval and of the closed one */
	struct interval_counts at[2];
	uint64_t number; /* of the open one */
	/* Intervals closed. The loop stores release, the writer acquires (I1); back: written (I2).
	 */
	_Atomic uint64_t closed, written;
	_Atomic int stop; /* main stores release, the writer acquires (I3) */
	pthread_t thread;
	int running;
};

/* Opens `path` ("-" is standard error) and starts the writer. 0 or -errno. */
SLUICE_MUST_USE int interval_start(struct interval *interval, const char *path, unsigned seconds);
void interval_finish(struct interval *interval);

static inline void interval_record(struct interval *interval, uint64_t latency_ns)
{
	if (interval->length_ns != 0)
		histogram_record(&interval->latency[interval->number & 1], latency_ns);
}

/* 1 when the open interval is over and may be closed. */
static inline int interval_due(const struct interval *interval, uint64_t now_ns)
{
	return interval->length_ns != 0 && now_ns >= interval->at[interval->number & 1].end_ns;
}

/* The first begins. */
void interval_begin(struct interval *interval, uint64_t now_ns);
/* Closes the open one; `totals` so far. Skipped (it goes on) while the last one is being written.
 */
void interval_close(
    struct interval *interval, const struct interval_counts *totals, uint64_t now_ns);

#endif
