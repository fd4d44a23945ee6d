/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/log_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lmdb-schema/log.h"
#include "lmdb-schema/schema.h"

struct log_tail {
	char *directory;
	uint64_t next_lsn;
	uint64_t env_first_lsn; /* of the environment that is open */
	struct db_env *env;     /* NULL: none */
	struct db_txn txn;
	uint8_t block[LIMIT_LOG_BLOCK_SIZE];
};

int log_tail_open(struct log_tail **out, const char *directory, uint64_t next_lsn)
{
	struct log_tail *tail = calloc(1, sizeof(*tail));

	if (tail == NULL)
		return -ENOMEM;
	tail->next_lsn = next_lsn;
	tail->directory = strdup(directory);
	if (tail->directory == NULL) {
		free(tail);
		return -ENOMEM;
	}
	*out = tail;
	return 0;
}

void log_tail_seek(struct log_tail *tail, uint64_t next_lsn)
{
	tail->next_lsn = next_lsn;
}

void log_tail_release(struct log_tail *tail)
{
	if (tail->env == NULL)
		return;
	db_read_close(&tail->txn);
	db_env_close(tail->env);
	tail->env = NULL;
}

void log_tail_close(struct log_tail *tail)
{
	if (tail == NULL)
		return;
	log_tail_release(tail);
	free(tail->directory);
	free(tail);
}

static int env_use(struct log_tail *tail, uint64_t first_lsn)
{
	int error;

	if (tail->env != NULL && tail->env_first_lsn == first_lsn)
		return 0;
	log_tail_release(tail);
	error = schema_log_open(&tail->env, tail->directory, first_lsn, 1);
	if (error != 0) {
		tail->env = NULL;
		return error;
	}
	error = db_read_open(&tail->txn, tail->env);
	if (error != 0) {
		db_env_close(tail->env);
		tail->env = NULL;
		return error;
	}
	tail->env_first_lsn = first_lsn;
	return 0;
}

/* Copies the block that should hold next_lsn. 1; 0 when the environment ends before it. */
static int block_copy(struct log_tail *tail, struct log_tail_piece *piece)
{
	struct db_cursor cursor;
	struct log_walk walk;
	struct db_bytes event;
	const uint8_t *from = NULL;
	int result = db_cursor_open(&cursor, &tail->txn, SCHEMA_BLOCK);

	if (result != 0)
		return result;
	result = log_block_find(&cursor, tail->next_lsn);
	if (result == 0)
		result = log_walk_begin(&walk, cursor.key, cursor.value, 1);
	if (result == -ENOENT) {
		db_cursor_close(&cursor);
		return 0;
	}
	if (result == 0) {
		while ((result = log_walk_next(&walk, &event)) == 1)
			if (walk.next_lsn - 1 == tail->next_lsn)
				from = event.data;
	}
	if (result == 0 && from != NULL) {
		*piece = (struct log_tail_piece){
			.first_lsn = tail->next_lsn,
			.last_lsn = walk.next_lsn - 1,
			.events = tail->block,
			.size = (size_t)(walk.end - from),
		};
		memcpy(tail->block, from, piece->size);
		result = 1;
	}
	db_cursor_close(&cursor);
	return result;
}

static int env_next(struct log_tail *tail, struct log_tail_piece *piece)
{
	int result = db_read_begin(&tail->txn);

	if (result != 0)
		return result;
	result = block_copy(tail, piece);
	db_read_end(&tail->txn);
	if (result == 1)
		tail->next_lsn = piece->last_lsn + 1;
	return result;
}

/*
 * The environment next_lsn belongs into. 1; 0: there is no log yet; -ENODATA. *newest: no other
 * follows it.
 */
static int env_find(struct log_tail *tail, int *newest)
{
	uint64_t *list = NULL, first_lsn = 0;
	int count = schema_log_list(tail->directory, &list), error;

	if (count == -ENOENT || count == 0) {
		free(list);
		return 0;
	}
	if (count < 0)
		return count;
	*newest = 1;
	for (int i = 0; i < count; i++) {
		if (list[i] <= tail->next_lsn)
			first_lsn = list[i];
		else
			*newest = 0;
	}
	free(list);
	if (first_lsn == 0)
		return -ENODATA;
	error = env_use(tail, first_lsn);
	return error != 0 ? error : 1;
}

int log_tail_next(struct log_tail *tail, struct log_tail_piece *piece)
{
	int result = 0, newest = 1;

	/* Mostly the environment is known and has more; the directory is read when it has not. */
	if (tail->env != NULL && tail->env_first_lsn <= tail->next_lsn)
		result = env_next(tail, piece);
	for (unsigned tries = 0; result == 0 && tries < 3; tries++) {
		result = env_find(tail, &newest);
		if (result == -ENOENT) {
			result = 0; /* retired between listing and opening */
			continue;
		}
		if (result <= 0)
			return result;
		result = env_next(tail, piece);
		if (result == 0)
			return newest ? 0 : -ENODATA;
	}
	return result;
}

int log_tail_range(struct log_tail *tail, uint64_t *first_lsn, uint64_t *last_lsn)
{
	uint64_t *list = NULL, first, newest;
	int count = schema_log_list(tail->directory, &list), error;

	if (count <= 0) {
		free(list);
		return count == 0 ? -ENOENT : count;
	}
	first = list[0];
	newest = list[count - 1];
	free(list);
	error = env_use(tail, newest);
	if (error == 0)
		error = db_read_begin(&tail->txn);
	if (error != 0)
		return error;
	error = log_last_lsn(&tail->txn, last_lsn);
	db_read_end(&tail->txn);
	if (error == -ENOENT && newest > 1) {
		*last_lsn = newest - 1; /* just rotated: the name tells where the one before ends */
		error = 0;
	}
	if (error == 0)
		*first_lsn = first;
	return error;
}
