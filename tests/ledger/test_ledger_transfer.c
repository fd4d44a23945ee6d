/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers between accounts of one shard and of two. */
#include <errno.h>

#include "tests/ledger/shards.h"

#define TERMINAL 7

/* Accounts of each shard; see world_make. */
struct people {
	uint64_t rich[SHARDS], poor[SHARDS], frozen[SHARDS], dollars[SHARDS], full[SHARDS];
};

static void freeze(struct shards *shards, uint64_t id, uint8_t flags)
{
	const struct ledger_command command = {
		.type = EVENT_ACCOUNT_FREEZE, .account_id = id, .flags = flags
	};

	assert_true(shards_command(shards, &command) > 0);
}

static void checks(struct shards *shards, uint32_t shard, const struct event_view *view)
{
	(void)view;
	shards_check(shards, shard);
	shards_check_between(shards);
}

static struct shards *world_make(struct people *people)
{
	struct shards *shards = shards_new(1);

	shards->watch = checks;
	for (uint32_t i = 0; i < SHARDS; i++) {
		people->rich[i] = shards_id_on(shards, i, 1, 0);
		people->poor[i] = shards_id_on(shards, i, 1, 1);
		people->frozen[i] = shards_id_on(shards, i, 1, 2);
		people->dollars[i] = shards_id_on(shards, i, 1, 3);
		people->full[i] = shards_id_on(shards, i, 1, 4);
		shards_account(shards, people->rich[i], 1000000, KRW);
		shards_account(shards, people->poor[i], 5, KRW);
		shards_account(shards, people->frozen[i], 1000, KRW);
		shards_account(shards, people->dollars[i], 1000, 840);
		shards_account(shards, people->full[i], LIMIT_BALANCE_MAX, KRW);
		freeze(shards, people->frozen[i], EVENT_FLAG_FROZEN);
	}
	return shards;
}

static struct wire_request transfer_make(uint64_t from, uint64_t to, int64_t amount)
{
	return (struct wire_request){ .template_id = WIRE_TRANSFER,
		.transfer = { .from_account = from,
		    .to_account = to,
		    .amount = amount,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };
}

static int64_t balance_of(const struct shards *shards, uint64_t id)
{
	return ledger_account(shards->ledger[shards_of_key(shards, id)], id)->balance;
}

TEST(decisions_on_this_shard)
{
	struct people p;
	struct shards *shards = world_make(&p);
	const struct {
		uint64_t from, to;
		int64_t amount;
		uint16_t currency, code;
	} cases[] = {
		{ p.rich[0], p.poor[0], 10, KRW, WIRE_CODE_OK },
		{ p.rich[0], p.poor[0], 999990, KRW, WIRE_CODE_OK },
		{ p.rich[0], p.poor[0], 1, KRW, WIRE_CODE_FUNDS_INSUFFICIENT },
		{ p.poor[0], p.rich[0], 1000005, KRW, WIRE_CODE_OK },
		{ p.rich[0], p.rich[0], 10, KRW, WIRE_CODE_ACCOUNT_SAME },
		{ p.rich[0], p.poor[0], 0, KRW, WIRE_CODE_AMOUNT_INVALID },
		{ p.rich[0], p.poor[0], -5, KRW, WIRE_CODE_AMOUNT_INVALID },
		{ p.rich[0], p.poor[0], INT64_MIN, KRW, WIRE_CODE_AMOUNT_INVALID },
		{ p.rich[0], p.poor[0], INT64_MAX, KRW, WIRE_CODE_AMOUNT_INVALID },
		{ p.rich[0], p.poor[0], 5, 840, WIRE_CODE_CURRENCY_MISMATCH },
		{ p.rich[0], p.dollars[0], 5, KRW, WIRE_CODE_CURRENCY_MISMATCH },
		{ p.rich[0], p.frozen[0], 5, KRW, WIRE_CODE_ACCOUNT_FROZEN },
		{ p.frozen[0], p.rich[0], 5, KRW, WIRE_CODE_ACCOUNT_FROZEN },
		{ p.rich[0], p.full[0], 5, KRW, WIRE_CODE_BALANCE_LIMIT },
		{ p.rich[0], shards_id_on(shards, 0, 5000, 0), 5, KRW, WIRE_CODE_ACCOUNT_UNKNOWN },
		{ shards_id_on(shards, 0, 5000, 0), p.rich[0], 5, KRW, WIRE_CODE_ACCOUNT_UNKNOWN },
		{ p.rich[0], 0, 5, KRW, WIRE_CODE_ACCOUNT_UNKNOWN },
		{ p.rich[0], UINT64_MAX, 5, KRW, WIRE_CODE_ACCOUNT_UNKNOWN },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct wire_request wire =
		    transfer_make(cases[i].from, cases[i].to, cases[i].amount);
		struct event_buffer event;

		wire.transfer.currency = cases[i].currency;
		assert_true(shards_request(shards, &wire, TERMINAL, &event) > 0);
		assert_case_equal(i, fixture_code(&event), cases[i].code);
		assert_case_equal(i, le16_get(fixture_record(&event).type), EVENT_TRANSFER);
		assert_case_equal(i, le64s_get(fixture_record(&event).payout),
		    cases[i].code == WIRE_CODE_OK ? cases[i].amount : 0);
	}
	assert_int_equal(balance_of(shards, p.rich[0]), 1000005);
	assert_int_equal(balance_of(shards, p.poor[0]), 0);
	shards_free(shards);
}

/* Answer of the other shard by what the receiver is. */
TEST(refused_elsewhere_goes_back)
{
	struct people p;
	struct shards *shards = world_make(&p);
	const struct {
		uint64_t to;
		uint16_t code;
	} cases[] = {
		{ p.poor[2], WIRE_CODE_OK },
		{ p.frozen[2], WIRE_CODE_ACCOUNT_FROZEN },
		{ p.dollars[2], WIRE_CODE_CURRENCY_MISMATCH },
		{ p.full[2], WIRE_CODE_BALANCE_LIMIT },
		{ shards_id_on(shards, 2, 5000, 0), WIRE_CODE_ACCOUNT_UNKNOWN },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct wire_request wire = transfer_make(p.rich[1], cases[i].to, 100);
		int64_t before = balance_of(shards, p.rich[1]);
		struct event_record done, out;
		struct event_buffer event;

		assert_true(shards_request(shards, &wire, TERMINAL, &event) > 0);
		out = fixture_record(&event);
		assert_case_equal(i, le16_get(out.type), EVENT_TRANSFER_OUT);
		assert_case_equal(i, le16_get(out.code), WIRE_CODE_PENDING);
		assert_case_equal(i, balance_of(shards, p.rich[1]), before - 100);
		shards_settle_all(shards);
		done = shards_record(shards, 1, ledger_shard(shards->ledger[1])->lsn);
		assert_case_equal(i, le16_get(done.type), EVENT_TRANSFER_DONE);
		assert_case_equal(i, le16_get(done.code), cases[i].code);
		assert_case_equal(i, le64_get(done.request_id), le64_get(out.request_id));
		assert_case_equal(i, le64_get(done.terminal_id), TERMINAL);
		assert_case_equal(i, le64_get(done.object_id), le64_get(out.object_id));
		assert_case_equal(i, le64s_get(done.payout), 100);
		assert_case_equal(i, balance_of(shards, p.rich[1]),
		    cases[i].code == WIRE_CODE_OK ? before - 100 : before);
	}
	assert_int_equal(balance_of(shards, p.poor[2]), 105);
	shards_check_replay(shards);
	shards_free(shards);
}

/* The giver was frozen meanwhile: it is its money all the same. */
TEST(goes_back_to_a_frozen_account)
{
	struct people p;
	struct shards *shards = world_make(&p);
	struct wire_request wire = transfer_make(p.rich[1], p.frozen[3], 100);

	assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
	freeze(shards, p.rich[1], EVENT_FLAG_FROZEN);
	shards_settle_all(shards);
	assert_int_equal(balance_of(shards, p.rich[1]), 1000000);
	shards_free(shards);
}

/* An account that filled up meanwhile: the receipt waits until it has room. */
TEST(goes_back_when_there_is_room)
{
	struct people p;
	struct shards *shards = world_make(&p);
	struct wire_request wire = transfer_make(p.full[1], p.frozen[3], 100);
	struct wire_request fill = { .template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = p.full[1],
		    .amount = 100,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };
	struct wire_request empty = transfer_make(p.full[1], p.poor[1], 100);
	struct ledger_parcel parcel;
	struct ledger_receipt receipt;
	struct event_buffer event;
	uint32_t row = 0;
	int length;

	assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
	assert_int_equal(shards_code(shards, &fill, TERMINAL), WIRE_CODE_OK);
	assert_int_equal(ledger_parcel_make(shards->ledger[1],
	                     ledger_transfer_open(shards->ledger[1], &row), &parcel),
	    0);
	length = ledger_decide_parcel(shards->ledger[3], &parcel, NOW, &event, &receipt);
	assert_true(length > 0);
	shards_take(shards, 3, &event, (size_t)length);
	assert_int_equal(receipt.code, WIRE_CODE_ACCOUNT_FROZEN);
	assert_int_equal(ledger_decide_receipt(shards->ledger[1], &receipt, NOW, &event), -EBUSY);
	assert_int_equal(shards_code(shards, &empty, TERMINAL), WIRE_CODE_OK);
	shards_settle_all(shards);
	assert_int_equal(balance_of(shards, p.full[1]), LIMIT_BALANCE_MAX);
	shards_free(shards);
}

/* A partner with one key a shard, and an account of it with money on shard 0. */
static uint64_t partner_make(struct shards *shards)
{
	struct ledger_command partner = { .type = EVENT_PARTNER_SET, .object_id = 1 };
	uint64_t id = shards_id_on(shards, 0, 1000, 0);
	struct wire_request open = { .template_id = WIRE_OPEN_ACCOUNT,
		.open_account = { .account_id = id,
		    .partner_id = 1,
		    .currency = KRW,
		    .deadline_ns = NO_DEADLINE } };
	struct wire_request deposit = { .template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = id,
		    .amount = 5000,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };

	partner.partner.version = le64_make(1);
	partner.partner.keys_max = le32_make(SHARDS);
	assert_true(shards_command(shards, &partner) > 0);
	assert_int_equal(shards_code(shards, &open, TERMINAL), WIRE_CODE_OK);
	assert_int_equal(shards_code(shards, &deposit, TERMINAL), WIRE_CODE_OK);
	return id;
}

/* What the event just made on shard 0, where the partner's account is, says was paid. */
static int64_t repeat_paid(const struct shards *shards)
{
	const struct event_record record =
	    shards_record(shards, 0, ledger_shard(shards->ledger[0])->lsn);

	assert_int_equal(le16_get(record.code), WIRE_CODE_REPEATED);
	return le64s_get(record.payout);
}

/* The key is free at once, after its rows have left memory, and after a crash; a key whose transfer
 * was carried out never is. */
TEST(a_key_is_free_again_when_the_other_shard_refuses)
{
	for (unsigned how = 0; how < 4; how++) {
		struct people p;
		struct shards *shards = world_make(&p);
		uint64_t from = partner_make(shards), ghost = shards_id_on(shards, 1, 5000, 0);
		struct wire_request wire = transfer_make(from, ghost, 1000), other;

		wire.transfer.partner_key[0] = wire.transfer.partner_key[1] = 7;
		other = wire;
		other.transfer.partner_key[0] = 8;
		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_REPEATED);
		assert_int_equal(repeat_paid(shards), 0); /* it may still be refused there */
		assert_int_equal(shards_code(shards, &other, TERMINAL), WIRE_CODE_PARTNER_QUOTA);
		shards_settle_all(shards);
		assert_int_equal(balance_of(shards, from), 5000);
		if (how == 1)
			assert_true(shards_due(shards, 0, 100) > 0);
		if (how == 2) {
			for (uint32_t i = 0; i < SHARDS; i++)
				shards_sync(shards, i);
			shards_crash(shards);
		}
		/* Under another key: it is out of the quota. */
		if (how == 3) {
			assert_int_equal(shards_code(shards, &other, TERMINAL), WIRE_CODE_PENDING);
			assert_int_equal(
			    shards_code(shards, &wire, TERMINAL), WIRE_CODE_PARTNER_QUOTA);
			shards_settle_all(shards);
		}
		shards_account(shards, ghost, 0, KRW);
		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_REPEATED);
		assert_int_equal(repeat_paid(shards), 0);
		assert_int_equal(shards_code(shards, &other, TERMINAL), WIRE_CODE_PARTNER_QUOTA);
		shards_settle_all(shards);
		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_REPEATED);
		assert_int_equal(repeat_paid(shards), 1000);
		(void)shards_due(shards, 0, 100);
		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_REPEATED);
		assert_int_equal(balance_of(shards, from), 4000);
		assert_int_equal(balance_of(shards, ghost), 1000);
		shards_check_replay(shards);
		shards_free(shards);
	}
}

static int tombstone(struct shards *shards, uint64_t account, uint64_t transaction)
{
	struct wire_request wire = { .template_id = WIRE_ROUND_ROLLBACK,
		.round = { .account_id = account,
		    .round = 1,
		    .game = 1,
		    .transaction = { transaction, 1 },
		    .target = { transaction, 2 },
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };
	struct event_buffer event;

	return shards_request(shards, &wire, TERMINAL, &event);
}

/* Requests fill the table of objects on two shards: money between them comes through. */
TEST(full_of_requests_and_still_open_to_other_shards)
{
	struct people p;
	struct shards *shards = world_make(&p);
	struct wire_request wire;
	unsigned sent = 0;
	int length = 1;

	shards->watch = NULL;
	for (uint64_t n = 1; length > 0; n++)
		length = tombstone(shards, p.rich[0], n);
	assert_int_equal(length, -EBUSY);
	for (uint64_t n = 1; (length = tombstone(shards, p.rich[1], n)) > 0; n++)
		;
	assert_int_equal(length, -EBUSY);
	wire = transfer_make(p.rich[0], p.poor[1], 1);
	for (struct event_buffer event; shards_request(shards, &wire, TERMINAL, &event) > 0;)
		sent++;
	assert_true(sent >= SHARDS_ROWS / 16 - 8 && sent <= SHARDS_ROWS / 16);
	wire = transfer_make(p.rich[1], p.poor[0], 1);
	for (struct event_buffer event; shards_request(shards, &wire, TERMINAL, &event) > 0;)
		sent++;
	assert_true(sent >= 2 * (SHARDS_ROWS / 16 - 8));
	shards_settle_all(shards);
	assert_int_equal(balance_of(shards, p.poor[0]) + balance_of(shards, p.poor[1]), 10 + sent);
	shards_check_between(shards);
	assert_int_equal(tombstone(shards, p.rich[0], 100000), -EBUSY);
	/* And when the tombstones leave, requests go on. */
	shards->time_ns += 2 * DAY;
	assert_true(shards_due(shards, 0, 1000) > 0);
	assert_true(tombstone(shards, p.rich[0], 100000) > 0);
	shards_check(shards, 0);
	shards_free(shards);
}

/* Parcels in any order, twice, and again after they were answered. */
TEST(each_sequence_is_taken_once_and_in_order)
{
	struct people p;
	struct shards *shards = world_make(&p);
	struct ledger_parcel parcels[5], wrong;
	struct ledger_receipt receipt, again;
	struct event_buffer event;
	uint32_t row = 0;
	int length;

	for (unsigned i = 0; i < 5; i++) {
		struct wire_request wire =
		    transfer_make(p.rich[0], i == 3 ? p.frozen[1] : p.poor[1], 10);

		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
		assert_int_equal(ledger_parcel_make(shards->ledger[0],
		                     ledger_transfer_open(shards->ledger[0], &row), &parcels[i]),
		    0);
		assert_int_equal(parcels[i].sequence, i + 1);
		assert_int_equal(parcels[i].watermark, 0);
	}
	for (unsigned i = 5; i-- > 1;)
		assert_int_equal(
		    ledger_decide_parcel(shards->ledger[1], &parcels[i], NOW, &event, &receipt),
		    -EAGAIN);
	for (unsigned i = 0; i < 5; i++) {
		length =
		    ledger_decide_parcel(shards->ledger[1], &parcels[i], NOW, &event, &receipt);
		assert_true(length > 0);
		shards_take(shards, 1, &event, (size_t)length);
		assert_int_equal(receipt.code, i == 3 ? WIRE_CODE_ACCOUNT_FROZEN : WIRE_CODE_OK);
		assert_int_equal(
		    ledger_decide_parcel(shards->ledger[1], &parcels[i], NOW, &event, &again), 0);
		assert_memory_equal(&receipt, &again, sizeof(again));
	}
	assert_int_equal(balance_of(shards, p.poor[1]), 5 + 40);
	/* Not for here, or nonsense. */
	wrong = parcels[4];
	wrong.sequence = 6;
	wrong.peer = 2;
	assert_int_equal(
	    ledger_decide_parcel(shards->ledger[1], &wrong, NOW, &event, &again), -EINVAL);
	wrong = parcels[4];
	wrong.sequence = 6;
	wrong.amount = 0;
	assert_int_equal(
	    ledger_decide_parcel(shards->ledger[1], &wrong, NOW, &event, &again), -EINVAL);
	/* Receipts: once each, and not under another sequence. */
	wrong = parcels[4];
	again = receipt;
	again.sequence = 4;
	assert_int_equal(ledger_decide_receipt(shards->ledger[0], &again, NOW, &event), -EINVAL);
	length = ledger_decide_receipt(shards->ledger[0], &receipt, NOW, &event);
	assert_true(length > 0);
	shards_take(shards, 0, &event, (size_t)length);
	assert_int_equal(ledger_decide_receipt(shards->ledger[0], &receipt, NOW, &event), 0);
	assert_int_equal(
	    ledger_parcel_make(shards->ledger[0], parcels[4].transfer_id, &wrong), -ENOENT);
	shards_settle_all(shards);
	assert_int_equal(balance_of(shards, p.rich[0]), 1000000 - 40);
	shards_free(shards);
}

/* Receipts in reverse order: the watermark stays behind, and catches up. */
TEST(the_watermark_passes_only_what_is_closed)
{
	struct people p;
	struct shards *shards = world_make(&p);
	const struct object_key key = { .kind = OBJECT_LINK, .words = { 1 } };
	struct object_link link;
	struct on_way receipts[300];
	unsigned count = 0;

	shards->watch = NULL;
	for (unsigned i = 0; i < 300; i++) {
		struct wire_request wire = transfer_make(p.rich[0], p.poor[1], 1);

		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
	}
	while (count < 300) {
		shards_sync(shards, 0);
		shards_sync(shards, 1);
		for (unsigned i = 0; i < shards->on_way_count; i++) {
			if (!shards->on_way[i].is_receipt) {
				(void)shards_deliver(shards, i, 0);
			} else {
				receipts[count++] = shards->on_way[i];
				shards->on_way[i--] = shards->on_way[--shards->on_way_count];
			}
		}
	}
	for (unsigned sequence = 300; sequence > 0; sequence--) {
		for (unsigned i = 0; i < count; i++) {
			if (receipts[i].receipt.sequence != sequence)
				continue;
			shards->on_way[shards->on_way_count] = receipts[i];
			shards->on_way[shards->on_way_count++].sent = 1;
			assert_true(shards_deliver(shards, shards->on_way_count - 1, 0));
		}
		memcpy(&link, ledger_object_by_key(shards->ledger[0], &key)->body, sizeof(link));
		/* The last receipt closes number 1; nobody has looked what else is closed. */
		assert_int_equal(le64_get(link.out_done), sequence == 1 ? 1 : 0);
	}
	for (unsigned i = 0; i < 300; i++) {
		struct wire_request wire = transfer_make(p.rich[0], p.poor[1], 1);

		assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
		shards_settle_all(shards);
	}
	memcpy(&link, ledger_object_by_key(shards->ledger[0], &key)->body, sizeof(link));
	assert_int_equal(le64_get(link.out_last), 600);
	assert_int_equal(le64_get(link.out_done), 600);
	shards_check(shards, 0);
	shards_check_between(shards);
	shards_free(shards);
}

TEST_MAIN()
