/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of control's tables, raw: gathered from `change`, sent by COPY. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/replication/changes.h"
#include "control/replication/replication_internal.h"

#define CHANGES_SIZE_MAX (4u << 20) /* bytes gathered at a time; one more change may be above */

struct change_at {
	size_t offset, size; /* in `bytes` */
};

struct changes {
	uint8_t *bytes;
	size_t size, room;
	struct change_at at[CHANGES_MAX];
	unsigned count;
	struct copy copy;
};

struct changes *changes_create(void)
{
	return calloc(1, sizeof(struct changes));
}

void changes_free(struct changes *changes)
{
	if (changes == NULL)
		return;
	copy_free(&changes->copy);
	free(changes->bytes);
	free(changes);
}

void changes_clear(struct changes *changes)
{
	changes->size = 0;
	changes->count = 0;
	copy_clear(&changes->copy);
}

unsigned changes_count(const struct changes *changes)
{
	return changes->count;
}

static int change_keep(struct changes *changes, struct db_bytes value)
{
	if (changes->room - changes->size < value.size) {
		size_t room = (changes->size + value.size) * 2;
		uint8_t *grown = realloc(changes->bytes, room);

		if (grown == NULL)
			return -ENOMEM;
		changes->bytes = grown;
		changes->room = room;
	}
	memcpy(changes->bytes + changes->size, value.data, value.size);
	changes->at[changes->count++] = (struct change_at){ changes->size, value.size };
	changes->size += value.size;
	return 0;
}

struct gather {
	struct changes *changes;
	uint64_t after, last;
};

static int cursor_to(struct db_cursor *cursor, uint64_t after)
{
	struct db_key key = db_key_make(after + 1);
	uint64_t number = 0;
	int error = db_cursor_seek_below(cursor, db_key(&key));

	if (error == -ENOENT)
		return db_cursor_first(cursor);
	if (error == 0)
		error = db_key_number(cursor->key, &number);
	if (error == 0 && number <= after)
		error = db_cursor_next(cursor);
	return error;
}

static int gather_body(struct db_txn *txn, void *context)
{
	struct gather *gather = context;
	struct changes *changes = gather->changes;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_CHANGE);

	if (error != 0)
		return error;
	for (error = cursor_to(&cursor, gather->after);
	     error == 0 && changes->count < CHANGES_MAX && changes->size < CHANGES_SIZE_MAX;
	     error = db_cursor_next(&cursor)) {
		struct record_control_change change;
		struct db_bytes key, value;
		uint64_t number;

		error = db_key_number(cursor.key, &number);
		if (error == 0 && number != gather->last + 1)
			error = -ENODATA;
		if (error == 0)
			error = record_control_change_read(cursor.value, &change, &key, &value);
		if (error == 0)
			error = change_keep(changes, cursor.value);
		if (error != 0)
			break;
		gather->last = number;
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

int changes_gather(
    struct changes *changes, struct database *database, uint64_t after, uint64_t *last)
{
	struct gather gather = { .changes = changes, .after = after, .last = after };
	int error;

	changes_clear(changes);
	error = database_read(database, gather_body, &gather);
	if (error != 0)
		changes_clear(changes);
	else
		*last = gather.last;
	return error;
}

static int last_body(struct db_txn *txn, void *context)
{
	return database_last(txn, CONTROL_TABLE_CHANGE, context);
}

int changes_last(struct database *database, uint64_t *last)
{
	return database_read(database, last_body, last);
}

struct behind {
	uint64_t after, last, oldest_ns;
};

static int behind_body(struct db_txn *txn, void *context)
{
	struct behind *behind = context;
	struct record_control_change change;
	struct db_bytes key, value;
	struct db_cursor cursor;
	int error = database_last(txn, CONTROL_TABLE_CHANGE, &behind->last);

	if (error != 0 || behind->last <= behind->after)
		return error;
	error = db_cursor_open(&cursor, txn, CONTROL_TABLE_CHANGE);
	if (error != 0)
		return error;
	error = cursor_to(&cursor, behind->after);
	if (error == 0)
		error = record_control_change_read(cursor.value, &change, &key, &value);
	if (error == 0)
		behind->oldest_ns = le64_get(change.time_ns);
	db_cursor_close(&cursor);
	return error;
}

int changes_behind(struct database *database, uint64_t after, uint64_t *last, uint64_t *oldest_ns)
{
	struct behind behind = { .after = after };
	int error = database_read(database, behind_body, &behind);

	if (error == 0) {
		*last = behind.last;
		*oldest_ns = behind.oldest_ns;
	}
	return error;
}

int changes_at(const struct changes *changes, unsigned number, struct change_view *view)
{
	struct db_bytes bytes = { changes->bytes + changes->at[number].offset,
		changes->at[number].size };
	int error = record_control_change_read(bytes, &view->change, &view->key, &view->value);

	if (error == 0)
		view->deleted = le32_get(view->change.value_length) == UINT32_MAX;
	return error;
}

int change_raw_add(struct copy *copy, const struct change_view *view)
{
	uint8_t *at = copy_row(copy, 2 + 5 * COPY_FIELD_INT8 + view->key.size + view->value.size);

	if (at == NULL)
		return -ENOMEM;
	at = copy_put16(at, 5);
	at = copy_int8(at, le64_get(view->change.sequence));
	at = copy_int8(at, le64_get(view->change.time_ns));
	at = copy_int2(at, view->change.table);
	at = copy_bytes(at, view->key.data, view->key.size);
	at = view->deleted ? copy_null(at) : copy_bytes(at, view->value.data, view->value.size);
	copy_end(copy, at);
	return 0;
}

int changes_send(struct changes *changes, struct session *session)
{
	int error = 0;

	copy_clear(&changes->copy);
	for (unsigned i = 0; i < changes->count && error == 0; i++) {
		struct change_view view;

		error = changes_at(changes, i, &view);
		if (error != 0)
			return session_say_fatal(
			    session, -EPERM, "control's database: a change is damaged");
		error = change_raw_add(&changes->copy, &view);
		if (error != 0)
			return session_say(session, error, "out of memory for a batch");
		error = change_typed(
		    session, view.change.table, view.key, view.deleted ? NULL : &view.value);
	}
	if (error == 0)
		error = session_copy(session,
		    "copy sluice.control_change (sequence, time_ns, table_number, key, value) from "
		    "stdin (format binary)",
		    &changes->copy);
	return error;
}
