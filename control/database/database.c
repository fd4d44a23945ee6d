/* SPDX-License-Identifier: Apache-2.0 */
#include "control/database/database.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct database {
	struct db_env *env;
	/* What the disk said of the last write, and since when: set by writers, read by anybody,
	 * each by itself: relaxed. */
	_Atomic int trouble;
	_Atomic uint64_t trouble_ns;
};

static struct db_bytes text_key(const char *text)
{
	return (struct db_bytes){ text, strlen(text) };
}

uint64_t database_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Length of the UTF-8 sequence at `text`, 0 when it is none (RFC 3629 4, surrogates too). */
static size_t utf8_length(const uint8_t *text)
{
	uint8_t first = text[0];
	size_t length = first < 0x80   ? 1
	                : first < 0xc2 ? 0
	                : first < 0xe0 ? 2
	                : first < 0xf0 ? 3
	                               : 4;

	if (first > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
	    (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

int database_text(uint8_t *field, size_t size, const char *text)
{
	size_t length = strlen(text);

	if (length >= size)
		return -ENAMETOOLONG;
	for (const uint8_t *at = (const uint8_t *)text; *at != '\0';) {
		size_t step = utf8_length(at);

		if (step == 0 || *at < 0x20 || *at == 0x7f)
			return -EILSEQ;
		at += step;
	}
	memset(field, 0, size);
	memcpy(field, text, length);
	return 0;
}

/* ---- Identity ---- */

struct identity_context {
	const char *deployment;
	char *message;
	size_t message_size;
};

static int identity_make(struct db_txn *txn, const struct identity_context *context)
{
	struct record_control_identity identity = {
		.header = record_control_header(RECORD_CONTROL_IDENTITY, sizeof(identity)),
		.created_ns = le64_make(database_now_ns()),
	};
	struct le32 version = le32_make(CONTROL_SCHEMA_VERSION);
	int error =
	    database_text(identity.deployment, sizeof(identity.deployment), context->deployment);

	if (error == 0)
		error = db_put(txn, CONTROL_TABLE_META, text_key("version"),
		    (struct db_bytes){ &version, sizeof(version) });
	if (error == 0)
		error = db_put(txn, CONTROL_TABLE_META, text_key("identity"),
		    (struct db_bytes){ &identity, sizeof(identity) });
	return error;
}

/* Notes from which change on the changes of a transaction have one time: once, and for good. */
static int change_times_begin(struct db_txn *txn)
{
	struct db_bytes value;
	struct le64 first;
	uint64_t last;
	int error = db_get(txn, CONTROL_TABLE_META, text_key(CONTROL_CHANGE_TIMES), &value);

	if (error != -ENOENT)
		return error;
	error = database_last(txn, CONTROL_TABLE_CHANGE, &last);
	first = le64_make(last + 1);
	return error != 0 ? error
	                  : db_put(txn, CONTROL_TABLE_META, text_key(CONTROL_CHANGE_TIMES),
	                        (struct db_bytes){ &first, sizeof(first) });
}

static int identity_check(struct db_txn *txn, void *argument)
{
	const struct identity_context *context = argument;
	struct record_control_identity identity;
	struct db_bytes value;
	struct le32 version;
	int error = db_get(txn, CONTROL_TABLE_META, text_key("version"), &value);

	if (error == -ENOENT) {
		error = identity_make(txn, context);
		return error != 0 ? error : change_times_begin(txn);
	}
	if (error != 0)
		return error;
	if (value.size != sizeof(version))
		return -EBADMSG;
	memcpy(&version, value.data, sizeof(version));
	if (le32_get(version) != CONTROL_SCHEMA_VERSION) {
		snprintf(context->message, context->message_size,
		    "control's database has schema version %u, this program knows %u; use the "
		    "program that wrote it",
		    le32_get(version), CONTROL_SCHEMA_VERSION);
		return -EPROTO;
	}
	error = db_get(txn, CONTROL_TABLE_META, text_key("identity"), &value);
	if (error == 0)
		error = record_control_identity_read(value, &identity);
	if (error != 0)
		return error;
	if (strcmp((const char *)identity.deployment, context->deployment) == 0)
		return change_times_begin(txn);
	snprintf(context->message, context->message_size,
	    "control's database belongs to deployment \"%s\", the configuration says \"%s\"; "
	    "correct deployment, or choose another root",
	    (const char *)identity.deployment, context->deployment);
	return -EBADMSG;
}

int database_open(struct database **out, const char *directory, const char *deployment,
    char *message, size_t message_size)
{
	struct identity_context context = { deployment, message, message_size };
	struct database *database = calloc(1, sizeof(*database));
	int error;

	message[0] = '\0';
	if (database == NULL)
		return -ENOMEM;
	error = control_schema_open(&database->env, directory, 0);
	if (error == 0)
		error = db_write(database->env, identity_check, &context);
	if (error != 0) {
		if (message[0] == '\0')
			snprintf(message, message_size,
			    "control's database in %s cannot be opened: %s; check space and "
			    "permissions, or restore it",
			    directory, strerror(-error));
		database_close(database);
		return error;
	}
	*out = database;
	return 0;
}

void database_close(struct database *database)
{
	if (database == NULL)
		return;
	db_env_close(database->env);
	free(database);
}

/* ---- Changes ---- */

static _Thread_local int dry_run;
/* Of the transaction this thread writes: all its changes have it, so none is cut apart by time. */
static _Thread_local uint64_t change_time_ns;

void database_dry_run(int on)
{
	dry_run = on;
}

struct write_context {
	db_write_body *body;
	void *context;
	int dry;
	int done; /* the body went through */
};

/* The clock is read inside: a transaction that waited for another is not earlier than it. */
static int write_body(struct db_txn *txn, void *argument)
{
	struct write_context *write = argument;
	int error;

	change_time_ns = database_now_ns();
	error = write->body(txn, write->context);
	write->done = error == 0;
	return error == 0 && write->dry ? -ECANCELED : error;
}

/* Errors of the disk, not of what was to be written. */
static void trouble_note(struct database *database, int error)
{
	int disk = error == -ENOSPC || error == -EDQUOT || error == -EIO || error == -EROFS ||
	           error == -EFBIG;

	if (error != 0 && !disk)
		return;
	if (disk && atomic_load_explicit(&database->trouble, memory_order_relaxed) == 0)
		atomic_store_explicit(
		    &database->trouble_ns, database_now_ns(), memory_order_relaxed);
	atomic_store_explicit(&database->trouble, error, memory_order_relaxed);
}

int database_trouble(const struct database *database, uint64_t *since_ns)
{
	if (since_ns != NULL)
		*since_ns = atomic_load_explicit(&database->trouble_ns, memory_order_relaxed);
	if (db_env_failed(database->env))
		return -ENOTRECOVERABLE;
	return atomic_load_explicit(&database->trouble, memory_order_relaxed);
}

int database_write(struct database *database, db_write_body *body, void *context)
{
	struct write_context write = { body, context, dry_run, 0 };
	int error = db_write(database->env, write_body, &write);

	if (!dry_run) {
		trouble_note(database, error);
		return error;
	}
	return write.done && error == -ECANCELED ? 0 : error;
}

int database_read(const struct database *database, db_write_body *body, void *context)
{
	struct db_txn txn;
	int error = db_read_open(&txn, database->env);

	if (error != 0)
		return error;
	error = db_read_begin(&txn);
	if (error == 0) {
		error = body(&txn, context);
		db_read_end(&txn);
	}
	db_read_close(&txn);
	return error;
}

int database_last(struct db_txn *txn, enum control_table table, uint64_t *number)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, table);

	if (error != 0)
		return error;
	error = db_cursor_last(&cursor);
	if (error == 0)
		error = db_key_number(cursor.key, number);
	else if (error == -ENOENT) {
		*number = 0;
		error = 0;
	}
	db_cursor_close(&cursor);
	return error;
}

/* Notes a put (or, with value NULL, a deletion) under the next change number. */
static int change_note(
    struct db_txn *txn, enum control_table table, struct db_bytes key, const struct db_bytes *value)
{
	size_t value_size = value != NULL ? value->size : 0;
	size_t size = sizeof(struct record_control_change) + key.size + value_size;
	struct record_control_change change = {
		.header = record_control_header(RECORD_CONTROL_CHANGE, sizeof(change)),
		.time_ns = le64_make(change_time_ns),
		.value_length = le32_make(value != NULL ? (uint32_t)value_size : UINT32_MAX),
		.key_length = le16_make((uint16_t)key.size),
		.table = (uint8_t)table,
	};
	struct db_key number;
	uint64_t last;
	uint8_t *bytes;
	int error = database_last(txn, CONTROL_TABLE_CHANGE, &last);

	if (error != 0)
		return error;
	change.sequence = le64_make(last + 1);
	bytes = malloc(size);
	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes, &change, sizeof(change));
	memcpy(bytes + sizeof(change), key.data, key.size);
	if (value_size > 0)
		memcpy(bytes + sizeof(change) + key.size, value->data, value_size);
	number = db_key_make(last + 1);
	error =
	    db_append(txn, CONTROL_TABLE_CHANGE, db_key(&number), (struct db_bytes){ bytes, size });
	free(bytes);
	return error;
}

int database_put(
    struct db_txn *txn, enum control_table table, struct db_bytes key, struct db_bytes value)
{
	int error = db_put(txn, table, key, value);

	return error == 0 && control_table_replicated(table) ? change_note(txn, table, key, &value)
	                                                     : error;
}

int database_delete(struct db_txn *txn, enum control_table table, struct db_bytes key)
{
	int error = db_delete(txn, table, key);

	return error == 0 && control_table_replicated(table) ? change_note(txn, table, key, NULL)
	                                                     : error;
}
