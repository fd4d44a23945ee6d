/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a provider's game rounds in one line each, for the tests of rounds. */
#ifndef SLUICE_TESTS_LEDGER_ROUNDS_H
#define SLUICE_TESTS_LEDGER_ROUNDS_H

#include "tests/ledger/betting.h"

#define PROVIDER 7
#define PLAYER   20
#define GAME     3

static inline struct wire_request round_wire(
    uint16_t template_id, uint64_t transaction, int64_t amount, uint64_t round)
{
	return (struct wire_request){ .template_id = template_id,
		.round = { .account_id = PLAYER,
		    .amount = amount,
		    .deadline_ns = NO_DEADLINE,
		    .round = round,
		    .transaction = { transaction, 0 },
		    .game = GAME,
		    .currency = KRW,
		    .partner_id = PROVIDER } };
}

static inline uint16_t debit(
    struct betting *betting, uint64_t transaction, int64_t amount, uint64_t round)
{
	return betting_request(betting, round_wire(WIRE_ROUND_DEBIT, transaction, amount, round));
}

static inline uint16_t credit(
    struct betting *betting, uint64_t transaction, int64_t amount, uint64_t round)
{
	return betting_request(betting, round_wire(WIRE_ROUND_CREDIT, transaction, amount, round));
}

static inline uint16_t rollback(
    struct betting *betting, uint64_t transaction, uint64_t target, uint64_t round)
{
	struct wire_request wire = round_wire(WIRE_ROUND_ROLLBACK, transaction, 0, round);

	wire.round.target[0] = target;
	return betting_request(betting, wire);
}

static inline uint16_t close_round(struct betting *betting, uint64_t round)
{
	return betting_request(betting, round_wire(WIRE_ROUND_CLOSE, 0, 0, round));
}

/* The player has 10,000 and belongs to the provider. */
static inline void rounds_make(struct betting *betting)
{
	struct ledger_command partner = { .type = EVENT_PARTNER_SET,
		.control_sequence = 1,
		.object_id = PROVIDER,
		.partner = { .version = le64_make(1),
		    .keys_max = le32_make(1000),
		    .currency = le16_make(KRW) } };
	struct wire_request open = { .template_id = WIRE_OPEN_ACCOUNT,
		.open_account = { .account_id = PLAYER,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .partner_id = PROVIDER } };
	struct wire_request deposit = { .template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = PLAYER,
		    .amount = 10000,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };

	betting_make(betting, 256);
	assert_true(betting_command(betting, &partner) > 0);
	assert_int_equal(betting_request(betting, open), WIRE_CODE_OK);
	assert_int_equal(betting_request(betting, deposit), WIRE_CODE_OK);
}

#endif
