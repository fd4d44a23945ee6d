/* SPDX-License-Identifier: Apache-2.0 */
/* Bets beyond the table: what they put at stake, what is derived from them, rows in any order. */
#include <errno.h>

#include "tests/ledger/betting.h"

#define USD      840
#define PARTNER  5
#define CUSTOMER 30

static void partner_make(struct betting *betting)
{
	struct ledger_command partner = { .type = EVENT_PARTNER_SET,
		.object_id = PARTNER,
		.partner = { .version = le64_make(1), .currency = le16_make(KRW) } };
	struct wire_request open = { .template_id = WIRE_OPEN_ACCOUNT,
		.open_account = { .account_id = CUSTOMER,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .partner_id = PARTNER } };
	struct wire_request deposit = { .template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = CUSTOMER,
		    .amount = 100000,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };

	assert_true(betting_command(betting, &partner) > 0);
	assert_int_equal(betting_request(betting, open), WIRE_CODE_OK);
	assert_int_equal(betting_request(betting, deposit), WIRE_CODE_OK);
}

static void cancel(struct betting *betting, uint64_t bet_id)
{
	struct wire_request wire = { .template_id = WIRE_CANCEL_BET,
		.cancel_bet = { .bet_id = bet_id, .deadline_ns = NO_DEADLINE } };

	assert_int_equal(betting_request(betting, wire), WIRE_CODE_OK);
}

TEST(exposure_is_the_payout_of_open_bets)
{
	struct betting betting;
	const struct ledger *ledger;
	uint64_t first;

	betting_make(&betting, 256);
	partner_make(&betting);
	ledger = betting.ledger;
	first = betting_bet(&betting, CUSTOMER, 100, 1, 1, 0);
	betting_bet(&betting, ALICE, 100, 2, 1, 1);
	betting_bet(&betting, 0, 300, 1, 1, 1);
	assert_int_equal(ledger_market_exposure(ledger, 1, 0), 200);
	assert_int_equal(ledger_market_exposure(ledger, 1, 1), 400 + 600);
	assert_int_equal(ledger_market_exposure(ledger, 1, 2), 0);
	assert_int_equal(ledger_market_exposure(ledger, 1, -1), 1200);
	assert_int_equal(ledger_market_exposure(ledger, 2, 1), 400);
	assert_int_equal(ledger_market_exposure(ledger, 2, 16), 0);
	assert_int_equal(ledger_market_exposure(ledger, 99, -1), 0);
	assert_int_equal(ledger_partner_exposure(ledger, PARTNER), 200);
	assert_int_equal(ledger_partner_exposure(ledger, 65536), 0);
	cancel(&betting, first);
	assert_int_equal(ledger_partner_exposure(ledger, PARTNER), 0);
	assert_int_equal(ledger_market_exposure(ledger, 1, -1), 1000);
	betting_settle(&betting, 2, 0); /* the accumulator is lost */
	assert_int_equal(ledger_market_exposure(ledger, 1, -1), 600);
	betting_rollback(&betting, 2);
	assert_int_equal(ledger_market_exposure(ledger, 1, -1), 1000);
	assert_int_equal(ledger_market_exposure(ledger, 2, -1), 400);
	ledger_free(betting.ledger);
}

TEST(exposure_counts_the_rules_currency_alone)
{
	struct betting betting;
	struct ledger_command rules = { .type = EVENT_RULES_SET };
	struct wire_request wire = { .template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = 3,
		    .stake = 100,
		    .deadline_ns = NO_DEADLINE,
		    .currency = USD,
		    .leg_count = 1,
		    .legs = { { .market_id = 1, .odds = 2000 } } } };

	betting_make(&betting, 256);
	assert_true(fixture_account(betting.ledger, 3, 1000, USD) > 0);
	betting_bet(&betting, ALICE, 1000, 1, 1, 0);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	assert_int_equal(ledger_market_exposure(betting.ledger, 1, -1), 2000);
	rules.rules = ledger_shard(betting.ledger)->rules;
	rules.rules.version++;
	rules.rules.currency = USD;
	assert_true(betting_command(&betting, &rules) > 0);
	assert_int_equal(ledger_market_exposure(betting.ledger, 1, -1), 200);
	wire.place_bet.account_id = 0; /* a ticket in dollars */
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	assert_int_equal(ledger_market_exposure(betting.ledger, 1, -1), 400);
	betting_settle(&betting, 1, 0);
	assert_int_equal(ledger_market_exposure(betting.ledger, 1, -1), 0);
	ledger_free(betting.ledger);
}

/* Loads the rows of one ledger into another in the given order of tables. */
static struct ledger *load_in_order(const struct ledger *from, const enum ledger_table order[4])
{
	struct ledger *to = fixture_create(512, 0);

	for (unsigned i = 0; i < 4; i++) {
		for (uint32_t row = 0; row < ledger_row_count(from, order[i]); row++) {
			struct bet_row bet;
			int error = 0;

			if (order[i] == LEDGER_BET) {
				ledger_bet_at(from, row, &bet);
				error = ledger_load_bet(to, &bet);
			} else if (order[i] == LEDGER_ACCOUNT) {
				error = ledger_load_account(to, ledger_account_at(from, row));
			} else if (order[i] == LEDGER_MARKET) {
				error = ledger_load_market(to, ledger_market_at(from, row));
			} else {
				error = ledger_load_terminal(to, ledger_terminal_at(from, row));
			}
			assert_int_equal(error, 0);
		}
	}
	ledger_load_shard(to, ledger_shard(from));
	return to;
}

TEST(rows_may_be_loaded_in_any_order)
{
	static const enum ledger_table orders[][4] = {
		{ LEDGER_ACCOUNT, LEDGER_MARKET, LEDGER_TERMINAL, LEDGER_BET },
		{ LEDGER_BET, LEDGER_MARKET, LEDGER_ACCOUNT, LEDGER_TERMINAL },
		{ LEDGER_MARKET, LEDGER_BET, LEDGER_TERMINAL, LEDGER_ACCOUNT },
		{ LEDGER_TERMINAL, LEDGER_ACCOUNT, LEDGER_BET, LEDGER_MARKET },
	};
	struct betting betting, copy;

	betting_make(&betting, 512);
	partner_make(&betting);
	for (unsigned i = 0; i < 60; i++)
		betting_bet(&betting, i % 3 == 0 ? CUSTOMER : ALICE, 100, 1 + i % 10, 1 + i % 3,
		    (uint16_t)(i % 3));
	betting_settle(&betting, 3, 0);
	betting_settle(&betting, 1, 1);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(orders); i++) {
		copy = betting;
		copy.ledger = load_in_order(betting.ledger, orders[i]);
		assert_int_equal(ledger_partner_exposure(copy.ledger, PARTNER),
		    ledger_partner_exposure(betting.ledger, PARTNER));
		for (uint64_t market = 1; market <= BETTING_MARKETS; market++)
			for (int choice = -1; choice < 3; choice++)
				assert_case_equal(i,
				    ledger_market_exposure(copy.ledger, market, choice),
				    ledger_market_exposure(betting.ledger, market, choice));
		betting_rollback(&copy, 1);
		betting_settle(&copy, 1, 2);
		ledger_free(copy.ledger);
	}
	ledger_free(betting.ledger);
}

/* A store that names more unknown markets than there can be is damaged, and says so. */
TEST(bets_on_endless_unknown_markets_do_not_load)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct bet_row bet = { .leg_count = 10, .state = BET_OPEN, .stake = 1, .payout = 2 };
	int error = 0;

	for (uint64_t i = 0; i < 4 && error == 0; i++) {
		bet.id = 1 + i;
		for (unsigned leg = 0; leg < 10; leg++)
			bet.legs[leg].market_id = 1 + 10 * i + leg;
		error = ledger_load_bet(ledger, &bet);
	}
	assert_int_equal(error, -ENOSPC);
	ledger_free(ledger);
}

/* Damage may hold what a judge refuses: one market twice. */
TEST(a_bet_with_one_market_twice_is_in_its_chain_once)
{
	struct betting betting;
	struct bet_row bet = { .id = 77,
		.account_id = ALICE,
		.currency = KRW,
		.leg_count = 6,
		.state = BET_OPEN,
		.stake = 10,
		.payout = 20,
		.legs = { { 1, 2000, 0 }, { 2, 2000, 0 }, { 1, 2000, 1 }, { 3, 2000, 0 },
		    { 4, 2000, 0 }, { 4, 2000, 0 } } };
	struct ledger_walk walk = { .market_id = 4 };

	betting_make(&betting, 256);
	for (uint64_t id = 77; id < 80; id++) {
		bet.id = id;
		assert_int_equal(ledger_load_bet(betting.ledger, &bet), 0);
	}
	assert_int_equal(
	    ledger_walk_next(betting.ledger, &walk, 100, betting.now_ns, &betting.event), 0);
	assert_int_equal(walk.looked, 3);
	assert_int_equal(ledger_market_exposure(betting.ledger, 1, -1), 60);
	ledger_free(betting.ledger);
}

TEST(a_tickets_number_is_in_the_terminals_bucket)
{
	struct betting betting;
	uint64_t ticket, bet;

	betting_make(&betting, 256);
	ticket = betting_bet(&betting, 0, 100, 1, 1, 0);
	bet = betting_bet(&betting, ALICE, 100, 1, 1, 0);
	assert_int_equal(ids_bucket_of_printed(ticket), ids_bucket_of_key(COUNTER));
	assert_int_equal(ids_bucket_of_printed(bet), ids_bucket_of_key(ALICE));
	ledger_free(betting.ledger);
}

static int64_t staked_of(const struct betting *betting, uint64_t account_id)
{
	const struct object_key key = { .kind = OBJECT_PLAY_COUNTERS, .words = { account_id } };
	const struct object_row *row = ledger_object_by_key(betting->ledger, &key);
	struct object_play_counters counters;

	assert_non_null(row);
	memcpy(&counters, row->body, sizeof(counters));
	return le64s_get(counters.staked[0]);
}

TEST(own_limits_count_stakes_and_what_came_of_them)
{
	struct betting betting;
	struct wire_request play = { .template_id = WIRE_PLAY_SET,
		.play_set = { .account_id = ALICE,
		    .deadline_ns = NO_DEADLINE,
		    .limits = { -1, -1, 1000, -1, 500, -1 } } };
	struct wire_request wire = { .template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = ALICE,
		    .stake = 500,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = 1,
		    .legs = { { .market_id = 2, .odds = 2000 } } } };
	uint64_t id;

	betting_make(&betting, 256);
	assert_int_equal(betting_request(&betting, play), WIRE_CODE_OK);
	id = betting_bet(&betting, ALICE, 500, 1, 1, 0);
	assert_int_equal(staked_of(&betting, ALICE), 500);
	cancel(&betting, id);
	assert_int_equal(staked_of(&betting, ALICE), 0);
	betting_bet(&betting, ALICE, 400, 1, 1, 0);
	betting_settle(&betting, 1, 1); /* lost */
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_LIMIT_LOSS);
	betting_rollback(&betting, 1); /* it may still be lost */
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_LIMIT_LOSS);
	betting_settle(&betting, 1, 0); /* won */
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	ledger_free(betting.ledger);
}

TEST_MAIN()
