/* SPDX-License-Identifier: Apache-2.0 */
/* A log that is cut at an LSN, or written elsewhere than by the store: backup and restore. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/schema.h"

/* ---- Cutting ---- */

/* Blocks behind the cut go; the one it goes through is sealed again, shorter. */
static int blocks_cut(struct db_txn *txn, uint64_t last_lsn)
{
	struct log_block_header header;
	struct db_cursor cursor;
	struct log_walk walk;
	struct db_bytes event;
	struct db_key key;
	uint64_t first;
	uint8_t *block;
	int error;

	for (;;) {
		error = db_cursor_open(&cursor, txn, SCHEMA_BLOCK);
		if (error != 0)
			return error;
		error = db_cursor_last(&cursor);
		if (error == 0)
			error = db_key_number(cursor.key, &first);
		if (error == 0 && first <= last_lsn)
			break;
		db_cursor_close(&cursor);
		if (error != 0)
			return error == -ENOENT ? 0 : error;
		key = db_key_make(first);
		error = db_delete(txn, SCHEMA_BLOCK, db_key(&key));
		if (error != 0)
			return error;
	}
	error = log_walk_begin(&walk, cursor.key, cursor.value, 1);
	block = error == 0 ? malloc(cursor.value.size) : NULL;
	if (error == 0 && block == NULL)
		error = -ENOMEM;
	if (error == 0) {
		size_t length = 0;
		int result = 1;

		memcpy(block, cursor.value.data, cursor.value.size);
		while (walk.next_lsn <= last_lsn && (result = log_walk_next(&walk, &event)) == 1)
			length += event.size;
		error = result < 0 ? result : 0;
		if (error == 0 && walk.left > 0) {
			log_block_seal(block, (uint32_t)(walk.next_lsn - first), (uint32_t)length);
			key = db_key_make(first);
			error = db_put(txn, SCHEMA_BLOCK, db_key(&key),
			    (struct db_bytes){ block, sizeof(header) + length });
		}
	}
	db_cursor_close(&cursor);
	free(block);
	return error;
}

/* Runs that reach behind the cut go; what they covered before it is put into new ones. */
static int runs_cut(struct db_txn *txn, uint64_t last_lsn)
{
	for (;;) {
		struct db_cursor cursor;
		struct db_key key;
		uint64_t last;
		int error = db_cursor_open(&cursor, txn, SCHEMA_RUN);

		if (error != 0)
			return error;
		error = db_cursor_last(&cursor);
		if (error == 0)
			error = db_key_number(cursor.key, &last);
		db_cursor_close(&cursor);
		if (error != 0)
			return error == -ENOENT ? 0 : error;
		if (last <= last_lsn)
			return 0;
		key = db_key_make(last);
		error = db_delete(txn, SCHEMA_RUN, db_key(&key));
		if (error != 0)
			return error;
	}
}

static int cut_body(struct db_txn *txn, void *context)
{
	const uint64_t *last_lsn = context;
	int error = blocks_cut(txn, *last_lsn);

	if (error == 0)
		error = runs_cut(txn, *last_lsn);
	return error == 0 ? log_index_complete(txn) : error;
}

int schema_log_cut(const char *directory, uint64_t last_lsn)
{
	uint64_t *list = NULL;
	int count = schema_log_list(directory, &list), error = 0;
	struct db_env *env;

	if (count <= 0 || list[0] > last_lsn + 1) {
		free(list);
		return count < 0 ? count : -ENOENT;
	}
	while (count > 1 && list[count - 1] > last_lsn && error == 0)
		error = schema_log_remove(directory, list[--count]);
	if (error == 0)
		error = schema_log_open(&env, directory, list[count - 1], 0);
	free(list);
	if (error != 0)
		return error;
	error = db_write(env, cut_body, &last_lsn);
	db_env_close(env);
	return error;
}

/* ---- Writing ---- */

struct writing {
	const uint8_t *events;
	size_t size;
	uint64_t first_lsn;
	uint8_t *block;
};

static int block_put(struct db_txn *txn, const struct writing *writing, uint64_t first,
    uint32_t count, size_t length)
{
	struct db_key key = db_key_make(first);

	log_block_seal(writing->block, count, (uint32_t)length);
	return db_append(txn, SCHEMA_BLOCK, db_key(&key),
	    (struct db_bytes){ writing->block, sizeof(struct log_block_header) + length });
}

static int write_body(struct db_txn *txn, void *context)
{
	const struct writing *writing = context;
	uint8_t *room = writing->block + sizeof(struct log_block_header);
	uint64_t first = writing->first_lsn;
	size_t at = 0, length = 0;
	uint32_t count = 0;
	int error = 0;

	while (at < writing->size && error == 0) {
		struct event_record record;
		size_t size;

		if (writing->size - at < sizeof(record))
			return -EBADMSG;
		memcpy(&record, writing->events + at, sizeof(record));
		size = le16_get(record.length);
		if (size < sizeof(record) || size > writing->size - at ||
		    le64_get(record.lsn) != first + count)
			return -EBADMSG;
		if (length + size > LOG_BLOCK_ROOM) {
			error = block_put(txn, writing, first, count, length);
			first += count;
			count = 0;
			length = 0;
		}
		memcpy(room + length, writing->events + at, size);
		length += size;
		at += size;
		count++;
	}
	if (error == 0 && count > 0)
		error = block_put(txn, writing, first, count, length);
	return error == 0 ? log_index_complete(txn) : error;
}

int schema_log_write(struct db_env *env, const uint8_t *events, size_t size, uint64_t first_lsn)
{
	struct writing writing = { .events = events, .size = size, .first_lsn = first_lsn };
	int error;

	writing.block = malloc(LIMIT_LOG_BLOCK_SIZE);
	if (writing.block == NULL)
		return -ENOMEM;
	error = db_write(env, write_body, &writing);
	free(writing.block);
	return error;
}
