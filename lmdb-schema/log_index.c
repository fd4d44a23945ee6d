/* SPDX-License-Identifier: Apache-2.0 */
/* Notes, and runs made of them. */
#include "lmdb-schema/log_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lmdb-schema/log.h"
#include "lmdb-schema/schema.h"

#define SLOTS (2 * LOG_NOTES_MAX) /* a power of two, never more than half full */
/* The larger of a run of notes and of a merged one. */
#define ENTRIES_MAX (LOG_RUN_ENTRIES_MAX > LOG_NOTES_MAX ? LOG_RUN_ENTRIES_MAX : LOG_NOTES_MAX)

struct note {
	uint64_t terminal_id; /* 0: free slot */
	uint64_t group;
	uint64_t lsn;
};

/* A run as it is put. */
struct run_buffer {
	struct log_run_header header;
	struct log_run_entry entries[ENTRIES_MAX];
};

struct log_index {
	uint32_t run_events;
	uint32_t count; /* slots in use */
	uint64_t first_lsn, next_lsn;
	struct note slots[SLOTS];
	uint32_t used[LOG_NOTES_MAX];
	struct run_buffer buffers[2];
};

struct log_index *log_index_create(uint32_t run_events)
{
	struct log_index *index = calloc(1, sizeof(*index));

	if (index != NULL)
		index->run_events = run_events;
	return index;
}

void log_index_free(struct log_index *index)
{
	free(index);
}

void log_index_begin(struct log_index *index, uint64_t first_lsn)
{
	for (uint32_t i = 0; i < index->count; i++)
		index->slots[index->used[i]] = (struct note){ 0 };
	index->count = 0;
	index->first_lsn = index->next_lsn = first_lsn;
}

/* Where the search for a group's slot begins; to be taken modulo SLOTS. */
static uint32_t group_place(uint64_t terminal_id, uint64_t group)
{
	uint64_t hash = (terminal_id * 0x9e3779b97f4a7c15ull) ^ (group * 0xff51afd7ed558ccdull);

	return (uint32_t)(hash >> 32);
}

static void group_note(struct log_index *index, uint64_t terminal_id, uint64_t group, uint64_t lsn)
{
	for (uint32_t i = group_place(terminal_id, group);; i++) {
		struct note *slot = &index->slots[i & (SLOTS - 1)];

		if (slot->terminal_id == 0) {
			*slot = (struct note){ terminal_id, group, lsn };
			index->used[index->count++] = i & (SLOTS - 1);
			return;
		}
		if (slot->terminal_id == terminal_id && slot->group == group) {
			slot->lsn = lsn;
			return;
		}
	}
}

void log_index_note(struct log_index *index, const struct event_record *record)
{
	uint64_t terminal_id = le64_get(record->terminal_id), lsn = le64_get(record->lsn);
	uint64_t groups[LOG_GROUPS_MAX];
	unsigned count = log_index_groups(record, groups);

	SLUICE_REQUIRE(lsn == index->next_lsn && log_index_room(index) > 0);
	index->next_lsn++;
	for (unsigned i = 0; i < count; i++)
		group_note(index, terminal_id, groups[i], lsn);
}

void log_index_ahead(const struct log_index *index, const struct event_record *record)
{
	uint64_t groups[LOG_GROUPS_MAX];
	unsigned count = log_index_groups(record, groups);

	for (unsigned i = 0; i < count; i++) {
		uint32_t place = group_place(le64_get(record->terminal_id), groups[i]);

		__builtin_prefetch(&index->slots[place & (SLOTS - 1)], 1);
	}
}

uint32_t log_index_room(const struct log_index *index)
{
	return (LOG_NOTES_MAX - index->count) / LOG_GROUPS_MAX;
}

uint64_t log_index_events(const struct log_index *index)
{
	return index->next_lsn - index->first_lsn;
}

int log_index_due(const struct log_index *index)
{
	return log_index_events(index) >= index->run_events;
}

/* ---- Making a run ---- */

#define KEY_SIZE offsetof(struct log_run_entry, lsn)

/* Bytes of the keys that differ, the one that counts least first. Their number. */
static unsigned key_bytes(
    const struct log_run_entry *entries, uint64_t count, uint8_t bytes[KEY_SIZE])
{
	uint64_t terminal = 0, group = 0;
	unsigned found = 0;

	for (uint64_t i = 1; i < count; i++) {
		terminal |= entries[i].terminal_id.raw ^ entries[0].terminal_id.raw;
		group |= entries[i].group.raw ^ entries[0].group.raw;
	}
	group = le64_get((struct le64){ group });
	terminal = le64_get((struct le64){ terminal });
	for (uint8_t i = 0; i < 8; i++)
		if ((group >> 8 * i & 255) != 0)
			bytes[found++] = (uint8_t)(offsetof(struct log_run_entry, group) + i);
	for (uint8_t i = 0; i < 8; i++)
		if ((terminal >> 8 * i & 255) != 0)
			bytes[found++] = i;
	return found;
}

static uint8_t key_byte(const struct log_run_entry *entry, uint8_t byte)
{
	return ((const uint8_t *)entry)[byte];
}

/*
 * By terminal and group, a byte at a time from the lowest: terminals are a few hundred, and their
 * groups few, so two or three bytes differ. No key is there twice.
 */
static void entries_sort(
    struct log_run_entry *entries, uint64_t count, struct log_run_entry *scratch)
{
	struct log_run_entry *from = entries, *to = scratch, *swap;
	uint8_t bytes[KEY_SIZE];
	unsigned passes = key_bytes(entries, count, bytes);

	for (unsigned pass = 0; pass < passes; pass++) {
		uint32_t place[256] = { 0 }, begin = 0;

		for (uint64_t i = 0; i < count; i++)
			place[key_byte(&from[i], bytes[pass])]++;
		for (unsigned digit = 0; digit < 256; digit++) {
			uint32_t with = place[digit];

			place[digit] = begin;
			begin += with;
		}
		for (uint64_t i = 0; i < count; i++)
			to[place[key_byte(&from[i], bytes[pass])]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	if (from != entries)
		memcpy(entries, from, count * sizeof(*entries));
}

static uint64_t notes_take(
    const struct log_index *index, struct run_buffer *out, struct run_buffer *scratch)
{
	for (uint32_t i = 0; i < index->count; i++) {
		const struct note *note = &index->slots[index->used[i]];

		out->entries[i] = (struct log_run_entry){
			.terminal_id = le64_make(note->terminal_id),
			.group = le64_make(note->group),
			.lsn = le64_make(note->lsn),
		};
	}
	entries_sort(out->entries, index->count, scratch->entries);
	return index->count;
}

/* Both into `out`; of a group in both, the newer entry. Their number. */
static uint64_t runs_merge(const struct log_run *older, const struct run_buffer *newer,
    uint64_t newer_count, struct run_buffer *out)
{
	uint64_t i = 0, k = 0, count = 0;

	while (i < older->count || k < newer_count) {
		const struct log_run_entry *next = &newer->entries[k];
		struct log_run_entry old = { 0 };
		int order = 1;

		if (i < older->count) {
			old = log_run_entry_at(older, i);
			order = k == newer_count
			            ? -1
			            : log_run_compare(
			                  &old, le64_get(next->terminal_id), le64_get(next->group));
		}
		i += order <= 0;
		k += order >= 0;
		out->entries[count++] = order < 0 ? old : *next;
	}
	return count;
}

/* The last run. 0; -ENOENT: there is none; -EBADMSG. */
static int run_last(struct db_txn *txn, struct log_run *run, int check_all)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, SCHEMA_RUN);

	if (error != 0)
		return error;
	error = db_cursor_last(&cursor);
	if (error == 0)
		error = log_run_read(run, cursor.key, cursor.value, check_all);
	db_cursor_close(&cursor);
	return error;
}

int log_index_put(struct log_index *index, struct db_txn *txn, int closes)
{
	struct run_buffer *run = &index->buffers[0], *spare = &index->buffers[1];
	uint64_t first = index->first_lsn, count = notes_take(index, run, spare), size;
	struct db_key key;
	struct log_run last;
	int error;

	SLUICE_REQUIRE(log_index_events(index) > 0);
	while ((error = run_last(txn, &last, 1)) == 0) {
		struct run_buffer *merged = spare;

		if (last.last_lsn + 1 != first)
			return -EBADMSG;
		if (last.count + count > LOG_RUN_ENTRIES_MAX ||
		    (!closes &&
		        last.last_lsn + 1 - last.first_lsn >= 2 * (index->next_lsn - first)))
			break;
		count = runs_merge(&last, run, count, merged);
		spare = run;
		run = merged;
		first = last.first_lsn;
		key = db_key_make(last.last_lsn);
		error = db_delete(txn, SCHEMA_RUN, db_key(&key));
		if (error != 0)
			return error;
	}
	if (error != 0 && error != -ENOENT)
		return error;
	size = count * sizeof(run->entries[0]);
	run->header = (struct log_run_header){
		.first_lsn = le64_make(first),
		.count = le64_make(count),
		.checksum = le64_make(XXH3_64bits_withSeed(run->entries, size, first)),
	};
	key = db_key_make(index->next_lsn - 1);
	return db_append(
	    txn, SCHEMA_RUN, db_key(&key), (struct db_bytes){ run, sizeof(run->header) + size });
}

/* ---- Events that are in no run ---- */

/* The block that holds `lsn`, or the first. */
static int block_seek(struct db_cursor *cursor, uint64_t lsn)
{
	int error = log_block_find(cursor, lsn);

	return error == -ENOENT ? db_cursor_first(cursor) : error;
}

static int block_note(struct log_index *index, const struct db_cursor *cursor)
{
	struct log_walk walk;
	struct db_bytes event;
	int result = log_walk_begin(&walk, cursor->key, cursor->value, 1);

	while (result == 0 && (result = log_walk_next(&walk, &event)) == 1) {
		struct event_record record;
		uint64_t lsn = walk.next_lsn - 1;

		result = 0;
		if (lsn < index->next_lsn)
			continue;
		if (lsn > index->next_lsn)
			return -EBADMSG;
		if (log_index_room(index) == 0)
			return 1;
		memcpy(&record, event.data, sizeof(record));
		log_index_note(index, &record);
	}
	return result;
}

int log_index_resume(struct log_index *index, struct db_txn *txn, uint64_t first_lsn)
{
	struct db_cursor cursor;
	struct log_run run;
	int result = run_last(txn, &run, 0);

	if (result != 0 && result != -ENOENT)
		return result;
	log_index_begin(index, result == 0 ? run.last_lsn + 1 : first_lsn);
	result = db_cursor_open(&cursor, txn, SCHEMA_BLOCK);
	if (result != 0)
		return result;
	result = block_seek(&cursor, index->next_lsn);
	while (result == 0) {
		result = block_note(index, &cursor);
		if (result == 0)
			result = db_cursor_next(&cursor);
	}
	db_cursor_close(&cursor);
	return result == -ENOENT ? 0 : result;
}

/* ---- Making the index anew ---- */

static int table_clear(struct db_txn *txn, enum schema_log_table table)
{
	int error = 0;

	while (error == 0) {
		struct db_cursor cursor;
		uint8_t key[16];
		size_t size = 0;

		error = db_cursor_open(&cursor, txn, table);
		if (error != 0)
			return error;
		error = db_cursor_first(&cursor);
		if (error == 0) {
			size = cursor.key.size <= sizeof(key) ? cursor.key.size : 0;
			memcpy(key, cursor.key.data, size);
		}
		db_cursor_close(&cursor);
		if (error == 0)
			error = db_delete(txn, table, (struct db_bytes){ key, size });
	}
	return error == -ENOENT ? 0 : error;
}

/* LSN of the first event. 0; -ENOENT: there is none. */
static int events_begin(struct db_txn *txn, uint64_t *first_lsn)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, SCHEMA_BLOCK);

	if (error != 0)
		return error;
	error = db_cursor_first(&cursor);
	if (error == 0)
		error = db_key_number(cursor.key, first_lsn);
	db_cursor_close(&cursor);
	return error;
}

int log_index_complete(struct db_txn *txn)
{
	struct log_index *index;
	uint64_t first_lsn;
	int result = table_clear(txn, SCHEMA_REQUEST), more = 1;

	if (result == 0)
		result = events_begin(txn, &first_lsn);
	if (result != 0)
		return result == -ENOENT ? 0 : result;
	index = log_index_create(LOG_RUN_EVENTS);
	if (index == NULL)
		return -ENOMEM;
	while (result == 0 && more) {
		result = more = log_index_resume(index, txn, first_lsn);
		if (result >= 0)
			result = log_index_events(index) > 0 ? log_index_put(index, txn, 0) : 0;
	}
	log_index_free(index);
	return result;
}

int log_index_rebuild(struct db_txn *txn)
{
	int error = table_clear(txn, SCHEMA_RUN);

	return error == 0 ? log_index_complete(txn) : error;
}
