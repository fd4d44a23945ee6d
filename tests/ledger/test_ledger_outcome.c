/* SPDX-License-Identifier: Apache-2.0 */
/* What single outcomes hold: odds booked, money given back, what is named and what is not. */
#include <errno.h>

#include "tests/ledger/world.h"

TEST(a_bet_at_better_odds_is_booked_at_the_books_odds)
{
	struct world world;
	struct wire_request wire = BET(BETTER, LEGS(1, LEG(M1, 1, 3000)));
	struct event_buffer event;
	struct bet_row bet;

	world_make(&world);
	wire.request_id = 1000;
	assert_true(fixture_request(world.ledger, &wire, TERMINAL, 0, NOW, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
	assert_int_equal(le64s_get(fixture_record(&event).payout), 3500);
	assert_int_equal(fixture_record(&event).score, 20);
	assert_int_equal(le32_get(fixture_record(&event).factor_bits), RISK_BIT(ODDS_CLAIMED));
	assert_int_equal(
	    ledger_bet(world.ledger, le64_get(fixture_record(&event).object_id), &bet), 0);
	assert_int_equal(bet.legs[0].odds, 3500);
	assert_int_equal(bet.placed_at_ns, NOW);
	assert_int_equal(bet.state, BET_OPEN);
	ledger_free(world.ledger);
}

TEST(a_refused_leg_is_named)
{
	struct world world;
	struct wire_request wire = BET(LEGS(2, LEG(M2, 0, 2000), LEG(CLOSED, 0, 2000)));
	struct event_buffer event;

	world_make(&world);
	wire.request_id = 1000;
	assert_true(fixture_request(world.ledger, &wire, TERMINAL, 0, NOW, &event) > 0);
	assert_int_equal(le64_get(fixture_record(&event).object_id), CLOSED);
	ledger_free(world.ledger);
}

TEST(another_terminal_learns_nothing_of_the_account)
{
	struct world world;
	struct wire_request wire = CANCEL();
	struct event_buffer event;

	world_make(&world);
	wire.request_id = 1;
	wire.cancel_bet.bet_id = world.bets[1];
	assert_true(fixture_request(world.ledger, &wire, 10, 0, NOW, &event) > 0);
	assert_int_equal(le64_get(fixture_record(&event).account_id), 0);
	assert_int_equal(le64s_get(fixture_record(&event).balance), 0);
	assert_int_equal(le64s_get(fixture_record(&event).amount), 0);
	ledger_free(world.ledger);
}

TEST(a_cancel_gives_back_money_and_the_days_stake)
{
	struct world world;
	const struct account_row *account;
	const struct terminal_row *terminal;
	int64_t balance, staked, terminal_staked;
	struct bet_row bet;

	world_make(&world);
	account = ledger_account(world.ledger, RICH);
	terminal = ledger_terminal(world.ledger, TERMINAL);
	balance = account->balance;
	staked = account->staked_today;
	terminal_staked = terminal->staked_today;
	assert_int_equal(staked, 5000);
	cancel_bet(&world, 2);
	assert_int_equal(account->balance, balance + 2000);
	assert_int_equal(account->staked_today, staked - 2000);
	assert_int_equal(terminal->staked_today, terminal_staked - 2000);
	assert_int_equal(account->profile.cancels, 1);
	assert_int_equal(ledger_bet(world.ledger, world.bets[2], &bet), 0);
	assert_int_equal(bet.state, BET_CANCELLED);
	assert_int_equal(bet.leg_count, 10);
	assert_int_equal(bet.legs[9].market_id, M10 + 9);
	ledger_free(world.ledger);
}

TEST(a_cancel_on_the_next_day_leaves_that_days_stake)
{
	struct ledger *ledger = fixture_create(64, 0);
	uint64_t midnight = NOW + 15 * HOUR;
	struct wire_request wire = BET(.stake = 700);
	struct event_buffer event;

	fixture_account(ledger, RICH, 100000, KRW);
	fixture_market(ledger, M1, 1, 1, MARKET_OPEN, NOW + 10 * DAY);
	wire.request_id = 1;
	assert_true(fixture_request(ledger, &wire, 5, 0, midnight - SECOND, &event) > 0);
	wire.request_id = 2;
	wire.place_bet.stake = 300;
	assert_true(fixture_request(ledger, &wire, 5, 0, midnight, &event) > 0);
	assert_int_equal(ledger_account(ledger, RICH)->staked_today, 300);
	wire = (struct wire_request)CANCEL(.bet_id = ids_make(ids_bucket_of_key(RICH), 1));
	wire.request_id = 3;
	assert_true(fixture_request(ledger, &wire, 5, 0, midnight + SECOND, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
	assert_int_equal(ledger_account(ledger, RICH)->staked_today, 300);
	assert_int_equal(ledger_account(ledger, RICH)->balance, 99700);
	assert_int_equal(ledger_terminal(ledger, 5)->staked_today, 300);
	ledger_free(ledger);
}

TEST(expired_at_home_is_recorded_without_the_account)
{
	struct ledger *ledger = fixture_create(64, 0);
	struct wire_request wire = BET(.deadline_ns = NOW - 5);
	struct ledger_request request = { .wire = &wire, .terminal_id = 5 };
	struct event_buffer event;
	int length;

	wire.request_id = 4;
	length = ledger_decide_expired(ledger, &request, NOW, &event);
	assert_true(length > 0);
	assert_int_equal(ledger_apply(ledger, event.bytes, (size_t)length), 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_EXPIRED);
	assert_int_equal(le64_get(fixture_record(&event).account_id), RICH);
	assert_null(ledger_account(ledger, RICH));
	assert_int_equal(ledger_terminal(ledger, 5)->highest_request_id, 4);
	ledger_free(ledger);
}

TEST(time_never_goes_back)
{
	struct world world;
	struct wire_request wire = DEPOSIT();
	struct event_buffer event;

	world_make(&world);
	wire.request_id = 1000;
	assert_true(fixture_request(world.ledger, &wire, TERMINAL, 0, 5, &event) > 0);
	assert_int_equal(le64_get(fixture_record(&event).time_ns), PLACED);
	ledger_free(world.ledger);
}

TEST(requests_the_codec_would_not_pass_are_errors_not_events)
{
	struct world world;
	struct event_buffer event;
	struct wire_request wire = BET();
	struct ledger_request request = { .wire = &wire, .terminal_id = 5 };

	world_make(&world);
	assert_int_equal(ledger_decide(world.ledger, &request, NOW, &event), -EINVAL);
	wire.request_id = 1;
	request.terminal_id = 0;
	assert_int_equal(ledger_decide(world.ledger, &request, NOW, &event), -EINVAL);
	request.terminal_id = LIMIT_TERMINAL_ID_MAX + 1;
	assert_int_equal(ledger_decide(world.ledger, &request, NOW, &event), -EINVAL);
	request.terminal_id = 5;
	wire.place_bet.leg_count = 0;
	assert_int_equal(ledger_decide(world.ledger, &request, NOW, &event), -EINVAL);
	wire.place_bet.leg_count = LIMIT_BET_LEGS_MAX + 1;
	assert_int_equal(ledger_decide(world.ledger, &request, NOW, &event), -EINVAL);
	wire.place_bet.leg_count = 1;
	wire.place_bet.odds_policy = 2;
	assert_int_equal(ledger_decide(world.ledger, &request, NOW, &event), -EINVAL);
	wire.template_id = WIRE_BALANCE;
	assert_int_equal(ledger_decide(world.ledger, &request, NOW, &event), -EINVAL);
	ledger_free(world.ledger);
}

TEST(bucket_of_a_request_is_that_of_its_account_or_bet)
{
	struct wire_request wire = BET(.account_id = 4711);
	uint32_t bucket = 9999;

	assert_int_equal(ledger_request_bucket_key(&wire, &bucket), 4711);
	assert_int_equal(bucket, ids_bucket_of_key(4711));
	wire = (struct wire_request)CANCEL(.bet_id = ids_make(777, 12));
	assert_true(ledger_request_bucket_key(&wire, &bucket) == ids_make(777, 12));
	assert_int_equal(bucket, 777);
	wire = (struct wire_request)CANCEL(.bet_id = 0);
	bucket = 9999;
	assert_int_equal(ledger_request_bucket_key(&wire, &bucket), 0);
	wire = (struct wire_request){ .template_id = WIRE_MARKET_QUERY };
	assert_int_equal(ledger_request_bucket_key(&wire, &bucket), 0);
	assert_int_equal(bucket, 9999);
}

TEST_MAIN()
