/* SPDX-License-Identifier: Apache-2.0 */
#include "control/database/database.h"

#include <errno.h>
#include <string.h>

#include "tests/control/temporary.h"

TEST(another_deployment_is_refused_with_both_names)
{
	struct database *other = NULL;
	struct temporary at;
	char message[256];

	temporary_begin(&at);
	assert_int_equal(
	    database_open(&other, at.path, "elsewhere", message, sizeof(message)), -EBADMSG);
	assert_non_null(strstr(message, "test"));
	assert_non_null(strstr(message, "elsewhere"));
	assert_null(other);
	temporary_end(&at);
}

static int put_body(struct db_txn *txn, void *argument)
{
	const uint64_t *id = argument;
	struct db_key key = db_key_make(*id);
	char value[] = "value";
	int error = database_put(
	    txn, CONTROL_TABLE_MARKET, db_key(&key), (struct db_bytes){ value, sizeof(value) });

	/* Not replicated: leaves no change. */
	if (error == 0)
		error = database_put(txn, CONTROL_TABLE_SLOT, db_key(&key),
		    (struct db_bytes){ value, sizeof(value) });
	return error;
}

static int delete_body(struct db_txn *txn, void *argument)
{
	const uint64_t *id = argument;
	struct db_key key = db_key_make(*id);

	return database_delete(txn, CONTROL_TABLE_MARKET, db_key(&key));
}

static int changes_body(struct db_txn *txn, void *argument)
{
	struct db_cursor cursor;
	uint64_t number = 0;

	(void)argument;
	assert_int_equal(db_cursor_open(&cursor, txn, CONTROL_TABLE_CHANGE), 0);
	for (int error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_change change;
		struct db_bytes key, value;
		uint64_t id;

		assert_int_equal(
		    record_control_change_read(cursor.value, &change, &key, &value), 0);
		assert_int_equal(le64_get(change.sequence), ++number);
		assert_int_equal(change.table, CONTROL_TABLE_MARKET);
		assert_int_equal(db_key_number(key, &id), 0);
		assert_int_equal(id, 12);
		if (number == 1)
			assert_string_equal(value.data, "value");
		else
			assert_int_equal(le32_get(change.value_length), UINT32_MAX);
	}
	db_cursor_close(&cursor);
	assert_int_equal(number, 2);
	return 0;
}

TEST(every_change_of_a_replicated_table_is_noted_in_order)
{
	struct temporary at;
	uint64_t id = 12;

	temporary_begin(&at);
	assert_int_equal(database_write(at.database, put_body, &id), 0);
	assert_int_equal(database_write(at.database, delete_body, &id), 0);
	temporary_again(&at);
	assert_int_equal(database_read(at.database, changes_body, NULL), 0);
	temporary_end(&at);
}

/* 200 KiB, twice: the map of 64 MiB must grow. */
static int large_body(struct db_txn *txn, void *argument)
{
	static uint8_t value[200u << 10];
	const uint64_t *id = argument;
	struct db_key key = db_key_make(*id);

	return database_put(
	    txn, CONTROL_TABLE_COMMAND, db_key(&key), (struct db_bytes){ value, sizeof(value) });
}

static int last_change_body(struct db_txn *txn, void *last)
{
	return database_last(txn, CONTROL_TABLE_CHANGE, last);
}

TEST(a_full_map_grows_and_nothing_is_noted_twice)
{
	struct temporary at;
	uint64_t last = 0;

	temporary_begin(&at);
	for (uint64_t id = 1; id <= 400; id++)
		assert_int_equal(database_write(at.database, large_body, &id), 0);
	assert_int_equal(database_read(at.database, last_change_body, &last), 0);
	assert_int_equal(last, 400);
	temporary_end(&at);
}

static int several_body(struct db_txn *txn, void *argument)
{
	uint64_t *next = argument;
	int error = 0;

	for (unsigned i = 0; i < 50 && error == 0; i++) {
		uint64_t id = *next * 50 + i;

		error = put_body(txn, &id);
	}
	return error;
}

static int times_body(struct db_txn *txn, void *argument)
{
	struct db_bytes value;
	struct db_cursor cursor;
	uint64_t count = 0, before = 0;
	struct le64 first;

	(void)argument;
	assert_int_equal(
	    db_get(txn, CONTROL_TABLE_META,
	        (struct db_bytes){ CONTROL_CHANGE_TIMES, strlen(CONTROL_CHANGE_TIMES) }, &value),
	    0);
	assert_int_equal(value.size, sizeof(first));
	memcpy(&first, value.data, sizeof(first));
	assert_int_equal(le64_get(first), 1);
	assert_int_equal(db_cursor_open(&cursor, txn, CONTROL_TABLE_CHANGE), 0);
	for (int error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_change change;
		struct db_bytes key, whole;

		assert_int_equal(
		    record_control_change_read(cursor.value, &change, &key, &whole), 0);
		if (count++ % 50 == 0)
			assert_true(le64_get(change.time_ns) > before);
		else
			assert_int_equal(le64_get(change.time_ns), before);
		before = le64_get(change.time_ns);
	}
	db_cursor_close(&cursor);
	assert_int_equal(count, 150);
	return 0;
}

/* A restore to a time falls between two transactions, never into one. */
TEST(all_changes_of_a_transaction_have_one_time)
{
	struct temporary at;

	temporary_begin(&at);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(database_write(at.database, several_body, &i), 0);
	assert_int_equal(database_read(at.database, times_body, NULL), 0);
	temporary_end(&at);
}

TEST_MAIN()
