/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing that is not durable is told; every request has one outcome. */
#include <errno.h>

#include "tests/shard/bed.h"

/* The id of the newest bet of a shard. */
static uint64_t newest_bet(const struct bed *bed, uint32_t shard)
{
	const struct ledger *ledger = bed->workers[shard]->ledger;
	struct bet_row bet;

	ledger_bet_at(ledger, ledger_row_count(ledger, LEDGER_BET) - 1, &bet);
	return bet.id;
}

static void assert_same_outcome(const struct wire_reply *again, const struct wire_reply *first)
{
	assert_int_equal(again->request_id, first->request_id);
	assert_int_equal(again->template_id, first->template_id);
	assert_int_equal(again->code, first->code);
	assert_int_equal(again->lsn, first->lsn);
	assert_int_equal(again->object_id, first->object_id);
	assert_int_equal(again->balance, first->balance);
	assert_int_equal(again->payout, first->payout);
	assert_int_equal(again->score, first->score);
	assert_int_equal(again->shard, first->shard);
	assert_int_equal(again->flags, MESSAGE_FLAG_ANSWER_REPLAYED);
	assert_int_equal(first->flags, 0);
}

TEST(no_answer_leaves_before_its_rows_are_durable)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), start = bed_lsn(bed, 0), bet_id;
	struct wire_reply reply;

	bed_send(bed, 0, bed_bet(1, account, 5000));
	bet_id = newest_bet(bed, 0);
	bed_send(bed, 0, bed_bet(2, account, 5000 + BED_OPENING)); /* refused */
	bed_send(bed, 0, bed_balance(3, account));
	bed_send(bed, 0, bed_bet_status(4, bet_id));
	bed_send(bed, 1, bed_cancel(1, bet_id)); /* of another terminal: refused */
	for (int i = 0; i < 3; i++)
		bed_turn(bed, 0);
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_RUNNING);
	assert_int_equal(bed_state(bed, 0, 2), WINDOW_RUNNING);
	assert_int_equal(bed_state(bed, 1, 1), WINDOW_RUNNING);
	assert_int_equal(bed_lsn(bed, 0), start + 3);
	assert_int_equal(fake_journal_closed(bed->journals[0]), start + 3);

	fake_journal_complete(bed->journals[0], start + 1);
	bed_turn(bed, 0);
	reply = bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(reply.lsn, start + 1);
	assert_int_equal(reply.object_id, bet_id);
	assert_int_equal(reply.balance, BED_OPENING - 5000);
	assert_int_equal(reply.payout, 10000);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_DONE);
	assert_int_equal(bed_state(bed, 0, 2), WINDOW_RUNNING);

	fake_journal_complete(bed->journals[0], start + 2);
	bed_turn(bed, 0);
	assert_int_equal(bed_waiting(bed), 3);
	reply = bed_take(bed);
	assert_int_equal(reply.request_id, 2);
	assert_int_equal(reply.lsn, start + 2);
	assert_int_equal(wire_code_class(reply.code) == WIRE_CLASS_DONE, 0);
	reply = bed_take(bed);
	assert_int_equal(reply.request_id, 3);
	assert_int_equal(reply.balance, BED_OPENING - 5000);
	reply = bed_take(bed);
	assert_int_equal(reply.request_id, 4);
	assert_int_equal(reply.bet_status.stake, 5000);

	fake_journal_complete(bed->journals[0], start + 3);
	bed_turn(bed, 0);
	reply = bed_take_only(bed, 1, WIRE_CODE_NOT_YOUR_BET);
	assert_int_equal(reply.lsn, start + 3);
	bed_settle(bed, 1);
	bed_close(bed);
}

/* An order of completions in steps of random size; the bed checks every answer as it leaves. */
TEST(answers_leave_once_each_in_order_whatever_completes_when)
{
	uint64_t random = test_seed();

	for (int round = 0; round < 8; round++) {
		struct bed *bed = bed_open(1, 0);
		uint64_t account = bed_account(bed, 0, 0), last = 0, next = 1;

		while (next <= 40 || last < 40) {
			uint64_t durable = fake_journal_durable(bed->journals[0]);
			uint64_t open = fake_journal_closed(bed->journals[0]) - durable;

			if (next <= 40 && test_random(&random) % 2 == 0)
				bed_send(bed, 0, bed_bet(next++, account, 100));
			else if (open != 0)
				fake_journal_complete(
				    bed->journals[0], durable + 1 + test_random(&random) % open);
			bed_turn(bed, 0);
			while (bed_waiting(bed) != 0) {
				struct wire_reply reply = bed_take(bed);

				assert_int_equal(reply.request_id, last + 1);
				assert_int_equal(reply.lsn, bed->start_lsn[0] + last + 1);
				last++;
			}
			assert_int_equal(
			    last, fake_journal_durable(bed->journals[0]) - bed->start_lsn[0]);
		}
		bed_close(bed);
	}
}

TEST(a_retransmission_is_in_progress_then_gives_the_stored_answer)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), start = bed_lsn(bed, 0);
	struct wire_request bet = bed_bet(1, account, 5000);
	struct wire_request refused = bed_bet(2, account + 1000000, 5000);
	struct wire_reply first, second, again;

	bed_send(bed, 0, bet);
	bed_send(bed, 0, refused);
	bed_send(bed, 0, bet);
	(void)bed_take_only(bed, 1, WIRE_CODE_IN_PROGRESS);
	bed_send(bed, 0, bed_bet(1, account, 5001));
	(void)bed_take_only(bed, 1, WIRE_CODE_MISMATCH);
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 2);
	first = bed_take(bed);
	second = bed_take(bed);
	assert_int_equal(first.code, WIRE_CODE_OK);
	assert_int_equal(second.code, WIRE_CODE_ACCOUNT_UNKNOWN);

	/* Other bets move the balance; the stored answer stays as it was. */
	bed_send(bed, 0, bed_bet(3, account, 7000));
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 3, WIRE_CODE_OK);
	for (int i = 0; i < 3; i++) {
		bed->now_ns += SECOND;
		bed_send(bed, 0, bet);
		again = bed_take_only(bed, 1, WIRE_CODE_OK);
		assert_same_outcome(&again, &first);
		bed_send(bed, 0, refused);
		again = bed_take_only(bed, 2, WIRE_CODE_ACCOUNT_UNKNOWN);
		assert_same_outcome(&again, &second);
	}
	bed_send(bed, 0, bed_bet(1, account, 5001));
	(void)bed_take_only(bed, 1, WIRE_CODE_MISMATCH);
	assert_int_equal(bed_lsn(bed, 0), start + 3);
	bed_close(bed);
}

TEST(after_a_write_error_nothing_beyond_the_durable_lsn_leaves)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), other = bed_account(bed, 0, 1);
	uint64_t start = bed_lsn(bed, 0);
	struct wire_reply reply;

	bed_send(bed, 0, bed_bet(1, account, 5000));
	bed_send(bed, 0, bed_bet(2, account, 6000));
	fake_journal_complete(bed->journals[0], start + 1);
	fake_journal_fail(bed->journals[0], EIO);
	bed_settle(bed, 0);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);

	bed_send(bed, 0, bed_bet(3, account, 7000));
	reply = bed_take_only(bed, 3, WIRE_CODE_STORAGE_UNAVAILABLE);
	assert_int_equal(reply.lsn, 0);
	assert_int_equal(bed_state(bed, 0, 3), WINDOW_FREE);
	assert_int_equal(bed_window(bed, 0)->staked_today, 11000);
	bed_send(bed, 0, bed_bet(3, other, 1)); /* no trace: the id takes another body */
	(void)bed_take_only(bed, 3, WIRE_CODE_STORAGE_UNAVAILABLE);

	/* What is durable can still be read and repeated; what is not stays unknown. */
	bed_send(bed, 0, bed_bet(1, account, 5000));
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	bed_send(bed, 0, bed_bet(2, account, 6000));
	(void)bed_take_only(bed, 2, WIRE_CODE_IN_PROGRESS);
	bed_send(bed, 0, bed_balance(4, other));
	(void)bed_take_only(bed, 4, WIRE_CODE_OK);
	bed_send(bed, 0, bed_balance(5, account));
	reply = bed_take_only(bed, 5, WIRE_CODE_STORAGE_UNAVAILABLE);
	assert_int_equal(reply.balance, 0);
	for (int i = 0; i < 100; i++) {
		bed->now_ns += SECOND / 10;
		bed_turn(bed, 0);
	}
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(bed_state(bed, 0, 2), WINDOW_RUNNING);
	assert_int_equal(bed_lsn(bed, 0), start + 2);
	bed_close(bed);
}

/* A failed write once held the end of the process up for 5 s, for answers that could never come. */
TEST(a_stop_after_a_write_error_does_not_wait_for_what_cannot_come)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);

	bed_send(bed, 0, bed_bet(1, here, 5000));
	bed_send(bed, 0, bed_transfer(2, there, here, 100));
	assert_false(worker_owes_nothing(bed->workers[0]));
	fake_journal_fail(bed->journals[0], EIO);
	bed_settle(bed, 0);
	assert_true(worker_owes_nothing(bed->workers[0]));
	/* The other one waits for the money that was on its way here, unless it hears of it. */
	fake_journal_complete_all(bed->journals[1]);
	bed_settle(bed, 0);
	assert_false(worker_owes_nothing(bed->workers[1]));
	atomic_store_explicit(&bed->workers[1]->shared->failed, 1, memory_order_relaxed);
	assert_true(worker_owes_nothing(bed->workers[1]));
	bed_close(bed);
}

TEST(no_room_in_the_journal_is_busy_and_leaves_no_trace)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), start = bed_lsn(bed, 0);
	struct wire_reply reply;

	fake_journal_refuse(bed->journals[0], 2); /* the second try, too */
	bed_send(bed, 0, bed_bet(1, account, 5000));
	reply = bed_take_only(bed, 1, WIRE_CODE_BUSY);
	assert_true(reply.detail != 0);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_FREE);
	assert_int_equal(bed_window(bed, 0)->staked_today, 0);
	assert_int_equal(bed_lsn(bed, 0), start);

	bed_send(bed, 0, bed_bet(1, account, 5000));
	bed_settle(bed, 1);
	reply = bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(reply.lsn, start + 1);
	assert_int_equal(reply.flags, 0);

	fake_journal_refuse(bed->journals[0], 1); /* the second try has room */
	bed_send(bed, 0, bed_bet(2, account, 5000));
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 2, WIRE_CODE_OK);
	bed_close(bed);
}

BED_MAIN()
