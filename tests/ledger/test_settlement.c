/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes: their bytes, and from a score to every selection of a market. */
#include "tests/test.h"

#include <errno.h>

#include "dataplane/ledger/settlement.h"

#define OUTCOME(...) ((struct settlement_outcome){ __VA_ARGS__ })

/* One letter an outcome: W win, w half_win, V void, l half_lose, L lose. */
static enum settlement_kind kind_of(char letter)
{
	switch (letter) {
	case 'W':
		return SETTLEMENT_WIN;
	case 'w':
		return SETTLEMENT_HALF_WIN;
	case 'V':
		return SETTLEMENT_VOID;
	case 'l':
		return SETTLEMENT_HALF_LOSE;
	case 'L':
		return SETTLEMENT_LOSE;
	default:
		fail_msg("no outcome is called %c", letter);
		return SETTLEMENT_OPEN;
	}
}

/* What the other side of a two-sided market has. */
static enum settlement_kind other_side(char letter)
{
	static const char from[] = "WwVlL", to[] = "LlVwW";

	return kind_of(to[strchr(from, letter) - from]);
}

static void check_two_sided(
    const struct settlement_outcomes *outcomes, char letter, const char *what, int line, int margin)
{
	assert_true(settlement_outcomes_complete(outcomes, 2));
	if (outcomes->of[0].kind != kind_of(letter) || outcomes->of[1].kind != other_side(letter))
		fail_msg("%s %d quarters, %d goals: %s and %s, expected %c", what, line, margin,
		    settlement_kind_name(outcomes->of[0].kind),
		    settlement_kind_name(outcomes->of[1].kind), letter);
}

/* ---- From a score ---- */

TEST(handicap_by_line_and_margin)
{
	/* By home's goals less away's, -4 to 4, as in the tables bookmakers publish. */
	static const struct {
		int quarters;
		const char *home;
	} cases[] = {
		{ -18, "LLLLLLLLL" }, /* -4.5 */
		{ -17, "LLLLLLLLl" },
		{ -16, "LLLLLLLLV" },
		{ -15, "LLLLLLLLw" },
		{ -14, "LLLLLLLLW" },
		{ -13, "LLLLLLLlW" },
		{ -12, "LLLLLLLVW" }, /* -3 */
		{ -11, "LLLLLLLwW" },
		{ -10, "LLLLLLLWW" },
		{ -9, "LLLLLLlWW" },
		{ -8, "LLLLLLVWW" }, /* -2: by 3 wins, by 2 void, else lost */
		{ -7, "LLLLLLwWW" }, /* -1.5, -2: by 3 wins, by 2 half wins, by 1 lost */
		{ -6, "LLLLLLWWW" },
		{ -5, "LLLLLlWWW" }, /* -1, -1.5: by 2 wins, by 1 half lost */
		{ -4, "LLLLLVWWW" },
		{ -3, "LLLLLwWWW" }, /* -0.5, -1: by 2 wins, by 1 half wins, a draw loses */
		{ -2, "LLLLLWWWW" },
		{ -1, "LLLLlWWWW" }, /* 0, -0.5: a draw loses half */
		{ 0, "LLLLVWWWW" },  /* draw no bet */
		{ 1, "LLLLwWWWW" },  /* 0, +0.5: a draw wins half */
		{ 2, "LLLLWWWWW" },
		{ 3, "LLLlWWWWW" }, /* +0.5, +1: losing by 1 loses half */
		{ 4, "LLLVWWWWW" },
		{ 5, "LLLwWWWWW" }, /* +1, +1.5: losing by 1 wins half */
		{ 6, "LLLWWWWWW" },
		{ 7, "LLlWWWWWW" }, /* +1.5, +2: losing by 2 loses half */
		{ 8, "LLVWWWWWW" },
		{ 9, "LLwWWWWWW" },
		{ 10, "LLWWWWWWW" },
		{ 11, "LlWWWWWWW" },
		{ 12, "LVWWWWWWW" },
		{ 13, "LwWWWWWWW" },
		{ 14, "LWWWWWWWW" },
		{ 15, "lWWWWWWWW" },
		{ 16, "VWWWWWWWW" },
		{ 17, "wWWWWWWWW" },
		{ 18, "WWWWWWWWW" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		for (int margin = -4; margin <= 4; margin++)
			for (int away = margin < 0 ? -margin : 0; away < 8; away++) {
				struct settlement_score score = { (uint16_t)(away + margin),
					(uint16_t)away };
				struct settlement_outcomes outcomes;

				assert_int_equal(
				    settlement_handicap(score, cases[i].quarters, &outcomes), 0);
				check_two_sided(&outcomes, cases[i].home[margin + 4], "handicap",
				    cases[i].quarters, margin);
			}
}

TEST(over_under_by_line_and_goals)
{
	static const struct {
		int quarters;
		const char *over; /* by goals, 0 to 7 */
	} cases[] = {
		{ 1, "lWWWWWWW" },
		{ 2, "LWWWWWWW" },
		{ 3, "LwWWWWWW" },
		{ 4, "LVWWWWWW" },
		{ 5, "LlWWWWWW" },
		{ 6, "LLWWWWWW" },
		{ 7, "LLwWWWWW" },
		{ 8, "LLVWWWWW" },
		{ 9, "LLlWWWWW" },  /* 2.25: 2 goals lose half of over, win half of under */
		{ 10, "LLLWWWWW" }, /* 2.5 */
		{ 11, "LLLwWWWW" }, /* 2.75: 3 goals win half of over, lose half of under */
		{ 12, "LLLVWWWW" }, /* 3: 3 goals are void */
		{ 13, "LLLlWWWW" },
		{ 14, "LLLLWWWW" },
		{ 15, "LLLLwWWW" },
		{ 16, "LLLLVWWW" },
		{ 17, "LLLLlWWW" },
		{ 18, "LLLLLWWW" },
		{ 19, "LLLLLwWW" },
		{ 20, "LLLLLVWW" },
		{ 21, "LLLLLlWW" }, /* 5 1/4: 5 goals tie half of under and win the other half */
		{ 22, "LLLLLLWW" },
		{ 23, "LLLLLLwW" },
		{ 24, "LLLLLLVW" },
		{ 28, "LLLLLLLV" },
		{ 30, "LLLLLLLL" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		for (unsigned goals = 0; goals < 8; goals++)
			for (unsigned home = 0; home <= goals; home++) {
				struct settlement_score score = { (uint16_t)home,
					(uint16_t)(goals - home) };
				struct settlement_outcomes outcomes;

				assert_int_equal(
				    settlement_over_under(score, cases[i].quarters, &outcomes), 0);
				check_two_sided(&outcomes, cases[i].over[goals], "over/under",
				    cases[i].quarters, (int)goals);
			}
}

TEST(home_draw_away)
{
	static const struct {
		struct settlement_score score;
		unsigned winner;
	} cases[] = {
		{ { 0, 0 }, 1 },
		{ { 1, 0 }, 0 },
		{ { 0, 1 }, 2 },
		{ { 5, 1 }, 0 },
		{ { 3, 3 }, 1 },
		{ { 2, 7 }, 2 },
		{ { SETTLEMENT_GOALS_MAX, 0 }, 0 },
		{ { 0, SETTLEMENT_GOALS_MAX }, 2 },
		{ { SETTLEMENT_GOALS_MAX, SETTLEMENT_GOALS_MAX }, 1 },
		{ { SETTLEMENT_GOALS_MAX, SETTLEMENT_GOALS_MAX - 1 }, 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct settlement_outcomes outcomes;

		settlement_1x2(cases[i].score, &outcomes);
		assert_true(settlement_outcomes_complete(&outcomes, 3));
		for (unsigned selection = 0; selection < 3; selection++)
			assert_case_equal(i, outcomes.of[selection].kind,
			    selection == cases[i].winner ? SETTLEMENT_WIN : SETTLEMENT_LOSE);
	}
}

/* A handicap of 0 is 1X2 with the draw void; over 2.5 of one team's goals is its handicap -2.5. */
TEST(markets_agree_with_each_other)
{
	for (uint16_t home = 0; home < 9; home++)
		for (uint16_t away = 0; away < 9; away++) {
			struct settlement_outcomes match, level, over, handicap;

			settlement_1x2((struct settlement_score){ home, away }, &match);
			assert_int_equal(
			    settlement_handicap((struct settlement_score){ home, away }, 0, &level),
			    0);
			if (home == away)
				assert_int_equal(level.of[0].kind, SETTLEMENT_VOID);
			else
				assert_int_equal(level.of[0].kind, match.of[0].kind);
			for (int line = 1; line < 40; line++) {
				struct settlement_score alone = { (uint16_t)(home + away), 0 };

				assert_int_equal(settlement_over_under(alone, line, &over), 0);
				assert_int_equal(settlement_handicap(alone, -line, &handicap), 0);
				assert_memory_equal(&over, &handicap, sizeof(over));
			}
		}
}

TEST(lines_out_of_range_are_refused_and_change_nothing)
{
	static const struct {
		int over_under;
		int quarters;
		int error;
	} cases[] = {
		{ 1, 0, -EINVAL },
		{ 1, -1, -EINVAL },
		{ 1, INT32_MIN, -EINVAL },
		{ 1, 1, 0 },
		{ 1, SETTLEMENT_LINE_MAX, 0 },
		{ 1, SETTLEMENT_LINE_MAX + 1, -EINVAL },
		{ 1, INT32_MAX, -EINVAL },
		{ 0, 0, 0 },
		{ 0, SETTLEMENT_LINE_MAX, 0 },
		{ 0, -SETTLEMENT_LINE_MAX, 0 },
		{ 0, SETTLEMENT_LINE_MAX + 1, -EINVAL },
		{ 0, -SETTLEMENT_LINE_MAX - 1, -EINVAL },
		{ 0, INT32_MIN, -EINVAL },
		{ 0, INT32_MAX, -EINVAL },
	};
	struct settlement_score score = { SETTLEMENT_GOALS_MAX, SETTLEMENT_GOALS_MAX };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct settlement_outcomes outcomes, before;
		int error;

		memset(&before, 0xee, sizeof(before));
		outcomes = before;
		error = cases[i].over_under
		            ? settlement_over_under(score, cases[i].quarters, &outcomes)
		            : settlement_handicap(score, cases[i].quarters, &outcomes);
		assert_case_equal(i, error, cases[i].error);
		if (error != 0)
			assert_memory_equal(&outcomes, &before, sizeof(before));
		else
			assert_true(settlement_outcomes_complete(&outcomes, 2));
	}
}

TEST(an_abandoned_match_is_void_for_every_selection)
{
	for (unsigned count = 1; count <= LIMIT_MARKET_SELECTIONS_MAX; count++) {
		struct settlement_outcomes outcomes;

		memset(&outcomes, 0xee, sizeof(outcomes));
		settlement_void(count, &outcomes);
		assert_true(settlement_outcomes_complete(&outcomes, count));
		for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
			assert_int_equal(
			    outcomes.of[i].kind, i < count ? SETTLEMENT_VOID : SETTLEMENT_OPEN);
	}
}

/* ---- Outcomes and their bytes ---- */

TEST(what_is_an_outcome)
{
	static const struct {
		struct settlement_outcome outcome;
		int valid;
	} cases[] = {
		{ { SETTLEMENT_OPEN, 0, 0 }, 1 },
		{ { SETTLEMENT_OPEN, 0, 1 }, 0 },
		{ { SETTLEMENT_WIN, 0, 0 }, 1 },
		{ { SETTLEMENT_WIN, 1, 2 }, 0 },
		{ { SETTLEMENT_WIN, 1, 0 }, 0 },
		{ { SETTLEMENT_LOSE, 0, 0 }, 1 },
		{ { SETTLEMENT_LOSE, 0, 2 }, 0 },
		{ { SETTLEMENT_VOID, 0, 0 }, 1 },
		{ { SETTLEMENT_VOID, 255, 255 }, 0 },
		{ { SETTLEMENT_HALF_WIN, 0, 0 }, 1 },
		{ { SETTLEMENT_HALF_WIN, 1, 2 }, 0 },
		{ { SETTLEMENT_HALF_LOSE, 0, 0 }, 1 },
		{ { SETTLEMENT_HALF_LOSE, 1, 2 }, 0 },
		{ { SETTLEMENT_DEAD_HEAT, 1, 2 }, 1 },
		{ { SETTLEMENT_DEAD_HEAT, 3, 6 }, 1 },
		{ { SETTLEMENT_DEAD_HEAT, 1, 255 }, 1 },
		{ { SETTLEMENT_DEAD_HEAT, 254, 255 }, 1 },
		{ { SETTLEMENT_DEAD_HEAT, 0, 0 }, 0 },
		{ { SETTLEMENT_DEAD_HEAT, 0, 2 }, 0 }, /* that is LOSE */
		{ { SETTLEMENT_DEAD_HEAT, 2, 2 }, 0 }, /* that is WIN */
		{ { SETTLEMENT_DEAD_HEAT, 3, 2 }, 0 },
		{ { SETTLEMENT_DEAD_HEAT, 255, 255 }, 0 },
		{ { SETTLEMENT_DEAD_HEAT, 1, 1 }, 0 },
		{ { 7, 0, 0 }, 0 },
		{ { 7, 1, 2 }, 0 },
		{ { 255, 0, 0 }, 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		assert_case_equal(i, settlement_outcome_valid(cases[i].outcome), cases[i].valid);
}

/* A result that is right: a dead heat of two for the first place of four. */
static const struct settlement_outcomes_disk disk_right = { .of = {
	                                                        { SETTLEMENT_DEAD_HEAT, 1, 2, 0 },
	                                                        { SETTLEMENT_LOSE, 0, 0, 0 },
	                                                        { SETTLEMENT_DEAD_HEAT, 1, 2, 0 },
	                                                        { SETTLEMENT_VOID, 0, 0, 0 },
	                                                    } };

TEST(bytes_on_disk_are_as_documented)
{
	static const uint8_t want[64] = { 6, 1, 2, 0, 2, 0, 0, 0, 6, 1, 2, 0, 3, 0, 0, 0 };
	struct settlement_outcomes_disk disk;
	struct settlement_outcomes outcomes = { .of = {
		                                    OUTCOME(SETTLEMENT_DEAD_HEAT, 1, 2),
		                                    OUTCOME(SETTLEMENT_LOSE, 0, 0),
		                                    OUTCOME(SETTLEMENT_DEAD_HEAT, 1, 2),
		                                    OUTCOME(SETTLEMENT_VOID, 0, 0),
		                                } };
	struct settlement_outcomes read;

	memset(&disk, 0xee, sizeof(disk));
	settlement_outcomes_write(&outcomes, 4, &disk);
	assert_memory_equal(&disk, want, sizeof(want));
	assert_memory_equal(&disk, &disk_right, sizeof(want));
	assert_int_equal(settlement_outcomes_read(&disk, 4, &read), 0);
	assert_memory_equal(&read, &outcomes, sizeof(read));
}

TEST(every_kind_has_its_number_and_name)
{
	static const char *const names[] = { "open", "win", "lose", "void", "half_win", "half_lose",
		"dead_heat" };

	for (unsigned kind = 0; kind < SLUICE_ARRAY_COUNT(names); kind++)
		assert_string_equal(settlement_kind_name(kind), names[kind]);
	assert_null(settlement_kind_name(SLUICE_ARRAY_COUNT(names)));
	assert_null(settlement_kind_name(UINT32_MAX));
	assert_string_equal(settlement_class_name(SETTLEMENT_PART_LOST), "part_lost");
	assert_null(settlement_class_name((enum settlement_class)99));
}

TEST(damaged_bytes_are_refused_and_change_nothing)
{
	static const struct {
		unsigned count;
		unsigned offset; /* of the byte set to `value` */
		uint8_t value;
		int error;
	} cases[] = {
		{ 4, 0, SETTLEMENT_DEAD_HEAT, 0 }, /* as it was */
		{ 3, 0, SETTLEMENT_DEAD_HEAT, -EBADMSG },
		{ 5, 0, SETTLEMENT_DEAD_HEAT, -EBADMSG },
		{ 0, 0, SETTLEMENT_DEAD_HEAT, -EBADMSG },
		{ 16, 0, SETTLEMENT_DEAD_HEAT, -EBADMSG },
		{ 17, 0, SETTLEMENT_DEAD_HEAT, -EBADMSG },
		{ UINT32_MAX, 0, SETTLEMENT_DEAD_HEAT, -EBADMSG },
		{ 4, 0, SETTLEMENT_OPEN, -EBADMSG },
		{ 4, 0, SETTLEMENT_WIN, -EBADMSG },
		{ 4, 0, 7, -EBADMSG },
		{ 4, 0, 255, -EBADMSG },
		{ 4, 1, 0, -EBADMSG },
		{ 4, 1, 2, -EBADMSG },
		{ 4, 2, 1, -EBADMSG },
		{ 4, 2, 3, 0 },
		{ 4, 3, 1, -EBADMSG },
		{ 4, 4, SETTLEMENT_WIN, 0 },
		{ 4, 4, SETTLEMENT_OPEN, -EBADMSG },
		{ 4, 5, 1, -EBADMSG },
		{ 4, 6, 1, -EBADMSG },
		{ 4, 15, 128, -EBADMSG },
		{ 4, 16, SETTLEMENT_WIN, -EBADMSG },
		{ 5, 16, SETTLEMENT_WIN, 0 },
		{ 4, 17, 1, -EBADMSG },
		{ 4, 19, 1, -EBADMSG },
		{ 4, 60, SETTLEMENT_LOSE, -EBADMSG },
		{ 4, 63, 1, -EBADMSG },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct settlement_outcomes_disk disk = disk_right;
		struct settlement_outcomes read, before;

		memset(&before, 0xee, sizeof(before));
		read = before;
		memcpy((uint8_t *)&disk + cases[i].offset, &cases[i].value, 1);
		assert_case_equal(
		    i, settlement_outcomes_read(&disk, cases[i].count, &read), cases[i].error);
		if (cases[i].error != 0)
			assert_memory_equal(&read, &before, sizeof(before));
	}
}

/* Whatever the bytes are, what is read is complete and is written back as it was. */
TEST(random_bytes_are_refused_or_come_back)
{
	uint64_t random = test_seed();
	unsigned taken = 0;

	for (unsigned round = 0; round < 20000; round++) {
		unsigned count = 1 + (unsigned)(test_random(&random) % LIMIT_MARKET_SELECTIONS_MAX);
		struct settlement_outcomes_disk disk = { 0 }, again;
		struct settlement_outcomes read;

		for (unsigned i = 0; i < count; i++) {
			uint64_t bits = test_random(&random);

			disk.of[i].kind = bits % 64 == 0 ? (uint8_t)(bits >> 8) : 1 + bits % 6;
			if (disk.of[i].kind == SETTLEMENT_DEAD_HEAT || bits % 61 == 0) {
				disk.of[i].places = (uint8_t)(bits >> 16) % 16;
				disk.of[i].winners = (uint8_t)(bits >> 24);
			}
			disk.of[i].reserved = bits % 127 == 0;
		}
		if (settlement_outcomes_read(&disk, count, &read) != 0)
			continue;
		assert_true(settlement_outcomes_complete(&read, count));
		settlement_outcomes_write(&read, count, &again);
		assert_memory_equal(&again, &disk, sizeof(disk));
		taken++;
	}
	assert_true(taken > 1000);
}

TEST_MAIN()
