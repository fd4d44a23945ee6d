/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/schema.h"
#include "tests/store/fixture.h"

/* No feed, no files: work on checkpoints and commits only. */
static struct journal_feed *idle_feed(void)
{
	struct journal_feed *feed = NULL;

	assert_int_equal(journal_feed_create(&feed, 64, 2), 0);
	return feed;
}

static void assert_same_state(struct world *world, struct store *store)
{
	assert_int_equal(ledger_shard(store_ledger(store))->lsn, ledger_shard(world->ledger)->lsn);
	assert_true(store_hash(store) == ledger_state_hash(world->ledger));
}

TEST(apply_commit_checkpoint_reopen_is_the_same_state)
{
	struct world *world = world_create(test_seed());
	struct store_report report;
	struct store_config config;
	struct store_status status;
	struct store *store;
	char path[64];

	directory_make(path);
	config = store_config_of(world, path);
	store = store_start(&config, &report);
	assert_int_equal(report.applied_lsn, 0);
	assert_int_equal(report.schema_version, SCHEMA_VERSION);
	world_provision(world);
	assert_int_equal(world_store(store, world_close(world)), 0);
	for (int i = 0; i < 30; i++)
		assert_int_equal(world_store(store, world_batch(world, 100)), 0);
	assert_same_state(world, store);
	assert_int_equal(store_checkpoint_now(store), 0);
	store_status(store, &status);
	assert_int_equal(status.checkpoint_lsn, ledger_shard(world->ledger)->lsn);
	assert_int_equal(status.committed_lsn, status.applied_lsn);
	assert_int_equal(status.divergences, 0);
	store_close(store);

	store = store_start(&config, &report);
	assert_int_equal(report.checkpoint_lsn, ledger_shard(world->ledger)->lsn);
	assert_int_equal(report.applied_lsn, report.checkpoint_lsn);
	assert_int_equal(report.incarnation, 77);
	assert_same_state(world, store);
	/* And it goes on. */
	assert_int_equal(world_store(store, world_batch(world, 50)), 0);
	assert_same_state(world, store);
	store_close(store);
	directory_remove(path);
	world_free(world);
}

TEST(kill_at_any_moment_then_replay_from_the_checkpoint_is_the_same_state)
{
	struct world *world = world_create(test_seed());
	struct journal_feed *feed = idle_feed();
	struct store_report report;
	struct store_config config, killed;
	struct store *store;
	char path[64], copy[64];
	uint64_t now = 0;
	unsigned fuzzy = 0;

	directory_make(path);
	config = killed = store_config_of(world, path);
	config.log_rotate_size = 600000;
	store = store_provisioned(world, &config, &report);
	for (int i = 0; i < 400; i++) {
		uint64_t events = 1 + test_random(&world->random) % 60;
		struct store *second;

		assert_int_equal(world_store(store, world_batch(world, (unsigned)events)), 0);
		now += test_random(&world->random) % 40000000;
		for (uint64_t turns = test_random(&world->random) % 6; turns > 0; turns--)
			assert_true(store_work(store, feed, NULL, now) >= 0);
		if (i % 25 != 24)
			continue;
		directory_make(copy);
		directory_copy(path, copy);
		killed.directory = copy;
		second = store_start(&killed, &report);
		assert_true(report.checkpoint_lsn <= report.applied_lsn);
		assert_true(report.applied_lsn <= ledger_shard(world->ledger)->lsn);
		fuzzy += report.applied_lsn > report.checkpoint_lsn && report.checkpoint_lsn > 0;
		world_replay(world, second, report.checkpoint_lsn, world->batch_count);
		assert_same_state(world, second);
		assert_int_equal(store_checkpoint_now(second), 0);
		store_close(second);
		second = store_start(&killed, &report);
		assert_same_state(world, second);
		store_close(second);
		directory_remove(copy);
	}
	assert_true(fuzzy > 0);
	assert_true(world->cancelled > 0);
	store_close(store);
	journal_feed_free(feed);
	directory_remove(path);
	world_free(world);
}

TEST(divergence_is_counted_and_stops_the_store)
{
	struct world *world = world_create(1);
	struct journal_feed *feed = idle_feed();
	struct store_report report;
	struct store_status status;
	struct store_config config;
	struct world_batch wrong;
	struct store *store;
	uint64_t before;
	char path[64];

	directory_make(path);
	config = store_config_of(world, path);
	store = store_provisioned(world, &config, &report);
	assert_int_equal(store_checkpoint_now(store), 0);
	before = store_checkpoint_lsn(store);
	wrong = *world_batch(world, 5);
	wrong.header.state_hash.raw ^= 1;
	assert_int_equal(world_store(store, &wrong), -EBADMSG);
	store_status(store, &status);
	assert_int_equal(status.divergences, 1);
	assert_int_equal(store_work(store, feed, NULL, 10000000000), -EBADMSG);
	assert_int_equal(store_checkpoint_now(store), -EBADMSG);
	assert_int_equal(store_checkpoint_lsn(store), before);
	store_close(store);
	journal_feed_free(feed);
	directory_remove(path);
	world_free(world);
}

TEST(gap_and_foreign_journal_are_refused)
{
	struct world *world = world_create(2);
	struct store_report report;
	struct store_config config;
	struct world_batch foreign;
	struct store *store;
	char path[64];

	directory_make(path);
	config = store_config_of(world, path);
	store = store_provisioned(world, &config, &report);
	assert_int_equal(store_commit(store), 0);
	(void)world_batch(world, 3);
	assert_int_equal(world_store(store, world_batch(world, 3)), -EBADMSG);
	store_close(store);

	store = store_start(&config, &report);
	foreign = world->batches[0];
	assert_int_equal(world_store(store, &foreign), 0);
	foreign = world->batches[1];
	foreign.header.incarnation = le64_make(78);
	assert_int_equal(world_store(store, &foreign), -EBADMSG);
	store_close(store);
	directory_remove(path);
	world_free(world);
}

TEST(partial_block_is_committed_and_extended)
{
	struct world *world = world_create(3);
	struct journal_feed *feed = idle_feed();
	struct log_history *history;
	struct store_report report;
	struct store_config config;
	struct store_status status;
	struct event_buffer event;
	struct store *store;
	uint64_t last;
	char path[64];

	directory_make(path);
	config = store_config_of(world, path);
	config.checkpoint_interval_ms = 1000000;
	store = store_provisioned(world, &config, &report);
	assert_true(store_work(store, feed, NULL, 1000) >= 0);
	store_status(store, &status);
	assert_int_equal(status.committed_lsn, 0);
	assert_int_equal(store_work(store, feed, NULL, 1000 + 100000000), 1);
	store_status(store, &status);
	last = ledger_shard(world->ledger)->lsn;
	assert_int_equal(status.committed_lsn, last);
	assert_int_equal(log_history_open(&history, path, 0), 0);
	assert_true(log_history_event(history, last, &event) > 0);
	assert_int_equal(log_history_event(history, last + 1, &event), -ENOENT);
	/* Over the end of the block, by many partial commits. */
	for (int i = 0; i < 300; i++) {
		assert_int_equal(world_store(store, world_batch(world, 7)), 0);
		assert_int_equal(store_commit(store), 0);
		if (i % 100 == 50) {
			store_close(store);
			store = store_start(&config, &report);
			assert_int_equal(report.applied_lsn, ledger_shard(world->ledger)->lsn);
			world_replay(world, store, 0, world->batch_count);
		}
	}
	last = ledger_shard(world->ledger)->lsn;
	for (uint64_t lsn = 1; lsn <= last; lsn++) {
		struct event_record record;

		assert_true(log_history_event(history, lsn, &event) > 0);
		memcpy(&record, event.bytes, sizeof(record));
		assert_int_equal(le64_get(record.lsn), lsn);
	}
	log_history_close(history);
	store_close(store);
	journal_feed_free(feed);
	directory_remove(path);
	world_free(world);
}

static void version_write(const char *path, uint8_t version)
{
	const uint8_t bytes[4] = { version };
	struct db_env *env;
	struct db_txn txn;

	assert_int_equal(schema_rows_open(&env, path, 0), 0);
	assert_int_equal(db_write_begin(&txn, env), 0);
	assert_int_equal(db_put(&txn, SCHEMA_META, (struct db_bytes){ "version", 7 },
	                     (struct db_bytes){ bytes, sizeof(bytes) }),
	    0);
	assert_int_equal(db_write_commit(&txn), 0);
	db_env_close(env);
}

TEST(other_schema_other_shard_and_lost_log_are_refused_with_a_reason)
{
	struct world *world = world_create(4);
	struct store_report report;
	struct store_config config, other;
	struct store *store = NULL;
	uint64_t *list;
	char path[64];

	directory_make(path);
	config = other = store_config_of(world, path);
	store = store_provisioned(world, &config, &report);
	assert_int_equal(store_checkpoint_now(store), 0);
	store_close(store);

	other.ledger.shard_count = 2;
	assert_int_equal(store_open(&store, &other, &report), -EINVAL);
	assert_non_null(strstr(report.message, "another shard count"));
	/* Directories of two shards were exchanged: nothing to begin anew for. */
	other = config;
	other.shard = other.ledger.shard = 1;
	assert_int_equal(store_open(&store, &other, &report), -EINVAL);
	assert_non_null(strstr(report.message, "the rows of shard 0, not of shard 1"));
	assert_null(strstr(report.message, "--wipe"));

	assert_int_equal(schema_log_list(path, &list), 1);
	assert_int_equal(schema_log_remove(path, list[0]), 0);
	free(list);
	assert_int_equal(store_open(&store, &config, &report), -EBADMSG);
	assert_non_null(strstr(report.message, "log ends at"));

	version_write(path, SCHEMA_VERSION + 1);
	assert_int_equal(store_open(&store, &config, &report), -EPROTO);
	assert_non_null(strstr(report.message, "newer"));
	version_write(path, SCHEMA_VERSION_FIRST - 1);
	assert_int_equal(store_open(&store, &config, &report), -EPROTO);
	assert_non_null(strstr(report.message, "older program"));
	assert_non_null(strstr(report.message, "Begin anew"));
	directory_remove(path);
	world_free(world);
}

TEST_MAIN()
