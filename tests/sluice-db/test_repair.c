/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair --rebuild-index over four shards: the damaged index of one is made anew from its events,
 * and finds every request again; nothing else is touched. Damaged events stand against it.
 */
#include <errno.h>
#include <inttypes.h>

#include "lmdb-schema/history.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/schema.h"
#include "tests/sluice-db/backup.h"

#define STEPS 3000

/* A record of the table with one byte of it changed. */
static int change_body(struct db_txn *txn, void *context)
{
	static uint8_t copy[LIMIT_LOG_BLOCK_SIZE + LOG_RUN_ENTRIES_MAX * 24];
	enum schema_log_table table = *(const enum schema_log_table *)context;
	struct db_cursor cursor;
	uint64_t number;
	struct db_key key;
	size_t size;

	if (table == SCHEMA_RUN)
		assert_int_equal(log_index_complete(txn), 0);
	assert_int_equal(db_cursor_open(&cursor, txn, table), 0);
	assert_int_equal(db_cursor_first(&cursor), 0);
	assert_int_equal(db_key_number(cursor.key, &number), 0);
	size = cursor.value.size;
	assert_true(size <= sizeof(copy));
	memcpy(copy, cursor.value.data, size);
	db_cursor_close(&cursor);
	copy[size / 2] ^= 1;
	key = db_key_make(number);
	return db_put(txn, table, db_key(&key), (struct db_bytes){ copy, size });
}

static void change(const char *root, uint32_t shard, enum schema_log_table table)
{
	struct db_env *env;
	char path[160];

	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root, shard);
	assert_int_equal(schema_log_open(&env, path, 1, 0), 0);
	assert_int_equal(db_write(env, change_body, &table), 0);
	db_env_close(env);
}

/* Every request of the log, and every id that was fenced, is found. Their number. */
static unsigned all_found(const struct shards *shards, const char *root, uint32_t shard)
{
	struct log_history *history;
	struct event_buffer event;
	unsigned count = 0;
	char path[160];

	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root, shard);
	assert_int_equal(log_history_open(&history, path, shard), 0);
	for (uint64_t lsn = 1; lsn <= root_last(shards, shard); lsn++) {
		struct event_record record = shards_record(shards, shard, lsn);
		uint64_t terminal = le64_get(record.terminal_id);

		if (terminal == 0 || le64_get(record.request_id) == 0)
			continue;
		assert_true(log_history_request(
		                history, terminal, le64_get(record.request_id), &event) > 0);
		count++;
		if (le16_get(record.code) == WIRE_CODE_FENCED_NOW)
			assert_true(log_history_fence(
			                history, terminal, le64_get(record.object_id), &event) > 0);
	}
	log_history_close(history);
	return count;
}

static int reports(const char *root, uint32_t shard)
{
	char command[200];

	snprintf(command, sizeof(command),
	    "test $(ls '%s/var/lib/sluice/shard-%u' | grep -c repair-index) = 1", root, shard);
	return system(command) == 0;
}

TEST(a_damaged_index_is_made_anew_from_the_events)
{
	struct shards *shards = stream_make(3, STEPS);
	char root[64], said[1024], arguments[200];
	json_t *answer, *environment;

	root_make(root);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		(void)root_shard_write(shards, shard, root, root_last(shards, shard), 2, NULL);
	change(root, 2, SCHEMA_RUN);
	assert_int_equal(say_run(said, "verify --root '%s' --transit-max 999999999", root), 1);
	assert_non_null(strstr(said, "shard 2, LSN 1: log: its index of requests is damaged"));
	assert_non_null(strstr(said, "--rebuild-index"));
	assert_int_equal(say_run(said, "repair --root '%s' --rebuild-index", root), 2);
	assert_non_null(strstr(said, "one shard at a time"));

	snprintf(arguments, sizeof(arguments),
	    "repair --root '%s' --shard 2 --rebuild-index --json", root);
	assert_int_equal(root_run(arguments, &answer), 0);
	assert_string_equal(text_of(answer, "state"), "done");
	environment = json_array_get(json_object_get(answer, "environments"), 0);
	assert_true(json_is_true(json_object_get(environment, "was_damaged")));
	assert_int_equal(
	    json_integer_value(json_object_get(environment, "last_lsn")), root_last(shards, 2));
	json_decref(answer);
	assert_true(reports(root, 2));
	assert_true(!reports(root, 1));
	must_run("verify --root '%s' --transit-max 999999999", root);
	assert_true(all_found(shards, root, 2) > 50);

	/* One that was whole is the same again; what is damaged itself gives none. */
	must_run("repair --root '%s' --shard 1 --rebuild-index", root);
	assert_true(all_found(shards, root, 1) > 50);
	change(root, 3, SCHEMA_BLOCK);
	assert_int_equal(say_run(said, "repair --root '%s' --shard 3 --rebuild-index", root), 1);
	assert_non_null(strstr(said, "events are damaged too"));
	root_remove(root);
	shards_free(shards);
}

TEST_MAIN()
