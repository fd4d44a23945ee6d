/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that is kept says what each time says by itself, in any order of times. */
#include "dataplane/risk/risk.h"
#include "dataplane/risk/risk_decay.h"
#include "tests/test.h"

#define SECOND 1000000000ull
#define DAY    (86400 * SECOND)
#define NOW    (20000 * DAY)
#define TIMES  20000

static uint64_t steps_between(uint64_t from, uint64_t to)
{
	return RISK_STEPS(from, to, RISK_STEP_24H_NS) + RISK_STEPS(from, to, RISK_STEP_7D_NS) +
	       RISK_STEPS(from, to, RISK_STEP_30D_NS);
}

static void expect(const struct risk_clock *clock, uint64_t time_ns, uint32_t offset_s)
{
	struct risk_rules rules = { .utc_offset_s = offset_s };
	uint64_t seconds = time_ns / SECOND, local = seconds + offset_s;
	uint32_t time_s = seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX - 1;

	assert_int_equal(clock->moment.time_s, time_s);
	assert_int_equal(clock->moment.week, time_s / (7 * 86400));
	assert_int_equal(clock->moment.hour, local / 3600 % 24);
	assert_int_equal(clock->moment.day, local / 86400 % 7);
	assert_int_equal(clock->local_day, risk_day(&rules, time_ns));
	assert_true(clock->steps_ns <= time_ns && steps_between(clock->steps_ns, time_ns) == 0);
	if (clock->steps_ns > 0)
		assert_true(steps_between(clock->steps_ns - 1, time_ns) > 0);
}

/* Both ends of what it holds for, and just beyond. */
static void expect_around(struct risk_clock *clock, uint64_t time_ns, uint32_t offset_s)
{
	const struct risk_clock kept = *clock;
	uint64_t last = kept.from_ns + kept.span_ns;
	const uint64_t times[] = { kept.from_ns, last, kept.from_ns - 1, last + 1, time_ns };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(times); i++) {
		risk_clock_at(clock, times[i], offset_s);
		expect(clock, times[i], offset_s);
		if (i < 2)
			assert_memory_equal(clock, &kept, sizeof(kept));
	}
}

TEST(any_time_after_any_other)
{
	static const uint64_t around[] = { 1000, SECOND, 60 * SECOND, DAY, 60 * DAY, UINT64_MAX };
	uint64_t random = test_seed(), time_ns = NOW;
	struct risk_clock clock = { 0 };
	uint32_t offset_s = 32400;

	expect(&(struct risk_clock){ 0 }, 0, 0);
	for (unsigned i = 0; i < TIMES; i++) {
		time_ns += test_random(&random) %
		           around[test_random(&random) % SLUICE_ARRAY_COUNT(around)];
		if (test_random(&random) % 16 == 0)
			offset_s = (uint32_t)(test_random(&random) % 86400);
		risk_clock_at(&clock, time_ns, offset_s);
		expect(&clock, time_ns, offset_s);
		if (test_random(&random) % 4 == 0)
			expect_around(&clock, time_ns, offset_s);
	}
	risk_clock_at(&clock, UINT64_MAX, 86399);
	expect(&clock, UINT64_MAX, 86399);
}

TEST(a_profile_learns_the_same_by_a_clock)
{
	static const uint64_t steps[] = { 1, SECOND, 30 * SECOND, 3600 * SECOND, 40 * DAY };
	struct risk_profile by_itself, by_clock;
	uint64_t random = test_seed() + 1, time_ns = NOW;
	struct risk_clock clock = { 0 };

	risk_profile_init(&by_itself, NOW + DAY); /* a clock that steps back, first */
	by_clock = by_itself;
	for (unsigned i = 0; i < TIMES; i++) {
		int64_t stake = 1 + (int64_t)(test_random(&random) % 100000);
		uint8_t score = (uint8_t)(test_random(&random) % 101);

		time_ns +=
		    test_random(&random) % steps[test_random(&random) % SLUICE_ARRAY_COUNT(steps)];
		risk_clock_at(&clock, time_ns, 0);
		risk_profile_bet(&by_itself, time_ns, stake, score);
		risk_profile_bet_clock(&by_clock, &clock, time_ns, stake, score);
		assert_memory_equal(&by_itself, &by_clock, sizeof(by_clock));
	}
}

TEST_MAIN()
