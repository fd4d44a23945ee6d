/* SPDX-License-Identifier: Apache-2.0 */
/* Results, the walk over a market's bets, rollback and other results, the operator's void. */
#include <errno.h>

#include "tests/ledger/betting.h"

TEST(a_single_bet_wins_loses_or_comes_back)
{
	struct betting betting;
	uint64_t won, lost, back;
	struct bet_row bet;

	betting_make(&betting, 256);
	won = betting_bet(&betting, ALICE, 1000, 1, 1, 0);
	lost = betting_bet(&betting, ALICE, 1000, 1, 1, 1);
	back = betting_bet(&betting, ALICE, 1000, 1, 2, 0);
	assert_int_equal(betting_balance(&betting, ALICE), 9997000);
	assert_int_equal(betting_settle(&betting, 1, 0), 2);
	assert_int_equal(ledger_market(betting.ledger, 1)->state, MARKET_SETTLED);
	assert_int_equal(betting_settle(&betting, 2, 3), 1);
	assert_int_equal(ledger_market(betting.ledger, 2)->state, MARKET_VOID);
	assert_int_equal(betting_balance(&betting, ALICE), 10000000);
	bet = betting_row(&betting, won);
	assert_int_equal(bet.state, BET_SETTLED);
	assert_int_equal(bet.payout, 2000);
	bet = betting_row(&betting, lost);
	assert_int_equal(bet.state, BET_SETTLED);
	assert_int_equal(bet.payout, 0);
	assert_int_equal(betting_row(&betting, back).payout, 1000);
	assert_int_equal(betting_balance(&betting, ledger_system_account(SYSTEM_HOUSE, KRW, 0)), 0);
	ledger_free(betting.ledger);
}

TEST(an_event_of_settlement_says_what_changed)
{
	struct betting betting;
	struct event_bet_change change;
	struct event_record record;
	struct ledger_walk walk = { .market_id = 1 };
	struct ledger_command command;
	const uint8_t kinds[3] = { SETTLEMENT_HALF_WIN, SETTLEMENT_LOSE, SETTLEMENT_LOSE };
	uint64_t id;

	betting_make(&betting, 256);
	id = betting_bet(&betting, ALICE, 1001, 1, 1, 0);
	command = betting_result_command(&betting, 1, RESULT_SET, kinds);
	assert_true(betting_command(&betting, &command) > 0);
	betting_apply(
	    &betting, ledger_walk_next(betting.ledger, &walk, 10, betting.now_ns, &betting.event));
	record = fixture_record(&betting.event);
	memcpy(&change, betting.event.bytes + sizeof(record), sizeof(change));
	assert_int_equal(le16_get(record.type), EVENT_BET_SETTLE);
	assert_int_equal(le64_get(record.object_id), id);
	assert_int_equal(le64_get(record.account_id), ALICE);
	assert_int_equal(le64s_get(record.amount), 1501); /* floor(1001 * 3 / 2) */
	assert_int_equal(le64s_get(record.payout), 1501);
	assert_int_equal(le64s_get(change.stake), 1001);
	assert_int_equal(le64s_get(change.payout_before), 0);
	assert_int_equal(le64_get(change.market_id), 1);
	assert_int_equal(change.from, BET_OPEN);
	assert_int_equal(change.to, BET_SETTLED);
	assert_int_equal(change.class, SETTLEMENT_PART_WON);
	ledger_free(betting.ledger);
}

TEST(an_accumulator_waits_for_its_legs_and_loses_with_the_first)
{
	struct betting betting;
	uint64_t wins, loses;

	betting_make(&betting, 256);
	wins = betting_bet(&betting, ALICE, 100, 3, 1, 0);
	loses = betting_bet(&betting, ALICE, 100, 3, 1, 1);
	assert_int_equal(betting_settle(&betting, 2, 0), 1); /* the loser */
	assert_int_equal(betting_row(&betting, wins).state, BET_OPEN);
	assert_int_equal(betting_row(&betting, loses).state, BET_SETTLED);
	assert_int_equal(betting_settle(&betting, 1, 3), 0);
	assert_int_equal(betting_settle(&betting, 3, 0), 1);
	assert_int_equal(betting_row(&betting, wins).payout, 400); /* a void leg counts 1 */
	ledger_free(betting.ledger);
}

TEST(ten_legs_settle_like_two)
{
	struct betting betting;
	uint64_t id;

	betting_make(&betting, 256);
	id = betting_bet(&betting, ALICE, 100, 10, 1, 0);
	betting_bet(&betting, ALICE, 100, 1, 8, 0);
	betting_bet(&betting, ALICE, 100, 5, 5, 0);
	betting_bet(&betting, ALICE, 100, 9, 2, 0);
	for (uint64_t market = 1; market < 10; market++)
		betting_settle(&betting, market, 0);
	assert_int_equal(betting_row(&betting, id).state, BET_OPEN);
	betting_settle(&betting, 10, 0);
	assert_int_equal(betting_row(&betting, id).payout, 102400);
	ledger_free(betting.ledger);
}

TEST(a_rollback_opens_bets_again_and_another_result_pays_others)
{
	struct betting betting;
	uint64_t home, away;

	betting_make(&betting, 256);
	home = betting_bet(&betting, ALICE, 1000, 1, 1, 0);
	away = betting_bet(&betting, BOB, 1000, 1, 1, 2);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_balance(&betting, ALICE), 10001000);
	assert_int_equal(ledger_market_exposure(betting.ledger, 1, 2), 0);
	assert_int_equal(betting_rollback(&betting, 1), 2);
	assert_int_equal(ledger_market(betting.ledger, 1)->state, MARKET_CLOSED);
	assert_int_equal(betting_balance(&betting, ALICE), 9999000);
	assert_int_equal(betting_row(&betting, home).state, BET_OPEN);
	assert_int_equal(betting_row(&betting, home).payout, 2000); /* the potential one again */
	assert_int_equal(ledger_market_exposure(betting.ledger, 1, 2), 2000);
	betting_settle(&betting, 1, 2);
	assert_int_equal(betting_row(&betting, home).payout, 0);
	assert_int_equal(betting_row(&betting, away).payout, 2000);
	assert_int_equal(betting_balance(&betting, BOB), 2000);
	ledger_free(betting.ledger);
}

TEST(a_payout_that_was_spent_is_owed_and_repaid_first)
{
	struct betting betting;
	struct wire_request withdraw = { .template_id = WIRE_WITHDRAW,
		.deposit = { .account_id = BOB,
		    .amount = 1500,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };

	betting_make(&betting, 256);
	betting_bet(&betting, BOB, 1000, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_request(&betting, withdraw), WIRE_CODE_OK);
	betting_rollback(&betting, 1);
	assert_int_equal(betting_balance(&betting, BOB), 0);
	assert_int_equal(ledger_account(betting.ledger, BOB)->owed, 1500);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_balance(&betting, BOB), 500);
	assert_int_equal(ledger_account(betting.ledger, BOB)->owed, 0);
	ledger_free(betting.ledger);
}

TEST(a_walk_may_stop_anywhere_and_begin_again)
{
	struct betting betting;
	struct ledger_walk walk = { .market_id = 1 };
	struct ledger_command command;
	const uint8_t kinds[3] = { SETTLEMENT_WIN, SETTLEMENT_LOSE, SETTLEMENT_LOSE };

	betting_make(&betting, 256);
	for (int i = 0; i < 50; i++)
		betting_bet(&betting, ALICE, 100, 1 + (unsigned)i % 2, 1, 0);
	command = betting_result_command(&betting, 1, RESULT_SET, kinds);
	assert_true(betting_command(&betting, &command) > 0);
	for (int i = 0; i < 10; i++) {
		int length =
		    ledger_walk_next(betting.ledger, &walk, 100, betting.now_ns, &betting.event);

		betting_apply(&betting, length);
	}
	assert_int_equal(betting_walk(&betting, 1), 15);
	walk = (struct ledger_walk){ .market_id = 1, .started = 1 };
	assert_int_equal(
	    ledger_walk_next(betting.ledger, &walk, 100, betting.now_ns, &betting.event), 0);
	assert_int_equal(walk.looked, 50);
	assert_int_equal(
	    ledger_decide_walked(betting.ledger, &walk, betting.now_ns, &betting.event),
	    0); /* done before */
	ledger_free(betting.ledger);
}

TEST(a_walk_passes_over_bets_whose_money_is_settled_otherwise)
{
	struct betting betting;
	uint64_t cancelled, voided, open;
	struct wire_request cancel = { .template_id = WIRE_CANCEL_BET,
		.cancel_bet = { .deadline_ns = NO_DEADLINE } };
	struct ledger_command command = { .type = EVENT_BET_VOID, .reason = 3 };

	betting_make(&betting, 256);
	cancelled = betting_bet(&betting, ALICE, 1000, 1, 1, 0);
	voided = betting_bet(&betting, ALICE, 1000, 1, 1, 0);
	open = betting_bet(&betting, ALICE, 1000, 1, 1, 0);
	cancel.cancel_bet.bet_id = cancelled;
	assert_int_equal(betting_request(&betting, cancel), WIRE_CODE_OK);
	command.object_id = voided;
	assert_true(betting_command(&betting, &command) > 0);
	assert_int_equal(le32_get(fixture_record(&betting.event).cashier_id), 3);
	assert_int_equal(betting_settle(&betting, 1, 0), 1);
	assert_int_equal(betting_rollback(&betting, 1), 1);
	assert_int_equal(betting_row(&betting, cancelled).state, BET_CANCELLED);
	assert_int_equal(betting_row(&betting, voided).state, BET_VOID);
	assert_int_equal(betting_row(&betting, open).state, BET_OPEN);
	assert_int_equal(betting_balance(&betting, ALICE), 9999000);
	ledger_free(betting.ledger);
}

TEST(a_payout_above_the_balance_limit_leaves_the_bet_open)
{
	struct betting betting;
	uint64_t full, other;

	betting_make(&betting, 256);
	assert_true(fixture_account(betting.ledger, 3, LIMIT_BALANCE_MAX, KRW) > 0);
	full = betting_bet(&betting, 3, 1000, 1, 1, 0);
	other = betting_bet(&betting, ALICE, 1000, 1, 1, 0);
	assert_int_equal(betting_settle(&betting, 1, 0), 1);
	assert_int_equal(betting_row(&betting, full).state, BET_OPEN);
	assert_int_equal(betting_row(&betting, other).state, BET_SETTLED);
	ledger_free(betting.ledger);
}

static void account_spend(struct betting *betting, uint64_t account_id, int64_t amount)
{
	const struct wire_request wire = { .template_id = WIRE_WITHDRAW,
		.deposit = { .account_id = account_id,
		    .amount = amount,
		    .currency = KRW,
		    .deadline_ns = NO_DEADLINE } };

	assert_int_equal(betting_request(betting, wire), WIRE_CODE_OK);
}

/* Before the result is final and after: paid by the same result again, or void. */
TEST(a_bet_without_room_is_paid_or_void_later)
{
	for (unsigned i = 0; i < 4; i++) {
		int final = i & 1, voided = i & 2;
		struct betting betting;
		struct ledger_command bet_void = { .type = EVENT_BET_VOID, .control_sequence = 1 };
		struct bet_row row;
		uint64_t bet, other;

		betting_make(&betting, 256);
		assert_true(fixture_account(betting.ledger, 3, LIMIT_BALANCE_MAX, KRW) > 0);
		bet = betting_bet(&betting, 3, 1000, 1, 1, 0);
		other = betting_bet(&betting, ALICE, 1000, 2, 1, 0);
		betting_settle(&betting, 2, 0);
		betting_settle(&betting, 1, 0);
		assert_int_equal(ledger_market_open(betting.ledger, 1), 1);
		if (final) {
			betting_final(&betting, 1);
			betting_final(&betting, 2);
			betting_due(&betting);
			/* Of all its final markets, the other bet has left. */
			assert_int_equal(ledger_bet(betting.ledger, other, &row), -ENOENT);
		}
		/* Still no room: nothing changes. */
		assert_int_equal(betting_settle(&betting, 1, 0), 0);
		account_spend(&betting, 3, 5000);
		bet_void.object_id = bet;
		if (voided)
			assert_true(betting_command(&betting, &bet_void) > 0);
		assert_int_equal(betting_settle(&betting, 1, 0), !voided);
		assert_int_equal(betting_row(&betting, bet).state, voided ? BET_VOID : BET_SETTLED);
		assert_int_equal(betting_balance(&betting, 3),
		    LIMIT_BALANCE_MAX - 5000 - 1000 + (voided ? 1000 : 2000));
		assert_int_equal(ledger_market_open(betting.ledger, 1), 0);
		assert_int_equal(ledger_market(betting.ledger, 1)->final, final);
		if (!final)
			betting_final(&betting, 1);
		betting_due(&betting);
		assert_int_equal(ledger_bet(betting.ledger, bet, &row), -ENOENT);
		ledger_free(betting.ledger);
	}
}

/* Its market is final and walked again: it must not leave before the walk has passed it. */
TEST(no_bet_retires_while_its_final_market_is_walked_again)
{
	const uint8_t kinds[3] = { SETTLEMENT_WIN, SETTLEMENT_LOSE, SETTLEMENT_LOSE };
	struct betting betting;
	struct ledger_command command;
	struct bet_row row;
	uint64_t ticket;

	betting_make(&betting, 256);
	ticket = betting_bet(&betting, 0, 1000, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	command = betting_result_command(&betting, 1, RESULT_FINAL, NULL);
	assert_true(betting_command(&betting, &command) > 0);
	command = betting_result_command(&betting, 1, RESULT_SET, kinds);
	assert_true(betting_command(&betting, &command) > 0);
	/* Paid while the walk goes on. */
	assert_int_equal(betting_redeem(&betting, ticket, COUNTER, 1), WIRE_CODE_OK);
	betting_due(&betting);
	assert_int_equal(ledger_bet(betting.ledger, ticket, &row), 0);
	betting_walk(&betting, 1);
	betting_due(&betting);
	assert_int_equal(ledger_bet(betting.ledger, ticket, &row), -ENOENT);
	ledger_free(betting.ledger);
}

struct result_case {
	const char *name;
	uint8_t op, count;
	uint8_t kinds[4];
	uint64_t version; /* 0: the next one */
	uint64_t market;
	int result;
};

static int result_try(struct betting *betting, const struct result_case *one)
{
	struct ledger_command command = { .type = EVENT_MARKET_RESULT, .market_id = one->market };

	command.result.op = one->op;
	command.result.selection_count = one->count;
	if (one->op == RESULT_SET || one->op == RESULT_ROLLBACK)
		command.result.version =
		    le64_make(one->version == 0 ? betting->version + 1 : one->version);
	for (unsigned i = 0; i < 4; i++)
		command.result.outcomes[4 * i] = one->kinds[i];
	return ledger_decide_command(betting->ledger, &command, betting->now_ns, &betting->event);
}

TEST(results_come_in_order_only)
{
	/* Market 1 is open, 2 settled, 3 rolled back, 4 final; 77 unknown. */
	static const struct result_case cases[] = {
		{ "set", RESULT_SET, 3, { 1, 2, 2 }, 0, 1, 1 },
		{ "set, void", RESULT_SET, 3, { 3, 3, 3 }, 0, 1, 1 },
		{ "set, half", RESULT_SET, 3, { 4, 5, 2 }, 0, 1, 1 },
		{ "set after a rollback", RESULT_SET, 3, { 1, 2, 2 }, 0, 3, 1 },
		{ "set over a result", RESULT_SET, 3, { 2, 1, 2 }, 0, 2, -EALREADY },
		{ "set over a final one", RESULT_SET, 3, { 2, 1, 2 }, 0, 4, -EALREADY },
		{ "the same again", RESULT_SET, 3, { 1, 2, 2 }, 0, 2, 1 },
		{ "the same over a final one", RESULT_SET, 3, { 1, 2, 2 }, 0, 4, 1 },
		{ "the same, an old version", RESULT_SET, 3, { 1, 2, 2 }, 1, 4, 0 },
		{ "the same as before its rollback", RESULT_SET, 3, { 1, 2, 2 }, 0, 3, 1 },
		{ "an outcome missing", RESULT_SET, 3, { 1, 2, 0 }, 0, 1, -EINVAL },
		{ "one too many", RESULT_SET, 3, { 1, 2, 2, 2 }, 0, 1, -EINVAL },
		{ "fewer selections", RESULT_SET, 2, { 1, 2 }, 0, 1, -EINVAL },
		{ "more selections", RESULT_SET, 4, { 1, 2, 2, 2 }, 0, 1, -EINVAL },
		{ "unknown outcome", RESULT_SET, 3, { 1, 2, 9 }, 0, 1, -EINVAL },
		{ "dead heat of none", RESULT_SET, 3, { 6, 6, 2 }, 0, 1, -EINVAL },
		{ "an old version", RESULT_SET, 3, { 1, 2, 2 }, 1, 1, 0 },
		{ "unknown market", RESULT_SET, 3, { 1, 2, 2 }, 0, 77, -ENOENT },
		{ "no market", RESULT_SET, 3, { 1, 2, 2 }, 0, 0, -EINVAL },
		{ "rollback", RESULT_ROLLBACK, 3, { 0 }, 0, 2, 1 },
		{ "rollback with outcomes", RESULT_ROLLBACK, 3, { 1 }, 0, 2, -EINVAL },
		{ "rollback of nothing", RESULT_ROLLBACK, 3, { 0 }, 0, 1, -EALREADY },
		{ "rollback twice", RESULT_ROLLBACK, 3, { 0 }, 0, 3, -EALREADY },
		{ "rollback of a final one", RESULT_ROLLBACK, 3, { 0 }, 0, 4, -EALREADY },
		{ "rollback, old version", RESULT_ROLLBACK, 3, { 0 }, 1, 2, 0 },
		{ "final", RESULT_FINAL, 3, { 0 }, 0, 2, 1 },
		{ "final twice", RESULT_FINAL, 3, { 0 }, 0, 4, 0 },
		{ "final of nothing", RESULT_FINAL, 3, { 0 }, 0, 1, -EALREADY },
		{ "walked", RESULT_WALKED, 3, { 0 }, 0, 2, -EINVAL },
		{ "no operation", 0, 3, { 0 }, 0, 2, -EINVAL },
	};
	struct betting betting;
	struct ledger_command command;

	betting_make(&betting, 256);
	betting_settle(&betting, 2, 0);
	betting_settle(&betting, 3, 0);
	betting_rollback(&betting, 3);
	betting_settle(&betting, 4, 0);
	command = betting_result_command(&betting, 4, RESULT_FINAL, NULL);
	assert_true(betting_command(&betting, &command) > 0);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		int result = result_try(&betting, &cases[i]);

		if ((result > 0 ? 1 : result) != cases[i].result)
			fail_msg("%s: %d", cases[i].name, result);
	}
	ledger_free(betting.ledger);
}

TEST(a_result_is_not_final_before_its_walk)
{
	struct betting betting;
	const uint8_t kinds[3] = { SETTLEMENT_WIN, SETTLEMENT_LOSE, SETTLEMENT_LOSE };
	struct ledger_command command;
	const struct market_row_state *due;
	uint32_t row = 0;

	betting_make(&betting, 256);
	assert_null(ledger_walk_due(betting.ledger, &row));
	command = betting_result_command(&betting, 5, RESULT_SET, kinds);
	assert_true(betting_command(&betting, &command) > 0);
	row = 0;
	due = ledger_walk_due(betting.ledger, &row);
	assert_non_null(due);
	assert_int_equal(due->id, 5);
	assert_null(ledger_walk_due(betting.ledger, &row));
	command = betting_result_command(&betting, 5, RESULT_FINAL, NULL);
	assert_int_equal(betting_command(&betting, &command), -EBUSY);
	betting_walk(&betting, 5);
	assert_true(betting_command(&betting, &command) > 0);
	assert_int_equal(ledger_market(betting.ledger, 5)->final, 1);
	ledger_free(betting.ledger);
}

TEST(a_market_with_a_result_is_not_set)
{
	struct betting betting;

	betting_make(&betting, 256);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_market(&betting, 1, MARKET_OPEN, 3000), -EALREADY);
	betting_rollback(&betting, 1);
	assert_true(betting_market(&betting, 1, MARKET_OPEN, 3000) > 0);
	ledger_free(betting.ledger);
}

TEST(the_operators_void_is_once_and_of_open_bets)
{
	struct betting betting;
	struct ledger_command command = { .type = EVENT_BET_VOID };

	betting_make(&betting, 256);
	assert_int_equal(betting_command(&betting, &command), -EINVAL);
	command.object_id = 12345;
	assert_int_equal(betting_command(&betting, &command), -ENOENT);
	command.object_id = betting_bet(&betting, ALICE, 1000, 2, 1, 0);
	assert_true(betting_command(&betting, &command) > 0);
	assert_int_equal(betting_balance(&betting, ALICE), 10000000);
	assert_int_equal(betting_command(&betting, &command), 0); /* it came again */
	assert_int_equal(betting_balance(&betting, ALICE), 10000000);
	assert_true(fixture_account(betting.ledger, 3, 1000, KRW) > 0);
	command.object_id = betting_bet(&betting, 3, 1000, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_command(&betting, &command), -EALREADY);
	ledger_free(betting.ledger);
}

/* Random bets, results, rollbacks: each bet is what settlement_bet says when all is walked. */
TEST(after_any_history_bets_are_what_the_results_say)
{
	uint64_t random = test_seed();
	struct betting betting;

	betting_make(&betting, 2048);
	for (int i = 0; i < 300; i++)
		betting_bet(&betting, ALICE, 1 + (int64_t)(test_random(&random) % 5000),
		    1 + (unsigned)(test_random(&random) % 3), 1 + test_random(&random) % 10,
		    (uint16_t)(test_random(&random) % 3));
	for (int i = 0; i < 60; i++) {
		uint64_t market = 1 + test_random(&random) % BETTING_MARKETS;
		uint8_t now = ledger_market(betting.ledger, market)->state;

		if (now == MARKET_SETTLED || now == MARKET_VOID)
			betting_rollback(&betting, market);
		else
			betting_settle(&betting, market, (unsigned)(test_random(&random) % 4));
	}
	for (uint32_t i = 0; i < ledger_row_count(betting.ledger, LEDGER_BET); i++) {
		struct settlement_leg legs[LIMIT_BET_LEGS_MAX] = { 0 };
		struct settlement_result result;
		struct bet_row bet;

		ledger_bet_at(betting.ledger, i, &bet);
		for (unsigned leg = 0; leg < bet.leg_count; leg++) {
			const struct market_row_state *market =
			    ledger_market(betting.ledger, bet.legs[leg].market_id);

			legs[leg].odds = bet.legs[leg].odds;
			legs[leg].outcome.kind = market->outcomes.of[bet.legs[leg].selection].kind;
		}
		result = settlement_bet(bet.stake, legs, bet.leg_count);
		assert_case_equal(
		    i, bet.state, result.class == SETTLEMENT_UNDECIDED ? BET_OPEN : BET_SETTLED);
		if (bet.state == BET_SETTLED)
			assert_case_equal(i, bet.payout, result.payout);
	}
	ledger_free(betting.ledger);
}

TEST_MAIN()
