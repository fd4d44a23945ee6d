/* SPDX-License-Identifier: Apache-2.0 */
/* Private to dataplane/admin. Main looks at the counters each turn; times are its CLOCK_MONOTONIC.
 */
#ifndef SLUICE_ADMIN_SAMPLE_H
#define SLUICE_ADMIN_SAMPLE_H

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "wire/limits.h"

#define ADMIN_LAG_SEEN 64
#define ADMIN_SHARE_NS 1000000000ull

/*
 * Age of the oldest thing that was reached and is not done: positions seen and not yet passed, with
 * the time of their first sight. Too young by at most the time between two looks and a 32nd of the
 * longest lag since there was none.
 */
struct admin_lag {
	uint32_t count;
	uint64_t apart_ns; /* between two that are kept, at least */
	struct {
		uint64_t position, time_ns;
	} seen[ADMIN_LAG_SEEN];
};
void admin_lag_see(struct admin_lag *lag, uint64_t now_ns, uint64_t reached, uint64_t done);
uint64_t admin_lag_ns(const struct admin_lag *lag, uint64_t now_ns);

/* Share of the last whole second or so. */
struct admin_share {
	uint64_t since_ns, busy_ns;
	uint32_t permille;
};
void admin_share_see(struct admin_share *share, uint64_t now_ns, uint64_t busy_ns);

/* By shard. */
struct admin_samples {
	struct admin_lag store_lag[LIMIT_SHARDS]; /* durable and not yet in the log tables */
	struct admin_share busy[LIMIT_SHARDS];    /* of the worker's time */
};

static inline uint64_t admin_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

#endif
