/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's database at the moment the shards were cut: its changes are played again, one after the
 * other, up to the time of the cut and at least as far as the last command a restored shard has
 * done. What control had committed by then and a shard had not done is sent to it again when the
 * switch starts; what came later is gone on both sides, so no command counts as done that a shard
 * has lost. Session slots are not kept: terminals key themselves anew.
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
	uint64_t next; /* sequence of the first change */
	uint64_t time_max, commands_min, commands;
	/* Out. */
	uint64_t taken, highest;
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
		uint64_t number = 0;

		error = record_control_change_read(cursor->value, &change, &key, &value);
		if (error == 0 && le64_get(change.sequence) != piece->next + piece->taken)
			error = -ENODATA;
		if (error != 0)
			return error;
		if (le64_get(change.time_ns) > piece->time_max &&
		    piece->highest >= piece->commands_min) {
			piece->end = 1;
			return 0;
		}
		error = change_put(txn, &change, key, value, cursor->value);
		if (error != 0)
			return error;
		if (change.table == CONTROL_TABLE_COMMAND && db_key_number(key, &number) == 0 &&
		    number > piece->highest)
			piece->highest = number;
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
	piece->highest = piece->commands;
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

static int changes_play(struct restore *restore, struct db_env *source, struct db_env *env)
{
	const struct from_backup *from = restore->backup;
	struct piece piece = {
		.source = source,
		.next = 1,
		.time_max = from->target == TARGET_LATEST ? UINT64_MAX
		            : from->target == TARGET_TIME ? from->time_ns
		                                          : from->cut_time_ns,
		.commands_min = from->command_sequence,
	};
	int error = 0;

	while (error == 0 && !piece.end) {
		error = db_write(env, piece_body, &piece);
		piece.next += piece.taken;
		piece.commands = piece.highest;
	}
	restore->changes = piece.next - 1;
	if (error != 0)
		return restore_fail(restore, EXIT_MISMATCH,
		    "control's changes from %" PRIu64 " on cannot be restored: %s", piece.next,
		    error == -ENODATA ? "there is a gap" : strerror(-error));
	if (piece.commands < from->command_sequence)
		return restore_fail(restore, EXIT_MISMATCH,
		    "a shard has done command %" PRIu64 ", control's database ends at %" PRIu64
		    "; use a backup whose control's database is newer",
		    from->command_sequence, piece.commands);
	return 0;
}

int backup_control_make(struct restore *restore)
{
	const struct from_backup *from = restore->backup;
	char path[PATH_MAX + 64];
	struct db_env *source, *env;
	int error;

	/* The newer of both: it begins with all the older one has. */
	if (from->archive_path[0] != '\0') {
		snprintf(path, sizeof(path), "%s/control", from->archive_path);
		if (access(path, F_OK) != 0)
			path[0] = '\0';
	} else {
		path[0] = '\0';
	}
	if (path[0] == '\0')
		snprintf(path, sizeof(path), "%s/" BACKUP_DATA "/control", from->base.path);
	if (access(path, F_OK) != 0)
		return 0; /* a switch without control */
	error = control_schema_open(&source, path, 1);
	if (error != 0)
		return restore_fail(
		    restore, EXIT_MISSING, "%.300s cannot be read: %s", path, strerror(-error));
	error = restore_control_open(restore, &env);
	if (error == 0) {
		error = changes_play(restore, source, env);
		db_env_close(env);
	}
	db_env_close(source);
	return error;
}
