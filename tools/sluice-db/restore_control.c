/* SPDX-License-Identifier: Apache-2.0 */
/* Control's own database out of its changes, one after the other, and the changes themselves. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lmdb-schema/control_rows.h"
#include "tools/sluice-db/restore.h"

struct piece {
	struct restore *restore;
	const PGresult *result; /* sequence, time_ns, table_number, key, value */
	uint64_t next;          /* sequence before the first of these */
};

static struct db_bytes text_key(const char *text)
{
	return (struct db_bytes){ text, strlen(text) };
}

static int identity_body(struct db_txn *txn, void *context)
{
	const struct restore *restore = context;
	struct record_control_identity identity = {
		.header = record_control_header(RECORD_CONTROL_IDENTITY, sizeof(identity)),
		.created_ns = le64_make((uint64_t)time(NULL) * 1000000000u),
	};
	struct le32 version = le32_make(CONTROL_SCHEMA_VERSION);
	int error;

	memcpy(identity.deployment, restore->deployment, strlen(restore->deployment));
	error = db_put(txn, CONTROL_TABLE_META, text_key("version"),
	    (struct db_bytes){ &version, sizeof(version) });
	return error != 0 ? error
	                  : db_put(txn, CONTROL_TABLE_META, text_key("identity"),
	                        (struct db_bytes){ &identity, sizeof(identity) });
}

/* The record of `change` as control wrote it, then the change itself. */
static int change_apply(struct db_txn *txn, const PGresult *result, int row)
{
	int deleted = PQgetisnull(result, row, 4);
	struct db_bytes key = { PQgetvalue(result, row, 3), (size_t)PQgetlength(result, row, 3) };
	struct db_bytes value = { PQgetvalue(result, row, 4), (size_t)PQgetlength(result, row, 4) };
	struct record_control_change record = {
		.header = record_control_header(RECORD_CONTROL_CHANGE, sizeof(record)),
		.sequence = le64_make(restore_u64(result, row, 0)),
		.time_ns = le64_make(restore_u64(result, row, 1)),
		.value_length = le32_make(deleted ? UINT32_MAX : (uint32_t)value.size),
		.key_length = le16_make((uint16_t)key.size),
		.table = (uint8_t)restore_u64(result, row, 2),
	};
	struct db_key sequence = db_key_make(restore_u64(result, row, 0));
	size_t size = sizeof(record) + key.size + (deleted ? 0 : value.size);
	uint8_t *bytes;
	int error;

	if (!control_table_replicated(record.table) || key.size == 0 || key.size > UINT16_MAX)
		return -EBADMSG;
	bytes = malloc(size);
	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes, &record, sizeof(record));
	memcpy(bytes + sizeof(record), key.data, key.size);
	if (!deleted)
		memcpy(bytes + sizeof(record) + key.size, value.data, value.size);
	error =
	    db_put(txn, CONTROL_TABLE_CHANGE, db_key(&sequence), (struct db_bytes){ bytes, size });
	free(bytes);
	if (error != 0)
		return error;
	error = deleted ? db_delete(txn, record.table, key) : db_put(txn, record.table, key, value);
	return deleted && error == -ENOENT ? 0 : error;
}

static int piece_body(struct db_txn *txn, void *context)
{
	const struct piece *piece = context;
	int error = 0;

	for (int row = 0; row < PQntuples(piece->result) && error == 0; row++) {
		if (restore_u64(piece->result, row, 0) != piece->next + (uint64_t)row)
			return -ENODATA;
		error = change_apply(txn, piece->result, row);
	}
	return error;
}

static int changes_apply(struct restore *restore, struct db_env *env)
{
	char from[24], path[PATH_MAX + 32];
	const char *const values[4] = { from };
	struct piece piece = { .restore = restore, .next = 1 };
	int error = 0, count;

	snprintf(path, sizeof(path), "%s/control/data.mdb", restore->building);
	do {
		PGresult *result;

		snprintf(from, sizeof(from), "%" PRIu64, piece.next);
		result = restore_query(restore,
		    "select sequence, time_ns, table_number, key, value from sluice.control_change "
		    "where sequence >= $1::bigint order by sequence limit 500",
		    1, values);
		if (result == NULL)
			return -1;
		piece.result = result;
		count = PQntuples(result);
		error = count == 0 ? 0 : db_write(env, piece_body, &piece);
		if (restore_disk_is_full(restore, error))
			restore_unwritten(restore, error, path);
		else if (error != 0)
			restore_fail(restore,
			    error == -ENODATA || error == -EBADMSG ? EXIT_MISMATCH : EXIT_MISSING,
			    "control's changes from %" PRIu64 " on cannot be restored: %s",
			    piece.next,
			    error == -ENODATA ? "there is a gap in sluice.control_change"
			                      : strerror(-error));
		PQclear(result);
		piece.next += (uint64_t)count;
	} while (error == 0 && count > 0);
	restore->changes = piece.next - 1;
	return error == 0 ? 0 : -1;
}

int restore_control_open(struct restore *restore, struct db_env **env)
{
	char path[PATH_MAX + 16];
	int error;

	snprintf(path, sizeof(path), "%s/control", restore->building);
	error = control_schema_open(env, path, 0);
	if (error == 0) {
		error = db_write(*env, identity_body, restore);
		if (error != 0)
			db_env_close(*env);
	}
	return error == 0 ? 0 : restore_unwritten(restore, error, path);
}

int restore_control(struct restore *restore)
{
	struct db_env *env;
	int error = restore_control_open(restore, &env);

	if (error != 0)
		return error;
	error = changes_apply(restore, env);
	db_env_close(env);
	return error;
}
