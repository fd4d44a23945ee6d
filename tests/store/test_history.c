/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/schema.h"
#include "tests/store/fixture.h"

/* Every request of every terminal, looked up by id, is the event that holds it. */
static void assert_all_requests(struct world *world, struct log_history *history)
{
	for (uint64_t terminal = 1; terminal <= WORLD_TERMINALS; terminal++) {
		for (uint64_t id = 1; id < world->next_request[terminal - 1]; id++) {
			struct event_buffer event;
			struct event_record record;

			if (log_history_request(history, terminal, id, &event) <= 0)
				fail_msg("terminal %llu request %llu", (unsigned long long)terminal,
				    (unsigned long long)id);
			memcpy(&record, event.bytes, sizeof(record));
			assert_int_equal(le64_get(record.terminal_id), terminal);
			assert_int_equal(le64_get(record.request_id), id);
		}
	}
}

TEST(look_ups_follow_rotation_in_a_running_store)
{
	struct world *world = world_create(test_seed());
	struct log_history *history;
	struct store_report report;
	struct store_config config;
	struct event_buffer event;
	struct store *store;
	uint64_t *list = NULL;
	char path[64];

	directory_make(path);
	config = store_config_of(world, path);
	config.log_rotate_size = 400000;
	store = store_start(&config, &report);
	assert_int_equal(log_history_open(&history, path, 0), 0);
	assert_int_equal(log_history_event(history, 1, &event), -ENOENT);
	world_provision(world);
	assert_int_equal(world_store(store, world_close(world)), 0);
	for (int i = 0; i < 120; i++) {
		assert_int_equal(world_store(store, world_batch(world, 60)), 0);
		if (i % 5 == 4)
			assert_int_equal(store_commit(store), 0);
		if (i % 40 == 39)
			assert_all_requests(world, history);
	}
	assert_true(schema_log_list(path, &list) > 2);
	assert_int_equal(list[0], 1);
	free(list);
	assert_int_equal(log_history_request(history, 1, world->next_request[0], &event), -ENOENT);
	assert_int_equal(log_history_request(history, 99, 1, &event), -ENOENT);
	assert_int_equal(log_history_event(history, 0, &event), -ENOENT);
	store_close(store);
	assert_all_requests(world, history); /* environments stay open for the reader */
	log_history_close(history);
	directory_remove(path);
	world_free(world);
}

TEST(retired_logs_are_unlinked_and_not_found)
{
	struct world *world = world_create(5);
	struct log_history *history;
	struct store_report report;
	struct store_config config;
	struct event_buffer event;
	struct store *store;
	uint64_t *list = NULL, last;
	char path[64];

	directory_make(path);
	config = store_config_of(world, path);
	config.log_rotate_size = 300000;
	config.log_keep_size = 1000000;
	store = store_start(&config, &report);
	world_provision(world);
	assert_int_equal(world_store(store, world_close(world)), 0);
	assert_int_equal(log_history_open(&history, path, 0), 0);
	for (int i = 0; i < 150; i++) {
		assert_int_equal(world_store(store, world_batch(world, 60)), 0);
		assert_int_equal(store_commit(store), 0);
		if (i % 10 == 9)
			assert_int_equal(store_checkpoint_now(store), 0);
	}
	assert_true(schema_log_list(path, &list) > 0);
	assert_true(list[0] > 1);
	last = ledger_shard(world->ledger)->lsn;
	assert_true(log_history_event(history, last, &event) > 0);
	assert_true(log_history_event(history, list[0], &event) > 0);
	log_history_close(history);
	assert_int_equal(log_history_open(&history, path, 0), 0);
	assert_int_equal(log_history_event(history, list[0] - 1, &event), -ENOENT);
	free(list);
	log_history_close(history);
	store_close(store);
	store = store_start(&config, &report);
	assert_int_equal(report.applied_lsn, last);
	store_close(store);
	directory_remove(path);
	world_free(world);
}

TEST_MAIN()
