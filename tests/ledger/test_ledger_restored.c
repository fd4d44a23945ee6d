/* SPDX-License-Identifier: Apache-2.0 */
/* A shard that comes back from an older copy than its peers: no money is taken for arrived that
 * never was. */
#include <errno.h>

#include "tests/ledger/shards.h"

#define TERMINAL 7

static struct wire_request transfer_make(uint64_t from, uint64_t to, int64_t amount)
{
	return (struct wire_request){ .template_id = WIRE_TRANSFER,
		.transfer = { .from_account = from,
		    .to_account = to,
		    .amount = amount,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };
}

/* The parcel of the transfer that shard 0 has open. */
static void parcel_open(struct shards *shards, struct ledger_parcel *parcel)
{
	uint32_t row = 0;
	uint64_t id = ledger_transfer_open(shards->ledger[0], &row);

	assert_int_equal(ledger_parcel_make(shards->ledger[0], id, parcel), 0);
}

static struct shards *world_make(uint64_t to[2], uint64_t *from)
{
	struct shards *shards = shards_new(1);

	*from = shards_id_on(shards, 0, 1, 0);
	shards_account(shards, *from, 100000, KRW);
	for (unsigned i = 0; i < 2; i++) {
		to[i] = shards_id_on(shards, 2, 1, i);
		shards_account(shards, to[i], 0, KRW);
	}
	return shards;
}

/* Each: what the source sends the second time under the first sequence. */
TEST(another_transfer_under_the_same_number_is_never_taken_for_the_first)
{
	static const struct {
		int64_t amount;
		unsigned to;
		int expected;
	} cases[] = { { 10, 0, 0 }, { 777, 0, -ESTALE }, { 10, 1, -ESTALE } };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint64_t to[2], from;
		struct shards *before = world_make(to, &from), *back = world_make(to, &from);
		struct wire_request wire = transfer_make(from, to[0], 10);
		struct ledger_parcel parcel;
		struct ledger_receipt receipt, none = { .code = 0xeeee };
		struct event_buffer event;
		int length;

		assert_int_equal(shards_code(before, &wire, TERMINAL), WIRE_CODE_PENDING);
		parcel_open(before, &parcel);
		length = ledger_decide_parcel(
		    before->ledger[2], &parcel, before->time_ns, &event, &receipt);
		assert_true(length > 0);
		shards_take(before, 2, &event, (size_t)length);

		wire = transfer_make(from, to[cases[i].to], cases[i].amount);
		assert_int_equal(shards_code(back, &wire, TERMINAL), WIRE_CODE_PENDING);
		parcel_open(back, &parcel);
		assert_int_equal(parcel.sequence, 1);
		receipt = none;
		assert_int_equal(ledger_decide_parcel(
		                     before->ledger[2], &parcel, before->time_ns, &event, &receipt),
		    cases[i].expected);
		if (cases[i].expected != 0)
			assert_memory_equal(&receipt, &none, sizeof(none));
		shards_free(before);
		shards_free(back);
	}
}

/* The row that would tell has left memory: what comes now cannot be what it answered. */
TEST(one_whose_answer_has_retired_is_not_answered_either)
{
	uint64_t to[2], from;
	struct shards *shards = world_make(to, &from);
	struct wire_request wire = transfer_make(from, to[0], 10);
	struct ledger_parcel first, parcel;
	struct ledger_receipt receipt;
	struct event_buffer event;

	assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
	parcel_open(shards, &first);
	shards_settle_all(shards);
	/* The next one brings the watermark. */
	assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
	parcel_open(shards, &parcel);
	assert_int_equal(parcel.watermark, 1);
	shards_settle_all(shards);
	assert_int_equal(
	    ledger_decide_parcel(shards->ledger[2], &first, shards->time_ns, &event, &receipt), 0);
	assert_true(shards_due(shards, 2, 100) > 0);
	assert_int_equal(
	    ledger_decide_parcel(shards->ledger[2], &first, shards->time_ns, &event, &receipt),
	    -ESTALE);
	shards_free(shards);
}

TEST_MAIN()
