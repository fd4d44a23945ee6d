/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of bets, tickets, settlement, time and rounds share: requests and commands in one
 * line each, walks to their end, and the books checked after each step. */
#ifndef SLUICE_TESTS_LEDGER_BETTING_H
#define SLUICE_TESTS_LEDGER_BETTING_H

#include "tests/ledger/fixture.h"

#define COUNTER         9 /* the terminal that does everything unless said otherwise */
#define ALICE           1
#define BOB             2
#define BETTING_MARKETS 12 /* markets 1.., each of its own event, three selections at 2.0 */

struct betting {
	struct ledger *ledger;
	uint64_t request_id, version, control_sequence, now_ns;
	struct event_buffer event; /* the last one */
	int length;
	struct ledger *follower; /* NULL, or one that gets every event too */
};

static inline uint16_t betting_code(const struct betting *betting)
{
	return fixture_code(&betting->event);
}

/* Every book agrees with every other: what holds after any event. */
static inline void betting_check(const struct betting *betting)
{
	const struct ledger *ledger = betting->ledger;
	int64_t stakes = 0, payable = 0, owed = 0, exposure = 0, open = 0;
	uint64_t id = ledger_system_account(SYSTEM_STAKES, KRW, 0);

	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_BET); i++) {
		struct bet_row bet;

		ledger_bet_at(ledger, i, &bet);
		if (bet.id == 0 || ledger_row_retired(ledger, LEDGER_BET, i))
			continue;
		for (unsigned leg = 0; leg < bet.leg_count && bet.state == BET_OPEN; leg++)
			open += bet.legs[leg].market_id == 1;
		if (bet.state == BET_OPEN && bet.currency == ledger_shard(ledger)->rules.currency)
			for (unsigned leg = 0; leg < bet.leg_count; leg++)
				exposure += bet.legs[leg].market_id == 1 ? bet.payout : 0;
		if (bet.currency != KRW)
			continue;
		if (bet.state == BET_OPEN) {
			stakes += bet.stake;
		} else if (bet.account_id == 0 &&
		           (bet.state == BET_SETTLED || bet.state == BET_VOID)) {
			payable += bet.payout;
		}
	}
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_ACCOUNT); i++)
		owed += ledger_account_at(ledger, i)->owed;
	assert_int_equal(ledger_balance_sum(ledger, KRW), 0);
	assert_int_equal(
	    ledger_account(ledger, id) == NULL ? 0 : ledger_account(ledger, id)->balance, stakes);
	id = ledger_system_account(SYSTEM_PAYABLE, KRW, 0);
	assert_int_equal(
	    ledger_account(ledger, id) == NULL ? 0 : ledger_account(ledger, id)->balance, payable);
	id = ledger_system_account(SYSTEM_RECEIVABLE, KRW, 0);
	assert_int_equal(
	    ledger_account(ledger, id) == NULL ? 0 : ledger_account(ledger, id)->balance, -owed);
	assert_int_equal(ledger_market_exposure(ledger, 1, -1), exposure);
	assert_int_equal(ledger_market_open(ledger, 1), open);
	assert_int_equal(
	    ledger_state_hash(betting->ledger), ledger_state_hash_full(betting->ledger));
}

static inline void betting_apply(struct betting *betting, int length)
{
	betting->length = length;
	if (length <= 0)
		return;
	assert_int_equal(event_check(betting->event.bytes, (size_t)length), 0);
	/* As the worker does; a follower takes nothing on trust. */
	assert_int_equal(
	    ledger_apply_own(betting->ledger, betting->event.bytes, (size_t)length), 0);
	if (betting->follower != NULL) {
		assert_int_equal(
		    ledger_apply(betting->follower, betting->event.bytes, (size_t)length), 0);
		assert_int_equal(
		    ledger_state_hash(betting->follower), ledger_state_hash(betting->ledger));
	}
	betting_check(betting);
}

/* Decides and applies a request; its code. */
static inline uint16_t betting_request_at(
    struct betting *betting, struct wire_request wire, uint64_t terminal_id, uint8_t ticket_genuine)
{
	struct ledger_request request = {
		.wire = &wire, .terminal_id = terminal_id, .ticket_genuine = ticket_genuine
	};

	wire.request_id = ++betting->request_id;
	betting_apply(
	    betting, ledger_decide(betting->ledger, &request, betting->now_ns, &betting->event));
	assert_true(betting->length > 0);
	return betting_code(betting);
}

static inline uint16_t betting_request(struct betting *betting, struct wire_request wire)
{
	return betting_request_at(betting, wire, COUNTER, 1);
}

static inline int betting_command(struct betting *betting, const struct ledger_command *command)
{
	betting_apply(betting,
	    ledger_decide_command(betting->ledger, command, betting->now_ns, &betting->event));
	return betting->length;
}

static inline int betting_market(struct betting *betting, uint64_t id, uint8_t state, uint32_t odds)
{
	struct ledger_command command =
	    fixture_market_command(id, 100 + id, ++betting->version, state, betting->now_ns + DAY);

	for (unsigned i = 0; i < 3; i++)
		command.market.odds[i] = le32_make(odds);
	return betting_command(betting, &command);
}

static inline void betting_make(struct betting *betting, uint32_t capacity)
{
	*betting = (struct betting){ .ledger = fixture_create(capacity, 0), .now_ns = NOW };
	assert_true(fixture_account(betting->ledger, ALICE, 10000000, KRW) > 0);
	assert_true(fixture_account(betting->ledger, BOB, 1000, KRW) > 0);
	for (uint64_t id = 1; id <= BETTING_MARKETS; id++)
		assert_true(betting_market(betting, id, MARKET_OPEN, 2000) > 0);
}

/* A bet of `legs` legs on markets first.., all on one selection. Its id; it must be accepted. */
static inline uint64_t betting_bet(struct betting *betting, uint64_t account_id, int64_t stake,
    unsigned legs, uint64_t first_market, uint16_t selection)
{
	struct wire_request wire = { .template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = account_id,
		    .stake = stake,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = (uint8_t)legs } };

	for (unsigned i = 0; i < legs; i++)
		wire.place_bet.legs[i] = (struct wire_leg){
			.market_id = first_market + i,
			.selection = selection,
			.odds = ledger_market(betting->ledger, first_market + i)->odds[selection],
		};
	assert_case_equal(account_id, betting_request(betting, wire), WIRE_CODE_OK);
	return le64_get(fixture_record(&betting->event).object_id);
}

static inline struct bet_row betting_row(const struct betting *betting, uint64_t bet_id)
{
	struct bet_row bet;

	assert_int_equal(ledger_bet(betting->ledger, bet_id, &bet), 0);
	return bet;
}

/* 0 where there is no such account yet. */
static inline int64_t betting_balance(const struct betting *betting, uint64_t account_id)
{
	const struct account_row *account = ledger_account(betting->ledger, account_id);

	return account == NULL ? 0 : account->balance;
}

/* ---- Results ---- */

/* kinds: a settlement_kind for each of the three selections. */
static inline struct ledger_command betting_result_command(
    struct betting *betting, uint64_t market_id, uint8_t op, const uint8_t kinds[3])
{
	struct ledger_command command = { .type = EVENT_MARKET_RESULT, .market_id = market_id };

	command.result.op = op;
	command.result.selection_count = 3;
	if (op == RESULT_SET || op == RESULT_ROLLBACK)
		command.result.version = le64_make(++betting->version);
	for (unsigned i = 0; op == RESULT_SET && i < 3; i++)
		command.result.outcomes[4 * i] = kinds[i];
	return command;
}

/* The walk of a market to its end and its RESULT_WALKED; number of bets that changed. */
static inline unsigned betting_walk(struct betting *betting, uint64_t market_id)
{
	struct ledger_walk walk = { .market_id = market_id };
	unsigned changed = 0;

	for (;;) {
		int length =
		    ledger_walk_next(betting->ledger, &walk, 3, betting->now_ns, &betting->event);

		if (length == -EAGAIN)
			continue;
		if (length == 0)
			break;
		assert_true(length > 0);
		betting_apply(betting, length);
		changed++;
	}
	betting_apply(betting,
	    ledger_decide_walked(betting->ledger, &walk, betting->now_ns, &betting->event));
	assert_int_equal(ledger_market(betting->ledger, market_id)->walked, 1);
	return changed;
}

/* Selection `winner` wins, the others lose; 3: all void. Walked. */
static inline unsigned betting_settle(struct betting *betting, uint64_t market_id, unsigned winner)
{
	uint8_t kinds[3];
	struct ledger_command command;

	for (unsigned i = 0; i < 3; i++)
		kinds[i] = winner == 3   ? SETTLEMENT_VOID
		           : i == winner ? SETTLEMENT_WIN
		                         : SETTLEMENT_LOSE;
	command = betting_result_command(betting, market_id, RESULT_SET, kinds);
	assert_true(betting_command(betting, &command) > 0);
	return betting_walk(betting, market_id);
}

static inline unsigned betting_rollback(struct betting *betting, uint64_t market_id)
{
	struct ledger_command command =
	    betting_result_command(betting, market_id, RESULT_ROLLBACK, NULL);

	assert_true(betting_command(betting, &command) > 0);
	return betting_walk(betting, market_id);
}

/* Control's word that a result is not taken back any more. */
static inline void betting_final(struct betting *betting, uint64_t market_id)
{
	struct ledger_command command =
	    betting_result_command(betting, market_id, RESULT_FINAL, NULL);

	assert_true(betting_command(betting, &command) > 0);
}

/* Everything that is due at now_ns; number of events. */
static inline unsigned betting_due(struct betting *betting)
{
	unsigned events = 0;

	while (ledger_due_ns(betting->ledger) <= betting->now_ns) {
		int length = ledger_decide_due(betting->ledger, betting->now_ns, &betting->event);

		if (length == -EAGAIN)
			continue;
		if (length == 0)
			break;
		assert_true(length > 0);
		betting_apply(betting, length);
		events++;
	}
	return events;
}

static inline uint16_t betting_redeem(
    struct betting *betting, uint64_t bet_id, uint64_t terminal_id, uint8_t genuine)
{
	struct wire_request wire = { .template_id = WIRE_REDEEM,
		.redeem = { .bet_id = bet_id, .deadline_ns = NO_DEADLINE } };

	return betting_request_at(betting, wire, terminal_id, genuine);
}

#endif
