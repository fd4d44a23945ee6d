/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <time.h>

#include "tests/sim/disk.h"

#define SECOND_NS 1000000000ull
/* The switch was booted a while ago, in the year 2027. */
#define MONOTONIC_START (1000 * SECOND_NS)
#define REALTIME_START  (1800000000 * SECOND_NS)

static uint64_t elapsed_ns;
static int64_t jumped_ns;

void sim_clock_reset(void)
{
	elapsed_ns = 0;
	jumped_ns = 0;
}

uint64_t sim_clock_ns(void)
{
	return MONOTONIC_START + elapsed_ns;
}

void sim_clock_advance(uint64_t ns)
{
	elapsed_ns += ns;
}

void sim_clock_jump(int64_t ns)
{
	jumped_ns += ns;
}

static uint64_t realtime_ns(void)
{
	return REALTIME_START + elapsed_ns + (uint64_t)jumped_ns;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	uint64_t ns = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? realtime_ns()
	                                                                        : sim_clock_ns();

	now->tv_sec = (time_t)(ns / SECOND_NS);
	now->tv_nsec = (long)(ns % SECOND_NS);
	return 0;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
	sim_clock_advance((uint64_t)wanted->tv_sec * SECOND_NS + (uint64_t)wanted->tv_nsec);
	if (left != NULL)
		*left = (struct timespec){ 0 };
	return 0;
}

int __wrap_clock_nanosleep(
    clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
	uint64_t until = (uint64_t)wanted->tv_sec * SECOND_NS + (uint64_t)wanted->tv_nsec;
	uint64_t now = clock == CLOCK_REALTIME ? realtime_ns() : sim_clock_ns();

	if ((flags & TIMER_ABSTIME) == 0)
		return __wrap_nanosleep(wanted, left);
	if (until > now)
		sim_clock_advance(until - now);
	return 0;
}
