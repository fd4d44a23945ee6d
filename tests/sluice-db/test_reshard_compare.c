/* SPDX-License-Identifier: Apache-2.0 */
/* The old root itself against the new one: what backup or copy lost is not lost without a word. */
#include <inttypes.h>

#include "tests/sluice-db/backup.h"

/*
 * What the backup or the copy in between lost is found by the old root itself. Here the last event
 * of a shard is cut, as it arrived from where it never left.
 */
TEST(what_was_not_taken_over_stands_against_it)
{
	struct shards *shards = shards_new(3);
	struct wire_request wire = { .template_id = WIRE_TRANSFER };
	uint64_t before;
	char top[64], said[1024];

	wire.transfer.from_account = shards_id_on(shards, 0, 1, 0);
	wire.transfer.to_account = shards_id_on(shards, 1, 1, 0);
	shards_account(shards, wire.transfer.from_account, 10000, KRW);
	shards_account(shards, wire.transfer.to_account, 10000, KRW);
	for (uint32_t shard = 2; shard < SHARDS; shard++)
		shards_account(shards, shards_id_on(shards, shard, 1, 0), 1, KRW);
	before = root_last(shards, 0);
	wire.transfer.amount = 300;
	wire.transfer.currency = KRW;
	wire.transfer.deadline_ns = UINT64_MAX;
	assert_int_equal(shards_code(shards, &wire, 1), WIRE_CODE_PENDING);
	shards_settle_all(shards);
	root_make(top);
	for (uint32_t shard = 1; shard < SHARDS; shard++)
		(void)root_shard_write(shards, shard, top, root_last(shards, shard), 3, NULL);
	(void)root_shard_write(shards, 0, top, before, 3, NULL);
	assert_int_equal(say_run(said, "reshard '%s' '%s/new' --shards 2", top, top), 1);
	print_message("  %s", said);
	assert_non_null(strstr(said, "was taken over"));
	root_remove(top);
	shards_free(shards);
}

TEST_MAIN()
