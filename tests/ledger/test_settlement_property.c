/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every bet, by random ones. */
#include "tests/test.h"

#include "dataplane/ledger/ledger.h"
#include "tests/ledger/settlement_bet.h"

static struct settlement_outcome outcome_random(uint64_t *random, unsigned kinds)
{
	static const uint8_t order[SETTLEMENT_KINDS] = { SETTLEMENT_WIN, SETTLEMENT_VOID,
		SETTLEMENT_HALF_WIN, SETTLEMENT_HALF_LOSE, SETTLEMENT_DEAD_HEAT, SETTLEMENT_LOSE,
		SETTLEMENT_OPEN };
	struct settlement_outcome outcome = { .kind = order[test_random(random) % kinds] };

	if (outcome.kind == SETTLEMENT_DEAD_HEAT) {
		outcome.winners = (uint8_t)(2 + test_random(random) % 254);
		outcome.places = (uint8_t)(1 + test_random(random) % (outcome.winners - 1u));
	}
	return outcome;
}

/* `kinds`: 5 for known and not lost, 6 with lost, 7 with open. Small odds when many legs. */
static struct bet bet_random(uint64_t *random, unsigned kinds)
{
	static const uint32_t odds_high[] = { 2000, 5000, 100000, LIMIT_ODDS_MAX };
	static const int64_t stake_high[] = { 3, 1000, 10000000, LIMIT_STAKE_MAX };
	struct bet bet = { .count = 1 + (unsigned)(test_random(random) % LIMIT_BET_LEGS_MAX) };
	uint32_t range = odds_high[test_random(random) % 4] - LIMIT_ODDS_MIN + 1;

	bet.stake =
	    1 + (int64_t)(test_random(random) % (uint64_t)stake_high[test_random(random) % 4]);
	for (unsigned leg = 0; leg < bet.count; leg++) {
		bet.legs[leg].odds = LIMIT_ODDS_MIN + (uint32_t)(test_random(random) % range);
		bet.legs[leg].outcome = outcome_random(random, kinds);
	}
	return bet;
}

TEST(the_order_of_legs_does_not_matter)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20000; round++) {
		struct bet bet = bet_random(&random, 7), shuffled = bet;
		struct settlement_result result = settle(&bet), other;

		for (unsigned i = bet.count; i-- > 1;) {
			unsigned j = (unsigned)(test_random(&random) % (i + 1));
			struct settlement_leg leg = shuffled.legs[i];

			shuffled.legs[i] = shuffled.legs[j];
			shuffled.legs[j] = leg;
		}
		other = settle(&shuffled);
		assert_int_equal(other.class, result.class);
		assert_true(other.payout == result.payout);
	}
}

TEST(a_void_leg_is_a_leg_left_out)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20000; round++) {
		struct bet bet = bet_random(&random, 7), without = bet;
		unsigned leg = (unsigned)(test_random(&random) % bet.count);
		struct settlement_result result;

		bet.legs[leg].outcome = (struct settlement_outcome){ .kind = SETTLEMENT_VOID };
		if (bet.count == 1)
			continue;
		without.legs[leg] = without.legs[--without.count];
		result = settle(&bet);
		assert_true(settle(&without).payout == result.payout);
		assert_int_equal(settle(&without).class, result.class);
	}
}

/* Better outcomes, a higher stake and higher odds never pay less. */
TEST(payouts_are_monotone)
{
	uint64_t random = test_seed();
	static const uint8_t worst_first[] = { SETTLEMENT_LOSE, SETTLEMENT_HALF_LOSE,
		SETTLEMENT_VOID, SETTLEMENT_HALF_WIN, SETTLEMENT_WIN };

	for (unsigned round = 0; round < 10000; round++) {
		struct bet bet = bet_random(&random, 5), more = bet;
		struct settlement_leg *leg = &more.legs[test_random(&random) % bet.count];
		int64_t payout = settle(&bet).payout, last = -1;

		more.stake +=
		    (int64_t)(test_random(&random) % (uint64_t)(LIMIT_STAKE_MAX - bet.stake + 1));
		assert_true(settle(&more).payout >= payout);
		more.stake = bet.stake;
		leg->odds += (uint32_t)(test_random(&random) % (LIMIT_ODDS_MAX - leg->odds + 1));
		assert_true(settle(&more).payout >= payout);
		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(worst_first); i++) {
			leg->outcome = (struct settlement_outcome){ .kind = worst_first[i] };
			payout = settle(&more).payout;
			assert_true(payout >= last);
			last = payout;
		}
		payout = 0;
		for (uint8_t places = 1; places < 20; places++) {
			leg->outcome =
			    (struct settlement_outcome){ SETTLEMENT_DEAD_HEAT, places, 20 };
			assert_true(settle(&more).payout >= payout);
			payout = settle(&more).payout;
		}
		assert_true(payout <= last); /* all places: WIN */
	}
}

/* The exposure that was reserved when the bet was accepted is enough, whatever the results are. */
TEST(no_payout_is_above_the_accepted_one)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20000; round++) {
		struct bet bet = bet_random(&random, 7);
		uint32_t odds[LIMIT_BET_LEGS_MAX];
		int64_t full;

		for (unsigned leg = 0; leg < bet.count; leg++)
			odds[leg] = bet.legs[leg].odds;
		full = ledger_payout(bet.stake, odds, bet.count);
		assert_true(settle(&bet).payout <= full);
		for (unsigned leg = 0; leg < bet.count; leg++)
			bet.legs[leg].outcome =
			    (struct settlement_outcome){ .kind = SETTLEMENT_WIN };
		assert_true(settle(&bet).payout == full);
		assert_int_equal(settle(&bet).class, SETTLEMENT_WON);
	}
}

static int64_t with(struct bet bet, unsigned leg, int64_t stake, struct settlement_outcome outcome)
{
	bet.stake = stake;
	bet.legs[leg].outcome = outcome;
	return settle(&bet).payout;
}

/* 2 s on a quarter line are s on each of its halves: they may differ by the one rounding saved. */
TEST(halves_add_up)
{
	const struct settlement_outcome win = { .kind = SETTLEMENT_WIN },
	                                none = { .kind = SETTLEMENT_VOID },
	                                half_win = { .kind = SETTLEMENT_HALF_WIN },
	                                half_lose = { .kind = SETTLEMENT_HALF_LOSE };
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20000; round++) {
		struct bet bet = bet_random(&random, 5);
		unsigned leg = (unsigned)(test_random(&random) % bet.count);
		int64_t stake = (bet.stake + 1) / 2;
		int64_t halves = with(bet, leg, stake, win) + with(bet, leg, stake, none);
		int64_t whole = with(bet, leg, 2 * stake, half_win);
		uint8_t winners = (uint8_t)(2 + test_random(&random) % 100);

		if (halves <= LIMIT_PAYOUT_MAX)
			assert_true(whole == halves || whole == halves + 1 || whole == TOO_MUCH);
		else
			assert_true(whole == TOO_MUCH);
		/* Half lost is a void half; m of n places is m parts of the stake, won. */
		assert_true(with(bet, leg, 2 * stake, half_lose) == with(bet, leg, stake, none));
		stake = 1 + stake / winners;
		assert_true(with(bet, leg, stake * winners,
		                (struct settlement_outcome){ SETTLEMENT_DEAD_HEAT, winners - 1,
		                    winners }) == with(bet, leg, stake * (winners - 1), win));
		if (bet.count == 1) /* the two sides' fates of one quarter line */
			assert_true(whole >= TOO_MUCH || whole == halves);
	}
}

/* What is decided early stays so, whatever the open legs become. */
TEST(an_early_decision_is_final)
{
	uint64_t random = test_seed();
	unsigned lost = 0, undecided = 0;

	for (unsigned round = 0; round < 20000; round++) {
		struct bet bet = bet_random(&random, 7);
		struct settlement_result early = settle(&bet);
		int open = 0;

		for (unsigned leg = 0; leg < bet.count; leg++)
			if (bet.legs[leg].outcome.kind == SETTLEMENT_OPEN) {
				bet.legs[leg].outcome = outcome_random(&random, 6);
				open = 1;
			}
		assert_int_not_equal(settle(&bet).class, SETTLEMENT_UNDECIDED);
		if (early.class == SETTLEMENT_UNDECIDED) {
			assert_true(open && early.payout == 0);
			undecided++;
		} else {
			assert_int_equal(settle(&bet).class, early.class);
			assert_true(settle(&bet).payout == early.payout);
			lost += open;
		}
	}
	assert_true(lost > 100 && undecided > 100);
}

TEST_MAIN()
