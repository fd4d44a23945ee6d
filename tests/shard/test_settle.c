/* SPDX-License-Identifier: Apache-2.0 */
/* Settlement in slices beside live traffic, and what is left over at a start. */
#include <errno.h>

#include "dataplane/ledger/settlement.h"
#include "tests/shard/bed.h"

static struct shard_command result_command(uint64_t sequence, enum result_op op)
{
	struct shard_command command = { .kind = SHARD_LEDGER };
	struct ledger_command *ledger = &command.ledger;

	ledger->type = EVENT_MARKET_RESULT;
	ledger->control_sequence = sequence;
	ledger->market_id = BED_MARKET;
	ledger->result.op = (uint8_t)op;
	ledger->result.selection_count = 3;
	ledger->result.version = le64_make(sequence + 100);
	if (op == RESULT_SET) {
		struct settlement_outcomes outcomes = { 0 };
		struct settlement_outcomes_disk disk;

		settlement_1x2((struct settlement_score){ 1, 0 }, &outcomes);
		settlement_outcomes_write(&outcomes, 3, &disk);
		memcpy(ledger->result.outcomes, &disk, sizeof(disk));
	}
	return command;
}

static void push(struct bed *bed, uint64_t ticket, struct shard_command command)
{
	command.ticket = ticket;
	assert_true(spsc_ring_push(bed->workers[0]->rings.command, &command));
}

static int32_t answered(struct bed *bed, uint64_t ticket)
{
	struct shard_result result;

	assert_true(spsc_ring_pop(bed->workers[0]->rings.result, &result));
	assert_int_equal(result.ticket, ticket);
	return result.error;
}

static int silent(struct bed *bed)
{
	return spsc_ring_count(bed->workers[0]->rings.result) == 0;
}

#define BETS (2 * WORKER_WALK_PER_TURN + 7)

static struct bed *bed_with_bets(void)
{
	struct bed *bed = bed_open(1, 0);

	for (uint64_t id = 1; id <= BETS; id++)
		assert_int_equal(
		    bed_ask(bed, 0, bed_bet(id, bed_account(bed, 0, 0), 100)).code, WIRE_CODE_OK);
	return bed;
}

TEST(a_walk_goes_on_in_slices_and_is_done_when_it_is_durable)
{
	struct bed *bed = bed_with_bets();
	uint64_t account = bed_account(bed, 0, 0), lsn = bed_lsn(bed, 0);

	push(bed, 1, result_command(1, RESULT_SET));
	bed_turn(bed, 0);
	assert_int_equal(bed_lsn(bed, 0), lsn + 1 + WORKER_WALK_PER_TURN);
	/* A live request in between, and a number that has to wait. */
	push(bed, 2, result_command(2, RESULT_ROLLBACK));
	bed_send(bed, 0, bed_deposit(BETS + 1, account, 5));
	assert_int_equal(bed_lsn(bed, 0), lsn + 2 + 2 * WORKER_WALK_PER_TURN);
	assert_true(silent(bed));
	bed_turn(bed, 0);
	assert_true(silent(bed)); /* all walked, not durable */
	assert_int_equal(stats_get(&bed->workers[0]->stats.control_sequence), 0);
	bed_settle(bed, 1);
	(void)bed_take_only(bed, BETS + 1, WIRE_CODE_OK);
	assert_int_equal(answered(bed, 1), 0);
	/* Then the rollback had its turn, wholly. */
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 2), 0);
	assert_int_equal(stats_get(&bed->workers[0]->stats.walk_events), 2 * BETS);
	assert_true(bed_money(bed, account) == BED_OPENING - 100 * BETS + 5);
	push(bed, 3, result_command(3, RESULT_SET));
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 3), 0);
	assert_true(bed_money(bed, account) == BED_OPENING + 100 * BETS + 5);
	/* Settled already; that uses up the number. */
	push(bed, 4, result_command(4, RESULT_SET));
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 4), -EALREADY);
	assert_int_equal(stats_get(&bed->workers[0]->stats.control_sequence), 4);
	bed_close(bed);
}

TEST(a_walk_left_over_is_resumed_by_itself)
{
	struct bed *bed = bed_with_bets();
	struct worker *worker = bed->workers[0];

	push(bed, 1, result_command(1, RESULT_SET));
	bed_turn(bed, 0);
	/* The process ends in the middle of it: no command, no walk is known any more. */
	worker->walk = (struct walk_command){ 0 };
	worker->walk_row = 0;
	worker->walks_seen = 0;
	bed_settle(bed, 1);
	assert_true(silent(bed));
	assert_int_equal(ledger_market(worker->ledger, BED_MARKET)->walked, 1);
	assert_true(bed_money(bed, bed_account(bed, 0, 0)) == BED_OPENING + 100 * BETS);
	/* Control sends the command again: nothing is left to do but the number. */
	push(bed, 2, result_command(1, RESULT_SET));
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 2), 0);
	assert_int_equal(stats_get(&worker->stats.walk_events), BETS);
	bed_close(bed);
}

TEST(a_walk_waits_while_the_journal_has_no_room)
{
	struct bed *bed = bed_with_bets();
	uint64_t lsn = bed_lsn(bed, 0);

	push(bed, 1, result_command(1, RESULT_SET));
	bed_turn(bed, 0);
	fake_journal_refuse(bed->journals[0], 100);
	bed_turn(bed, 0);
	assert_int_equal(bed_lsn(bed, 0), lsn + 1 + WORKER_WALK_PER_TURN);
	fake_journal_refuse(bed->journals[0], 0);
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 1), 0);
	bed_close(bed);
}

TEST(a_command_about_a_row_of_another_shard_only_uses_its_number_here)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t there = bed_account(bed, 1, 0);
	struct ledger_command adjust = { .type = EVENT_ADJUST,
		.account_id = there,
		.amount = 40,
		.currency = KRW,
		.control_sequence = 1 };
	struct shard_command command = { .ticket = 1, .kind = SHARD_LEDGER, .ledger = adjust };
	struct shard_result result;

	for (uint32_t i = 0; i < 2; i++)
		assert_true(spsc_ring_push(bed->workers[i]->rings.command, &command));
	bed_settle(bed, 1);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(spsc_ring_pop(bed->workers[i]->rings.result, &result));
		assert_int_equal(result.error, 0);
		assert_int_equal(stats_get(&bed->workers[i]->stats.control_sequence), 1);
	}
	assert_true(bed_money(bed, there) == BED_OPENING + 40);
	bed_close(bed);
}

BED_MAIN()
