/* SPDX-License-Identifier: Apache-2.0 */
/* Where PostgreSQL stood last, kept in control's database: for the lag while it cannot be asked. */
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "control/replication/replication_internal.h"

static const char position_key_text[] = "replication"; /* in table `meta` */
static const struct db_bytes position_key = { position_key_text, sizeof(position_key_text) - 1 };

/* Another database may stand elsewhere: a position is worth something for its connection only. */
static uint64_t connection_hash(const struct control_config *config)
{
	const char *connection = config->replication.connection;

	return XXH3_64bits(connection, strlen(connection));
}

struct record_control_replication record_control_replication_make(
    const struct position *position, uint64_t connection_xxh3)
{
	struct record_control_replication record = {
		.header = record_control_header(
		    (enum record_control_kind)RECORD_CONTROL_REPLICATION, sizeof(record)),
		.connection_xxh3 = le64_make(connection_xxh3),
		.change_sequence = le64_make(position->change_sequence),
	};

	for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
		record.shards[i].incarnation = le64_make(position->shards[i].incarnation);
		record.shards[i].lsn = le64_make(position->shards[i].lsn);
	}
	return record;
}

int record_control_replication_read(
    struct db_bytes bytes, struct position *position, uint64_t *connection_xxh3)
{
	struct record_control_replication record;
	struct position read = { 0 };

	if (bytes.size != sizeof(record))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	if (record.header.kind != RECORD_CONTROL_REPLICATION ||
	    record.header.version != RECORD_VERSION ||
	    le16_get(record.header.size) != sizeof(record) ||
	    !bytes_all_zero(record.header.reserved, sizeof(record.header.reserved)))
		return -EBADMSG;
	read.change_sequence = le64_get(record.change_sequence);
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
		read.shards[i].incarnation = le64_get(record.shards[i].incarnation);
		read.shards[i].lsn = le64_get(record.shards[i].lsn);
		/* An LSN of no log says nothing. */
		if (read.shards[i].incarnation == 0 && read.shards[i].lsn != 0)
			return -EBADMSG;
	}
	*position = read;
	*connection_xxh3 = le64_get(record.connection_xxh3);
	return 0;
}

struct position_load_context {
	struct position *position;
	uint64_t connection_xxh3;
};

static int load_body(struct db_txn *txn, void *argument)
{
	const struct position_load_context *context = argument;
	struct position position;
	struct db_bytes value;
	uint64_t connection, last;
	int error = db_get(txn, CONTROL_TABLE_META, position_key, &value);

	if (error == 0)
		error = record_control_replication_read(value, &position, &connection);
	if (error == 0 && connection != context->connection_xxh3)
		error = -ENOENT;
	if (error == 0)
		error = database_last(txn, CONTROL_TABLE_CHANGE, &last);
	if (error != 0)
		return error;
	if (position.change_sequence > last)
		position.change_sequence = 0; /* of another history: unknown */
	*context->position = position;
	return 0;
}

int position_load(
    const struct database *database, const struct control_config *config, struct position *position)
{
	struct position_load_context context = { position, connection_hash(config) };

	return database_read(database, load_body, &context);
}

static int store_body(struct db_txn *txn, void *argument)
{
	const struct record_control_replication *record = argument;

	return database_put(
	    txn, CONTROL_TABLE_META, position_key, (struct db_bytes){ record, sizeof(*record) });
}

int position_store(
    struct database *database, const struct control_config *config, const struct position *position)
{
	struct record_control_replication record =
	    record_control_replication_make(position, connection_hash(config));

	return database_write(database, store_body, &record);
}
