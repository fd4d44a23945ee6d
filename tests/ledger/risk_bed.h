/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger whose rules have factors of the states, and a second one that applies every event beside
 * it and must hold the same bytes.
 */
#ifndef SLUICE_TESTS_LEDGER_RISK_BED_H
#define SLUICE_TESTS_LEDGER_RISK_BED_H

#include "lmdb-schema/event_sections.h"
#include "tests/ledger/wallet.h"

#define MARKET_SOON 3 /* begins at SOON */
#define SOON        (NOW + 1000 * SECOND)

struct bed {
	struct wallet wallet;
	struct ledger *follower;
};

static inline void follow(struct bed *bed)
{
	assert_int_equal(
	    ledger_apply(bed->follower, bed->wallet.event.bytes, sizeof(bed->wallet.event.bytes)),
	    0);
	assert_true(ledger_state_hash(bed->follower) == ledger_state_hash(bed->wallet.ledger));
	assert_true(ledger_state_hash(bed->follower) == ledger_state_hash_full(bed->follower));
}

static inline void bed_make(struct bed *bed, uint8_t refuse_score)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };

	wallet_make(&bed->wallet);
	fixture_market(bed->wallet.ledger, MARKET_SOON, 3, 3, MARKET_OPEN, SOON);
	command.rules = ledger_shard(bed->wallet.ledger)->rules;
	command.rules.version++;
	command.rules.refuse_score = refuse_score;
	command.rules.withdraw_pending_min = 0;
	risk_rules_extra_default(&command.extra);
	command.extra.currency_count = 1;
	command.extra.currencies[0] = (struct risk_amounts){ .currency = USD,
		.large_amount = 5000,
		.stake_single_max = 9000,
		.stake_daily_max = 20000,
		.payout_max = 17000,
		.withdraw_pending_min = 700 };
	assert_int_equal(wallet_command(&bed->wallet, &command), 1);
	bed->follower = fixture_create(256, 0);
	assert_int_equal(ledger_copy(bed->follower, bed->wallet.ledger), 0);
}

static inline void bed_free(struct bed *bed)
{
	ledger_free(bed->follower);
	wallet_free(&bed->wallet);
}

static inline uint16_t ask(struct bed *bed, const struct wire_request *wire)
{
	uint16_t code = wallet_ask(&bed->wallet, wire);

	follow(bed);
	return code;
}

static inline int bit(const struct bed *bed, unsigned number)
{
	return (le32_get(bed->wallet.record.factor_bits) >> number & 1) != 0;
}

static inline struct event_risk numbers(const struct bed *bed)
{
	struct event_view view;
	struct event_risk risk;

	assert_int_equal(
	    event_view_read(bed->wallet.event.bytes, sizeof(bed->wallet.event.bytes), &view), 0);
	assert_non_null(view.risk);
	memcpy(&risk, view.risk, sizeof(risk));
	return risk;
}

#endif
