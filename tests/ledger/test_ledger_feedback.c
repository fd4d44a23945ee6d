/* SPDX-License-Identifier: Apache-2.0 */
/* Judged cases of a partner: which one learns, and when they are a factor of its accounts; of a
 * terminal that a shard has not seen. */
#include "dataplane/ledger/ledger_internal.h"
#include "tests/ledger/risk_bed.h"

static struct risk_feedback partner_feedback(const struct ledger *ledger, uint32_t partner_id)
{
	const struct object_row *row = ledger_partner(ledger, partner_id);
	struct object_partner body;
	struct risk_feedback feedback;

	assert_non_null(row);
	memcpy(&body, row->body, sizeof(body));
	risk_feedback_decode(&body.feedback, &feedback);
	return feedback;
}

static int partner_case(
    struct bed *bed, uint32_t partner_id, uint64_t account, uint8_t confirmed, uint8_t withdrawn)
{
	const struct ledger_command command = {
		.type = EVENT_FEEDBACK,
		.control_sequence = ++bed->wallet.sequence,
		.feedback = { .account_id = le64_make(account),
		    .partner_id = le16_make((uint16_t)partner_id),
		    .transaction_ns = le64_make(bed->wallet.now - DAY),
		    .confirmed = confirmed,
		    .withdrawn = withdrawn },
	};
	int done = wallet_command(&bed->wallet, &command);

	if (done == 1)
		follow(bed);
	return done;
}

/* PARTNER_CONFIRMED of a bet on the account. */
static int partner_fires(struct bed *bed, uint64_t account)
{
	const struct wire_request wire = BET(.account_id = account, .stake = 1000);

	assert_int_equal(ask(bed, &wire), WIRE_CODE_OK);
	return bit(bed, RISK_BITS_PARTNER);
}

TEST(judged_cases_of_a_partner_become_a_factor_of_its_accounts)
{
	struct bed bed;
	unsigned without;

	bed_make(&bed, 101);
	assert_false(partner_fires(&bed, PARTNERED)); /* no case ever */
	without = bed.wallet.record.score;
	/* Two cases are enough, one is not. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(partner_case(&bed, PARTNER, PARTNERED, 1, 0), 1);
		assert_int_equal(partner_fires(&bed, PARTNERED), i == 1);
	}
	assert_int_equal(le16_get(numbers(&bed).partner_confirmed_tenths), 20);
	assert_int_equal(le16_get(numbers(&bed).partner_labelled_tenths), 20);
	assert_true(bed.wallet.record.score >= without + 20);
	/* Nobody else's: an account of no partner, and of another one. */
	assert_false(partner_fires(&bed, RICH));
	/* One taken back is one too few. */
	assert_int_equal(partner_case(&bed, PARTNER, 0, 1, 1), 1);
	assert_false(partner_fires(&bed, PARTNERED));
	assert_int_equal(partner_case(&bed, PARTNER, 0, 1, 0), 1);
	assert_true(partner_fires(&bed, PARTNERED));
	/* 2 of 13 are 15 %, 2 of 14 are not. */
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(partner_case(&bed, PARTNER, 0, 0, 0), 1);
		assert_int_equal(partner_fires(&bed, PARTNERED), i < 11);
	}
	bed_free(&bed);
}

TEST(judged_cases_of_a_partner_fade)
{
	const struct wire_request wire = DEPOSIT(.account_id = PARTNERED, .amount = 1000);
	struct bed bed;

	bed_make(&bed, 101);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(partner_case(&bed, PARTNER, 0, 1, 0), 1);
	bed.wallet.now += 2 * DAY; /* 3 e^(-2/7) are 2.25 */
	assert_int_equal(ask(&bed, &wire), WIRE_CODE_OK);
	assert_true(bit(&bed, RISK_BITS_PARTNER));
	bed.wallet.now += DAY; /* 1.95 */
	assert_int_equal(ask(&bed, &wire), WIRE_CODE_OK);
	assert_false(bit(&bed, RISK_BITS_PARTNER));
	bed_free(&bed);
}

/* Only the partner that is named, whether it has accounts here or not, and whoever's account it is:
 * a shard without the account comes to the same. */
TEST(a_case_is_of_the_partner_it_names)
{
	struct bed bed;
	uint64_t lsn;

	bed_make(&bed, 101);
	lsn = ledger_shard(bed.wallet.ledger)->lsn;
	assert_int_equal(partner_case(&bed, LIMIT_PARTNER_ID_MAX, 0, 1, 0), 0); /* unknown */
	assert_int_equal(partner_case(&bed, 0, 0, 1, 0), -EINVAL);
	assert_true(ledger_shard(bed.wallet.ledger)->lsn == lsn);
	assert_int_equal(partner_case(&bed, PARTNER_BARRED, NOBODY, 1, 0), 1);
	assert_int_equal(partner_feedback(bed.follower, PARTNER_BARRED).confirmed, 1);
	assert_int_equal(partner_case(&bed, 0, PARTNERED, 1, 0), 1);
	assert_int_equal(partner_case(&bed, LIMIT_PARTNER_ID_MAX, PARTNERED, 1, 0), 1);
	assert_int_equal(partner_feedback(bed.follower, PARTNER).confirmed, 0);
	assert_int_equal(ledger_account_risk(bed.follower, PARTNERED)->feedback.confirmed, 2);
	bed_free(&bed);
}

TEST(without_its_rules_a_partner_has_no_factor)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };
	struct bed bed;

	bed_make(&bed, 101);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(partner_case(&bed, PARTNER, 0, 1, 0), 1);
	command.rules = ledger_shard(bed.wallet.ledger)->rules;
	command.extra = ledger_shard(bed.wallet.ledger)->extra;
	command.rules.version++;
	command.rules.partner_confirmed_tenths = 0; /* as rules of older logs have it */
	command.extra.points_partner_confirmed = 0;
	assert_int_equal(wallet_command(&bed.wallet, &command), 1);
	follow(&bed);
	assert_false(partner_fires(&bed, PARTNERED));
	assert_int_equal(partner_feedback(bed.follower, PARTNER).confirmed, 9);
	bed_free(&bed);
}

/* ---- Terminals ---- */

#define COUNTER 99 /* no account of the bed was at it */

static int counter_case(struct bed *bed, uint8_t withdrawn)
{
	const struct ledger_command command = {
		.type = EVENT_FEEDBACK,
		.control_sequence = ++bed->wallet.sequence,
		.feedback = { .account_id = le64_make(NOBODY),
		    .terminal_id = le64_make(COUNTER),
		    .transaction_ns = le64_make(bed->wallet.now - DAY),
		    .confirmed = 1,
		    .withdrawn = withdrawn },
	};
	int done = wallet_command(&bed->wallet, &command);

	if (done == 1)
		follow(bed);
	return done;
}

/* Its next customer may be one of here: the case must not be known on other shards alone. */
TEST(a_shard_learns_of_a_terminal_that_it_has_not_seen)
{
	const struct wire_request wire = BET(.account_id = RICH, .stake = 1000);
	struct bed bed;

	bed_make(&bed, 101);
	assert_null(ledger_terminal(bed.wallet.ledger, COUNTER));
	/* What is taken back was learned, or there is nothing to take. */
	assert_int_equal(counter_case(&bed, 1), 0);
	assert_null(ledger_terminal(bed.wallet.ledger, COUNTER));
	assert_int_equal(counter_case(&bed, 0), 1);
	assert_int_equal(counter_case(&bed, 0), 1);
	assert_int_equal(ledger_terminal_risk(bed.follower, COUNTER)->feedback.confirmed, 2);
	bed.wallet.terminal = COUNTER;
	assert_int_equal(ask(&bed, &wire), WIRE_CODE_OK);
	assert_true(bit(&bed, RISK_STATE_SHIFT + RISK_STATE_TERMINAL_CONFIRMED));
	assert_int_equal(le16_get(numbers(&bed).terminal_confirmed_tenths), 20);
	assert_int_equal(counter_case(&bed, 1), 1);
	assert_int_equal(ledger_terminal_risk(bed.follower, COUNTER)->feedback.confirmed, 1);
	bed_free(&bed);
}

/* A command must not wait for room: without it the case is of the other shards. */
TEST(a_shard_without_room_for_a_terminal_passes_its_case_over)
{
	/* Refused, as each one that is carried out would take up other rows, too. */
	const struct wire_request wire = WITHDRAW(.account_id = POOR, .amount = 501);
	const struct ledger_config config = fixture_config(256, 0); /* as wallet_make has it */
	struct ledger_totals totals;
	struct bed bed;
	uint64_t lsn;

	bed_make(&bed, 101);
	for (bed.wallet.terminal = 1000;; bed.wallet.terminal++) {
		ledger_totals(bed.wallet.ledger, &totals);
		if (totals.terminals == config.terminals_max)
			break;
		assert_int_equal(ask(&bed, &wire), WIRE_CODE_FUNDS_INSUFFICIENT);
	}
	lsn = ledger_shard(bed.wallet.ledger)->lsn;
	assert_int_equal(counter_case(&bed, 0), 0);
	assert_true(ledger_shard(bed.wallet.ledger)->lsn == lsn);
	bed_free(&bed);
}

TEST_MAIN()
