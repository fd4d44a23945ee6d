/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/store/store_internal.h"

#define HEADER_SIZE sizeof(struct log_block_header)
/* Blocks and requests one batch of the journal can fill, and the block it begins in. */
#define BATCH_BLOCKS   (LIMIT_JOURNAL_BATCH_SIZE_MAX / LIMIT_LOG_BLOCK_SIZE + 2)
#define BATCH_REQUESTS (LIMIT_JOURNAL_BATCH_SIZE_MAX / sizeof(struct event_record) + 1)
/* Map kept free: a commit grows it before it is full, so none is begun twice. */
#define MAP_RESERVE (3ull * LOG_PENDING_BLOCKS * LIMIT_LOG_BLOCK_SIZE)

static struct log_block *block_last(struct log_writer *log)
{
	return &log->blocks[log->block_count - 1];
}

static int env_add(struct log_writer *log, uint64_t first_lsn)
{
	if (log->env_count == log->env_room) {
		uint32_t room = log->env_room * 2 + 16;
		struct log_env_info *grown = realloc(log->envs, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		log->envs = grown;
		log->env_room = room;
	}
	log->envs[log->env_count++] = (struct log_env_info){ .first_lsn = first_lsn };
	return 0;
}

/* Begins the environment whose first event will be `first_lsn`. */
static int env_begin(struct log_writer *log, uint64_t first_lsn)
{
	struct db_env *env;
	int error = schema_log_open(&env, log->directory, first_lsn, 0);

	if (error != 0)
		return error;
	error = env_add(log, first_lsn);
	if (error != 0) {
		db_env_close(env);
		return error;
	}
	db_env_close(log->env);
	log->env = env;
	log->envs[log->env_count - 1].size = db_env_used(env);
	return 0;
}

/* Takes the last block back into memory when it is not full, to be extended. */
static int block_resume(struct log_writer *log, struct db_txn *txn)
{
	struct log_block *block = &log->blocks[0];
	struct db_cursor cursor;
	struct log_walk walk;
	struct db_bytes event;
	int error = db_cursor_open(&cursor, txn, SCHEMA_BLOCK);

	if (error != 0)
		return error;
	error = db_cursor_last(&cursor);
	if (error == 0)
		error = log_walk_begin(&walk, cursor.key, cursor.value, 1);
	if (error == 0) {
		block->first_lsn = walk.next_lsn;
		while ((error = log_walk_next(&walk, &event)) == 1)
			;
	}
	if (error == 0) {
		log->last_lsn = walk.next_lsn - 1;
		block->count = (uint32_t)(walk.next_lsn - block->first_lsn);
		block->length = (uint32_t)(cursor.value.size - HEADER_SIZE);
		block->stored = 1;
		block->changed = 0;
		memcpy(block->bytes, cursor.value.data, cursor.value.size);
		log->block_count = 1;
	}
	db_cursor_close(&cursor);
	return error;
}

/* What is in no run is in the notes again: commits leave less than a run there (log_index_due). */
static int index_resume(struct log_writer *log, struct db_txn *txn)
{
	int result = log_index_is_old(txn);

	if (result != 0) {
		log->is_old = result == 1;
		return result < 0 ? result : 0;
	}
	result = log_index_resume(log->index, txn, log->envs[log->env_count - 1].first_lsn);
	return result == 1 ? -EBADMSG : result;
}

static int newest_read(struct log_writer *log)
{
	struct db_txn txn;
	int error = db_read_open(&txn, log->env);

	if (error != 0)
		return error;
	error = db_read_begin(&txn);
	if (error == 0) {
		error = block_resume(log, &txn);
		if (error == -ENOENT)
			error = 0; /* nothing in it: the name tells where the one before ends */
		if (error == 0)
			error = index_resume(log, &txn);
		db_read_end(&txn);
	}
	db_read_close(&txn);
	return error;
}

/* One that is full: the events of the next in the list must follow its own, or one is missing. */
static int env_look(struct log_writer *log, struct log_env_info *info, uint64_t next_lsn)
{
	struct db_env *env;
	uint64_t last_lsn = 0;
	int error = schema_log_open(&env, log->directory, info->first_lsn, 1);

	if (error == 0) {
		info->size = db_env_used(env);
		error = log_env_last(env, info->first_lsn, &last_lsn);
		db_env_close(env);
	}
	if (error == 0 && last_lsn + 1 == next_lsn)
		return 0;
	log->gap_env = info->first_lsn;
	log->gap_last = last_lsn;
	log->gap_next = next_lsn;
	return error != 0 ? error : -EBADMSG;
}

static int envs_open(struct log_writer *log)
{
	uint64_t *list = NULL;
	int error = schema_log_sweep(log->directory), count;

	if (error != 0)
		return error;
	count = schema_log_list(log->directory, &list);
	if (count < 0)
		return count;
	for (int i = 0; i + 1 < count && error == 0; i++) {
		error = env_add(log, list[i]);
		if (error == 0)
			error = env_look(log, &log->envs[i], list[i + 1]);
	}
	if (error == 0)
		error = env_begin(log, count > 0 ? list[count - 1] : 1);
	free(list);
	if (error != 0)
		return error;
	log->last_lsn = log->envs[log->env_count - 1].first_lsn - 1;
	error = newest_read(log);
	log->committed_lsn = log->last_lsn;
	return error;
}

int log_writer_open(
    struct log_writer *log, const char *directory, const struct store_config *config)
{
	memset(log, 0, sizeof(*log));
	log->directory = directory;
	log->rotate_size = config->log_rotate_size;
	log->keep_size = config->log_keep_size;
	log->blocks = calloc(LOG_PENDING_BLOCKS, sizeof(*log->blocks));
	log->index =
	    log_index_create(config->log_run_events != 0 ? config->log_run_events : LOG_RUN_EVENTS);
	if (log->blocks == NULL || log->index == NULL)
		return -ENOMEM;
	return envs_open(log);
}

void log_writer_close(struct log_writer *log)
{
	db_env_close(log->env);
	free(log->envs);
	free(log->blocks);
	log_index_free(log->index);
	memset(log, 0, sizeof(*log));
}

static int has_room_for_batch(const struct log_writer *log)
{
	return log_index_room(log->index) > BATCH_REQUESTS;
}

static int run_body(struct db_txn *txn, void *context)
{
	struct log_writer *log = context;

	return log_index_put(log->index, txn, 1);
}

/* Begins a new environment behind the one that everything is committed to. */
static int rotate(struct log_writer *log)
{
	int error = 0;

	/* Look-ups in the old one shall not walk its last blocks for ever. */
	if (log_index_events(log->index) > 0)
		error = db_write(log->env, run_body, log);
	if (error != 0)
		return error;
	log_index_begin(log->index, log->last_lsn + 1);
	error = env_begin(log, log->last_lsn + 1);
	if (error == 0)
		log->block_count = log->is_old = 0;
	else if (schema_log_remove(log->directory, log->last_lsn + 1) != 0)
		return -EIO; /* half made, and it must not be taken for one that is there */
	return error;
}

int log_writer_append(struct log_writer *log, const uint8_t *event, size_t length)
{
	struct event_record record;
	struct log_block *block;
	int error = log->is_old ? rotate(log) : 0;

	if (error != 0)
		return error;
	memcpy(&record, event, sizeof(record));
	SLUICE_REQUIRE(le64_get(record.lsn) == log->last_lsn + 1);
	SLUICE_REQUIRE(length == le16_get(record.length) && length <= LIMIT_EVENT_SIZE_MAX);
	if (log->block_count == 0 || block_last(log)->length + length > LOG_BLOCK_ROOM) {
		if (log->block_count == LOG_PENDING_BLOCKS) {
			error = log_writer_commit(log);
			if (error != 0)
				return error;
		}
		block = &log->blocks[log->block_count++];
		block->first_lsn = log->last_lsn + 1;
		block->count = block->length = 0;
		block->stored = 0;
	}
	block = block_last(log);
	memcpy(block->bytes + HEADER_SIZE + block->length, event, length);
	block->length += (uint32_t)length;
	block->count++;
	block->changed = 1;
	log->last_lsn++;
	log_index_note(log->index, &record);
	return log_index_room(log->index) == 0 ? log_writer_commit(log) : 0;
}

static int commit_body(struct db_txn *txn, void *context)
{
	struct log_writer *log = context;
	int error = 0;

	for (uint32_t i = 0; i < log->block_count && error == 0; i++) {
		struct log_block *block = &log->blocks[i];
		struct db_key key = db_key_make(block->first_lsn);
		struct db_bytes value = { block->bytes, HEADER_SIZE + block->length };

		if (!block->changed)
			continue;
		error = block->stored ? db_put(txn, SCHEMA_BLOCK, db_key(&key), value)
		                      : db_append(txn, SCHEMA_BLOCK, db_key(&key), value);
	}
	return error == 0 && log->puts_run ? log_index_put(log->index, txn, 0) : error;
}

/* Only the last block stays, for what comes next. */
static void blocks_drop(struct log_writer *log)
{
	uint32_t last = log->block_count - 1;

	if (last > 0) {
		struct log_block *from = &log->blocks[last], *to = &log->blocks[0];

		to->first_lsn = from->first_lsn;
		to->count = from->count;
		to->length = from->length;
		memcpy(to->bytes, from->bytes, HEADER_SIZE + from->length);
		log->block_count = 1;
	}
	log->blocks[0].stored = 1;
	log->blocks[0].changed = 0;
}

int log_writer_commit(struct log_writer *log)
{
	struct log_env_info *newest = &log->envs[log->env_count - 1];
	int error;

	if (log->committed_lsn == log->last_lsn)
		return 0;
	for (uint32_t i = 0; i < log->block_count; i++)
		if (log->blocks[i].changed)
			log_block_seal(
			    log->blocks[i].bytes, log->blocks[i].count, log->blocks[i].length);
	log->puts_run = log_index_due(log->index) || !has_room_for_batch(log);
	error = db_env_reserve(log->env, MAP_RESERVE);
	if (error == 0)
		error = db_write(log->env, commit_body, log);
	if (error != 0)
		return error;
	log->committed_lsn = log->last_lsn;
	if (log->puts_run)
		log_index_begin(log->index, log->last_lsn + 1);
	blocks_drop(log);
	newest->size = db_env_used(log->env);
	return log->rotate_size == 0 || newest->size < log->rotate_size ? 0 : rotate(log);
}

int log_writer_has_room(const struct log_writer *log)
{
	return log->block_count + BATCH_BLOCKS <= LOG_PENDING_BLOCKS && has_room_for_batch(log);
}

uint64_t log_writer_size(const struct log_writer *log)
{
	uint64_t size = 0;

	for (uint32_t i = 0; i < log->env_count; i++)
		size += log->envs[i].size;
	return size;
}

uint64_t log_writer_kept(const struct log_writer *log, uint64_t lsn)
{
	uint64_t size = log_writer_size(log);
	uint32_t at = 0;

	while (log->keep_size != 0 && at + 1 < log->env_count &&
	       log->envs[at + 1].first_lsn <= lsn && size > log->keep_size)
		size -= log->envs[at++].size;
	return log->envs[at].first_lsn;
}

int log_writer_retire(struct log_writer *log, uint64_t kept_lsn)
{
	while (log->env_count > 1 && log->envs[0].first_lsn < kept_lsn) {
		int error = schema_log_remove(log->directory, log->envs[0].first_lsn);

		if (error != 0)
			return error;
		memmove(log->envs, log->envs + 1, (log->env_count - 1) * sizeof(*log->envs));
		log->env_count--;
	}
	return 0;
}
