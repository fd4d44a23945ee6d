/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives one market its result in the middle of a load, in a thread of its own, and watches until
 * every bet of it is settled, durably. The load tells latencies of that time from the others.
 */
#ifndef SLUICE_BENCH_SETTLE_H
#define SLUICE_BENCH_SETTLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "wire/assert.h"

#define SETTLE_MESSAGE_SIZE 512

struct settle {
	const char *admin_path;
	uint64_t market_id;
	uint32_t selection_count; /* the first one wins */
	uint64_t begin_ns;        /* when to send it; CLOCK_MONOTONIC */
	/* CLOCK_MONOTONIC; UINT64_MAX: not yet. Stored by the thread, loaded by the loop (S1). */
	_Atomic uint64_t started_ns, ended_ns;
	uint64_t bets; /* settled */
	int failed;
	char message[SETTLE_MESSAGE_SIZE];
	pthread_t thread;
	int running;
};

/* market_id 0: nothing will ever be settled. */
void settle_init(struct settle *settle);
/* 0 or -errno. The struct must stay where it is until settle_finish. */
SLUICE_MUST_USE int settle_start(struct settle *settle);
/* Waits for the end. failed and message say whether it came to it. */
void settle_finish(struct settle *settle);

/* 1 when a request that was due at intended_ns and answered at now_ns met the settlement. */
static inline int settle_meets(struct settle *settle, uint64_t intended_ns, uint64_t now_ns)
{
	/* S1 */
	return now_ns >= atomic_load_explicit(&settle->started_ns, memory_order_relaxed) &&
	       intended_ns <= atomic_load_explicit(&settle->ended_ns, memory_order_relaxed);
}

/* 1 when the settlement has not begun at now_ns. */
static inline int settle_follows(struct settle *settle, uint64_t now_ns)
{
	/* S1 */
	return now_ns < atomic_load_explicit(&settle->started_ns, memory_order_relaxed);
}

#endif
