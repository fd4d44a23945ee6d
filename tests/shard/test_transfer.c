/* SPDX-License-Identifier: Apache-2.0 */
/* Money between shards: when the terminal hears of it, refusals of the peer, restarts. */
#include "tests/shard/bed.h"

TEST(a_transfer_to_another_shard_is_answered_when_it_is_closed)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);
	struct wire_request request = bed_transfer(1, here, there, 3000);
	struct wire_reply reply;

	bed_send(bed, 0, request);
	assert_int_equal(bed_money(bed, here), BED_OPENING - 3000);
	/* Nothing of it leaves before it is durable here. */
	bed_settle(bed, 0);
	assert_int_equal(bed_money(bed, there), BED_OPENING);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_RUNNING);
	fake_journal_complete_all(bed->journals[0]);
	bed_settle(bed, 0);
	/* The peer has it, but not durably: no receipt, no answer. */
	assert_int_equal(bed_money(bed, there), BED_OPENING + 3000);
	assert_int_equal(bed->workers[0]->transfers_open, 1);
	assert_int_equal(bed_waiting(bed), 0);
	bed_send(bed, 0, request);
	(void)bed_take_only(bed, 1, WIRE_CODE_IN_PROGRESS);
	fake_journal_complete_all(bed->journals[1]);
	bed_settle(bed, 0);
	assert_int_equal(bed->workers[0]->transfers_open, 0); /* closed, not durably */
	assert_int_equal(bed_waiting(bed), 0);
	bed_settle(bed, 1);
	reply = bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(reply.balance, BED_OPENING - 3000);
	assert_int_equal(reply.shard, 0);
	reply = bed_ask(bed, 0, request);
	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_int_equal(reply.flags, MESSAGE_FLAG_ANSWER_REPLAYED);
	assert_int_equal(bed_money(bed, there), BED_OPENING + 3000);
	bed_close(bed);
}

TEST(the_source_may_be_another_shard_than_home)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);
	struct wire_reply reply = bed_ask(bed, 0, bed_transfer(1, there, here, 500));

	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_int_equal(reply.shard, 1);
	assert_int_equal(bed_money(bed, here), BED_OPENING + 500);
	assert_int_equal(bed_money(bed, there), BED_OPENING - 500);
	assert_int_equal(bed->workers[0]->remote_running, 0);
	bed_close(bed);
}

TEST(what_the_peer_refuses_comes_back)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), nobody = bed_account(bed, 1, 77);
	uint64_t nobody_here = bed_account(bed, 0, 77);
	struct wire_reply reply = bed_ask(bed, 0, bed_transfer(1, here, nobody, 500)), again, same;

	assert_int_equal(reply.code, WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_int_equal(bed_money(bed, here), BED_OPENING);
	again = bed_ask(bed, 0, bed_transfer(1, here, nobody, 500));
	assert_int_equal(again.code, WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_int_equal(bed->workers[0]->transfers_open, 0);
	/* It says what a refusal on one shard says: to whom, and that nothing was paid. */
	same = bed_ask(bed, 0, bed_transfer(2, here, nobody_here, 500));
	assert_int_equal(same.code, WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_true(same.object_id == nobody_here && same.payout == 0);
	assert_true(reply.object_id == nobody && reply.payout == 0);
	assert_true(again.object_id == nobody && again.payout == 0);
	assert_int_equal(same.balance, reply.balance);
	bed_close(bed);
}

/* The account filled up meanwhile: others are not held up, and it gets its money when it has room.
 */
TEST(what_finds_no_room_waits_alone)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), other = bed_account(bed, 0, 1);
	uint64_t there = bed_account(bed, 1, 0), nobody = bed_account(bed, 1, 77);
	struct wire_request withdraw = bed_deposit(4, here, 500);

	bed_send(bed, 0, bed_transfer(1, here, nobody, 500));
	bed_send(bed, 0, bed_deposit(2, here, LIMIT_BALANCE_MAX - BED_OPENING + 500));
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 2, WIRE_CODE_OK);
	assert_int_equal(bed->workers[0]->transfers_open, 1);
	assert_int_equal(bed_ask(bed, 0, bed_transfer(3, other, there, 70)).code, WIRE_CODE_OK);
	withdraw.template_id = WIRE_WITHDRAW;
	assert_int_equal(bed_ask(bed, 0, withdraw).code, WIRE_CODE_OK);
	bed->now_ns += SECOND;
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 1, WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_true(bed_money(bed, here) == LIMIT_BALANCE_MAX);
	assert_int_equal(bed->workers[0]->transfers_open, 0);
	bed_close(bed);
}

TEST(many_at_a_time_find_back_to_their_requests)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);
	uint8_t seen[33] = { 0 };

	for (uint64_t id = 1; id <= 32; id++)
		bed_send(bed, 0,
		    id % 2 != 0 ? bed_transfer(id, here, there, (int64_t)id)
		                : bed_transfer(id, there, here, (int64_t)id));
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 32);
	while (bed_waiting(bed) != 0) {
		struct wire_reply reply = bed_take(bed);

		assert_int_equal(reply.code, WIRE_CODE_OK);
		assert_int_equal(seen[reply.request_id]++, 0);
	}
	assert_int_equal(bed_money(bed, here), BED_OPENING + 16);
	for (uint32_t i = 0; i < 2 * TRANSFERS_OPEN_MAX; i++)
		assert_int_equal(bed->workers[0]->origins[i].transfer_id, 0);
	bed_close(bed);
}

TEST(one_transfer_too_many_is_busy_and_leaves_no_trace)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);
	uint64_t lsn = bed_lsn(bed, 0);

	bed->workers[0]->transfers_open = TRANSFERS_OPEN_MAX;
	assert_int_equal(bed_ask(bed, 0, bed_transfer(1, here, there, 500)).code, WIRE_CODE_BUSY);
	assert_int_equal(bed_lsn(bed, 0), lsn);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_FREE);
	/* On one shard it is no such transfer. */
	assert_int_equal(
	    bed_ask(bed, 0, bed_transfer(1, here, bed_account(bed, 0, 1), 500)).code, WIRE_CODE_OK);
	bed->workers[0]->transfers_open = 0;
	assert_int_equal(bed_ask(bed, 0, bed_transfer(2, here, there, 500)).code, WIRE_CODE_OK);
	bed_close(bed);
}

/* The process ends with the OUT durable and nothing sent: all that is in memory only is gone. */
static void forget(struct bed *bed, uint64_t request_id)
{
	struct worker *worker = bed->workers[0];
	struct terminal_window *window = bed_window(bed, 0);
	struct wire_request request = bed_transfer(request_id, 0, 0, 0);
	struct window_outcome restored = { .request_id = request_id, .code = WIRE_CODE_PENDING };
	const struct window_entry *entry = window_find(window, request_id);

	restored.body_hash[0] = entry->body_hash[0];
	restored.body_hash[1] = entry->body_hash[1];
	restored.template_id = request.template_id;
	window_abandon(window, request_id);
	window_restore(window, &restored);
	worker->pending_head = worker->pending_tail;
	memset(worker->origins, 0, 2 * TRANSFERS_OPEN_MAX * sizeof(*worker->origins));
	worker->transfers_open = 0;
	assert_int_equal(worker_transfers_restore(worker), 0);
}

TEST(after_a_restart_open_transfers_go_on_and_the_window_hears_of_it)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);
	struct wire_request request = bed_transfer(1, here, there, 500);
	struct wire_reply reply;

	bed_send(bed, 0, request);
	fake_journal_complete_all(bed->journals[0]);
	forget(bed, 1);
	assert_int_equal(bed->workers[0]->transfers_open, 1);
	assert_int_equal(worker_transfers_full(bed->workers[0]), 1); /* the old ones first */
	bed_send(bed, 0, request);
	reply = bed_take_only(bed, 1, WIRE_CODE_PENDING);
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 0); /* nobody waits for it */
	assert_int_equal(bed_money(bed, there), BED_OPENING + 500);
	assert_int_equal(bed->workers[0]->transfers_open, 0);
	reply = bed_ask(bed, 0, request);
	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_int_equal(reply.balance, BED_OPENING - 500);
	bed_close(bed);
}

TEST(a_parcel_sent_again_is_taken_once)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);

	bed_send(bed, 0, bed_transfer(1, here, there, 500));
	fake_journal_complete_all(bed->journals[0]);
	bed_turn(bed, 0); /* the parcel is in the ring */
	forget(bed, 1);
	bed_settle(bed, 1);
	assert_int_equal(bed_money(bed, there), BED_OPENING + 500);
	assert_int_equal(bed->workers[0]->transfers_open, 0);
	assert_int_equal(bed_ask(bed, 0, bed_transfer(1, here, there, 500)).code, WIRE_CODE_OK);
	assert_int_equal(bed_ask(bed, 0, bed_transfer(2, here, there, 500)).code, WIRE_CODE_OK);
	assert_int_equal(bed_money(bed, there), BED_OPENING + 1000);
	bed_close(bed);
}

/* The answer is known at once, but a crash of the peer could still lose what it speaks of. */
TEST(a_parcel_taken_before_is_answered_once_that_is_durable)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);
	struct ledger_parcel parcel;

	bed_send(bed, 0, bed_transfer(1, here, there, 500));
	fake_journal_complete_all(bed->journals[0]);
	bed_turn(bed, 0); /* the parcel is in the ring */
	assert_non_null(spsc_ring_peek(bed->workers[1]->rings.parcel_in[0]));
	memcpy(&parcel, spsc_ring_peek(bed->workers[1]->rings.parcel_in[0]), sizeof(parcel));
	for (int times = 0; times < 3; times++) {
		bed_settle(bed, 0);
		assert_int_equal(bed_money(bed, there), BED_OPENING + 500);
		assert_null(spsc_ring_peek(bed->workers[0]->rings.receipt_in[1]));
		assert_int_equal(bed->workers[0]->transfers_open, 1);
		assert_true(spsc_ring_push(bed->workers[0]->rings.parcel_out[1], &parcel));
	}
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(bed->workers[0]->transfers_open, 0);
	assert_int_equal(bed_money(bed, there), BED_OPENING + 500);
	bed_close(bed);
}

/* Of a source restored to an earlier moment: counted, and what comes behind it goes on. */
TEST(a_parcel_under_a_number_used_by_another_transfer_is_dropped)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);
	struct ledger_parcel parcel = { .transfer_id = 1,
		.sequence = 1,
		.to_account = there,
		.amount = 777,
		.currency = 410,
		.source = 0,
		.peer = 1,
		.purpose = TRANSFER_MONEY };

	assert_int_equal(bed_ask(bed, 0, bed_transfer(1, here, there, 500)).code, WIRE_CODE_OK);
	assert_true(spsc_ring_push(bed->workers[0]->rings.parcel_out[1], &parcel));
	assert_int_equal(bed_ask(bed, 0, bed_transfer(2, here, there, 500)).code, WIRE_CODE_OK);
	assert_int_equal(bed_money(bed, there), BED_OPENING + 1000);
	assert_int_equal(stats_get(&bed->workers[1]->stats.parcels_stale), 1);
	bed_close(bed);
}

BED_MAIN()
