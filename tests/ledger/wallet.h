/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for the tests of wallet, partners, responsible play, reversals and shifts: accounts
 * in every condition, two partners, one market. What must hold after any event is checked in
 * wallet_ask.
 */
#ifndef SLUICE_TESTS_LEDGER_WALLET_H
#define SLUICE_TESTS_LEDGER_WALLET_H

#include <errno.h>

#include "tests/ledger/fixture.h"

#pragma GCC diagnostic ignored "-Woverride-init" /* cases override the defaults of DEPOSIT() */

#define USD      840
#define TERMINAL 9

enum {
	RICH = 1,      /* 10,000,000 won */
	POOR = 2,      /* 500 won */
	FROZEN = 3,    /* 1,000,000 won */
	DOLLARS = 4,   /* 10,000,000 cents */
	FULL = 5,      /* the maximum balance */
	OWING = 6,     /* nothing, and owes 300 won */
	PARTNERED = 7, /* partner 1, 1,000,000 won */
	BARRED = 8,    /* partner 2, which is blocked; 1,000 won */
	NOBODY = 77,
};
enum {
	PARTNER = 1,
	PARTNER_BARRED = 2,
	PARTNER_NONE = 3,
};
#define KEYS_MAX    3
#define WAITS_FROM  100000 /* rules.withdraw_pending_min, in won */
#define TIMEOUT_S   3600
#define MARKET      1
#define MARKET_LATE 2 /* begins one second after NOW */

struct wallet {
	struct ledger *ledger;
	uint64_t now, terminal, request_id, sequence;
	int64_t cash_total;
	const struct event_record *reverse_target;
	struct event_buffer event; /* the last one */
	struct event_record record;
};

static inline void wallet_check(struct wallet *wallet)
{
	assert_int_equal(ledger_balance_sum(wallet->ledger, KRW), 0);
	assert_int_equal(ledger_balance_sum(wallet->ledger, USD), 0);
	assert_true(ledger_state_hash(wallet->ledger) == ledger_state_hash_full(wallet->ledger));
}

static inline void wallet_apply(struct wallet *wallet, int length)
{
	assert_true(length > 0);
	wallet->record = fixture_record(&wallet->event);
	if (event_check(wallet->event.bytes, (size_t)length) != 0)
		fail_msg("event of type %d with code %s is not valid",
		    (int)le16_get(wallet->record.type),
		    wire_code_name(le16_get(wallet->record.code)));
	assert_int_equal(ledger_apply(wallet->ledger, wallet->event.bytes, (size_t)length), 0);
	wallet_check(wallet);
}

/* Decides and applies as the next request; its code. */
static inline uint16_t wallet_ask(struct wallet *wallet, const struct wire_request *wire)
{
	struct wire_request request = *wire;
	struct ledger_request asked = { .wire = &request,
		.terminal_id = wallet->terminal,
		.terminal_cash_total = wallet->cash_total,
		.reverse_target = wallet->reverse_target };
	int length;

	request.request_id = ++wallet->request_id;
	request.body_hash[0] = request.body_hash[1] = request.request_id;
	length = ledger_decide(wallet->ledger, &asked, wallet->now, &wallet->event);
	wallet_apply(wallet, length);
	assert_true(le64_get(wallet->record.request_id) == wallet->request_id);
	return le16_get(wallet->record.code);
}

/* REVERSE; `target` is what history says of it. */
static inline uint16_t wallet_reverse(
    struct wallet *wallet, uint64_t request_id, const struct event_record *target)
{
	const struct wire_request wire = { .template_id = WIRE_REVERSE,
		.reverse = {
		    .target_request_id = request_id, .deadline_ns = NO_DEADLINE, .reason = 7 } };
	uint16_t code;

	wallet->reverse_target = target;
	code = wallet_ask(wallet, &wire);
	wallet->reverse_target = NULL;
	return code;
}

/* 1 done, 0 nothing to do, -errno. */
static inline int wallet_command(struct wallet *wallet, const struct ledger_command *command)
{
	int length = ledger_decide_command(wallet->ledger, command, wallet->now, &wallet->event);

	if (length <= 0)
		return length;
	wallet_apply(wallet, length);
	return 1;
}

/* All that is due by now; the number of events. */
static inline unsigned wallet_due(struct wallet *wallet)
{
	unsigned count = 0;
	int length;

	while ((length = ledger_decide_due(wallet->ledger, wallet->now, &wallet->event)) != 0) {
		if (length == -EAGAIN)
			continue;
		wallet_apply(wallet, length);
		count++;
	}
	return count;
}

static inline int64_t wallet_balance(const struct wallet *wallet, uint64_t account)
{
	const struct account_row *row = ledger_account(wallet->ledger, account);

	return row == NULL ? -1 : row->balance;
}

static inline int64_t wallet_system(
    const struct wallet *wallet, enum system_account kind, uint16_t currency, uint64_t low)
{
	const struct account_row *row =
	    ledger_account(wallet->ledger, ledger_system_account(kind, currency, low));

	return row == NULL ? 0 : row->balance;
}

static inline void wallet_rules(struct wallet *wallet, void (*change)(struct risk_rules *rules))
{
	struct ledger_command command = { .type = EVENT_RULES_SET };

	command.rules = ledger_shard(wallet->ledger)->rules;
	command.rules.version++;
	change(&command.rules);
	assert_int_equal(wallet_command(wallet, &command), 1);
}

static inline void wallet_rules_usual(struct risk_rules *rules)
{
	rules->withdraw_pending_min = WAITS_FROM;
	rules->withdraw_timeout_s = TIMEOUT_S;
	rules->partner_key_hold_s = 86400;
	rules->limit_raise_delay_s = 86400;
}

static inline void wallet_freeze(struct wallet *wallet, uint64_t account, int frozen)
{
	struct ledger_command command = { .type = EVENT_ACCOUNT_FREEZE,
		.account_id = account,
		.flags = frozen ? EVENT_FLAG_FROZEN : 0 };

	assert_int_equal(wallet_command(wallet, &command), 1);
}

static inline struct ledger_command wallet_partner(
    uint64_t partner, uint64_t version, uint32_t keys_max, uint8_t blocked)
{
	struct ledger_command command = { .type = EVENT_PARTNER_SET, .object_id = partner };

	command.partner.version = le64_make(version);
	command.partner.keys_max = le32_make(keys_max);
	command.partner.currency = le16_make(KRW);
	command.partner.blocked = blocked;
	return command;
}

/* An account that owes, as a store would hold it. */
static inline void wallet_load_owing(struct wallet *wallet)
{
	const struct account_row rows[] = {
		{ .id = OWING, .currency = KRW, .owed = 300 },
		{ .id = ledger_system_account(SYSTEM_RECEIVABLE, KRW, 0),
		    .balance = -300,
		    .currency = KRW,
		    .flags = ACCOUNT_SYSTEM },
		{ .id = ledger_system_account(SYSTEM_HOUSE, KRW, 0),
		    .balance = 300,
		    .currency = KRW,
		    .flags = ACCOUNT_SYSTEM },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ledger_load_account(wallet->ledger, &rows[i]), 0);
}

/* ---- Requests with what is usual filled in ---- */

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
#define WITHDRAW(...)                                                                              \
	{                                                                                          \
		.template_id = WIRE_WITHDRAW, .deposit = {                                         \
			.account_id = RICH,                                                        \
			.amount = 1000,                                                            \
			.currency = KRW,                                                           \
			.deadline_ns = NO_DEADLINE,                                                \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define OPEN_ACCOUNT(...)                                                                          \
	{                                                                                          \
		.template_id = WIRE_OPEN_ACCOUNT, .open_account = {                                \
			.account_id = 100,                                                         \
			.currency = KRW,                                                           \
			.deadline_ns = NO_DEADLINE,                                                \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define TRANSFER(...)                                                                              \
	{                                                                                          \
		.template_id = WIRE_TRANSFER, .transfer = {                                        \
			.from_account = RICH,                                                      \
			.to_account = POOR,                                                        \
			.amount = 1000,                                                            \
			.currency = KRW,                                                           \
			.deadline_ns = NO_DEADLINE,                                                \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define BET(...)                                                                                   \
	{                                                                                          \
		.template_id = WIRE_PLACE_BET, .place_bet = {                                      \
			.account_id = RICH,                                                        \
			.stake = 1000,                                                             \
			.currency = KRW,                                                           \
			.deadline_ns = NO_DEADLINE,                                                \
			.leg_count = 1,                                                            \
			.legs = { { .market_id = MARKET, .odds = 2000 } },                         \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static inline void wallet_open_partnered(struct wallet *wallet, uint64_t account, uint16_t partner)
{
	const struct wire_request wire = OPEN_ACCOUNT(.account_id = account, .partner_id = partner);

	assert_int_equal(wallet_ask(wallet, &wire), WIRE_CODE_OK);
}

static inline void wallet_make(struct wallet *wallet)
{
	const struct wire_request million = DEPOSIT(.account_id = PARTNERED, .amount = 1000000);
	const struct wire_request some = DEPOSIT(.account_id = BARRED);
	struct ledger_command command;

	*wallet = (struct wallet){
		.ledger = fixture_create(256, 0), .now = OPENED, .terminal = TERMINAL
	};
	wallet_load_owing(wallet);
	wallet_rules(wallet, wallet_rules_usual);
	fixture_account(wallet->ledger, RICH, 10000000, KRW);
	fixture_account(wallet->ledger, POOR, 500, KRW);
	fixture_account(wallet->ledger, FROZEN, 1000000, KRW);
	fixture_account(wallet->ledger, DOLLARS, 10000000, USD);
	fixture_account(wallet->ledger, FULL, LIMIT_BALANCE_MAX, KRW);
	fixture_market(wallet->ledger, MARKET, 1, 1, MARKET_OPEN, NOW + DAY);
	fixture_market(wallet->ledger, MARKET_LATE, 2, 2, MARKET_OPEN, NOW + SECOND);
	command = wallet_partner(PARTNER, 1, KEYS_MAX, 0);
	assert_int_equal(wallet_command(wallet, &command), 1);
	command = wallet_partner(PARTNER_BARRED, 1, KEYS_MAX, 0);
	assert_int_equal(wallet_command(wallet, &command), 1);
	wallet_open_partnered(wallet, PARTNERED, PARTNER);
	wallet_open_partnered(wallet, BARRED, PARTNER_BARRED);
	assert_int_equal(wallet_ask(wallet, &million), WIRE_CODE_OK);
	assert_int_equal(wallet_ask(wallet, &some), WIRE_CODE_OK);
	command = wallet_partner(PARTNER_BARRED, 2, KEYS_MAX, 1);
	assert_int_equal(wallet_command(wallet, &command), 1);
	wallet_freeze(wallet, FROZEN, 1);
	wallet->now = NOW;
}

static inline void wallet_free(struct wallet *wallet)
{
	ledger_free(wallet->ledger);
}

#endif
