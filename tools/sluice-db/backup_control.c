/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's database at the moment the shards were cut: its changes are played again, one after the
 * other, up to the time of the cut and at least as far as the last command a restored shard has
 * done. What control had committed by then and a shard had not done is sent to it again when the
 * switch starts; what came later is gone on both sides, so no command counts as done that a shard
 * has lost. Where that ends, and out of which database, is backup_control_end.c's. Session slots
 * are not kept: terminals key themselves anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "lmdb-schema/control_rows.h"
#include "tools/sluice-db/from_backup.h"

#define CHANGES_A_PIECE 500

struct piece {
	struct db_env *source;
	uint64_t next, last; /* sequence of the first change, and of the last of all */
	/* Out. */
	uint64_t taken;
	int end;
};

static int change_put(struct db_txn *txn, const struct record_control_change *change,
    struct db_bytes key, struct db_bytes value, struct db_bytes whole)
{
	struct db_key sequence = db_key_make(le64_get(change->sequence));
	int deleted = le32_get(change->value_length) == UINT32_MAX;
	int error = db_put(txn, CONTROL_TABLE_CHANGE, db_key(&sequence), whole);

	if (error != 0)
		return error;
	error =
	    deleted ? db_delete(txn, change->table, key) : db_put(txn, change->table, key, value);
	return deleted && error == -ENOENT ? 0 : error;
}

/* Changes of one piece out of an open cursor. */
static int changes_put(struct db_txn *txn, struct db_cursor *cursor, struct piece *piece)
{
	int error = 0;

	while (error == 0 && piece->taken < CHANGES_A_PIECE && !piece->end) {
		struct record_control_change change;
		struct db_bytes key, value;

		if (piece->next + piece->taken > piece->last) {
			piece->end = 1;
			return 0;
		}
		error = record_control_change_read(cursor->value, &change, &key, &value);
		if (error == 0 && le64_get(change.sequence) != piece->next + piece->taken)
			error = -ENODATA;
		if (error != 0)
			return error;
		error = change_put(txn, &change, key, value, cursor->value);
		if (error != 0)
			return error;
		piece->taken++;
		error = db_cursor_next(cursor);
		if (error == -ENOENT) {
			piece->end = 1;
			error = 0;
		}
	}
	return error;
}

static int piece_body(struct db_txn *txn, void *context)
{
	struct piece *piece = context;
	struct db_key first = db_key_make(piece->next);
	struct db_cursor cursor;
	struct db_txn source;
	int error = db_read_open(&source, piece->source);

	piece->taken = 0;
	piece->end = 0;
	if (error != 0)
		return error;
	error = db_read_begin(&source);
	if (error == 0)
		error = db_cursor_open(&cursor, &source, CONTROL_TABLE_CHANGE);
	if (error == 0) {
		error = db_cursor_seek_below(&cursor, db_key(&first));
		if (error == -ENOENT) {
			piece->end = 1;
			error = 0;
		} else if (error == 0) {
			error = changes_put(txn, &cursor, piece);
		}
		db_cursor_close(&cursor);
	}
	db_read_close(&source);
	return error;
}

/* Whose changes have one time a transaction stays so. */
static int times_body(struct db_txn *txn, void *context)
{
	const struct le64 *first = context;

	return db_put(txn, CONTROL_TABLE_META,
	    (struct db_bytes){ CONTROL_CHANGE_TIMES, strlen(CONTROL_CHANGE_TIMES) },
	    (struct db_bytes){ first, sizeof(*first) });
}

static int changes_play(struct restore *restore, struct db_env *source,
    const struct control_end *end, struct db_env *env)
{
	struct piece piece = { .source = source, .next = 1, .last = end->last };
	struct le64 timed = le64_make(end->timed_from);
	int error = 0;

	while (error == 0 && !piece.end) {
		error = db_write(env, piece_body, &piece);
		piece.next += piece.taken;
	}
	restore->changes = piece.next - 1;
	restore->changes_left_out = end->left_out;
	if (error == 0 && restore->changes != end->last)
		error = -ENODATA;
	if (error == 0 && end->timed_from <= end->last)
		error = db_write(env, times_body, &timed);
	if (restore_disk_is_full(restore, error)) {
		char path[PATH_MAX + 32];

		snprintf(path, sizeof(path), "%s/control/data.mdb", restore->building);
		return restore_unwritten(restore, error, path);
	}
	if (error != 0)
		return restore_fail(restore, EXIT_MISMATCH,
		    "control's changes from %" PRIu64 " on cannot be restored: %s", piece.next,
		    error == -ENODATA ? "there is a gap" : strerror(-error));
	return 0;
}

int backup_control_make(struct restore *restore)
{
	struct control_end end;
	struct db_env *source, *env;
	int error = backup_control_source(restore, &source);

	if (error != 0 || source == NULL)
		return error; /* NULL: a switch without control */
	error = backup_control_end(restore, source, &end);
	if (error == 0)
		error = restore_control_open(restore, &env);
	if (error == 0) {
		error = changes_play(restore, source, &end, env);
		db_env_close(env);
	}
	db_env_close(source);
	return error;
}
