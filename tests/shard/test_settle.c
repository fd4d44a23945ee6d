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

		/* Even numbers: the other side has won. */
		settlement_1x2(
		    (struct settlement_score){ sequence % 2, 1 - sequence % 2 }, &outcomes);
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
	/* Settled otherwise already; that uses up the number. */
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

TEST(a_walk_comes_to_its_end_under_any_load)
{
	struct bed *bed = bed_with_bets();
	uint64_t account = bed_account(bed, 0, 0), lsn = bed_lsn(bed, 0);
	struct wire_reply reply;

	fake_journal_crowd(bed->journals[0], 1);
	push(bed, 1, result_command(1, RESULT_SET));
	push(bed, 2, result_command(2, RESULT_ROLLBACK));
	bed_turn(bed, 0);
	assert_int_equal(bed_lsn(bed, 0), lsn + 1 + WORKER_SLOW_SHARE);
	bed_turn(bed, 0);
	assert_int_equal(bed_lsn(bed, 0), lsn + 1 + WORKER_SLOW_SHARE);
	/* A ms later it goes before the requests, which could take all there is. */
	bed->now_ns += WORKER_SLOW_SHARE_NS;
	bed_send(bed, 0, bed_deposit(BETS + 1, account, 5));
	bed_settle(bed, 1);
	reply = bed_take_only(bed, BETS + 1, WIRE_CODE_OK);
	assert_true(reply.lsn == lsn + 2 + 2 * WORKER_SLOW_SHARE);
	/* No room at all: the share is kept for the turn that has some. */
	fake_journal_refuse(bed->journals[0], 1000);
	bed->now_ns += WORKER_SLOW_SHARE_NS;
	bed_turn(bed, 0);
	fake_journal_refuse(bed->journals[0], 0);
	bed_turn(bed, 0);
	assert_int_equal(bed_lsn(bed, 0), lsn + 2 + 3 * WORKER_SLOW_SHARE);
	for (unsigned ms = 0; ms < BETS; ms++) {
		bed->now_ns += WORKER_SLOW_SHARE_NS;
		bed_settle(bed, 1);
	}
	/* And so did the number behind it. */
	assert_int_equal(answered(bed, 1), 0);
	assert_int_equal(answered(bed, 2), 0);
	bed_close(bed);
}

static struct wire_request sprinkle(struct bed *bed, uint64_t id)
{
	struct wire_request request = bed_request(WIRE_SPRINKLE_CREATE, id);

	request.sprinkle_create.account_id = bed_account(bed, 0, 0);
	request.sprinkle_create.amount = 1000;
	request.sprinkle_create.room = 5;
	request.sprinkle_create.deadline_ns = NO_DEADLINE;
	request.sprinkle_create.window_s = 60;
	request.sprinkle_create.shares = 10;
	request.sprinkle_create.currency = KRW;
	return request;
}

TEST(timers_act_under_any_load_and_objects_that_retire_are_no_bets)
{
	struct bed *bed = bed_open(1, 0);
	struct worker *worker = bed->workers[0];
	uint64_t bets = worker->bets_retired_lsn, lsn;

	for (uint64_t id = 1; id <= WORKER_SLOW_SHARE + 2; id++)
		assert_int_equal(bed_ask(bed, 0, sprinkle(bed, id)).code, WIRE_CODE_OK);
	fake_journal_crowd(bed->journals[0], 1);
	lsn = bed_lsn(bed, 0);
	bed->now_ns += 60 * SECOND;
	bed_turn(bed, 0);
	assert_int_equal(stats_get(&worker->stats.due_events), WORKER_SLOW_SHARE);
	bed->now_ns += WORKER_SLOW_SHARE_NS;
	bed_settle(bed, 1);
	assert_int_equal(stats_get(&worker->stats.due_events), WORKER_SLOW_SHARE + 2);
	assert_true(worker->objects_retired_lsn < lsn);
	for (unsigned hours = 0; hours < 3; hours++) {
		bed->now_ns += 3600 * SECOND;
		bed_settle(bed, 1);
	}
	assert_true(worker->objects_retired_lsn > lsn);
	assert_int_equal(worker->bets_retired_lsn, bets);
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
