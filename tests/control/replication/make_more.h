/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rest of the catalogue for the synthetic shard of make_log.h: withdrawals, transfers, rounds,
 * sprinkles, cash tickets, adjustments, limits, results with their walks. What a judge refuses is
 * an event too.
 */
#ifndef SLUICE_TESTS_CONTROL_REPLICATION_MAKE_MORE_H
#define SLUICE_TESTS_CONTROL_REPLICATION_MAKE_MORE_H

#include <errno.h>

/* A terminal of its own keeps the request ids of the others in order; it is at home on the shard,
 * as the one of a cash ticket is. */
#define MAKER_MORE_TERMINAL 1000u

/* The event's record; its object_id is what the request made. */
static inline struct event_record maker_request(struct maker *maker, struct wire_request *wire)
{
	struct ledger_request request = { .wire = wire,
		.terminal_id = maker_account_next(maker, MAKER_MORE_TERMINAL) };
	struct event_record record;
	struct event_buffer event;
	int length;

	wire->request_id = ++maker->more_request_id;
	length = ledger_decide(maker->ledger, &request, maker->time_ns, &event);
	memcpy(&record, event.bytes, sizeof(record));
	maker_append(maker, &event, length);
	return record;
}

/* A command that may have nothing to do, or be refused. */
static inline void maker_try(struct maker *maker, const struct ledger_command *command)
{
	struct event_buffer event;
	int length = ledger_decide_command(maker->ledger, command, maker->time_ns, &event);

	if (length > 0)
		maker_append(maker, &event, length);
}

static inline void maker_walk(struct maker *maker)
{
	struct ledger_walk walk = { .market_id = MAKER_RESULTS };
	struct event_buffer event;
	int length;

	while (
	    (length = ledger_walk_next(maker->ledger, &walk, 1000, maker->time_ns, &event)) != 0) {
		if (length == -EAGAIN)
			continue;
		maker_append(maker, &event, length);
	}
	maker_append(
	    maker, &event, ledger_decide_walked(maker->ledger, &walk, maker->time_ns, &event));
}

/* Settles the market of results and takes that back: bets are settled, opened, settled again. */
static inline void maker_results(struct maker *maker)
{
	struct ledger_command command = { .type = EVENT_MARKET_RESULT, .market_id = MAKER_RESULTS };
	const struct market_row_state *market = ledger_market(maker->ledger, MAKER_RESULTS);
	struct settlement_outcomes_disk disk;
	struct settlement_outcomes outcomes;

	command.control_sequence = market->version + 1;
	command.result.version = le64_make(market->version + 1);
	if (market->version >= maker->market_version)
		maker->market_version = market->version + 1;
	if (market->state == MARKET_SETTLED) {
		command.result.op = RESULT_ROLLBACK;
		maker_try(maker, &command);
		maker_walk(maker);
		maker->market_version = ledger_market(maker->ledger, MAKER_RESULTS)->version;
		maker_market(maker, MAKER_RESULTS);
		return;
	}
	settlement_1x2((struct settlement_score){ (uint16_t)(maker_random(maker) % 3),
	                   (uint16_t)(maker_random(maker) % 3) },
	    &outcomes);
	settlement_outcomes_write(&outcomes, 3, &disk);
	command.result.op = RESULT_SET;
	command.result.selection_count = 3;
	memcpy(command.result.outcomes, &disk, sizeof(disk));
	maker_try(maker, &command);
	maker_walk(maker);
}

/* A partner for the rounds, and withdrawals from 400 on that wait. */
static inline void maker_provision_more(struct maker *maker)
{
	struct ledger_command command = { .type = EVENT_PARTNER_SET, .object_id = 5 };

	command.partner.version = le64_make(1);
	command.partner.keys_max = le32_make(1000);
	command.partner.currency = le16_make(410);
	maker_command(maker, &command);
	command = (struct ledger_command){ .type = EVENT_RULES_SET };
	command.rules = ledger_shard(maker->ledger)->rules;
	command.rules.version++;
	command.rules.withdraw_pending_min = 400;
	maker_command(maker, &command);
}

static inline void maker_money(struct maker *maker, uint64_t kind, uint64_t account)
{
	uint64_t other = maker->account_ids[maker_random(maker) % maker->options.accounts];
	struct wire_request wire = { .template_id = WIRE_DEPOSIT };
	struct ledger_command command = { .control_sequence = ++maker->round, .currency = 410 };
	struct event_record record;

	switch (kind) {
	case 0:
		wire.template_id = WIRE_WITHDRAW;
		wire.deposit.account_id = account;
		wire.deposit.amount = (int64_t)(300 + maker_random(maker) % 2 * 200);
		wire.deposit.deadline_ns = UINT64_MAX;
		wire.deposit.currency = 410;
		record = maker_request(maker, &wire);
		if (le16_get(record.code) == WIRE_CODE_PENDING)
			maker->withdrawal_id = le64_get(record.object_id);
		return;
	case 1:
		command.type = EVENT_WITHDRAW_CLOSE;
		command.object_id = maker->withdrawal_id;
		command.flags = maker_random(maker) % 2 == 0 ? EVENT_FLAG_PAID : 0;
		maker_try(maker, &command);
		return;
	case 2:
		wire.template_id = WIRE_TRANSFER;
		wire.transfer.from_account = account;
		wire.transfer.to_account = other;
		wire.transfer.amount = 77;
		wire.transfer.deadline_ns = UINT64_MAX;
		wire.transfer.currency = 410;
		(void)maker_request(maker, &wire);
		return;
	default:
		command.type = EVENT_ADJUST;
		command.account_id = account;
		command.amount = kind == 3 ? -900 : 900;
		maker_try(maker, &command);
		return;
	}
}

static inline void maker_games(struct maker *maker, uint64_t kind, uint64_t account)
{
	struct wire_request wire = { .template_id = WIRE_ROUND_DEBIT };
	struct event_record record;

	switch (kind) {
	case 0:
	case 1:
		wire.template_id = kind == 0 ? WIRE_ROUND_DEBIT : WIRE_ROUND_CREDIT;
		wire.round.account_id = account;
		wire.round.amount = 40;
		wire.round.deadline_ns = UINT64_MAX;
		wire.round.round = ++maker->round;
		wire.round.transaction[0] = ++maker->round;
		wire.round.game = 3;
		wire.round.currency = 410;
		wire.round.partner_id = 5;
		(void)maker_request(maker, &wire);
		return;
	case 2:
		wire.template_id = WIRE_SPRINKLE_CREATE;
		wire.sprinkle_create.account_id = account;
		wire.sprinkle_create.amount = 1000;
		wire.sprinkle_create.room = ++maker->room;
		wire.sprinkle_create.deadline_ns = UINT64_MAX;
		wire.sprinkle_create.window_s = 600;
		wire.sprinkle_create.shares = 3;
		wire.sprinkle_create.currency = 410;
		record = maker_request(maker, &wire);
		if (le16_get(record.code) == WIRE_CODE_OK)
			maker->token = le64_get(record.object_id);
		return;
	default:
		wire.template_id = WIRE_CLAIM;
		wire.claim.token = maker->token;
		wire.claim.account_id = account;
		wire.claim.room = maker->room;
		wire.claim.deadline_ns = UINT64_MAX;
		if (maker->token != 0)
			(void)maker_request(maker, &wire);
		return;
	}
}

/* One bet on the market of results, by an account or for cash. */
static inline void maker_bet(struct maker *maker, uint64_t account)
{
	struct wire_request wire = { .template_id = WIRE_PLACE_BET };

	wire.place_bet.account_id = maker_random(maker) % 2 == 0 ? 0 : account;
	wire.place_bet.stake = 1000;
	wire.place_bet.deadline_ns = UINT64_MAX;
	wire.place_bet.currency = 410;
	wire.place_bet.odds_policy = ODDS_SAME_OR_BETTER;
	wire.place_bet.leg_count = 1;
	wire.place_bet.legs[0] = (struct wire_leg){ .market_id = MAKER_RESULTS,
		.odds = 1500,
		.selection = (uint16_t)(maker_random(maker) % 3) };
	(void)maker_request(maker, &wire);
}

/* 1 when it made an event or more. */
static inline int maker_more(struct maker *maker, uint64_t account)
{
	uint64_t kind = maker_random(maker) % 20, lsn = ledger_shard(maker->ledger)->lsn;

	if (kind < 5)
		maker_money(maker, kind, account);
	else if (kind < 9)
		maker_games(maker, kind - 5, account);
	else if (kind < 18)
		maker_bet(maker, account);
	else if (kind == 18 && maker_random(maker) % 16 == 0)
		maker_results(maker);
	return ledger_shard(maker->ledger)->lsn != lsn;
}

#endif
