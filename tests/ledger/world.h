/* SPDX-License-Identifier: Apache-2.0 */
/* The world in which single decisions are tested: accounts, markets and bets with known pasts. */
#ifndef SLUICE_TESTS_LEDGER_WORLD_H
#define SLUICE_TESTS_LEDGER_WORLD_H

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

static inline void world_bet(
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

static inline void world_markets(struct world *world)
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

static inline int world_deposit(struct world *world, uint64_t account, int64_t amount)
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

static inline void world_freeze(struct world *world, uint64_t account, uint8_t flags)
{
	struct ledger_command command = {
		.type = EVENT_ACCOUNT_FREEZE, .account_id = account, .flags = flags
	};

	assert_true(fixture_command(world->ledger, &command, 0) > 0);
}

static inline void world_make(struct world *world)
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

static inline void cancel_bet(struct world *world, unsigned number)
{
	struct wire_request wire = { .request_id = ++world->request_id,
		.template_id = WIRE_CANCEL_BET,
		.cancel_bet = { .bet_id = world->bets[number], .deadline_ns = NO_DEADLINE } };
	struct event_buffer event;

	assert_true(fixture_request(world->ledger, &wire, TERMINAL, 0, PLACED, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
}

/* ---- Requests, with what is usual filled in ---- */

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

#endif
