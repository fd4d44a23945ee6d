/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per case: what was changed in the world, the request, the code. Every case begins in the
 * same world (world_make); what any outcome must look like is checked in case_check for all of
 * them.
 */
#include <errno.h>

#include "tests/ledger/fixture.h"

#pragma GCC diagnostic ignored "-Woverride-init" /* cases override the defaults of BET() */

#define TERMINAL      9 /* placed the world's bets */
#define PLACED        (NOW - 100 * SECOND)
#define WORLD_BETS    32
#define BET_NUMBER(n) (n) /* the world's nth bet, from 1; other ids are above 1,000 */

struct world {
	struct ledger *ledger;
	uint64_t bets[WORLD_BETS + 1];
	unsigned bet_count;
	uint64_t request_id;
};

/* Accounts */
enum {
	RICH = 1,       /* 10,000,000 won, bet 1 and 2 */
	POOR = 2,       /* 500 won */
	FROZEN = 3,     /* bet 3 was placed before it was frozen */
	DOLLARS = 4,    /* 10^13 cents */
	FULL = 5,       /* the maximum balance; bet 4 brought it 1,000 below, then a deposit */
	STAKED = 6,     /* 9,999,000 staked today */
	HABIT = 7,      /* six bets of 1,000, then plenty */
	HABIT_POOR = 8, /* six bets of 1,000, then nothing */
	RICHEST = 10,   /* 10^12 won */
	NOBODY = 77,
};

/* Markets; odds 2.000, 3.500, 25.000 unless said otherwise */
enum {
	M1 = 1,        /* event 1 */
	M2 = 2,        /* event 2 */
	M1_TOTALS = 3, /* event 1 as well */
	SUSPENDED = 4,
	CLOSED = 5,
	BEFORE = 6,
	STARTED = 7,  /* starts at NOW */
	STARTING = 8, /* starts at NOW + 1 ns */
	NO_PRICE = 9, /* selection 0 has none */
	M10 = 10,     /* 10..19: events 10..19 */
	LONG = 20,    /* 20..22: odds 9,999.999 */
	M_UNKNOWN = 99,
};

static void world_bet(
    struct world *world, uint64_t account, int64_t stake, unsigned legs, uint64_t first_market)
{
	struct wire_request wire = { .request_id = ++world->request_id,
		.template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = account,
		    .stake = stake,
		    .deadline_ns = NO_DEADLINE,
		    .currency = account == DOLLARS ? 840 : KRW,
		    .leg_count = (uint8_t)legs } };
	struct event_buffer event;

	for (unsigned i = 0; i < legs; i++)
		wire.place_bet.legs[i] =
		    (struct wire_leg){ .market_id = first_market + i, .odds = 2000 };
	assert_true(fixture_request(world->ledger, &wire, TERMINAL, 0, PLACED, &event) > 0);
	assert_case_equal(account, fixture_code(&event), WIRE_CODE_OK);
	world->bets[++world->bet_count] = le64_get(fixture_record(&event).object_id);
}

static void world_markets(struct world *world)
{
	struct ledger *ledger = world->ledger;
	struct ledger_command command;
	uint64_t version = 0;

	fixture_market(ledger, M1, 1, ++version, MARKET_OPEN, NOW + DAY);
	fixture_market(ledger, M2, 2, ++version, MARKET_OPEN, NOW + DAY);
	fixture_market(ledger, M1_TOTALS, 1, ++version, MARKET_OPEN, NOW + DAY);
	fixture_market(ledger, SUSPENDED, 4, ++version, MARKET_SUSPENDED, NOW + DAY);
	fixture_market(ledger, CLOSED, 5, ++version, MARKET_CLOSED, NOW + DAY);
	fixture_market(ledger, BEFORE, 6, ++version, MARKET_BEFORE, NOW + DAY);
	fixture_market(ledger, STARTED, 7, ++version, MARKET_OPEN, NOW);
	fixture_market(ledger, STARTING, 8, ++version, MARKET_OPEN, NOW + 1);
	command = fixture_market_command(NO_PRICE, 9, ++version, MARKET_OPEN, NOW + DAY);
	command.market.odds[0] = le32_make(0);
	assert_true(fixture_command(ledger, &command, 0) > 0);
	for (uint64_t i = 0; i < 10; i++)
		fixture_market(ledger, M10 + i, M10 + i, ++version, MARKET_OPEN, NOW + DAY);
	for (uint64_t i = 0; i < 3; i++) {
		command =
		    fixture_market_command(LONG + i, LONG + i, ++version, MARKET_OPEN, NOW + DAY);
		command.market.odds[0] = le32_make(9999999);
		assert_true(fixture_command(ledger, &command, 0) > 0);
	}
}

static int world_deposit(struct world *world, uint64_t account, int64_t amount)
{
	struct wire_request wire = { .request_id = ++world->request_id,
		.template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = account,
		    .amount = amount,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };
	struct event_buffer event;

	assert_true(fixture_request(world->ledger, &wire, TERMINAL, 0, PLACED, &event) > 0);
	return fixture_code(&event);
}

static void world_freeze(struct world *world, uint64_t account, uint8_t flags)
{
	struct ledger_command command = {
		.type = EVENT_ACCOUNT_FREEZE, .account_id = account, .flags = flags
	};

	assert_true(fixture_command(world->ledger, &command, 0) > 0);
}

static void world_make(struct world *world)
{
	struct ledger *ledger = fixture_create(256, 0);

	*world = (struct world){ .ledger = ledger };
	fixture_account(ledger, RICH, 10000000, KRW);
	fixture_account(ledger, POOR, 500, KRW);
	fixture_account(ledger, FROZEN, 1000000, KRW);
	fixture_account(ledger, DOLLARS, 10000000000000, 840);
	fixture_account(ledger, FULL, LIMIT_BALANCE_MAX, KRW);
	fixture_account(ledger, STAKED, 20000000, KRW);
	fixture_account(ledger, HABIT, 20000000, KRW);
	fixture_account(ledger, HABIT_POOR, 6000, KRW);
	fixture_account(ledger, RICHEST, 1000000000000, KRW);
	world_markets(world);
	world_bet(world, RICH, 1000, 1, M1);       /* bet 1 */
	world_bet(world, RICH, 2000, 10, M10);     /* bet 2: ten legs */
	world_bet(world, FROZEN, 1000, 1, M1);     /* bet 3 */
	world_bet(world, FULL, 1000, 1, M1);       /* bet 4 */
	world_bet(world, DOLLARS, 1000, 1, M2);    /* bet 5 */
	world_bet(world, RICH, 1000, 1, STARTING); /* bet 6 */
	world_bet(world, RICH, 1000, 1, STARTED);  /* bet 7 */
	for (int i = 0; i < 6; i++) {
		world_bet(world, HABIT, 1000, 1, M1);
		world_bet(world, HABIT_POOR, 1000, 1, M1);
	}
	for (int i = 0; i < 9; i++)
		world_bet(world, STAKED, 1000000, 1, M1);
	world_bet(world, STAKED, 999000, 1, M1);
	world_freeze(world, FROZEN, EVENT_FLAG_FROZEN);
	assert_int_equal(world_deposit(world, FULL, 1000), WIRE_CODE_OK);
}

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

static void cancel_bet(struct world *world, unsigned number)
{
	struct wire_request wire = { .request_id = ++world->request_id,
		.template_id = WIRE_CANCEL_BET,
		.cancel_bet = { .bet_id = world->bets[number], .deadline_ns = NO_DEADLINE } };
	struct event_buffer event;

	assert_true(fixture_request(world->ledger, &wire, TERMINAL, 0, PLACED, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
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

#define LEG(market, choice, price)                                                                 \
	{                                                                                          \
		.market_id = (market), .selection = (choice), .odds = (price)                      \
	}
#define BET(...)                                                                                   \
	{                                                                                          \
		.template_id = WIRE_PLACE_BET, .place_bet = {                                      \
			.account_id = RICH,                                                        \
			.stake = 1000,                                                             \
			.currency = KRW,                                                           \
			.deadline_ns = NO_DEADLINE,                                                \
			.leg_count = 1,                                                            \
			.legs = { LEG(M1, 0, 2000) },                                              \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define LEGS(count, ...) .leg_count = (count), .legs = { __VA_ARGS__ }
#define CANCEL(...)                                                                                \
	{                                                                                          \
		.template_id = WIRE_CANCEL_BET, .cancel_bet = {                                    \
			.bet_id = BET_NUMBER(1),                                                   \
			.deadline_ns = NO_DEADLINE,                                                \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define DEPOSIT(...)                                                                               \
	{                                                                                          \
		.template_id = WIRE_DEPOSIT, .deposit = {                                          \
			.account_id = RICH,                                                        \
			.amount = 1000,                                                            \
			.currency = KRW,                                                           \
			.deadline_ns = NO_DEADLINE,                                                \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define BETTER .odds_policy = ODDS_SAME_OR_BETTER
#define TEN_LEGS                                                                                   \
	LEGS(10, LEG(10, 0, 2000), LEG(11, 0, 2000), LEG(12, 0, 2000), LEG(13, 0, 2000),           \
	    LEG(14, 0, 2000), LEG(15, 0, 2000), LEG(16, 0, 2000), LEG(17, 0, 2000),                \
	    LEG(18, 0, 2000), LEG(19, 0, 2000))
#define TEN_LEGS_LAST(leg)                                                                         \
	LEGS(10, LEG(10, 0, 2000), LEG(11, 0, 2000), LEG(12, 0, 2000), LEG(13, 0, 2000),           \
	    LEG(14, 0, 2000), LEG(15, 0, 2000), LEG(16, 0, 2000), LEG(17, 0, 2000),                \
	    LEG(18, 0, 2000), leg)

/* clang-format off */
static const struct table_case cases[] = {
	/* PLACE_BET: deadline */
	{ "a plain bet", NULL, BET(), .code = WIRE_CODE_OK },
	{ "deadline at event time", NULL, BET(.deadline_ns = NOW), .code = WIRE_CODE_OK },
	{ "deadline 1 ns ago", NULL, BET(.deadline_ns = NOW - 1), .code = WIRE_CODE_EXPIRED },
	{ "deadline 0", NULL, BET(.deadline_ns = 0), .code = WIRE_CODE_EXPIRED },
	{ "expired goes before everything", NULL, BET(.deadline_ns = 0, .account_id = NOBODY, .stake = 0), .code = WIRE_CODE_EXPIRED },
	{ "no deadline, far future", NULL, BET(.legs = { LEG(M1, 0, 2000) }), .time = (int64_t)(DAY - 1), .code = WIRE_CODE_OK },

	/* PLACE_BET: amount */
	{ "stake 0", NULL, BET(.stake = 0), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake -1", NULL, BET(.stake = -1), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake lowest int64", NULL, BET(.stake = INT64_MIN), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake highest int64", NULL, BET(.stake = INT64_MAX), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake 1 above the maximum", NULL, BET(.stake = LIMIT_STAKE_MAX + 1), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "stake at the maximum of the format", wide_open, BET(.account_id = RICHEST, .stake = LIMIT_STAKE_MAX), .code = WIRE_CODE_OK },
	{ "stake 1", NULL, BET(.stake = 1), .code = WIRE_CODE_OK },
	{ "amount goes before account", NULL, BET(.stake = 0, .account_id = NOBODY), .code = WIRE_CODE_AMOUNT_INVALID },

	/* PLACE_BET: account */
	{ "account unknown", NULL, BET(.account_id = NOBODY), .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "account 0", NULL, BET(.account_id = 0), .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "account all ones", NULL, BET(.account_id = UINT64_MAX), .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "a system account's number", NULL, BET(.account_id = SYSTEM_ACCOUNT_BIT | 3ull << 56 | (uint64_t)KRW << 40), .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "account frozen", NULL, BET(.account_id = FROZEN), .code = WIRE_CODE_ACCOUNT_FROZEN },
	{ "account thawed", unfreeze, BET(.account_id = FROZEN), .code = WIRE_CODE_OK },
	{ "another currency", NULL, BET(.currency = 840), .code = WIRE_CODE_CURRENCY_MISMATCH },
	{ "another currency the other way", NULL, BET(.account_id = DOLLARS), .code = WIRE_CODE_CURRENCY_MISMATCH },
	{ "currency 0", NULL, BET(.currency = 0), .code = WIRE_CODE_CURRENCY_MISMATCH },
	{ "frozen goes before currency", NULL, BET(.account_id = FROZEN, .currency = 840), .code = WIRE_CODE_ACCOUNT_FROZEN },
	{ "account goes before legs", NULL, BET(.account_id = NOBODY, LEGS(1, LEG(M_UNKNOWN, 0, 2000))), .code = WIRE_CODE_ACCOUNT_UNKNOWN },

	/* PLACE_BET: legs */
	{ "market unknown", NULL, BET(LEGS(1, LEG(M_UNKNOWN, 0, 2000))), .code = WIRE_CODE_MARKET_UNKNOWN },
	{ "market 0", NULL, BET(LEGS(1, LEG(0, 0, 2000))), .code = WIRE_CODE_MARKET_UNKNOWN },
	{ "market suspended", NULL, BET(LEGS(1, LEG(SUSPENDED, 0, 2000))), .code = WIRE_CODE_MARKET_NOT_OPEN },
	{ "market closed", NULL, BET(LEGS(1, LEG(CLOSED, 0, 2000))), .code = WIRE_CODE_MARKET_NOT_OPEN },
	{ "market not yet open", NULL, BET(LEGS(1, LEG(BEFORE, 0, 2000))), .code = WIRE_CODE_MARKET_NOT_OPEN },
	{ "market opened again", reopen_closed, BET(LEGS(1, LEG(CLOSED, 0, 2000))), .code = WIRE_CODE_OK },
	{ "market closed by a newer version", close_m1, BET(), .code = WIRE_CODE_MARKET_NOT_OPEN },
	{ "event starts now", NULL, BET(LEGS(1, LEG(STARTED, 0, 2000))), .code = WIRE_CODE_EVENT_STARTED },
	{ "event starts in 1 ns", NULL, BET(LEGS(1, LEG(STARTING, 0, 2000))), .code = WIRE_CODE_OK },
	{ "event started 1 ns ago", NULL, BET(LEGS(1, LEG(STARTING, 0, 2000))), .time = 2, .code = WIRE_CODE_EVENT_STARTED },
	{ "selection at the count", NULL, BET(LEGS(1, LEG(M1, 3, 2000))), .code = WIRE_CODE_SELECTION_UNKNOWN },
	{ "selection far outside", NULL, BET(LEGS(1, LEG(M1, UINT16_MAX, 2000))), .code = WIRE_CODE_SELECTION_UNKNOWN },
	{ "last selection", NULL, BET(LEGS(1, LEG(M1, 2, 25000))), .code = WIRE_CODE_OK },
	{ "exact: book higher", NULL, BET(LEGS(1, LEG(M1, 0, 1999))), .code = WIRE_CODE_ODDS_CHANGED },
	{ "exact: book lower", NULL, BET(LEGS(1, LEG(M1, 0, 2001))), .code = WIRE_CODE_ODDS_CHANGED },
	{ "better: book equal", NULL, BET(BETTER), .code = WIRE_CODE_OK },
	{ "better: book higher", NULL, BET(BETTER, LEGS(1, LEG(M1, 0, 1500))), .code = WIRE_CODE_OK },
	{ "better: book lower", NULL, BET(BETTER, LEGS(1, LEG(M1, 0, 2001))), .code = WIRE_CODE_ODDS_CHANGED },
	{ "no price, claimed none", NULL, BET(LEGS(1, LEG(NO_PRICE, 0, 0))), .code = WIRE_CODE_ODDS_CHANGED },
	{ "no price, better", NULL, BET(BETTER, LEGS(1, LEG(NO_PRICE, 0, 0))), .code = WIRE_CODE_ODDS_CHANGED },
	{ "two legs", NULL, BET(LEGS(2, LEG(M1, 0, 2000), LEG(M2, 1, 3500))), .code = WIRE_CODE_OK },
	{ "ten legs", NULL, BET(TEN_LEGS), .code = WIRE_CODE_OK },
	{ "tenth leg unknown", NULL, BET(TEN_LEGS_LAST(LEG(M_UNKNOWN, 0, 2000))), .code = WIRE_CODE_MARKET_UNKNOWN },
	{ "tenth leg changed", NULL, BET(TEN_LEGS_LAST(LEG(M1, 0, 2500))), .code = WIRE_CODE_ODDS_CHANGED },
	{ "tenth leg twice", NULL, BET(TEN_LEGS_LAST(LEG(M10, 0, 2000))), .code = WIRE_CODE_LEGS_DUPLICATE },
	{ "same market twice", NULL, BET(LEGS(2, LEG(M1, 0, 2000), LEG(M1, 1, 3500))), .code = WIRE_CODE_LEGS_DUPLICATE },
	{ "two markets of one event", NULL, BET(LEGS(2, LEG(M1, 0, 2000), LEG(M1_TOTALS, 0, 2000))), .code = WIRE_CODE_LEGS_DUPLICATE },
	{ "first fault by leg", NULL, BET(LEGS(2, LEG(CLOSED, 0, 2000), LEG(M_UNKNOWN, 0, 2000))), .code = WIRE_CODE_MARKET_NOT_OPEN },

	/* PLACE_BET: payout and limits */
	{ "payout at the maximum", payout_tiny, BET(), .code = WIRE_CODE_OK },
	{ "payout 1 above", payout_tiny, BET(.stake = 1001), .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "payout of long odds", NULL, BET(.stake = 10001, LEGS(1, LEG(LONG, 0, 9999999))), .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "payout beyond 64 bits", wide_open, BET(.account_id = RICHEST, .stake = LIMIT_STAKE_MAX, LEGS(3, LEG(LONG, 0, 9999999), LEG(LONG + 1, 0, 9999999), LEG(LONG + 2, 0, 9999999))), .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "payout goes before single stake", NULL, BET(.stake = 100000000), .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "payout of dollars is not the won's", payout_tiny, BET(.account_id = DOLLARS, .currency = 840, .stake = 5000), .code = WIRE_CODE_OK },
	{ "payout limit of the format holds for dollars", NULL, BET(.account_id = DOLLARS, .currency = 840, .stake = LIMIT_STAKE_MAX, LEGS(1, LEG(LONG, 0, 9999999))), .code = WIRE_CODE_PAYOUT_LIMIT },
	{ "single stake at the limit", NULL, BET(.stake = 1000000), .code = WIRE_CODE_OK },
	{ "single stake 1 above", NULL, BET(.stake = 1000001), .code = WIRE_CODE_LIMIT_SINGLE_STAKE },
	{ "single stake in dollars", NULL, BET(.account_id = DOLLARS, .currency = 840, .stake = 1000001), .code = WIRE_CODE_OK },
	{ "daily stake at the limit", NULL, BET(.account_id = STAKED), .code = WIRE_CODE_OK },
	{ "daily stake 1 above", NULL, BET(.account_id = STAKED, .stake = 1001), .code = WIRE_CODE_LIMIT_DAILY_STAKE },
	{ "daily stake, last ns of the day", NULL, BET(.account_id = STAKED, .stake = 1001), .time = (int64_t)(15 * HOUR) - 1, .code = WIRE_CODE_LIMIT_DAILY_STAKE },
	{ "daily stake, next day", NULL, BET(.account_id = STAKED, .stake = 1001), .time = (int64_t)(15 * HOUR), .code = WIRE_CODE_OK },
	{ "daily stake after a cancel", cancel_staked, BET(.account_id = STAKED, .stake = 999000), .code = WIRE_CODE_OK },
	{ "daily stake 1 above after a cancel", cancel_staked, BET(.account_id = STAKED, .stake = 1000000), .code = WIRE_CODE_OK },
	{ "single goes before daily", NULL, BET(.account_id = STAKED, .stake = 1000001), .code = WIRE_CODE_LIMIT_SINGLE_STAKE },
	{ "daily limit raised", no_limits, BET(.account_id = STAKED, .stake = 1001), .code = WIRE_CODE_OK },
	{ "terminal's day at the limit", NULL, BET(), .terminal_staked = 999999000, .code = WIRE_CODE_OK },
	{ "terminal's day 1 above", NULL, BET(), .terminal_staked = 999999001, .code = WIRE_CODE_LIMIT_TERMINAL_DAILY },
	{ "daily goes before terminal's", NULL, BET(.account_id = STAKED, .stake = 1001), .terminal_staked = 999999001, .code = WIRE_CODE_LIMIT_DAILY_STAKE },
	{ "terminal's day in dollars", NULL, BET(.account_id = DOLLARS, .currency = 840), .terminal_staked = 999999001, .code = WIRE_CODE_OK },

	/* PLACE_BET: risk and funds */
	{ "large, far from the habit, odds differ", NULL, BET(.account_id = HABIT, .stake = 1000000, BETTER, LEGS(1, LEG(M1, 0, 1900))), .code = WIRE_CODE_RISK_SCORE },
	{ "large and far from the habit", NULL, BET(.account_id = HABIT, .stake = 1000000), .code = WIRE_CODE_OK },
	{ "score goes before funds", NULL, BET(.account_id = HABIT_POOR, .stake = 1000000, BETTER, LEGS(1, LEG(M1, 0, 1900))), .code = WIRE_CODE_RISK_SCORE },
	{ "score at the refusal", refuse_large, BET(.stake = 1000000), .code = WIRE_CODE_RISK_SCORE },
	{ "score 1 below the refusal", refuse_larger, BET(.account_id = FULL, .stake = 1000000), .code = WIRE_CODE_OK },
	{ "funds exactly", NULL, BET(.account_id = POOR, .stake = 500), .code = WIRE_CODE_OK },
	{ "funds 1 short", NULL, BET(.account_id = POOR, .stake = 501), .code = WIRE_CODE_FUNDS_INSUFFICIENT },
	{ "funds 0", NULL, BET(.account_id = HABIT_POOR, .stake = 1), .code = WIRE_CODE_FUNDS_INSUFFICIENT },

	/* CANCEL_BET */
	{ "cancel", NULL, CANCEL(), .code = WIRE_CODE_OK },
	{ "cancel ten legs", NULL, CANCEL(.bet_id = BET_NUMBER(2)), .code = WIRE_CODE_OK },
	{ "cancel with a reason", NULL, CANCEL(.reason = UINT16_MAX), .code = WIRE_CODE_OK },
	{ "cancel after its deadline", NULL, CANCEL(.deadline_ns = NOW - 1), .code = WIRE_CODE_EXPIRED },
	{ "cancel nothing", NULL, CANCEL(.bet_id = 0), .code = WIRE_CODE_BET_UNKNOWN },
	{ "cancel an unknown bet", NULL, CANCEL(.bet_id = 123456789), .code = WIRE_CODE_BET_UNKNOWN },
	{ "cancel at another terminal", NULL, CANCEL(), .terminal = 10, .code = WIRE_CODE_NOT_YOUR_BET },
	{ "cancel twice", cancel_first, CANCEL(), .code = WIRE_CODE_BET_NOT_OPEN },
	{ "not yours goes before not open", cancel_first, CANCEL(), .terminal = 10, .code = WIRE_CODE_NOT_YOUR_BET },
	{ "cancel at the end of the window", NULL, CANCEL(), .time = 500 * (int64_t)SECOND, .code = WIRE_CODE_OK },
	{ "cancel 1 ns after the window", NULL, CANCEL(), .time = 500 * (int64_t)SECOND + 1, .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel with no window", cancel_never, CANCEL(), .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel when the market is closed", close_m1, CANCEL(), .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel when the market is suspended", suspend_m1, CANCEL(), .code = WIRE_CODE_OK },
	{ "cancel when the event started", NULL, CANCEL(.bet_id = BET_NUMBER(7)), .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel 1 ns before the start", NULL, CANCEL(.bet_id = BET_NUMBER(6)), .code = WIRE_CODE_OK },
	{ "cancel at the start", NULL, CANCEL(.bet_id = BET_NUMBER(6)), .time = 1, .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel when the tenth leg started", start_m19, CANCEL(.bet_id = BET_NUMBER(2)), .code = WIRE_CODE_CANCEL_TOO_LATE },
	{ "cancel of a frozen account", NULL, CANCEL(.bet_id = BET_NUMBER(3)), .code = WIRE_CODE_OK },
	{ "cancel above the maximum balance", NULL, CANCEL(.bet_id = BET_NUMBER(4)), .code = WIRE_CODE_BALANCE_LIMIT },
	{ "cancel in dollars", NULL, CANCEL(.bet_id = BET_NUMBER(5)), .code = WIRE_CODE_OK },

	/* DEPOSIT */
	{ "deposit", NULL, DEPOSIT(), .code = WIRE_CODE_OK },
	{ "deposit 1", NULL, DEPOSIT(.amount = 1), .code = WIRE_CODE_OK },
	{ "deposit at another terminal", NULL, DEPOSIT(), .terminal = LIMIT_TERMINAL_ID_MAX, .code = WIRE_CODE_OK },
	{ "deposit after its deadline", NULL, DEPOSIT(.deadline_ns = NOW - 1), .code = WIRE_CODE_EXPIRED },
	{ "deposit to nobody", NULL, DEPOSIT(.account_id = NOBODY), .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "deposit to a system account", NULL, DEPOSIT(.account_id = SYSTEM_ACCOUNT_BIT | 1ull << 56 | (uint64_t)KRW << 40), .code = WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "deposit to a frozen account", NULL, DEPOSIT(.account_id = FROZEN), .code = WIRE_CODE_ACCOUNT_FROZEN },
	{ "deposit in another currency", NULL, DEPOSIT(.currency = 978), .code = WIRE_CODE_CURRENCY_MISMATCH },
	{ "deposit 0", NULL, DEPOSIT(.amount = 0), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "deposit -1", NULL, DEPOSIT(.amount = -1), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "deposit lowest int64", NULL, DEPOSIT(.amount = INT64_MIN), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "deposit 1 above the maximum", NULL, DEPOSIT(.amount = LIMIT_BALANCE_MAX + 1), .code = WIRE_CODE_AMOUNT_INVALID },
	{ "deposit to a full account", NULL, DEPOSIT(.account_id = FULL, .amount = 1), .code = WIRE_CODE_BALANCE_LIMIT },
	{ "deposit up to the maximum balance", NULL, DEPOSIT(.account_id = POOR, .amount = LIMIT_BALANCE_MAX - 500), .code = WIRE_CODE_OK },
	{ "deposit 1 above the maximum balance", NULL, DEPOSIT(.account_id = POOR, .amount = LIMIT_BALANCE_MAX - 499), .code = WIRE_CODE_BALANCE_LIMIT },
	{ "account goes before amount", NULL, DEPOSIT(.account_id = NOBODY, .amount = 0), .code = WIRE_CODE_ACCOUNT_UNKNOWN },
};
/* clang-format on */

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

/* ---- Numbers of single outcomes ---- */

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
