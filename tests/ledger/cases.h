/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of the table of cases (test_ledger_cases.c): every kind of account, market, bet, object
 * and shift there is, made by requests and commands alone. Shard 0 of 2; only FAR is on shard 1.
 */
#ifndef SLUICE_TESTS_LEDGER_CASES_H
#define SLUICE_TESTS_LEDGER_CASES_H

#include <errno.h>

#include "tests/ledger/betting.h"

#pragma GCC diagnostic ignored "-Woverride-init" /* cases override the defaults of BET() */

#define USD 840

/* Accounts; ALICE and BOB are betting.h's. */
enum {
	RICH = ALICE,  /* 10,000,000 won at first */
	POOR = BOB,    /* 500 won */
	FROZEN = 3,    /* 1,000,000 won; has a round and a bet from before */
	DOLLARS = 4,   /* 1,000,000 cents */
	FULL = 5,      /* the maximum balance */
	OWING = 6,     /* nothing, and owes 1,500 won */
	CUSTOMER = 7,  /* partner 1, 1,000,000 won */
	BARRED = 8,    /* partner 2, which is blocked */
	LIMITED = 9,   /* own limits: deposit, stake, loss of 1,000 a day */
	EXCLUDED = 10, /* for ever */
	RESTING = 11,  /* cooling off until NOW + 1 h */
	FAR = 12,      /* on the other shard */
	STAKED = 13,   /* 9,500,000 staked today */
	CLAIMER = 14,
	NOBODY = 77,
};
enum { PARTNER = 1, PARTNER_BLOCKED = 2, PARTNER_NONE = 3 };

/* Markets 1..12 are betting.h's with odds 2.000; M1B is of market 1's event. */
enum {
	M1 = 1,
	M2 = 2,
	SETTLED = 3,
	VOIDED = 4,
	FINAL = 5,
	ROLLED = 6, /* rolled back */
	M1B = 21,
	SUSPENDED = 22,
	CLOSED = 23,
	BEFORE = 24,
	STARTED = 25,  /* at NOW */
	STARTING = 26, /* at NOW + 1 ns */
	NO_PRICE = 27, /* selection 0 */
	PRICED = 28,   /* 2.000, 3.500, 25.000 */
	M_UNKNOWN = 99,
};

/* Bets: numbers in requests stand for these. */
enum {
	B_OPEN = 1,  /* RICH on M2 */
	B_OTHER,     /* RICH, at terminal OTHER */
	B_WON,       /* RICH on SETTLED */
	B_FROZEN,    /* FROZEN on M2 */
	B_CANCELLED, /* RICH */
	B_VOID,      /* RICH */
	B_RUNNING,   /* RICH on STARTED, placed before */
	B_CLOSED,    /* RICH on CLOSED, placed before */
	B_OLD,       /* RICH on M2, an hour ago */
	T_OPEN,      /* cash tickets: on M2 */
	T_WON,       /* on SETTLED */
	T_LOST,      /* on SETTLED */
	T_PAID,      /* on SETTLED */
	T_VOID,      /* by the operator */
	T_CANCELLED,
	T_REFUNDED, /* on VOIDED */
	B_FULL,     /* FULL on M2 */
	B_LONG,     /* ten legs, RICH on markets 1.. and 7.. that are open */
	BETS,
};
/* Sprinkles. */
enum { S_OPEN = 1, S_EMPTY, S_ENDED, S_LAST, SPRINKLES };
/* Requests that can be reversed (or not). */
enum {
	R_DEPOSIT = 1, /* RICH, 5,000 */
	R_SPENT,       /* POOR, 400 of which 300 are left */
	R_WITHDRAW,
	R_WAITING,
	R_TRANSFER, /* to CLAIMER */
	R_BET,
	R_RUNNING,
	R_REFUSED,
	R_OTHER, /* of terminal OTHER */
	R_ROUND,
	R_REVERSED,
	R_FROZEN, /* a deposit to FROZEN before it was */
	REVERSIBLE,
};

#define OTHER   10 /* terminal; has a shift open, cashier 4 */
#define NEW     11 /* terminal that never asked */
#define ROOM    5
#define K_USED  900 /* partner key: a deposit of 1,000 to CUSTOMER */
#define WAITING 800000

struct cases_world {
	struct betting betting;
	uint64_t bets[BETS], sprinkles[SPRINKLES], waiting, approved;
	struct event_record reversible[REVERSIBLE];
	uint64_t terminal;
	int64_t terminal_staked, terminal_daily_max, cash_total;
	uint8_t genuine;
};

/* ---- Requests, with what is usual filled in ---- */

#define L(market, choice, price)                                                                   \
	{                                                                                          \
		.market_id = (market), .selection = (choice), .odds = (price)                      \
	}
#define REQUEST(template, member, ...)                                                             \
	{                                                                                          \
		.template_id = (template), .member = { __VA_ARGS__ }                               \
	}
#define WON .currency = KRW, .deadline_ns = NO_DEADLINE
#define BET(...)                                                                                   \
	REQUEST(WIRE_PLACE_BET, place_bet, .account_id = RICH, .stake = 1000, WON, .leg_count = 1, \
	    .legs = { L(M1, 0, 2000) }, __VA_ARGS__)
#define CASH(...)            BET(.account_id = 0, __VA_ARGS__)
#define ON(market)           .legs = { L(market, 0, 2000) }
#define LEG(m, s, o)         .legs = { L(m, s, o) }
#define TWO(m, n)            .leg_count = 2, .legs = { L(m, 0, 2000), L(n, 0, 2000) }
#define BETTER               .odds_policy = ODDS_SAME_OR_BETTER
#define CANCEL(id, ...)      REQUEST(WIRE_CANCEL_BET, cancel_bet, .bet_id = id, UNTIL, __VA_ARGS__)
#define UNTIL                .deadline_ns = NO_DEADLINE
#define REDEEM(id, ...)      REQUEST(WIRE_REDEEM, redeem, .bet_id = id, UNTIL, __VA_ARGS__)
#define REPRINT(id, ...)     REQUEST(WIRE_REPRINT, reprint, .bet_id = id, UNTIL, __VA_ARGS__)
#define OPENING(who)         .account_id = who, WON
#define OPEN(who, ...)       REQUEST(WIRE_OPEN_ACCOUNT, open_account, OPENING(who), __VA_ARGS__)
#define MONEY(who, sum, ...) .account_id = who, .amount = sum, WON, __VA_ARGS__
#define DEPOSIT(...)         REQUEST(WIRE_DEPOSIT, deposit, MONEY(__VA_ARGS__))
#define WITHDRAW(...)        REQUEST(WIRE_WITHDRAW, deposit, MONEY(__VA_ARGS__))
#define KEY(k)               .partner_key = { k, 0 }
#define TRANSFER(from, to, sum, ...)                                                               \
	REQUEST(WIRE_TRANSFER, transfer, .from_account = from, .to_account = to, .amount = sum,    \
	    WON, __VA_ARGS__)
#define REVERSE(r, ...) REQUEST(WIRE_REVERSE, reverse, .target_request_id = r, UNTIL, __VA_ARGS__)
#define FENCE(r, ...)   REQUEST(WIRE_FENCE, fence, .target_request_id = r, UNTIL, __VA_ARGS__)
#define NONE            -1, -1, -1, -1, -1, -1
#define PLAY(who, ...)                                                                             \
	REQUEST(WIRE_PLAY_SET, play_set, .account_id = who, UNTIL, .limits = { __VA_ARGS__ })
#define REST(who, ...)                                                                             \
	REQUEST(WIRE_PLAY_SET, play_set, .account_id = who, UNTIL, .limits = { NONE }, __VA_ARGS__)
#define SPRINKLE(...)                                                                              \
	REQUEST(WIRE_SPRINKLE_CREATE, sprinkle_create, .account_id = RICH, .amount = 1000, WON,    \
	    .room = ROOM, .window_s = 60, .shares = 3, __VA_ARGS__)
#define CLAIM(token_of, who, ...)                                                                  \
	REQUEST(WIRE_CLAIM, claim, .token = token_of, .account_id = who, .room = ROOM, UNTIL,      \
	    __VA_ARGS__)
#define ROUND(template, r, t, sum, ...)                                                            \
	REQUEST(template, round, .account_id = CUSTOMER, .amount = sum, WON, .round = r,           \
	    .transaction = { t, 0 }, .game = 3, .partner_id = PARTNER, __VA_ARGS__)
#define DEBIT(r, t, sum, ...)  ROUND(WIRE_ROUND_DEBIT, r, t, sum, __VA_ARGS__)
#define CREDIT(r, t, sum, ...) ROUND(WIRE_ROUND_CREDIT, r, t, sum, __VA_ARGS__)
#define ROLLBACK(r, t, of, ...)                                                                    \
	ROUND(WIRE_ROUND_ROLLBACK, r, t, 0, .target = { of, 0 }, __VA_ARGS__)
#define CLOSE(r, ...) ROUND(WIRE_ROUND_CLOSE, r, 0, 0, __VA_ARGS__)
#define SHIFT_ASK(template, who, sum, ...)                                                         \
	REQUEST(template, shift, .cashier_id = who, .cash = sum, WON, __VA_ARGS__)
#define SHIFT_BEGIN(...) SHIFT_ASK(WIRE_SHIFT_OPEN, __VA_ARGS__)
#define SHIFT_END(...)   SHIFT_ASK(WIRE_SHIFT_CLOSE, __VA_ARGS__)

/* ---- Making the world ---- */

static inline uint16_t world_request(
    struct cases_world *world, struct wire_request wire, uint64_t terminal)
{
	return betting_request_at(&world->betting, wire, terminal, 1);
}

static inline void world_ok(struct cases_world *world, struct wire_request wire)
{
	uint16_t code = world_request(world, wire, COUNTER);

	if (code != WIRE_CODE_OK)
		fail_msg("template %04x: code %04x", wire.template_id, code);
}

static inline void world_ok_at(struct cases_world *world, struct wire_request wire, uint64_t at_ns)
{
	world->betting.now_ns = at_ns;
	world_ok(world, wire);
}

#define ASK(...) ((struct wire_request)__VA_ARGS__)

static inline void world_save(struct cases_world *world, unsigned which)
{
	world->reversible[which] = fixture_record(&world->betting.event);
}

static inline void world_bet(struct cases_world *world, unsigned which, struct wire_request wire)
{
	world_ok(world, wire);
	world->bets[which] = le64_get(fixture_record(&world->betting.event).object_id);
}

static inline void world_command(struct cases_world *world, struct ledger_command command)
{
	assert_true(betting_command(&world->betting, &command) > 0);
}

static inline void world_market(
    struct cases_world *world, uint64_t id, uint64_t event_id, uint8_t state, uint64_t start_ns)
{
	struct ledger_command command =
	    fixture_market_command(id, event_id, ++world->betting.version, state, start_ns);

	for (unsigned i = 0; id != PRICED && i < 3; i++)
		command.market.odds[i] = le32_make(id == NO_PRICE && i == 0 ? 0 : 2000);
	world_command(world, command);
}

static inline void world_partner(struct cases_world *world, uint64_t id, uint8_t blocked)
{
	world_command(world, (struct ledger_command){ .type = EVENT_PARTNER_SET,
	                         .object_id = id,
	                         .partner = { .version = le64_make(1 + blocked),
	                             .keys_max = le32_make(4), /* two on this shard */
	                             .currency = le16_make(KRW),
	                             .blocked = blocked } });
}

static inline void world_freeze(struct cases_world *world, uint64_t id, uint8_t flags)
{
	world_command(world, (struct ledger_command){
	                         .type = EVENT_ACCOUNT_FREEZE, .account_id = id, .flags = flags });
}

static inline void world_accounts(struct cases_world *world)
{
	static const struct {
		uint64_t id;
		int64_t balance;
	} accounts[] = { { RICH, 10000000 }, { POOR, 500 }, { FROZEN, 1000000 },
		{ FULL, LIMIT_BALANCE_MAX }, { OWING, 1000 }, { LIMITED, 100000 },
		{ EXCLUDED, 100000 }, { RESTING, 100000 }, { STAKED, 20000000 },
		{ CLAIMER, 1000 } };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(accounts); i++)
		assert_true(fixture_account(world->betting.ledger, accounts[i].id,
		                accounts[i].balance, KRW) > 0);
	assert_true(fixture_account(world->betting.ledger, DOLLARS, 1000000, USD) > 0);
	world_partner(world, PARTNER, 0);
	world_partner(world, PARTNER_BLOCKED, 0);
	world_ok(world, ASK(OPEN(CUSTOMER, .partner_id = PARTNER)));
	world_ok(world, ASK(OPEN(BARRED, .partner_id = PARTNER_BLOCKED)));
	world_ok(world, ASK(DEPOSIT(CUSTOMER, 1000000)));
	world_ok(world, ASK(DEPOSIT(BARRED, 1000)));
	world_ok(world, ASK(DEPOSIT(CUSTOMER, 1000, KEY(K_USED))));
	world_ok(world, ASK(PLAY(LIMITED, 1000, -1, 1000, -1, 1000, -1)));
	world_ok(world, ASK(REST(EXCLUDED, .excluded_until_ns = UINT64_MAX)));
	world_ok(world, ASK(REST(RESTING, .cooloff_until_ns = NOW + HOUR)));
	world_partner(world, PARTNER_BLOCKED, 1);
}

static inline void world_markets(struct cases_world *world)
{
	for (uint64_t id = 1; id <= BETTING_MARKETS; id++)
		world_market(world, id, 100 + id, MARKET_OPEN, NOW + DAY);
	world_market(world, M1B, 101, MARKET_OPEN, NOW + DAY);
	world_market(world, SUSPENDED, SUSPENDED, MARKET_SUSPENDED, NOW + DAY);
	world_market(world, CLOSED, CLOSED, MARKET_OPEN, NOW + DAY);
	world_market(world, BEFORE, BEFORE, MARKET_BEFORE, NOW + DAY);
	world_market(world, STARTED, STARTED, MARKET_OPEN, NOW);
	world_market(world, STARTING, STARTING, MARKET_OPEN, NOW + 1);
	world_market(world, NO_PRICE, NO_PRICE, MARKET_OPEN, NOW + DAY);
	world_market(world, PRICED, PRICED, MARKET_OPEN, NOW + DAY);
}

static inline void world_bets(struct cases_world *world)
{
	struct ledger_command result = { .type = EVENT_MARKET_RESULT, .market_id = FINAL };

	world_bet(world, B_OLD, ASK(BET(ON(M2))));
	world_ok(world, ASK(BET(.account_id = OWING, ON(ROLLED))));
	world->betting.now_ns = NOW - 60 * SECOND;
	world_bet(world, B_OPEN, ASK(BET(ON(M2))));
	assert_int_equal(world_request(world, ASK(BET(ON(M2))), OTHER), WIRE_CODE_OK);
	world->bets[B_OTHER] = le64_get(fixture_record(&world->betting.event).object_id);
	world_save(world, R_OTHER);
	world_bet(world, B_WON, ASK(BET(ON(SETTLED))));
	world_bet(world, B_FROZEN, ASK(BET(.account_id = FROZEN, ON(M2))));
	world_bet(world, B_CANCELLED, ASK(BET(ON(M2))));
	world_bet(world, B_VOID, ASK(BET(ON(M2))));
	world_bet(world, B_RUNNING, ASK(BET(ON(STARTED))));
	world_save(world, R_RUNNING);
	world_bet(world, B_CLOSED, ASK(BET(ON(CLOSED))));
	world_bet(world, B_FULL, ASK(BET(.account_id = FULL, ON(M2))));
	world_bet(world, B_LONG,
	    ASK(BET(.leg_count = 8,
	        .legs = { L(1, 0, 2000), L(2, 0, 2000), L(7, 0, 2000), L(8, 0, 2000), L(9, 0, 2000),
	            L(10, 0, 2000), L(11, 0, 2000), L(12, 0, 2000) })));
	world_bet(world, T_OPEN, ASK(CASH(ON(M2))));
	world_bet(world, T_WON, ASK(CASH(ON(SETTLED))));
	world_bet(world, T_LOST, ASK(CASH(LEG(SETTLED, 1, 2000))));
	world_bet(world, T_PAID, ASK(CASH(ON(SETTLED))));
	world_bet(world, T_VOID, ASK(CASH(ON(M2))));
	world_bet(world, T_CANCELLED, ASK(CASH(ON(M2))));
	world_bet(world, T_REFUNDED, ASK(CASH(ON(VOIDED))));
	for (int i = 0; i < 9; i++)
		world_ok(world, ASK(BET(.account_id = STAKED, .stake = 1000000, LEG(M2, 0, 2000))));
	world_ok(world, ASK(BET(.account_id = STAKED, .stake = 500000, LEG(M2, 0, 2000))));
	world_ok(world, ASK(CANCEL(world->bets[B_CANCELLED])));
	world_ok(world, ASK(CANCEL(world->bets[T_CANCELLED])));
	world_command(world,
	    (struct ledger_command){ .type = EVENT_BET_VOID, .object_id = world->bets[B_VOID] });
	world_command(world,
	    (struct ledger_command){ .type = EVENT_BET_VOID, .object_id = world->bets[T_VOID] });
	betting_settle(&world->betting, SETTLED, 0);
	betting_settle(&world->betting, VOIDED, 3);
	betting_settle(&world->betting, FINAL, 0);
	result.result.op = RESULT_FINAL;
	result.result.selection_count = 3;
	world_command(world, result);
	betting_settle(&world->betting, ROLLED, 0);
	world_ok(world, ASK(WITHDRAW(OWING, 1500)));
	betting_rollback(&world->betting, ROLLED);
	world_ok(world, ASK(REDEEM(world->bets[T_PAID])));
	world_market(world, CLOSED, CLOSED, MARKET_CLOSED, NOW + DAY);
}

static inline void world_sprinkle(
    struct cases_world *world, unsigned which, struct wire_request wire)
{
	world_ok(world, wire);
	world->sprinkles[which] = le64_get(fixture_record(&world->betting.event).object_id);
}

static inline void world_sprinkles(struct cases_world *world)
{
	world_sprinkle(world, S_OPEN, ASK(SPRINKLE(.window_s = 3600)));
	world_ok(world, ASK(CLAIM(world->sprinkles[S_OPEN], POOR)));
	world_sprinkle(world, S_EMPTY, ASK(SPRINKLE(.shares = 1, .window_s = 3600)));
	world_ok(world, ASK(CLAIM(world->sprinkles[S_EMPTY], CUSTOMER)));
	world_sprinkle(world, S_ENDED, ASK(SPRINKLE(.window_s = 1)));
	world_sprinkle(world, S_LAST, ASK(SPRINKLE(.shares = 1, .window_s = 3600)));
}

static inline void world_rounds(struct cases_world *world)
{
	world_ok(world, ASK(DEBIT(1, 1, 100)));
	world_save(world, R_ROUND);
	world_ok(world, ASK(CREDIT(1, 2, 50)));
	world_ok(world, ASK(DEBIT(1, 3, 10)));
	world_ok(world, ASK(ROLLBACK(1, 4, 3)));
	world_ok(world, ASK(ROLLBACK(1, 5, 6))); /* 6 never came */
	world_ok(world, ASK(DEBIT(2, 7, 100)));
	world_ok(world, ASK(CREDIT(2, 8, 60)));
	world_ok(world, ASK(CLOSE(2)));
	world_ok(world, ASK(DEBIT(1, 1, 100, .account_id = FROZEN, .partner_id = 0)));
}

static inline void world_reverse(struct cases_world *world, unsigned which)
{
	const struct event_record *target = &world->reversible[which];
	struct betting *betting = &world->betting;
	struct wire_request wire = ASK(REVERSE(le64_get(target->request_id)));
	struct ledger_request request = {
		.wire = &wire, .terminal_id = COUNTER, .reverse_target = target
	};

	wire.request_id = ++betting->request_id;
	betting_apply(
	    betting, ledger_decide(betting->ledger, &request, betting->now_ns, &betting->event));
	assert_int_equal(betting_code(betting), WIRE_CODE_OK);
}

static inline void world_wallet(struct cases_world *world)
{
	struct betting *betting = &world->betting;

	world_ok(world, ASK(DEPOSIT(RICH, 5000)));
	world_save(world, R_DEPOSIT);
	world_ok(world, ASK(DEPOSIT(POOR, 400)));
	world_save(world, R_SPENT);
	world_ok(world, ASK(WITHDRAW(POOR, betting_balance(betting, POOR) - 300)));
	world_ok(world, ASK(WITHDRAW(RICH, 2000)));
	world_save(world, R_WITHDRAW);
	assert_int_equal(
	    world_request(world, ASK(WITHDRAW(RICH, WAITING)), COUNTER), WIRE_CODE_PENDING);
	world_save(world, R_WAITING);
	world->waiting = le64_get(fixture_record(&betting->event).object_id);
	assert_int_equal(
	    world_request(world, ASK(WITHDRAW(RICH, WAITING)), COUNTER), WIRE_CODE_PENDING);
	world->approved = le64_get(fixture_record(&betting->event).object_id);
	world_command(world, (struct ledger_command){ .type = EVENT_WITHDRAW_CLOSE,
	                         .object_id = world->approved,
	                         .flags = EVENT_FLAG_PAID });
	world_ok(world, ASK(TRANSFER(RICH, CLAIMER, 700)));
	world_save(world, R_TRANSFER);
	world_ok(world, ASK(BET(ON(M2))));
	world_save(world, R_BET);
	assert_int_equal(
	    world_request(world, ASK(BET(.stake = 0)), COUNTER), WIRE_CODE_AMOUNT_INVALID);
	world_save(world, R_REFUSED);
	world_ok(world, ASK(DEPOSIT(FROZEN, 100)));
	world_save(world, R_FROZEN);
	world_ok(world, ASK(DEPOSIT(CLAIMER, 10)));
	world_save(world, R_REVERSED);
	world_reverse(world, R_REVERSED);
}

static inline void world_make(struct cases_world *world)
{
	struct ledger_config config = fixture_config(256, 0);
	struct ledger_command rules = { .type = EVENT_RULES_SET };

	config.shard_count = 2;
	memset(config.buckets.shard, 0, sizeof(config.buckets.shard));
	config.buckets.shard[ids_bucket_of_key(FAR)] = 1;
	*world = (struct cases_world){ .terminal = COUNTER, .genuine = 1 };
	world->betting =
	    (struct betting){ .ledger = ledger_create(&config), .now_ns = NOW - 2 * HOUR };
	assert_non_null(world->betting.ledger);
	rules.rules = ledger_shard(world->betting.ledger)->rules;
	rules.rules.version = 2;
	rules.rules.withdraw_pending_min = WAITING;
	world_command(world, rules);
	world_accounts(world);
	world_markets(world);
	world_bets(world);
	world->betting.now_ns = NOW - 30 * SECOND;
	world_sprinkles(world);
	world_rounds(world);
	world_wallet(world);
	assert_int_equal(world_request(world, ASK(SHIFT_BEGIN(4, 10000)), OTHER), WIRE_CODE_OK);
	world_freeze(world, FROZEN, EVENT_FLAG_FROZEN);
	world->betting.now_ns = NOW;
	while (ledger_due_ns(world->betting.ledger) <= NOW) {
		int length = ledger_decide_due(world->betting.ledger, NOW, &world->betting.event);

		/* Sprinkle S_ENDED ends; it is to stay to be asked for. */
		if (length > 0 &&
		    le16_get(fixture_record(&world->betting.event).type) == EVENT_OBJECT_RETIRE)
			break;
		if (length > 0)
			betting_apply(&world->betting, length);
	}
}

#endif
