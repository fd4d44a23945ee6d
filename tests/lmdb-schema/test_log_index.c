/* SPDX-License-Identifier: Apache-2.0 */
/* The index of requests in runs: against a model that remembers the newest event of each group. */
#include <errno.h>
#include <unistd.h>

#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/schema.h"
#include "tests/test.h"
#include "wire/codes.h"

#define TERMINALS 40u
#define GROUPS    64u
#define FIRST_LSN 1000u
#define FENCES    64u /* ids that are fenced lie below */

/* A log environment, what is to be committed to it, and what it must answer. */
struct bed {
	char path[64];
	struct db_env *env;
	struct log_index *index;
	uint64_t random, next_lsn;
	uint64_t request_id[TERMINALS];
	struct log_checked checked;
	uint64_t newest[TERMINALS][GROUPS], committed[TERMINALS][GROUPS];
	uint64_t fences[TERMINALS][FENCES], fences_committed[TERMINALS][FENCES];
	uint8_t block[LIMIT_LOG_BLOCK_SIZE];
	uint32_t count;
	int puts_run;
};

static struct bed *bed_create(uint64_t seed, uint32_t run_events)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	assert_non_null(bed);
	memcpy(bed->path, "/var/tmp/sluice-index-XXXXXX", sizeof("/var/tmp/sluice-index-XXXXXX"));
	assert_non_null(mkdtemp(bed->path));
	assert_int_equal(schema_log_open(&bed->env, bed->path, FIRST_LSN, 0), 0);
	bed->index = log_index_create(run_events);
	assert_non_null(bed->index);
	log_index_begin(bed->index, FIRST_LSN);
	bed->random = seed;
	bed->next_lsn = FIRST_LSN;
	return bed;
}

static void bed_free(struct bed *bed)
{
	log_index_free(bed->index);
	log_checked_free(&bed->checked);
	db_env_close(bed->env);
	assert_int_equal(schema_log_remove(bed->path, FIRST_LSN), 0);
	assert_int_equal(rmdir(bed->path), 0);
	free(bed);
}

static uint64_t bed_random(struct bed *bed, uint64_t below)
{
	return test_random(&bed->random) % below;
}

/* Requests of every terminal ascend by steps of any size, now and then one of before again. */
static void bed_event(struct bed *bed)
{
	struct event_record record = { .lsn = le64_make(bed->next_lsn),
		.length = le16_make(sizeof(record)) };
	uint64_t terminal = bed_random(bed, TERMINALS), id, target;

	if (bed_random(bed, 10) > 0) { /* else a command or a timer */
		bed->request_id[terminal] +=
		    1 + (bed_random(bed, 8) == 0 ? bed_random(bed, 600) : 0);
		id = bed->request_id[terminal] % (GROUPS * 256);
		if (bed_random(bed, 20) == 0)
			id -= bed_random(bed, id + 1);
		record.terminal_id = le64_make(terminal + 1);
		record.request_id = le64_make(id);
		if (id != 0)
			bed->newest[terminal][LOG_REQUEST_GROUP(id)] = bed->next_lsn;
		if (bed_random(bed, 10) == 0 && id > 1) {
			target = 1 + bed_random(bed, id < FENCES ? id - 1 : FENCES - 1);
			record.type = le16_make(EVENT_FENCE);
			record.code = le16_make(WIRE_CODE_FENCED_NOW);
			record.object_id = le64_make(target);
			bed->fences[terminal][target] = bed->next_lsn;
		}
	}
	memcpy(bed->block + sizeof(struct log_block_header) + bed->count * sizeof(record), &record,
	    sizeof(record));
	log_index_note(bed->index, &record);
	bed->count++;
	bed->next_lsn++;
}

static int commit_body(struct db_txn *txn, void *context)
{
	struct bed *bed = context;
	uint32_t length = bed->count * (uint32_t)sizeof(struct event_record);
	struct db_key key = db_key_make(bed->next_lsn - bed->count);
	int error;

	log_block_seal(bed->block, bed->count, length);
	error = db_append(txn, SCHEMA_BLOCK, db_key(&key),
	    (struct db_bytes){ bed->block, sizeof(struct log_block_header) + length });
	return error == 0 && bed->puts_run ? log_index_put(bed->index, txn, 0) : error;
}

static void bed_commit(struct bed *bed, uint32_t events)
{
	for (uint32_t i = 0; i < events; i++)
		bed_event(bed);
	bed->puts_run = log_index_due(bed->index);
	assert_int_equal(db_write(bed->env, commit_body, bed), 0);
	if (bed->puts_run)
		log_index_begin(bed->index, bed->next_lsn);
	bed->count = 0;
	memcpy(bed->committed, bed->newest, sizeof(bed->newest));
	memcpy(bed->fences_committed, bed->fences, sizeof(bed->fences));
}

static void read_begin(struct bed *bed, struct db_txn *txn)
{
	assert_int_equal(db_read_open(txn, bed->env), 0);
	assert_int_equal(db_read_begin(txn), 0);
}

static void assert_found(struct bed *bed)
{
	struct db_txn txn;

	read_begin(bed, &txn);
	for (uint64_t terminal = 0; terminal < TERMINALS; terminal++) {
		/* The index of version 2 has none. */
		for (uint64_t id = 1; id < FENCES && log_index_is_old(&txn) == 0; id++) {
			uint64_t lsn = 0, wanted = bed->fences_committed[terminal][id];
			int result =
			    log_index_find_fence(&txn, &bed->checked, terminal + 1, id, &lsn);

			assert_case_equal(
			    terminal * FENCES + id, result, wanted == 0 ? -ENOENT : 0);
			assert_case_equal(terminal * FENCES + id, lsn, wanted);
		}
		for (uint64_t group = 0; group < GROUPS; group++) {
			uint64_t lsn = 0, wanted = bed->committed[terminal][group];
			int result = log_index_find(
			    &txn, &bed->checked, terminal + 1, group * 256 + 7, &lsn);

			assert_case_equal(
			    terminal * GROUPS + group, result, wanted == 0 ? -ENOENT : 0);
			assert_case_equal(terminal * GROUPS + group, lsn, wanted);
		}
	}
	db_read_close(&txn);
}

/* Every run is whole, they follow each other, and there are few. Their number. */
static uint32_t assert_runs(struct bed *bed, uint32_t run_events)
{
	uint64_t next = FIRST_LSN, bound = 2;
	struct db_cursor cursor;
	struct log_run run;
	struct db_txn txn;
	uint32_t count = 0;
	int error;

	read_begin(bed, &txn);
	assert_int_equal(db_cursor_open(&cursor, &txn, SCHEMA_RUN), 0);
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		assert_int_equal(log_run_read(&run, cursor.key, cursor.value, 1), 0);
		assert_int_equal(run.first_lsn, next);
		assert_true(run.count <= LOG_RUN_ENTRIES_MAX);
		next = run.last_lsn + 1;
		count++;
	}
	assert_int_equal(error, -ENOENT);
	db_cursor_close(&cursor);
	db_read_close(&txn);
	assert_true(bed->next_lsn - next < run_events + 1);
	for (uint64_t events = bed->next_lsn - FIRST_LSN; events > run_events; events /= 2)
		bound++;
	assert_true(count <= bound);
	return count;
}

TEST(every_group_is_found_whatever_lies_in_runs_and_behind_them)
{
	static const uint32_t sizes[] = { 1, 7, 300 };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(sizes); i++) {
		struct bed *bed = bed_create(test_seed() + i, sizes[i]);

		assert_found(bed); /* nothing at all */
		for (int commit = 0; commit < 80; commit++) {
			bed_commit(bed, 1 + (uint32_t)bed_random(bed, 60));
			if (commit % 8 == 0)
				assert_found(bed);
			assert_runs(bed, sizes[i]);
		}
		assert_found(bed);
		bed_free(bed);
	}
}

TEST(a_commit_that_is_lost_leaves_the_index_of_before)
{
	struct bed *bed = bed_create(test_seed(), 64);

	for (int commit = 0; commit < 40; commit++) {
		uint64_t next_lsn = bed->next_lsn, lost = 1 + bed_random(bed, 100);
		struct db_txn txn;

		for (uint64_t i = 0; i < lost; i++)
			bed_event(bed);
		bed->puts_run = 1;
		assert_int_equal(db_write_begin(&txn, bed->env), 0);
		assert_int_equal(commit_body(&txn, bed), 0);
		db_write_abort(&txn);
		assert_found(bed);
		/* The process begins anew: notes are what the blocks hold. */
		memcpy(bed->newest, bed->committed, sizeof(bed->newest));
		memcpy(bed->fences, bed->fences_committed, sizeof(bed->fences));
		bed->next_lsn = next_lsn;
		bed->count = 0;
		read_begin(bed, &txn);
		assert_int_equal(log_index_resume(bed->index, &txn, FIRST_LSN), 0);
		db_read_close(&txn);
		bed_commit(bed, 1 + (uint32_t)bed_random(bed, 60));
		assert_found(bed);
		assert_runs(bed, 64);
	}
	bed_free(bed);
}

static int complete_body(struct db_txn *txn, void *context)
{
	(void)context;
	return log_index_complete(txn);
}

/* As schema version 2 left it: the newest LSN under (terminal, group), and no run. */
static int old_body(struct db_txn *txn, void *context)
{
	struct bed *bed = context;
	struct db_cursor cursor;
	int error = 0;

	for (uint64_t terminal = 0; terminal < TERMINALS; terminal++)
		for (uint64_t group = 0; group < GROUPS && error == 0; group++) {
			struct db_key key = db_key_make_pair(terminal + 1, group);
			struct le64 lsn = le64_make(bed->committed[terminal][group]);

			if (le64_get(lsn) != 0)
				error = db_put(txn, SCHEMA_REQUEST, db_key(&key),
				    (struct db_bytes){ &lsn, sizeof(lsn) });
		}
	while (error == 0) {
		uint64_t last = 0;
		struct db_key key;

		error = db_cursor_open(&cursor, txn, SCHEMA_RUN);
		if (error == 0)
			error = db_cursor_last(&cursor);
		if (error == 0)
			error = db_key_number(cursor.key, &last);
		db_cursor_close(&cursor);
		key = db_key_make(last);
		if (error == 0)
			error = db_delete(txn, SCHEMA_RUN, db_key(&key));
	}
	return error == -ENOENT ? 0 : error;
}

TEST(an_environment_of_version_2_is_known_and_read_and_can_be_made_new)
{
	struct bed *bed = bed_create(test_seed(), 100);
	struct db_txn txn;

	for (int commit = 0; commit < 40; commit++)
		bed_commit(bed, 50);
	read_begin(bed, &txn);
	assert_int_equal(log_index_is_old(&txn), 0);
	db_read_close(&txn);
	assert_int_equal(db_write(bed->env, old_body, bed), 0);
	read_begin(bed, &txn);
	assert_int_equal(log_index_is_old(&txn), 1);
	db_read_close(&txn);
	assert_found(bed);
	assert_int_equal(db_write(bed->env, complete_body, NULL), 0);
	read_begin(bed, &txn);
	assert_int_equal(log_index_is_old(&txn), 0);
	db_read_close(&txn);
	assert_int_equal(assert_runs(bed, LOG_RUN_EVENTS), 1);
	assert_found(bed);
	bed_free(bed);
}

TEST(a_log_that_is_cut_answers_as_if_it_had_never_gone_on)
{
	for (int cut = 0; cut < 8; cut++) {
		struct bed *bed = bed_create(test_seed() + (uint64_t)cut, 30);
		uint64_t at = 0, last;

		for (int commit = 0; commit < 30; commit++)
			bed_commit(bed, 1 + (uint32_t)bed_random(bed, 60));
		last = FIRST_LSN + bed_random(bed, bed->next_lsn - FIRST_LSN);
		/* The model of then, from the same numbers. */
		db_env_close(bed->env);
		assert_int_equal(schema_log_cut(bed->path, last), 0);
		assert_int_equal(schema_log_open(&bed->env, bed->path, FIRST_LSN, 0), 0);
		{
			struct db_cursor cursor;
			struct db_txn txn;

			memset(bed->committed, 0, sizeof(bed->committed));
			memset(bed->fences_committed, 0, sizeof(bed->fences_committed));
			read_begin(bed, &txn);
			assert_int_equal(db_cursor_open(&cursor, &txn, SCHEMA_BLOCK), 0);
			assert_int_equal(db_cursor_first(&cursor), 0);
			do {
				struct log_walk walk;
				struct db_bytes event;

				assert_int_equal(
				    log_walk_begin(&walk, cursor.key, cursor.value, 1), 0);
				while (log_walk_next(&walk, &event) == 1) {
					struct event_record record;
					uint64_t id, terminal;

					memcpy(&record, event.data, sizeof(record));
					id = le64_get(record.request_id);
					at = le64_get(record.lsn);
					if (id == 0)
						continue;
					terminal = le64_get(record.terminal_id) - 1;
					bed->committed[terminal][LOG_REQUEST_GROUP(id)] = at;
					if (le16_get(record.type) == EVENT_FENCE)
						bed->fences_committed[terminal][le64_get(
						    record.object_id)] = at;
				}
			} while (db_cursor_next(&cursor) == 0);
			db_cursor_close(&cursor);
			db_read_close(&txn);
		}
		assert_int_equal(at, last);
		bed->next_lsn = last + 1;
		assert_found(bed);
		assert_runs(bed, 30);
		bed_free(bed);
	}
}

/* Each event of a group of its own: runs stop growing, and all is found. */
TEST(runs_stay_below_their_largest_size)
{
	struct bed *bed = bed_create(1, LOG_RUN_EVENTS);
	struct event_record record = { .length = le16_make(sizeof(record)) };
	const uint32_t events = 3 * LOG_RUN_ENTRIES_MAX, a_block = 400;
	struct db_cursor cursor;
	struct log_run run;
	struct db_txn txn;
	uint64_t lsn, runs = 0;

	for (uint32_t i = 0; i < events; i++) {
		record.lsn = le64_make(bed->next_lsn++);
		record.terminal_id = le64_make(1 + (i * 7919ull) % events);
		record.request_id = le64_make(9);
		memcpy(bed->block + sizeof(struct log_block_header) + bed->count * sizeof(record),
		    &record, sizeof(record));
		log_index_note(bed->index, &record);
		if (++bed->count == a_block)
			bed_commit(bed, 0);
	}
	if (bed->count > 0)
		bed_commit(bed, 0);
	read_begin(bed, &txn);
	for (uint32_t i = 0; i < events; i += 97) {
		assert_int_equal(
		    log_index_find(&txn, &bed->checked, 1 + (i * 7919ull) % events, 9, &lsn), 0);
		assert_int_equal(lsn, FIRST_LSN + i);
	}
	assert_int_equal(db_cursor_open(&cursor, &txn, SCHEMA_RUN), 0);
	for (int error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		assert_int_equal(log_run_read(&run, cursor.key, cursor.value, 1), 0);
		assert_true(run.count <= LOG_RUN_ENTRIES_MAX);
		runs++;
	}
	assert_true(runs >= 3);
	db_cursor_close(&cursor);
	db_read_close(&txn);
	bed_free(bed);
}

TEST(every_flipped_byte_of_a_run_is_noticed_and_no_bytes_lead_astray)
{
	struct bed *bed = bed_create(test_seed(), 200);
	struct db_cursor cursor;
	struct log_run run;
	struct db_txn txn;
	uint64_t random = bed->random;
	uint8_t *bytes, key[8];
	size_t size;

	bed_commit(bed, 200);
	read_begin(bed, &txn);
	assert_int_equal(db_cursor_open(&cursor, &txn, SCHEMA_RUN), 0);
	assert_int_equal(db_cursor_last(&cursor), 0);
	size = cursor.value.size;
	bytes = malloc(size);
	assert_non_null(bytes);
	memcpy(bytes, cursor.value.data, size);
	memcpy(key, cursor.key.data, sizeof(key));
	db_cursor_close(&cursor);
	db_read_close(&txn);
	for (size_t i = 0; i < size; i++) {
		bytes[i] ^= 0x10;
		assert_case_equal(i,
		    log_run_read(
		        &run, (struct db_bytes){ key, 8 }, (struct db_bytes){ bytes, size }, 1),
		    -EBADMSG);
		bytes[i] ^= 0x10;
	}
	for (size_t shorter = 0; shorter < size; shorter++)
		assert_case_equal(shorter,
		    log_run_read(
		        &run, (struct db_bytes){ key, 8 }, (struct db_bytes){ bytes, shorter }, 1),
		    -EBADMSG);
	for (int i = 0; i < 2000; i++) {
		bytes[test_random(&random) % size] = (uint8_t)test_random(&random);
		(void)!log_run_read(&run, (struct db_bytes){ key, 8 },
		    (struct db_bytes){ bytes, size - test_random(&random) % 3 * 24 }, 1);
	}
	free(bytes);
	bed_free(bed);
}

TEST_MAIN()
