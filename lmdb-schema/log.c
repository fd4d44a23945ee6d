/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/log.h"

#include <errno.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lmdb-schema/schema.h"

int log_walk_begin(struct log_walk *walk, struct db_bytes key, struct db_bytes value, int check_sum)
{
	struct log_block_header header;
	const uint8_t *bytes = value.data;
	uint64_t first_lsn;
	uint32_t count, length;

	if (value.size < sizeof(header) || value.size > LIMIT_LOG_BLOCK_SIZE ||
	    db_key_number(key, &first_lsn) != 0 || first_lsn == 0)
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	count = le32_get(header.count);
	length = le32_get(header.length);
	if (length != value.size - sizeof(header) || count == 0 ||
	    count > length / sizeof(struct event_record))
		return -EBADMSG;
	if (check_sum && XXH3_64bits(bytes + sizeof(header), length) != le64_get(header.checksum))
		return -EBADMSG;
	*walk = (struct log_walk){
		.at = bytes + sizeof(header),
		.end = bytes + value.size,
		.next_lsn = first_lsn,
		.left = count,
	};
	return 0;
}

int log_walk_next(struct log_walk *walk, struct db_bytes *event)
{
	struct event_record record;
	size_t room = (size_t)(walk->end - walk->at), length;

	if (walk->left == 0)
		return room == 0 ? 0 : -EBADMSG;
	if (room < sizeof(record))
		return -EBADMSG;
	memcpy(&record, walk->at, sizeof(record));
	length = le16_get(record.length);
	if (length < sizeof(record) || length > room || length > LIMIT_EVENT_SIZE_MAX ||
	    length % 8 != 0 || le64_get(record.lsn) != walk->next_lsn)
		return -EBADMSG;
	*event = (struct db_bytes){ walk->at, length };
	walk->at += length;
	walk->next_lsn++;
	walk->left--;
	return 1;
}

void log_block_seal(uint8_t *block, uint32_t count, uint32_t length)
{
	struct log_block_header header = {
		.count = le32_make(count),
		.length = le32_make(length),
		.checksum = le64_make(XXH3_64bits(block + sizeof(header), length)),
	};

	memcpy(block, &header, sizeof(header));
}

int log_block_find(struct db_cursor *cursor, uint64_t lsn)
{
	struct db_key key = db_key_make(lsn);

	return db_cursor_seek_below(cursor, db_key(&key));
}

int log_last_lsn(struct db_txn *txn, uint64_t *lsn)
{
	struct log_block_header header;
	struct db_cursor cursor;
	uint64_t first_lsn;
	int error = db_cursor_open(&cursor, txn, SCHEMA_BLOCK);

	if (error != 0)
		return error;
	error = db_cursor_last(&cursor);
	if (error == 0 &&
	    (cursor.value.size < sizeof(header) || db_key_number(cursor.key, &first_lsn) != 0))
		error = -EBADMSG;
	if (error == 0) {
		memcpy(&header, cursor.value.data, sizeof(header));
		if (le32_get(header.count) == 0)
			error = -EBADMSG;
		else
			*lsn = first_lsn + le32_get(header.count) - 1;
	}
	db_cursor_close(&cursor);
	return error;
}

int log_env_last(struct db_env *env, uint64_t first_lsn, uint64_t *last_lsn)
{
	struct db_txn txn;
	int error = db_read_open(&txn, env);

	if (error != 0)
		return error;
	error = db_read_begin(&txn);
	if (error == 0) {
		error = log_last_lsn(&txn, last_lsn);
		db_read_end(&txn);
	}
	db_read_close(&txn);
	if (error != -ENOENT)
		return error;
	*last_lsn = first_lsn - 1; /* begun, and no event since */
	return 0;
}
