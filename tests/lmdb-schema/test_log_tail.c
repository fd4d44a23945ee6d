/* SPDX-License-Identifier: Apache-2.0 */
/* A reader behind a writer: partial blocks that grow, rotation, retirement, damage. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/log_tail.h"
#include "lmdb-schema/schema.h"
#include "tests/store/fixture.h"

struct bed {
	char path[64];
	struct world *world;
	struct store *store;
	struct log_tail *tail;
	uint64_t next; /* LSN expected */
};

static void bed_open(struct bed *bed, uint64_t rotate_size)
{
	struct store_config config;
	struct store_report report;

	memset(bed, 0, sizeof(*bed));
	bed->world = world_create(test_seed());
	directory_make(bed->path);
	config = store_config_of(bed->world, bed->path);
	config.log_rotate_size = rotate_size;
	bed->store = store_start(&config, &report);
	assert_int_equal(log_tail_open(&bed->tail, bed->path, 1), 0);
	bed->next = 1;
	world_provision(bed->world);
}

static void bed_close(struct bed *bed)
{
	log_tail_close(bed->tail);
	store_close(bed->store);
	directory_remove(bed->path);
	world_free(bed->world);
}

static void bed_write(struct bed *bed, unsigned events)
{
	assert_int_equal(world_store(bed->store, world_batch(bed->world, events)), 0);
	assert_int_equal(store_commit(bed->store), 0);
}

/* Reads to the end; every event is there once, in order. */
static void bed_read(struct bed *bed)
{
	struct log_tail_piece piece;
	int result;

	while ((result = log_tail_next(bed->tail, &piece)) == 1) {
		const uint8_t *at = piece.events;

		assert_int_equal(piece.first_lsn, bed->next);
		for (; bed->next <= piece.last_lsn; bed->next++) {
			struct event_record record;

			memcpy(&record, at, sizeof(record));
			assert_int_equal(le64_get(record.lsn), bed->next);
			at += le16_get(record.length);
		}
		assert_int_equal(at - piece.events, piece.size);
	}
	assert_int_equal(result, 0);
	assert_int_equal(bed->next - 1, ledger_shard(bed->world->ledger)->lsn);
}

TEST(an_empty_log_has_nothing_yet)
{
	struct log_tail_piece piece;
	struct log_tail *tail;
	uint64_t first, last;
	char path[64];

	directory_make(path);
	assert_int_equal(log_tail_open(&tail, path, 1), 0);
	assert_int_equal(log_tail_next(tail, &piece), 0);
	assert_int_equal(log_tail_range(tail, &first, &last), -ENOENT);
	log_tail_close(tail);
	directory_remove(path);
}

TEST(a_block_that_grows_is_read_piece_by_piece)
{
	struct bed bed;

	bed_open(&bed, 0);
	for (unsigned i = 0; i < 60; i++) {
		bed_write(&bed, 1 + i);
		bed_read(&bed);
	}
	bed_close(&bed);
}

TEST(reading_follows_rotation)
{
	uint64_t *list = NULL, first, last;
	struct bed bed;
	int count;

	bed_open(&bed, 200000);
	for (unsigned i = 0; i < 40; i++) {
		bed_write(&bed, 200);
		if (i % 3 == 0)
			bed_read(&bed);
		if (i % 7 == 0)
			log_tail_release(bed.tail);
	}
	bed_read(&bed);
	count = schema_log_list(bed.path, &list);
	assert_true(count > 3);
	assert_int_equal(log_tail_range(bed.tail, &first, &last), 0);
	assert_int_equal(first, 1);
	assert_int_equal(last, bed.next - 1);
	/* Anywhere again. */
	log_tail_seek(bed.tail, list[1] + 5);
	bed.next = list[1] + 5;
	bed_read(&bed);
	free(list);
	bed_close(&bed);
}

TEST(what_was_retired_is_told_from_what_is_not_there_yet)
{
	struct log_tail_piece piece;
	uint64_t *list = NULL;
	struct bed bed;
	int count;

	bed_open(&bed, 200000);
	for (unsigned i = 0; i < 40; i++)
		bed_write(&bed, 200);
	count = schema_log_list(bed.path, &list);
	assert_true(count > 3);
	assert_int_equal(schema_log_remove(bed.path, list[0]), 0);
	assert_int_equal(log_tail_next(bed.tail, &piece), -ENODATA);
	log_tail_seek(bed.tail, list[1]);
	bed.next = list[1];
	bed_read(&bed);
	/* A hole in the middle. */
	assert_int_equal(schema_log_remove(bed.path, list[2]), 0);
	log_tail_release(bed.tail);
	log_tail_seek(bed.tail, list[2]);
	assert_int_equal(log_tail_next(bed.tail, &piece), -ENODATA);
	free(list);
	bed_close(&bed);
}

static int damage_body(struct db_txn *txn, void *context)
{
	struct db_cursor cursor;
	uint8_t block[LIMIT_LOG_BLOCK_SIZE];
	struct db_key key = db_key_make(1);
	size_t size;

	(void)context;
	assert_int_equal(db_cursor_open(&cursor, txn, SCHEMA_BLOCK), 0);
	assert_int_equal(db_cursor_first(&cursor), 0);
	size = cursor.value.size;
	memcpy(block, cursor.value.data, size);
	db_cursor_close(&cursor);
	block[300] ^= 1;
	return db_put(txn, SCHEMA_BLOCK, db_key(&key), (struct db_bytes){ block, size });
}

TEST(a_damaged_block_is_not_handed_out)
{
	struct log_tail_piece piece;
	struct db_env *env;
	struct bed bed;

	bed_open(&bed, 0);
	bed_write(&bed, 100);
	assert_int_equal(schema_log_open(&env, bed.path, 1, 0), 0);
	assert_int_equal(db_write(env, damage_body, NULL), 0);
	db_env_close(env);
	assert_int_equal(log_tail_next(bed.tail, &piece), -EBADMSG);
	bed_close(&bed);
}

/* Behind a removal whose sync failed a power cut may bring its directory back (sim: seed 103005).
 */
TEST(a_removal_that_did_not_end_is_ended_and_nothing_else)
{
	static const struct {
		uint64_t first_lsn;
		int whole, stays;
	} cases[] = { { 1, 0, 0 }, { 0x93, 0, 0 }, { 0x112, 1, 1 }, { 0x171, 0, 1 },
		{ 0x200, 0, 1 } };
	char folder[] = "/tmp/sluice-logs-XXXXXX", path[96], file[120];

	assert_non_null(mkdtemp(folder));
	assert_int_equal(schema_log_sweep(folder), 0);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		snprintf(path, sizeof(path), "%s/log-%016llx", folder,
		    (unsigned long long)cases[i].first_lsn);
		assert_int_equal(mkdir(path, 0700), 0);
		snprintf(
		    file, sizeof(file), "%s/%s", path, cases[i].whole ? "data.mdb" : "lock.mdb");
		assert_int_equal(close(open(file, O_WRONLY | O_CREAT, 0600)), 0);
	}
	assert_int_equal(schema_log_sweep(folder), 0);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		snprintf(path, sizeof(path), "%s/log-%016llx", folder,
		    (unsigned long long)cases[i].first_lsn);
		assert_int_equal(access(path, F_OK) == 0, cases[i].stays);
	}
	snprintf(file, sizeof(file), "rm -r %s", folder);
	assert_int_equal(system(file), 0);
	assert_int_equal(schema_log_sweep("/nowhere"), -ENOENT);
}

TEST_MAIN()
