/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_clock.h"

#include "dataplane/risk/risk_internal.h"

uint32_t risk_moment_set(struct risk_moment *moment, uint64_t time_ns, uint32_t utc_offset_s)
{
	uint64_t seconds = time_ns / RISK_SECOND_NS, local = seconds + utc_offset_s;
	uint32_t days = (uint32_t)(local / RISK_DAY_S); /* 2^64 ns are less than 2^18 */
	uint32_t time_s = seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX - 1;

	*moment = (struct risk_moment){
		.time_s = time_s,
		.week = time_s / RISK_WEEK_S,
		.hour = (uint8_t)((uint32_t)(local - (uint64_t)days * RISK_DAY_S) / 3600),
		.day = (uint8_t)(days % 7),
	};
	return days;
}

/* Into [*from, *last], which has time_ns, what of it is in the same step; the step's begin. */
static uint64_t step_narrow(uint64_t time_ns, uint64_t step_ns, uint64_t *from, uint64_t *last)
{
	uint64_t begin = time_ns / step_ns * step_ns, end;

	if (begin > *from)
		*from = begin;
	if (!__builtin_add_overflow(begin, step_ns - 1, &end) && end < *last)
		*last = end;
	return begin;
}

void risk_clock_set(struct risk_clock *clock, uint64_t time_ns, uint32_t utc_offset_s)
{
	static const uint64_t steps[] = { RISK_STEP_24H_NS, RISK_STEP_7D_NS, RISK_STEP_30D_NS };
	uint64_t from = 0, last = UINT64_MAX;

	clock->steps_ns = 0;
	(void)step_narrow(time_ns, RISK_SECOND_NS, &from, &last);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(steps); i++) {
		uint64_t begin = step_narrow(time_ns, steps[i], &from, &last);

		if (begin > clock->steps_ns)
			clock->steps_ns = begin;
	}
	clock->from_ns = from;
	clock->span_ns = last - from;
	clock->utc_offset_s = utc_offset_s;
	clock->local_day = risk_moment_set(&clock->moment, time_ns, utc_offset_s);
}
