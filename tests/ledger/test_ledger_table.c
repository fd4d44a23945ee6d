/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per case: what was changed in the world, the request, the code. Every case begins in the
 * same world (world.h); what any outcome must look like is checked in case_check for all of
 * them.
 */
#include "tests/ledger/world.h"

/* ---- Changes to the world ---- */

static void rules_change(struct world *world, void (*change)(struct risk_rules *rules))
{
	struct ledger_command command = { .type = EVENT_RULES_SET };

	command.rules = ledger_shard(world->ledger)->rules;
	command.rules.version++;
	change(&command.rules);
	assert_true(fixture_command(world->ledger, &command, 0) > 0);
}

static void close_m1(struct world *world)
{
	fixture_market(world->ledger, M1, 1, 1000, MARKET_CLOSED, NOW + DAY);
}

static void suspend_m1(struct world *world)
{
	fixture_market(world->ledger, M1, 1, 1000, MARKET_SUSPENDED, NOW + DAY);
}

static void start_m19(struct world *world)
{
	fixture_market(world->ledger, M10 + 9, M10 + 9, 1000, MARKET_OPEN, NOW);
}

static void reopen_closed(struct world *world)
{
	fixture_market(world->ledger, CLOSED, 5, 1000, MARKET_OPEN, NOW + DAY);
}

static void unfreeze(struct world *world)
{
	world_freeze(world, FROZEN, 0);
}

static void daily_max_huge(struct risk_rules *rules)
{
	rules->stake_daily_max = LIMIT_BALANCE_MAX;
	rules->stake_single_max = LIMIT_STAKE_MAX;
}

static void no_limits(struct world *world)
{
	rules_change(world, daily_max_huge);
}

static void payout_max_tiny(struct risk_rules *rules)
{
	rules->payout_max = 2000;
}

static void payout_tiny(struct world *world)
{
	rules_change(world, payout_max_tiny);
}

static void rules_wide(struct risk_rules *rules)
{
	rules->payout_max = LIMIT_PAYOUT_MAX;
	rules->stake_daily_max = LIMIT_BALANCE_MAX;
	rules->stake_single_max = LIMIT_STAKE_MAX;
	rules->terminal_daily_max = LIMIT_BALANCE_MAX;
	rules->refuse_score = 101;
}

static void wide_open(struct world *world)
{
	rules_change(world, rules_wide);
}

static void refuse_at_40(struct risk_rules *rules)
{
	rules->refuse_score = 40;
}

static void refuse_large(struct world *world)
{
	rules_change(world, refuse_at_40);
}

static void refuse_at_41(struct risk_rules *rules)
{
	rules->refuse_score = 41;
}

static void refuse_larger(struct world *world)
{
	rules_change(world, refuse_at_41);
}

static void no_cancel(struct risk_rules *rules)
{
	rules->cancel_window_s = 0;
}

static void cancel_never(struct world *world)
{
	rules_change(world, no_cancel);
}

static void cancel_first(struct world *world)
{
	cancel_bet(world, 1);
}

static void cancel_staked(struct world *world)
{
	cancel_bet(world, 29); /* the last of STAKED: 999,000 come back to the day */
}

/* ---- The cases ---- */

struct table_case {
	const char *name;
	void (*change)(struct world *world);
	struct wire_request request;
	int64_t time; /* relative to NOW */
	int64_t terminal_staked;
	uint64_t terminal; /* 0: TERMINAL */
	uint16_t code;
};

static const struct table_case cases[] = {
	/* PLACE_BET: deadline */
	{ "a plain bet", NULL, BET(), .code = WIRE_CODE_OK },
	{ "deadline at event time", NULL, BET(.deadline_ns = NOW), .code = WIRE_CODE_OK },
	{ "deadline 1 ns ago", NULL, BET(.deadline_ns = NOW - 1), .code = WIRE_CODE_EXPIRED },
	{ "deadline 0", NULL, BET(.deadline_ns = 0), .code = WIRE_CODE_EXPIRED },
	{ "expired goes before everything", NULL,
	    BET(.deadline_ns = 0, .account_id = NOBODY, .stake = 0), .code = WIRE_CODE_EXPIRED },
	{ "no deadline, far future", NULL, BET(.legs = { LEG(M1, 0, 2000) }),
	    .time = (int64_t)(DAY - 1), .code = WIRE_CODE_OK },

	/* PLACE_BET: amount */
	{ "stake 0", NULL, BET(.stake = 0), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake -1", NULL, BET(.stake = -1), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake lowest int64", NULL, BET(.stake = INT64_MIN), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake highest int64", NULL, BET(.stake = INT64_MAX), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake 1 above the maximum", NULL, BET(.stake = LIMIT_STAKE_MAX + 1),
	    .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake at the maximum of the format", wide_open,
	    BET(.account_id = RICHEST, .stake = LIMIT_STAKE_MAX), .code = WIRE_CODE_OK },
	{ "stake 1", NULL, BET(.stake = 1), .code = WIRE_CODE_OK },
	{ "amount goes before account", NULL, BET(.stake = 0, .account_id = NOBODY),
	    .code = WIRE_CODE_AMOUNT_INVALID },

	/* PLACE_BET: account */
	{ "account unknown", NULL, BET(.account_id = NOBODY), .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "account all ones", NULL, BET(.account_id = UINT64_MAX),
	    .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "a system account's number", NULL,
	    BET(.account_id = SYSTEM_ACCOUNT_BIT | 3ull << 56 | (uint64_t)KRW << 40),
	    .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "account frozen", NULL, BET(.account_id = FROZEN), .code = WIRE_CODE_ACCOUNT_FROZEN },
	{ "account thawed", unfreeze, BET(.account_id = FROZEN), .code = WIRE_CODE_OK },
	{ "another currency", NULL, BET(.currency = 840), .code = WIRE_CODE_CURRENCY_MISMATCH },
	{ "another currency the other way", NULL, BET(.account_id = DOLLARS),
	    .code = WIRE_CODE_CURRENCY_MISMATCH },
	{ "currency 0", NULL, BET(.currency = 0), .code = WIRE_CODE_CURRENCY_MISMATCH },
	{ "frozen goes before currency", NULL, BET(.account_id = FROZEN, .currency = 840),
	    .code = WIRE_CODE_ACCOUNT_FROZEN },
	{ "account goes before legs", NULL,
	    BET(.account_id = NOBODY, LEGS(1, LEG(M_UNKNOWN, 0, 2000))),
	    .code = WIRE_CODE_ACCOUNT_UNKNOWN },

	/* PLACE_BET: legs */
	{ "market unknown", NULL, BET(LEGS(1, LEG(M_UNKNOWN, 0, 2000))),
	    .code = WIRE_CODE_MARKET_UNKNOWN },
	{ "market 0", NULL, BET(LEGS(1, LEG(0, 0, 2000))), .code = WIRE_CODE_MARKET_UNKNOWN },
	{ "market suspended", NULL, BET(LEGS(1, LEG(SUSPENDED, 0, 2000))),
	    .code = WIRE_CODE_MARKET_NOT_OPEN },
	{ "market closed", NULL, BET(LEGS(1, LEG(CLOSED, 0, 2000))),
	    .code = WIRE_CODE_MARKET_NOT_OPEN },
	{ "market not yet open", NULL, BET(LEGS(1, LEG(BEFORE, 0, 2000))),
	    .code = WIRE_CODE_MARKET_NOT_OPEN },
	{ "market opened again", reopen_closed, BET(LEGS(1, LEG(CLOSED, 0, 2000))),
	    .code = WIRE_CODE_OK },
	{ "market closed by a newer version", close_m1, BET(), .code = WIRE_CODE_MARKET_NOT_OPEN },
	{ "event starts now", NULL, BET(LEGS(1, LEG(STARTED, 0, 2000))),
	    .code = WIRE_CODE_EVENT_STARTED },
	{ "event starts in 1 ns", NULL, BET(LEGS(1, LEG(STARTING, 0, 2000))),
	    .code = WIRE_CODE_OK },
	{ "event started 1 ns ago", NULL, BET(LEGS(1, LEG(STARTING, 0, 2000))), .time = 2,
	    .code = WIRE_CODE_EVENT_STARTED },
	{ "selection at the count", NULL, BET(LEGS(1, LEG(M1, 3, 2000))),
	    .code = WIRE_CODE_SELECTION_UNKNOWN },
	{ "selection far outside", NULL, BET(LEGS(1, LEG(M1, UINT16_MAX, 2000))),
	    .code = WIRE_CODE_SELECTION_UNKNOWN },
	{ "last selection", NULL, BET(LEGS(1, LEG(M1, 2, 25000))), .code = WIRE_CODE_OK },
	{ "exact: book higher", NULL, BET(LEGS(1, LEG(M1, 0, 1999))),
	    .code = WIRE_CODE_ODDS_CHANGED },
	{ "exact: book lower", NULL, BET(LEGS(1, LEG(M1, 0, 2001))),
	    .code = WIRE_CODE_ODDS_CHANGED },
	{ "better: book equal", NULL, BET(BETTER), .code = WIRE_CODE_OK },
	{ "better: book higher", NULL, BET(BETTER, LEGS(1, LEG(M1, 0, 1500))),
	    .code = WIRE_CODE_OK },
	{ "better: book lower", NULL, BET(BETTER, LEGS(1, LEG(M1, 0, 2001))),
	    .code = WIRE_CODE_ODDS_CHANGED },
	{ "no price, claimed none", NULL, BET(LEGS(1, LEG(NO_PRICE, 0, 0))),
	    .code = WIRE_CODE_ODDS_CHANGED },
	{ "no price, better", NULL, BET(BETTER, LEGS(1, LEG(NO_PRICE, 0, 0))),
	    .code = WIRE_CODE_ODDS_CHANGED },
	{ "two legs", NULL, BET(LEGS(2, LEG(M1, 0, 2000), LEG(M2, 1, 3500))),
	    .code = WIRE_CODE_OK },
	{ "ten legs", NULL, BET(TEN_LEGS), .code = WIRE_CODE_OK },
	{ "tenth leg unknown", NULL, BET(TEN_LEGS_LAST(LEG(M_UNKNOWN, 0, 2000))),
	    .code = WIRE_CODE_MARKET_UNKNOWN },
	{ "tenth leg changed", NULL, BET(TEN_LEGS_LAST(LEG(M1, 0, 2500))),
	    .code = WIRE_CODE_ODDS_CHANGED },
	{ "tenth leg twice", NULL, BET(TEN_LEGS_LAST(LEG(M10, 0, 2000))),
	    .code = WIRE_CODE_LEGS_DUPLICATE },
	{ "same market twice", NULL, BET(LEGS(2, LEG(M1, 0, 2000), LEG(M1, 1, 3500))),
	    .code = WIRE_CODE_LEGS_DUPLICATE },
	{ "two markets of one event", NULL, BET(LEGS(2, LEG(M1, 0, 2000), LEG(M1_TOTALS, 0, 2000))),
	    .code = WIRE_CODE_LEGS_RELATED },
	{ "first fault by leg", NULL, BET(LEGS(2, LEG(CLOSED, 0, 2000), LEG(M_UNKNOWN, 0, 2000))),
	    .code = WIRE_CODE_MARKET_NOT_OPEN },

	/* PLACE_BET: payout and limits */
	{ "payout at the maximum", payout_tiny, BET(), .code = WIRE_CODE_OK },
	{ "payout 1 above", payout_tiny, BET(.stake = 1001), .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "payout of long odds", NULL, BET(.stake = 10001, LEGS(1, LEG(LONG, 0, 9999999))),
	    .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "payout beyond 64 bits", wide_open,
	    BET(.account_id = RICHEST, .stake = LIMIT_STAKE_MAX,
	        LEGS(3, LEG(LONG, 0, 9999999), LEG(LONG + 1, 0, 9999999),
	            LEG(LONG + 2, 0, 9999999))),
	    .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "payout goes before single stake", NULL, BET(.stake = 100000000),
	    .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "payout of dollars is not the won's", payout_tiny,
	    BET(.account_id = DOLLARS, .currency = 840, .stake = 5000), .code = WIRE_CODE_OK },
	{ "payout limit of the format holds for dollars", NULL,
	    BET(.account_id = DOLLARS, .currency = 840, .stake = LIMIT_STAKE_MAX,
	        LEGS(1, LEG(LONG, 0, 9999999))),
	    .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "single stake at the limit", NULL, BET(.stake = 1000000), .code = WIRE_CODE_OK },
	{ "single stake 1 above", NULL, BET(.stake = 1000001),
	    .code = WIRE_CODE_LIMIT_SINGLE_STAKE },
	{ "single stake in dollars", NULL,
	    BET(.account_id = DOLLARS, .currency = 840, .stake = 1000001), .code = WIRE_CODE_OK },
	{ "daily stake at the limit", NULL, BET(.account_id = STAKED), .code = WIRE_CODE_OK },
	{ "daily stake 1 above", NULL, BET(.account_id = STAKED, .stake = 1001),
	    .code = WIRE_CODE_LIMIT_DAILY_STAKE },
	{ "daily stake, last ns of the day", NULL, BET(.account_id = STAKED, .stake = 1001),
	    .time = (int64_t)(15 * HOUR) - 1, .code = WIRE_CODE_LIMIT_DAILY_STAKE },
	{ "daily stake, next day", NULL, BET(.account_id = STAKED, .stake = 1001),
	    .time = (int64_t)(15 * HOUR), .code = WIRE_CODE_OK },
	{ "daily stake after a cancel", cancel_staked, BET(.account_id = STAKED, .stake = 999000),
	    .code = WIRE_CODE_OK },
	{ "daily stake 1 above after a cancel", cancel_staked,
	    BET(.account_id = STAKED, .stake = 1000000), .code = WIRE_CODE_OK },
	{ "single goes before daily", NULL, BET(.account_id = STAKED, .stake = 1000001),
	    .code = WIRE_CODE_LIMIT_SINGLE_STAKE },
	{ "daily limit raised", no_limits, BET(.account_id = STAKED, .stake = 1001),
	    .code = WIRE_CODE_OK },
	{ "terminal's day at the limit", NULL, BET(), .terminal_staked = 999999000,
	    .code = WIRE_CODE_OK },
	{ "terminal's day 1 above", NULL, BET(), .terminal_staked = 999999001,
	    .code = WIRE_CODE_LIMIT_TERMINAL_DAILY },
	{ "daily goes before terminal's", NULL, BET(.account_id = STAKED, .stake = 1001),
	    .terminal_staked = 999999001, .code = WIRE_CODE_LIMIT_DAILY_STAKE },
	{ "terminal's day in dollars", NULL, BET(.account_id = DOLLARS, .currency = 840),
	    .terminal_staked = 999999001, .code = WIRE_CODE_OK },

	/* PLACE_BET: risk and funds */
	{ "large, far from the habit, odds differ", NULL,
	    BET(.account_id = HABIT, .stake = 1000000, BETTER, LEGS(1, LEG(M1, 0, 1900))),
	    .code = WIRE_CODE_RISK_SCORE },
	{ "large and far from the habit", NULL, BET(.account_id = HABIT, .stake = 1000000),
	    .code = WIRE_CODE_OK },
	{ "score goes before funds", NULL,
	    BET(.account_id = HABIT_POOR, .stake = 1000000, BETTER, LEGS(1, LEG(M1, 0, 1900))),
	    .code = WIRE_CODE_RISK_SCORE },
	{ "score at the refusal", refuse_large, BET(.stake = 1000000),
	    .code = WIRE_CODE_RISK_SCORE },
	{ "score 1 below the refusal", refuse_larger, BET(.account_id = FULL, .stake = 1000000),
	    .code = WIRE_CODE_OK },
	{ "funds exactly", NULL, BET(.account_id = POOR, .stake = 500), .code = WIRE_CODE_OK },
	{ "funds 1 short", NULL, BET(.account_id = POOR, .stake = 501),
	    .code = WIRE_CODE_FUNDS_INSUFFICIENT },
	{ "funds 0", NULL, BET(.account_id = HABIT_POOR, .stake = 1),
	    .code = WIRE_CODE_FUNDS_INSUFFICIENT },

	/* CANCEL_BET */
	{ "cancel", NULL, CANCEL(), .code = WIRE_CODE_OK },
	{ "cancel ten legs", NULL, CANCEL(.bet_id = BET_NUMBER(2)), .code = WIRE_CODE_OK },
	{ "cancel with a reason", NULL, CANCEL(.reason = UINT16_MAX), .code = WIRE_CODE_OK },
	{ "cancel after its deadline", NULL, CANCEL(.deadline_ns = NOW - 1),
	    .code = WIRE_CODE_EXPIRED },
	{ "cancel nothing", NULL, CANCEL(.bet_id = 0), .code = WIRE_CODE_BET_UNKNOWN },
	{ "cancel an unknown bet", NULL, CANCEL(.bet_id = 123456789),
	    .code = WIRE_CODE_BET_UNKNOWN },
	{ "cancel at another terminal", NULL, CANCEL(), .terminal = 10,
	    .code = WIRE_CODE_NOT_YOUR_BET },
	{ "cancel twice", cancel_first, CANCEL(), .code = WIRE_CODE_BET_NOT_OPEN },
	{ "not yours goes before not open", cancel_first, CANCEL(), .terminal = 10,
	    .code = WIRE_CODE_NOT_YOUR_BET },
	{ "cancel at the end of the window", NULL, CANCEL(), .time = 500 * (int64_t)SECOND,
	    .code = WIRE_CODE_OK },
	{ "cancel 1 ns after the window", NULL, CANCEL(), .time = 500 * (int64_t)SECOND + 1,
	    .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel with no window", cancel_never, CANCEL(), .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel when the market is closed", close_m1, CANCEL(),
	    .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel when the market is suspended", suspend_m1, CANCEL(), .code = WIRE_CODE_OK },
	{ "cancel when the event started", NULL, CANCEL(.bet_id = BET_NUMBER(7)),
	    .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel 1 ns before the start", NULL, CANCEL(.bet_id = BET_NUMBER(6)),
	    .code = WIRE_CODE_OK },
	{ "cancel at the start", NULL, CANCEL(.bet_id = BET_NUMBER(6)), .time = 1,
	    .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel when the tenth leg started", start_m19, CANCEL(.bet_id = BET_NUMBER(2)),
	    .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel of a frozen account", NULL, CANCEL(.bet_id = BET_NUMBER(3)),
	    .code = WIRE_CODE_OK },
	{ "cancel above the maximum balance", NULL, CANCEL(.bet_id = BET_NUMBER(4)),
	    .code = WIRE_CODE_BALANCE_LIMIT },
	{ "cancel in dollars", NULL, CANCEL(.bet_id = BET_NUMBER(5)), .code = WIRE_CODE_OK },

	/* DEPOSIT */
	{ "deposit", NULL, DEPOSIT(), .code = WIRE_CODE_OK },
	{ "deposit 1", NULL, DEPOSIT(.amount = 1), .code = WIRE_CODE_OK },
	{ "deposit at another terminal", NULL, DEPOSIT(), .terminal = LIMIT_TERMINAL_ID_MAX,
	    .code = WIRE_CODE_OK },
	{ "deposit after its deadline", NULL, DEPOSIT(.deadline_ns = NOW - 1),
	    .code = WIRE_CODE_EXPIRED },
	{ "deposit to nobody", NULL, DEPOSIT(.account_id = NOBODY),
	    .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "deposit to a system account", NULL,
	    DEPOSIT(.account_id = SYSTEM_ACCOUNT_BIT | 1ull << 56 | (uint64_t)KRW << 40),
	    .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "deposit to a frozen account", NULL, DEPOSIT(.account_id = FROZEN),
	    .code = WIRE_CODE_ACCOUNT_FROZEN },
	{ "deposit in another currency", NULL, DEPOSIT(.currency = 978),
	    .code = WIRE_CODE_CURRENCY_MISMATCH },
	{ "deposit 0", NULL, DEPOSIT(.amount = 0), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "deposit -1", NULL, DEPOSIT(.amount = -1), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "deposit lowest int64", NULL, DEPOSIT(.amount = INT64_MIN),
	    .code = WIRE_CODE_AMOUNT_INVALID },
	{ "deposit 1 above the maximum", NULL, DEPOSIT(.amount = LIMIT_BALANCE_MAX + 1),
	    .code = WIRE_CODE_AMOUNT_INVALID },
	{ "deposit to a full account", NULL, DEPOSIT(.account_id = FULL, .amount = 1),
	    .code = WIRE_CODE_BALANCE_LIMIT },
	{ "deposit up to the maximum balance", NULL,
	    DEPOSIT(.account_id = POOR, .amount = LIMIT_BALANCE_MAX - 500), .code = WIRE_CODE_OK },
	{ "deposit 1 above the maximum balance", NULL,
	    DEPOSIT(.account_id = POOR, .amount = LIMIT_BALANCE_MAX - 499),
	    .code = WIRE_CODE_BALANCE_LIMIT },
	{ "account goes before amount", NULL, DEPOSIT(.account_id = NOBODY, .amount = 0),
	    .code = WIRE_CODE_ACCOUNT_UNKNOWN },
};

static int64_t balance_of(const struct ledger *ledger, uint64_t account_id)
{
	const struct account_row *row = ledger_account(ledger, account_id);

	return row == NULL ? 0 : row->balance;
}

/* Legs of a refusal are the claimed ones, legs of a bet the book's. */
static void legs_check(const struct ledger *ledger, const struct wire_request *wire,
    const struct event_buffer *event, int done)
{
	struct event_record record = fixture_record(event);

	assert_int_equal(record.leg_count, wire->place_bet.leg_count);
	for (unsigned i = 0; i < record.leg_count; i++) {
		const struct wire_leg *claimed = &wire->place_bet.legs[i];
		uint32_t odds = claimed->odds;
		struct event_leg leg;

		if (done)
			odds = ledger_market(ledger, claimed->market_id)->odds[claimed->selection];
		memcpy(&leg, event->bytes + sizeof(record) + i * sizeof(leg), sizeof(leg));
		assert_int_equal(le64_get(leg.market_id), claimed->market_id);
		assert_int_equal(le16_get(leg.selection), claimed->selection);
		assert_int_equal(le32_get(leg.odds), odds);
	}
}

static void case_check(const struct table_case *one)
{
	struct world world;
	struct wire_request wire = one->request;
	uint64_t terminal = one->terminal != 0 ? one->terminal : TERMINAL, account_id;
	struct ledger_totals before, after;
	const struct terminal_row *row;
	struct event_buffer event;
	struct event_record record;
	int64_t balance_before;
	int done;

	world_make(&world);
	if (one->change != NULL)
		one->change(&world);
	wire.request_id = 1000;
	wire.body_hash[0] = 11;
	wire.body_hash[1] = 22;
	if (wire.template_id == WIRE_CANCEL_BET && wire.cancel_bet.bet_id - 1 < WORLD_BETS)
		wire.cancel_bet.bet_id = world.bets[wire.cancel_bet.bet_id];
	ledger_totals(world.ledger, &before);
	account_id = wire.template_id == WIRE_PLACE_BET ? wire.place_bet.account_id
	             : wire.template_id == WIRE_DEPOSIT ? wire.deposit.account_id
	                                                : RICH;
	balance_before = balance_of(world.ledger, account_id);
	assert_true(fixture_request(world.ledger, &wire, terminal, one->terminal_staked,
	                NOW + (uint64_t)one->time, &event) > 0);
	record = fixture_record(&event);
	if (le16_get(record.code) != one->code)
		fail_msg(
		    "%s: code %04x, expected %04x", one->name, le16_get(record.code), one->code);
	done = one->code == WIRE_CODE_OK;

	/* The request's identity, whatever came of it. */
	assert_int_equal(le64_get(record.terminal_id), terminal);
	assert_int_equal(le64_get(record.request_id), 1000);
	assert_int_equal(le64_get(record.body_hash[0]), 11);
	assert_int_equal(le64_get(record.body_hash[1]), 22);
	row = ledger_terminal(world.ledger, terminal);
	assert_int_equal(row->lsn, le64_get(record.lsn));
	assert_int_equal(row->highest_request_id, 1000);
	if (wire.template_id == WIRE_PLACE_BET)
		legs_check(world.ledger, &wire, &event, done);
	/* Money: zero in sum; nothing moves in a refusal, and no account comes of it. */
	ledger_totals(world.ledger, &after);
	assert_int_equal(ledger_balance_sum(world.ledger, KRW), 0);
	assert_int_equal(ledger_balance_sum(world.ledger, 840), 0);
	assert_int_equal(after.accounts, before.accounts);
	assert_int_equal(after.bets, before.bets + (done && wire.template_id == WIRE_PLACE_BET));
	if (!done) {
		assert_int_equal(balance_of(world.ledger, account_id), balance_before);
		assert_int_equal(after.bets_open, before.bets_open);
	} else {
		const struct account_row *account =
		    ledger_account(world.ledger, le64_get(record.account_id));

		assert_int_equal(account->balance, le64s_get(record.balance));
		assert_int_equal(account->lsn, le64_get(record.lsn));
	}
	ledger_free(world.ledger);
}

TEST(every_case_of_the_table)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		case_check(&cases[i]);
	printf("%zu cases\n", SLUICE_ARRAY_COUNT(cases));
}

TEST_MAIN()
