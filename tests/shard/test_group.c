/* SPDX-License-Identifier: Apache-2.0 */
/* Linked groups: all or none, on whatever shard. */
#include "tests/shard/bed.h"

/* Sends the requests linked, in one datagram; everything becomes durable. */
static void send_linked(struct bed *bed, struct wire_request *requests, int count)
{
	for (int i = 0; i + 1 < count; i++)
		requests[i].flags |= MESSAGE_FLAG_LINKED;
	bed_send_all(bed, 0, requests, count);
	bed_turn(bed, 0);
	bed_settle(bed, 1);
}

static void expect(struct bed *bed, const uint16_t *codes, unsigned count)
{
	assert_int_equal(bed_waiting(bed), count);
	for (unsigned i = 0; i < count; i++) {
		struct wire_reply reply = bed_take(bed);

		assert_true(reply.request_id >= 1 && reply.request_id <= count);
		assert_case_equal(reply.request_id, reply.code, codes[reply.request_id - 1]);
	}
}

TEST(a_group_is_carried_out_whole_here_and_on_another_shard)
{
	static const uint16_t done[] = { WIRE_CODE_OK, WIRE_CODE_OK, WIRE_CODE_OK };

	for (uint32_t shard = 0; shard < 2; shard++) {
		struct bed *bed = bed_open(2, 0);
		uint64_t account = bed_account(bed, shard, 0), lsn = bed_lsn(bed, shard);
		struct wire_request requests[] = { bed_deposit(1, account, 500),
			bed_bet(2, account, 200),
			bed_transfer(3, account, bed_account(bed, shard, 1), 100) };
		struct event_record record;

		send_linked(bed, requests, 3);
		expect(bed, done, 3);
		assert_int_equal(bed_money(bed, account), BED_OPENING + 200);
		assert_int_equal(bed_lsn(bed, shard), lsn + 3);
		for (uint64_t i = 1; i <= 3; i++) {
			memcpy(&record, fake_journal_event(bed->journals[shard], lsn + i),
			    sizeof(record));
			assert_int_equal(
			    record.flags & EVENT_FLAG_LINKED, i < 3 ? EVENT_FLAG_LINKED : 0);
		}
		assert_int_equal(worker_cash(bed->workers[0],
		                     worker_window(bed->workers[0], bed->terminals[0].id), KRW),
		    500);
		/* Sent again, each answer comes from the window. */
		send_linked(bed, requests, 3);
		expect(bed, done, 3);
		assert_int_equal(bed_lsn(bed, shard), lsn + 3);
		bed_close(bed);
	}
}

TEST(one_refusal_undoes_all_and_names_itself)
{
	static const uint16_t codes[] = { WIRE_CODE_LINKED_NOT_DONE, WIRE_CODE_FUNDS_INSUFFICIENT,
		WIRE_CODE_LINKED_NOT_DONE };

	for (uint32_t shard = 0; shard < 2; shard++) {
		struct bed *bed = bed_open(2, 0);
		uint64_t account = bed_account(bed, shard, 0), lsn = bed_lsn(bed, shard);
		struct wire_request requests[] = { bed_deposit(1, account, 500),
			bed_transfer(2, account, bed_account(bed, shard, 1), BED_OPENING + 600),
			bed_bet(3, account, 100) };

		send_linked(bed, requests, 3);
		expect(bed, codes, 3);
		assert_int_equal(bed_money(bed, account), BED_OPENING);
		assert_int_equal(bed_lsn(bed, shard), lsn + 3); /* refusals are journalled, too */
		assert_int_equal(bed_window(bed, 0)->staked_today, 0);
		assert_true(ledger_state_hash(bed->workers[shard]->ledger) ==
		            ledger_state_hash_full(bed->workers[shard]->ledger));
		bed_close(bed);
	}
}

TEST(what_cannot_be_a_group_is_told_so_and_none_is_admitted)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t here = bed_account(bed, 0, 0), there = bed_account(bed, 1, 0);
	struct wire_request groups[][2] = {
		{ bed_deposit(1, here, 5), bed_deposit(2, there, 5) },        /* two shards */
		{ bed_deposit(1, here, 5), bed_balance(2, here) },            /* a question */
		{ bed_deposit(1, here, 5), bed_transfer(2, here, there, 5) }, /* crosses */
		{ bed_deposit(1, here, 5), bed_deposit(1, here, 5) },         /* one id twice */
		{ bed_deposit(2, here, 5), bed_target(WIRE_FENCE, 3, 1) },    /* history first */
	};
	uint64_t lsn = bed_lsn(bed, 0);

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(groups); i++) {
		send_linked(bed, groups[i], 2);
		assert_case_equal(i, bed_waiting(bed), 2);
		assert_case_equal(i, bed_take(bed).code, WIRE_CODE_LINK_INVALID);
		assert_case_equal(i, bed_take(bed).code, WIRE_CODE_LINK_INVALID);
		assert_case_equal(i, bed_window(bed, 0)->running, 0);
	}
	/* Linked to nothing. */
	groups[0][0].flags = MESSAGE_FLAG_LINKED;
	bed_send(bed, 0, groups[0][0]);
	(void)bed_take_only(bed, 1, WIRE_CODE_LINK_INVALID);
	assert_int_equal(bed_lsn(bed, 0), lsn);
	bed_close(bed);
}

TEST(messages_behind_a_group_are_on_their_own)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0);
	struct wire_request requests[] = { bed_deposit(1, account, 5), bed_deposit(2, account, 5),
		bed_transfer(3, account, bed_account(bed, 0, 1), BED_OPENING * 2),
		bed_deposit(4, account, 5) };
	static const uint16_t codes[] = { WIRE_CODE_OK, WIRE_CODE_OK, WIRE_CODE_FUNDS_INSUFFICIENT,
		WIRE_CODE_OK };

	requests[0].flags = MESSAGE_FLAG_LINKED;
	bed_send_all(bed, 0, requests, 4);
	bed_turn(bed, 0);
	bed_settle(bed, 1);
	expect(bed, codes, 4);
	assert_int_equal(bed_money(bed, account), BED_OPENING + 15);
	bed_close(bed);
}

TEST(a_group_without_room_is_busy_as_a_whole)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), lsn = bed_lsn(bed, 0);
	struct wire_request requests[] = { bed_deposit(1, account, 5), bed_deposit(2, account, 5) };
	static const uint16_t busy[] = { WIRE_CODE_BUSY, WIRE_CODE_BUSY };

	fake_journal_refuse(bed->journals[0], 2);
	send_linked(bed, requests, 2);
	expect(bed, busy, 2);
	assert_int_equal(bed_lsn(bed, 0), lsn);
	assert_int_equal(bed_window(bed, 0)->running, 0);
	bed_close(bed);
}

/* The outcomes of a group that found no room come back one by one. Sent again in between, one
 * member is free and the other still on its way: that is no malformed group, and BUSY is not the
 * end. */
TEST(a_group_sent_again_while_its_outcomes_come_back_is_busy)
{
	static const uint16_t busy[] = { WIRE_CODE_BUSY, WIRE_CODE_BUSY };
	static const uint16_t done[] = { WIRE_CODE_OK, WIRE_CODE_OK };
	struct bed *bed = bed_open(2, 0);
	uint64_t account = bed_account(bed, 1, 0);
	struct wire_request requests[] = { bed_deposit(1, account, 5), bed_deposit(2, account, 6) };
	struct spsc_ring *ring = bed->workers[0]->rings.answer_in[1];
	struct outcome outcomes[2];

	requests[0].flags |= MESSAGE_FLAG_LINKED;
	fake_journal_refuse(bed->journals[1], 2);
	bed_send_all(bed, 0, requests, 2);
	bed_turn(bed, 0);
	bed_turn(bed, 1);
	for (unsigned i = 0; i < 2; i++)
		assert_true(spsc_ring_pop(ring, &outcomes[i]));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(bed_window(bed, 0)->running, 2 - i);
		assert_true(spsc_ring_push(ring, &outcomes[i]));
		bed_turn(bed, 0);
		(void)bed_take_only(bed, 1 + i, WIRE_CODE_BUSY);
		if (i == 1)
			break;
		bed_send_all(bed, 0, requests, 2);
		bed_turn(bed, 0);
		expect(bed, busy, 2);
	}
	send_linked(bed, requests, 2);
	expect(bed, done, 2);
	assert_int_equal(bed_money(bed, account), BED_OPENING + 11);
	bed_close(bed);
}

BED_MAIN()
