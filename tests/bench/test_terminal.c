/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "bench/terminal.h"
#include "tests/test.h"
#include "wire/codec.h"

static const struct session_entry entry = {
	.terminal_id = 77, .session_id = 5u | 1u << 20, .rights = RIGHT_ALL, .root = { 1, 2, 3 }
};
static const struct bet_choice choices[2] = { { 11, 1850, 0 }, { 22, 2100, 1 } };
static const struct bet_plan plan = { .seed = 9,
	.account_first = 500,
	.account_count = 100,
	.choice_count = 2,
	.choices = choices,
	.stake_min = 100,
	.stake_span = 901,
	.deadline_ns = 123456789,
	.currency = 410 };
static struct bench_terminal terminal;
static _Alignas(64) uint8_t data[LIMIT_DATAGRAM_SIZE_MAX];

static void fresh(void)
{
	assert_int_equal(terminal_init(&terminal, &entry), 0);
	assert_int_equal(terminal_rekey(&terminal, 1000, 1), 0);
}

/* Opens what the terminal sealed, as the switch would. */
static void open_as_switch(uint64_t boot_id, uint32_t size)
{
	uint8_t secret[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];
	struct aead_key key;

	assert_int_equal(
	    keys_derive(entry.root, KEYS_TO_SWITCH, terminal.epoch, boot_id, secret, iv), 0);
	assert_int_equal(aead_key_init(&key, aead_backend_default(), secret, iv), 0);
	assert_int_equal(aead_open(&key, data, size - 32), 0);
	aead_key_wipe(&key);
}

TEST(composed_bets_decode_and_stay_in_range)
{
	fresh();
	for (int round = 0; round < 200; round++) {
		uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
		uint32_t size = terminal_compose(&terminal, &plan, 16, 1, 0, 100, data);

		assert_int_equal(size, 16 * 72 + 32);
		open_as_switch(1000, size);
		assert_int_equal(wire_frame_messages(data + 16, size - 32, offsets), 16);
		for (int i = 0; i < 16; i++) {
			struct wire_request request;

			assert_int_equal(
			    wire_request_decode(data + 16 + offsets[i], 72, &request), 0);
			assert_int_equal(request.request_id, round * 16 + i + 1);
			assert_in_range(request.place_bet.account_id, 500, 599);
			assert_in_range(request.place_bet.stake, 100, 1000);
			assert_true(request.place_bet.legs[0].market_id == 11 ||
			            request.place_bet.legs[0].market_id == 22);
		}
		for (int i = 0; i < LIMIT_REQUEST_WINDOW; i++)
			terminal.slots[i].state = SLOT_FREE;
		terminal.waiting = 0;
	}
}

TEST(a_plan_may_mix_in_deposits_and_hold_a_choice)
{
	struct bet_plan mixed = plan;
	unsigned deposits = 0;

	fresh();
	mixed.deposit_permille = 500;
	mixed.hold = 10;
	for (uint64_t id = 1; id <= 1000; id++) {
		struct wire_request request;
		uint32_t size = request_write(&mixed, 77, id, 0, 0, data);

		assert_int_equal(wire_request_decode(data, size, &request), 0);
		assert_int_equal(request.request_id, id);
		if (request.template_id == WIRE_DEPOSIT) {
			deposits++;
			assert_in_range(request.deposit.account_id, 500, 599);
			assert_in_range(request.deposit.amount, 100, 1000);
			continue;
		}
		assert_int_equal(request.place_bet.legs[0].market_id, id / 10 % 2 == 0 ? 11 : 22);
	}
	assert_in_range(deposits, 400, 600);
}

/* What an id asks for, decoded. */
static enum request_kind ask(
    const struct bet_plan *mixed, uint64_t id, uint64_t target, struct wire_request *request)
{
	uint32_t size = request_write(mixed, 77, id, target, 0, data);

	assert_in_range(size, 1, BET_MESSAGE_SIZE);
	assert_int_equal(wire_request_decode(data, size, request), 0);
	assert_int_equal(request->request_id, id);
	return request_kind_answered(request->template_id | WIRE_TEMPLATE_REPLY);
}

TEST(a_mixed_day_has_its_shares_and_decodes)
{
	unsigned counts[REQUEST_KINDS] = { 0 };
	struct bet_plan mixed = plan;
	struct wire_request request;

	mixed.workload = WORKLOAD_MIXED;
	for (uint64_t id = 1; id <= 10000; id++) {
		enum request_kind kind = ask(&mixed, id, 4711, &request);

		assert_int_equal(kind, request_kind(&mixed, 77, id));
		counts[kind]++;
		if (kind == REQUEST_CANCEL_BET)
			assert_int_equal(request.cancel_bet.bet_id, 4711);
		if (kind == REQUEST_TX_STATUS)
			assert_int_equal(request.tx_status.target_request_id, 4711);
		if (kind == REQUEST_TRANSFER) {
			assert_in_range(request.transfer.from_account, 500, 599);
			assert_in_range(request.transfer.to_account, 500, 599);
			assert_int_not_equal(
			    request.transfer.from_account, request.transfer.to_account);
		}
	}
#define CHECK_SHARE(name, share) assert_in_range(counts[REQUEST_##name], share * 8, share * 12);
	REQUEST_SHARES(CHECK_SHARE)
#undef CHECK_SHARE
}

TEST(what_has_no_target_is_a_bet)
{
	struct bet_plan mixed = plan;
	struct wire_request request;

	mixed.workload = WORKLOAD_MIXED;
	mixed.account_count = 1;
	for (uint64_t id = 1; id <= 1000; id++) {
		enum request_kind kind = ask(&mixed, id, 0, &request);

		assert_true(kind == REQUEST_PLACE_BET || kind == REQUEST_DEPOSIT ||
		            kind == REQUEST_WITHDRAW);
	}
}

TEST(a_hot_account_gets_its_share)
{
	struct bet_plan hot = plan;
	struct wire_request request;
	unsigned first = 0;

	hot.hot_permille = 1000;
	for (uint64_t id = 1; id <= 100; id++) {
		assert_int_equal(ask(&hot, id, 0, &request), REQUEST_PLACE_BET);
		assert_int_equal(request.place_bet.account_id, 500);
	}
	hot.hot_permille = 500;
	for (uint64_t id = 1; id <= 1000; id++) {
		(void)ask(&hot, id, 0, &request);
		first += request.place_bet.account_id == 500;
	}
	assert_in_range(first, 430, 580);
}

TEST(a_bet_is_cancelled_once_and_again_in_a_resend)
{
	struct bet_plan mixed = plan;
	struct wire_request first, again;
	uint64_t id = 1;
	uint32_t size;

	fresh();
	mixed.workload = WORKLOAD_MIXED;
	while (request_kind(&mixed, 77, id) != REQUEST_CANCEL_BET)
		id++;
	terminal.next_id = id;
	terminal.bet_last = 99;
	size = terminal_compose(&terminal, &mixed, 1, 1, 0, 100, data);
	open_as_switch(1000, size);
	assert_int_equal(wire_request_decode(data + 16, size - 32, &first), 0);
	assert_int_equal(first.cancel_bet.bet_id, 99);
	assert_int_equal(terminal.bet_last, 0);
	terminal.bet_last = 100;
	size = terminal_resend(&terminal, &mixed, 100, 300, data);
	open_as_switch(1000, size);
	assert_int_equal(wire_request_decode(data + 16, size - 32, &again), 0);
	assert_memory_equal(first.body_hash, again.body_hash, sizeof(first.body_hash));
	assert_int_equal(terminal.bet_last, 100);
}

TEST(a_resend_has_the_same_body_hash_and_another_packet_number)
{
	struct wire_request first, again;
	struct frame_header header;
	uint32_t size;

	fresh();
	size = terminal_compose(&terminal, &plan, 1, 1, 0, 100, data);
	open_as_switch(1000, size);
	assert_int_equal(wire_request_decode(data + 16, 72, &first), 0);
	assert_int_equal(terminal_resend(&terminal, &plan, 99, 300, data), 0);
	assert_int_equal(terminal.due_ns, 100);
	size = terminal_resend(&terminal, &plan, 100, 300, data);
	assert_int_equal(size, 72 + 32);
	memcpy(&header, data, sizeof(header));
	assert_int_equal(le64_get(header.packet_number), 2);
	open_as_switch(1000, size);
	assert_int_equal(wire_request_decode(data + 16, 72, &again), 0);
	assert_int_equal(again.request_id, first.request_id);
	assert_memory_equal(again.body_hash, first.body_hash, sizeof(first.body_hash));
	assert_int_equal(again.flags, MESSAGE_FLAG_RETRANSMISSION);
	assert_int_equal(terminal.slots[1].sends, 2);
	assert_int_equal(terminal_resend(&terminal, &plan, 200, 400, data), 0);
	assert_int_equal(terminal.due_ns, 300);
}

TEST(room_ends_at_32_waiting_and_at_an_unanswered_id_64_below)
{
	fresh();
	assert_true(terminal_has_room(&terminal, 16));
	(void)terminal_compose(&terminal, &plan, 16, 1, 0, 100, data);
	(void)terminal_compose(&terminal, &plan, 16, 1, 0, 100, data);
	assert_false(terminal_has_room(&terminal, 1));
	/* All but id 1 answered, and ids up to 64 used: 65 shares the slot of 1. */
	for (int i = 0; i < LIMIT_REQUEST_WINDOW; i++)
		terminal.slots[i].state = SLOT_DONE;
	terminal.slots[1].state = SLOT_WAITING;
	terminal.waiting = 1;
	terminal.next_id = 64;
	assert_true(terminal_has_room(&terminal, 1));
	assert_false(terminal_has_room(&terminal, 2));
	terminal.next_id = 65;
	assert_false(terminal_has_room(&terminal, 1));
}

static struct frame_reset make_reset(uint64_t boot_id, uint16_t epoch)
{
	struct frame_reset reset = {
		.header = { .version_kind = WIRE_VERSION << 4 | FRAME_KIND_RESET,
		    .flags = FRAME_FLAG_FROM_SWITCH,
		    .epoch = le16_make(epoch),
		    .session_id = le32_make(entry.session_id),
		    .packet_number = le64_make(1) },
		.boot_id = le64_make(boot_id),
	};

	assert_int_equal(keys_reset_sign(&reset, terminal.reset_key), 0);
	return reset;
}

TEST(a_newer_boot_id_gives_new_keys_and_resends_what_waits)
{
	struct frame_reset reset;
	uint32_t size;

	fresh();
	(void)terminal_compose(&terminal, &plan, 2, 1, 0, UINT64_MAX - 1, data);
	reset = make_reset(2000, 1);
	assert_int_equal(terminal_reset(&terminal, (uint8_t *)&reset, sizeof(reset)), 1);
	assert_int_equal(terminal.packet_counter, 0);
	for (int i = 0; i < 2; i++) {
		size = terminal_resend(&terminal, &plan, 5, 10, data);
		assert_int_equal(size, 72 + 32);
		open_as_switch(2000, size);
	}
	assert_int_equal(terminal_resend(&terminal, &plan, 5, 10, data), 0);
}

TEST(resets_that_are_old_or_forged_change_nothing)
{
	struct frame_reset reset;

	fresh();
	reset = make_reset(1000, 1);
	assert_int_equal(terminal_reset(&terminal, (uint8_t *)&reset, sizeof(reset)), 0);
	reset = make_reset(999, 9);
	assert_int_equal(terminal_reset(&terminal, (uint8_t *)&reset, sizeof(reset)), 0);
	reset = make_reset(2000, 1);
	reset.boot_id = le64_make(3000);
	assert_int_equal(terminal_reset(&terminal, (uint8_t *)&reset, sizeof(reset)), -EBADMSG);
	assert_int_equal(terminal_reset(&terminal, (uint8_t *)&reset, 32), -EBADMSG);
	assert_int_equal(terminal.boot_id, 1000);
}

TEST_MAIN()
