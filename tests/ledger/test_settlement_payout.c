/* SPDX-License-Identifier: Apache-2.0 */
/* Payouts: published examples, boundaries, and vectors made by another way. */
#include "tests/test.h"

#include "tests/ledger/settlement_bet.h"

#define LINE_SIZE  512
#define TEN(leg)   leg " " leg " " leg " " leg " " leg " " leg " " leg " " leg " " leg " " leg
#define NINE(leg)  leg " " leg " " leg " " leg " " leg " " leg " " leg " " leg " " leg
#define THREE(leg) leg " " leg " " leg

/* ---- Bets as text: "ODDS:OUTCOME ...", a dead heat as dead_heat:PLACES/WINNERS ---- */

static long long number_read(const char **text, char end)
{
	char *stop;
	long long number = strtoll(*text, &stop, 10);

	if (stop == *text || (*stop != end && *stop != '\0'))
		fail_msg("not a number: %s", *text);
	*text = *stop == '\0' ? stop : stop + 1;
	return number;
}

static struct settlement_outcome outcome_read(const char **text)
{
	struct settlement_outcome outcome = { 0 };
	size_t size = strcspn(*text, " :");

	for (unsigned kind = 0; kind < SETTLEMENT_KINDS; kind++) {
		const char *name = settlement_kind_name(kind);

		if (strlen(name) != size || memcmp(name, *text, size) != 0)
			continue;
		outcome.kind = (uint8_t)kind;
		*text += size + ((*text)[size] != '\0');
		if (kind == SETTLEMENT_DEAD_HEAT) {
			outcome.places = (uint8_t)number_read(text, '/');
			outcome.winners = (uint8_t)number_read(text, ' ');
		}
		return outcome;
	}
	fail_msg("no outcome: %s", *text);
	return outcome;
}

static struct bet bet_read(int64_t stake, const char *text)
{
	struct bet bet = { .stake = stake };

	while (*text != '\0') {
		assert_true(bet.count < LIMIT_BET_LEGS_MAX);
		bet.legs[bet.count].odds = (uint32_t)number_read(&text, ':');
		bet.legs[bet.count++].outcome = outcome_read(&text);
	}
	return bet;
}

/* ---- The table ---- */

#define UNDECIDED SETTLEMENT_UNDECIDED
#define LOST      SETTLEMENT_LOST
#define REFUNDED  SETTLEMENT_REFUNDED
#define WON       SETTLEMENT_WON
#define PART_WON  SETTLEMENT_PART_WON
#define PART_LOST SETTLEMENT_PART_LOST

static const struct {
	int64_t stake;
	const char *legs;
	enum settlement_class class;
	int64_t payout;
} table[] = {
	/* Singles. */
	{ 1000, "2000:win", WON, 2000 },
	{ 1000, "2000:lose", LOST, 0 },
	{ 1000, "2000:void", REFUNDED, 1000 },
	{ 1000, "2000:half_win", PART_WON, 1500 },
	{ 1000, "2000:half_lose", PART_LOST, 500 },
	{ 1000, "2000:dead_heat:1/2", PART_LOST, 1000 },
	{ 1000, "2000:open", UNDECIDED, 0 },
	{ 1000, "1001:win", WON, 1001 },
	{ 1000, "1001:half_win", PART_LOST, 1000 }, /* 1,000.5 */
	{ 2000, "1001:half_win", PART_WON, 2001 },
	{ 999, "1333:win", WON, 1331 }, /* 1,331.667 */
	{ 999, "1333:half_win", PART_WON,
	    1165 }, /* 1,165.3335; two halves of 499 would give 1,164 */
	{ 999, "1333:half_lose", PART_LOST, 499 },
	{ 999, "1333:void", REFUNDED, 999 },
	{ 999, "1333:dead_heat:1/2", PART_LOST, 665 },
	{ 999, "1333:dead_heat:2/3", PART_LOST, 887 }, /* 887.778 */
	{ 999, "4000:dead_heat:1/3", PART_WON, 1332 },
	{ 1, "1001:win", WON, 1 },
	{ 1, "1999:win", WON, 1 },
	{ 1, "2000:win", WON, 2 },
	{ 1, "2999:half_win", PART_LOST, 1 },
	{ 1, "3000:half_win", PART_WON, 2 },
	{ 1, "2000:half_lose", PART_LOST, 0 },
	{ 2, "2000:half_lose", PART_LOST, 1 },
	{ 3, "2000:half_lose", PART_LOST, 1 },
	{ 1, "2000:dead_heat:1/3", PART_LOST, 0 },
	{ 1, "3000:dead_heat:1/3", PART_LOST, 1 },
	{ 0, "2000:win", WON, 0 },
	{ 0, "2000:void", REFUNDED, 0 },
	{ 0, "2000:half_win", PART_LOST, 0 },

	/* Examples that bookmakers and guides publish, in their money. */
	{ 10000, "1825:win", WON, 18250 },                /* 3/4 ball given, won by two */
	{ 10000, "1825:half_win", PART_WON, 14125 },      /* won by one: half of the net winning */
	{ 10000, "2075:half_lose", PART_LOST, 5000 },     /* the other side of it */
	{ 10000, "2075:win", WON, 20750 },                /* and with a draw */
	{ 10000, "1975:win", WON, 19750 },                /* 197.50 of 100 */
	{ 1000, "2050:win", WON, 2050 },                  /* +2, lost by one */
	{ 1000, "2050:void", REFUNDED, 1000 },            /* +2, lost by two */
	{ 1000, "2050:lose", LOST, 0 },                   /* +2, lost by three */
	{ 100000, "1900:half_lose", PART_LOST, 50000 },   /* 1,000 on +1.75, lost by two */
	{ 5000, "2500:dead_heat:1/2", PART_WON, 6250 },   /* best of three, two tied */
	{ 5000, "3000:dead_heat:3/6", PART_WON, 7500 },   /* top ten, six tied for eighth */
	{ 10000, "4000:dead_heat:1/3", PART_WON, 13333 }, /* top five, three tied for fifth */
	{ 2000, "5000:dead_heat:1/2", PART_WON, 5000 },   /* the place part, joint third */
	{ 10000, "3000:dead_heat:1/2", PART_WON, 15000 }, /* half of the face value */
	{ 30000, "2070:win 2360:win 2010:win", WON, 294577 },
	{ 30000, "2070:half_lose 2360:win 2010:win", PART_WON, 71154 },  /* 711.54 */
	{ 100000, "2130:win 1900:win 1900:half_win", PART_WON, 586815 }, /* net 4,868.15 */
	/* Of 1,000: 26.93, 20.05, 6.68 and 2.91 times. */
	{ 100000, "2015:win 1755:win 2045:win 1895:win 1965:win", WON, 2692881 },
	{ 100000, "2015:win 1755:win 2045:half_win 1895:win 1965:win", PART_WON, 2004847 },
	{ 100000, "2015:half_lose 1755:win 2045:win 1895:win 1965:win", PART_WON, 668208 },
	{ 100000, "2015:win 1755:half_lose 2045:half_win 1895:win 1965:void", PART_WON, 290677 },

	/* Accumulators: one rounding, at the end. */
	{ 1, "1500:win 1500:win", WON, 2 }, /* 2.25; leg by leg it would be 1 */
	{ 1, "1500:win 1500:win 1500:win 1500:win", WON, 5 },
	{ 3, "2000:half_lose 2000:half_lose 4000:win", PART_LOST, 3 },
	{ 1, "2000:half_lose 2000:win", PART_LOST, 1 }, /* leg by leg: 0 */
	{ 1, "2000:half_lose 2000:half_lose 8000:win", PART_WON, 2 },
	{ 1, "3000:dead_heat:1/3 3000:dead_heat:1/3", PART_LOST, 1 },
	{ 1, "1500:dead_heat:1/3 2000:win", PART_LOST, 1 },
	{ 7, "2000:dead_heat:1/7 2000:void", PART_LOST, 2 },
	{ 1000, "1850:win 1920:win 2110:win", WON, 7494 },
	{ 1000, "1850:win 1920:void 2110:win", WON, 3903 },
	{ 1000, "1850:void 1920:void 2110:win", WON, 2110 },
	{ 1000, "1850:void 1920:void 2110:void", REFUNDED, 1000 },
	{ 1000, "1850:half_win 1920:void 2110:void", PART_WON, 1425 },
	{ 1000, "1850:half_lose 1920:void 2110:void", PART_LOST, 500 },
	{ 1000, "1850:half_win 1920:half_win 2110:half_win", PART_WON, 3235 },
	{ 1000, "1850:half_lose 1920:half_lose 2110:half_lose", PART_LOST, 125 },
	{ 1000, "2000:half_lose 2000:win", PART_LOST, 1000 }, /* even, but not by being void */
	{ 1000, "1850:dead_heat:1/2 1920:dead_heat:2/3", PART_WON, 1184 },
	{ 1000, "1850:dead_heat:2/4 1920:dead_heat:4/6", PART_WON,
	    1184 }, /* not reduced: the same */

	/* Decided early, or not yet. */
	{ 1000, "1850:lose 1920:open 2110:open", LOST, 0 },
	{ 1000, "1850:open 1920:open 2110:lose", LOST, 0 },
	{ 1000, "1850:open 1920:lose 2110:win", LOST, 0 },
	{ 1000, "1850:void 1920:lose", LOST, 0 },
	{ 1000, "1850:half_lose 1920:lose", LOST, 0 },
	{ 1000, "1850:lose 1920:lose", LOST, 0 },
	{ 1000, "1850:open 1920:win", UNDECIDED, 0 },
	{ 1000, "1850:void 1920:open", UNDECIDED, 0 },
	{ 1000, "1850:half_lose 1920:open", UNDECIDED, 0 },
	{ 1000, "1850:dead_heat:1/255 1920:open", UNDECIDED, 0 },
	{ 1000, "1850:open 1920:open", UNDECIDED, 0 },
	{ 1, "2000:half_lose 2000:half_lose 2000:open", UNDECIDED, 0 },
	{ LIMIT_STAKE_MAX, NINE("10000000:win") " 1001:lose", LOST, 0 },
	{ LIMIT_STAKE_MAX, "1001:lose " NINE("10000000:open"), LOST, 0 },
	{ LIMIT_STAKE_MAX, NINE("10000000:win") " 1001:open", UNDECIDED, 0 },
	{ LIMIT_STAKE_MAX, NINE("10000000:open") " 1001:win", UNDECIDED, 0 },
	{ LIMIT_STAKE_MAX, TEN("10000000:open"), UNDECIDED, 0 },

	/* Boundaries. */
	{ LIMIT_STAKE_MAX, "1001:win", WON, 1001000000000 },
	{ LIMIT_STAKE_MAX, "1001:half_win", PART_WON, 1000500000000 },
	{ LIMIT_STAKE_MAX, "10000000:half_lose", PART_LOST, 500000000000 },
	{ LIMIT_STAKE_MAX, "10000000:void", REFUNDED, LIMIT_STAKE_MAX },
	{ LIMIT_STAKE_MAX, "10000000:win", WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, "10000000:half_win", PART_WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, "1000000:win", WON, LIMIT_PAYOUT_MAX },
	{ LIMIT_STAKE_MAX, "1000001:win", WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, "1999000:half_win", PART_WON, LIMIT_PAYOUT_MAX },
	{ LIMIT_STAKE_MAX, "1999001:half_win", PART_WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, "10000000:dead_heat:1/10", PART_WON, LIMIT_PAYOUT_MAX },
	{ LIMIT_STAKE_MAX, "10000000:dead_heat:1/9", PART_WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, "10000000:dead_heat:254/255", PART_WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, "10000000:dead_heat:1/255", PART_WON, 39215686274509 },
	{ 100000000000, "10000000:win", WON, LIMIT_PAYOUT_MAX },
	{ 100000000001, "10000000:win", WON, TOO_MUCH },
	{ 1, "10000000:win 10000000:win 10000000:win", WON, 1000000000000 },
	{ 1, "10000000:win 10000000:win 10000000:win 1000000:win", WON, LIMIT_PAYOUT_MAX },
	{ 1, "10000000:win 10000000:win 10000000:win 1000001:win", WON, TOO_MUCH },
	{ 1, "10000000:win 10000000:win 10000000:win 1999001:half_win", PART_WON, TOO_MUCH },
	{ 1, "10000000:win 10000000:win 10000000:win 1999000:half_win", PART_WON,
	    LIMIT_PAYOUT_MAX },
	{ LIMIT_STAKE_MAX, THREE("10000000:win"), WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, THREE("10000000:half_lose"), PART_LOST, 125000000000 },
	{ LIMIT_STAKE_MAX, THREE("10000000:dead_heat:1/255"), PART_WON, TOO_MUCH },
	/* 2^64, 2^69, 2^99, 2^100: the low 64 bits are zero. */
	{ 1, THREE("1024000:win") " " THREE("1024000:win") " 16000:win", WON, TOO_MUCH },
	{ 1, THREE("1024000:win") " " THREE("1024000:win") " 512000:win", WON, TOO_MUCH },
	{ 1, NINE("1024000:win") " 512000:win", WON, TOO_MUCH },
	{ 1, TEN("1024000:win"), WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, TEN("10000000:win"), WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, TEN("10000000:half_win"), PART_WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, TEN("10000000:dead_heat:254/255"), PART_WON, TOO_MUCH },
	{ LIMIT_STAKE_MAX, TEN("10000000:half_lose"), PART_LOST, 976562500 }, /* / 1,024 */
	{ LIMIT_STAKE_MAX, TEN("10000000:void"), REFUNDED, LIMIT_STAKE_MAX },
	{ LIMIT_STAKE_MAX, TEN("1001:win"), WON, 1010045120210 },
	{ LIMIT_STAKE_MAX, TEN("1001:half_win"), PART_WON, 1005011265013 },
	{ LIMIT_STAKE_MAX, NINE("1001:void") " 1001:win", WON, 1001000000000 },
	{ LIMIT_STAKE_MAX, NINE("1001:void") " 10000000:half_lose", PART_LOST, 500000000000 },
	{ LIMIT_STAKE_MAX, TEN("1001:dead_heat:1/255"), PART_LOST, 0 },
	{ 1024, TEN("10000000:half_lose"), PART_LOST, 1 },
	{ 1023, TEN("10000000:half_lose"), PART_LOST, 0 },
	{ 1000, TEN("1850:win"), WON, 469588 },
	{ 1, TEN("2000:win"), WON, 1024 },
	{ 1, TEN("3000:half_win"), PART_WON, 1024 },
	{ 1, TEN("4000:dead_heat:1/2"), PART_WON, 1024 },
	{ 1, TEN("2999:half_win"), PART_WON, 1021 },
};

TEST(payouts_by_outcome)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(table); i++) {
		struct bet bet = bet_read(table[i].stake, table[i].legs);
		struct settlement_result result = settle(&bet);

		if (result.class != table[i].class || result.payout != table[i].payout)
			fail_msg("%lld on %s: %s, %lld; expected %s, %lld",
			    (long long)table[i].stake, table[i].legs,
			    settlement_class_name(result.class), (long long)result.payout,
			    settlement_class_name(table[i].class), (long long)table[i].payout);
	}
}

TEST(values_of_a_leg_are_the_documented_fractions)
{
	static const struct {
		const char *leg;
		uint64_t numerator, denominator; /* compared crosswise */
	} cases[] = {
		{ "1950:win", 1950, 1000 },
		{ "1950:lose", 0, 1 },
		{ "1950:void", 1, 1 },
		{ "1950:half_win", 2950, 2000 },
		{ "1950:half_lose", 1, 2 },
		{ "1950:dead_heat:2/3", 3900, 3000 },
		{ "10000000:dead_heat:254/255", 2540000000, 255000 },
		{ "10000000:half_win", 10001000, 2000 },
		{ "1001:half_win", 2001, 2000 },
		{ "1001:win", 1001, 1000 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct bet bet = bet_read(1, cases[i].leg);
		struct settlement_fraction value = settlement_leg_value(&bet.legs[0]);

		assert_case_equal(i, value.numerator * cases[i].denominator,
		    value.denominator * cases[i].numerator);
		assert_true(value.denominator >= 1 && value.denominator <= 255000);
	}
}

/* ---- Vectors ---- */

static void check_bet(const char *line, const char *text)
{
	struct bet bet;
	struct settlement_result result;
	long long stake = number_read(&text, ' '), payout = number_read(&text, ' ');
	size_t size = strcspn(text, " ");

	bet = bet_read(stake, text + size + 1);
	result = settle(&bet);
	if (result.payout != payout || strlen(settlement_class_name(result.class)) != size ||
	    memcmp(settlement_class_name(result.class), text, size) != 0)
		fail_msg("%s, but got %s, %lld", line, settlement_class_name(result.class),
		    (long long)result.payout);
}

static void check_line(const char *line, const char *text, int over_under)
{
	struct settlement_score score;
	struct settlement_outcomes outcomes;
	int quarters;

	score.home = (uint16_t)number_read(&text, ' ');
	score.away = (uint16_t)number_read(&text, ' ');
	quarters = (int)number_read(&text, ' ');
	assert_int_equal(over_under ? settlement_over_under(score, quarters, &outcomes)
	                            : settlement_handicap(score, quarters, &outcomes),
	    0);
	for (unsigned i = 0; i < 2; i++)
		if (outcome_read(&text).kind != outcomes.of[i].kind)
			fail_msg("%s, but selection %u got %s", line, i,
			    settlement_kind_name(outcomes.of[i].kind));
}

TEST(vectors_made_with_fractions)
{
	FILE *file = fopen(SLUICE_TEST_DATA "/vectors/settlement.txt", "r");
	char line[LINE_SIZE];
	unsigned bets = 0, lines = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		size_t end = strcspn(line, "\n");

		assert_true(line[end] == '\n');
		line[end] = '\0';
		if (strncmp(line, "bet ", 4) == 0) {
			check_bet(line, line + 4);
			bets++;
		} else if (strncmp(line, "over_under ", 11) == 0) {
			check_line(line, line + 11, 1);
			lines++;
		} else if (strncmp(line, "handicap ", 9) == 0) {
			check_line(line, line + 9, 0);
			lines++;
		} else if (line[0] != '#') {
			fail_msg("no such vector: %s", line);
		}
	}
	fclose(file);
	assert_int_equal(bets, 1716);
	assert_int_equal(lines, 500);
}

TEST_MAIN()
