/* SPDX-License-Identifier: Apache-2.0 */
/* Cash tickets: sold, cancelled, won, redeemed at any terminal, reprinted, expired. */
#include <errno.h>

#include "tests/ledger/betting.h"

#define OTHER_COUNTER 10

static uint64_t cash_of(uint64_t terminal_id)
{
	return ledger_system_account(SYSTEM_CASH, KRW, terminal_id);
}

static uint64_t ticket_expiry_ns(const struct betting *betting)
{
	return ledger_shard(betting->ledger)->rules.ticket_expiry_s * SECOND;
}

TEST(a_cash_ticket_is_paid_in_and_out_of_the_drawer)
{
	struct betting betting;
	struct event_record record;
	uint64_t id;

	betting_make(&betting, 256);
	id = betting_bet(&betting, 0, 5000, 2, 1, 0);
	record = fixture_record(&betting.event);
	assert_int_equal(le64s_get(record.amount), 0);
	assert_int_equal(le64_get(record.account_id), 0);
	assert_int_equal(betting_balance(&betting, cash_of(COUNTER)), -5000);
	assert_int_equal(ledger_terminal(betting.ledger, COUNTER)->staked_today, 5000);
	assert_int_equal(betting_redeem(&betting, id, COUNTER, 1), WIRE_CODE_TICKET_NOT_PAYABLE);
	betting_settle(&betting, 1, 0);
	betting_settle(&betting, 2, 0);
	assert_int_equal(
	    betting_balance(&betting, ledger_system_account(SYSTEM_PAYABLE, KRW, 0)), 20000);
	assert_int_equal(betting_redeem(&betting, id, OTHER_COUNTER, 1), WIRE_CODE_OK);
	record = fixture_record(&betting.event);
	assert_int_equal(le64s_get(record.payout), 20000);
	assert_int_equal(betting_balance(&betting, cash_of(OTHER_COUNTER)), 20000);
	assert_int_equal(betting_row(&betting, id).state, BET_PAID);
	assert_int_equal(betting_redeem(&betting, id, COUNTER, 1), WIRE_CODE_TICKET_PAID);
	ledger_free(betting.ledger);
}

TEST(codes_of_redeeming)
{
	struct betting betting;
	struct ledger_command command = { .type = EVENT_BET_VOID };
	struct wire_request cancel = { .template_id = WIRE_CANCEL_BET,
		.cancel_bet = {
		    .deadline_ns = NO_DEADLINE, .reason = CANCEL_REASON_PRINT_FAILED } };
	uint64_t won, lost, account, voided, cancelled;

	betting_make(&betting, 256);
	won = betting_bet(&betting, 0, 1000, 1, 1, 0);
	lost = betting_bet(&betting, 0, 1000, 1, 1, 1);
	account = betting_bet(&betting, ALICE, 1000, 1, 1, 0);
	voided = betting_bet(&betting, 0, 700, 1, 1, 0);
	cancelled = betting_bet(&betting, 0, 300, 1, 1, 0);
	command.object_id = voided;
	assert_true(betting_command(&betting, &command) > 0);
	cancel.cancel_bet.bet_id = cancelled;
	assert_int_equal(
	    betting_request_at(&betting, cancel, OTHER_COUNTER, 0), WIRE_CODE_NOT_YOUR_BET);
	assert_int_equal(betting_request(&betting, cancel), WIRE_CODE_OK);
	assert_int_equal(betting_balance(&betting, cash_of(COUNTER)), -2700);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_redeem(&betting, 4711, COUNTER, 1), WIRE_CODE_BET_UNKNOWN);
	assert_int_equal(betting_redeem(&betting, won, COUNTER, 0), WIRE_CODE_TICKET_INVALID);
	assert_int_equal(betting_redeem(&betting, lost, COUNTER, 1), WIRE_CODE_TICKET_NOT_PAYABLE);
	assert_int_equal(
	    betting_redeem(&betting, account, COUNTER, 1), WIRE_CODE_TICKET_NOT_PAYABLE);
	assert_int_equal(
	    betting_redeem(&betting, cancelled, COUNTER, 1), WIRE_CODE_TICKET_NOT_PAYABLE);
	assert_int_equal(betting_redeem(&betting, won, COUNTER, 1), WIRE_CODE_OK);
	assert_int_equal(betting_redeem(&betting, voided, COUNTER, 1), WIRE_CODE_OK);
	assert_int_equal(betting_row(&betting, voided).state, BET_PAID);
	assert_int_equal(betting_balance(&betting, cash_of(COUNTER)), 0);
	ledger_free(betting.ledger);
}

TEST(what_was_paid_is_never_taken_back)
{
	struct betting betting;
	uint64_t paid, waiting;

	betting_make(&betting, 256);
	paid = betting_bet(&betting, 0, 1000, 1, 1, 0);
	waiting = betting_bet(&betting, 0, 1000, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_redeem(&betting, paid, COUNTER, 1), WIRE_CODE_OK);
	assert_int_equal(betting_rollback(&betting, 1), 1);
	assert_int_equal(betting_row(&betting, paid).state, BET_PAID);
	assert_int_equal(betting_row(&betting, waiting).state, BET_OPEN);
	assert_int_equal(
	    betting_redeem(&betting, waiting, COUNTER, 1), WIRE_CODE_TICKET_NOT_PAYABLE);
	assert_int_equal(betting_settle(&betting, 1, 1), 1);
	assert_int_equal(betting_row(&betting, waiting).payout, 0);
	ledger_free(betting.ledger);
}

TEST(winnings_expire_after_the_last_of_the_tickets_markets)
{
	struct betting betting;
	uint64_t one, both, lost;
	struct event_record record;

	betting_make(&betting, 256);
	one = betting_bet(&betting, 0, 1000, 1, 1, 0);
	both = betting_bet(&betting, 0, 1000, 2, 1, 0);
	lost = betting_bet(&betting, 0, 1000, 1, 1, 1);
	betting_settle(&betting, 1, 0);
	betting.now_ns += HOUR;
	betting_settle(&betting, 2, 0);
	betting.now_ns += ticket_expiry_ns(&betting) - HOUR - 1;
	betting_due(&betting);
	assert_int_equal(betting_row(&betting, one).state, BET_SETTLED);
	betting.now_ns += 1;
	betting_due(&betting);
	assert_int_equal(betting_row(&betting, both).state, BET_SETTLED);
	assert_int_equal(betting_row(&betting, one).state, BET_EXPIRED);
	betting_final(&betting, 1);
	betting_final(&betting, 2);
	betting_due(&betting);
	assert_int_equal(ledger_bet(betting.ledger, one, &(struct bet_row){ 0 }), -ENOENT);
	betting.now_ns += HOUR - 1;
	betting_due(&betting);
	assert_int_equal(betting_row(&betting, both).state, BET_SETTLED);
	assert_int_equal(betting_redeem(&betting, both, COUNTER, 0), WIRE_CODE_TICKET_INVALID);
	betting.now_ns += 1;
	while (betting.length != 0) {
		betting_apply(
		    &betting, ledger_decide_due(betting.ledger, betting.now_ns, &betting.event));
		record = fixture_record(&betting.event);
		if (betting.length > 0 && le16_get(record.type) == EVENT_TICKET_EXPIRE)
			break;
	}
	assert_int_equal(le64_get(record.object_id), both);
	assert_int_equal(le64s_get(record.payout), 4000);
	assert_int_equal(record.flags, EVENT_FLAG_TIMER);
	assert_int_equal(betting_row(&betting, both).state, BET_EXPIRED);
	assert_int_equal(betting_redeem(&betting, both, COUNTER, 1), WIRE_CODE_TICKET_EXPIRED);
	assert_int_equal(ledger_bet(betting.ledger, lost, &(struct bet_row){ 0 }), -ENOENT);
	/* House: it kept 3,000 stakes and won all back. */
	assert_int_equal(
	    betting_balance(&betting, ledger_system_account(SYSTEM_HOUSE, KRW, 0)), 3000);
	ledger_free(betting.ledger);
}

TEST(a_rollback_puts_the_expiry_off)
{
	struct betting betting;
	uint64_t id;

	betting_make(&betting, 256);
	id = betting_bet(&betting, 0, 1000, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	betting.now_ns += HOUR;
	betting_rollback(&betting, 1);
	betting_settle(&betting, 1, 0);
	betting.now_ns += ticket_expiry_ns(&betting) - HOUR / 2;
	betting_due(&betting);
	assert_int_equal(betting_row(&betting, id).state, BET_SETTLED);
	betting.now_ns += HOUR;
	betting_due(&betting);
	assert_int_equal(betting_row(&betting, id).state, BET_EXPIRED);
	ledger_free(betting.ledger);
}

TEST(reprints_are_counted_where_the_ticket_was_sold)
{
	struct betting betting;
	struct wire_request wire = { .template_id = WIRE_REPRINT,
		.reprint = { .deadline_ns = NO_DEADLINE, .reason = 2 } };
	uint64_t id;

	betting_make(&betting, 256);
	wire.reprint.bet_id = 99;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_BET_UNKNOWN);
	id = wire.reprint.bet_id = betting_bet(&betting, 0, 1000, 1, 1, 0);
	assert_int_equal(
	    betting_request_at(&betting, wire, OTHER_COUNTER, 0), WIRE_CODE_NOT_YOUR_BET);
	for (int i = 1; i <= 257; i++) {
		int number = i < BET_REPRINTS_MAX ? i : BET_REPRINTS_MAX;

		assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
		assert_int_equal(le64s_get(fixture_record(&betting.event).payout), number);
		assert_int_equal(betting_row(&betting, id).reprints, number);
		assert_int_equal(betting_row(&betting, id).state, BET_OPEN);
		assert_true(
		    ledger_state_hash(betting.ledger) == ledger_state_hash_full(betting.ledger));
	}
	/* An event of an older log, where the count stays at 15. */
	wire.reprint.bet_id = betting_bet(&betting, 0, 1000, 1, 1, 0);
	for (int i = 1; i <= 17; i++) {
		struct ledger_request request = { .wire = &wire, .terminal_id = COUNTER };
		struct event_record record;
		struct event_buffer event;
		int length;

		wire.request_id = ++betting.request_id;
		length = ledger_decide(betting.ledger, &request, betting.now_ns, &event);
		assert_true(length > 0);
		record = fixture_record(&event);
		assert_int_equal(le64s_get(record.payout), i <= 15 ? i : 16);
		if (i > 15)
			record.payout = le64s_make(15);
		memcpy(event.bytes, &record, sizeof(record));
		assert_int_equal(ledger_apply(betting.ledger, event.bytes, (size_t)length), 0);
	}
	assert_int_equal(betting_row(&betting, wire.reprint.bet_id).reprints, 15);
	wire.reprint.bet_id = id;
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	assert_int_equal(betting_redeem(&betting, id, COUNTER, 1), WIRE_CODE_OK);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_BET_NOT_OPEN);
	ledger_free(betting.ledger);
}

TEST(a_lost_ticket_is_not_printed_again)
{
	struct betting betting;
	struct wire_request wire = { .template_id = WIRE_REPRINT,
		.reprint = { .deadline_ns = NO_DEADLINE, .reason = 2 } };

	betting_make(&betting, 256);
	wire.reprint.bet_id = betting_bet(&betting, 0, 1000, 1, 1, 1);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_BET_NOT_OPEN);
	betting_rollback(&betting, 1);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	ledger_free(betting.ledger);
}

/* The limits are amounts of one currency: cash of another one would pass them all. */
TEST(cash_is_taken_in_the_rules_currency_alone)
{
	static const uint16_t others[] = { 0, 840, 999 };
	struct betting betting;
	struct wire_request wire = { .template_id = WIRE_PLACE_BET,
		.request_id = 1000,
		.place_bet = { .stake = 1000,
		    .deadline_ns = NO_DEADLINE,
		    .leg_count = 1,
		    .legs = { { .market_id = 1, .odds = 2000 } } } };
	struct ledger_request request = { .wire = &wire, .terminal_id = COUNTER };
	struct event_buffer event;
	struct ledger_totals before, after;

	betting_make(&betting, 256);
	ledger_totals(betting.ledger, &before);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(others); i++) {
		wire.place_bet.currency = others[i];
		assert_case_equal(i, betting_request(&betting, wire), WIRE_CODE_CURRENCY_MISMATCH);
		assert_null(ledger_account(
		    betting.ledger, ledger_system_account(SYSTEM_CASH, others[i], COUNTER)));
	}
	ledger_totals(betting.ledger, &after);
	assert_int_equal(after.bets, before.bets);
	/* What no event could hold is not decided at all, not even as a refusal. */
	for (unsigned i = 0; i < 2; i++) {
		wire.place_bet.currency = i == 0 ? 1000 : 5000;
		assert_int_equal(
		    ledger_decide(betting.ledger, &request, betting.now_ns, &event), -EINVAL);
		request.refuse_code = WIRE_CODE_LINKED_NOT_DONE;
	}
	wire.place_bet.currency = KRW;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	ledger_free(betting.ledger);
}

TEST(limits_hold_for_cash_too)
{
	struct betting betting;
	struct wire_request wire = { .template_id = WIRE_PLACE_BET,
		.place_bet = { .stake = 1000001,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = 1,
		    .legs = { { .market_id = 1, .odds = 2000 } } } };
	struct ledger_request request = { .wire = &wire, .terminal_id = COUNTER };

	betting_make(&betting, 256);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_LIMIT_SINGLE_STAKE);
	assert_int_equal(betting_balance(&betting, cash_of(COUNTER)), 0);
	wire.place_bet.stake = 1000;
	wire.request_id = 100;
	request.terminal_daily_max = 999;
	betting_apply(
	    &betting, ledger_decide(betting.ledger, &request, betting.now_ns, &betting.event));
	assert_int_equal(betting_code(&betting), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	wire.place_bet.stake = 0;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_AMOUNT_INVALID);
	ledger_free(betting.ledger);
}

TEST_MAIN()
