/* SPDX-License-Identifier: Apache-2.0 */
/* The index of requests read: any bytes, any environment. */
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/schema.h"
#include "wire/codes.h"

struct log_run_entry log_run_entry_at(const struct log_run *run, uint64_t at)
{
	struct log_run_entry entry;

	memcpy(&entry, run->entries + at * sizeof(entry), sizeof(entry));
	return entry;
}

int log_run_compare(const struct log_run_entry *entry, uint64_t terminal_id, uint64_t group)
{
	uint64_t terminal = le64_get(entry->terminal_id), own = le64_get(entry->group);

	if (terminal != terminal_id)
		return terminal > terminal_id ? 1 : -1;
	return (own > group) - (own < group);
}

static int entries_check(const struct log_run *run)
{
	struct log_run_entry last = { 0 };

	for (uint64_t i = 0; i < run->count; i++) {
		struct log_run_entry entry = log_run_entry_at(run, i);
		uint64_t lsn = le64_get(entry.lsn);

		if (le64_get(entry.terminal_id) == 0 || lsn < run->first_lsn ||
		    lsn > run->last_lsn ||
		    (i > 0 && log_run_compare(
		                  &last, le64_get(entry.terminal_id), le64_get(entry.group)) >= 0))
			return -EBADMSG;
		last = entry;
	}
	return 0;
}

int log_run_read(struct log_run *out, struct db_bytes key, struct db_bytes value, int check_all)
{
	struct log_run_header header;
	struct log_run run;
	uint64_t size;

	if (value.size < sizeof(header) || db_key_number(key, &run.last_lsn) != 0)
		return -EBADMSG;
	memcpy(&header, value.data, sizeof(header));
	size = value.size - sizeof(header);
	run.first_lsn = le64_get(header.first_lsn);
	run.count = le64_get(header.count);
	run.entries = (const uint8_t *)value.data + sizeof(header);
	if (size % sizeof(struct log_run_entry) != 0 ||
	    run.count != size / sizeof(struct log_run_entry) || run.first_lsn == 0 ||
	    run.first_lsn > run.last_lsn)
		return -EBADMSG;
	if (check_all) {
		if (XXH3_64bits_withSeed(run.entries, size, run.first_lsn) !=
		    le64_get(header.checksum))
			return -EBADMSG;
		if (entries_check(&run) != 0)
			return -EBADMSG;
	}
	*out = run;
	return 0;
}

unsigned log_index_groups(const struct event_record *record, uint64_t groups[LOG_GROUPS_MAX])
{
	uint64_t request_id = le64_get(record->request_id);

	if (le64_get(record->terminal_id) == 0 || request_id == 0)
		return 0; /* not of a request: commands, timers, TERMINAL_SET */
	groups[0] = LOG_REQUEST_GROUP(request_id);
	if (le16_get(record->type) != EVENT_FENCE || le16_get(record->code) != WIRE_CODE_FENCED_NOW)
		return 1;
	groups[1] = LOG_FENCE_GROUP(le64_get(record->object_id));
	return 2;
}

int log_index_is_old(struct db_txn *txn)
{
	uint64_t count;
	int error = db_count(txn, SCHEMA_REQUEST, &count);

	return error != 0 ? error : count > 0;
}

static int find_old(struct db_txn *txn, uint64_t terminal_id, uint64_t group, uint64_t *lsn)
{
	struct db_key key = db_key_make_pair(terminal_id, group);
	struct db_bytes value;
	struct le64 field;
	int error = db_get(txn, SCHEMA_REQUEST, db_key(&key), &value);

	if (error != 0)
		return error;
	if (value.size != sizeof(field))
		return -EBADMSG;
	memcpy(&field, value.data, sizeof(field));
	*lsn = le64_get(field);
	return 0;
}

static int find_in_run(
    const struct log_run *run, uint64_t terminal_id, uint64_t group, uint64_t *lsn)
{
	uint64_t low = 0, high = run->count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2, found;
		struct log_run_entry entry = log_run_entry_at(run, middle);
		int order = log_run_compare(&entry, terminal_id, group);

		if (order == 0) {
			found = le64_get(entry.lsn);
			if (found < run->first_lsn || found > run->last_lsn)
				return -EBADMSG;
			*lsn = found;
			return 0;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -ENOENT;
}

/* The newest event of the group in one block, above `covered`. 1: *lsn is set. 0; -EBADMSG. */
static int find_in_block(const struct db_cursor *cursor, uint64_t covered, uint64_t terminal_id,
    uint64_t group, uint64_t *lsn)
{
	struct log_walk walk;
	struct db_bytes event;
	int result = log_walk_begin(&walk, cursor->key, cursor->value, 1), found = 0;

	while (result == 0 && (result = log_walk_next(&walk, &event)) == 1) {
		uint64_t groups[LOG_GROUPS_MAX];
		struct event_record record;
		unsigned count;

		result = 0;
		if (walk.next_lsn - 1 <= covered)
			continue;
		memcpy(&record, event.data, sizeof(record));
		if (le64_get(record.terminal_id) != terminal_id)
			continue;
		count = log_index_groups(&record, groups);
		for (unsigned i = 0; i < count; i++) {
			if (groups[i] != group)
				continue;
			*lsn = walk.next_lsn - 1;
			found = 1;
		}
	}
	return result < 0 ? result : found;
}

static void note_damaged(struct log_checked *checked, struct db_bytes key)
{
	if (db_key_number(key, &checked->damaged_lsn) != 0)
		checked->damaged_lsn = 0;
}

/* Events that are in no run yet. 0 or -ENOENT, -errno. */
static int find_in_tail(struct db_txn *txn, struct log_checked *checked, uint64_t covered,
    uint64_t terminal_id, uint64_t group, uint64_t *lsn)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, SCHEMA_BLOCK), found = 0;

	if (error != 0)
		return error;
	error = covered == 0 ? db_cursor_first(&cursor) : log_block_find(&cursor, covered + 1);
	while (error == 0) {
		int result = find_in_block(&cursor, covered, terminal_id, group, lsn);

		found |= result == 1;
		if (result == -EBADMSG)
			note_damaged(checked, cursor.key);
		error = result < 0 ? result : db_cursor_next(&cursor);
	}
	db_cursor_close(&cursor);
	return error == -ENOENT && found ? 0 : error;
}

/* The run at the cursor, checked now or before; the one behind it begins at `next_lsn` (0: none).
 */
static int run_checked(
    struct db_cursor *cursor, struct log_checked *checked, uint64_t next_lsn, struct log_run *run)
{
	uint64_t key;
	int error = db_key_number(cursor->key, &key), known;

	if (error != 0)
		return -EBADMSG;
	known = log_checked_has(checked, key);
	error = log_run_read(run, cursor->key, cursor->value, !known);
	if (error == 0 && next_lsn != 0 && run->last_lsn + 1 != next_lsn)
		error = -EBADMSG; /* one is missing between the two, or a key is damaged */
	if (error == 0 && !known)
		log_checked_add(checked, key);
	return error;
}

/* `cursor` is at the last run, if there is one. */
static int find_in_runs(struct db_cursor *cursor, struct log_checked *checked, uint64_t terminal_id,
    uint64_t group, uint64_t *lsn)
{
	uint64_t next_lsn = 0;
	int error = -ENOENT;

	for (;;) {
		struct log_run run;

		error = run_checked(cursor, checked, next_lsn, &run);
		if (error == 0)
			error = find_in_run(&run, terminal_id, group, lsn);
		if (error == -EBADMSG)
			note_damaged(checked, cursor->key);
		if (error != -ENOENT)
			return error;
		next_lsn = run.first_lsn;
		error = db_cursor_previous(cursor);
		if (error != 0)
			return error;
	}
}

static int group_find(struct db_txn *txn, struct log_checked *checked, uint64_t terminal_id,
    uint64_t group, uint64_t *lsn)
{
	uint64_t covered = 0;
	struct db_cursor runs;
	int error = log_index_is_old(txn), has_runs;

	if (error != 0)
		return error < 0 ? error : find_old(txn, terminal_id, group, lsn);
	error = db_cursor_open(&runs, txn, SCHEMA_RUN);
	if (error != 0)
		return error;
	error = db_cursor_last(&runs);
	has_runs = error == 0;
	if (has_runs)
		error = db_key_number(runs.key, &covered);
	if (error == 0 || error == -ENOENT)
		error = find_in_tail(txn, checked, covered, terminal_id, group, lsn);
	if (error == -ENOENT && has_runs)
		error = find_in_runs(&runs, checked, terminal_id, group, lsn);
	db_cursor_close(&runs);
	return error;
}

int log_index_find(struct db_txn *txn, struct log_checked *checked, uint64_t terminal_id,
    uint64_t request_id, uint64_t *lsn)
{
	return group_find(txn, checked, terminal_id, LOG_REQUEST_GROUP(request_id), lsn);
}

int log_index_find_fence(struct db_txn *txn, struct log_checked *checked, uint64_t terminal_id,
    uint64_t target_id, uint64_t *lsn)
{
	return group_find(txn, checked, terminal_id, LOG_FENCE_GROUP(target_id), lsn);
}

int log_index_check(struct db_txn *txn, uint64_t first_lsn)
{
	uint64_t next_lsn = first_lsn, last_lsn = 0;
	struct db_cursor cursor;
	int error = log_last_lsn(txn, &last_lsn);

	if (error != 0 && error != -ENOENT)
		return error;
	error = db_cursor_open(&cursor, txn, SCHEMA_RUN);
	if (error != 0)
		return error;
	error = db_cursor_first(&cursor);
	while (error == 0) {
		struct log_run run;

		error = log_run_read(&run, cursor.key, cursor.value, 1);
		if (error == 0 && (run.first_lsn != next_lsn || run.last_lsn > last_lsn))
			error = -EBADMSG;
		if (error == 0) {
			next_lsn = run.last_lsn + 1;
			error = db_cursor_next(&cursor);
		}
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}
