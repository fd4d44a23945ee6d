/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <stdlib.h>

#include "lmdb-schema/log.h"
#include "lmdb-schema/schema.h"
#include "tests/test.h"

#define EVENTS 5u

static size_t block_make(uint8_t *block, uint64_t first_lsn)
{
	struct event_record record = { .length = le16_make(sizeof(record)) };
	uint32_t length = 0;

	for (uint32_t i = 0; i < EVENTS; i++) {
		record.lsn = le64_make(first_lsn + i);
		memcpy(block + sizeof(struct log_block_header) + length, &record, sizeof(record));
		length += (uint32_t)sizeof(record);
	}
	log_block_seal(block, EVENTS, length);
	return sizeof(struct log_block_header) + length;
}

static int walk_all(const uint8_t *block, size_t size, uint64_t first_lsn, int check_sum)
{
	struct db_key key = db_key_make(first_lsn);
	struct log_walk walk;
	struct db_bytes event;
	int result =
	    log_walk_begin(&walk, db_key(&key), (struct db_bytes){ block, size }, check_sum);
	int count = 0;

	if (result != 0)
		return result;
	while ((result = log_walk_next(&walk, &event)) == 1)
		count++;
	return result < 0 ? result : count;
}

TEST(block_is_walked_and_every_flipped_byte_is_noticed)
{
	uint8_t block[1024];
	size_t size = block_make(block, 100);

	assert_int_equal(walk_all(block, size, 100, 1), EVENTS);
	assert_int_equal(walk_all(block, size, 101, 1), -EBADMSG);
	for (size_t i = 0; i < size; i++) {
		block[i] ^= 0x10;
		assert_case_equal(i, walk_all(block, size, 100, 1), -EBADMSG);
		block[i] ^= 0x10;
	}
	for (size_t shorter = 0; shorter < size; shorter++)
		assert_case_equal(shorter, walk_all(block, shorter, 100, 0), -EBADMSG);
}

TEST(block_of_any_bytes_never_leaves_its_bounds)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 50000; i++) {
		uint8_t *block = malloc(1024); /* exact size: a sanitizer sees any byte too far */
		size_t size = block_make(block, 1);

		for (uint64_t n = 1 + test_random(&random) % 6; n > 0; n--)
			block[test_random(&random) % size] = (uint8_t)test_random(&random);
		size -= test_random(&random) % size;
		block = realloc(block, size);
		(void)walk_all(block, size, 1, 0);
		free(block);
	}
}

static int block_put(struct db_txn *txn, void *context)
{
	uint8_t block[sizeof(struct log_block_header) + EVENTS * sizeof(struct event_record)];
	const uint64_t *first_lsn = context;
	struct db_key key = db_key_make(*first_lsn);
	size_t size = block_make(block, *first_lsn);

	return db_put(txn, SCHEMA_BLOCK, db_key(&key), (struct db_bytes){ block, size });
}

static int block_break(struct db_txn *txn, void *context)
{
	const uint64_t *first_lsn = context;
	struct db_key key = db_key_make(*first_lsn);

	return db_put(txn, SCHEMA_BLOCK, db_key(&key), (struct db_bytes){ "short", 5 });
}

TEST(an_environment_ends_at_its_last_event_or_before_its_first)
{
	char path[] = "/tmp/sluice-log-XXXXXX", command[64];
	uint64_t first = 100, last = 0, next = first + EVENTS, behind = next + EVENTS;
	struct db_env *env;

	assert_non_null(mkdtemp(path));
	assert_int_equal(schema_log_open(&env, path, first, 0), 0);
	assert_int_equal(log_env_last(env, first, &last), 0);
	assert_int_equal(last, first - 1);
	assert_int_equal(db_write(env, block_put, &first), 0);
	assert_int_equal(log_env_last(env, first, &last), 0);
	assert_int_equal(last, first + EVENTS - 1);
	assert_int_equal(db_write(env, block_put, &next), 0);
	assert_int_equal(log_env_last(env, first, &last), 0);
	assert_int_equal(last, next + EVENTS - 1);
	assert_int_equal(db_write(env, block_break, &behind), 0);
	assert_int_equal(log_env_last(env, first, &last), -EBADMSG);
	db_env_close(env);
	snprintf(command, sizeof(command), "rm -r '%s'", path);
	assert_int_equal(system(command), 0);
}

TEST_MAIN()
