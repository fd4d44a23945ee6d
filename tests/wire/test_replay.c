/* SPDX-License-Identifier: Apache-2.0 */
/* The window's edges as numbered steps, and a comparison with a plain set of numbers. */
#include "tests/test.h"

#include "wire/assert.h"
#include "wire/replay.h"

#define W LIMIT_REPLAY_WINDOW

static int take(struct replay_window *window, uint64_t number)
{
	int fresh = replay_check(window, number);

	if (fresh)
		replay_set(window, number);
	return fresh;
}

TEST(numbered_walk_over_every_edge)
{
	static const struct {
		uint64_t number;
		int fresh;
	} steps[] = {
		{ 0, 0 },                        /* 0: never a packet number */
		{ 1, 1 },                        /* 1: the first */
		{ 1, 0 },                        /* 2: again */
		{ 9, 1 },                        /* 3: a gap */
		{ 8, 1 },                        /* 4: out of order, inside */
		{ 7, 1 },                        /* 5 */
		{ 7, 0 },                        /* 6 */
		{ 63, 1 },                       /* 7: last bit of a word */
		{ 64, 1 },                       /* 8: first bit of the next word */
		{ 63, 0 },                       /* 9 */
		{ 64, 0 },                       /* 10 */
		{ W, 1 },                        /* 11: 1 is the oldest inside now */
		{ 1, 0 },                        /* 12: seen */
		{ 2, 1 },                        /* 13: inside, not seen */
		{ W + 2, 1 },                    /* 14: 2 falls out, 3 is the oldest inside */
		{ 2, 0 },                        /* 15 */
		{ 3, 1 },                        /* 16: exactly at the edge */
		{ 3, 0 },                        /* 17 */
		{ W + 1, 1 },                    /* 18: below the highest, not seen */
		{ 3 * W, 1 },                    /* 19: past the whole ring */
		{ 2 * W, 0 },                    /* 20: one too old */
		{ 2 * W + 1, 1 },                /* 21: the oldest inside, cleared by the jump */
		{ W + 2, 0 },                    /* 22: old, its word is reused */
		{ 3 * W - 1, 1 },                /* 23 */
		{ 100 * W + 5, 1 },              /* 24: a jump of many rings */
		{ 100 * W + 4, 1 },              /* 25 */
		{ 99 * W + 6, 1 },               /* 26: the oldest inside */
		{ 99 * W + 5, 0 },               /* 27 */
		{ 100 * W + 5, 0 },              /* 28 */
		{ LIMIT_PACKET_COUNTER_MAX, 1 }, /* 29 */
		{ LIMIT_PACKET_COUNTER_MAX, 0 }, /* 30 */
		{ LIMIT_PACKET_COUNTER_MAX - W + 1, 1 }, /* 31 */
		{ LIMIT_PACKET_COUNTER_MAX - W, 0 },     /* 32 */
		{ UINT64_MAX, 1 },     /* 33: arithmetic at the top does not wrap */
		{ UINT64_MAX - 1, 1 }, /* 34 */
		{ UINT64_MAX, 0 },     /* 35 */
		{ 5, 0 },              /* 36 */
	};
	struct replay_window window;

	replay_reset(&window);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(steps); i++)
		assert_case_equal(i, take(&window, steps[i].number), steps[i].fresh);
}

TEST(check_alone_changes_nothing)
{
	struct replay_window window, before;

	replay_reset(&window);
	replay_set(&window, 700);
	before = window;
	assert_int_equal(replay_check(&window, 5000), 1);
	assert_int_equal(replay_check(&window, 699), 1);
	assert_int_equal(replay_check(&window, 10), 0);
	assert_memory_equal(&window, &before, sizeof(window));
}

TEST(ascending_and_descending_runs)
{
	struct replay_window window;

	replay_reset(&window);
	for (uint64_t n = 1; n <= 4 * W; n++)
		assert_case_equal(n, take(&window, n), 1);
	for (uint64_t n = 1; n <= 4 * W; n++)
		assert_case_equal(n, replay_check(&window, n), 0);
	replay_reset(&window);
	for (uint64_t n = W; n >= 1; n--)
		assert_case_equal(n, take(&window, n), 1);
	for (uint64_t n = 1; n <= W; n++)
		assert_case_equal(n, replay_check(&window, n), 0);
}

TEST(reset_forgets)
{
	struct replay_window window;

	replay_reset(&window);
	replay_set(&window, 1000);
	replay_reset(&window);
	assert_int_equal(replay_check(&window, 1), 1);
}

/* Random walk around a moving front, against an array that remembers every number. */
TEST(random_walk_agrees_with_a_plain_set)
{
	enum { NUMBERS = 60000 };
	static uint8_t seen[NUMBERS];
	uint64_t random = test_seed(), highest = 0;
	struct replay_window window;

	memset(seen, 0, sizeof(seen));
	replay_reset(&window);
	for (int i = 0; i < 200000; i++) {
		uint64_t draw = test_random(&random);
		uint64_t ahead = draw % 64 == 0 ? draw / 64 % 1200 : draw / 64 % 4;
		uint64_t back = draw >> 40 & 0x1ff;
		uint64_t number = highest + ahead > back ? highest + ahead - back : 0;
		int want;

		if (number >= NUMBERS) {
			memset(seen, 0, sizeof(seen));
			replay_reset(&window);
			highest = 0;
			continue;
		}
		want = number != 0 && !seen[number] && (number > highest || highest - number < W);
		assert_case_equal(i, take(&window, number), want);
		seen[number] = 1;
		if (number > highest)
			highest = number;
	}
}

TEST_MAIN()
