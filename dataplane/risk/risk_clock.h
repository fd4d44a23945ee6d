/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a time comes to: second, week, day and hour of the operator, steps of decay. Many
 * transactions are in one second, so a ledger keeps it from one to the next; it holds nothing but
 * what the time and the time zone say, and is made anew where they are others.
 */
#ifndef SLUICE_RISK_CLOCK_H
#define SLUICE_RISK_CLOCK_H

#include <stdint.h>

#include "wire/assert.h"

/* Of a second. */
struct risk_moment {
	uint32_t time_s; /* since 1970, at most UINT32_MAX - 1 */
	uint32_t week;
	uint8_t hour, day; /* local; day 0 is Thursday, as 1970 began */
	uint8_t reserved[2];
};

struct risk_clock {
	uint64_t from_ns, span_ns; /* holds for times from here to from_ns + span_ns */
	uint64_t steps_ns; /* since when no step of a day, 7 or 30 days began (risk_decay.h) */
	struct risk_moment moment;
	uint32_t utc_offset_s, local_day; /* of rules; as risk_day has it */
};

/* Of any time. A clock of zeros is that of 1970 in Greenwich. */
void risk_clock_set(struct risk_clock *clock, uint64_t time_ns, uint32_t utc_offset_s);
/* The moment alone; the number of its local day. */
uint32_t risk_moment_set(struct risk_moment *moment, uint64_t time_ns, uint32_t utc_offset_s);

/* As of this time, from now on. */
static inline void risk_clock_at(struct risk_clock *clock, uint64_t time_ns, uint32_t utc_offset_s)
{
	if (SLUICE_UNLIKELY(
	        time_ns - clock->from_ns > clock->span_ns || utc_offset_s != clock->utc_offset_s))
		risk_clock_set(clock, time_ns, utc_offset_s);
}

#endif
