/* SPDX-License-Identifier: Apache-2.0 */
/* Game rounds of a provider: debits, credits, rollbacks in any order, the close. */
#include <errno.h>

#include "tests/ledger/rounds.h"

static int64_t provider_balance(const struct betting *betting)
{
	return betting_balance(betting, ledger_system_account(SYSTEM_PARTNER, KRW, PROVIDER));
}

TEST(a_round_moves_money_between_player_and_provider)
{
	struct betting betting;

	rounds_make(&betting);
	assert_int_equal(debit(&betting, 1, 3000, 5), WIRE_CODE_OK);
	assert_int_equal(betting_balance(&betting, PLAYER), 7000);
	assert_int_equal(provider_balance(&betting), 3000);
	assert_int_equal(credit(&betting, 2, 4500, 5), WIRE_CODE_OK);
	assert_int_equal(le64s_get(fixture_record(&betting.event).payout), 4500);
	assert_int_equal(betting_balance(&betting, PLAYER), 11500);
	assert_int_equal(provider_balance(&betting), -1500);
	assert_int_equal(close_round(&betting, 5), WIRE_CODE_OK);
	assert_int_equal(close_round(&betting, 5), WIRE_CODE_REPEATED);
	assert_int_equal(debit(&betting, 3, 1, 5), WIRE_CODE_ROUND_CLOSED);
	assert_int_equal(credit(&betting, 4, 1, 5), WIRE_CODE_ROUND_CLOSED);
	assert_int_equal(debit(&betting, 1, 3000, 5), WIRE_CODE_REPEATED);
	ledger_free(betting.ledger);
}

TEST(a_transaction_is_carried_out_once)
{
	struct betting betting;
	uint64_t round;

	rounds_make(&betting);
	assert_int_equal(debit(&betting, 1, 3000, 5), WIRE_CODE_OK);
	round = le64_get(fixture_record(&betting.event).object_id);
	assert_int_equal(debit(&betting, 1, 3000, 5), WIRE_CODE_REPEATED);
	assert_int_equal(le64_get(fixture_record(&betting.event).object_id), round);
	assert_int_equal(le64s_get(fixture_record(&betting.event).payout), 3000);
	assert_int_equal(debit(&betting, 1, 3001, 5), WIRE_CODE_TRANSACTION_REPEATED);
	assert_int_equal(debit(&betting, 1, 3000, 6), WIRE_CODE_TRANSACTION_REPEATED);
	assert_int_equal(credit(&betting, 1, 3000, 5), WIRE_CODE_TRANSACTION_REPEATED);
	assert_int_equal(rollback(&betting, 1, 9, 5), WIRE_CODE_TRANSACTION_REPEATED);
	assert_int_equal(betting_balance(&betting, PLAYER), 7000);
	ledger_free(betting.ledger);
}

TEST(a_rollback_undoes_whatever_comes_first)
{
	struct betting betting;

	rounds_make(&betting);
	assert_int_equal(debit(&betting, 1, 3000, 5), WIRE_CODE_OK);
	assert_int_equal(rollback(&betting, 2, 1, 5), WIRE_CODE_OK);
	assert_int_equal(betting_balance(&betting, PLAYER), 10000);
	assert_int_equal(rollback(&betting, 2, 1, 5), WIRE_CODE_REPEATED);
	assert_int_equal(rollback(&betting, 1, 1, 5), WIRE_CODE_REPEATED);
	assert_int_equal(debit(&betting, 1, 3000, 5), WIRE_CODE_TRANSACTION_ROLLED_BACK);
	/* Before it came. */
	assert_int_equal(rollback(&betting, 3, 77, 5), WIRE_CODE_OK);
	assert_int_equal(le64s_get(fixture_record(&betting.event).amount), 0);
	assert_int_equal(rollback(&betting, 3, 77, 5), WIRE_CODE_REPEATED);
	assert_int_equal(debit(&betting, 77, 10, 5), WIRE_CODE_TRANSACTION_ROLLED_BACK);
	assert_int_equal(credit(&betting, 77, 10, 5), WIRE_CODE_TRANSACTION_ROLLED_BACK);
	assert_int_equal(betting_balance(&betting, PLAYER), 10000);
	assert_int_equal(provider_balance(&betting), 0);
	ledger_free(betting.ledger);
}

TEST(a_credit_that_was_spent_is_owed)
{
	struct betting betting;

	rounds_make(&betting);
	assert_int_equal(debit(&betting, 1, 10000, 5), WIRE_CODE_OK);
	assert_int_equal(credit(&betting, 2, 2000, 5), WIRE_CODE_OK);
	assert_int_equal(debit(&betting, 3, 1500, 5), WIRE_CODE_OK);
	assert_int_equal(close_round(&betting, 5), WIRE_CODE_OK);
	assert_int_equal(rollback(&betting, 4, 2, 5), WIRE_CODE_OK); /* closed or not */
	assert_int_equal(betting_balance(&betting, PLAYER), 0);
	assert_int_equal(ledger_account(betting.ledger, PLAYER)->owed, 1500);
	assert_int_equal(rollback(&betting, 5, 1, 5), WIRE_CODE_OK);
	assert_int_equal(betting_balance(&betting, PLAYER), 8500);
	assert_int_equal(ledger_account(betting.ledger, PLAYER)->owed, 0);
	assert_int_equal(provider_balance(&betting), 1500);
	ledger_free(betting.ledger);
}

TEST(refusals_of_rounds)
{
	struct betting betting;
	struct wire_request wire;
	struct ledger_command freeze = {
		.type = EVENT_ACCOUNT_FREEZE, .account_id = PLAYER, .flags = EVENT_FLAG_FROZEN
	};

	rounds_make(&betting);
	assert_int_equal(debit(&betting, 1, 10001, 5), WIRE_CODE_FUNDS_INSUFFICIENT);
	assert_int_equal(debit(&betting, 1, 0, 5), WIRE_CODE_AMOUNT_INVALID);
	assert_int_equal(debit(&betting, 1, -5, 5), WIRE_CODE_AMOUNT_INVALID);
	assert_int_equal(credit(&betting, 1, 100, 5), WIRE_CODE_ROUND_UNKNOWN);
	assert_int_equal(close_round(&betting, 5), WIRE_CODE_ROUND_UNKNOWN);
	wire = round_wire(WIRE_ROUND_DEBIT, 1, 100, 5);
	wire.round.partner_id = PROVIDER + 1;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_PARTNER_UNKNOWN);
	wire = round_wire(WIRE_ROUND_DEBIT, 1, 100, 5);
	wire.round.currency = 840;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_CURRENCY_MISMATCH);
	wire = round_wire(WIRE_ROUND_DEBIT, 1, 100, 5);
	wire.round.account_id = 4711;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_int_equal(debit(&betting, 1, 100, 5), WIRE_CODE_OK);
	assert_true(betting_command(&betting, &freeze) > 0);
	assert_int_equal(debit(&betting, 2, 100, 5), WIRE_CODE_ACCOUNT_FROZEN);
	assert_int_equal(credit(&betting, 2, 100, 5), WIRE_CODE_ACCOUNT_FROZEN);
	assert_int_equal(rollback(&betting, 3, 1, 5), WIRE_CODE_OK);
	assert_int_equal(close_round(&betting, 5), WIRE_CODE_OK);
	assert_int_equal(betting_balance(&betting, PLAYER), 10000);
	ledger_free(betting.ledger);
}

TEST(the_houses_own_games_have_no_partner)
{
	struct betting betting;
	struct wire_request wire = round_wire(WIRE_ROUND_DEBIT, 1, 500, 5);

	rounds_make(&betting);
	wire.round.account_id = ALICE;
	wire.round.partner_id = 0;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	assert_int_equal(
	    betting_balance(&betting, ledger_system_account(SYSTEM_HOUSE, KRW, 0)), 500);
	ledger_free(betting.ledger);
}

TEST(rounds_of_two_games_and_accounts_are_apart)
{
	struct betting betting;
	struct wire_request wire = round_wire(WIRE_ROUND_DEBIT, 2, 100, 5);

	rounds_make(&betting);
	assert_int_equal(debit(&betting, 1, 100, 5), WIRE_CODE_OK);
	wire.round.game = GAME + 1;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	assert_int_equal(close_round(&betting, 5), WIRE_CODE_OK);
	wire.round.transaction[1] = 1; /* another one: all 128 bits count */
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	/* A rollback that names the round of another game. */
	wire = round_wire(WIRE_ROUND_ROLLBACK, 50, 0, 5);
	wire.round.game = GAME + 1;
	wire.round.target[0] = 1;
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_ROUND_UNKNOWN);
	ledger_free(betting.ledger);
}

TEST(a_rollback_that_names_a_round_there_never_was_moves_nothing)
{
	struct betting betting;

	rounds_make(&betting);
	assert_int_equal(debit(&betting, 1, 500, 5), WIRE_CODE_OK);
	assert_int_equal(rollback(&betting, 2, 1, 999), WIRE_CODE_ROUND_UNKNOWN);
	assert_int_equal(betting_balance(&betting, PLAYER), 9500);
	assert_int_equal(rollback(&betting, 2, 1, 5), WIRE_CODE_OK);
	assert_int_equal(rollback(&betting, 2, 1, 999), WIRE_CODE_ROUND_UNKNOWN);
	assert_int_equal(betting_balance(&betting, PLAYER), 10000);
	ledger_free(betting.ledger);
}

TEST(a_round_nobody_closes_is_closed_by_time_and_leaves)
{
	struct betting betting;
	struct ledger_totals totals;
	uint64_t hold, idle, objects;

	rounds_make(&betting);
	ledger_totals(betting.ledger, &totals);
	objects = totals.objects;
	hold = ledger_shard(betting.ledger)->rules.partner_key_hold_s * SECOND;
	idle = 30 * hold;
	assert_int_equal(debit(&betting, 1, 100, 5), WIRE_CODE_OK);
	betting.now_ns += idle - 1;
	betting_due(&betting);
	/* Every transaction gives it time anew, a rollback too. */
	assert_int_equal(credit(&betting, 2, 50, 5), WIRE_CODE_OK);
	betting.now_ns += idle - 1;
	betting_due(&betting);
	assert_int_equal(rollback(&betting, 3, 2, 5), WIRE_CODE_OK);
	betting.now_ns += idle - 1;
	betting_due(&betting);
	assert_int_equal(debit(&betting, 4, 100, 5), WIRE_CODE_OK);
	betting.now_ns += idle;
	assert_int_equal(betting_due(&betting), 1);
	assert_int_equal(le16_get(fixture_record(&betting.event).type), EVENT_ROUND_CLOSE);
	assert_int_equal(fixture_record(&betting.event).flags, EVENT_FLAG_TIMER);
	assert_int_equal(debit(&betting, 5, 100, 5), WIRE_CODE_ROUND_CLOSED);
	assert_int_equal(close_round(&betting, 5), WIRE_CODE_REPEATED);
	assert_int_equal(betting_balance(&betting, PLAYER), 9800);
	betting.now_ns += hold;
	betting_due(&betting);
	ledger_totals(betting.ledger, &totals);
	assert_int_equal(totals.objects, objects);
	ledger_free(betting.ledger);
}

static int64_t staked_this_week(const struct betting *betting)
{
	const struct object_key key = { .kind = OBJECT_PLAY_COUNTERS, .words = { PLAYER } };
	const struct object_row *row = ledger_object_by_key(betting->ledger, &key);
	struct object_play_counters counters;

	assert_non_null(row);
	memcpy(&counters, row->body, sizeof(counters));
	return le64s_get(counters.staked[1]);
}

/* A longer hold does not put what was carried out before it into another day or week. */
TEST(a_rollback_counts_on_the_day_of_its_debit_whatever_the_hold_is_by_now)
{
	struct wire_request play = { .template_id = WIRE_PLAY_SET,
		.play_set = { .account_id = PLAYER,
		    .deadline_ns = NO_DEADLINE,
		    .limits = { -1, -1, -1, 100000, -1, -1 } } };
	struct ledger_command rules = { .type = EVENT_RULES_SET, .control_sequence = 2 };
	struct betting betting;

	rounds_make(&betting);
	assert_int_equal(betting_request(&betting, play), WIRE_CODE_OK);
	assert_int_equal(debit(&betting, 1, 700, 5), WIRE_CODE_OK);
	assert_int_equal(staked_this_week(&betting), 700);
	rules.rules = ledger_shard(betting.ledger)->rules;
	rules.rules.version++;
	rules.rules.partner_key_hold_s += 10 * 86400;
	assert_true(betting_command(&betting, &rules) > 0);
	assert_int_equal(rollback(&betting, 2, 1, 5), WIRE_CODE_OK);
	assert_int_equal(staked_this_week(&betting), 0);
	ledger_free(betting.ledger);
}

TEST(closed_rounds_and_tombstones_retire_open_ones_stay)
{
	struct betting betting;
	struct ledger_totals totals;
	uint64_t hold;
	uint64_t objects;

	rounds_make(&betting);
	ledger_totals(betting.ledger, &totals);
	objects = totals.objects;
	hold = ledger_shard(betting.ledger)->rules.partner_key_hold_s * SECOND;
	assert_int_equal(debit(&betting, 1, 100, 5), WIRE_CODE_OK);
	assert_int_equal(debit(&betting, 2, 100, 6), WIRE_CODE_OK);
	assert_int_equal(rollback(&betting, 3, 99, 6), WIRE_CODE_OK);
	betting.now_ns += hold / 2;
	assert_int_equal(close_round(&betting, 5), WIRE_CODE_OK);
	betting.now_ns += hold / 2 + 1;
	betting_due(&betting); /* the tombstone */
	ledger_totals(betting.ledger, &totals);
	assert_int_equal(totals.objects, objects + 4);
	assert_int_equal(rollback(&betting, 4, 1, 5), WIRE_CODE_OK);
	betting.now_ns += hold;
	betting_due(&betting);
	ledger_totals(betting.ledger, &totals);
	assert_int_equal(totals.objects, objects + 2); /* round 6 and its debit */
	assert_int_equal(rollback(&betting, 5, 2, 6), WIRE_CODE_OK);
	assert_int_equal(betting_balance(&betting, PLAYER), 10000);
	ledger_free(betting.ledger);
}

TEST_MAIN()
