/* SPDX-License-Identifier: Apache-2.0 */
/* Commands, full tables, payouts, and markets by version. */
#include <errno.h>

#include "tests/ledger/fixture.h"

static int decide(struct ledger *ledger, const struct ledger_command *command)
{
	struct event_buffer event;

	return ledger_decide_command(ledger, command, NOW, &event);
}

TEST(open_account_once)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct ledger_command command = { .type = EVENT_ACCOUNT_OPEN,
		.account_id = 7,
		.amount = 5000,
		.currency = KRW,
		.control_sequence = 3 };
	const struct account_row *row;

	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(fixture_command(ledger, &command, NOW), 0);
	row = ledger_account(ledger, 7);
	assert_int_equal(row->balance, 5000);
	assert_int_equal(row->profile.first_ns, NOW);
	assert_int_equal(row->profile.profile_score, 30);
	row = ledger_account(ledger, ledger_system_account(SYSTEM_FUNDING, KRW, 0));
	assert_int_equal(row->balance, -5000);
	assert_int_equal(row->flags, ACCOUNT_SYSTEM);
	ledger_free(ledger);
}

TEST(open_account_refuses_nonsense)
{
	struct ledger *ledger = fixture_create(16, 0);
	static const struct {
		uint64_t account_id;
		int64_t amount;
		uint16_t currency;
	} cases[] = {
		{ 0, 0, KRW },
		{ LIMIT_ACCOUNT_ID_MAX + 1, 0, KRW },
		{ 1, -1, KRW },
		{ 1, LIMIT_BALANCE_MAX + 1, KRW },
		{ 1, 0, 0 },
		{ 1, 0, 1000 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct ledger_command command = { .type = EVENT_ACCOUNT_OPEN,
			.account_id = cases[i].account_id,
			.amount = cases[i].amount,
			.currency = cases[i].currency };

		assert_case_equal(i, decide(ledger, &command), -EINVAL);
	}
	ledger_free(ledger);
}

TEST(an_account_without_money_needs_no_funding)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct ledger_totals totals;

	assert_true(fixture_account(ledger, 7, 0, KRW) > 0);
	assert_int_equal(ledger_row_count(ledger, LEDGER_ACCOUNT), 1);
	assert_true(fixture_account(ledger, 8, 1, KRW) > 0);
	assert_int_equal(ledger_row_count(ledger, LEDGER_ACCOUNT), 3);
	ledger_totals(ledger, &totals);
	assert_int_equal(totals.accounts, 2);
	ledger_free(ledger);
}

TEST(accounts_fit_with_their_funding_or_not_at_all)
{
	static const struct {
		uint64_t missing;
		int64_t amount;
		uint16_t currency;
		enum ledger_spare spare;
		int error;
	} cases[] = {
		/* 16 rows, of which an account and FUNDING of KRW are in use. */
		{ 0, 5, KRW, LEDGER_SPARE_NONE, 0 },
		{ 14, 0, KRW, LEDGER_SPARE_NONE, 0 },
		{ 14, 5, KRW, LEDGER_SPARE_NONE, 0 },
		{ 15, 5, KRW, LEDGER_SPARE_NONE, -EBUSY },
		/* Another currency needs a FUNDING row, but not for nothing. */
		{ 14, 0, 840, LEDGER_SPARE_NONE, 0 },
		{ 13, 5, 840, LEDGER_SPARE_NONE, 0 },
		{ 14, 5, 840, LEDGER_SPARE_NONE, -EBUSY },
		/* No terminal is known: one row for stakes stays free. */
		{ 13, 5, KRW, LEDGER_SPARE_SYSTEM, 0 },
		{ 14, 5, KRW, LEDGER_SPARE_SYSTEM, -EBUSY },
		{ UINT64_MAX, 0, KRW, LEDGER_SPARE_NONE, -EBUSY },
		{ UINT64_MAX, LIMIT_BALANCE_MAX, KRW, LEDGER_SPARE_NONE, -EBUSY },
	};
	struct ledger *ledger = fixture_create(16, 0);

	assert_true(fixture_account(ledger, 7, 5, KRW) > 0);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		assert_case_equal(i,
		    ledger_accounts_fit(ledger, cases[i].missing, cases[i].amount,
		        cases[i].currency, cases[i].spare),
		    cases[i].error);
	ledger_free(ledger);
}

TEST(accounts_fit_until_funding_is_at_its_limit)
{
	struct ledger *ledger = fixture_create(16384, 0);

	/* -9 x 10^18, of which 10^15 is in use. */
	assert_true(fixture_account(ledger, 7, LIMIT_BALANCE_MAX, KRW) > 0);
	assert_int_equal(
	    ledger_accounts_fit(ledger, 8999, LIMIT_BALANCE_MAX, KRW, LEDGER_SPARE_NONE), 0);
	assert_int_equal(
	    ledger_accounts_fit(ledger, 9000, LIMIT_BALANCE_MAX, KRW, LEDGER_SPARE_NONE), -EBUSY);
	/* A first funding account has the whole of it. */
	assert_int_equal(
	    ledger_accounts_fit(ledger, 9000, LIMIT_BALANCE_MAX, 840, LEDGER_SPARE_NONE), 0);
	assert_int_equal(
	    ledger_accounts_fit(ledger, 9001, LIMIT_BALANCE_MAX, 840, LEDGER_SPARE_NONE), -EBUSY);
	ledger_free(ledger);
}

TEST(freeze_is_done_once_and_undone_once)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct ledger_command command = {
		.type = EVENT_ACCOUNT_FREEZE, .account_id = 7, .flags = EVENT_FLAG_FROZEN
	};

	assert_int_equal(decide(ledger, &command), -EINVAL);
	fixture_account(ledger, 7, 10, KRW);
	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(ledger_account(ledger, 7)->flags, ACCOUNT_FROZEN);
	assert_int_equal(fixture_command(ledger, &command, NOW), 0);
	command.flags = 0;
	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(ledger_account(ledger, 7)->flags, 0);
	assert_int_equal(fixture_command(ledger, &command, NOW), 0);
	command.flags = 2;
	assert_int_equal(decide(ledger, &command), -EINVAL);
	command.flags = EVENT_FLAG_FROZEN;
	command.account_id = ledger_system_account(SYSTEM_FUNDING, KRW, 0);
	assert_int_equal(decide(ledger, &command), -EINVAL);
	ledger_free(ledger);
}

TEST(marks_follow_without_a_gap)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct ledger_command command = { .type = EVENT_COMMAND_MARK, .control_sequence = 2 };

	assert_int_equal(decide(ledger, &command), -EINVAL);
	command.control_sequence = 1;
	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(fixture_command(ledger, &command, NOW), 0);
	command.control_sequence = 0;
	assert_int_equal(fixture_command(ledger, &command, NOW), 0);
	command.control_sequence = 2;
	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(ledger_shard(ledger)->control_sequence, 2);
	ledger_free(ledger);
}

TEST(rules_only_go_forward)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct ledger_command command = { .type = EVENT_RULES_SET };

	risk_rules_default(&command.rules);
	assert_int_equal(decide(ledger, &command), 0); /* version 1 holds from the start */
	command.rules.version = 5;
	command.rules.cancel_window_s = 1;
	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(ledger_shard(ledger)->rules.cancel_window_s, 1);
	assert_int_equal(decide(ledger, &command), 0);
	command.rules.version = 4;
	assert_int_equal(decide(ledger, &command), 0);
	command.rules.version = 6;
	command.rules.payout_max = 0;
	assert_int_equal(decide(ledger, &command), -EINVAL);
	ledger_free(ledger);
}

TEST(markets_only_go_forward)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct ledger_command command = fixture_market_command(1, 1, 10, MARKET_OPEN, NOW);

	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(decide(ledger, &command), 0);
	command.market.version = le64_make(9);
	assert_int_equal(decide(ledger, &command), 0);
	command.market.version = le64_make(11);
	command.market.state = 0;
	assert_int_equal(decide(ledger, &command), -EINVAL);
	command.market.state = MARKET_CLOSED;
	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(ledger_market(ledger, 1)->state, MARKET_CLOSED);
	command.market_id = 0;
	assert_int_equal(decide(ledger, &command), -EINVAL);
	command.type = 0;
	assert_int_equal(decide(ledger, &command), -EINVAL);
	ledger_free(ledger);
}

TEST(tick_moves_time_only)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct ledger_command command = { .type = EVENT_TICK };

	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_true(fixture_command(ledger, &command, NOW - 5) > 0);
	assert_int_equal(ledger_shard(ledger)->time_ns, NOW);
	assert_int_equal(ledger_shard(ledger)->lsn, 2);
	ledger_free(ledger);
}

/* ---- Full tables ---- */

static int bet(struct ledger *ledger, uint64_t account, uint64_t terminal, uint64_t request_id,
    struct event_buffer *event)
{
	struct wire_request wire = { .request_id = request_id,
		.template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = account,
		    .stake = 10,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = 1,
		    .legs = { { 1, 2000, 0 } } } };

	return fixture_request(ledger, &wire, terminal, 0, NOW, event);
}

static struct ledger *small(uint32_t accounts, uint32_t bets, uint32_t terminals)
{
	struct ledger_config config = fixture_config(16, 1);
	struct ledger *ledger;

	config.accounts_max = accounts;
	config.bets_max = bets;
	config.markets_max = 1;
	config.terminals_max = terminals;
	ledger = ledger_create(&config);
	assert_non_null(ledger);
	return ledger;
}

TEST(a_full_table_is_busy_and_writes_nothing)
{
	/* Customer and funding fill the accounts: no room for the stakes account. */
	struct ledger *ledger = small(2, 1, 1);
	struct event_buffer event;
	struct ledger_command command;

	fixture_account(ledger, 1, 1000, KRW);
	fixture_market(ledger, 1, 1, 1, MARKET_OPEN, NOW + DAY);
	assert_int_equal(bet(ledger, 1, 1, 1, &event), -EBUSY);
	assert_int_equal(fixture_account(ledger, 2, 0, KRW), -EBUSY);
	command = fixture_market_command(2, 2, 2, MARKET_OPEN, NOW);
	assert_int_equal(decide(ledger, &command), -EBUSY);
	/* Refusals need the terminal's row only. */
	assert_true(bet(ledger, 9, 1, 1, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_int_equal(bet(ledger, 9, 2, 1, &event), -EBUSY);
	ledger_free(ledger);

	ledger = small(3, 1, 1);
	fixture_account(ledger, 1, 1000, KRW);
	fixture_market(ledger, 1, 1, 1, MARKET_OPEN, NOW + DAY);
	assert_true(bet(ledger, 1, 1, 1, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
	assert_int_equal(bet(ledger, 1, 1, 2, &event), -EBUSY);
	assert_int_equal(ledger_shard(ledger)->lsn, 3);
	ledger_free(ledger);
}

TEST(opening_with_money_needs_two_rows)
{
	struct ledger *ledger = small(1, 1, 1);

	assert_int_equal(fixture_account(ledger, 1, 1, KRW), -EBUSY);
	assert_true(fixture_account(ledger, 1, 0, KRW) > 0);
	ledger_free(ledger);
}

TEST(an_event_for_a_full_table_is_not_applied)
{
	struct ledger *large = fixture_create(16, 0), *ledger = small(3, 1, 1);
	struct event_buffer event;
	uint64_t hash;
	int length;

	fixture_account(large, 1, 1000, KRW);
	fixture_account(ledger, 1, 1000, KRW);
	fixture_market(large, 1, 1, 1, MARKET_OPEN, NOW + DAY);
	fixture_market(ledger, 1, 1, 1, MARKET_OPEN, NOW + DAY);
	length = bet(large, 1, 1, 1, &event);
	assert_int_equal(ledger_apply(ledger, event.bytes, (size_t)length), 0);
	hash = ledger_state_hash(ledger);
	length = bet(large, 1, 1, 2, &event);
	assert_int_equal(ledger_apply(ledger, event.bytes, (size_t)length), -ENOSPC);
	assert_true(ledger_state_hash(ledger) == hash);
	ledger_free(large);
	ledger_free(ledger);
}

TEST(create_refuses_no_capacity)
{
	struct ledger_config config = fixture_config(16, 0);

	config.bets_max = 0;
	assert_null(ledger_create(&config));
	config.bets_max = (1u << 30) + 1;
	assert_null(ledger_create(&config));
	ledger_free(NULL);
}

TEST(capacity_not_used_costs_no_memory)
{
	struct ledger_config config = fixture_config(100000000, 1);
	struct ledger *ledger = ledger_create(&config);

	assert_non_null(ledger);
	assert_true(fixture_account(ledger, 1, 5, KRW) > 0);
	ledger_free(ledger);
}

TEST(loading_a_row_twice_or_into_a_full_table_fails)
{
	struct ledger *ledger = small(1, 1, 1);
	struct account_row account = { .id = 5, .currency = KRW };
	struct bet_row bet_row = { .id = 5, .leg_count = 10, .state = BET_OPEN };
	struct market_row_state market = { .id = 5, .version = 1 };
	struct terminal_row terminal = { .id = 5 };

	assert_int_equal(ledger_load_account(ledger, &account), 0);
	assert_int_equal(ledger_load_account(ledger, &account), -EEXIST);
	account.id = 6;
	assert_int_equal(ledger_load_account(ledger, &account), -ENOSPC);
	assert_int_equal(ledger_load_bet(ledger, &bet_row), 0);
	assert_int_equal(ledger_load_bet(ledger, &bet_row), -EEXIST);
	bet_row.id = 6;
	assert_int_equal(ledger_load_bet(ledger, &bet_row), -ENOSPC);
	assert_int_equal(ledger_load_market(ledger, &market), 0);
	assert_int_equal(ledger_load_market(ledger, &market), -EEXIST);
	market.id = 6;
	assert_int_equal(ledger_load_market(ledger, &market), -ENOSPC);
	assert_int_equal(ledger_load_terminal(ledger, &terminal), 0);
	assert_int_equal(ledger_load_terminal(ledger, &terminal), -EEXIST);
	terminal.id = 6;
	assert_int_equal(ledger_load_terminal(ledger, &terminal), -ENOSPC);
	ledger_free(ledger);
}

/* ---- Payouts ---- */

TEST(payout_is_exact_and_rounded_down_once)
{
	static const struct {
		int64_t stake;
		unsigned count;
		uint32_t odds[LIMIT_BET_LEGS_MAX];
		int64_t payout;
	} cases[] = {
		{ 1000, 1, { 2000 }, 2000 },
		{ 1, 1, { 1001 }, 1 },
		{ 1, 1, { 1999 }, 1 },
		{ 999, 1, { 1333 }, 1331 },
		{ LIMIT_STAKE_MAX, 1, { LIMIT_ODDS_MAX }, LIMIT_PAYOUT_MAX + 1 },
		{ 100000000000, 1, { LIMIT_ODDS_MAX }, LIMIT_PAYOUT_MAX },
		{ 100000000001, 1, { LIMIT_ODDS_MAX }, LIMIT_PAYOUT_MAX + 1 },
		/* Rounding after each leg would give 1: 1.5 -> 1, 1.5 -> 1. */
		{ 1, 2, { 1500, 1500 }, 2 },
		{ 1, 3, { 1500, 1500, 1500 }, 3 },
		{ 1, 4, { 1500, 1500, 1500, 1500 }, 5 },
		{ 1000, 3, { 1850, 1920, 2110 }, 7494 }, /* 7,494.72 */
		{ LIMIT_STAKE_MAX, 3, { 10000000, 10000000, 10000000 }, LIMIT_PAYOUT_MAX + 1 },
		/* 1.85^10 = 469.588271... */
		{ 1000, 10, { 1850, 1850, 1850, 1850, 1850, 1850, 1850, 1850, 1850, 1850 },
		    469588 },
		{ LIMIT_STAKE_MAX, 10,
		    { 1001, 1001, 1001, 1001, 1001, 1001, 1001, 1001, 1001, 1001 }, 1010045120210 },
		{ LIMIT_STAKE_MAX, 10,
		    { 10000000, 10000000, 10000000, 10000000, 10000000, 10000000, 10000000,
		        10000000, 10000000, 10000000 },
		    LIMIT_PAYOUT_MAX + 1 },
		{ 1, 5, { 1000000, 1000000, 1000000, 1000000, 1000000 }, LIMIT_PAYOUT_MAX },
		{ 0, 2, { 2000, 2000 }, 0 },
		{ 7, 0, { 0 }, 7 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		assert_case_equal(i, ledger_payout(cases[i].stake, cases[i].odds, cases[i].count),
		    cases[i].payout);
}

TEST(payout_does_not_depend_on_the_order_of_legs)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 2000; round++) {
		uint32_t odds[LIMIT_BET_LEGS_MAX], turned[LIMIT_BET_LEGS_MAX];
		unsigned count = 1 + (unsigned)(test_random(&random) % LIMIT_BET_LEGS_MAX);
		int64_t stake = (int64_t)(test_random(&random) % 100000), payout;

		for (unsigned i = 0; i < count; i++)
			odds[i] = 1001 + (uint32_t)(test_random(&random) % 3000);
		for (unsigned i = 0; i < count; i++)
			turned[i] = odds[(i + round) % count];
		payout = ledger_payout(stake, odds, count);
		assert_int_equal(payout, ledger_payout(stake, turned, count));
		/* The narrow and the wide way agree: a leg of 1.000 changes nothing. */
		if (count <= 3) {
			for (unsigned i = count; i < 4; i++)
				odds[i] = 1000;
			assert_int_equal(payout, ledger_payout(stake, odds, 4));
		}
	}
}

/* ---- Markets by version ---- */

static void since_check(const struct ledger *ledger, uint64_t since, unsigned max,
    const uint64_t *ids, unsigned count, int more)
{
	const struct market_row_state *rows[32];
	int found_more = -1;
	unsigned found = ledger_markets_since(ledger, since, rows, max, &found_more);

	assert_int_equal(found, count);
	assert_int_equal(found_more, more);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(rows[i]->id, ids[i]);
}
#define SINCE(ledger, since, max, more, ...)                                                       \
	since_check(ledger, since, max, (const uint64_t[]){ __VA_ARGS__ },                         \
	    sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8, more)

TEST(markets_come_in_the_order_of_their_last_change)
{
	struct ledger *ledger = fixture_create(16, 0);

	since_check(ledger, 0, 8, NULL, 0, 0);
	for (uint64_t id = 1; id <= 5; id++)
		fixture_market(ledger, id, id, id * 10, MARKET_OPEN, NOW);
	SINCE(ledger, 0, 8, 0, 1, 2, 3, 4, 5);
	SINCE(ledger, 20, 8, 0, 3, 4, 5);
	SINCE(ledger, 19, 8, 0, 2, 3, 4, 5);
	SINCE(ledger, 0, 2, 1, 1, 2);
	SINCE(ledger, 0, 5, 0, 1, 2, 3, 4, 5);
	since_check(ledger, 50, 8, NULL, 0, 0);
	fixture_market(ledger, 2, 2, 60, MARKET_CLOSED, NOW);
	fixture_market(ledger, 1, 1, 70, MARKET_CLOSED, NOW);
	SINCE(ledger, 0, 8, 0, 3, 4, 5, 2, 1);
	SINCE(ledger, 10, 1, 1, 3);
	SINCE(ledger, 50, 8, 0, 2, 1);
	/* A version below the newest finds its place. */
	fixture_market(ledger, 3, 3, 55, MARKET_CLOSED, NOW);
	SINCE(ledger, 0, 8, 0, 4, 5, 3, 2, 1);
	ledger_free(ledger);
}

TEST(markets_of_one_version_are_not_parted)
{
	struct ledger *ledger = fixture_create(16, 0);

	fixture_market(ledger, 4, 4, 10, MARKET_OPEN, NOW);
	fixture_market(ledger, 3, 3, 20, MARKET_OPEN, NOW);
	fixture_market(ledger, 2, 2, 20, MARKET_OPEN, NOW);
	fixture_market(ledger, 1, 1, 30, MARKET_OPEN, NOW);
	SINCE(ledger, 0, 2, 1, 4);
	SINCE(ledger, 0, 3, 1, 4, 2, 3);
	SINCE(ledger, 10, 2, 1, 2, 3);
	SINCE(ledger, 20, 2, 0, 1);
	/* More of one version than fit: as many as fit. */
	SINCE(ledger, 10, 1, 1, 2);
	ledger_free(ledger);
}

TEST(market_order_survives_any_number_of_changes)
{
	uint64_t random = test_seed(), version = 0;
	struct ledger *ledger = fixture_create(8, 0);

	for (unsigned round = 0; round < 3000; round++) {
		const struct market_row_state *row, *rows[8];
		uint64_t since, seen = 0, last;
		int more = 1;

		version += test_random(&random) % 3 + 1;
		fixture_market(ledger, 1 + test_random(&random) % 8, 1, version, MARKET_OPEN, NOW);
		since = version - test_random(&random) % (version < 40 ? version : 40);
		/* Page by page meets every newer market once, ascending. */
		for (last = since; more;) {
			unsigned found = ledger_markets_since(ledger, last, rows, 3, &more);

			for (unsigned i = 0; i < found; i++, seen++) {
				assert_true(rows[i]->version > last);
				last = rows[i]->version;
			}
		}
		for (uint64_t id = 1; id <= 8; id++) {
			row = ledger_market(ledger, id);
			seen -= row != NULL && row->version > since;
		}
		assert_int_equal(seen, 0);
	}
	ledger_free(ledger);
}

TEST_MAIN()
