/* SPDX-License-Identifier: Apache-2.0 */
/* The store behind a real journal: feed, gaps in the feed, recovery, and sluice-db's view of it. */
#include "dataplane/store/store_internal.h"
#include "lmdb-schema/schema.h"
#include "tests/store/follow.h"

TEST(follower_takes_the_feed_and_reads_the_files_after_a_gap)
{
	struct follow follow;
	struct store_status status;
	uint64_t last;

	follow_begin(&follow);
	follow_start(&follow, 8);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	follow_work(&follow);
	store_status(follow.store, &status);
	assert_int_equal(status.batches_from_files, 0);
	assert_int_equal(status.applied_lsn, ledger_shard(follow.world->ledger)->lsn);
	/* More than the feed lends, twice: behind lent ones, and with later ones lent again. */
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20; i++)
			follow_write(&follow, world_batch(follow.world, 10));
		follow_work(&follow);
		for (int i = 0; i < 3; i++)
			follow_write(&follow, world_batch(follow.world, 10));
		follow_work(&follow);
	}
	last = ledger_shard(follow.world->ledger)->lsn;
	store_status(follow.store, &status);
	assert_true(status.batches_from_files > 0);
	assert_int_equal(status.applied_lsn, last);
	assert_int_equal(status.errors, 0);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	follow_stop(&follow);
	follow_end(&follow);
}

/* The files hold more: batches whose write has ended and is not known to, which a recovery may cut.
 * Whatever LSN is told, also one inside a batch, the last batch that ends there is the last one. */
TEST(the_files_are_followed_as_far_as_they_are_durable)
{
	struct follow follow;
	struct journal_feed *feed;
	uint64_t ends[20], begin, first = 0;

	follow_begin(&follow);
	follow_start(&follow, 8);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	follow_work(&follow);
	begin = ledger_shard(store_ledger(follow.store))->lsn;
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(ends); i++) {
		follow_write(&follow, world_batch(follow.world, 5));
		ends[i] = ledger_shard(follow.world->ledger)->lsn;
	}
	assert_int_equal(journal_feed_create(&feed, 8, 2), 0); /* lends nothing */
	for (uint64_t lsn = begin; lsn <= ends[SLUICE_ARRAY_COUNT(ends) - 1]; lsn++) {
		while (first < SLUICE_ARRAY_COUNT(ends) && ends[first] <= lsn)
			first++;
		journal_feed_publish(feed, lsn);
		for (int turns = 0; turns < 3; turns++)
			assert_true(
			    store_work(follow.store, feed, follow.reader, ++follow.now) >= 0);
		assert_int_equal(ledger_shard(store_ledger(follow.store))->lsn,
		    first == 0 ? begin : ends[first - 1]);
	}
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	journal_feed_free(feed);
	follow_stop(&follow);
	follow_end(&follow);
}

TEST(restart_again_and_again_loses_nothing)
{
	struct follow follow;
	uint64_t last = 0;

	follow_begin(&follow);
	follow.config.log_rotate_size = 400000;
	for (int round = 0; round < 12; round++) {
		follow_start(&follow, 16);
		assert_int_equal(ledger_shard(store_ledger(follow.store))->lsn, last);
		if (round == 0) {
			world_provision(follow.world);
			follow_write(&follow, world_close(follow.world));
		}
		for (uint64_t i = test_random(&follow.world->random) % 40; i > 0; i--) {
			follow_write(&follow, world_batch(follow.world, 30));
			if (test_random(&follow.world->random) % 3 == 0)
				follow_work(&follow);
		}
		if (round % 4 == 3)
			assert_int_equal(store_checkpoint_now(follow.store), 0);
		last = ledger_shard(follow.world->ledger)->lsn;
		follow_stop(&follow); /* with what was not followed yet left behind */
	}
	follow_start(&follow, 16);
	assert_int_equal(ledger_shard(store_ledger(follow.store))->lsn, last);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	follow_stop(&follow);
	if (getenv("SLUICE_DB") != NULL) { /* meson sets it */
		char command[512];

		snprintf(command, sizeof(command),
		    "mkdir -p '%s/r/var/lib/sluice' && ln -s '%s' '%s/r/var/lib/sluice/shard-0' && "
		    "'%s' verify --root '%s/r'",
		    follow.path, follow.path, follow.path, getenv("SLUICE_DB"), follow.path);
		assert_int_equal(system(command), 0);
	}
	follow_end(&follow);
}

/* What nobody comes after still reaches the disk: 100 ms, by the clock handed to store_work. */
TEST(idle_follower_commits_within_its_pause)
{
	const uint64_t pause_ns = 100000000;
	struct follow follow;
	struct store_status status;
	uint64_t last, begin_ns;

	follow_begin(&follow);
	follow.config.checkpoint_interval_ms = 3600000; /* a checkpoint commits the log too */
	follow_start(&follow, 16);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	follow_write(&follow, world_batch(follow.world, 3));
	last = ledger_shard(follow.world->ledger)->lsn;
	begin_ns = 5000000000;
	/* A turn with nothing uncommitted: the pause counts from the first event that waits. */
	assert_true(store_work(follow.store, follow.feed, follow.reader, begin_ns) >= 0);
	for (int i = 0; i < 4; i++)
		(void)store_work(follow.store, follow.feed, follow.reader, begin_ns);
	store_status(follow.store, &status);
	while (status.committed_lsn < last) {
		begin_ns += 10000000;
		assert_true(store_work(follow.store, follow.feed, follow.reader, begin_ns) >= 0);
		store_status(follow.store, &status);
		assert_true(begin_ns <= 5000000000 + 2 * pause_ns);
	}
	/* Now exactly: committed before, one small batch, then only idle turns. */
	for (int i = 0; i < 8; i++) {
		begin_ns += 10000000;
		(void)store_work(follow.store, follow.feed, follow.reader, begin_ns);
	}
	follow_write(&follow, world_batch(follow.world, 1));
	last = ledger_shard(follow.world->ledger)->lsn;
	assert_int_equal(store_work(follow.store, follow.feed, follow.reader, begin_ns + 1), 1);
	store_status(follow.store, &status);
	assert_int_equal(status.applied_lsn, last);
	assert_true(status.committed_lsn < last); /* it waits for company ... */
	(void)store_work(follow.store, follow.feed, follow.reader, begin_ns + pause_ns - 1);
	store_status(follow.store, &status);
	assert_true(status.committed_lsn < last);
	(void)store_work(follow.store, follow.feed, follow.reader, begin_ns + pause_ns + 1);
	store_status(follow.store, &status);
	assert_int_equal(status.committed_lsn, last); /* ... and no longer than the pause */
	follow_stop(&follow);
	follow_end(&follow);
}

/* One bit of the first account's balance changes, in rows as an older program left them: without
 * the state's hash beside them, which store_load would hold them against (test_restore.c). */
static void balance_flip(const char *directory)
{
	struct db_key key = db_key_make(1);
	struct record_account account;
	struct db_cursor cursor;
	uint8_t record[512];
	struct db_env *rows;
	struct db_txn txn;
	size_t size;
	int result;

	assert_int_equal(schema_rows_open(&rows, directory, 0), 0);
	assert_int_equal(db_write_begin(&txn, rows), 0);
	assert_int_equal(db_cursor_open(&cursor, &txn, SCHEMA_ACCOUNT), 0);
	assert_int_equal(db_cursor_first(&cursor), 0);
	size = cursor.value.size;
	assert_in_range(size, sizeof(account), sizeof(record));
	memcpy(record, cursor.value.data, size);
	db_cursor_close(&cursor);
	record[offsetof(struct record_account, balance) + 4] ^= 1;
	assert_int_equal(
	    db_put(&txn, SCHEMA_ACCOUNT, db_key(&key), (struct db_bytes){ record, size }), 0);
	result = db_delete(&txn, SCHEMA_META, (struct db_bytes){ "state", 5 });
	assert_true(result == 0 || result == -ENOENT); /* again and again */
	assert_int_equal(db_write_commit(&txn), 0);
	db_env_close(rows);
}

/* Nothing is replayed, so no batch that is applied would tell. */
TEST(a_bit_in_a_row_is_found_by_the_last_batch_when_nothing_is_replayed)
{
	struct journal_report journal = { 0 };
	struct store_report report;
	struct store_status status;
	struct follow follow;

	follow_begin(&follow);
	follow_start(&follow, 16);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	follow_write(&follow, world_batch(follow.world, 30));
	follow_work(&follow);
	assert_int_equal(store_checkpoint_now(follow.store), 0);
	follow_stop(&follow);
	/* Read in the caller's thread, or in one of its own. */
	for (unsigned threads = 1; threads <= 2; threads++) {
		follow.journal.recovery_ahead = threads == 1 ? 0 : 4 << 20;
		for (unsigned damaged = 0; damaged < 2; damaged++) {
			if (damaged)
				balance_flip(follow.path);
			follow.store = store_start(&follow.config, &report);
			assert_int_equal(
			    journal_recover(&follow.journal, report.checkpoint_lsn + 1,
			        report.applied_lsn, follow_apply, follow.store, &journal),
			    0);
			assert_int_equal(journal.events, 0);
			assert_int_equal(
			    journal.state_lsn, ledger_shard(follow.world->ledger)->lsn);
			assert_int_equal(
			    store_check_state(follow.store, journal.state_lsn, journal.state_hash),
			    damaged ? -EBADMSG : 0);
			store_status(follow.store, &status);
			assert_int_equal(status.divergences, damaged);
			assert_int_equal(store_commit(follow.store), damaged ? -EBADMSG : 0);
			store_close(follow.store);
		}
		balance_flip(follow.path); /* back */
	}
	follow_end(&follow);
}

TEST_MAIN()

/*
 * A commit takes as long as the disk takes to sync, so one of two blocks at a time never caught up
 * where that was long: commits grow with what the follower is behind, and shrink again.
 */
TEST(commits_are_larger_the_further_the_follower_is_behind)
{
	const uint64_t far = 80000, now_ns = 5000000000;
	uint64_t first, last, bytes = 0, committed, steps_far = 0;
	struct follow follow;
	struct store_status status;

	follow_begin(&follow);
	follow.config.checkpoint_interval_ms = 3600000; /* a checkpoint commits the log too */
	follow.journal.segments_max = 256;
	follow_start(&follow, 16);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	follow_work(&follow);
	first = last = ledger_shard(follow.world->ledger)->lsn;
	while (last < first + far) {
		const struct world_batch *batch = world_batch(follow.world, 500);

		bytes += le32_get(batch->header.body_length);
		follow_write(&follow, batch);
		last = ledger_shard(follow.world->ledger)->lsn;
	}
	/* This one is due by time; then the clock stands still, and nothing is. */
	(void)store_work(follow.store, follow.feed, follow.reader, now_ns);
	store_status(follow.store, &status);
	committed = status.committed_lsn;
	while (status.applied_lsn < last) {
		assert_int_equal(store_work(follow.store, follow.feed, follow.reader, now_ns), 1);
		store_status(follow.store, &status);
		if (status.committed_lsn == committed)
			continue;
		/* 64 Ki behind: four blocks of 64 KiB at least. */
		if (last - status.applied_lsn > 65536) {
			assert_true((status.committed_lsn - committed) * bytes / (last - first) >
			            3 * 65536);
			steps_far++;
		}
		committed = status.committed_lsn;
	}
	assert_true(steps_far > 2);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	follow_stop(&follow);
	follow_end(&follow);
}

/* What ends a turn's taking: 200 events and the batch that they end in, or 8,000 in a hurry. */
TEST(a_turn_takes_little_unless_the_journal_runs_out_of_segments)
{
	static const struct {
		int hurry;
		uint64_t least, most;
	} cases[] = { { 0, 200, 249 }, { 1, 8000, 8049 }, { 0, 200, 249 } };
	struct follow follow;
	struct store_status status;

	follow_begin(&follow);
	follow.config.checkpoint_interval_ms = 3600000;
	follow.journal.segments_max = 256;
	follow_start(&follow, 16);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	follow_work(&follow);
	for (int i = 0; i < 200; i++)
		follow_write(&follow, world_batch(follow.world, 50));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint64_t before;

		store_status(follow.store, &status);
		before = status.applied_lsn;
		store_hurry(follow.store, cases[i].hurry);
		assert_int_equal(
		    store_work(follow.store, follow.feed, follow.reader, 5000000000), 1);
		store_status(follow.store, &status);
		assert_in_range(status.applied_lsn - before, cases[i].least, cases[i].most);
	}
	follow_work(&follow);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	follow_stop(&follow);
	follow_end(&follow);
}

/* A cycle that takes long is not begun again at once: four times what it took, 2 s at most, and no
 * more once nothing was left to write. */
TEST(checkpoints_leave_time_between_them)
{
	static const struct {
		uint64_t turn_ns, cycles;
	} cases[] = { { 10000000, 4 }, { 20000000, 4 }, { 3000000000, 0 } };
	struct follow follow;
	struct checkpoint *checkpoint;
	uint64_t pause_ns;

	follow_begin(&follow);
	follow.now = 1000000000;
	follow_start(&follow, 16);
	checkpoint = &follow.store->checkpoint;
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		follow_write(&follow, world_batch(follow.world, 10));
		do {
			follow.now += cases[i].turn_ns;
			assert_true(
			    store_work(follow.store, follow.feed, follow.reader, follow.now) >= 0);
		} while (checkpoint->phase != CHECKPOINT_IDLE ||
		         checkpoint->lsn < ledger_shard(store_ledger(follow.store))->lsn);
		assert_true(checkpoint->cycle_ns >= cases[i].turn_ns);
		pause_ns = cases[i].cycles == 0 ? 2000000000 : 4 * checkpoint->cycle_ns;
		follow_write(&follow, world_batch(follow.world, 10));
		follow.now = checkpoint->finished_ns + pause_ns - 1;
		assert_true(store_work(follow.store, follow.feed, follow.reader, follow.now) >= 0);
		assert_int_equal(checkpoint->phase, CHECKPOINT_IDLE);
		follow.now += 2;
		assert_true(store_work(follow.store, follow.feed, follow.reader, follow.now) >= 0);
		assert_int_not_equal(checkpoint->phase, CHECKPOINT_IDLE);
	}
	for (int i = 0; i < 100; i++) {
		follow.now += 3000000000;
		assert_true(store_work(follow.store, follow.feed, follow.reader, follow.now) >= 0);
	}
	assert_int_equal(checkpoint->phase, CHECKPOINT_IDLE);
	assert_int_equal(checkpoint->cycle_ns, 0);
	follow_stop(&follow);
	follow_end(&follow);
}
