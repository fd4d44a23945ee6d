/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/schema.h"
#include "tests/store/fixture.h"

/* Requests of every terminal, each `step`-th from a random one on, looked up by id, are the events
 * that hold them. A look-up in the youngest log walks its tail: all of them would take minutes
 * under the sanitizers. */
static void assert_requests(struct world *world, struct log_history *history, unsigned step)
{
	for (uint64_t terminal = 1; terminal <= WORLD_TERMINALS; terminal++) {
		for (uint64_t id = 1 + test_random(&world->random) % step;
		     id < world->next_request[terminal - 1]; id += step) {
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
			assert_requests(world, history, TEST_SHARE(7, 29));
	}
	assert_true(schema_log_list(path, &list) > 2);
	assert_int_equal(list[0], 1);
	free(list);
	assert_int_equal(log_history_request(history, 1, world->next_request[0], &event), -ENOENT);
	assert_int_equal(log_history_request(history, 99, 1, &event), -ENOENT);
	assert_int_equal(log_history_event(history, 0, &event), -ENOENT);
	store_close(store);
	assert_requests(
	    world, history, TEST_SHARE(3, 13)); /* environments stay open for the reader */
	log_history_close(history);
	directory_remove(path);
	world_free(world);
}

/* Its requests were carried out, whoever removed it: they are found, or it is not known of them. */
TEST(a_log_taken_away_under_a_running_switch_is_no_proof_of_not_carried_out)
{
	struct world *world = world_create(test_seed());
	struct log_history *history;
	struct store_report report;
	struct store_config config;
	struct store *store;
	uint64_t *list = NULL;
	char path[64], name[128];
	int count;

	directory_make(path);
	config = store_config_of(world, path);
	config.log_rotate_size = 150000;
	store = store_provisioned(world, &config, &report);
	for (int i = 0; i < 120; i++)
		assert_int_equal(
		    world_store(store, world_batch(world, 60)) + store_commit(store), 0);
	store_close(store);
	assert_int_equal(log_history_open(&history, path, 0), 0);
	count = schema_log_list(path, &list);
	assert_true(count > 3);
	/* One in the middle, then the newest too: what is open is read on. */
	for (int gone = 1; gone < count; gone += count - 2) {
		snprintf(
		    name, sizeof(name), "%s/log-%016llx", path, (unsigned long long)list[gone]);
		directory_remove(name);
		assert_int_equal(log_history_refresh(history), 0);
		assert_requests(world, history, TEST_SHARE(7, 29));
	}
	/* The oldest, as if it were retired: then nobody says "never". */
	snprintf(name, sizeof(name), "%s/log-%016llx", path, (unsigned long long)list[0]);
	directory_remove(name);
	assert_int_equal(log_history_refresh(history), 0);
	assert_true(log_history_first_lsn(history) > 1);
	free(list);
	log_history_close(history);
	directory_remove(path);
	world_free(world);
}

/* Events of a log that are in no run: what a look-up walks through. */
static uint64_t indexed_not(const char *path, uint64_t first_lsn)
{
	struct log_index *index = log_index_create(LOG_RUN_EVENTS);
	struct db_env *env;
	struct db_txn txn;
	uint64_t count;

	assert_non_null(index);
	assert_int_equal(schema_log_open(&env, path, first_lsn, 1), 0);
	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(log_index_check(&txn, first_lsn), 0);
	assert_int_equal(log_index_resume(index, &txn, first_lsn), 0);
	count = log_index_events(index);
	db_read_end(&txn);
	db_read_close(&txn);
	db_env_close(env);
	log_index_free(index);
	return count;
}

/* Nothing is written to a log behind its rotation: what is in no run then is walked for ever. */
TEST(a_log_that_is_full_is_in_its_index_to_the_last_event)
{
	static const uint32_t runs[] = { 0, 50 }; /* events a run; 0: as it is */
	uint64_t *list, seed = test_seed();
	int count;

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(runs); i++) {
		struct world *world = world_create(seed + i);
		struct store_report report;
		struct store_config config;
		struct store *store;
		char path[64];

		directory_make(path);
		config = store_config_of(world, path);
		config.log_rotate_size = 200000;
		config.log_run_events = runs[i];
		store = store_start(&config, &report);
		world_provision(world);
		assert_int_equal(world_store(store, world_close(world)), 0);
		for (int k = 0; k < 60; k++) {
			assert_int_equal(world_store(store, world_batch(world, 60)), 0);
			if (k % 3 == 2)
				assert_int_equal(store_commit(store), 0);
		}
		store_close(store);
		count = schema_log_list(path, &list);
		assert_true(count > 2);
		for (int k = 0; k + 1 < count; k++)
			assert_case_equal(k, indexed_not(path, list[k]), 0);
		free(list);
		directory_remove(path);
		world_free(world);
	}
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
	store = store_provisioned(world, &config, &report);
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

TEST(a_log_gone_from_the_middle_is_refused_by_both_names)
{
	struct world *world = world_create(6);
	char path[64], name[128], aside[128], first[40], second[40];
	struct store_report report;
	struct store_config config;
	struct store *store;
	uint64_t *list = NULL;

	directory_make(path);
	config = store_config_of(world, path);
	config.log_rotate_size = 300000;
	store = store_provisioned(world, &config, &report);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(world_store(store, world_batch(world, 60)), 0);
		assert_int_equal(store_commit(store), 0);
	}
	assert_int_equal(store_checkpoint_now(store), 0);
	store_close(store);
	assert_true(schema_log_list(path, &list) > 3);
	snprintf(name, sizeof(name), "%s/log-%016llx", path, (unsigned long long)list[1]);
	snprintf(aside, sizeof(aside), "%s/aside", path);
	assert_int_equal(rename(name, aside), 0);
	assert_int_equal(store_open(&store, &config, &report), -EBADMSG);
	snprintf(first, sizeof(first), "log-%016llx ends", (unsigned long long)list[0]);
	snprintf(second, sizeof(second), "is log-%016llx:", (unsigned long long)list[2]);
	assert_non_null(strstr(report.message, first));
	assert_non_null(strstr(report.message, second));
	assert_int_equal(rename(aside, name), 0);
	store_close(store_start(&config, &report));
	/* The oldest one gone is what retirement leaves. */
	assert_int_equal(schema_log_remove(path, list[0]), 0);
	store_close(store_start(&config, &report));
	free(list);
	directory_remove(path);
	world_free(world);
}

/* As a program of schema version 2 left its newest log: an index by (terminal, group), no runs. */
static int old_body(struct db_txn *txn, void *context)
{
	struct db_cursor cursor;
	struct log_walk walk;
	struct db_bytes event;
	int error = db_cursor_open(&cursor, txn, SCHEMA_RUN);

	(void)context;
	assert_int_equal(error, 0);
	while (db_cursor_last(&cursor) == 0) {
		uint64_t last;
		struct db_key key;

		assert_int_equal(db_key_number(cursor.key, &last), 0);
		db_cursor_close(&cursor);
		key = db_key_make(last);
		assert_int_equal(db_delete(txn, SCHEMA_RUN, db_key(&key)), 0);
		assert_int_equal(db_cursor_open(&cursor, txn, SCHEMA_RUN), 0);
	}
	db_cursor_close(&cursor);
	for (uint64_t next = 0;;) {
		uint8_t *block;
		struct db_key key;

		assert_int_equal(db_cursor_open(&cursor, txn, SCHEMA_BLOCK), 0);
		error = next == 0 ? db_cursor_first(&cursor) : log_block_find(&cursor, next);
		assert_int_equal(error, 0);
		block = malloc(cursor.value.size); /* a put moves what a cursor points to */
		assert_non_null(block);
		memcpy(block, cursor.value.data, cursor.value.size);
		assert_int_equal(log_walk_begin(&walk, cursor.key,
		                     (struct db_bytes){ block, cursor.value.size }, 1),
		    0);
		db_cursor_close(&cursor);
		if (walk.next_lsn < next)
			return free(block), 0; /* the last block again */
		while (log_walk_next(&walk, &event) == 1) {
			struct event_record record;
			struct le64 lsn;

			memcpy(&record, event.data, sizeof(record));
			if (le64_get(record.terminal_id) == 0 || le64_get(record.request_id) == 0)
				continue;
			key = db_key_make_pair(le64_get(record.terminal_id),
			    LOG_REQUEST_GROUP(le64_get(record.request_id)));
			lsn = record.lsn;
			assert_int_equal(db_put(txn, SCHEMA_REQUEST, db_key(&key),
			                     (struct db_bytes){ &lsn, sizeof(lsn) }),
			    0);
		}
		next = walk.next_lsn;
		free(block);
	}
}

static int version_2_body(struct db_txn *txn, void *context)
{
	struct le32 version = le32_make(2);

	(void)context;
	return db_put(txn, SCHEMA_META, (struct db_bytes){ "version", 7 },
	    (struct db_bytes){ &version, sizeof(version) });
}

static void log_make_old(const char *path, uint64_t first_lsn)
{
	struct db_env *env;

	assert_int_equal(schema_log_open(&env, path, first_lsn, 0), 0);
	assert_int_equal(db_write(env, old_body, NULL), 0);
	db_env_close(env);
	assert_int_equal(schema_rows_open(&env, path, 0), 0);
	assert_int_equal(db_write(env, version_2_body, NULL), 0);
	db_env_close(env);
}

/* Stopped and started at any time, with runs of few events; then over a log of version 2. */
TEST(look_ups_survive_restarts_and_go_on_behind_a_log_of_version_2)
{
	struct world *world = world_create(test_seed());
	struct store_report report;
	struct store_config config;
	struct log_history *history;
	struct store *store;
	uint64_t *list = NULL;
	char path[64];

	directory_make(path);
	config = store_config_of(world, path);
	config.log_run_events = 50;
	store = store_provisioned(world, &config, &report);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(world_store(store, world_batch(world, 1 + (unsigned)i * 2)), 0);
		assert_int_equal(store_commit(store), 0);
		if (i % 8 != 7)
			continue;
		store_close(store);
		if (i == 23)
			log_make_old(path, 1);
		store = store_start(&config, &report);
		world_replay(world, store, report.checkpoint_lsn, world->batch_count);
		assert_int_equal(report.schema_version, SCHEMA_VERSION);
		assert_int_equal(log_history_open(&history, path, 0), 0);
		assert_requests(world, history, 3);
		log_history_close(history);
	}
	assert_int_equal(schema_log_list(path, &list), 2); /* nothing was put to the old one */
	free(list);
	store_close(store);
	directory_remove(path);
	world_free(world);
}

static void event_write(const char *path, uint64_t lsn, enum event_type type)
{
	struct event_record record = {
		.length = le16_make(sizeof(record)),
		.type = le16_make((uint16_t)type),
		.lsn = le64_make(lsn),
		.terminal_id = le64_make(7),
		.request_id = le64_make(35),
		.prev_terminal_lsn = le64_make(lsn - 1),
	};
	struct db_env *env;

	assert_int_equal(schema_log_open(&env, path, lsn, 0), 0);
	assert_int_equal(schema_log_write(env, (const uint8_t *)&record, sizeof(record), lsn), 0);
	db_env_close(env);
}

/* Else who asks again behind a rotation is told PENDING of what he was told the end of. */
TEST(the_end_of_a_transfer_is_found_in_a_log_begun_since)
{
	struct log_history *history;
	struct event_buffer event;
	struct event_record record;
	char path[64];

	directory_make(path);
	event_write(path, 1, EVENT_TRANSFER_OUT);
	assert_int_equal(log_history_open(&history, path, 0), 0);
	assert_int_equal(log_history_request(history, 7, 35, &event), sizeof(record));
	event_write(path, 2, EVENT_TRANSFER_DONE);
	assert_int_equal(log_history_request(history, 7, 35, &event), sizeof(record));
	memcpy(&record, event.bytes, sizeof(record));
	assert_int_equal(le16_get(record.type), EVENT_TRANSFER_DONE);
	assert_int_equal(le64_get(record.lsn), 2);
	log_history_close(history);
	directory_remove(path);
}

/* ---- Damage ---- */

/* Of terminal 1: a request that is in the log, and one that is not. */
struct victim {
	char path[64], data[128];
	uint64_t request_id, absent_id;
};

/* A log with events in runs and behind them, that nobody writes any more. */
static void victim_open(struct victim *victim, struct world *world)
{
	struct store_report report;
	struct store_config config;
	struct store *store;

	directory_make(victim->path);
	config = store_config_of(world, victim->path);
	config.log_run_events = 50;
	store = store_provisioned(world, &config, &report);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(world_store(store, world_batch(world, 60)), 0);
		assert_int_equal(store_commit(store), 0);
	}
	store_close(store);
	snprintf(victim->data, sizeof(victim->data), "%s/log-%016x/data.mdb", victim->path, 1);
	victim->request_id = 1;
	victim->absent_id = 1u << 20; /* of a group that never was */
}

static int victim_ask(struct victim *victim, uint64_t id, struct event_buffer *event)
{
	struct log_history *history;
	int result;

	assert_int_equal(log_history_open(&history, victim->path, 0), 0);
	result = log_history_request(history, 1, id, event);
	assert_int_equal(log_history_damage(history).count > 0, result == -EIO);
	if (result == -EIO)
		assert_int_equal(log_history_damage(history).env_first_lsn, 1);
	/* Nor is it told the second time, whatever was noted at the first. */
	assert_int_equal(log_history_request(history, 1, id, event), result);
	log_history_close(history);
	return result;
}

/* Flips one bit at `offset` of the file. */
static void file_flip(const char *path, long offset, uint8_t bit)
{
	FILE *file = fopen(path, "r+be");
	int byte;

	assert_non_null(file);
	assert_int_equal(fseek(file, offset, SEEK_SET), 0);
	byte = fgetc(file);
	assert_int_not_equal(byte, EOF);
	assert_int_equal(fseek(file, offset, SEEK_SET), 0);
	assert_int_equal(fputc(byte ^ bit, file), byte ^ bit);
	assert_int_equal(fclose(file), 0);
}

/* Where the file has these bytes, `skip` times passed over. -1: nowhere. */
static long file_find(const char *path, const void *bytes, size_t size, unsigned skip)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *whole, *at;
	long length, result = -1;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	length = ftell(file);
	assert_true(length > 0);
	rewind(file);
	whole = malloc((size_t)length);
	assert_non_null(whole);
	assert_int_equal(fread(whole, 1, (size_t)length, file), length);
	for (at = whole; at != NULL && result < 0; at++) {
		at = memmem(at, (size_t)(whole + length - at), bytes, size);
		if (at == NULL)
			break;
		if (skip-- == 0)
			result = at - whole;
	}
	free(whole);
	assert_int_equal(fclose(file), 0);
	return result;
}

/* The index's entry of the request, as it lies in a run. */
static struct log_run_entry victim_entry(const struct victim *victim)
{
	struct log_checked checked = { 0 };
	struct db_txn txn;
	struct db_env *env;
	uint64_t lsn;

	assert_int_equal(schema_log_open(&env, victim->path, 1, 1), 0);
	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(log_index_find(&txn, &checked, 1, victim->request_id, &lsn), 0);
	db_read_end(&txn);
	db_read_close(&txn);
	db_env_close(env);
	log_checked_free(&checked);
	return (struct log_run_entry){ le64_make(1),
		le64_make(LOG_REQUEST_GROUP(victim->request_id)), le64_make(lsn) };
}

/* The caller of a wrong -ENOENT says EXPIRED: "never was, never will be". */
TEST(one_flipped_bit_in_an_index_run_is_an_error_and_never_not_there)
{
	static const long places[] = { 0, 8, 15, 16 }; /* terminal, group, its top byte, LSN */
	struct world *world = world_create(11);
	struct victim victim;
	struct event_buffer event;
	struct log_run_entry entry;
	unsigned hits = 0;
	int result;
	long at;

	victim_open(&victim, world);
	entry = victim_entry(&victim);
	assert_true(victim_ask(&victim, victim.request_id, &event) > 0);
	assert_int_equal(victim_ask(&victim, victim.absent_id, &event), -ENOENT);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(places); i++) {
		unsigned failed = 0;

		/* Freed pages hold these bytes as well. */
		for (hits = 0; hits < 64; hits++) {
			at = file_find(victim.data, &entry, sizeof(entry), hits);
			if (at < 0)
				break;
			file_flip(victim.data, at + places[i], 0x40);
			result = victim_ask(&victim, victim.request_id, &event);
			assert_true(result > 0 || result == -EIO);
			result = victim_ask(&victim, victim.absent_id, &event);
			assert_true(result == -ENOENT || result == -EIO);
			failed += result == -EIO;
			file_flip(victim.data, at + places[i], 0x40);
		}
		assert_true(hits > 0);
		assert_true(failed > 0);
	}
	assert_true(victim_ask(&victim, victim.request_id, &event) > 0);
	directory_remove(victim.path);
	world_free(world);
}

TEST(one_flipped_bit_in_an_event_is_never_told)
{
	struct world *world = world_create(12);
	struct victim victim;
	struct event_buffer event, other;
	struct event_record record;
	struct log_history *history;
	unsigned failed = 0;
	long at;
	int length, result;

	victim_open(&victim, world);
	length = victim_ask(&victim, victim.request_id, &event);
	assert_true(length > 0);
	memcpy(&record, event.bytes, sizeof(record));
	/* A block that was written again, longer, has left copies on freed pages. */
	for (unsigned i = 0; (at = file_find(victim.data, &record, sizeof(record), i)) >= 0; i++) {
		at += (long)offsetof(struct event_record, balance);
		file_flip(victim.data, at, 4);
		result = victim_ask(&victim, victim.request_id, &other);
		assert_int_equal(log_history_open(&history, victim.path, 0), 0);
		assert_int_equal(log_history_event(history, le64_get(record.lsn), &other), result);
		if (result == -EIO) {
			failed++;
			assert_int_equal(log_history_damage(history).lsn, le64_get(record.lsn));
		} else {
			assert_int_equal(result, length);
			assert_memory_equal(other.bytes, event.bytes, (size_t)length);
		}
		log_history_close(history);
		file_flip(victim.data, at, 4);
	}
	assert_int_equal(failed, 1);
	assert_int_equal(victim_ask(&victim, victim.request_id, &other), length);
	directory_remove(victim.path);
	world_free(world);
}

TEST_MAIN()
