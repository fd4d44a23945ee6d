/* SPDX-License-Identifier: Apache-2.0 */
/* A shard that comes back from an older copy than its peers: no money is taken for arrived that
 * never was. */
#include <errno.h>

#include "dataplane/ledger/ledger_links.h"
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

/* Each: the shard that comes back from before the transfer, and what the others know of it. */
TEST(a_shard_of_an_older_moment_is_named_by_what_its_peers_know)
{
	static const struct {
		uint32_t shard, other;
		const char *has;
	} cases[] = { { 0, 2, "it has sent" }, { 2, 0, "it has taken" } };
	uint64_t to[2], from;
	struct shards *before = world_make(to, &from), *after = world_make(to, &from);
	struct wire_request wire = transfer_make(from, to[0], 10);
	const struct ledger *ledgers[SHARDS];
	struct ledger_behind behind;

	assert_int_equal(shards_code(after, &wire, TERMINAL), WIRE_CODE_PENDING);
	/* What has left and not arrived is sent again: nothing is behind. */
	memcpy(ledgers, after->ledger, sizeof(ledgers));
	assert_int_equal(ledger_links_check(ledgers, SHARDS, &behind), 0);
	shards_settle_all(after);
	assert_int_equal(ledger_links_check(ledgers, SHARDS, &behind), 0);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		memcpy(ledgers, after->ledger, sizeof(ledgers));
		ledgers[cases[i].shard] = before->ledger[cases[i].shard];
		assert_int_equal(ledger_links_check(ledgers, SHARDS, &behind), -ESTALE);
		assert_int_equal(behind.shard, cases[i].shard);
		assert_int_equal(behind.other, cases[i].other);
		assert_string_equal(behind.has, cases[i].has);
		assert_int_equal(behind.known, 1);
		assert_int_equal(behind.own, 0);
	}
	/* An unrelated one is of any moment. */
	memcpy(ledgers, after->ledger, sizeof(ledgers));
	ledgers[1] = before->ledger[1];
	assert_int_equal(ledger_links_check(ledgers, SHARDS, &behind), 0);
	shards_free(before);
	shards_free(after);
}

/* Each: what source and peer say of one direction, and who is behind whom (0 and 0: neither). */
TEST(no_shard_knows_more_of_another_than_that_one_does)
{
	static const struct {
		unsigned out_last, out_done, in_last, in_kept, shard, other;
	} cases[] = {
		{ 0, 0, 0, 0, 0, 0 },
		{ 9, 5, 7, 5, 0, 0 },
		{ 9, 9, 9, 9, 0, 0 },
		{ 9, 5, 10, 5, 3, 6 },
		{ 9, 8, 7, 5, 6, 3 },
		{ 9, 5, 7, 6, 3, 6 },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		const struct object_link out = { .out_last = le64_make(cases[i].out_last),
			.out_done = le64_make(cases[i].out_done) };
		const struct object_link in = { .in_last = le64_make(cases[i].in_last),
			.in_kept = le64_make(cases[i].in_kept) };
		struct ledger_behind behind = { 0 };

		assert_case_equal(i, ledger_link_check(3, &out, 6, &in, &behind),
		    cases[i].shard == 0 ? 0 : -ESTALE);
		assert_case_equal(i, behind.shard, cases[i].shard);
		assert_case_equal(i, behind.other, cases[i].other);
	}
}

TEST_MAIN()
