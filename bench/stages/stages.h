/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages a request goes through, each by itself: what is prepared is not timed, what is run is.
 * Shared by the files of this folder.
 */
#ifndef SLUICE_BENCH_STAGES_H
#define SLUICE_BENCH_STAGES_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

#define STAGES_TERMINALS 650
#define STAGES_SEED      1

/*
 * `run` is what is measured: an exported function stage_run_<name> that is never inlined, so that
 * callgrind's counts are found under its name.
 */
struct stage {
	const char *name;
	const char *per; /* what one operation is */
	const char *about;
	void *(*create)(const char *directory); /* NULL: cannot be measured here */
	void (*prepare)(void *context);         /* before each run; NULL: nothing to do */
	void (*run)(void *context);
	void (*finish)(void *context);
	uint32_t operations; /* of one run */
	uint32_t runs_max;   /* 0: as many as the time allows */
	uint8_t needs_directory;
	uint8_t needs_two_cpus;
	uint8_t by_kernel; /* most of it is system calls or waiting: instructions say nothing */
};

#if __has_attribute(noclone) /* gcc's; clang makes no clones that could be counted apart */
#define STAGE_WHOLE __attribute__((noinline, noclone))
#else
#define STAGE_WHOLE __attribute__((noinline))
#endif

#define STAGE_RUN(name)                                                                            \
	void stage_run_##name(void *opaque);                                                       \
	STAGE_WHOLE void stage_run_##name(void *opaque)

extern const struct stage stages_wire[], stages_ledger[], stages_replay[], stages_disk[],
    stages_ring[];
extern const unsigned stages_wire_count, stages_ledger_count, stages_replay_count,
    stages_disk_count, stages_ring_count;

/* SplitMix64. */
static inline uint64_t stages_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Keeps a result alive without storing it. */
static inline void stages_keep(uint64_t value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}

/* Memory for a context, zeroed, on whole cache lines. Ends the process when there is none. */
void *stages_alloc(size_t size);

#endif
