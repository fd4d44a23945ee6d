/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a worker's turns goes, stage by stage. Compiled in by -Dstage_stamps=true only;
 * a stamp is then one read of the time stamp counter (some 10 ns), else nothing.
 *
 * STAMP(worker, name) gives everything since the stamp before it to `name`. The stamps of a turn
 * count when it moved anything, else all of it is `idle`. worker_end prints the sums to stderr: a
 * build with stamps is for measuring only, so a library may print here.
 */
#ifndef SLUICE_SHARD_STAMPS_H
#define SLUICE_SHARD_STAMPS_H

#ifndef SLUICE_STAGE_STAMPS

#define STAMP(worker, name)              ((void)0)
#define STAMP_TURN_BEGIN(worker)         ((void)0)
#define STAMP_TURN_END(worker, moved)    ((void)0)
#define STAMP_COUNT_ADD(worker, name, n) ((void)0)
#define STAMPS_PRINT(worker)             ((void)0)

#else

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

/* X(name, what is in it) */
#define STAMPS(X)                                                                                  \
	X(clock, "clocks, model, slow work owed")                                                  \
	X(receive, "burst from the port")                                                          \
	X(classify, "headers, home of the session, its prefetch")                                  \
	X(open, "session_open: replay, rate, AEAD")                                                \
	X(decode, "framing, decoding; mbuf freed")                                                 \
	X(prefetch, "rows of the burst")                                                           \
	X(window, "rights, request window, share, origin")                                         \
	X(reserve, "room in the batch, outcome begun")                                             \
	X(decide, "ledger_decide")                                                                 \
	X(apply, "ledger_apply_own")                                                               \
	X(append, "journal_writer_append, counters")                                               \
	X(outcome, "outcome from the event, ticket, pending table")                                \
	X(drains, "other shards, parcels, commands")                                               \
	X(slow, "walks, timers, tick, expiry")                                                     \
	X(hash, "state hash at batch close")                                                       \
	X(close, "batch sealed, written: checksum, io_uring submit")                               \
	X(poll, "completions reaped, buffers lent, the rest of worker_journal")                    \
	X(totals, "publish_totals")                                                                \
	X(complete, "release: window, reply filled in")                                            \
	X(encode, "answer encoded, buffer allocated")                                              \
	X(seal, "session_seal, headers")                                                           \
	X(transmit, "burst to the port")                                                           \
	X(account, "the turn's own counters")

/* X(name): how often. */
#define STAMP_COUNTS(X)                                                                            \
	X(datagrams)                                                                               \
	X(bursts) /* turns that took datagrams in */                                               \
	X(closes)                                                                                  \
	X(releases) /* turns that let answers go */                                                \
	X(released)

enum stamp_stage {
#define STAMP_NAME(name, text) STAMP_##name,
	STAMPS(STAMP_NAME)
#undef STAMP_NAME
	    STAMP_STAGES,
};

enum stamp_count {
#define STAMP_NAME(name) STAMP_COUNT_##name,
	STAMP_COUNTS(STAMP_NAME)
#undef STAMP_NAME
	    STAMP_COUNTERS,
};

struct worker_stamps {
	uint64_t last;
	uint64_t turn[STAMP_STAGES], total[STAMP_STAGES];
	uint64_t idle, turns, idle_turns;
	uint64_t begin, begin_ns;
	uint64_t counts[STAMP_COUNTERS];
};

#define STAMP(worker, name)                                                                        \
	do {                                                                                       \
		uint64_t stamp_now = __rdtsc();                                                    \
                                                                                                   \
		(worker)->stamps.turn[STAMP_##name] += stamp_now - (worker)->stamps.last;          \
		(worker)->stamps.last = stamp_now;                                                 \
	} while (0)
#define STAMP_TURN_BEGIN(worker)         stamps_turn_begin(&(worker)->stamps)
#define STAMP_TURN_END(worker, moved)    stamps_turn_end(&(worker)->stamps, moved)
#define STAMP_COUNT_ADD(worker, name, n) ((worker)->stamps.counts[STAMP_COUNT_##name] += (n))
#define STAMPS_PRINT(worker)             stamps_print(&(worker)->stamps)

static inline uint64_t stamps_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static inline void stamps_turn_begin(struct worker_stamps *stamps)
{
	uint64_t now = __rdtsc();

	if (stamps->begin == 0) {
		stamps->begin = now;
		stamps->begin_ns = stamps_clock_ns();
	} else {
		stamps->idle += now - stamps->last; /* what is between two turns */
	}
	stamps->last = now;
}

static inline void stamps_turn_end(struct worker_stamps *stamps, unsigned moved)
{
	for (unsigned i = 0; i < STAMP_STAGES; i++) {
		if (moved != 0)
			stamps->total[i] += stamps->turn[i];
		else
			stamps->idle += stamps->turn[i];
		stamps->turn[i] = 0;
	}
	stamps->turns += moved != 0;
	stamps->idle_turns += moved == 0;
}

/* A line for each stage: ns a released answer, share of the busy time. */
static inline void stamps_print(const struct worker_stamps *stamps)
{
	static const char *const names[] = {
#define STAMP_TEXT(name, text)           #name,
		STAMPS(STAMP_TEXT)
#undef STAMP_TEXT
	};
	static const char *const counts[] = {
#define STAMP_TEXT(name) #name,
		STAMP_COUNTS(STAMP_TEXT)
#undef STAMP_TEXT
	};
	double ns =
	    (double)(stamps_clock_ns() - stamps->begin_ns) / (double)(__rdtsc() - stamps->begin);
	double answers = (double)stamps->counts[STAMP_COUNT_released], busy = 0;

	for (unsigned i = 0; i < STAMP_STAGES; i++)
		busy += (double)stamps->total[i];
	fprintf(stderr, "stamps: busy %.3f s in %" PRIu64 " turns, idle %.3f s in %" PRIu64 "\n",
	    busy * ns / 1e9, stamps->turns, (double)stamps->idle * ns / 1e9, stamps->idle_turns);
	for (unsigned i = 0; i < STAMP_COUNTERS; i++)
		fprintf(stderr, "stamps: %s %" PRIu64 "\n", counts[i], stamps->counts[i]);
	for (unsigned i = 0; i < STAMP_STAGES && answers > 0; i++)
		fprintf(stderr, "stamps: %-9s %8.1f ns/answer %5.1f %%\n", names[i],
		    (double)stamps->total[i] * ns / answers, 100 * (double)stamps->total[i] / busy);
	fprintf(stderr, "stamps: %-9s %8.1f ns/answer\n", "all", busy * ns / answers);
}

#endif
#endif
