/* SPDX-License-Identifier: Apache-2.0 */
/* The record of the last known cursors: what comes back, and what is not believed. */
#include <errno.h>

#include "control/replication/replication_internal.h"
#include "tests/test.h"

static struct record_control_replication sample(void)
{
	struct position position = { .change_sequence = 7 };

	position.shards[0].incarnation = 1000;
	position.shards[0].lsn = 123456789012345ull;
	position.shards[LIMIT_SHARDS - 1].incarnation = UINT64_MAX;
	position.shards[LIMIT_SHARDS - 1].lsn = UINT64_MAX;
	return record_control_replication_make(&position, 99);
}

static int read_bytes(const void *bytes, size_t size, struct position *position)
{
	uint64_t connection;

	return record_control_replication_read(
	    (struct db_bytes){ bytes, size }, position, &connection);
}

TEST(a_position_comes_back_as_it_was_kept)
{
	struct record_control_replication record = sample();
	struct position position;
	uint64_t connection;

	assert_int_equal(record_control_replication_read(
	                     (struct db_bytes){ &record, sizeof(record) }, &position, &connection),
	    0);
	assert_int_equal(connection, 99);
	assert_int_equal(position.change_sequence, 7);
	assert_int_equal(position.shards[0].incarnation, 1000);
	assert_int_equal(position.shards[0].lsn, 123456789012345ull);
	assert_int_equal(position.shards[1].incarnation, 0);
	assert_int_equal(position.shards[LIMIT_SHARDS - 1].incarnation, UINT64_MAX);
}

TEST(sizes_kinds_versions_and_reserved_bytes_that_do_not_fit_are_refused)
{
	struct record_control_replication record = sample();
	struct position position = { .change_sequence = 42 };

	for (size_t size = 0; size < sizeof(record); size++) {
		uint8_t *cut = malloc(size + (size == 0)); /* the sanitizer sees a read behind */

		memcpy(cut, &record, size);
		assert_int_equal(read_bytes(cut, size, &position), -EBADMSG);
		free(cut);
	}
	/* Every single bit of the header counts. */
	for (size_t bit = 0; bit < sizeof(record.header) * 8; bit++) {
		uint8_t bytes[sizeof(record)];

		memcpy(bytes, &record, sizeof(record));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(read_bytes(bytes, sizeof(bytes), &position), -EBADMSG);
	}
	record.shards[1].lsn = le64_make(1); /* of no incarnation */
	assert_int_equal(read_bytes(&record, sizeof(record), &position), -EBADMSG);
	assert_int_equal(position.change_sequence, 42); /* nothing was written */
}

TEST_MAIN()
