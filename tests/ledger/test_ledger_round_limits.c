/* SPDX-License-Identifier: Apache-2.0 */
/* A game round's debit is a stake: the limits it meets, and the days it counts in. */
#include <errno.h>

#include "lmdb-schema/event_sections.h"
#include "tests/ledger/rounds.h"

#define DOLLARS_PLAYER 21
#define SINGLE_MAX     600
#define DAILY_MAX      1000
#define TERMINAL_MAX   900

/* Limits, a player in another currency, and a follower that gets every event too. */
static void limits_make(struct betting *betting)
{
	struct ledger_command rules = { .type = EVENT_RULES_SET, .control_sequence = 2 };
	struct ledger_config config;

	rounds_make(betting);
	assert_true(fixture_account(betting->ledger, DOLLARS_PLAYER, 5000, 840) > 0);
	rules.rules = ledger_shard(betting->ledger)->rules;
	rules.rules.version++;
	rules.rules.stake_single_max = SINGLE_MAX;
	rules.rules.stake_daily_max = DAILY_MAX;
	rules.rules.terminal_daily_max = TERMINAL_MAX;
	assert_true(betting_command(betting, &rules) > 0);
	config = fixture_config(256, 0);
	betting->follower = ledger_create(&config);
	assert_non_null(betting->follower);
	assert_int_equal(ledger_copy(betting->follower, betting->ledger), 0);
}

static void limits_free(struct betting *betting)
{
	assert_int_equal(ledger_state_hash(betting->follower), ledger_state_hash(betting->ledger));
	ledger_free(betting->follower);
	ledger_free(betting->ledger);
}

static int64_t day_of_terminal(const struct betting *betting, uint64_t terminal_id)
{
	const struct terminal_row *row = ledger_terminal(betting->ledger, terminal_id);
	uint32_t day = risk_day(&ledger_shard(betting->ledger)->rules, betting->now_ns);

	return row == NULL ? 0 : ledger_staked_on(row->staked_today, row->staked_day, day);
}

static int64_t day_of_player(const struct betting *betting)
{
	return ledger_account(betting->ledger, PLAYER)->staked_today;
}

/* As a worker asks: with what the terminal has staked that day. */
static uint16_t ask(struct betting *betting, struct wire_request wire, uint64_t terminal_id,
    const struct event_record *reverse_target)
{
	struct ledger_request request = { .wire = &wire,
		.terminal_id = terminal_id,
		.terminal_staked_today = day_of_terminal(betting, terminal_id),
		.reverse_target = reverse_target };

	wire.request_id = ++betting->request_id;
	betting_apply(
	    betting, ledger_decide(betting->ledger, &request, betting->now_ns, &betting->event));
	assert_true(betting->length > 0);
	return betting_code(betting);
}

static uint16_t debit_at(
    struct betting *betting, uint64_t terminal_id, uint64_t transaction, int64_t amount)
{
	return ask(
	    betting, round_wire(WIRE_ROUND_DEBIT, transaction, amount, 5), terminal_id, NULL);
}

static struct wire_request undo_wire(uint64_t transaction, uint64_t target)
{
	struct wire_request wire = round_wire(WIRE_ROUND_ROLLBACK, transaction, 0, 5);

	wire.round.target[0] = target;
	return wire;
}

/* What was staked before, all accepted, and the debit that meets a limit or does not. */
static const struct limit_case {
	const char *name;
	int64_t bet, debit; /* before, at terminals 8 and COUNTER; 0: none */
	int64_t amount;     /* at COUNTER */
	uint16_t code;
} limit_cases[] = {
	{ "single, below", 0, 0, SINGLE_MAX - 1, WIRE_CODE_OK },
	{ "single, at", 0, 0, SINGLE_MAX, WIRE_CODE_OK },
	{ "single, above", 0, 0, SINGLE_MAX + 1, WIRE_CODE_LIMIT_SINGLE_STAKE },
	{ "single, by far", 0, 0, 3000000, WIRE_CODE_LIMIT_SINGLE_STAKE },
	{ "account's day with a bet, below", 600, 0, 399, WIRE_CODE_OK },
	{ "account's day with a bet, at", 600, 0, 400, WIRE_CODE_OK },
	{ "account's day with a bet, above", 600, 0, 401, WIRE_CODE_LIMIT_DAILY_STAKE },
	{ "account's day with both, at", 300, 300, 400, WIRE_CODE_OK },
	{ "account's day with both, above", 300, 300, 401, WIRE_CODE_LIMIT_DAILY_STAKE },
	{ "terminal's day, below", 0, 600, 299, WIRE_CODE_OK },
	{ "terminal's day, at", 0, 600, 300, WIRE_CODE_OK },
	{ "terminal's day, above", 0, 600, 301, WIRE_CODE_LIMIT_TERMINAL_DAILY },
};

static struct wire_request bet_wire(int64_t stake)
{
	return (struct wire_request){ .template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = PLAYER,
		    .stake = stake,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = 1,
		    .legs = { { .market_id = 1, .odds = 2000 } } } };
}

TEST(a_debit_meets_the_limits_of_a_stake)
{
	for (unsigned i = 0; i < sizeof(limit_cases) / sizeof(limit_cases[0]); i++) {
		const struct limit_case *one = &limit_cases[i];
		int64_t staked = one->bet + one->debit;
		struct betting betting;

		limits_make(&betting);
		if (one->bet != 0)
			assert_case_equal(
			    i, ask(&betting, bet_wire(one->bet), 8, NULL), WIRE_CODE_OK);
		if (one->debit != 0)
			assert_case_equal(
			    i, debit_at(&betting, COUNTER, 1, one->debit), WIRE_CODE_OK);
		if (debit_at(&betting, COUNTER, 2, one->amount) != one->code)
			fail_msg("%s: %s", one->name, wire_code_name(betting_code(&betting)));
		staked += one->code == WIRE_CODE_OK ? one->amount : 0;
		assert_case_equal(i, day_of_player(&betting), staked);
		assert_case_equal(i, day_of_terminal(&betting, COUNTER), staked - one->bet);
		limits_free(&betting);
	}
}

/* Bets meet what debits have used up, and a debit sent again uses up nothing. */
TEST(debits_count_in_the_day_of_bets)
{
	struct betting betting;

	limits_make(&betting);
	assert_int_equal(debit_at(&betting, COUNTER, 1, 600), WIRE_CODE_OK);
	assert_int_equal(debit_at(&betting, COUNTER, 1, 600), WIRE_CODE_REPEATED);
	assert_int_equal(day_of_player(&betting), 600);
	assert_int_equal(ask(&betting, bet_wire(401), 8, NULL), WIRE_CODE_LIMIT_DAILY_STAKE);
	assert_int_equal(
	    ask(&betting, bet_wire(301), COUNTER, NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(ask(&betting, bet_wire(300), COUNTER, NULL), WIRE_CODE_OK);
	/* A win makes no room. */
	assert_int_equal(credit(&betting, 2, 5000, 5), WIRE_CODE_OK);
	assert_int_equal(debit_at(&betting, 8, 3, 101), WIRE_CODE_LIMIT_DAILY_STAKE);
	assert_int_equal(debit_at(&betting, 8, 3, 100), WIRE_CODE_OK);
	limits_free(&betting);
}

/* In another currency: the account's day counts it, without a limit; the terminal's does not. */
TEST(a_debit_in_another_currency_is_no_part_of_the_terminals_day)
{
	struct wire_request wire = round_wire(WIRE_ROUND_DEBIT, 1, 3000, 5);
	struct betting betting;

	limits_make(&betting);
	wire.round.account_id = DOLLARS_PLAYER;
	wire.round.partner_id = 0;
	wire.round.currency = 840;
	assert_int_equal(ask(&betting, wire, COUNTER, NULL), WIRE_CODE_OK);
	assert_int_equal(ledger_account(betting.ledger, DOLLARS_PLAYER)->staked_today, 3000);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 0);
	assert_int_equal(debit_at(&betting, COUNTER, 2, 500), WIRE_CODE_OK);
	wire = undo_wire(3, 1);
	wire.round.account_id = DOLLARS_PLAYER;
	wire.round.partner_id = 0;
	wire.round.currency = 840;
	assert_int_equal(ask(&betting, wire, COUNTER, NULL), WIRE_CODE_OK);
	assert_int_equal(ledger_account(betting.ledger, DOLLARS_PLAYER)->staked_today, 0);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 500);
	limits_free(&betting);
}

TEST(a_debit_taken_back_on_its_day_no_longer_counts)
{
	struct betting betting;

	limits_make(&betting);
	assert_int_equal(debit_at(&betting, COUNTER, 1, 600), WIRE_CODE_OK);
	assert_int_equal(debit_at(&betting, COUNTER, 2, 100), WIRE_CODE_OK);
	assert_int_equal(ask(&betting, undo_wire(3, 1), COUNTER, NULL), WIRE_CODE_OK);
	assert_int_equal(day_of_player(&betting), 100);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 100);
	assert_int_equal(ask(&betting, undo_wire(3, 1), COUNTER, NULL), WIRE_CODE_REPEATED);
	assert_int_equal(day_of_player(&betting), 100);
	/* By another terminal: the account's day alone, for that one's day never had it. */
	assert_int_equal(debit_at(&betting, 8, 4, 200), WIRE_CODE_OK);
	assert_int_equal(ask(&betting, undo_wire(5, 2), 8, NULL), WIRE_CODE_OK);
	assert_int_equal(day_of_player(&betting), 200);
	assert_int_equal(day_of_terminal(&betting, 8), 200);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 100);
	/* What was never there, and a win, take nothing off. */
	assert_int_equal(ask(&betting, undo_wire(6, 77), 8, NULL), WIRE_CODE_OK);
	assert_int_equal(credit(&betting, 7, 50, 5), WIRE_CODE_OK);
	assert_int_equal(ask(&betting, undo_wire(8, 7), 8, NULL), WIRE_CODE_OK);
	assert_int_equal(day_of_player(&betting), 200);
	assert_int_equal(day_of_terminal(&betting, 8), 200);
	limits_free(&betting);
}

TEST(a_debit_reversed_by_its_terminal_no_longer_counts)
{
	struct wire_request reverse = { .template_id = WIRE_REVERSE,
		.reverse = { .deadline_ns = NO_DEADLINE } };
	struct event_record target;
	struct betting betting;

	limits_make(&betting);
	assert_int_equal(debit_at(&betting, COUNTER, 1, 100), WIRE_CODE_OK);
	assert_int_equal(debit_at(&betting, COUNTER, 2, 600), WIRE_CODE_OK);
	target = fixture_record(&betting.event);
	reverse.reverse.target_request_id = betting.request_id;
	assert_int_equal(ask(&betting, reverse, COUNTER, &target), WIRE_CODE_OK);
	assert_int_equal(day_of_player(&betting), 100);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 100);
	/* A win that is reversed is a ROUND_DEBIT, but no stake. */
	assert_int_equal(credit(&betting, 3, 500, 5), WIRE_CODE_OK);
	target = fixture_record(&betting.event);
	reverse.reverse.target_request_id = betting.request_id;
	assert_int_equal(ask(&betting, reverse, COUNTER, &target), WIRE_CODE_OK);
	assert_int_equal(le16_get(fixture_record(&betting.event).type), EVENT_ROUND_DEBIT);
	assert_int_equal(day_of_player(&betting), 100);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 100);
	limits_free(&betting);
}

TEST(a_new_day_counts_anew_and_a_rollback_leaves_it_alone)
{
	struct betting betting;

	limits_make(&betting);
	betting.now_ns = NOW + 15 * HOUR - SECOND; /* a second before midnight */
	assert_int_equal(debit_at(&betting, COUNTER, 1, 600), WIRE_CODE_OK);
	assert_int_equal(debit_at(&betting, COUNTER, 2, 301), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	betting.now_ns += SECOND;
	assert_int_equal(debit_at(&betting, COUNTER, 3, 500), WIRE_CODE_OK);
	assert_int_equal(day_of_player(&betting), 500);
	assert_int_equal(ask(&betting, undo_wire(4, 1), COUNTER, NULL), WIRE_CODE_OK);
	assert_int_equal(day_of_player(&betting), 500);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 500);
	limits_free(&betting);
}

/* Events of older logs do not say that they count: they come to the rows they came to then. */
TEST(a_debit_of_an_older_log_counts_in_no_day)
{
	struct object_round_tx tx;
	struct event_view view;
	struct betting betting;
	struct ledger_request request = { .terminal_id = COUNTER };
	struct wire_request wire = round_wire(WIRE_ROUND_DEBIT, 1, 500, 5);
	int length;

	limits_make(&betting);
	wire.request_id = ++betting.request_id;
	request.wire = &wire;
	length = ledger_decide(betting.ledger, &request, betting.now_ns, &betting.event);
	assert_true(length > 0);
	assert_int_equal(event_view_read(betting.event.bytes, (size_t)length, &view), 0);
	for (size_t at = 0; at + sizeof(tx) <= (size_t)length; at++) {
		memcpy(&tx, betting.event.bytes + at, sizeof(tx));
		if (le64_get(tx.transaction[0]) != 1 || le64_get(tx.account_id) != PLAYER ||
		    tx.op != ROUND_OP_DEBIT)
			continue;
		assert_int_equal(tx.counted, ROUND_COUNTED_ALL);
		assert_int_equal(le32_get(tx.terminal_id), COUNTER);
		tx.counted = 0;
		tx.terminal_id = le32_make(0);
		memcpy(betting.event.bytes + at, &tx, sizeof(tx));
	}
	betting_apply(&betting, length);
	assert_int_equal(day_of_player(&betting), 0);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 0);
	assert_int_equal(debit_at(&betting, COUNTER, 2, 300), WIRE_CODE_OK);
	assert_int_equal(ask(&betting, undo_wire(3, 1), COUNTER, NULL), WIRE_CODE_OK);
	assert_int_equal(day_of_player(&betting), 300);
	assert_int_equal(day_of_terminal(&betting, COUNTER), 300);
	limits_free(&betting);
}

TEST_MAIN()
